"""The work that processes die at: one conversation for each name, a system of record on disk, and sessions over both.

Thread ``t7`` is about the record ``t7``, so that hundreds of conversations live in one database and none minds another.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command
from pydantic import BaseModel, Field

from agent_guard.errors import UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.masking import Masker
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Reply, Session
from agent_guard.testing import FixedClock, ScriptedModel
from agent_guard.tool import tool
from agent_guard.types import Description, Party, Ref, Subject, ToolCall
from tests.steps import Steps

__all__ = ["MANAGER", "TENANT", "USER", "Desk", "Office", "Place", "Told", "opened", "proposing", "warm"]

TENANT = "acme"
USER = Subject(id="u1", tenant=TENANT, roles={"sales"})
MANAGER = Subject(id="m1", tenant=TENANT, roles={"manager"})
PARTY = Party(id="p1")
MASKER = Masker(profile="patterns")
LATER_S = 300
"""Longer than a claim and a lease hold, in seconds."""

Name = Annotated[str, Field(pattern="^t[0-9]{1,6}$")]


@dataclass(frozen=True)
class Place:
    """Where an office keeps its things; picklable.

    Args:
        folder: of the system of record.
        url, checkpoints: of the databases.
    """

    folder: str
    url: str
    checkpoints: str


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


MODES = {"deal.move": "approve", "task.make": "execute", "note.send": "execute", "deal.read": "execute"}


def policy(modes: Mapping[str, str] = MODES, **top: Any) -> Policy:
    """The office's policy, or one with other modes."""
    approvers = {"roles": ["manager"], "not_requester": True, "expires": "24h"}
    tools = {name: {"roles": ["sales"], "mode": mode, "approvers": approvers} for name, mode in modes.items()}
    limits = {"actions_per_thread": 50, "attempts_per_thread": 200, "steps_per_thread": 100}
    return Policy.model_validate({"version": 1, "name": "office.v1", "limits": limits, "tools": tools} | top)


class _Key:
    def master_key(self, environment: str | None = None) -> bytes:
        return b"k" * 32

    def secret(self, name: str, *, environment: str, agent: str) -> Any:
        raise AssertionError(name)


def proposing(name: str, **more: Any) -> Callable[[Sequence[BaseMessage]], AIMessage]:
    """A model that calls a tool whenever somebody spoke, under an id that it never used before, and otherwise has done."""
    numbers = count()

    def turn(messages: Sequence[BaseMessage]) -> AIMessage:
        if not isinstance(messages[-1], HumanMessage):
            return AIMessage("Done.")
        (deal,) = re.findall(r"\bt\d+\b", messages[-1].text)[:1]
        args = {"reason": "The user asked.", "deal": deal, **more}
        call_id = f"call-{os.getpid()}-{next(numbers)}"
        call = {"name": name.replace(".", "__"), "args": args, "id": call_id, "type": "tool_call"}
        return AIMessage("I do it.", tool_calls=[call])

    return turn


@dataclass(frozen=True)
class Told:
    """Where a thread stands, by whatever door: ``question`` is the id of the one that waits."""

    status: str
    code: str | None = None
    question: str | None = None


def _told(reply: Reply | None) -> Told:
    if reply is None:
        return Told("running")
    return Told(reply.status, reply.code and str(reply.code), reply.pending and reply.pending.id)


def _of_graph(out: Mapping[str, Any]) -> Told:
    waiting = [item.value["agent_guard"]["approval_id"] for item in out.get("__interrupt__") or ()]
    code = (out.get("outcome") or {}).get("code")
    return Told("pending" if waiting else str(out.get("status")), code, waiting[0] if waiting else None)


