"""A conversation is opened: for whom, about which customer, with which tools; by itself, or with its first message."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

import sqlalchemy as sa

from agent_guard import threads
from agent_guard.audit import system_thread
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock, data_key_lock
from agent_guard.errors import ConfigError, ErasedThread, UnknownThread
from agent_guard.gathering import trail
from agent_guard.gathering.trail import Sighting
from agent_guard.guarded import taken
from agent_guard.masking.tokens import defuse
from agent_guard.policy import Policy
from agent_guard.proposal.pseudonymise import minting
from agent_guard.provenance import HOST
from agent_guard.recording.events import thread_event
from agent_guard.threads import ThreadRow
from agent_guard.types import ENTITY_TYPES, Origin, Party, Subject
from agent_guard.vault import ThreadVault, data_key_id

__all__ = ["begin", "is_stored", "open_thread", "scoped", "thread_of"]

_ID = re.compile(r"[\w.:@/-]{1,100}")


def thread_of(
    core: Core,
    subject: Subject,
    *,
    thread_id: str | None,
    scenario: str | None,
    scope: Collection[str] | None,
    party: Party | None,
) -> ThreadRow:
    """A thread as it would be opened; see :meth:`agent_guard.gateway.Gateway.open`.

    Raises:
        ConfigError: no policy for the scenario, a scope outside it, or an id that no thread may have.
    """
    policy = core.policy_of(scenario)
    if scenario is None and None not in core.policies:
        scenario = next(iter(core.policies))  # the only one; its red button must cover the thread
    if thread_id is not None and not _ID.fullmatch(thread_id):
        raise ConfigError("a thread's id is 1 to 100 letters, digits and any of _ . : @ / -")
    if thread_id is not None and thread_id.startswith(system_thread("")):
        words = f"a thread's id does not begin with {system_thread('')}"
        raise ConfigError(f"{words}: there the record keeps what belongs to no conversation")
    return ThreadRow(
        id=thread_id or core.new_id(),
        subject=subject,
        party=party.id if party else None,
        refs=dict(party.refs) if party else {},
        scenario=scenario,
        scope=scoped(scope, policy),
        created=core.now_ms(),
    )


def open_thread(
    core: Core, row: ThreadRow, *, party: Party | None, trusted: Mapping[str, Collection[str]] | None
) -> ThreadRow:
    """Stores a thread of :func:`thread_of`, or finds the stored one of its id, and what the host knows of its customer.

    Raises:
        ConfigError: the id belongs to another conversation.
        ErasedThread: it is stored, and the data of its customer was erased.
        StoreError: the database cannot be used.
    """
    subject = row.subject
    with core.store.write(locks=[chain_lock(row.id), data_key_lock(data_key_id(row))]) as connection:
        stored = threads.find(connection, row.id)
        if stored is None:
            _insert(core, connection, row)
        elif (stored.subject.id, stored.subject.tenant) != (subject.id, subject.tenant) or (
            _opened_as(stored) != (row.party, row.scenario, row.scope)
        ):
            raise ConfigError(f"the thread {row.id!r} belongs to another conversation; choose another id")
        elif stored.erased is not None:
            raise ErasedThread(f"the data of the customer of thread {row.id!r} was erased; open a new conversation")
        row = stored or row
        vault = core.vault.read(connection, row)
        _learn_party(vault, party)
        for word, values in (trusted or {}).items():
            _learn(vault, word, values, f"{HOST} {word}")
        vault.flush(connection)
    return core.remembered(row)


def begin(core: Core, row: ThreadRow, text: str, *, origin: Origin, party: Party | None) -> tuple[str, str] | None:
    """Stores a new thread of :func:`thread_of` with its first message, in one transaction. Returns the masked text and
    its id; None where a thread of this id is stored.

    Raises:
        TextTooLong: as ``GuardedThread.observe``; no thread is opened.
        StoreError: the database cannot be used; nothing is kept.
    """
    row, source, said = replace(row, heard=1), "m1", defuse(taken(text))

    def work(vault: ThreadVault) -> str:
        _learn_party(vault, party)
        return core.masker.mask(said, vault, origin, source)

    def keep(connection: sa.Connection, seen: str) -> None:
        if threads.find(connection, row.id) is not None:
            raise _Stored
        _insert(core, connection, row)
        trail.append(connection, row.id, [Sighting(origin=origin, source=source, text=seen)])

    try:
        masked = minting(core, row, work, keep=keep, known=sum(map(len, party.known.values())) if party else 0)
    except _Stored:
        return None
    core.remembered(row)
    return masked, source


def is_stored(core: Core, thread_id: str) -> bool:
    """Whether there is a thread of this id."""
    try:
        core.thread_row(thread_id)
    except UnknownThread:
        return False
    return True


def scoped(scope: Collection[str] | None, policy: Policy) -> tuple[str, ...] | None:
    """A scope as it is stored.

    Raises:
        ConfigError: it names a tool that the policy does not.
    """
    if scope is None:
        return None
    unknown = sorted(set(scope) - set(policy.tools))
    if unknown:
        raise ConfigError(f"scope names {unknown[0]!r}, which the policy {policy.name!r} does not")
    return tuple(sorted(scope))


class _Stored(Exception):
    """Another process opened the thread in the same moment."""


def _insert(core: Core, connection: sa.Connection, row: ThreadRow) -> None:
    threads.insert(connection, row, now_ms=row.created)
    opened = thread_event("opened", row, at=core.now(), environment=core.environment, agent=core.agent)
    core.audit.append(connection, [opened], now_ms=row.created)


def _opened_as(row: ThreadRow) -> tuple[str | None, str | None, tuple[str, ...] | None]:
    """Party, scenario and scope that a thread was opened with; at a front desk there is no scope."""
    return (row.party, row.scenario, row.scope) if row.via is None else (row.party, row.via, None)


def _learn_party(vault: ThreadVault, party: Party | None) -> None:
    for name, values in (party.known if party else {}).items():
        _learn(vault, name, values, f"{HOST} party")


def _learn(vault: ThreadVault, name: str, values: Collection[str], source: str) -> None:
    type_ = next((known for known in ENTITY_TYPES if known == name.upper()), None)
    if type_ is None or isinstance(values, str):
        raise ConfigError(f"known values are given as {{type: [texts]}} with the types {', '.join(ENTITY_TYPES)}")
    present = {(entry.type, entry.value): entry.token for entry in vault.entries()}
    for value in values:
        if value and (type_, value) in present:
            vault.saw(present[type_, value], "trusted", source)
        elif value:
            vault.mint(type_, value, "trusted", source)
