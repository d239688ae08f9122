"""The other doors: LangChain's agents, ToolNode, and tools that were written for them.

Every name is loaded when it is first used: LangChain itself is an extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_guard.integrations.middleware import GuardMiddleware
    from agent_guard.integrations.protected import ProtectedAgent, protect
    from agent_guard.integrations.tool_calls import awrap_tool_call, tool_node, wrap_tool_call

_HOMES = {
    "GuardMiddleware": "middleware",
    "ProtectedAgent": "protected",
    "awrap_tool_call": "tool_calls",
    "protect": "protected",
    "tool_node": "tool_calls",
    "wrap_tool_call": "tool_calls",
}

__all__ = ["GuardMiddleware", "ProtectedAgent", "awrap_tool_call", "protect", "tool_node", "wrap_tool_call"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent_guard.integrations' has no attribute {name!r}")
    value = getattr(import_module(f"agent_guard.integrations.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
