"""The whole schema: importing this module puts every owner's table into ``store.metadata``."""

from agent_guard import approvals, audit, calls, kill_switch, meter, threads, vault

__all__ = ["approvals", "audit", "calls", "kill_switch", "meter", "threads", "vault"]
