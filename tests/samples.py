"""Builders of the core's tests: a contract, a policy, a call, facts, rows. Each takes what differs from the usual."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from pydantic import BaseModel, Field

from agent_guard.calls import CallRow
from agent_guard.credentials import Keys
from agent_guard.facts import Facts, RecordFact
from agent_guard.policy import Policy
from agent_guard.store import Store
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool, tool
from agent_guard.types import Code, Subject, ToolCall

KEYS = Keys(b"k" * 32)
NOW_MS = 1_767_612_004_000
TOOL = "crm.create_task"


class TaskArgs(BaseModel):
    deal_id: str = Field(max_length=40)
    subject: str = Field(max_length=120)
    days: int = Field(default=3, ge=1, le=30)


class TaskMade(BaseModel):
    task_id: str
    status: str = "draft"


def contract(name: str = TOOL, *, args: type[BaseModel] = TaskArgs, **options: Any) -> Tool:
    """A tool that writes; ``args`` and any option of the contract may be replaced."""
    given = {"effect": "draft", "timeout_s": 1.0} | options
    if args is TaskArgs:
        given = {"refs": {"deal_id": "deal"}, "key": ("deal_id", "subject")} | given

    def run(args, crm):
        """Makes a task."""
        return TaskMade(task_id="9")

    run.__annotations__ = {"args": args, "return": TaskMade}
    return tool(name=name, **given)(run)


def rule(**entries: Any) -> dict[str, Any]:
    """The entry of one tool, by default executed for the role ``sales``."""
    return {"roles": ["sales"], "mode": "execute"} | entries


def policy(tools: dict[str, Any] | None = None, **entries: Any) -> Policy:
    """A policy that permits ``TOOL`` by :func:`rule` unless ``tools`` says otherwise."""
    data = {"version": 1, "name": "test.v1", "tools": {TOOL: rule()} if tools is None else tools}
    return Policy.model_validate(data | entries)


def call(tool: str = TOOL, **options: Any) -> ToolCall:
    """A proposal."""
    given = {"id": "c1", "args": {"deal_id": "42", "subject": "Call"}, "thread": "t1", "reason": "It is asked for."}
    return ToolCall(tool=tool, **(given | options))


def facts(**options: Any) -> Facts:
    """Facts under which nothing objects."""
    given = {
        "at": "2026-01-05T11:20:04.000+00:00",
        "environment": "prod",
        "thread": "t1",
        "scenario": None,
        "tenant": "acme",
        "subject": "u1",
        "agent": "default",
        "known": True,
        "roles": ("sales",),
        "region": "kz",
        "party": "contact:17",
    }
    return Facts(**(given | options))


def record(**options: Any) -> RecordFact:
    """A record of the thread's customer, owned by the subject, in the subject's region."""
    given = {"ref": "deal:42", "found": True, "party": "contact:17", "responsible": "u1", "region": "kz"}
    return RecordFact(**(given | options))


def thread(id: str = "t1", *, tenant: str = "acme", party: str | None = None, **options: Any) -> ThreadRow:
    """A thread's row."""
    return ThreadRow(id=id, subject=Subject(id="u1", tenant=tenant, roles={"sales"}), party=party, **options)


def row(trace_id: str, **options: Any) -> CallRow:
    """A call's row, decided and ready to be claimed."""
    given = {
        "thread": "t1",
        "call_id": trace_id,
        "digest": f"sha256:{trace_id}",
        "same": "sha256:same",
        "tenant": "acme",
        "tool": TOOL,
        "args": {"deal_id": "42"},
        "reason": None,
        "state": "proposed",
        "code": Code.ALLOWED,
        "for_model": "",
        "for_human": "",
        "policy_hash": "sha256:p",
        "record_version": "",
        "key": None,
        "approval_id": None,
        "created": NOW_MS,
    }
    unknown = set(options) - {item.name for item in fields(CallRow)}
    assert not unknown
    return CallRow(trace_id=trace_id, **(given | options))


@contextmanager
def opened(url: str = "sqlite://", **options: Any) -> Iterator[Store]:
    """A store with its schema, closed at the end."""
    made = Store(url, **options)
    try:
        made.open()
        yield made
    finally:
        made.close()
