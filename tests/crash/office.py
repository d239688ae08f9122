"""The work that processes die at: one conversation for each name, a system of record on disk, and sessions over both.

Thread ``t7`` is about the record ``t7``, so that hundreds of conversations live in one database and none minds another.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall as LangChainCall
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agent_guard.errors import UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.masking import Masker
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Reply, Session
from agent_guard.testing import FixedClock, ScriptedModel
from agent_guard.types import Party, Subject, ToolCall
from tests.crash.desk import TOOLS, Desk, awaited, policy
from tests.steps import Steps

__all__ = ["MANAGER", "TENANT", "USER", "Office", "Place", "Told", "opened", "proposing", "warm"]

TENANT = "acme"
USER = Subject(id="u1", tenant=TENANT, roles={"sales"})
MANAGER = Subject(id="m1", tenant=TENANT, roles={"manager"})
PARTY = Party(id="p1")
MASKER = Masker(profile="patterns")
LATER_S = 300
"""Longer than a claim and a lease hold, in seconds."""


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


class _Key:
    def master_key(self, environment: str | None = None) -> bytes:
        return b"k" * 32

    def secret(self, name: str, *, environment: str, agent: str) -> Any:
        raise AssertionError(name)


def proposing(*names: str) -> Callable[[Sequence[BaseMessage]], AIMessage]:
    """A model that calls tools in one message whenever somebody spoke, under ids that it never used before, and
    otherwise has done.
    """
    numbers = count()

    def turn(messages: Sequence[BaseMessage]) -> AIMessage:
        if not isinstance(messages[-1], HumanMessage):
            return AIMessage("Done.")
        (deal,) = re.findall(r"\bt\d+\b", messages[-1].text)[:1]
        args = {"reason": "The user asked.", "deal": deal}
        return AIMessage("I do it.", tool_calls=[said(name, args) for name in names])

    def said(name: str, args: dict[str, Any]) -> LangChainCall:
        call_id = f"call-{os.getpid()}-{next(numbers)}"
        return {"name": name.replace(".", "__"), "args": args, "id": call_id, "type": "tool_call"}

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
        loop: go through it on an event loop: by ``ainvoke`` and the session's asynchronous twins, with asynchronous
            tools.
    """

    def __init__(
        self,
        place: Place,
        turn: Any,
        *,
        steps: Steps | None = None,
        later_s: float = 0,
        door: str = "sync",
        loop: bool = False,
        rules: Policy | None = None,
    ) -> None:
        self.desk, self.clock, self.door, self.loop = Desk(place.folder), FixedClock(), door, loop
        self.clock.now += timedelta(seconds=later_s)
        self.gateway = Gateway(
            [awaited(one) for one in TOOLS] if loop else TOOLS,
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
            self.watched(steps)

    def watched(self, steps: Steps) -> None:
        """From now on these are told of every step."""
        steps.transactions(self.gateway.store)
        steps.port(self.desk, "describe")
        steps.checkpoints(self.graph.checkpointer)
        self.desk.before = lambda: steps.reach("effect begins")
        self.desk.after = lambda: steps.reach("effect is over")

    def let_go(self) -> None:
        """Closes what a fork would share; all else stays ready. After this nobody uses it but by :meth:`taken_over`."""
        self.gateway.store.close()
        self.graph.checkpointer._saver.conn.close()

    def taken_over(self) -> None:
        """In the copy of a process that has let it go: opens it again, with connections of its own."""
        self.gateway.store._database._closed = False

    def close(self) -> None:
        """Closes the databases."""
        self.session.close()
        self.gateway.close()

    # ---- what a host does

    def send(self, name: str) -> Told:
        """Opens a thread, if it is none yet, and says something."""
        if self.door == "session":
            text = f"Please see to {name}."
            begin = self._door(self.session.start, self.session.astart)
            return _told(begin(text, USER, speaker="user", thread_id=name, party=PARTY))
        self.gateway.open(USER, thread_id=name, party=PARTY)
        return self.invoke(name, {"messages": [HumanMessage(f"Please see to {name}.")]})

    def approve(self, name: str, question: str) -> Told:
        """Answers the question that a thread waits for."""
        if self.door == "session":
            return _told(self._door(self.session.resume, self.session.aresume)(question, "approve", by=MANAGER))
        return self.invoke(name, Command(resume={"type": "approve", "approval_id": question}))

    def invoke(self, name: str, given: Any, *, by: Subject | None = MANAGER, **more: Any) -> Told:
        """Runs the graph, with no Session around it."""
        durability: Any = "sync" if self.door == "session" else self.door
        context = GuardContext(approver=by)
        run = self._door(self.graph.invoke, self.graph.ainvoke)
        return _of_graph(run(given, self.config(name, **more), context=context, durability=durability))

    def _door(self, now: Callable[..., Any], later: Callable[..., Any]) -> Callable[..., Any]:
        """One of two twins, whichever this office goes through."""
        return (lambda *given, **options: asyncio.run(later(*given, **options))) if self.loop else now

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
                return _told(self._door(self.session.take_up, self.session.atake_up)(name))
            except UnknownThread:
                return None
        snapshot = self._door(self.graph.get_state, self.graph.aget_state)(self.config(name))
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
        return self.rows(f"SELECT * FROM calls WHERE thread = '{name}' ORDER BY created, trace_id")

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """What a question to the guard's database finds."""
        with self.gateway.store.read() as connection:
            return [dict(row._mapping) for row in connection.exec_driver_sql(statement)]

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
