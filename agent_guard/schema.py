"""The whole schema: importing this module puts every owner's table into ``store.metadata``."""

from agent_guard import approvals, audit, calls, data_keys, kill_switch, meter, scans, suggestions, threads, vault
from agent_guard.auditing import seals
from agent_guard.gathering import trail
from agent_guard.notifications import nonces
from agent_guard.operations import agents
from agent_guard.privacy import holds
from agent_guard.recording import cuts, rulebook
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
