"""What a guard is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent_guard.facts import Facts
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Code, Effect, Objection, ToolCall

__all__ = ["Check", "Guard", "deny", "effect_of"]

Check = Callable[[ToolCall, Tool | None, Policy, Facts], Objection | None]


@dataclass(frozen=True)
class Guard:
    """One layer of the decision.

    Args:
        name: stands in the record of every decision.
        check: pure: the same call and facts give the same answer, and nothing is read or written. ``tool`` is None
            where the gateway has no tool of the call's name.
    """

    name: str
    check: Check


def deny(code: Code, for_model: str, for_human: str | None = None) -> Objection:
    """An objection that ends the decision. ``for_human`` is what the model is told unless said otherwise."""
    return Objection(outcome="deny", code=code, for_model=for_model, for_human=for_human or for_model)


def effect_of(tool: Tool, facts: Facts) -> Effect:
    """What this call does to the world: the contract's effect, or ``draft`` where the contract names an audience and
    the call has none.
    """
    return "draft" if tool.audience and not facts.audience else tool.effect
