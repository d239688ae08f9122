"""What a write transaction is alone on, by name. SQLite has one writer at a time; PostgreSQL waits for these names.

Whoever reads something in order to change it, or to write down what was decided from it, names it: the thread for its
trail, its calls, its questions, its pseudonyms and its chain; each meter on which a place is taken; the key that is
claimed. Two transactions that name nothing in common do not wait for each other.
"""

from __future__ import annotations

__all__ = [
    "AGENTS",
    "CROWDED",
    "MASTER_KEY",
    "NONCES",
    "POLICIES",
    "SCHEMA",
    "SEALS",
    "SWITCHES",
    "chain_lock",
    "data_key_lock",
    "key_lock",
    "meter_lock",
    "scan_lock",
]

AGENTS = "agents"
"""The table of agents."""

CROWDED = "other processes were first in this conversation, again and again; nothing was kept, try again"
"""What is told where every try found something taken that a lock does not cover."""

MASTER_KEY = "master key"
"""The master key that the vault is under, while it is changed."""

NONCES = "nonces"
"""The ids of signed messages that were believed."""

POLICIES = "policies"
"""The texts of the policies."""

SCHEMA = "schema"
"""The tables themselves."""

SEALS = "seals"
"""The seals of the record."""

SWITCHES = "switches"
"""The red button's flags."""


def chain_lock(thread: str) -> str:
    """A thread and everything that belongs to it, or a chain of the record without one (``system/acme``)."""
    return f"chain|{thread}"


def meter_lock(key: str) -> str:
    """One limit's meter."""
    return f"meter|{key}"


def key_lock(tenant: str, key: str) -> str:
    """One idempotency key of a tenant."""
    return f"key|{tenant}|{key}"


def data_key_lock(key_id: str) -> str:
    """One data key of the vault, which the threads of a customer share."""
    return f"data|{key_id}"


def scan_lock(scan: str) -> str:
    """The parts of a scan and how far they are."""
    return f"scan|{scan}"
