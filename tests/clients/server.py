"""A LangGraph server as its clients know it: threads with interrupts, runs with commands, all of it JSON.

Behind it stands a real compiled graph over a real checkpointer. Who is signed in at the server answers; a client only
says what. The graphs: the smallest guarded one, a scenario's, and LangChain's agent behind ``protect``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.types import Command
from pydantic import BaseModel, Field

from agent_guard.approvals import Approval
from agent_guard.errors import AgentGuardError
from agent_guard.gateway import Gateway
from agent_guard.integrations import GuardMiddleware, protect
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.tool import tool
from agent_guard.types import Subject
from graphs.sdr_qualification.graph import build
from tests.conftest import World

__all__ = ["EDITED", "GRAPHS", "TERMS", "TOOL", "Served", "Terms", "as_text", "proposal"]

TOOL = "crm.set_terms"


class Terms(BaseModel):
    """One argument of each kind that a form writes out as text."""

    deal_id: Annotated[str, Field(max_length=20)]
    stage: Literal["new", "won", "lost"]
    discount: Annotated[int, Field(ge=0, le=50)]
    urgent: bool = False
    tags: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=5)] = []
    seats: Annotated[int, Field(ge=1)] | None = None
    note: Annotated[str, Field(max_length=80)] | None = None


class Set(BaseModel):
    ok: bool = True


@tool(name=TOOL, effect="write", timeout_s=5, key=("deal_id", "stage", "discount"), refs={"deal_id": "deal"})
def set_terms(args: Terms, desk: Any, subject: Subject) -> Set:
    """Sets the terms of a deal; a manager is asked."""
    desk.do("terms", by=subject.id, **args.model_dump(mode="json"))
    return Set()


TERMS: dict[str, Any] = {
    "deal_id": "42", "stage": "won", "discount": 5, "urgent": False, "tags": ["fleet"], "seats": None, "note": None,
}  # fmt: skip
"""What the model proposes."""

EDITED: dict[str, Any] = TERMS | {"discount": 8, "urgent": True, "tags": ["fleet", "vip"], "seats": 12, "stage": "lost"}
"""What a person makes of it."""

GRAPHS: Mapping[str, Callable[[Any, Gateway, str], Session]] = {
    "guarded_agent": lambda model, gateway, url: Session(guarded_agent(model, gateway), gateway, checkpointer=url),
    "scenario": lambda model, gateway, url: Session(build(model, gateway), gateway, checkpointer=url),
    "create_agent": lambda model, gateway, url: protect(
        create_agent(model, [], middleware=[GuardMiddleware(gateway)], context_schema=GuardContext),
        gateway,
        checkpointer=url,
    ),
}


def proposal(id: str = "c1", **more: Any) -> AIMessage:
    """The model's message."""
    return call(TOOL, "The user asked for it.", id=id, **(TERMS | more))


def as_text(wanted: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form that a person changed, as both of LangChain's forms send them: text."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in wanted.items()
        if value != shown.get(name)
    }


def rules() -> Policy:
    """A manager is asked for everything, and never the requester."""
    approvers = {"roles": ["manager"], "not_requester": True, "expires": "24h"}
    limits = {"actions_per_thread": 9, "attempts_per_thread": 90, "steps_per_thread": 90}
    tools = {TOOL: {"roles": ["sdr"], "mode": "approve", "approvers": approvers}}
    return Policy.model_validate({"version": 1, "name": "terms.v1", "limits": limits, "tools": tools})


class Served:
    """One thread of one graph behind a server.

    Args:
        graph: a name of :data:`GRAPHS`.
        turns: what the model says.
        masked: whether the server masks what comes in before it stores it; without it no edit is offered.
        thread: its id.
    """

    def __init__(
        self, world: World, graph: str, *turns: AIMessage | str, masked: bool = True, thread: str = "t1"
    ) -> None:
        self.world, self.graph_name, self.thread_id, self._masked = world, graph, thread, masked
        self.gateway = world.gateway(rules(), tools=[set_terms], file=True)
        self.model = ScriptedModel(*turns)
        self.session = GRAPHS[graph](self.model, self.gateway, world.database.checkpoints)
        self.config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": 90}

    def close(self) -> None:
        """Closes the checkpoints; the gateway is the world's."""
        self.session.close()

    # ---- what clients ask for

    def say(self, text: str = "Give them the terms we spoke of.") -> dict[str, Any]:
        """``POST /threads/{id}/runs`` with a message, by the thread's user."""
        if self.graph_name == "create_agent":
            context = GuardContext(subject=self.world.sdr, party=self.world.anna)
            return self._run({"messages": text}, context)
        self.gateway.open(self.world.sdr, thread_id=self.thread_id, party=self.world.anna)
        message = HumanMessage(text, additional_kwargs={"speaker": "user"})
        return self._run({"messages": [message]}, GuardContext(masks_answers=self._masked))

    def run(self, command: Mapping[str, Any], *, by: Subject | None = World.boss) -> dict[str, Any]:
        """``POST /threads/{id}/runs`` with a command, by whoever is signed in."""
        sent = json.loads(json.dumps(command))
        return self._run(Command(**sent), GuardContext(approver=by, masks_answers=self._masked))

    def update_state(self, values: Any, *, as_node: str) -> None:
        """``POST /threads/{id}/state``."""
        self.session.graph.update_state(self.config, values, as_node=as_node)

    def thread(self) -> dict[str, Any]:
        """``GET /threads/{id}``: whether it waits, and for what."""
        snapshot = self.session.graph.get_state(self.config)
        interrupts = {
            task.id: [{"value": item.value, "id": item.id} for item in task.interrupts]
            for task in snapshot.tasks
            if task.interrupts
        }
        found: dict[str, Any] = json.loads(json.dumps(interrupts))
        return {"thread_id": self.thread_id, "status": "interrupted" if found else "idle", "interrupts": found}

    def _run(self, given: Any, context: GuardContext) -> dict[str, Any]:
        invoke = self.session.invoke if self.graph_name == "create_agent" else self.session.graph.invoke  # type: ignore[attr-defined]
        try:
            invoke(given, self.config, context=context, durability="sync")
        except AgentGuardError as error:  # a server tells its client so
            return self.thread() | {"error": str(error)}
        return self.thread()

    # ---- what became of it

    @property
    def done(self) -> list[dict[str, Any]]:
        """What was done to deals, as the tool was told."""
        return [{name: item[name] for name in TERMS} for item in self.world.desk.effects]

    @property
    def approvals(self) -> list[Approval]:
        """Every question of the thread there ever was, in order."""
        rows = [row for row in self.world.rows(self.gateway, "approvals") if row["thread"] == self.thread_id]
        ids = [row["id"] for row in sorted(rows, key=lambda row: (row["created"], row["id"]))]
        return [found for found in map(self.gateway.approvals.get, ids) if found is not None]

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the model was told of its calls, in order."""
        messages = self.session.graph.get_state(self.config).values["messages"]
        return [json.loads(str(item.content)) for item in messages if isinstance(item, ToolMessage)]

    @property
    def waits(self) -> bool:
        """Whether the question is still anybody's to answer."""
        return self.gateway.approvals.waiting(self.thread_id, now_ms=self.gateway.now_ms()) is not None

    @property
    def kinds(self) -> list[str]:
        """The kinds of the record's events, in order; and the record is whole."""
        assert list(self.gateway.audit.broken(self.thread_id)) == []
        return [event.data["kind"] for event in self.gateway.audit.events(thread=self.thread_id)]
