"""Creating a task leaves a draft on a deal; a manager reads it and makes it real.

Two proposals are the same intent when they ask for the same kind of task, on the same deal, for the same day. The
wording is left out on purpose: a model that proposes a call again finds other words for it. The day is in: a call on
Monday and another on Friday are two intents. The intent never expires, because the CRM's key never does either.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agent_guard.errors import ToolRejected
from agent_guard.tool import tool
from agent_guard.types import Description, Ref
from tools.crm.port import (
    AGENT_SOURCE,
    CRM,
    FIELDS,
    NOT_FOUND,
    SUBJECT_MAX,
    TaskDraft,
    TaskKind,
    WriteOutcome,
    task_snapshot,
)
from tools.deals import DealId
from tools.leads import Qualification
from tools.written import written_day

__all__ = ["NewTask", "TaskCreated", "create_task"]


class NewTask(BaseModel):
    """What the model may propose: one line about one deal for one day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deal_id: DealId
    kind: TaskKind
    subject: Annotated[
        str,
        Field(
            min_length=1,
            max_length=SUBJECT_MAX,
            pattern=r"^[^<>{}\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$",
            description="what the call is about; one line without markup",
        ),
    ]
    due: Annotated[date, BeforeValidator(written_day), Field(description="the day of the call, YYYY-MM-DD")]
    qualification: Qualification | None = None


class TaskCreated(BaseModel):
    """The draft that was made, or found when the same task had been made before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    status: Literal["draft"]
    outcome: WriteOutcome


def _draft(args: NewTask) -> TaskDraft:
    qualification = args.qualification
    return TaskDraft(
        deal_id=args.deal_id,
        kind=args.kind,
        subject=args.subject,
        due=args.due,
        qualification=None if qualification is None else qualification.model_dump(mode="json"),
    )


def _as_it_would_be(args: NewTask, crm: CRM) -> Description:
    """Describes the task without making it.

    Raises:
        ToolRejected: ``not_found`` or ``invalid``, as the write would.
        ToolUnavailable: the CRM is down.
    """
    draft = _draft(args)
    deal = crm.describe(Ref(kind="deal", id=args.deal_id))
    if deal is None:
        raise ToolRejected("there is no deal of this id", code=NOT_FOUND)
    return Description(
        version="new",
        party=deal.party,
        responsible=deal.responsible,
        region=deal.region,
        name=draft.subject,
        snapshot=task_snapshot(draft),
        fields=dict(FIELDS["task"]),
    )


def _problem(args: NewTask, _result: TaskCreated, after: Description | None) -> str | None:
    """Compares the task as it was read back with what was asked for; the wording is not compared.

    A task that could not be read back counts as missing: the call becomes unknown, and a human looks.
    """
    if after is None:
        return "missing"
    expected = {
        "status": "draft",
        "deal_id": args.deal_id,
        "due": args.due.isoformat(),
        "kind": args.kind,
        "source": AGENT_SOURCE,
    }
    return next((name for name, value in expected.items() if after.snapshot.get(name) != value), None)


def _made(_args: NewTask, crm: CRM, *, idempotency_key: str) -> TaskCreated | None:
    """Looks for the draft that was written under the key; None where there is none.

    Raises:
        ToolUnavailable: the CRM is down, so nobody can tell.
    """
    found = crm.find_by_key("task", idempotency_key)
    return None if found is None else TaskCreated(task_id=found.id, status="draft", outcome="replayed")


@tool(
    name="crm.create_task",
    effect="draft",
    timeout_s=5,
    key=("deal_id", "kind", "due"),
    key_window="forever",
    refs={"deal_id": "deal"},
    result_refs={"task_id": "task"},
    unmask={"subject", "qualification"},
    result_fields={"task_id": "plain", "status": "plain", "outcome": "plain"},
    post_check=_problem,
    dry_run=_as_it_would_be,
    lookup=_made,
)
def create_task(args: NewTask, crm: CRM, *, idempotency_key: str) -> TaskCreated:
    """Drafts a task "Call" on a deal, with the lead's qualification where there is one. A manager confirms it.

    Args:
        args: what is proposed.
        crm: the system of record.
        idempotency_key: of the intent; the same key never makes a second task.

    Raises:
        ToolRejected: ``not_found``, ``key_reused`` or ``invalid``; nothing was written.
        ToolUnavailable: the CRM is down; nothing was written.
        OutcomeUnknown: it may have been written; ask ``crm.find_by_key("task", idempotency_key)``.
    """
    written = crm.create_task(_draft(args), idempotency_key)
    return TaskCreated(task_id=written.ref.id, status="draft", outcome=written.outcome)
