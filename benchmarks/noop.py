"""A tool that does nothing: what is left of a call's cost is the gateway's own. Shared by the benchmarks of a call.

The policy is as people write it: loops are left at their defaults. No two calls of a process have the same text, as in
a real conversation, so that no cache of a whole text helps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from agent_guard import Gateway, Policy, Subject, tool
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.policy import Loops
from benchmarks.texts import new_text

__all__ = ["PAUSING", "WRITE", "Transactions", "counted", "gateway", "invoke", "opened"]

WRITE, PAUSING = "noop.write", "noop.pause"
PAUSE_S = 0.005

_POLICY = Policy.model_validate(
    {
        "version": 1,
        "name": "noop.v1",
        "tools": {
            name: {"roles": ["sales"], "mode": "execute", "limits": ["1000000/minute/subject"]}
            for name in (WRITE, PAUSING)
        },
    }
)
_NO_LIMITS = _POLICY.limits.model_copy(update={"actions_per_thread": 10**9, "attempts_per_thread": 10**9})
"""More than a policy may allow: a conversation of ten thousand calls is measured, not recommended."""


class Note(BaseModel):
    """What is written."""

    text: str = Field(max_length=100)


class Written(BaseModel):
    """That it was."""

    id: str


@tool(name=WRITE, effect="write", timeout_s=5, unmask={"text"})
def write(args: Note) -> Written:
    """Does nothing."""
    return Written(id=args.text)


@tool(name=PAUSING, effect="write", timeout_s=5, unmask={"text"})
def pause(args: Note) -> Written:
    """Takes five milliseconds."""
    time.sleep(PAUSE_S)
    return Written(id=args.text)


def gateway(url: str, loops: Mapping[str, int] | None = None) -> Gateway:
    """A gateway of these tools. No limit is in the way; each is counted.

    Args:
        loops: as in a policy; the defaults where it is left out.
    """
    update = {"limits": _NO_LIMITS, "loops": Loops.model_validate(loops or {})}
    policy = _POLICY.model_copy(update=update)
    return Gateway([write, pause], policy, url=url, environment="dev", masker=Masker(("en",), profile="patterns"))


def opened(guard: Gateway, name: str | None = None) -> GuardedThread:
    """A new conversation."""
    return guard.open(Subject(id="u1", tenant="acme", roles={"sales"}), thread_id=name)


@dataclass
class Transactions:
    """How many a gateway has written so far, and how many of them asked for a flush."""

    written: int = 0
    flushed: int = 0


def counted(guard: Gateway, *, durable: bool = True) -> Transactions:
    """Counts a gateway's transactions from now on, or has none of them flushed."""
    write, found = guard.store.write, Transactions()

    def counting(**given: Any) -> Any:
        given["durable"] = durable and given.get("durable", False)
        found.written += 1
        found.flushed += given["durable"]
        return write(**given)

    guard.store.write = counting  # type: ignore[method-assign]
    return found


def invoke(thread: GuardedThread, tool: str = WRITE, text: str | None = None) -> None:
    """One call, with a text of its own where none is given."""
    result = thread.invoke(tool, {"text": text or new_text()})
    if result.status != "executed":
        raise AssertionError(f"{result.status}: {result.code}")
