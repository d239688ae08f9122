"""What a claim takes in the transaction that makes it: the locks, the limits' places, the key, and a lease."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agent_guard.calls import CallRow
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock, key_lock, meter_lock
from agent_guard.facts import Facts
from agent_guard.gathering.gather import Gathered
from agent_guard.types import Code
from agent_guard.vault import ThreadVault

__all__ = ["LEASE_S", "Taken", "claim_locks", "is_flushed", "leased"]

LEASE_S = 30.0
"""How long after its time-out a claim counts as running, in seconds; after that its outcome is unknown."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A claimed call: whoever holds this may run it, once, as it was gathered and decided.

    Args:
        vault: the thread's pseudonyms as the call was gathered with them.
    """

    gathered: Gathered
    row: CallRow
    facts: Facts
    vault: ThreadVault = field(repr=False)


def claim_locks(gathered: Gathered) -> list[str]:
    """What a claim must be alone on: the thread, each meter it takes a place of, and its key."""
    locks = [chain_lock(gathered.thread.id), *(meter_lock(key) for key in gathered.places)]
    if gathered.key is not None:
        locks.append(key_lock(gathered.thread.subject.tenant, gathered.key))
    return locks


def is_flushed(gathered: Gathered) -> bool:
    """Whether a claim must be on disk before the call runs: nothing may forget a write."""
    return gathered.tool is None or gathered.tool.writes


def leased(core: Core, gathered: Gathered, row: CallRow) -> CallRow:
    """A call as it stands once it is claimed, now."""
    now = core.now_ms()
    seconds = (gathered.tool.timeout_s if gathered.tool else 0) + LEASE_S
    return replace(row, state="claimed", code=Code.ALLOWED, claimed=now, lease=now + int(seconds * 1000))
