"""The guards, and the one place where their order stands.

A guard is a name and a pure function of the call, the contract, the policy and the facts. It can object and nothing
else, so a guard more can only tighten.
"""

from __future__ import annotations

from agent_guard.guards.access import ACCESS
from agent_guard.guards.arguments import ARGUMENTS
from agent_guard.guards.base import Guard
from agent_guard.guards.binding import BINDING
from agent_guard.guards.content import CONTENT
from agent_guard.guards.duplicates import DUPLICATES
from agent_guard.guards.kill_switch import KILL_SWITCH
from agent_guard.guards.limits import LIMITS
from agent_guard.guards.loops import LOOPS
from agent_guard.guards.mode import MODE
from agent_guard.guards.plan import PLAN
from agent_guard.guards.provenance import PROVENANCE
from agent_guard.guards.scope import SCOPE
from agent_guard.guards.temporal import TEMPORAL

__all__ = ["GUARDS", "Guard"]

GUARDS: tuple[Guard, ...] = (
    KILL_SWITCH,
    SCOPE,
    ARGUMENTS,
    ACCESS,
    BINDING,
    PLAN,
    PROVENANCE,
    DUPLICATES,
    LOOPS,
    LIMITS,
    CONTENT,
    TEMPORAL,
    MODE,
)
"""Every call passes these, in this order; the gateway's ``extra_guards`` come after them."""
