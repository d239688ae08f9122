"""What each guard looked at and found, in words; one family of guards a file."""

from __future__ import annotations

from collections.abc import Mapping

from agent_guard.policies.tellers.base import Case, Teller, Told
from agent_guard.policies.tellers.basics import kill_switch, mode, scope
from agent_guard.policies.tellers.history import duplicates, limits, loops
from agent_guard.policies.tellers.intent import plan, provenance
from agent_guard.policies.tellers.rights import access, binding
from agent_guard.policies.tellers.values import arguments, content, temporal

__all__ = ["NEEDS_RULE", "TELLERS", "Case", "Told"]

TELLERS: Mapping[str, Teller] = {
    "kill_switch": kill_switch,
    "scope": scope,
    "arguments": arguments,
    "access": access,
    "binding": binding,
    "plan": plan,
    "provenance": provenance,
    "duplicates": duplicates,
    "loops": loops,
    "limits": limits,
    "content": content,
    "temporal": temporal,
    "mode": mode,
}
"""Guard -> who tells of it. A guard that is not here is told of by its own words."""

NEEDS_RULE = frozenset({"access", "binding", "plan", "provenance", "content", "temporal", "mode"})
"""Guards that judge by a tool's entry in the policy; where there is none, they have nothing to look at."""
