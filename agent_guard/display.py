"""Decisions, results, events and the life of a call for people: in a notebook, on a terminal, or as plain text.

``Decision``, ``ToolResult`` and events show themselves in a notebook. On a terminal, ``rich.print(view(decision))``;
``timeline(events)`` is for both. Nothing is restored: values are told by their pseudonyms. Whatever stands in a call or
a record is taken for hostile: it is escaped for HTML, is never read as markup, and can only draw.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent_guard.audit import AuditEvent, StoredEvent
from agent_guard.text import markup
from agent_guard.text.drawn import cut, plain
from agent_guard.types import Decision, ToolResult

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["Moment", "Timeline", "View", "timeline", "view"]

MOST = 400
"""How many characters of one value are shown on a terminal."""

_STYLES = {
    "allow": "green", "executed": "green", "finished": "green", "answered": "green",
    "require_approval": "yellow", "pending": "yellow", "asked": "yellow", "edited": "yellow", "expired": "yellow",
    "suggest": "cyan", "suggested": "cyan", "duplicate": "cyan",
    "deny": "red", "denied": "red", "failed": "red", "unknown": "red", "refused": "red",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One event of a timeline.

    Args:
        after_s: seconds since the first one, by the time each event says; negative where a clock was set back, None
            where a time cannot be read.
        word: what colours it: the outcome of a decision, else its kind.
        what: a line that tells it.
    """

    after_s: float | None
    kind: str
    word: str
    who: str
    what: str

    @property
    def when(self) -> str:
        """``+1.5 s``, or nothing where the time cannot be read."""
        return "" if self.after_s is None else f"{self.after_s:+.1f} s"


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Events in the order of the record, each told in a line."""

    title: str
    moments: tuple[Moment, ...]

    def _repr_html_(self) -> str:
        """For a notebook."""
        rows = (
            (markup.grey(item.when), markup.badge(item.kind), markup.grey(item.who), _said(item))
            for item in self.moments
        )
        return markup.block(markup.line(f"<b>{markup.value(self.title)}</b>"), markup.table(rows))

    def __rich__(self) -> RenderableType:
        """For ``rich.print``."""
        from rich.table import Table

        table = Table(
            box=None, pad_edge=False, show_header=False, title=_drawn(self.title, "bold"), title_justify="left"
        )
        for name in ("when", "kind", "who"):
            table.add_column(name, no_wrap=True)
        table.add_column("what", overflow="fold")
        for item in self.moments:
            kind = _drawn(item.kind, _STYLES.get(item.word, ""))
            table.add_row(_drawn(item.when, "dim"), kind, _drawn(item.who, "dim"), _drawn(item.what))
        return table

    def __str__(self) -> str:
        """Plain text, one event a line."""
        lines = [f"{item.when:>9}  {item.kind:10}  {item.who:10}  {item.what}".rstrip() for item in self.moments]
        return "\n".join([plain(self.title), *map(plain, lines)])


@dataclass(frozen=True, kw_only=True)
class View:
    """One thing as a notebook and a terminal show it."""

    thing: Decision | ToolResult | AuditEvent | StoredEvent

    def _repr_html_(self) -> str:
        """For a notebook."""
        return self.thing._repr_html_()

    def __rich__(self) -> RenderableType:
        """For ``rich.print``."""
        from rich.text import Text

        text = Text()
        for line in _lines(self.thing):
            for words, style in line:
                text.append(_drawn(words, style))
            text.append("\n")
        text.rstrip()
        return text

    def __str__(self) -> str:
        """Plain text."""
        return "\n".join("".join(plain(words) for words, _ in line).rstrip() for line in _lines(self.thing))


def view(thing: Decision | ToolResult | AuditEvent | StoredEvent) -> View:
    """A decision, a result or an event, to be printed with rich or shown by a notebook."""
    return View(thing=thing)


def timeline(events: Iterable[AuditEvent | StoredEvent]) -> Timeline:
    """The life of a call, or of a conversation, out of its events.

    Args:
        events: in the order of the record, e.g. ``gateway.audit.events(trace_id=...)``.
    """
    known = [_data(event) for event in events]
    first = next((at for data in known if (at := _at(data)) is not None), None)
    moments = tuple(
        Moment(
            after_s=None if first is None or (at := _at(data)) is None else (at - first).total_seconds(),
            kind=str(data.get("kind")),
            word=str(_part(data, "decision").get("outcome") or data.get("kind")),
            who=str(data.get("approver") or _part(data, "actor").get("user_id") or ""),
            what=_what(data),
        )
        for data in known
    )
    return Timeline(title=_title(known), moments=moments)


def _what(data: Mapping[str, Any]) -> str:
    """One event in a line."""
    parts = list(_told(data))
    return cut(" ".join(part for part in parts if part), MOST)


def _told(data: Mapping[str, Any]) -> Iterator[str]:
    decision, error, result = (_part(data, name) for name in ("decision", "error", "result_meta"))
    if data.get("args_redacted"):
        yield _json(data["args_redacted"])
    if decision:
        yield f"{decision.get('outcome')} ({decision.get('code')}): {decision.get('for_human')}"
    elif error:
        yield f"{error.get('class')}: {error.get('code')}"
        yield str(error.get("detail") or "")
    if data.get("note"):
        yield str(data["note"])
    if data.get("reason"):
        yield f"“{data['reason']}”"
    if result:
        took = result.get("latency_ms")
        yield f"{took} ms" if took is not None else ""
        yield str(result.get("reference") or "")
    after = _part(data, "diff").get("after")
    if after:
        yield _json(after)


def _said(item: Moment) -> str:
    text = markup.value(item.what)
    return f"{markup.badge(item.word)}{text[len(item.word) :]}" if text.startswith(f"{item.word} (") else text


def _title(known: Sequence[Mapping[str, Any]]) -> str:
    traces = dict.fromkeys(str(data.get("trace_id") or "") for data in known)
    tools = dict.fromkeys(str(data["tool"]) for data in known if data.get("tool"))
    threads = dict.fromkeys(str(data["thread"]) for data in known if data.get("thread"))
    if not known:
        return "no events"
    if len(traces) == 1 and "" not in traces:
        return f"{next(iter(tools), '')} {next(iter(traces))}".strip()
    return f"thread {next(iter(threads))}" if len(threads) == 1 else f"{len(known)} events"


def _lines(thing: Decision | ToolResult | AuditEvent | StoredEvent) -> Iterator[list[tuple[str, str]]]:
    """Lines of words with their styles."""
    match thing:
        case Decision():
            yield from _decision(thing)
        case ToolResult():
            yield [(thing.status, f"bold {_STYLES[thing.status]}"), (f" {thing.tool} ", ""), (str(thing.code), "dim")]
            content = thing.content if isinstance(thing.content, str) else _json(thing.content)
            yield [(cut(content, MOST), "")]
            known = {"reference": thing.reference, "question": thing.approval_id, "trace": thing.trace_id}
            yield from ([(f"{name} ", "dim"), (str(item), "")] for name, item in known.items() if item)
            yield from _decision(thing.decision) if thing.decision else ()
        case _:
            data = _data(thing)
            kind = str(data.get("kind"))
            yield [(kind, f"bold {_STYLES.get(kind, '')}".strip()), (f" {data.get('tool') or ''}", "")]
            yield [(_what(data), "")]
            names = ("timestamp", "thread", "trace_id", "approval_id", "approver")
            yield from ([(f"{name} ", "dim"), (str(data[name]), "")] for name in names if data.get(name))


def _decision(given: Decision) -> Iterator[list[tuple[str, str]]]:
    yield [(given.outcome, f"bold {_STYLES[given.outcome]}"), (f" {given.code}: {given.for_human}", "")]
    guards = [(f"{item.guard} ", "dim" if item.outcome == "allow" else _STYLES[item.outcome]) for item in given.guards]
    if guards:
        yield [("guards ", "dim"), *guards]
    yield [(f"{given.policy} {cut(given.policy_hash, 20)}", "dim")]


def _data(event: AuditEvent | StoredEvent) -> Mapping[str, Any]:
    return event.data if isinstance(event, StoredEvent) else vars(event)


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}


def _at(data: Mapping[str, Any]) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(data.get("timestamp")))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _json(given: Any) -> str:
    return json.dumps(given, ensure_ascii=False, default=str)


def _drawn(words: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(plain(words), style=style)
