"""``agent-guard approvals``: the questions that wait, and their answers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markdown import Markdown
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
from agent_guard.errors import ConfigError
from agent_guard.masking import Masker

if TYPE_CHECKING:
    from agent_guard.app import Application
    from agent_guard.approvals import Answer, Approval
    from agent_guard.session import Reply

__all__ = ["app"]

app = typer.Typer(help="The questions that wait for a person.", no_args_is_help=True)

ApprovalArgument = Annotated[str, typer.Argument(help="Id of the approval, apr_...")]
MessageOption = Annotated[
    str | None, typer.Option("--message", help="Words for the agent; masked before they are stored.")
]


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
        table.add_column(name, overflow="fold")
    for approval in waiting:
        table.add_row(approval.id, approval.tool, approval.requester, approval.expires_at, ", ".join(approval.roles))
    console.print(table)


@app.command()
def show(
    approval_id: ApprovalArgument, config: ConfigOption = None, app_: AppOption = None, as_json: JsonOption = False
) -> None:
    """Shows one question: what would run, for whom, why, and what it would change."""
    with opened(settings_of(config, app_), masker=Masker(profile="patterns"), quiet=True) as application:
        approval = _found(application, approval_id)
    if as_json:
        line(_data(approval))
        return
    console.print(Markdown(str(approval.shown.get("description", ""))))
    state = f"{approval.answer} by {approval.answered_by}" if approval.answer else f"waits until {approval.expires_at}"
    console.print(f"\n{approval.id}: {state}; may be answered by: {', '.join(approval.roles)}")


@app.command()
def approve(
    approval_id: ApprovalArgument,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approves exactly what was shown, and lets the thread go on."""
    _answer(approval_id, "approve", config, app_, pretend, as_json)


@app.command()
def reject(
    approval_id: ApprovalArgument,
    message: MessageOption = None,
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rejects it, and lets the thread go on without it."""
    _answer(approval_id, "reject", config, app_, pretend, as_json, message=message)


@app.command()
def edit(
    approval_id: ApprovalArgument,
    args: Annotated[str, typer.Option("--args", help="The new arguments as JSON; the whole of them.")],
    config: ConfigOption = None,
    app_: AppOption = None,
    pretend: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Puts other arguments in their place: a new call of the same tool, decided again."""
    try:
        given = json.loads(args)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--args is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError("--args must be a JSON object of all arguments")
    _answer(approval_id, "edit", config, app_, pretend, as_json, args=given)


def _answer(
    approval_id: str,
    word: Answer,
    config: Path | None,
    app_: str | None,
    pretend: str | None,
    as_json: bool,
    **more: Any,
) -> None:
    settings = settings_of(config, app_)
    by = identity(settings, pretend)
    with opened(settings, quiet=as_json) as application:
        approval = _found(application, approval_id)
        row = application.gateway.thread(approval.thread).row
        reply = application.session(_scenario(application, row.scenario)).resume(approval_id, word, by=by, **more)
    if as_json:
        line(_reply(reply))
        return
    console.print(f"{word} by {by.id}; the thread {reply.thread_id} is {reply.status}")
    if reply.text:
        console.print(f"the agent answers: {reply.text}")
    if reply.pending:
        console.print(f"it asks again: agent-guard approvals show {reply.pending.id}")


def _scenario(application: Application, name: str | None) -> str:
    if name is not None:
        return name
    if len(application.scenarios) == 1:
        return next(iter(application.scenarios))
    raise ConfigError("the thread was opened without a scenario, so nothing here can go on with it")


def _found(application: Application, approval_id: str) -> Approval:
    approval = application.gateway.approvals.get(approval_id)
    if approval is None:
        raise ConfigError(f"there is no approval {approval_id!r}; see: agent-guard approvals list")
    return approval


def _data(approval: Approval) -> dict[str, Any]:
    return {**asdict(approval), "expires_at": approval.expires_at}


def _reply(reply: Reply) -> dict[str, Any]:
    return {
        "thread": reply.thread_id,
        "status": reply.status,
        "masked": reply.masked,
        "approval": reply.pending.id if reply.pending else None,
        "code": reply.code,
        "reason": reply.reason,
    }
