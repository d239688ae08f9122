"""Ctrl-C in the very moment in which a tool is handed to its thread: what may have begun is never called not done."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from agent_guard.runtime import running
from tests.conftest import World

pytestmark = [pytest.mark.databases("sqlite"), pytest.mark.req("A6", "A8")]

TASK = {"deal_id": "42", "subject": "Call"}


def interrupted(world: World, monkeypatch: pytest.MonkeyPatch, *, handed_over: bool) -> list[dict[str, object]]:
    """A call whose caller is interrupted around the handing over; the rows when nothing runs any more."""
    submit, over = running.THREADS.submit, threading.Event()

    def pressed(job: Callable[[], None]) -> None:
        if handed_over:
            submit(lambda: (job(), over.set()))
            assert over.wait(10)
        raise KeyboardInterrupt

    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    with monkeypatch.context() as patch:
        patch.setattr(running.THREADS, "submit", pressed)
        with pytest.raises(KeyboardInterrupt):
            thread.invoke("crm.create_task", TASK, call_id="c1")
    rows = world.rows(gateway, "calls")
    thread.invoke("crm.create_task", TASK, call_id="c2")
    return rows


def test_before_it_is_handed_over_nothing_happens_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ran: the intent may be proposed again and happens at most once."""
    interrupted(world, monkeypatch, handed_over=False)
    assert len(world.desk.effects) <= 1


def test_after_it_is_handed_over_it_is_not_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool runs although its caller went: what it came to is recorded, or unknown, and the intent not repeated."""
    (row,) = interrupted(world, monkeypatch, handed_over=True)
    assert row["state"] in ("claimed", "unknown", "done")
    assert len(world.desk.effects) == 1
