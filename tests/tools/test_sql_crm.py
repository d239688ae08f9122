"""The embedded CRM keeps the port's laws, and the promises that only a database of its own can make."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event, func, insert, inspect, select, text, update
from sqlalchemy.exc import OperationalError

from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.types import Ref
from tests.conftest import Database
from tools.crm.contract import DEAL, DRAFT, NOW, CRMContract, Store, described, fixed_clock, open_tasks
from tools.crm.contract.at_once import together
from tools.crm.port import CRM
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM, known
from tools.crm.tables import contacts, deals, metadata, tasks


@pytest.fixture
def url(database: Database) -> str:
    """The url of a database with the anchors alone."""
    made = database.empty()
    with closing(SqlCRM(made, clock=fixed_clock)) as crm:
        crm.create()
        seed(crm, now=NOW, deals=0)
    return made


@pytest.fixture
def crm(url: str) -> Iterator[SqlCRM]:
    """A seeded CRM that waits for nobody."""
    opened = SqlCRM(url, clock=fixed_clock, wait_s=0.01)
    yield opened
    opened.close()


@pytest.mark.databases
@pytest.mark.req("A5", "A6", "A8", "A10", "A12", "A15", "A16", "A21", "A23")
class TestSqlCRM(CRMContract):
    """The embedded CRM, on SQLite and on PostgreSQL."""

    @pytest.fixture
    def open_store(self, url: str) -> Callable[[], Store]:
        return partial(SqlCRM, url, clock=fixed_clock)

    @pytest.fixture
    def down(self, database: Database, tmp_path: Path) -> Iterator[CRM]:
        nowhere = {
            "sqlite": f"sqlite:///{tmp_path}/no/such/folder/crm.db",
            "postgres": f"postgresql+psycopg://guard@/crm?host={tmp_path}/nowhere",
        }
        crm = SqlCRM(nowhere[database.kind], wait_s=0.01)
        yield crm
        crm.close()

    def edit_deal(self, crm: Store) -> None:
        assert isinstance(crm, SqlCRM)
        with crm.writing() as connection:
            connection.execute(update(deals).where(deals.c.id == "1001").values(stage="proposal"))


@pytest.mark.req("A8")
@pytest.mark.databases("postgres")
def test_a_network_that_is_gone_is_noticed(crm: SqlCRM) -> None:
    """The kernel would send a request again for a quarter of an hour before it says that nobody is there."""
    with crm.reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.info.get_parameters()["tcp_user_timeout"] == "2000"


@pytest.mark.databases
@pytest.mark.req("A10")
def test_tables_beside_the_crms_are_made_once(crm: SqlCRM, url: str) -> None:
    """Of many workers that start at once and make a table where it is missing, none fails."""
    for number in range(3):
        beside = MetaData()
        Table(f"beside_{number}", beside, Column("id", Integer, primary_key=True))
        with closing(SqlCRM(url)) as patient:
            together(lambda _, tables=beside: patient.add_tables(tables), 8)  # type: ignore[misc]
        assert beside.tables.keys() <= set(inspect(crm.engine).get_table_names())


@pytest.mark.req("A1")
def test_the_port_is_an_allowlist() -> None:
    """The port has these five methods: none deletes, none updates, none takes a query."""
    assert {name for name in vars(CRM) if not name.startswith("_")} == {
        "deal", "activities", "create_task", "describe", "find_by_key",
    }  # fmt: skip


@pytest.mark.databases
@pytest.mark.req("A8")
def test_a_locked_database_is_unavailable(crm: SqlCRM, url: str) -> None:
    """While another process holds the lock that a write needs (the file's, or the key's) it fails within its wait, nothing
    happened, and reads go on.
    """
    row = {"deal_id": "1001", "kind": "call", "subject": "s", "due": NOW.date(), "status": "draft", "source": "x"}
    row |= {"key": "k1", "body": "other", "created_at": NOW}
    with closing(SqlCRM(url)) as other, pytest.raises(KeyError), other.writing() as connection:
        connection.execute(insert(tasks), row)
        with pytest.raises(ToolUnavailable) as failed:
            crm.create_task(DRAFT, "k1")
        assert crm.deal("1001").title == "Fleet tracking rollout"
        raise KeyError  # the other one takes it back
    assert failed.value.code == "unavailable"
    assert crm.find_by_key("task", "k1") is None
    assert crm.create_task(DRAFT, "k1").outcome == "created"


@pytest.mark.databases
@pytest.mark.req("A8")
@pytest.mark.parametrize("committed", [False, True])
def test_a_failed_commit_is_unknown_and_settled_by_key(crm: SqlCRM, committed: bool) -> None:
    """An unconfirmed commit is never called a failure; the key then tells whether it happened."""

    def lose_the_answer(connection: Any) -> None:
        if committed:
            connection.connection.commit()
        raise OperationalError("COMMIT", {"subject": DRAFT.subject}, sqlite3.OperationalError("disk I/O error"))

    event.listen(crm.engine, "commit", lose_the_answer)
    with pytest.raises(OutcomeUnknown) as unknown:
        crm.create_task(DRAFT, "k1")
    event.remove(crm.engine, "commit", lose_the_answer)
    assert unknown.value.code == "outcome_unknown"
    assert DRAFT.subject not in str(unknown.value)
    assert (crm.find_by_key("task", "k1") is not None) is committed
    assert crm.create_task(DRAFT, "k1").outcome == ("replayed" if committed else "created")
    assert open_tasks(crm) == 1


@pytest.mark.databases
@pytest.mark.req("A23")
def test_no_driver_error_leaves_the_crm(crm: SqlCRM) -> None:
    """An error of the database is replaced by one of ours, whose text and cause hold no value."""
    row = {"id": "2001", "name": "Emily Carter", "language": "en", "region": "us", "owner_id": "x", "company_id": "x"}
    with pytest.raises(ToolUnavailable) as failed, crm.writing() as connection:
        connection.execute(insert(contacts), [row])
    assert "Emily" not in repr(failed.value)
    assert failed.value.__cause__ is None
    assert "Emily" not in str(failed.value.__context__)
    with pytest.raises(ToolUnavailable), crm.reading() as connection:
        connection.execute(text("SELECT name FROM nowhere"))


def test_an_error_in_the_hosts_own_edit_rolls_it_back(crm: SqlCRM) -> None:
    """What a host raises inside a write transaction passes through, and nothing is written."""

    def edit() -> None:
        with crm.writing() as connection:
            connection.execute(update(deals).values(stage="won"))
            raise KeyError

    with pytest.raises(KeyError):
        edit()
    assert crm.deal("1001").stage == "qualification"


def kill_in_the_middle(url: str) -> None:
    """One process: writes a task and is killed before it commits."""
    crm = SqlCRM(url)
    event.listen(crm.engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    crm.create_task(DRAFT, "k1")


@pytest.mark.databases
@pytest.mark.req("A6")
def test_a_killed_writer_leaves_nothing(crm: SqlCRM, url: str) -> None:
    """A process killed right before its commit leaves no task, no lock and a free key."""
    writer = multiprocessing.get_context("spawn").Process(target=kill_in_the_middle, args=(url,))
    writer.start()
    writer.join(30)
    assert writer.exitcode == -signal.SIGKILL
    writer.close()
    assert crm.find_by_key("task", "k1") is None
    assert crm.create_task(DRAFT, "k1").outcome == "created"


@pytest.mark.databases
def test_create_is_done_once(database: Database) -> None:
    """Ten CRMs opened at once on an empty database make one schema, and a later create leaves the data alone."""
    url = database.empty()
    opened = [SqlCRM(url) for _ in range(10)]
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(SqlCRM.create, opened))
    assert seed(opened[0], now=NOW, deals=0)
    opened[1].create()
    assert opened[2].deal("1001").title == "Fleet tracking rollout"
    for crm in opened:
        crm.close()


@pytest.mark.req("A2")
def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A database that holds other tables is not touched."""
    path = tmp_path / "guard.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE calls (id TEXT)")
    with closing(SqlCRM(f"sqlite:///{path}")) as crm:
        with pytest.raises(ConfigError, match="other tables"):
            crm.create()
        with crm.reading() as connection_:
            assert connection_.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 1


