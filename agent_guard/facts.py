"""Everything ``decide`` needs to know of one call, gathered before it. JSON through and through, and no raw value.

The facts are written into the audit, so that a recorded call can be decided again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agent_guard.types import JSON, Code, Origin

__all__ = [
    "AMOUNT_SCALE",
    "ANOTHER_COMPANY",
    "RENDERED",
    "Facts",
    "LimitFact",
    "OpenFact",
    "PlanFact",
    "Problem",
    "RecordFact",
    "Twin",
    "ValueFact",
]

RENDERED = "(text)"
"""Stands where an argument's name does, for the text that a tool would send; a part's name follows after a dot."""

ANOTHER_COMPANY = "(another company)"
"""Stands for the company of a record that is not the subject's company's: which one it is, is not told either."""

AMOUNT_SCALE = 10_000
"""Running totals are kept in ten-thousandths, rounded up."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with the arguments: a code, the path of the argument and a sentence without its value."""

    code: Code
    path: str
    message: str


@dataclass(frozen=True, kw_only=True)
class RecordFact:
    """What is known of the record that an argument names.

    Args:
        name: a pseudonym.
        tenant: the company whose record it is, or None where the system of record serves one company and in records of
            before. Of another company's record this is ``ANOTHER_COMPANY``, and nothing else of it is known.
    """

    ref: str
    found: bool
    version: str | None = None
    party: str | None = None
    responsible: str | None = None
    region: str | None = None
    name: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, kw_only=True)
class LimitFact:
    """One limit and whether its place is taken: ``reached`` is true when ``count`` calls lie inside the window, or when
    a total has less left than this call takes.

    Args:
        count: how many places there are; of a total in ``1 / AMOUNT_SCALE``.
        used: how many of them were taken before this call, or None where that was not counted or not yet recorded.
    """

    limit: str
    code: Code
    count: int
    reached: bool
    used: int | None = None


@dataclass(frozen=True, kw_only=True)
class Twin:
    """An earlier call with the same intent that holds the key: its state, trace and the record it made."""

    state: str
    trace_id: str
    reference: str | None


@dataclass(frozen=True, kw_only=True)
class ValueFact:
    """Where one value of an argument was seen before.

    Args:
        argument: the argument's name, or ``RENDERED`` for the text that the tool would send.
        shown: the pseudonym, or the value's own words where it is not personal.
        kind: the entity type of a pseudonym, else ``"text"`` or ``"number"``.
        origins: where it was seen; ``("invented",)`` for a value that was seen nowhere.
        sources: where that was, one for each origin.
        judged: whether the policy or the contract names origins for this argument; else it is judged because it is an
            address that could leave.
    """

    argument: str
    shown: str
    kind: str
    origins: tuple[Origin, ...]
    sources: tuple[str, ...] = ()
    judged: bool = True


@dataclass(frozen=True, kw_only=True)
class OpenFact:
    """A value of a planned call that the plan does not fix: ``extract``, ``late`` or ``undetermined``."""

    argument: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class PlanFact:
    """How a call stands to the thread's plan.

    Args:
        step: the unused step it is, or None for a call outside the plan.
        why: of a call outside the plan: what the nearest step says otherwise.
        open: values that the plan leaves open.
        outside_read: whether text of outsiders was ever read in this thread.
    """

    step: str | None
    why: str = ""
    open: tuple[OpenFact, ...] = ()
    outside_read: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of one call at one moment.

    Args:
        at: ISO 8601, UTC.
        pressed: kill flags that cover this call.
        known: whether the policy's gateway has a tool of this name.
        person_found: whether the directory knows the subject (true where there is no directory).
        scope: tools the thread may use, or None where every tool of the policy is in scope.
        erased: whether the data of the thread's customer was erased; nothing goes on in the thread since.
        records: argument -> its record.
        record_version: the versions of all records named, joined; part of the digest.
        audience: whether anybody but the subject would see what the call does, as far as is known; false only where
            the contract names an ``audience`` and the call leaves all of it empty.
        origins: argument -> origins of the pseudonyms in it.
        given: the arguments that the call itself sets, the others being defaults; or None in a record of before, which
            does not tell. No guard asks: it tells a simulation which arguments another policy's ``args`` would judge.
        values: where the values were seen that could be somebody else's will.
        plan: how the call stands to the thread's plan, or None where the thread has none.
        content: stop-words, and addresses outside the allowed domains, found in the values that would run and in the
            text that would be sent; also that there is no such text.
        temporal: earlier calls that are missing, and moments that are too late.
        store_region: where the gateway's own database lies, or None where nobody said.
        twin: an earlier equal intent inside the key's window.
        same_calls: how many equal calls stand directly before this one in the thread.
        cycles: how often the last two to four calls were repeated in a row, if this call begins them again.
        idle: how many equal calls there were since anything was last changed.
        rejections: how many of the newest answers to this thread's questions, asked since the subject last spoke, are
            rejections; two of them count, more are not looked for.
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
    audience: bool = True
    origins: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)
    given: tuple[str, ...] | None = None
    values: tuple[ValueFact, ...] = ()
    plan: PlanFact | None = None
    content: tuple[Problem, ...] = ()
    temporal: tuple[Problem, ...] = ()
    store_region: str | None = None
    limits: tuple[LimitFact, ...] = ()
    twin: Twin | None = None
    same_calls: int = 0
    cycles: int = 0
    idle: int = 0
    rejections: int = 0
    erased: bool = False

    def without_names(self) -> Facts:
        """The same facts without the records' names: where a call is denied, nothing of a record is told."""
        return replace(self, records={name: replace(record, name=None) for name, record in self.records.items()})

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON; :meth:`from_json` reads it back to an equal value."""
        return _format().dump_python(self, mode="json")  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Facts:
        """Rebuilds facts from the audit.

        Raises:
            TypeError: a field is missing or unknown: the record is of another format.
        """
        if wrong := ({item.name for item in fields(cls)} ^ data.keys()) - (_ADDED - data.keys()):
            raise TypeError(f"facts of another format: {', '.join(sorted(wrong))}")
        try:
            return _format().validate_python(data)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise TypeError(f"facts of another format: {where}") from None


_ADDED = frozenset({"erased", "given"})
"""Fields that older records lack; the default of each is what held then, or says that it is not known."""


@cache
def _format() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)
