"""How a conversation at the gateway is shown: what was said, what the model saw, what was decided, asked and done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import typer
from rich.console import RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent_guard.cli.output import console, line
from agent_guard.cli.plain import plain, shown, words
from agent_guard.types import Decision

if TYPE_CHECKING:
    from agent_guard.approvals import Answer
    from agent_guard.audit import StoredEvent
    from agent_guard.gateway import Gateway
    from agent_guard.session import Pending, Reply, Session

__all__ = ["Watcher", "audit_table", "decision_line", "diff_tables"]

_STYLES = {"allow": "green", "require_approval": "yellow", "suggest": "cyan", "deny": "red"}


class Watcher:
    """Prints what happened since it last looked. Only :meth:`client` and the agent's words to the reader show raw
    values; everything else is what was stored, which is masked.
    """

    def __init__(self, gateway: Gateway, *, as_json: bool = False) -> None:
        self._gateway = gateway
        self._as_json = as_json
        self._seen_event = 0
        self._seen_messages = 0
        self._turn = 0

    def client(self, text: str) -> None:
        """What the customer wrote."""
        self._turn += 1
        if self._as_json:
            return  # raw words stay out of machine-readable output, which ends in logs
        console.rule(f"turn {self._turn}")
        console.print(
            Panel(words(text, lines=True), title="the client wrote (raw)", title_align="left", border_style="dim")
        )

    def turn(self, session: Session, reply: Reply) -> None:
        """What the model saw and said, what the gateway decided, and where the thread stands."""
        config: Any = {"configurable": {"thread_id": reply.thread_id}}
        messages = _conversation(session.graph.get_state(config, subgraphs=True))
        events = self._gateway.audit.events(thread=reply.thread_id, after=self._seen_event)
        self._seen_event = events[-1].id if events else self._seen_event
        new, self._seen_messages = messages[self._seen_messages :], len(messages)
        if self._as_json:
            for event in events:
                line({"type": "event", **event.data})
            line({"type": "reply", "thread": reply.thread_id, "status": reply.status, "masked": reply.masked})
            return
        self._story(new, [event.data for event in events])
        if reply.pending:
            console.print(
                Panel(
                    Markdown(plain(reply.pending.description, lines=True), hyperlinks=False),
                    title="a person is asked",
                    title_align="left",
                    border_style="yellow",
                )
            )
        elif reply.text:
            console.print(
                Panel(
                    words(reply.text, lines=True), title="the agent answers", title_align="left", border_style="green"
                )
            )
        if reply.reason:
            console.print(words(f"a person is called: {reply.reason}", "red"))

    def ask(self, pending: Pending) -> Answer:
        """Asks the person at the terminal."""
        console.print(f"approval {pending.id}, until {pending.expires_at}")
        while True:
            answer = str(typer.prompt("approve or reject")).strip().lower()
            if answer in ("approve", "reject"):
                return cast("Answer", answer)
            console.print(f"{answer!r} is neither; nothing was done.")

    def words(self, question: str) -> str:
        """Asks the person at the terminal for some words."""
        return str(typer.prompt(question, default=""))

    def note(self, text: str) -> None:
        """One line beside the conversation."""
        if not self._as_json:
            console.print(words(text, "italic"))

    def _story(self, messages: list[Any], events: list[Mapping[str, Any]]) -> None:
        """Messages in order, and under each call what became of it."""
        traces = {data["trace_id"]: data["tool_call_id"] for data in events if data.get("tool_call_id")}
        left = list(events)
        for message in messages:
            self._message(message)
            ids = [call["id"] for call in getattr(message, "tool_calls", [])]
            for data in [data for data in left if traces.get(data.get("trace_id")) in ids]:
                self._event(data)
                left.remove(data)
        for data in left:
            self._event(data)
        for message in messages:
            if message.type == "tool":
                console.print(Text("result    ", style="magenta").append(plain(_cut(message.text)), style="default"))

    def _message(self, message: Any) -> None:
        if message.type == "human":
            console.print(
                Panel(
                    words(message.text, lines=True),
                    title="the model sees (masked)",
                    title_align="left",
                    border_style="blue",
                )
            )
        elif message.type == "ai" and message.tool_calls:
            console.print(Text("plan      ", style="magenta").append(plain(message.text, lines=True), style="default"))
            for call in message.tool_calls:
                console.print(
                    Text("proposes  ", style="magenta").append(
                        plain(f"{call['name']} {_short(call['args'])}"), style="default"
                    )
                )

    def _event(self, data: Mapping[str, Any]) -> None:
        decision = data.get("decision")
        if decision:
            console.print(decision_line(data["tool"], decision))
        elif data["kind"] == "routed":
            console.print(Text("routes    ", style="magenta").append(plain(str(data.get("note"))), style="default"))
        elif data["kind"] in ("answered", "refused", "edited", "expired"):
            who = f" by {data['approver']}" if data.get("approver") else ""
            console.print(
                Text(f"{data['kind']:10}", style="yellow").append(
                    plain(f"{data.get('note') or ''}{who}"), style="default"
                )
            )
        elif data["kind"] in ("finished", "failed", "unknown"):
            change = data.get("diff") or {}
            after = f" {_short(change.get('after'))}" if change.get("after") else ""
            unlike = _unlike(change)
            after += f" not as asked: {unlike}" if unlike else ""
            console.print(
                Text(f"{data['kind']:10}", style="green" if data["kind"] == "finished" else "red").append(
                    plain(f"{data['tool']}, {data['result_meta']['latency_ms']} ms{after}"), style="default"
                )
            )


def decision_line(tool: str, decision: Mapping[str, Any] | Decision) -> Text:
    """One decision with the guards that were asked; the one that objected stands out."""
    if isinstance(decision, Decision):
        outcome, why = decision.outcome, decision.for_human
        guards = [(item.guard, item.outcome) for item in decision.guards]
    else:
        outcome, why = decision["outcome"], decision["for_human"]
        guards = [(item["guard"], item["outcome"]) for item in decision["guards"]]
    text = Text("decides   ", style="magenta").append(f"{outcome}", style=f"bold {_STYLES[outcome]}")
    text.append(f" {plain(f'{tool}: {why}')}\n", style="default").append("guards    ", style="magenta")
    for name, said in guards:
        text.append(f"{plain(name)} ", style="dim" if said == "allow" else _STYLES[said])
    return text


def audit_table(events: Any) -> Table:
    """Events as a table, one line each."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("seq", "time", "kind", "tool", "trace", "who"):
        table.add_column(name, no_wrap=True)
    table.add_column("what", no_wrap=True)
    room = max(16, console.width - 74)
    for event in events:
        data = event.data
        cells = (
            str(event.seq),
            str(data["timestamp"])[11:19],
            data["kind"],
            data.get("tool") or "",
            (data.get("trace_id") or "")[-6:],
            data.get("approver") or (data.get("actor") or {}).get("user_id") or "",
            _cut(plain(_what(data)), room),
        )
        table.add_row(*(words(cell) for cell in cells))
    return table


