"""The CRM port is the allowlist: what it has no method for, no tool can do.

There is no delete, no generic update and no raw query. A ``CRM`` is also the ``Records`` port of a gateway. The laws
below hold for the embedded CRM and for every adapter; one abstract suite checks them all.

1. **Once.** Same key and same body: the same reference, outcome ``"replayed"``, no second record; also at the same
   time from many threads and processes, and after a restart. Same key and another body: ``ToolRejected`` with the
   code ``key_reused``, nothing written. A key is never free again.
2. **Three outcomes.** Failed before the commit was asked for: ``ToolUnavailable``, nothing happened. Failed from then
   on: ``OutcomeUnknown``, and only ``find_by_key`` may settle it. An adapter never repeats a write by itself.
3. **Drafts only.** ``create_task`` always leaves a draft whose source is ``AI-Agent``; a human makes it more.
4. **Versions.** A record's version changes whenever the record does. A deal's version does *not* change when a task is
   added to it: an approval is bound to the deal's version, and would otherwise be spoiled by the agent's own draft.
5. **Plain values.** Ids are texts, money is ``Decimal`` with a currency, times are aware and UTC.
6. **Closed errors.** Only ``ToolRejected``, ``ToolUnavailable`` and ``OutcomeUnknown`` leave a CRM, with a code of this
   module; their messages hold no value of a record and no credential.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, Protocol

from agent_guard.errors import ToolRejected
from agent_guard.types import JSON, Description, Ref
from agent_guard.units import sha256

__all__ = [
    "AGENT_SOURCE",
    "CRM",
    "FIELDS",
    "INVALID",
    "KEY_REUSED",
    "NOT_FOUND",
    "OUTCOME_UNKNOWN",
    "SUBJECT_MAX",
    "UNAVAILABLE",
    "Activity",
    "DealSummary",
    "TaskDraft",
    "TaskKind",
    "WriteOutcome",
    "WriteResult",
    "amount_text",
    "check_key",
    "task_snapshot",
]

NOT_FOUND = "not_found"
"""``ToolRejected``: no such record; also said of a record of another kind."""
KEY_REUSED = "key_reused"
"""``ToolRejected``: the key already stands for another body."""
INVALID = "invalid"
"""``ToolRejected``: a value is outside its bounds."""
UNAVAILABLE = "unavailable"
"""``ToolUnavailable``: the CRM cannot be asked; nothing happened."""
OUTCOME_UNKNOWN = "outcome_unknown"
"""``OutcomeUnknown``: the commit was asked for and not confirmed."""

AGENT_SOURCE = "AI-Agent"
"""The source of every record that an agent makes (requirement A17 names it for leads)."""

SUBJECT_MAX = 120
"""Longest subject of a task, in characters."""

TaskKind = Literal["call"]
WriteOutcome = Literal["created", "replayed"]

FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "deal": MappingProxyType(
            {
                "title": "text", "stage": "plain", "amount": "plain", "currency": "plain", "owner_name": "PERSON",
                "updated_at": "plain", "open_tasks": "plain",
            }
        ),
        "account": MappingProxyType({"name": "ORG", "segment": "plain"}),
        "staff": MappingProxyType({"name": "PERSON"}),
        "region": MappingProxyType({"region": "plain"}),
        "contact": MappingProxyType({"name": "PERSON", "phone": "PHONE", "email": "EMAIL", "company": "ORG"}),
        "task": MappingProxyType(
            {
                "subject": "text", "due": "plain", "status": "plain", "deal_id": "plain", "source": "plain",
                "kind": "plain",
            }
        ),
    }
)  # fmt: skip
"""For each kind of record, the fields of its snapshot and their classes (see ``Description.fields``)."""

_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, kw_only=True)
class DealSummary:
    """The only shape of a deal that a tool can see: no contact, no company, no note.

    Args:
        amount: in ``currency`` (ISO 4217).
        owner_name: the responsible member of staff.
        stage_since: when the deal entered its stage.
        as_of: when the CRM answered, by its own clock; ages are counted to this.
    """

    id: str
    title: str
    stage: str
    amount: Decimal
    currency: str
    owner_name: str
    stage_since: datetime
    as_of: datetime


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One thing that happened on a deal.

    Args:
        kind: a word such as ``"call"`` or ``"email"``.
        summary: text written by people, outsiders among them: untrusted.
    """

    kind: str
    at: datetime
    summary: str


