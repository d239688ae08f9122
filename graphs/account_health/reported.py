"""The correction of what the model says at the end: the report, made of the facts that were read in this turn."""

from __future__ import annotations

from langchain_core.messages import AIMessage

from agent_guard.nodes import GuardState
from graphs.account_health.cards import cards
from graphs.account_health.report import markdown
from graphs.account_health.words import SAID
from graphs.turn import Turn

__all__ = ["reported"]


def reported(state: GuardState, message: AIMessage) -> AIMessage:
    """Puts the report in place of the model's last words, so that no figure, colour or name of it is the model's."""
    if message.tool_calls:
        return message
    turn = Turn(state["messages"])
    pages = [result.data for result in turn.of("accounts__facts") if result.data is not None]
    found = cards(pages)
    if not found:
        return message
    report = markdown(turn.language, found)
    if pages[-1].get("after") is not None:
        report += f"\n\n{SAID[turn.language]['more']}"
    return message.model_copy(update={"content": report})
