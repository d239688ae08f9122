"""One question as a person reads it in a terminal: what would run, what it changes, where its values come from.

Everything that a model, a customer or a record wrote goes through :mod:`agent_guard.cli.plain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent_guard.cli.plain import shown, words
from agent_guard.proposal.viewing import masked_in
from agent_guard.types import JSON

if TYPE_CHECKING:
    from agent_guard.approvals import Approval

__all__ = ["called", "question", "time_left", "values"]

_ORIGINS = {
    "user": "the user's words",
    "party": "the customer's words",
    "trusted": "a system of record",
    "untrusted": "text of outsiders",
    "invented": "nowhere: the model made it up",
}
_DOUBTFUL = ("untrusted", "invented")
_OPEN = {
    "extract": "read out of text of outsiders",
    "late": "written after the plan",
    "undetermined": "one of several records",
}
_CALLS = ("tool", "effect", "args", "records", "provenance", "values", "open", "diff", "text")
_SAID = ("args_schema", "reason", "requested_by", "also", "description", "edited_from")


def question(approval: Approval, *, now_ms: int) -> Group:
    """A question with everything that an approval of it covers; pseudonyms only.

    Args:
        now_ms: for the time that is left.
    """
    data = approval.shown
    parts: list[RenderableType] = [
        Text.assemble(
            words(approval.tool, "bold"), words(f"  ({data.get('effect')})"), words(f"  {approval.id}", "dim")
        ),
        Text.assemble(("for       ", "dim"), words(f"{approval.requester} of {approval.tenant}")),
    ]
    if data.get("reason"):
        parts.append(Text.assemble(("reason    ", "dim"), words(data["reason"])))
    parts.append(Text.assemble(("expires   ", "dim"), words(time_left(approval, now_ms=now_ms))))
    but = f", but not by {approval.requester}" if approval.not_requester else ""
    parts.append(Text.assemble(("answered  ", "dim"), words(f"by: {', '.join(approval.roles)}{but}")))
    parts += called(data)
    for other in data.get("also") or []:
        head = Text("\nWith it, as planned: ", style="bold yellow")
        parts.append(
            head.append_text(words(other.get("tool"), "bold")).append_text(words(f"  ({other.get('effect')})"))
        )
        parts += [Padding(part, (0, 0, 0, 2)) for part in called(other)]
    masked = masked_in(approval)
    if masked:
        parts.append(Text.assemble(("\nmasked    ", "dim"), words(" ".join(masked))))
    return Group(*parts)


def values(found: Mapping[str, str]) -> RenderableType:
    """Pseudonyms with their values. Raw: for the person at this terminal."""
    if not found:
        return words("There is nothing behind them that may be shown.")
    table = _table("pseudonym", "value")
    for token, value in found.items():
        table.add_row(words(token), words(value, lines=True))
    return table


def time_left(approval: Approval, *, now_ms: int) -> str:
    """How long a question still waits: ``in 23 h 59 min (2026-01-06T11:20:04+00:00)``."""
    minutes, seconds = divmod(max(0, approval.expires - now_ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    said = [f"{count} {unit}" for count, unit in units if count][:2]
    return f"in {' '.join(said)} ({approval.expires_at})" if said else f"expired at {approval.expires_at}"


def called(data: Mapping[str, Any]) -> list[RenderableType]:
    """One call: its records, what it changes, its arguments, where they come from, what the plan left open."""
    parts: list[RenderableType] = []
    for record in data.get("records") or []:
        name = f"  {record['name']}" if record.get("name") else ""
        version = f"  (version {record['version']})" if record.get("version") else ""
        parts.append(Text.assemble(("record    ", "dim"), words(f"{record.get('ref')}{name}"), words(version, "dim")))
    parts += _diff(data.get("diff") or {})
    parts += _args(data)
    parts += _text(data.get("text") or {})
    parts += _sources(data.get("values") or [])
    for item in data.get("open") or []:
        why = _OPEN.get(item.get("why"), item.get("why"))
        parts.append(Text.assemble(("open      ", "yellow"), words(f"{item.get('argument')}: {why}")))
    # whatever else is shown: nothing of it is kept from the person
    return parts + _others({name: item for name, item in data.items() if name not in (*_CALLS, *_SAID)})


def _diff(change: Mapping[str, Any]) -> list[RenderableType]:
    if not change:
        return [Text("\nThe tool shows no preview: its arguments say what it would do.", style="dim")]
    before, after = change.get("before") or {}, change.get("after") or {}
    table = _table("field", "before", "after")
    for name in {**before, **after}:
        old, new = shown(before.get(name)), shown(after.get(name))
        table.add_row(words(name), words(old, "red", lines=True), words(new, "green", lines=True))
    return [Text(""), table]


def _args(data: Mapping[str, Any]) -> list[RenderableType]:
    seen = {item["argument"]: item["origins"] for item in data.get("provenance") or []}
    table = _table("argument", "value", "seen in")
    for path, value in _leaves(data.get("args") or {}, ""):
        origins = seen.get(path) or seen.get(path.partition(".")[0]) or []
        table.add_row(words(path), words(shown(value), lines=True), _origins(origins))
    return [Text(""), table] if table.row_count else []


def _text(said: Mapping[str, str]) -> list[RenderableType]:
    """The text that would leave, word for word but for its pseudonyms."""
    parts: list[RenderableType] = []
    for where, text in said.items():
        part = where.partition(".")[2]
        parts.append(Text("\nwould send").append_text(words(f" ({part})" if part else "")).append(":"))
        parts.append(Padding(words(text, "bold", lines=True), (0, 0, 0, 2)))
    return parts


def _sources(found: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """The values that could be somebody else's will, each with where it was seen."""
    if not found:
        return []
    table = _table("sensitive", "value", "seen in", "where")
    for item in found:
        where = ", ".join(str(source) for source in item.get("sources") or [])
        value = words(shown(item.get("value")), lines=True)
        table.add_row(words(item.get("argument")), value, _origins(item.get("origins") or []), words(where))
    return [Text(""), table]


def _others(data: Mapping[str, Any]) -> list[RenderableType]:
    table = _table("also shown", "value")
    for path, value in _leaves({name: item for name, item in data.items() if item not in (None, "", [], {})}, ""):
        table.add_row(words(path), words(shown(value), lines=True))
    return [Text(""), table] if table.row_count else []


def _origins(origins: Sequence[str]) -> Text:
    doubtful = any(origin in _DOUBTFUL for origin in origins)
    return words("; ".join(_ORIGINS.get(origin, origin) for origin in origins), "bold red" if doubtful else "")


def _leaves(value: JSON, path: str) -> Iterator[tuple[str, JSON]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif path:
        yield path, value


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    return table
