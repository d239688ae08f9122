"""Everything ``decide`` needs to know of one call, gathered before it. JSON through and through, and no raw value.

The facts are written into the audit, so that a recorded call can be decided again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from agent_guard.types import JSON, Code, Origin

__all__ = ["Facts", "LimitFact", "Problem", "RecordFact", "Twin"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with the arguments: a code, the path of the argument and a sentence without its value."""

    code: Code
    path: str
    message: str


@dataclass(frozen=True, kw_only=True)
class RecordFact:
    """What is known of the record that an argument names; ``name`` is a pseudonym."""

    ref: str
    found: bool
    version: str | None = None
    party: str | None = None
    responsible: str | None = None
    region: str | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class LimitFact:
    """One limit and whether its place is taken: ``reached`` is true when ``count`` calls lie inside the window."""

    limit: str
    code: Code
    count: int
    reached: bool


@dataclass(frozen=True, kw_only=True)
class Twin:
    """An earlier call with the same intent that holds the key: its state, trace and the record it made."""

    state: str
    trace_id: str
    reference: str | None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one call at one moment.

    Args:
        at: ISO 8601, UTC.
        pressed: kill flags that cover this call.
        known: whether the policy's gateway has a tool of this name.
        person_found: whether the directory knows the subject (true where there is no directory).
        scope: tools the thread may use, or None where every tool of the policy is in scope.
        records: argument -> its record.
        record_version: the versions of all records named, joined; part of the digest.
        origins: argument -> origins of the pseudonyms in it.
        twin: an earlier equal intent inside the key's window.
        same_calls: how many equal calls stand directly before this one in the thread.
    """

    at: str
    environment: str
    thread: str
    scenario: str | None
    tenant: str
    subject: str
    agent: str
    known: bool
    person_found: bool = True
    roles: tuple[str, ...] = ()
    region: str | None = None
    party: str | None = None
    scope: tuple[str, ...] | None = None
    pressed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    records: Mapping[str, RecordFact] = field(default_factory=dict)
    record_version: str = ""
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    limits: tuple[LimitFact, ...] = ()
    twin: Twin | None = None
    same_calls: int = 0

    def without_names(self) -> Facts:
        """The same facts without the records' names: where a call is denied, nothing of a record is told."""
        return replace(self, records={name: replace(record, name=None) for name, record in self.records.items()})

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON; :meth:`from_json` reads it back to an equal value."""
        return _plain(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Facts:
        """Rebuilds facts from the audit.

        Raises:
            TypeError: a field is missing or unknown: the record is of another format.
        """
        if wrong := {item.name for item in fields(cls)} ^ data.keys():
            raise TypeError(f"facts of another format: {', '.join(sorted(wrong))}")
        twin, scope = data["twin"], data["scope"]
        return cls(
            **{
                **data,
                "roles": tuple(data["roles"]),
                "scope": None if scope is None else tuple(scope),
                "pressed": tuple(data["pressed"]),
                "problems": tuple(Problem(**{**item, "code": Code(item["code"])}) for item in data["problems"]),
                "records": {name: RecordFact(**item) for name, item in data["records"].items()},
                "origins": {name: tuple(item) for name, item in data["origins"].items()},
                "limits": tuple(LimitFact(**{**item, "code": Code(item["code"])}) for item in data["limits"]),
                "twin": None if twin is None else Twin(**twin),
            }
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Code) else value
