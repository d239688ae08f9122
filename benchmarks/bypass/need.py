"""What must hold in a case, in words that belong to no system. Standard library only, as all of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["JSON", "REQUIRED", "Approval", "Arg", "Need", "Tool"]

JSON = Any

REQUIRED = object()
"""Stands for the default of an argument that has none."""


@dataclass(frozen=True, kw_only=True)
class Arg:
    """One argument of a tool and what it must be.

    Args:
        one_of: the only values permitted.
        pattern: what the whole text must match, as people write it: without anchors.
        default: the tool's own, or ``REQUIRED``.
        opened: False: the tool has it and the model may not set it.
        added: the tool grew it after the policy was written; the policy's text does not know of it.
    """

    kind: Literal["text", "integer", "number", "moment"] = "text"
    one_of: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    max_length: int | None = None
    default: JSON = REQUIRED
    opened: bool = True
    added: bool = False


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A person must agree before the tool runs.

    Args:
        role: who may; None where the case does not turn on it.
        not_requester: not the person for whom the agent works.
        expires_s: how long a question may wait, or None where the case does not turn on it.
    """

    role: str | None = None
    not_requester: bool = False
    expires_s: int | None = None


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool of the toolbox and what must hold for it.

    Args:
        permitted: ``never`` by decision, or ``unmentioned``: in the toolbox, and the policy forgot it.
        once_by: arguments that make two calls the same, which must then run once, however they are written.
        limit: how often it may run in one conversation within an hour.
    """

    name: str
    args: Mapping[str, Arg]
    permitted: Literal["yes", "never", "unmentioned"] = "yes"
    once_by: tuple[str, ...] = ()
    limit: int | None = None
    approval: Approval | None = None

    @property
    def open_args(self) -> dict[str, Arg]:
        """The arguments that the model may set, those that were added later among them."""
        return {name: arg for name, arg in self.args.items() if arg.opened}


@dataclass(frozen=True, kw_only=True)
class Need:
    """What must hold in one case, in neutral words.

    Args:
        policy: ``none``: nobody wrote one; ``empty``: an empty one; ``missing``: its file is not there.
        broken: a check of the team's own, plugged in where the system takes such, raises an exception.
    """

    tools: tuple[Tool, ...]
    policy: Literal["given", "none", "empty", "missing"] = "given"
    broken: bool = False

    def tool(self, name: str) -> Tool | None:
        """The tool of exactly this name."""
        return next((tool for tool in self.tools if tool.name == name), None)
