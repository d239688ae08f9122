"""``agent-guard approvals``: the questions that wait, and their answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from agent_guard.cli.output import (
    AppOption,
    AsOption,
    ConfigOption,
    JsonOption,
    console,
    identity,
    line,
    opened,
    settings_of,
)
from agent_guard.cli.plain import words
from agent_guard.cli.question import question
from agent_guard.cli.resuming import (
    LEFT_UNDONE,
    ModelOption,
    Sessions,
    as_json as json_of,
    carry_out,
    chat_model,
    gone_on,
)
from agent_guard.cli.review import Review, terminal
from agent_guard.errors import ConfigError
from agent_guard.masking import Masker

if TYPE_CHECKING:
    from agent_guard.app import Application
    from agent_guard.approvals import Answer, Approval

__all__ = ["app"]

app = typer.Typer(help="The questions that wait for a person; without a command it walks through them.")

ApprovalArgument = Annotated[str, typer.Argument(help="Id of the approval, apr_...")]
MessageOption = Annotated[
    str | None, typer.Option("--message", help="Words for the agent; masked before they are stored.")
]


@app.callback(invoke_without_command=True)
def walk(
    context: typer.Context,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    model: ModelOption = None,
) -> None:
    """The questions that wait for a person; without a command it walks through them, as 'review' does."""
    if context.invoked_subcommand is None:
        _review(None, config, app_, pretend, model)
    elif any((config, app_, pretend, model)):
        raise ConfigError(f"options come after the command: agent-guard approvals {context.invoked_subcommand} ...")


@app.command()
def review(
    approval_id: Annotated[str | None, typer.Argument(help="Only this approval, apr_...")] = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    model: ModelOption = None,
) -> None:
    """Shows you one waiting question after another and takes your answers; needs a terminal."""
    _review(approval_id, config, app_, pretend, model)


@app.command("list")
def list_(config: ConfigOption = None, app_: AppOption = None, as_json: JsonOption = False) -> None:
    """Lists the questions that wait, the oldest first."""
    with opened(settings_of(config, app_), masker=Masker(profile="patterns"), quiet=True) as application:
        waiting = application.gateway.approvals.list(now_ms=application.gateway.now_ms())
    if as_json:
        for approval in waiting:
            line(_data(approval))
        return
    if not waiting:
        console.print("Nothing waits.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("id", "tool", "for", "expires", "who may answer"):
        table.add_column(name, no_wrap=name in ("id", "expires"), overflow="fold")  # half an id names nothing
    for approval in waiting:
        expires = f"{approval.expires_at[:16]}Z"
        cells = (approval.id, approval.tool, approval.requester, expires, ", ".join(approval.roles))
        table.add_row(*(words(cell) for cell in cells))
    console.print(table)


@app.command()
def show(
    approval_id: ApprovalArgument, config: ConfigOption = None, app_: AppOption = None, as_json: JsonOption = False
) -> None:
    """Shows one question: what would run, for whom, why, and what it would change."""
    with opened(settings_of(config, app_), masker=Masker(profile="patterns"), quiet=True) as application:
        approval, now = _found(application, approval_id), application.gateway.now_ms()
    if as_json:
        line(_data(approval))
        return
    console.print(question(approval, now_ms=now))
    if approval.answer:
        console.print(words(f"\n{approval.answer} by {approval.answered_by}"))


@app.command()
def approve(
    approval_id: ApprovalArgument,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approves exactly what was shown, and lets the thread go on."""
    _answer(approval_id, "approve", config, app_, pretend, model, as_json)


@app.command()
def reject(
    approval_id: ApprovalArgument,
    message: MessageOption = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rejects it, and lets the thread go on without it."""
    _answer(approval_id, "reject", config, app_, pretend, model, as_json, message=message)


@app.command()
def respond(
    approval_id: ApprovalArgument,
    message: Annotated[str, typer.Option("--message", help="Your answer; masked before it is stored.")],
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answers the agent in words instead; the call is not run, and the thread goes on."""
    _answer(approval_id, "respond", config, app_, pretend, model, as_json, message=message)


@app.command()
def edit(
    approval_id: ApprovalArgument,
    args: Annotated[str, typer.Option("--args", help="The new arguments as JSON; the whole of them.")],
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Puts other arguments in their place: a new call of the same tool, decided again."""
    try:
        given = json.loads(args)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--args is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError("--args must be a JSON object of all arguments")
    _answer(approval_id, "edit", config, app_, pretend, model, as_json, args=given)


def _answer(
    approval_id: str,
    word: Answer,
    config: Path | None,
    app_: str | None,
    pretend: str | None,
    model: str | None,
    as_json: bool,
    **more: Any,
) -> None:
    settings = settings_of(config, app_)
    by = identity(settings, pretend)
    chat = chat_model(model)
    with opened(settings, quiet=as_json) as application:
        approval = _found(application, approval_id)
        session = Sessions(application, chat).of(approval)
        reply, why = carry_out(session, approval_id, word, by=by, **more)
    if as_json:
        line(json_of(approval, reply, why))
    else:
        console.print(words(f"{word} by {by.id}"))
        console.print(gone_on(approval, reply, why))
    if reply is None:
        raise typer.Exit(LEFT_UNDONE)


def _review(
    approval_id: str | None, config: Path | None, app_: str | None, pretend: str | None, model: str | None
) -> None:
    terminal()
    settings = settings_of(config, app_)
    by = identity(settings, pretend)
    chat = chat_model(model)
    with opened(settings) as application:
        Review(application.gateway, Sessions(application, chat), by).walk(approval_id)


def _found(application: Application, approval_id: str) -> Approval:
    approval = application.gateway.approvals.get(approval_id)
    if approval is None:
        raise ConfigError(f"there is no approval {approval_id!r}; see: agent-guard approvals list")
    return approval


def _data(approval: Approval) -> dict[str, Any]:
    return {**asdict(approval), "expires_at": approval.expires_at}
