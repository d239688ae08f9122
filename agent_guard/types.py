"""The values that travel through the house: who asks, what is proposed, what was decided, what came back.

Standard library only. Every value is frozen; whatever is stored or shown is JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from agent_guard.codes import Code, ErrorClass
from agent_guard.text import markup

__all__ = [
    "ENTITY_TYPES",
    "JSON",
    "Change",
    "Clock",
    "Code",
    "Decision",
    "Description",
    "Differs",
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

Differs = Literal["ignored", "normalised", "otherwise"]
"""How a field that was read back differs from what was asked: it is as it was before; it means the same and is written
another way; it is something else.
"""

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
        tenant: the company; no value ever crosses from one to another. A record is compared with it where the system
            of record says whose company's it is (``Description.tenant``).
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
        _storable("Subject", id=self.id, tenant=self.tenant, region=self.region or "")
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

    def __post_init__(self) -> None:
        _storable("Party", id=self.id)


def _storable(kind: str, **names: str) -> None:
    """Refuses a name that not every database can keep as it is: two that differ must stay two."""
    for field_name, value in names.items():
        if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError(f"{kind}.{field_name} holds a character that cannot be stored: NUL or half of another")


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

    def _repr_html_(self) -> str:
        """The decision for a notebook."""
        return markup.decision(
            {
                "outcome": self.outcome,
                "code": str(self.code),
                "for_human": self.for_human,
                "policy": self.policy,
                "policy_hash": self.policy_hash,
                "guards": [vars(item) | {"code": str(item.code)} for item in self.guards],
            }
        )


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What became of one call, as the model and the graph may see it: pseudonyms only.

    Args:
        content: the tool's visible fields for ``executed`` and ``duplicate``, otherwise a sentence that says what
            to do next.
        reference: the record that was made or changed, e.g. ``"task:9"``.
        differs: arguments that did not become what was asked, when the record was read back, and how.
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
    differs: Mapping[str, Differs] = field(default_factory=dict)

    @property
    def stop(self) -> bool:
        """Whether the agent must stop and a human be called (law L9)."""
        return self.status == "unknown" or (self.status in ("denied", "failed") and self.code.stops)

    def _repr_html_(self) -> str:
        """The result for a notebook; what it holds is masked already."""
        known = {"reference": self.reference, "question": self.approval_id, "trace": self.trace_id}
        return markup.block(
            markup.line(markup.badge(self.status), markup.value(self.tool), markup.grey(str(self.code))),
            markup.line(markup.value(self.content)),
            markup.fields(known),
            self.decision._repr_html_() if self.decision else "",
            word=self.status,
        )


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a finished call changed, as a contract's ``undo`` is told of it: pseudonyms, as they were recorded.

    Args:
        args: of the call, defaults filled.
        result: what the policy showed of its result.
        before, after: the fields of the record that differ; of a record that was made ``before`` is None and ``after``
            is all of it.
        reference: the record, e.g. ``"task:9"``.
    """

    args: Mapping[str, JSON]
    result: JSON
    before: Mapping[str, JSON] | None
    after: Mapping[str, JSON]
    reference: str


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
        tenant: the company whose record it is, compared with ``Subject.tenant``: another company's record is not there
            for this one. None: this system of record serves one company, whose gateway this is.
        snapshot: the fields an auditor may compare before and after.
        fields: for each snapshot field ``"plain"`` (numbers, dates, ids, closed words), ``"text"`` (analysed),
            ``"drop"``, or the entity type it holds. A field that is not named is treated as personal.
    """

    version: str
    party: str | None = None
    responsible: str | None = None
    region: str | None = None
    name: str | None = None
    tenant: str | None = None
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

    def sightings(self, token: str) -> Sequence[tuple[Origin, str]]:
        """Origin and source of each time the value of ``token`` was seen."""
        ...

    def saw(self, token: str, origin: Origin, source: str = "") -> None:
        """Notes that the value of ``token`` was seen once more, with this origin."""
        ...
