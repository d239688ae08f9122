"""Field by field: what was asked for, what the tool says it did, and what stands in the record when it is read back.

A system that takes a write and silently leaves a field out shows here, and so does one that writes it another way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from agent_guard.gathering.gather import Gathered
from agent_guard.text.spelling import skeleton
from agent_guard.types import JSON, Description, Differs
from agent_guard.usual import defaults

__all__ = ["compared", "differing"]

Fields = Mapping[str, JSON]
"""A record's fields, or some of them."""


def compared(
    gathered: Gathered,
    result: Fields,
    before: Description | None,
    after: Description | None,
    mask: Callable[[Fields], Fields],
) -> dict[str, dict[str, JSON]]:
    """For each field that the call asked for and the record shows: ``asked``, ``observed``, ``executed`` where the
    tool's result has a field of this name, and ``how`` where what was observed is not what was asked.

    Args:
        result: what the tool returned. Raw.
        before, after: the record; raw. None where it was made, or could not be read back.
        mask: masks fields of this record.

    Returns:
        masked; empty where nothing can be compared.
    """
    tool, model = gathered.tool, gathered.arguments.model
    if tool is None or model is None or after is None:
        return {}
    found: dict[str, dict[str, JSON]] = {}
    for argument in gathered.arguments.real:
        name = tool.sets.get(argument, argument) if tool.sets is not None else argument
        if name not in after.snapshot or (tool.sets is not None and argument not in tool.sets):
            continue
        asked, observed = gathered.arguments.real[argument], after.snapshot[name]
        if asked is None and defaults(tool.args_model).get(argument, ...) is None:
            continue  # left out
        entry = {"asked": gathered.arguments.masked[argument], "observed": mask({name: observed}).get(name)}
        if name in result:
            entry["executed"] = mask({name: result[name]}).get(name)
        if asked != observed or type(asked) is not type(observed):
            old = None if before is None else before.snapshot.get(name)
            alike = _same(asked, observed) or entry["asked"] == entry["observed"]
            entry["how"] = "normalised" if alike else "ignored" if _untouched(old, observed) else "otherwise"
        found[name] = entry
    return found


def differing(gathered: Gathered, fields: Mapping[str, Mapping[str, JSON]]) -> dict[str, Differs]:
    """The arguments that did not become what was asked: argument -> how. No value is repeated."""
    tool = gathered.tool
    sets = tool.sets if tool is not None and tool.sets is not None else {name: name for name in fields}
    return {argument: fields[name]["how"] for argument, name in sets.items() if "how" in fields.get(name, ())}


def _untouched(old: JSON, observed: JSON) -> bool:
    """Whether a field is as it was; of a new record, whether it is empty."""
    return bool(observed == old or (old is None and observed in (None, "", [], {})))


def _same(asked: JSON, observed: JSON) -> bool:
    """Whether two values mean the same, in other letters: case, spaces, look-alikes, zeros, another time zone."""
    if isinstance(asked, bool) or isinstance(observed, bool):
        return False
    if isinstance(asked, list) and isinstance(observed, list) and len(asked) == len(observed):
        return all(map(_same, asked, observed))
    numbers = [_number(value) for value in (asked, observed)]
    if None not in numbers:
        return numbers[0] == numbers[1]
    moments = [_moment(value) for value in (asked, observed)]
    if None not in moments:
        return moments[0] == moments[1]
    if isinstance(asked, str) and isinstance(observed, str):
        return skeleton(asked) == skeleton(observed)
    return bool(asked == observed)


def _number(value: Any) -> Decimal | None:
    if not isinstance(value, (int, float, str)):
        return None
    with suppress(InvalidOperation):
        number = Decimal(str(value).strip())
        return number if number.is_finite() else None
    return None


def _moment(value: Any) -> datetime | None:
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
