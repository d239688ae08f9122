"""A checkpointer that knows one of LangGraph's doors serves both."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from agent_guard.graph.savers import both_doors

CONFIG: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}


@pytest.fixture(name="saver")
def _saver(tmp_path: Path) -> Iterator[SqliteSaver]:
    """LangGraph's own, which refuses every asynchronous call."""
    with closing(sqlite3.connect(tmp_path / "threads.db", check_same_thread=False)) as opened:
        made = SqliteSaver(opened)
        made.setup()
        yield made


async def test_a_synchronous_saver_has_an_asynchronous_door(saver: SqliteSaver) -> None:
    """Put, put_writes, get, list and delete from a loop that must not be blocked; the synchronous door sees the same."""
    both = both_doors(saver)
    checkpoint = empty_checkpoint()
    with pytest.raises(NotImplementedError):
        await saver.aget_tuple(CONFIG)
    with blockbuster_ctx():
        stored = await both.aput(CONFIG, checkpoint, {"source": "input", "step": -1}, {})
        await both.aput_writes(stored, [("messages", "hello")], "task-1")
        found = await both.aget_tuple(CONFIG)
        assert found is not None and found.pending_writes == [("task-1", "messages", "hello")]
        assert [item.checkpoint["id"] async for item in both.alist(CONFIG)] == [checkpoint["id"]]
        assert (await both.aget(CONFIG))["id"] == checkpoint["id"]
    assert both.get_tuple(CONFIG).checkpoint["id"] == saver.get_tuple(CONFIG).checkpoint["id"] == checkpoint["id"]  # type: ignore[union-attr]
    assert [item.checkpoint["id"] for item in both.list(CONFIG, limit=1)] == [checkpoint["id"]]
    with blockbuster_ctx():
        await both.adelete_thread("t1")
        assert await both.aget_tuple(CONFIG) is None


class Both(InMemorySaver):
    """A saver with a door of its own for loops; tells in which thread it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []

    async def aget_tuple(self, config: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        return await super().aget_tuple(config)


async def test_a_saver_with_a_door_of_its_own_is_asked_there() -> None:
    """No thread stands between."""
    saver = Both()
    assert await both_doors(saver).aget_tuple(CONFIG) is None
    assert saver.threads == [threading.current_thread().name]


class Failing(InMemorySaver):
    """A saver whose database is gone."""

    async def aput(self, *given: Any) -> Any:
        raise sqlite3.OperationalError("disk I/O error")


async def test_an_error_of_the_saver_is_its_own() -> None:
    """Only a call that there is not is made otherwise; what failed is not done a second time."""
    saver = Failing()
    with pytest.raises(sqlite3.OperationalError):
        await both_doors(saver).aput(CONFIG, empty_checkpoint(), {}, {})
    assert list(saver.list(None)) == []


def test_what_the_saver_is_shows_through(saver: SqliteSaver) -> None:
    """Versions, serializer and configuration are the saver's; it is wrapped once, and what is no saver stays as it is."""
    both = both_doors(saver)
    assert isinstance(both, BaseCheckpointSaver)
    assert both.serde is saver.serde and both.config_specs == saver.config_specs
    first = both.get_next_version(None, None)
    assert type(first) is type(saver.get_next_version(None, None))
    assert both_doors(both) is both
    assert [both_doors(item) for item in (None, True, False)] == [None, True, False]
    assert type(both.with_allowlist([("tests", "Thing")])) is type(both)
