"""Names of agents, the flags of the red button that are about one, and the one that failing calls press. Standard
library only.

``agent:sdr-bot`` is pressed and released by hand and covers the agent in every environment of a database.
``agent:prod/sdr-bot`` is pressed by its revocation alone, covers it in that environment, and is never released. A name
holds no slash, so the two cannot be mixed up.
"""

from __future__ import annotations

import re

__all__ = ["AGENT_NAME", "DEFAULT_AGENT", "agent_flags", "failing_flag", "revocation", "revoked"]

DEFAULT_AGENT = "default"
"""The agent of a gateway that names none; it needs no registration, and can be revoked as any other."""

AGENT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")

_REVOKED = re.compile(r"agent:([^/]+)/(.+)", re.DOTALL)


def revocation(environment: str, agent: str) -> str:
    """The flag that a revocation presses."""
    return f"agent:{environment}/{agent}"


def agent_flags(environment: str, agent: str) -> list[str]:
    """Both flags that cover an agent's calls in an environment."""
    return [f"agent:{agent}", revocation(environment, agent)]


def failing_flag(scenario: str | None, tool: str) -> str:
    """The flag that is pressed when calls keep failing: the scenario's, or the tool's in a thread without one."""
    return f"scenario:{scenario}" if scenario else f"tool:{tool}"


def revoked(scope: str) -> tuple[str, str] | None:
    """``(environment, agent)`` where a flag is one that a revocation pressed, else None."""
    found = _REVOKED.fullmatch(scope)
    return (found[1], found[2]) if found else None
