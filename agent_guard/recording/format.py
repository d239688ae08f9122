"""The format of an audit event, version 1: its kinds, its fields, and what is refused on the way in.

Fields and kinds are only added, so that a reader of version 1 reads every event of version 1. ``key`` and ``at`` were
added: an event without them is older. Whatever a later version changes, it keeps ``v``, ``key``, ``seq``, ``prev_hash``
and the way an event is hashed (``agent_guard.recording.chain``), so that this release can tell an event it cannot read
from one that was edited.

What the gateway itself puts into ``facts`` and into the list of guards is not looked at again on the way in, because
that would cost more than all the rest; the published schema says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Required, get_args

from pydantic import ConfigDict, Field, InstanceOf, StringConstraints, TypeAdapter, ValidationError, WithJsonSchema
from typing_extensions import TypedDict

from agent_guard.codes import ErrorClass
from agent_guard.types import JSON, Differs, Mode, Outcome

__all__ = ["FIRST_FIELDS", "FORMAT", "KINDS", "Kind", "check_event", "json_schema"]

FORMAT = 1
"""Version of the event format; ``v`` in every event."""

Kind = Literal[
    "opened", "routed", "planned", "found",
    "proposed", "decided", "suggested", "judged",
    "asked", "answered", "refused", "edited", "expired",
    "started", "finished", "failed", "unknown", "reconciled",
    "escalated", "viewed", "erased", "held", "released", "retained", "rotated",
    "killed", "revived", "agent_added", "agent_revoked", "policy_changed",
]  # fmt: skip
"""What an event tells. Closed: readers key on it, and names are only added."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_CLOSED = ConfigDict(extra="forbid", strict=True)
_OPEN = ConfigDict(extra="allow", strict=True)

_Text = str | None
# read from the database, so that a damaged one shows in the chain and stops nobody
_Hash = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"})]
_GUARD = {
    "type": "object",
    "properties": {
        "guard": {"type": "string"},
        "outcome": {"enum": list(get_args(Outcome))},
        "code": {"type": "string"},
    },
    "required": ["guard", "outcome", "code"],
    "additionalProperties": False,
}
_FIELD = {
    "type": "object",
    "properties": {"asked": {}, "executed": {}, "observed": {}, "how": {"enum": list(get_args(Differs))}},
    "required": ["asked", "observed"],
    "additionalProperties": False,
}
_Object = Annotated[InstanceOf[dict[str, Any]], WithJsonSchema({"type": "object"})]


class _Actor(TypedDict, total=False):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    user_id: Required[str]
    tenant: str
    roles: list[str]
    region: str | None


class _Decision(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    allowed: bool
    outcome: Outcome
    code: str
    policy: str
    policy_hash: str
    for_human: str
    guards: Annotated[InstanceOf[list[Any]], WithJsonSchema({"type": "array", "items": _GUARD})]


class _Result(TypedDict, total=False):
    __pydantic_config__ = _OPEN  # type: ignore[misc]

    records: int
    attempts: int
    latency_ms: Annotated[int, Field(ge=0)]
    verified: bool
    reference: str | None


_Error = TypedDict("_Error", {"class": ErrorClass, "code": str, "detail": str | None})
_Error.__pydantic_config__ = _CLOSED  # type: ignore[attr-defined]


class _Diff(TypedDict, total=False):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    before: Required[_Object | None]
    after: Required[_Object | None]
    fields: Annotated[InstanceOf[dict[str, Any]], WithJsonSchema({"type": "object", "additionalProperties": _FIELD})]


class _Event(TypedDict, total=False):
    """One event as it is stored. Every field is there; ``key`` and ``at`` are missing in events that are older."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    v: Required[Literal[1]]
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    at: int
    seq: Required[Annotated[int, Field(ge=1)]]
    prev_hash: Required[_Hash]
    kind: Required[Kind]
    timestamp: Required[
        Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$")]
    ]
    thread: Required[Annotated[str, StringConstraints(min_length=1, max_length=120)]]
    tenant: Required[Annotated[str, StringConstraints(min_length=1, max_length=100)]]
    trace_id: Required[Annotated[str, StringConstraints(max_length=26)] | None]
    scenario: Required[_Text]
    environment: Required[_Text]
    actor: Required[_Actor | None]
    agent: Required[_Text]
    party: Required[_Text]
    approver: Required[_Text]
    approval_id: Required[_Text]
    tool: Required[_Text]
    tool_version: Required[_Text]
    mode: Required[Mode | None]
    tool_call_id: Required[_Text]
    reason: Required[_Text]
    idempotency_key: Required[_Text]
    digest: Required[_Text]
    record_version: Required[_Text]
    args_redacted: Required[_Object | None]
    facts: Required[_Object | None]
    decision: Required[_Decision | None]
    result_meta: Required[_Result | None]
    diff: Required[_Diff | None]
    error: Required[_Error | None]
    note: Required[_Text]


FIRST_FIELDS = frozenset(_Event.__annotations__) - {"key", "at"}
"""The fields of the events that were written before any was added."""


def check_event(data: Mapping[str, JSON]) -> None:
    """Refuses what is no event of this format: an unknown kind, an unknown field, a value of the wrong kind.

    Raises:
        ValueError: it names the field and what is wrong, and repeats no value but an unknown kind.
    """
    try:
        _validator()(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    else:
        return
    where, kind = ".".join(str(part) for part in first["loc"]), data.get("kind")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event; add it to agent_guard.recording.format.Kind")
    raise ValueError(f"an event of the kind {kind!r}: {where}: {first['msg']}")


@cache
def json_schema() -> dict[str, JSON]:
    """The format as JSON Schema (draft 2020-12)."""
    made = TypeAdapter(_Event).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agent_guard audit event, version 1",
        **{name: value for name, value in made.items() if name != "title"},
    }


@cache
def _validator() -> Any:
    return TypeAdapter(_Event).validator.validate_python
