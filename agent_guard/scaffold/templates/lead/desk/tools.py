"""The contracts. A contract gives no permission: ``policy.yaml`` does."""

from __future__ import annotations

from typing import Annotated

from agent_guard import tool
from agent_guard.types import Ref
from pydantic import BaseModel, Field

from desk.crm import Crm

__all__ = ["TOOLS"]

DealId = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]


class ReadDeal(BaseModel):
    """What the model may ask."""

    deal_id: DealId


class DealSeen(BaseModel):
    """What a deal tells; the policy says which of it the model sees."""

    title: str
    stage: str
    amount: int


class NewTask(BaseModel):
    """What the model may propose: one line about one deal."""

    deal_id: DealId
    subject: Annotated[str, Field(min_length=1, max_length=120)]


class TaskMade(BaseModel):
    """The task that was made."""

    task_id: str


@tool(
    name="crm.read_deal",
    effect="read",
    timeout_s=5,
    refs={"deal_id": "deal"},
    result_fields={"title": "text", "stage": "plain", "amount": "plain"},
)
def read_deal(args: ReadDeal, crm: Crm) -> DealSeen:
    """Reads a deal: title, stage and amount."""
    return DealSeen(**crm.get("deal", args.deal_id))


def _made(args: NewTask, crm: Crm, idempotency_key: str) -> TaskMade | None:
    """What became of a call whose answer got lost."""
    del args
    found = crm.find("task", idempotency_key)
    return None if found is None else TaskMade(task_id=found)


@tool(
    name="crm.create_task",
    effect="draft",
    timeout_s=5,
    key=("deal_id", "subject"),
    refs={"deal_id": "deal"},
    result_refs={"task_id": "task"},
    unmask={"subject"},
    result_fields={"task_id": "plain"},
    lookup=_made,
)
def create_task(args: NewTask, crm: Crm, idempotency_key: str) -> TaskMade:
    """Drafts a task on a deal; its owner reads it."""
    deal, data = Ref(kind="deal", id=args.deal_id), {"subject": args.subject}
    return TaskMade(task_id=crm.add("task", args.subject, data, of=deal, key=idempotency_key))


TOOLS = (read_deal, create_task)
