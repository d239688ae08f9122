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
    from agent_guard.scenario import Opening
    from agent_guard.session import Reply, Session
    from agent_guard.types import Subject

__all__ = ["converse", "run"]


def run(
    scenario: Annotated[str, typer.Argument(help="Name of the scenario, e.g. sdr_qualification.")],
    source: Annotated[str, typer.Option("--input", help="JSON Lines file of a conversation, or - for standard input.")],
    model: Annotated[
        str | None, typer.Option("--model", help="provider:name; by default the embedded planner.")
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
            reply = session.start(text, opening.subject, speaker="party", party=opening.party, scenario=scenario)
        else:
            reply = session.send(reply.thread_id, text, speaker="party", by=opening.subject)
        watcher.turn(session, reply)
        while reply.pending is not None and approver is not None:
            reply = _asked(session, reply, watcher, approver)
            watcher.turn(session, reply)
        if reply.status != "delivered":
            break
    return reply


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
