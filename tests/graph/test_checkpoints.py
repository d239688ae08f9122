"""LangGraph's checkpoints by url: opened, shared by threads, and told where they cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint

from agent_guard.errors import ConfigError, StoreError
from agent_guard.graph import checkpoints
from agent_guard.graph.checkpoints import Checkpoints, explained
from tests.conftest import Database
from tests.postgres import Server

pytestmark = pytest.mark.databases


def put(saver: BaseCheckpointSaver, thread: str) -> None:
    """One checkpoint of a thread."""
    config = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    saver.put(config, empty_checkpoint(), {"source": "input", "step": 0, "writes": {}}, {})


def has(saver: BaseCheckpointSaver, thread: str) -> bool:
    """Whether a thread has a checkpoint."""
    return saver.get_tuple({"configurable": {"thread_id": thread}}) is not None


def test_a_checkpoint_is_found_by_the_next_who_opens_them(database: Database) -> None:
    """What one object stored, another one reads."""
    first = Checkpoints(database.checkpoints)
    put(first.saver, "t1")
    first.close()
    second = Checkpoints(database.checkpoints)
    assert (has(second.saver, "t1"), has(second.saver, "t2")) == (True, False)
    second.close()


def test_several_processes_may_make_the_tables_at_once(database: Database) -> None:
    """Whoever is first makes them; nobody fails."""
    url = database.checkpoints
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(Checkpoints, [url] * 6))
    for number, item in enumerate(made):
        put(item.saver, f"t{number}")
    assert all(has(item.saver, f"t{number}") for item in made for number in range(6))
    for item in made:
        item.close()


def test_threads_share_them(database: Database) -> None:
    """More threads than connections put and get at once."""
    opened = Checkpoints(database.checkpoints)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: put(opened.saver, f"t{n}"), range(24)))
        assert all(pool.map(lambda n: has(opened.saver, f"t{n}"), range(24)))
    opened.close()


FORKS = """
import os, sys
from agent_guard.graph.checkpoints import Checkpoints
from tests.graph.test_checkpoints import has, put

opened = Checkpoints(sys.argv[1])
put(opened.saver, "before")
child = os.fork()
if child == 0:
    assert has(opened.saver, "before")
    put(opened.saver, "child")
    opened.close()
    sys.exit(7)
for n in range(20):
    put(opened.saver, f"parent{n}")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert has(opened.saver, "child")
opened.close()
"""


def test_they_may_be_opened_before_a_fork(database: Database, tmp_path: Path) -> None:
    """Parent and child put and get through one object at the same time, and the child's end takes nothing away."""
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKS, database.checkpoints],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("threads.db", "'threads.db' is no checkpoint database; write e.g."),
        ("sqlite://", "no checkpoint database"),
        ("postgresql://u:secret@host", "a url of postgresql is no checkpoint database"),
        ("mysql://u:secret@host/threads", "a url of mysql is no checkpoint database"),
    ],
)
def test_another_url_is_refused(database: Database, url: str, words: str) -> None:
    """What is no url of a known database is refused without a password."""
    with pytest.raises(ConfigError, match=words) as caught:
        Checkpoints(url)
    assert "secret" not in str(caught.value)


@pytest.mark.databases("sqlite")
def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """The file is left as it is."""
    (tmp_path / "threads.db").write_bytes(b"no database " * 500)
    with pytest.raises(StoreError, match="checkpoint database cannot be used"):
        Checkpoints(f"sqlite:///{tmp_path}/threads.db")


@pytest.mark.databases("postgres")
@pytest.mark.req("A8")
def test_a_server_that_comes_back_is_used_again(server: Server) -> None:
    """While it is away every use is a store error; the connections it dropped are replaced."""
    opened = Checkpoints(server.fresh())
    put(opened.saver, "t1")
    server.kill()
    with pytest.raises(StoreError, match="does not answer"), explained():
        has(opened.saver, "t1")
    with pytest.raises(StoreError, match="does not answer"):
        Checkpoints(sa.make_url(server.url).set(database="guard").render_as_string())
    server.start()
    with closing(opened):
        assert any(back(opened.saver) for _ in range(12))  # the pool looks for the server with growing pauses


def back(saver: Any) -> bool:
    """Whether a use finds the server."""
    try:
        with explained():
            return bool(has(saver, "t1"))
    except StoreError:
        return False


@pytest.mark.databases("postgres")
def test_a_database_that_is_not_there_is_told(database: Database) -> None:
    """With what to do."""
    url = sa.make_url(database.checkpoints).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(StoreError, match="there is no such database on the server; make it with: createdb"):
        Checkpoints(url)


@pytest.mark.databases("postgres")
def test_tables_that_another_process_never_ends_making_are_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever for another one's turn."""
    monkeypatch.setattr(checkpoints, "STATEMENT_S", 0.2)
    engine = sa.create_engine(database.checkpoints)
    with engine.connect() as other:
        other.exec_driver_sql(f"SELECT pg_advisory_lock({checkpoints._SETUP})")
        with pytest.raises(StoreError, match="still making the tables"):
            Checkpoints(database.checkpoints)
    engine.dispose()


@pytest.mark.databases("sqlite")
def test_an_error_of_somebody_else_is_left_alone(database: Database) -> None:
    """Only the databases' own errors are told as such."""
    with pytest.raises(KeyError), explained():
        raise KeyError("x")