@dataclass(frozen=True, kw_only=True)
class TaskDraft:
    """What a new task shall say; its status and source are not the caller's choice.

    Args:
        subject: 1 to 120 characters, one line.
        due: a calendar day where the deal's owner is.
        qualification: plain JSON, or None.

    Raises:
        ToolRejected: ``invalid``; the subject is blank, too long, or holds a control character, a character that turns
            the direction of writing (an approver would read something else), or half a surrogate pair.
    """

    deal_id: str
    kind: TaskKind
    subject: str
    due: date
    qualification: Mapping[str, JSON] | None = None

    def __post_init__(self) -> None:
        if not self.subject.strip() or len(self.subject) > SUBJECT_MAX:
            raise ToolRejected(f"a subject has 1 to {SUBJECT_MAX} characters", code=INVALID)
        if any(unicodedata.category(char) in ("Cc", "Cs") or char in _TURNS for char in self.subject):
            raise ToolRejected("a subject is one line without control characters", code=INVALID)

    def digest(self) -> str:
        """What law 1 means by "same body": SHA-256 over every field.

        Raises:
            ToolRejected: ``invalid``; the qualification is not plain JSON.
        """
        try:
            return sha256(
                {
                    "deal_id": self.deal_id,
                    "kind": self.kind,
                    "subject": self.subject,
                    "due": self.due.isoformat(),
                    "qualification": None if self.qualification is None else dict(self.qualification),
                }
            )
        except ValueError:
            raise ToolRejected("the qualification is not plain JSON", code=INVALID) from None


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """A record that was made now (``created``) or by an earlier write with the same key and body (``replayed``)."""

    ref: Ref
    outcome: WriteOutcome
    version: str


class CRM(Protocol):
    """A system of record as the tools see it. Every method may be called from any thread.

    When the system is down, every method raises ``ToolUnavailable``, and the agent's call is denied or failed.
    """

    def deal(self, deal_id: str) -> DealSummary:
        """Reads one deal's summary.

        Raises:
            ToolRejected: ``not_found``.
            ToolUnavailable: the system cannot be asked.
        """
        ...

    def activities(self, deal_id: str, limit: int = 3) -> tuple[Activity, ...]:
        """Reads the latest activities of a deal, the newest first; an unknown deal has none.

        Args:
            deal_id: whose activities.
            limit: 1 to 10.

        Raises:
            ToolRejected: ``invalid``; the limit is out of range.
            ToolUnavailable: the system cannot be asked.
        """
        ...

    def create_task(self, draft: TaskDraft, key: str) -> WriteResult:
        """Makes a draft task, once per key (laws 1 to 4).

        Args:
            draft: what the task shall say.
            key: idempotency key, 1 to 200 visible ASCII characters.

        Raises:
            ToolRejected: ``not_found`` (the deal), ``key_reused`` or ``invalid``; nothing was written.
            ToolUnavailable: nothing was written, and the key is free.
            OutcomeUnknown: ask ``find_by_key("task", key)``.
        """
        ...

    def describe(self, ref: Ref) -> Description | None:
        """Describes a record of a kind of ``FIELDS``, with the fields named there; None for anything else.

        ``tenant`` is None, as in the embedded CRM, where all records are one company's. An adapter of a CRM that holds
        several companies' records gives each record's.

        Raises:
            ToolUnavailable: the system cannot be asked.
        """
        ...

    def find_by_key(self, kind: str, key: str) -> Ref | None:
        """The record of this kind that was written under ``key``, or None if it is sure that there is none.

        Raises:
            ToolUnavailable: the system cannot be asked, so the outcome stays unknown.
            OutcomeUnknown: there are several, or what was just written is not found at once and may yet be there.
        """
        ...


def check_key(key: str) -> None:
    """Refuses an idempotency key that not every CRM could store: for implementations of the port.

    Raises:
        ToolRejected: ``invalid``; the key is not 1 to 200 visible ASCII characters.
    """
    if not _KEY.fullmatch(key):
        raise ToolRejected("an idempotency key is 1 to 200 visible ASCII characters", code=INVALID)


def amount_text(amount: Decimal) -> str:
    """Writes money as people do: ``"48000"``, and ``"48000.50"`` where there is a fraction."""
    whole = amount == amount.to_integral_value()
    return format(amount, ".0f" if whole else ".2f")


def task_snapshot(draft: TaskDraft, *, status: str = "draft", source: str = AGENT_SOURCE) -> dict[str, JSON]:
    """The allow-listed fields of a task, named as in ``FIELDS["task"]``."""
    return {
        "subject": draft.subject,
        "due": draft.due.isoformat(),
        "status": status,
        "deal_id": draft.deal_id,
        "source": source,
        "kind": draft.kind,
    }