@pytest.mark.parametrize(
    "url", ["", "crm.db", "mysql://u:hunter2@h/db", "nosuch+driver://u:hunter2@h/db", "http://hunter2"]
)
def test_a_wrong_url_is_refused_without_repeating_it(url: str) -> None:
    """An unusable address is refused when the CRM is built, and a password in it is not repeated."""
    with pytest.raises(ConfigError) as refused:
        SqlCRM(url)
    assert "hunter2" not in str(refused.value)


def test_the_database_is_durable(crm: SqlCRM) -> None:
    """The file is in WAL mode, flushes each commit and checks foreign keys."""
    with crm.reading() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]


def test_memory_is_one_database_for_all_threads() -> None:
    """A CRM in memory is the same one in every thread, and gone when it is closed."""
    with closing(SqlCRM("sqlite://", clock=fixed_clock)) as crm:
        crm.create()
        seed(crm, now=NOW, deals=0)
        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(lambda n: crm.create_task(DRAFT, f"k{n % 4}").ref.id, range(40)))
        assert len(set(made)) == open_tasks(crm) == 4


def test_a_closed_crm_opens_again(crm: SqlCRM) -> None:
    """Closing drops the connections, not the data."""
    crm.close()
    assert crm.describe(DEAL) is not None


@pytest.mark.databases
@pytest.mark.req("A5")
def test_every_edit_of_a_row_counts_its_version(crm: SqlCRM) -> None:
    """Any edit of a deal, contact or task raises its version by one, however many fields it touches."""
    task = crm.create_task(DRAFT, "k1").ref
    edits = (
        (DEAL, update(deals).values(title="A", amount=Decimal("1.5"))),
        (Ref(kind="contact", id="2001"), update(contacts).values(email="x@y.example")),
        (task, update(tasks).values(status="open")),
    )
    for ref, edit in edits:
        with crm.writing() as connection:
            connection.execute(edit)
        assert described(crm, ref).version == "2"
    assert open_tasks(crm) == 0


