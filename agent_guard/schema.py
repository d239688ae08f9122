"""The whole schema: importing this module puts every owner's table into ``store.metadata``."""

from agent_guard import (
    agents,
    approvals,
    audit,
    calls,
    cuts,
    data_keys,
    kill_switch,
    meter,
    rulebook,
    scans,
    suggestions,
    threads,
    trail,
    vault,
)
from agent_guard.auditing import seals
from agent_guard.notifications import nonces
from agent_guard.privacy import holds
from agent_guard.work import leases

__all__ = [
    "agents",
    "approvals",
    "audit",
    "calls",
    "cuts",
    "data_keys",
    "holds",
    "kill_switch",
    "leases",
    "meter",
    "nonces",
    "rulebook",
    "scans",
    "seals",
    "suggestions",
    "threads",
    "trail",
    "vault",
]
