"""What a guarded graph keeps between its nodes, and what the host says of one run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph.message import add_messages

from agent_guard.errors import NewerRelease
from agent_guard.types import Party, Speaker, Subject

__all__ = ["STATE_VERSION", "GuardContext", "GuardState", "Refine", "Step", "newer", "refuse_newer"]

STATE_VERSION = 1
"""Of the form below. A field that is added needs no new one: what an older release did not write has a default. A
release that changes what a field means counts on, and reads the older forms itself; an older release leaves a thread of
a newer form alone.
"""


class GuardState(TypedDict, total=False):
    """State of a guarded graph: masked messages, and JSON.

    Args:
        v: version of this form.
        queue: calls of the last message that wait for their turn; the first is in hand.
        approval: id of the question that waits.
        error: what was wrong with the last answer.
        status: ``running``, ``delivered`` or ``escalated``.
        outcome: why it was escalated: ``{code, reason}``.
    """

    v: int
    messages: Annotated[list[AnyMessage], add_messages]
    queue: list[dict[str, Any]]
    approval: str | None
    error: str | None
    status: str
    outcome: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class GuardContext:
    """What the host says of one run; LangGraph does not store it.

    Args:
        approver: the authenticated person whose answer this run brings.
        masks_answers: the door masks an answer before LangGraph stores it, so that an edit may be offered.
        subject: the authenticated user on whose behalf the run is; with it the thread is opened where it is new, and
            refused where it is somebody else's. The following are as in ``Gateway.open``, and none of them comes from
            the graph's state.
        speaker: whose words the run's input is; read by ``protect``.
    """

    approver: Subject | None = None
    masks_answers: bool = False
    subject: Subject | None = None
    party: Party | None = None
    scenario: str | None = None
    scope: Collection[str] | None = None
    speaker: Speaker = "user"


Refine = Callable[[GuardState, AIMessage], AIMessage]
"""A scenario's own correction of the model's message, pure, before anything of it is proposed."""

Step = Literal["plan", "decide", "approve", "execute", "deliver", "escalate"]


def newer(state: Mapping[str, Any]) -> str | None:
    """Why this release does not go on with a thread that a newer one wrote, or None.

    Args:
        state: of a guarded graph, or of an agent, which has it under ``guard``.
    """
    inner = state.get("guard")
    found = (inner if isinstance(inner, Mapping) else state).get("v", 0)
    if isinstance(found, int) and found <= STATE_VERSION:
        return None
    return (
        f"a newer release of agent_guard wrote this thread (its state has the form {str(found)[:20]!r}, this release "
        f"reads up to {STATE_VERSION}); let a process of that release go on with it. Nothing was done."
    )


def refuse_newer(state: Mapping[str, Any]) -> None:
    """Raises where a newer release wrote the thread.

    Raises:
        NewerRelease: the message says what to do.
    """
    words = newer(state)
    if words is not None:
        raise NewerRelease(words)
