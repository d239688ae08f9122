"""A system of record on disk, and the tools and the policy of an office that works with it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from agent_guard.policy import Policy
from agent_guard.tool import Tool, tool
from agent_guard.types import Description, Ref, Subject

__all__ = ["MODES", "TOOLS", "Desk", "awaited", "policy"]

Name = Annotated[str, Field(pattern="^t[0-9]{1,6}$")]


class Desk:
    """A system of record on disk: one file for each record, one line for each thing done to it.

    ``before`` and ``after`` are called around an effect.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) / "records"
        self._folder.mkdir(exist_ok=True)
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def effects(self, name: str) -> list[dict[str, Any]]:
        """What was done to a record, by whatever process."""
        path = self._folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def describe(self, ref: Ref) -> Description | None:
        """Port ``Records``; what is done to a record changes its version."""
        return Description(version=str(len(self.effects(ref.id))), party="p1", snapshot={}, fields={})

    def do(self, name: str, **values: Any) -> None:
        """One effect."""
        self.before()
        handle = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, json.dumps(values).encode() + b"\n")
        os.close(handle)
        self.after()


class Move(BaseModel):
    deal: Name
    stage: Annotated[str, Field(max_length=20)] = "won"


class Fine(BaseModel):
    ok: bool = True


@tool(name="deal.move", effect="write", timeout_s=5, key=("deal", "stage"), refs={"deal": "deal"}, changes="deal")
def move_deal(args: Move, desk: Any, idempotency_key: str, subject: Subject) -> Fine:
    """Moves a deal; a manager is asked."""
    desk.do(args.deal, tool="deal.move", stage=args.stage, key=idempotency_key, by=subject.id)
    return Fine()


@tool(name="task.make", effect="draft", timeout_s=5, key=("deal", "stage"), refs={"deal": "deal"})
def make_task(args: Move, desk: Any, idempotency_key: str, subject: Subject) -> Fine:
    """Makes a task; nobody is asked."""
    desk.do(args.deal, tool="task.make", stage=args.stage, key=idempotency_key, by=subject.id)
    return Fine()


@tool(name="note.send", effect="send", timeout_s=5, refs={"deal": "deal"})
def send_note(args: Move, desk: Any, idempotency_key: str, subject: Subject) -> Fine:
    """Sends a note; has no key fields, and nobody is asked."""
    desk.do(args.deal, tool="note.send", stage=args.stage, key=idempotency_key, by=subject.id)
    return Fine()


@tool(name="deal.read", effect="read", timeout_s=5, refs={"deal": "deal"})
def read_deal(args: Move) -> Fine:
    """Reads a deal."""
    return Fine()


TOOLS = [move_deal, make_task, send_note, read_deal]


def awaited(made: Tool) -> Tool:
    """The same tool, to be awaited on an event loop."""
    real = made.run

    @wraps(real)
    async def run(*given: Any, **options: Any) -> Any:
        await asyncio.sleep(0)
        return real(*given, **options)

    return replace(made, run=run)


MODES = {"deal.move": "approve", "task.make": "execute", "note.send": "execute", "deal.read": "execute"}


def policy(modes: Mapping[str, str] = MODES, **top: Any) -> Policy:
    """The office's policy, or one with other modes."""
    approvers = {"roles": ["manager"], "not_requester": True, "expires": "24h"}
    tools = {name: {"roles": ["sales"], "mode": mode, "approvers": approvers} for name, mode in modes.items()}
    limits = {"actions_per_thread": 50, "attempts_per_thread": 200, "steps_per_thread": 100}
    return Policy.model_validate({"version": 1, "name": "office.v1", "limits": limits, "tools": tools} | top)