def _what(data: Mapping[str, Any]) -> str:
    if data.get("error"):
        return f"{data['error']['class']}: {data['error']['code']}"
    if data.get("decision"):
        return str(data["decision"]["outcome"])
    if data.get("diff"):
        unlike = _unlike(data["diff"])
        return f"not as asked: {unlike}" if unlike else _short(_object(data["diff"]).get("after"))
    return _short(data["args_redacted"]) if data.get("args_redacted") else data.get("note") or ""


_HOW = {
    "ignored": "not taken over",
    "normalised": "written another way",
    "otherwise": "something else",
}


def _unlike(change: Mapping[str, Any]) -> str:
    """The fields that did not become what was asked, and how."""
    fields = _object(_object(change).get("fields"))
    hows = [(name, _object(item).get("how")) for name, item in fields.items()]
    return ", ".join(f"{name} {_HOW.get(how, how)}" for name, how in hows if how)


def diff_tables(events: Iterable[StoredEvent]) -> Iterator[RenderableType]:
    """What each of these events tells of a record, field by field: before, asked, executed by the tool's own word, and
    observed; and what of it is not what was asked. Of a suggestion, what would have been.
    """
    for event in events:
        change = _object(event.data.get("diff"))
        if change:
            yield words(f"\n{event.data['kind']}", "bold", lines=True)
            yield _diff_table(change)


def _diff_table(change: Mapping[str, Any]) -> Table:
    before, after, fields = (_object(change.get(name)) for name in ("before", "after", "fields"))
    columns = ["before", "asked", "executed", "observed"] if fields else ["before", "after"]
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("field", *columns, ""):
        table.add_column(name, overflow="fold")
    for name in dict.fromkeys([*fields, *before, *after]):
        item = _object(fields.get(name))
        how = item.get("how")
        unasked = bool(fields and before) and not item
        said = _HOW.get(str(how), str(how)) if how else "nobody asked for it" if unasked else ""
        cells = {"before": before.get(name), "after": after.get(name), "observed": after.get(name), **item}
        drawn = [words(shown(cells.get(column)), lines=True) for column in columns]
        table.add_row(words(name), *drawn, words(said, "bold yellow"))
    return table


def _object(value: Any) -> Mapping[str, Any]:
    """An object of an event, or an empty one where somebody wrote something else."""
    return value if isinstance(value, Mapping) else {}


def _conversation(state: Any) -> list[Any]:
    """The messages of a graph as they stand: of the graph inside it that waits, where one does."""
    inside = next((task.state for task in state.tasks if task.state is not None), None)
    return list((inside or state).values.get("messages", []))


def _short(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