@pytest.mark.databases
@pytest.mark.req("A6")
def test_a_task_edited_by_a_person_is_still_replayed(crm: SqlCRM) -> None:
    """A repeat is compared with what was first asked for, not with what a person made of it."""
    first = crm.create_task(DRAFT, "k1")
    with crm.writing() as connection:
        connection.execute(update(tasks).values(subject="Ring them", status="open"))
    again = crm.create_task(DRAFT, "k1")
    assert (again.ref, again.outcome, again.version) == (first.ref, "replayed", "2")


@pytest.mark.databases
@pytest.mark.req("A25")
def test_a_qualification_is_stored_as_given(crm: SqlCRM) -> None:
    """The qualification is kept with the task for the human who validates it; none is stored as none."""
    crm.create_task(DRAFT, "k1")
    crm.create_task(replace(DRAFT, qualification=None), "k2")
    with crm.reading() as connection:
        stored = connection.execute(select(tasks.c.qualification).order_by(tasks.c.id)).scalars().all()
        nulls = connection.scalar(select(func.count()).where(tasks.c.qualification.is_(None)))
    assert stored == [DRAFT.qualification, None]
    assert nulls == 1


@pytest.mark.req("A23")
def test_known_gives_a_contacts_own_data(crm: SqlCRM) -> None:
    """A contact's own data is given by entity type, without empty ones; an unknown contact is rejected."""
    assert known(crm, "2005") == {
        "PERSON": ["Айгерим Сатыбалдиева"],
        "PHONE": ["+77015553322"],
        "EMAIL": ["aigerim.s@altyn.example"],
        "ID": ["880512400150"],
    }
    assert "ID" not in known(crm, "2001")
    with pytest.raises(ToolRejected) as refused:
        known(crm, "999999")
    assert refused.value.code == "not_found"


def test_the_tables_are_plain(crm: SqlCRM) -> None:
    """The database holds the CRM's seven tables and nothing else."""
    with crm.reading() as connection:
        found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    assert set(found) == set(metadata.tables)
