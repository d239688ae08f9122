"""The values that travel through the house: who asks, what is proposed, what was decided, what came back.

Standard library only. Every value is frozen; whatever is stored or shown is JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

__all__ = [
    "ENTITY_TYPES",
    "JSON",
    "Clock",
    "Code",
    "Decision",
    "Description",
    "Directory",
    "Effect",
    "EntityType",
    "Entry",
    "ErrorClass",
    "GuardTrace",
    "Mode",
    "Objection",
    "Origin",
    "Outcome",
    "Party",
    "Pseudonyms",
    "Records",
    "Ref",
    "Span",
    "Speaker",
    "Status",
    "Subject",
    "ToolCall",
    "ToolResult",
    "utc_now",
]

JSON = Any
"""Plain JSON data: None, bool, int, float, str, list and dict with str keys."""

Effect = Literal["read", "egress", "draft", "write", "send", "delete"]
"""What a tool does to the world. Fetching a URL is ``egress`` and is judged like a write."""

Mode = Literal["suggest", "approve", "execute"]
"""``suggest`` is recorded and never run, ``approve`` waits for a human, ``execute`` runs when no guard objects."""

Outcome = Literal["allow", "require_approval", "suggest", "deny"]
"""What was decided, from the mildest to the strictest."""

Origin = Literal["user", "party", "trusted", "untrusted", "invented"]
"""Where a value was seen: the subject's words, the customer's, a system of record, other outside text, nowhere."""

Speaker = Literal["user", "party", "outside"]
"""Who says a message: the subject, the customer of this thread, or anyone else."""

Status = Literal["executed", "denied", "pending", "suggested", "duplicate", "failed", "unknown"]
"""What became of a call. ``unknown``: it may have happened; it is never repeated by itself."""

ErrorClass = Literal[
    "validation", "authorisation", "limit", "approval", "tool", "integration", "timeout", "unknown_outcome", "internal"
]
"""The closed taxonomy of errors in the audit (requirement B14)."""

EntityType = Literal["PERSON", "PHONE", "EMAIL", "ID", "CARD", "IBAN", "LOCATION", "ORG", "URL", "IP", "SECRET"]
ENTITY_TYPES: tuple[EntityType, ...] = (
    "PERSON", "PHONE", "EMAIL", "ID", "CARD", "IBAN", "LOCATION", "ORG", "URL", "IP", "SECRET",
)  # fmt: skip

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime."""


def utc_now() -> datetime:
    """The system's clock, the default ``Clock``."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The user on whose behalf the agent acts, or the person who answers an approval.

    Args:
        id: the user's id in your directory; staff, so it may stand in the audit.
        tenant: the company; no value ever crosses from one to another.
        roles: used where the gateway has no ``Directory``; with one, the directory is asked at every decision.
        region: the data region the user may work in, or None for one that has no regions.
    """

    id: str
    tenant: str
    roles: Collection[str] = frozenset()
    region: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.roles, str):
            raise TypeError(f"Subject.roles must be a set of names, not the text {self.roles!r}")
        for name in ("id", "tenant"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"Subject.{name} must be a non-empty text")
        object.__setattr__(self, "roles", frozenset(self.roles))


