"""Letting a thread go on from the command line: its session, its person's answer, and where it stands then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from agent_guard.cli.plain import words
from agent_guard.errors import AgentGuardError, ConfigError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent_guard.app import Application
    from agent_guard.approvals import Answer, Approval
    from agent_guard.session import Reply, Session
    from agent_guard.types import JSON, Subject

__all__ = ["LEFT_UNDONE", "ModelOption", "Sessions", "as_json", "carry_out", "chat_model", "gone_on"]

LEFT_UNDONE = 3
"""Exit code of a command after which something is still to be carried out."""

ModelOption = Annotated[
    str | None, typer.Option("--model", help="provider:name with which threads go on; by default the embedded planner.")
]


def chat_model(name: str | None) -> BaseChatModel | None:
    """The model of ``--model``, or None."""
    from agent_guard.app import load_model

    return load_model(name) if name else None


class Sessions:
    """The sessions in which the threads of an application go on, each made once."""

    def __init__(self, application: Application, model: BaseChatModel | None) -> None:
        self._application = application
        self._model = model
        self._made: dict[str, Session] = {}

    def __call__(self, scenario: str | None) -> Session | None:
        """The session of a scenario, or None where the application has no such scenario.

        Raises:
            ConfigError: a thread without a scenario, which belongs to no graph of this application.
        """
        known = self._application.scenarios
        if scenario is None and len(known) == 1:
            scenario = next(iter(known))
        if scenario is None:
            raise ConfigError("the thread was opened without a scenario, so nothing here can go on with it")
        if scenario not in known:
            return None
        if scenario not in self._made:
            self._made[scenario] = self._application.session(scenario, model=self._model)
        return self._made[scenario]

    def of(self, approval: Approval) -> Session:
        """The session of a question's thread.

        Raises:
            ConfigError: there is none in this application.
        """
        scenario = self._application.gateway.thread(approval.thread).row.graph
        session = self(scenario)
        if session is None:
            self._application.scenario(str(scenario))  # raises, and names those there are
            raise AssertionError("unreachable")
        return session


def carry_out(
    session: Session,
    approval_id: str,
    word: Answer,
    *,
    by: Subject,
    args: Mapping[str, JSON] | None = None,
    message: str | None = None,
) -> tuple[Reply | None, str | None]:
    """Records an answer and lets the thread go on.

    Returns:
        where the thread stands, or None and why it could not go on: the answer is recorded all the same, and a worker
        carries it out.

    Raises:
        ApprovalError: the answer was refused.
        StoreError: the guard's database cannot be used; the answer is not recorded.
    """
    answered: Any = session.gateway.answer(approval_id, word, by=by, args=args, message=message)
    try:
        return session.go_on(answered.approval), None
    except AgentGuardError as error:
        return None, str(error)
    except Exception as error:  # a graph may fail in any way, and its words may hold values
        return None, type(error).__name__


def gone_on(approval: Approval, reply: Reply | None, why: str | None) -> Text:
    """What became of a thread after an answer; masked, because whoever answers is not who the agent speaks to."""
    if reply is None:
        text = (
            f"the thread {approval.thread} could not go on: {why}\nthe answer stands: 'agent-guard work' does the rest"
        )
    elif reply.pending is not None:
        text = f"the thread {reply.thread_id} asks again: agent-guard approvals show {reply.pending.id}"
    elif reply.status == "running":
        text = f"another process lets the thread {reply.thread_id} go on"
    else:
        said = f"\nthe agent answers: {reply.masked}" if reply.masked else ""
        reason = f": {reply.reason}" if reply.reason else ""
        text = f"the thread {reply.thread_id} is {reply.status}{reason}{said}"
    return words(text, lines=True)


def as_json(approval: Approval, reply: Reply | None, why: str | None) -> dict[str, JSON]:
    """The same as one object."""
    if reply is None:
        return {"thread": approval.thread, "status": "recorded", "reason": why}
    return {
        "thread": reply.thread_id,
        "status": reply.status,
        "masked": reply.masked,
        "approval": reply.pending.id if reply.pending else None,
        "code": reply.code,
        "reason": reply.reason,
    }
