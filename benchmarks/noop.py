"""A tool that does nothing: what is left of a call's cost is the gateway's own. Shared by the benchmarks of a call."""

from __future__ import annotations

import time

from pydantic import BaseModel, Field

from agent_guard import Gateway, Policy, Subject, tool
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker

__all__ = ["PAUSING", "WRITE", "gateway", "invoke", "opened"]

WRITE, PAUSING = "noop.write", "noop.pause"
PAUSE_S = 0.005

_POLICY = Policy.model_validate(
    {
        "version": 1,
        "name": "noop.v1",
        "loops": {"same_call": 20, "cycle": 5},
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


def gateway(url: str) -> Gateway:
    """A gateway of these tools. No limit is in the way; each is counted."""
    policy = _POLICY.model_copy(update={"limits": _NO_LIMITS})
    return Gateway([write, pause], policy, url=url, environment="dev", masker=Masker(("en",), profile="patterns"))


def opened(guard: Gateway, name: str | None = None) -> GuardedThread:
    """A new conversation."""
    return guard.open(Subject(id="u1", tenant="acme", roles={"sales"}), thread_id=name)


def invoke(thread: GuardedThread, n: int, tool: str = WRITE) -> None:
    """One call; no two of a thread are equal."""
    result = thread.invoke(tool, {"text": f"number {n}"})
    if result.status != "executed":
        raise AssertionError(f"{result.status}: {result.code}")
