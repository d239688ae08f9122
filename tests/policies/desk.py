"""A small application for the tests of policy tools: contracts of four tools, and policies over them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, Field

from agent_guard.policy import Policy
from agent_guard.tool import Tool, tool


class Lookup(BaseModel):
    deal_id: str = Field(max_length=20)


class Deal(BaseModel):
    title: str
    stage: str
    amount: int


class Offer(BaseModel):
    deal_id: str = Field(max_length=20)
    kind: Literal["call", "letter", "visit"]
    subject: str = Field(max_length=120)
    days: int = Field(default=3, ge=1, le=30)
    urgent: bool = False
    note: str | None = Field(default=None, max_length=50)


class Message(BaseModel):
    contact_id: str = Field(max_length=20)
    email: str = Field(max_length=80)
    amount: Decimal
    due: str = Field(max_length=10)


class Erase(BaseModel):
    contact_id: str = Field(max_length=20)


class Done(BaseModel):
    id: str


def contract(name: str, effect: str, args: type[BaseModel], result: type[BaseModel] = Done, **options: Any) -> Tool:
    """A tool of these models."""

    def run(args, desk):
        """Does it."""
        return result.model_construct()

    run.__annotations__ = {"args": args, "return": result}
    return tool(name=name, effect=effect, timeout_s=1, **options)(run)


READ = contract("crm.read", "read", Lookup, Deal, refs={"deal_id": "deal"})
DRAFT = contract("crm.offer", "draft", Offer, refs={"deal_id": "deal"}, key=("deal_id", "kind"))
SEND = contract(
    "mail.send",
    "send",
    Message,
    refs={"contact_id": "contact"},
    key=("contact_id", "due"),
    sensitive={"email", "amount"},
)
DELETE = contract("crm.erase", "delete", Erase, refs={"contact_id": "contact"}, key=("contact_id",))
TOOLS = {item.name: item for item in (READ, DRAFT, SEND, DELETE)}

APPROVERS = {"roles": ["manager"], "not_requester": True}


def policy(tools: dict[str, Any], **top: Any) -> Policy:
    """A policy; each entry is what differs from a tool that ``sales`` may execute."""
    rules = {name: {"roles": ["sales"], "mode": "execute"} | rule for name, rule in tools.items()}
    return Policy.model_validate({"version": 1, "name": "desk.v1", "tools": rules} | top)
