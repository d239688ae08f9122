"""agent_guard lets a LangGraph agent work in a CRM without being trusted.

Every name is loaded when it is first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_guard.approvals import Approval
    from agent_guard.errors import AgentGuardError
    from agent_guard.gateway import Gateway
    from agent_guard.guards import Guard
    from agent_guard.policy import Policy
    from agent_guard.session import Reply, Session
    from agent_guard.tool import Tool, tool
    from agent_guard.types import Code, Decision, Objection, Party, Subject, ToolCall, ToolResult

__version__ = "0.1.0"

_HOMES = {
    "AgentGuardError": "errors",
    "Approval": "approvals",
    "Code": "types",
    "Decision": "types",
    "Gateway": "gateway",
    "Guard": "guards",
    "Objection": "types",
    "Party": "types",
    "Policy": "policy",
    "Reply": "session",
    "Session": "session",
    "Subject": "types",
    "Tool": "tool",
    "ToolCall": "types",
    "ToolResult": "types",
    "tool": "tool",
}

__all__ = [
    "AgentGuardError",
    "Approval",
    "Code",
    "Decision",
    "Gateway",
    "Guard",
    "Objection",
    "Party",
    "Policy",
    "Reply",
    "Session",
    "Subject",
    "Tool",
    "ToolCall",
    "ToolResult",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agent_guard' has no attribute {name!r}")
    value = getattr(import_module(f"agent_guard.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps ``agent_guard.tool`` the decorator: importing the submodule of that name would put the module there."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value.tool if name == "tool" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Package