@dataclass(frozen=True, kw_only=True)
class Party:
    """The customer a thread is about, fixed by the host from an authenticated source and never by the model.

    Args:
        id: the customer's id as ``Records.describe`` gives it in ``Description.party``, e.g. ``"contact:17"``.
        refs: records of this customer that the host already knows, e.g. ``{"deal_id": "42"}``; shown to the model.
        known: the customer's own data by entity type, e.g. ``{"PERSON": ["Anna Kowalska"]}``. It is found in every
            text of the thread without any recognizer. Raw; kept in the encrypted vault only.
    """

    id: str
    refs: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[EntityType, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """The model's proposal: untrusted, and made of pseudonyms.

    Args:
        id: the model's own id of the call.
        tool: the tool's name as the model wrote it.
        args: plain JSON data.
        reason: why the model wants it; one sentence.
        thread: the thread's id.
        problem: set by whoever parsed the model's message when ``args`` could not be read; then ``args`` is empty.
    """

    id: str
    tool: str
    args: Mapping[str, JSON]
    thread: str
    reason: str | None = None
    problem: Code | None = None


class Code(StrEnum):
    """Why a call was decided or ended so. Closed: metrics, tests and prompts key on it; names are only added."""

    ALLOWED = "allowed"
    APPROVAL_REQUIRED = "approval_required"
    SUGGESTED = "suggested"

    ARGUMENTS_MALFORMED = "arguments_malformed"
    ARGUMENTS_TOO_LARGE = "arguments_too_large"
    ARGUMENTS_INVALID = "arguments_invalid"
    ARGUMENT_UNKNOWN = "argument_unknown"
    ARGUMENT_NOT_PERMITTED = "argument_not_permitted"
    PSEUDONYM_UNKNOWN = "pseudonym_unknown"
    PSEUDONYM_NOT_PERMITTED = "pseudonym_not_permitted"
    REASON_MISSING = "reason_missing"

    KILLED = "killed"
    TOOL_UNKNOWN = "tool_unknown"
    TOOL_NOT_PERMITTED = "tool_not_permitted"
    OUT_OF_SCOPE = "out_of_scope"
    ROLE = "role"
    RECORD_NOT_FOUND = "record_not_found"
    REGION = "region"
    BINDING = "binding"

    DUPLICATE = "duplicate"
    IN_PROGRESS = "in_progress"
    LOOP = "loop"
    LIMIT_ACTIONS = "limit_actions"
    LIMIT_ATTEMPTS = "limit_attempts"
    LIMIT_STEPS = "limit_steps"
    LIMIT_RATE = "limit_rate"

    APPROVAL_PENDING = "approval_pending"
    APPROVAL_UNKNOWN = "approval_unknown"
    APPROVAL_USED = "approval_used"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_CHANGED = "approval_changed"
    APPROVER_UNKNOWN = "approver_unknown"
    APPROVER_NOT_PERMITTED = "approver_not_permitted"
    ANSWER_UNREADABLE = "answer_unreadable"
    REJECTED = "rejected"
    EDITED = "edited"
    CANCELLED = "cancelled"

    TOOL_REJECTED = "tool_rejected"
    TOOL_UNAVAILABLE = "tool_unavailable"
    TOOL_FAILED = "tool_failed"
    TIMEOUT = "timeout"
    RESULT_INVALID = "result_invalid"
    POST_CHECK_FAILED = "post_check_failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL = "internal"

    @property
    def stops(self) -> bool:
        """Whether the agent must stop and a human be called (law L9)."""
        return self in _STOPS

    @property
    def error_class(self) -> ErrorClass | None:
        """The class of the taxonomy, or None for a code that is no error."""
        return _CLASSES.get(self)


_STOPS = frozenset(
    {
        Code.KILLED, Code.LOOP, Code.LIMIT_ATTEMPTS, Code.LIMIT_STEPS, Code.OUTCOME_UNKNOWN, Code.IN_PROGRESS,
        Code.STORE_UNAVAILABLE, Code.INTERNAL, Code.POST_CHECK_FAILED, Code.TIMEOUT, Code.RESULT_INVALID,
    }
)  # fmt: skip

_BY_CLASS: Mapping[ErrorClass, tuple[Code, ...]] = {
    "validation": (
        Code.ARGUMENTS_MALFORMED, Code.ARGUMENTS_TOO_LARGE, Code.ARGUMENTS_INVALID, Code.ARGUMENT_UNKNOWN,
        Code.ARGUMENT_NOT_PERMITTED, Code.PSEUDONYM_UNKNOWN, Code.PSEUDONYM_NOT_PERMITTED, Code.REASON_MISSING,
        Code.TOOL_UNKNOWN,
    ),
    "authorisation": (
        Code.KILLED, Code.TOOL_NOT_PERMITTED, Code.OUT_OF_SCOPE, Code.ROLE, Code.RECORD_NOT_FOUND, Code.REGION,
        Code.BINDING,
    ),
    "limit": (
        Code.DUPLICATE, Code.LOOP, Code.LIMIT_ACTIONS, Code.LIMIT_ATTEMPTS, Code.LIMIT_STEPS, Code.LIMIT_RATE,
    ),
    "approval": (
        Code.APPROVAL_PENDING, Code.APPROVAL_UNKNOWN, Code.APPROVAL_USED, Code.APPROVAL_EXPIRED,
        Code.APPROVAL_CHANGED, Code.APPROVER_UNKNOWN, Code.APPROVER_NOT_PERMITTED, Code.ANSWER_UNREADABLE,
        Code.REJECTED, Code.EDITED, Code.CANCELLED,
    ),
    "tool": (Code.TOOL_REJECTED, Code.TOOL_FAILED, Code.RESULT_INVALID, Code.POST_CHECK_FAILED),
    "integration": (Code.TOOL_UNAVAILABLE,),
    "timeout": (Code.TIMEOUT,),
    "unknown_outcome": (Code.OUTCOME_UNKNOWN, Code.IN_PROGRESS),
    "internal": (Code.STORE_UNAVAILABLE, Code.INTERNAL),
}  # fmt: skip
_CLASSES: dict[Code, ErrorClass] = {code: name for name, codes in _BY_CLASS.items() for code in codes}


@dataclass(frozen=True, kw_only=True)
class Objection:
    """What a guard has against a call. A guard can only tighten: there is no way to say allow."""

    outcome: Literal["deny", "suggest", "require_approval"]
    code: Code
    for_model: str
    for_human: str


@dataclass(frozen=True, kw_only=True)
class GuardTrace:
    """One guard's line in the record of a decision."""

    guard: str
    outcome: Outcome
    code: Code


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the gateway decided, why, and by which policy.

    Args:
        guards: every guard that was asked, in order; the ones after the first deny were not.
    """

    outcome: Outcome
    code: Code
    for_model: str
    for_human: str
    policy: str
    policy_hash: str
    guards: tuple[GuardTrace, ...] = ()

    @property
    def allowed(self) -> bool:
        """True where the call may run without a human."""
        return self.outcome == "allow"


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What became of one call, as the model and the graph may see it: pseudonyms only.

    Args:
        content: the tool's visible fields for ``executed`` and ``duplicate``, otherwise a sentence that says what
            to do next.
        reference: the record that was made or changed, e.g. ``"task:9"``.
        stop: the agent must stop and a human be called.
    """

    status: Status
    code: Code
    content: JSON
    tool: str
    call_id: str
    trace_id: str | None = None
    approval_id: str | None = None
    reference: str | None = None
    decision: Decision | None = None

    @property
    def stop(self) -> bool:
        """Whether the agent must stop and a human be called (law L9)."""
        return self.status == "unknown" or (self.status in ("denied", "failed") and self.code.stops)


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A record of a system of record: its kind and its id there."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, kw_only=True)
class Description:
    """What ``Records.describe`` tells of one record. Raw; it lives for the length of one call.

    Args:
        version: opaque; changes whenever the record does.
        party: the customer the record belongs to, compared with ``Party.id``.
        responsible: the staff member who owns it, compared with ``Subject.id``.
        region: the data region it is stored in.
        name: what a human would call it.
        snapshot: the fields an auditor may compare before and after.
        fields: for each snapshot field ``"plain"`` (numbers, dates, ids, closed words), ``"text"`` (analysed),
            ``"drop"``, or the entity type it holds. A field that is not named is treated as personal.
    """

    version: str
    party: str | None = None
    responsible: str | None = None
    region: str | None = None
    name: str | None = None
    snapshot: Mapping[str, JSON] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


class Records(Protocol):
    """Port of the system of record; serves region, binding, digest, diff and read-back."""

    def describe(self, ref: Ref) -> Description | None:
        """Describes one record, or None where there is none.

        Raises:
            ToolUnavailable: the system cannot be reached; the call is then denied.
        """
        ...


class Directory(Protocol):
    """Port of the company's directory of people, asked at every decision so that a revoked right counts at once."""

    def lookup(self, tenant: str, subject: str) -> Subject | None:
        """Returns the person with the roles and region of this moment, or None where nobody has this id."""
        ...


@dataclass(frozen=True, kw_only=True)
class Span:
    """One piece of personal data found in a text, half-open: ``text[start:end]``.

    Args:
        score: 0 to 1.
        source: the recognizer that found it.
    """

    start: int
    end: int
    type: EntityType
    score: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One pseudonym of a thread with the value it stands for. Raw: it never leaves the process.

    Args:
        token: e.g. ``"<PERSON_1>"``.
        origins: every origin the value was seen with, in the order of sight.
    """

    token: str
    type: EntityType
    value: str
    origins: tuple[Origin, ...]


class Pseudonyms(Protocol):
    """One thread's pseudonyms, as masking uses them."""

    def entries(self) -> Sequence[Entry]:
        """Every entry of the thread, the oldest first."""
        ...

    def find(self, token: str) -> Entry | None:
        """The entry of ``token`` (with its angle brackets), or None."""
        ...

    def mint(self, type: EntityType, value: str, origin: Origin, source: str = "") -> Entry:
        """Makes the next pseudonym of its type for a value that has none; entries never change afterwards."""
        ...

    def saw(self, token: str, origin: Origin, source: str = "") -> None:
        """Notes that the value of ``token`` was seen once more, with this origin."""
        ...
