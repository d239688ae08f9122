"""What every variant works on: the same messages, the same scripted model, the same system of record.

People, numbers and addresses are invented; no two messages are equal, so that no cache of a whole text helps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel, Field

from agent_guard import Gateway, Party, Policy, Subject, tool
from agent_guard.masking import Masker
from agent_guard.types import Description, Ref

__all__ = ["MANAGER", "PARTY", "SELLER", "Desk", "Script", "create_task", "gateway", "message", "name_of", "read_deal"]

SELLER = Subject(id="u1", tenant="acme", roles={"sales"}, region="eu")
MANAGER = Subject(id="m7", tenant="acme", roles={"manager"}, region="eu")
PARTY = Party(id="contact:17", refs={"deal_id": "42"})

_FIRST = ("Emma", "Oliver", "Sophie", "Daniel", "Laura", "Thomas", "Grace", "Martin")
_LAST = ("Whitfield", "Brennan", "Caldwell", "Hughes", "Marlowe", "Foster", "Ashworth")
_NAMED = re.compile(r"this is (.+?) from")


def name_of(n: int) -> str:
    """The customer of conversation ``n``."""
    return f"{_FIRST[n % len(_FIRST)]} {_LAST[n % len(_LAST)]}"


def message(n: int) -> str:
    """The customer's message: about 200 characters with a name, a phone number and an e-mail address."""
    name = name_of(n)
    address = name.lower().replace(" ", ".")
    return (
        f"Hello, this is {name} from Harbour Trucks. My number is +44 20 7946 {n % 1000:04} and my e-mail is "
        f"{address}@harbour.example. Offer {n} looks fine; please call me on Thursday about the two trailers."
    )


class Desk:
    """A system of record in memory."""

    def __init__(self) -> None:
        self.tasks: list[dict[str, str]] = []

    def deal(self, deal_id: str) -> dict[str, str]:
        """The fields of a deal."""
        return {"title": f"Two trailers, {deal_id}", "stage": "offer", "currency": "EUR", "owner": "u1"}

    def add(self, deal_id: str, subject: str) -> dict[str, str]:
        """Makes a task and returns it."""
        self.tasks.append({"deal_id": deal_id, "subject": subject, "status": "draft"})
        return {"task_id": str(len(self.tasks)), "status": "draft", "deal_id": deal_id}

    def describe(self, ref: Ref) -> Description | None:
        """Port ``Records``."""
        if ref.kind == "deal":
            plain = dict.fromkeys(self.deal(ref.id), "plain")
            return Description(
                version="1", party="contact:17", responsible="u1", region="eu", name=self.deal(ref.id)["title"],
                snapshot=self.deal(ref.id), fields=plain,
            )  # fmt: skip
        task = self.tasks[int(ref.id) - 1]
        fields = {"deal_id": "plain", "subject": "text", "status": "plain"}
        return Description(version="1", party="contact:17", region="eu", snapshot=task, fields=fields)


class DealRef(BaseModel):
    """Which deal."""

    deal_id: str = Field(max_length=20)


class DealCard(BaseModel):
    """A deal."""

    title: str
    stage: str
    currency: str
    owner: str


class NewTask(BaseModel):
    """What is to be done about which deal."""

    deal_id: str = Field(max_length=20)
    subject: str = Field(max_length=120)


class TaskMade(BaseModel):
    """The draft that was made."""

    task_id: str
    status: str
    deal_id: str


@tool(
    name="crm.read_deal",
    effect="read",
    timeout_s=5,
    refs={"deal_id": "deal"},
    result_fields=dict.fromkeys(DealCard.model_fields, "plain"),
)
def read_deal(args: DealRef, desk: Any) -> DealCard:
    """Reads one deal."""
    return DealCard(**desk.deal(args.deal_id))


@tool(
    name="crm.create_task",
    effect="draft",
    timeout_s=5,
    key=("deal_id", "subject"),
    refs={"deal_id": "deal"},
    result_refs={"task_id": "task"},
    unmask={"subject"},
    result_fields=dict.fromkeys(TaskMade.model_fields, "plain"),
)
def create_task(args: NewTask, desk: Any) -> TaskMade:
    """Drafts a task at a deal."""
    return TaskMade(**desk.add(args.deal_id, args.subject))


def gateway(desk: Desk, path: Path, masker: Masker, *, mode: str = "execute") -> Gateway:
    """A gateway whose policy has a role, a region, a binding, a rate limit and the limits of a thread."""
    approvers = {"roles": ["manager"], "not_requester": True}
    rule = {"roles": ["sales"], "region": "own", "limits": ["600/minute/subject"]}
    policy = Policy.model_validate(
        {
            "version": 1,
            "name": "bench.v1",
            "tools": {
                "crm.read_deal": {**rule, "mode": "execute"},
                "crm.create_task": {**rule, "mode": mode, "approvers": approvers},
            },
        }
    )
    return Gateway(
        [read_deal, create_task],
        policy,
        url=f"sqlite:///{path}",
        environment="dev",
        resources={"desk": desk},
        records=desk,
        masker=masker,
    )


class Script(BaseChatModel):
    """A chat model that calls one tool and then says one sentence; it keeps no state, as a provider's would not.

    Args:
        tool: the tool's name as it was bound.
        guarded: the guarded tools demand a reason with every call.
    """

    tool: str
    guarded: bool = False

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Runnable[Any, AIMessage]:
        """Says the same whatever the tools are; they are sent along, as a real model's would be."""
        return self.bind(tools=tools, **options)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        if isinstance(messages[-1], ToolMessage):
            said = AIMessage("Thank you. A colleague will call you on Thursday about the two trailers.")
        else:
            said = self._call(messages[-1].text)
        return ChatResult(generations=[ChatGeneration(message=said)])

    def _call(self, text: str) -> AIMessage:
        found = _NAMED.search(text)
        args = {"deal_id": "42"}
        if "task" in self.tool:
            offer = text.partition("Offer ")[2].partition(" ")[0]
            args["subject"] = f"Call {found[1] if found else 'the customer'} about offer {offer}"
        if self.guarded:
            args["reason"] = "The customer asks to be called."
        called = {"name": self.tool, "args": args, "id": f"call-{json.dumps(args)[:60]}", "type": "tool_call"}
        return AIMessage("I will look after it.", tool_calls=[called])
