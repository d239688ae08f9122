"""A deep agent behind the gateway: what ``interrupt_on`` was for is the policy's business now.

    before   create_deep_agent(model, tools, interrupt_on={"set_stage": True})
    after    create_deep_agent(model, middleware=[GuardMiddleware(gateway)])

``interrupt_on`` asks about names: one that is mistyped runs unasked, an approval holds for whatever the call is changed
into afterwards, and a sub-agent that was compiled elsewhere does not inherit it. The gateway decides each call by its
arguments, asks by the digest of what will run, and runs nothing that its policy does not name. That holds for the deep
agent's own tools too: files, sub-agents and the shell are not bound, because no policy names them.

Needs ``deepagents``, and an environment of its own: see ``make deepagents``.
"""

from __future__ import annotations

from typing import Any

from deepagents import create_deep_agent

from agent_guard import Gateway
from agent_guard.integrations.middleware import GuardMiddleware, ProtectedAgent, protect

__all__ = ["deep_agent"]


def deep_agent(model: Any, gateway: Gateway, *, checkpointer: Any) -> ProtectedAgent:
    """A deep agent whose tools are the gateway's.

    Args:
        model: a chat model.
        checkpointer: where its conversations are kept, masked.
    """
    return protect(create_deep_agent(model, middleware=[GuardMiddleware(gateway)], checkpointer=checkpointer), gateway)
