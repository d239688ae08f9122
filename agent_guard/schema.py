"""The whole schema: importing this module puts every owner's table into ``store.metadata``."""

from agent_guard import agents, approvals, audit, calls, kill_switch, leases, meter, nonces, threads, trail, vault
from agent_guard.auditing import seals

__all__ = [
    "agents",
    "approvals",
    "audit",
    "calls",
    "kill_switch",
    "leases",
    "meter",
    "nonces",
    "seals",
    "threads",
    "trail",
    "vault",
]
