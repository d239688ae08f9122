"""The whole schema: importing this module puts every owner's table into ``store.metadata``."""

from agent_guard import agents, approvals, audit, calls, kill_switch, meter, threads, trail, vault

__all__ = ["agents", "approvals", "audit", "calls", "kill_switch", "meter", "threads", "trail", "vault"]