class Office:
    """A gateway, a session and a graph over a place.

    Args:
        turn: what the model says.
        steps: watches every step of the gateway, the system of record and the checkpoints.
        later_s: how far the clock of this process is ahead.
        door: ``session``, or the durability of a graph that is run without one: ``sync``, ``async`` or ``exit``.
    """

    def __init__(
        self,
        place: Place,
        turn: Any,
        *,
        steps: Steps | None = None,
        later_s: float = 0,
        door: str = "sync",
        rules: Policy | None = None,
    ) -> None:
        self.desk, self.clock, self.door = Desk(place.folder), FixedClock(), door
        self.clock.now += timedelta(seconds=later_s)
        self.gateway = Gateway(
            [move_deal, make_task, send_note, read_deal],
            rules or policy(),
            url=place.url,
            environment="dev",
            resources={"desk": self.desk},
            records=self.desk,
            credentials=_Key(),
            masker=MASKER,
            clock=self.clock,
        )
        graph = guarded_agent(ScriptedModel(*[turn] * 1000), self.gateway)
        self.session = Session(graph, self.gateway, checkpointer=place.checkpoints)
        self.graph = self.session.graph
        if steps is not None:
            steps.transactions(self.gateway.store)
            steps.port(self.desk, "describe")
            steps.checkpoints(self.graph.checkpointer)
            self.desk.before, self.desk.after = (
                lambda: steps.reach("effect begins"),
                lambda: steps.reach("effect is over"),
            )

    def close(self) -> None:
        """Closes the databases."""
        self.session.close()
        self.gateway.close()

    # ---- what a host does

    def send(self, name: str) -> Told:
        """Opens a thread, if it is none yet, and says something."""
        if self.door == "session":
            text = f"Please see to {name}."
            return _told(self.session.start(text, USER, speaker="user", thread_id=name, party=PARTY))
        self.gateway.open(USER, thread_id=name, party=PARTY)
        return self.invoke(name, {"messages": [HumanMessage(f"Please see to {name}.")]})

    def approve(self, name: str, question: str) -> Told:
        """Answers the question that a thread waits for."""
        if self.door == "session":
            return _told(self.session.resume(question, "approve", by=MANAGER))
        return self.invoke(name, Command(resume={"type": "approve", "approval_id": question}))

    def invoke(self, name: str, given: Any, *, by: Subject | None = MANAGER, **more: Any) -> Told:
        """Runs the graph, with no Session around it."""
        durability: Any = "sync" if self.door == "session" else self.door
        context = GuardContext(approver=by)
        out = self.graph.invoke(given, self.config(name, **more), context=context, durability=durability)
        return _of_graph(out)

    @staticmethod
    def config(name: str, **more: Any) -> RunnableConfig:
        """Where a thread stands."""
        return {"configurable": {"thread_id": name, **more}, "recursion_limit": 100}

    def carry_on(self, name: str) -> Told:
        """What a host does after a crash: the thread goes on from its checkpoint, a question is answered, and where the
        checkpoints know nothing the user says it again.
        """
        told = self._taken_up(name) or self.send(name)
        return self.approve(name, told.question) if told.question else told

    def _taken_up(self, name: str) -> Told | None:
        if self.door == "session":
            try:
                return _told(self.session.take_up(name))
            except UnknownThread:
                return None
        snapshot = self.graph.get_state(self.config(name))
        if snapshot.created_at is None:
            return None
        if (
            snapshot.tasks and not snapshot.interrupts
        ):  # "next" is empty between a node's writes and the next checkpoint
            return self.invoke(name, None)
        return _of_graph({**snapshot.values, "__interrupt__": snapshot.interrupts})

    # ---- what is left

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The rows of a thread's calls, in order."""
        with self.gateway.store.read() as connection:
            found = connection.exec_driver_sql(
                f"SELECT * FROM calls WHERE thread = '{name}' ORDER BY created, trace_id"
            )
            return [dict(row._mapping) for row in found]

    def settle(self, name: str) -> list[str]:
        """Asks once more for each call of a thread that is claimed and whose process died; the states afterwards."""
        thread = self.gateway.thread_row(name)
        for row in self.calls(name):
            if row["state"] == "claimed":
                args = json.loads(row["args"])
                self.gateway.execute(thread, ToolCall(id=row["call_id"], tool=row["tool"], args=args, thread=name))
        return [row["state"] for row in self.calls(name)]

    def broken(self, name: str) -> list[str]:
        """What does not fit in a thread's record."""
        return list(self.gateway.audit.broken(name))


@contextmanager
def opened(place: Place, turn: Any, **options: Any) -> Iterator[Office]:
    """An office that is closed at the end, unless its process is not there any more."""
    office = Office(place, turn, **options)
    try:
        yield office
    finally:
        office.close()


def warm() -> None:
    """Loads and compiles what every job needs, by one conversation in a folder that is removed."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder, f"sqlite:///{folder}/guard.db", f"sqlite:///{folder}/threads.db")
        for name, door in (("t1", "sync"), ("t2", "session")):
            with opened(place, proposing("deal.move"), door=door) as office:
                office.approve(name, str(office.send(name).question))
