"""Tools, values and moves that the cases share."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.bypass.handle import BOSS, Handle, Person, Question
from benchmarks.bypass.need import Approval, Arg, Need, Tool

__all__ = [
    "ANNA",
    "BORIS",
    "DELETE",
    "EVIL",
    "REFUND",
    "SEND",
    "TASK",
    "answer_all",
    "approved",
    "asks",
    "call",
    "calls",
    "need",
    "together",
]

ANNA, BORIS, EVIL = "anna@acme.com", "boris@acme.com", "mallory@evil.io"

SEND = Tool(name="send_message", args={"to": Arg(one_of=(ANNA, BORIS)), "text": Arg()})
REFUND = Tool(name="refund", args={"order": Arg(), "amount": Arg(kind="integer", minimum=1, maximum=100)})
TASK = Tool(name="create_task", args={"title": Arg()}, approval=Approval())
DELETE = Tool(name="delete_contact", args={"id": Arg()}, permitted="never")

Move = Callable[[Handle], object]


def need(*tools: Tool, **options: Any) -> Need:
    """A need of these tools."""
    return Need(tools=tools, **options)


def call(tool: str, args: Mapping[str, Any] | str | None = None, /, **more: Any) -> Move:
    """One call."""
    return lambda handle: handle.propose(tool, more if args is None else args)


def calls(*moves: Move) -> Move:
    """Several, one after another."""

    def work(handle: Handle) -> None:
        for move in moves:
            move(handle)

    return work


def approved(tool: str, /, by: Person = BOSS, **args: Any) -> Move:
    """One call, and a person's yes."""
    return lambda handle: handle.approve(handle.propose(tool, args).question, by)


def asks(handle: Handle, tool: str, /, **args: Any) -> str:
    """One call that must wait; returns the question's id."""
    return handle.propose(tool, args).question


def answer_all(handle: Handle, says_yes: Callable[[Question], bool]) -> None:
    """Answers every question that appears."""
    for _ in range(10):
        waiting = handle.pending()
        if not waiting:
            return
        if says_yes(waiting[0]):
            handle.approve(waiting[0].id)
        else:
            handle.reject(waiting[0].id)


def together(count: int, work: Callable[[int], object]) -> None:
    """Runs ``work(0)`` ... in threads that start at once and are switched often."""
    gate = threading.Barrier(count)

    def one(n: int) -> None:
        gate.wait()
        work(n)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
