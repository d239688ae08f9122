"""``agent-guard run``: a recorded conversation through a scenario."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_guard.cli.output import AppOption, AsOption, ConfigOption, JsonOption, console, line, opened, settings_of
from agent_guard.cli.show import Watcher
from agent_guard.errors import ApprovalError, ConfigError

if TYPE_CHECKING:
    from agent_guard.app import Application
    from agent_guard.guarded import GuardedThread
    from agent_guard.scenario import Opening, Scenario
    from agent_guard.session import Reply, Session
    from agent_guard.types import Subject

__all__ = ["converse", "run", "write_report"]


def run(
    scenario: Annotated[str, typer.Argument(help="Name of the scenario, e.g. sdr_qualification.")],
    source: Annotated[str, typer.Option("--input", help="JSON Lines file of a conversation, or - for standard input.")],
    model: Annotated[
        str | None, typer.Option("--model", help="provider:name; by default the embedded planner.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder for the scenario's report; it holds names, as the CRM does.")
    ] = None,
    config: ConfigOption = None,
    app: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Runs a recorded conversation through a scenario. At a terminal it asks you for approvals; elsewhere it stops at
    the question, which 'agent-guard approvals' answers.
    """
    from agent_guard.app import load_model

    settings = settings_of(config, app)
    chat = load_model(model) if model else None
    with opened(settings, quiet=as_json) as application:
        found = application.scenario(scenario)
        stream: Any = sys.stdin.buffer if source == "-" else Path(source)
        opening = found.read(stream, application.worlds[scenario])
        session = application.session(scenario, model=chat)
        watcher = Watcher(application.gateway, as_json=as_json)
        person = _person(settings, pretend) if sys.stdin.isatty() and not as_json else None
        reply = converse(session, scenario, opening, watcher, person)
        if report is not None:
            write_report(application, found, reply, report)
        if as_json:
            line(_end(reply))
        elif reply is not None:
            console.print(f"thread {reply.thread_id}: {reply.status}")
            if reply.pending:
                console.print(f"answer it with: agent-guard approvals show {reply.pending.id}")


def converse(
    session: Session,
    scenario: str,
    opening: Opening,
    watcher: Watcher,
    approver: Subject | None,
) -> Reply | None:
    """Feeds the customer's messages one by one; stops where a person is called or nobody is there to approve."""
    reply: Reply | None = None
    for text in opening.lines:
        watcher.client(text)
        if reply is None:
            reply = session.start(
                text, opening.subject, speaker=opening.speaker, party=opening.party, scenario=scenario
            )
        else:
            reply = session.send(reply.thread_id, text, speaker=opening.speaker, by=opening.subject)
        watcher.turn(session, reply)
        while reply.pending is not None and approver is not None:
            reply = _asked(session, reply, watcher, approver)
            watcher.turn(session, reply)
        if reply.status != "delivered":
            break
    return reply


def write_report(application: Application, scenario: Scenario, reply: Reply | None, folder: Path) -> list[Path]:
    """Writes what a scenario makes of what its thread has read, with the values put back for its user; nothing where
    nothing was read.

    Raises:
        ConfigError: the scenario makes no report, or the folder cannot be written.
    """
    if not scenario.report:
        raise ConfigError(f"the scenario {scenario.name!r} makes no report; leave --report out")
    if reply is None:
        return []
    thread = application.gateway.thread(reply.thread_id)
    read = [{"tool": call["tool"], "result": _restored(call["result"], thread)} for call in thread.calls]
    texts = {folder / f"{scenario.name}.{ending}": make(read) for ending, make in scenario.report.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            if text:
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); name another folder") from None
    return [path for path, text in texts.items() if text]


def _restored(value: Any, thread: GuardedThread) -> Any:
    """A result with values for its pseudonyms, for the thread's user."""
    if isinstance(value, str):
        return thread.restore(value, reader="user")
    if isinstance(value, dict):
        return {name: _restored(item, thread) for name, item in value.items()}
    return [_restored(item, thread) for item in value] if isinstance(value, list) else value


def _asked(session: Session, reply: Reply, watcher: Watcher, approver: Subject) -> Reply:
    pending = reply.pending
    if pending is None:
        return reply
    word = watcher.ask(pending)
    message = watcher.words("Why?") if word == "reject" else None
    try:
        return session.resume(pending.id, word, by=approver, message=message)
    except ApprovalError as error:
        watcher.note(str(error))
        return reply


def _person(settings: Any, pretend: str | None) -> Subject | None:
    from agent_guard.cli.output import identity

    try:
        return identity(settings, pretend)
    except ConfigError as error:
        console.print(f"No approver here: {error}")
        return None


def _end(reply: Reply | None) -> dict[str, Any]:
    if reply is None:
        return {"type": "end", "status": "empty"}
    return {
        "type": "end",
        "thread": reply.thread_id,
        "status": reply.status,
        "approval": reply.pending.id if reply.pending else None,
        "code": reply.code,
        "reason": reply.reason,
    }
