"""A party's own values put back into the record of it, for a request for access (GDPR, article 15).

Only what the host gave as the party's own when its conversations were opened (``Party.known``) is put back: whatever
else a conversation holds may be somebody else's, the other people whom the party itself spoke of included. After an
erasure nothing is left to be put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import orjson

from agent_guard import threads
from agent_guard.audit import Audit, AuditEvent, StoredEvent, system_thread
from agent_guard.credentials import Keys
from agent_guard.databases.locks import chain_lock
from agent_guard.masking.tokens import PSEUDONYM
from agent_guard.privacy.holds import checked
from agent_guard.provenance import HOST
from agent_guard.store import Store
from agent_guard.types import JSON
from agent_guard.vault import Vault

__all__ = ["GIVEN", "opened", "own_values"]

GIVEN = f"{HOST} party"
"""The source of a value that the host gave as the party's own."""


def opened(
    store: Store,
    audit: Audit,
    keys: Keys,
    *,
    tenant: str,
    party: str,
    by: str,
    reason: str,
    environment: str,
    now: datetime,
) -> Callable[[StoredEvent], StoredEvent]:
    """What puts a party's own values back into its events; that somebody does is in the record, on disk, before it is
    returned (``viewed``).

    Args:
        by: the authenticated operator.
        reason: stands in the record.

    Returns:
        a function from an event to the same with values: it holds ``restored`` and verifies no more. An event of
        another conversation comes back as it is.

    Raises:
        ConfigError: no reason is given.
        StoreError: the database cannot be used; nothing is shown.
    """
    checked(party=party, reason=reason)
    viewed = AuditEvent(
        kind="viewed",
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=system_thread(tenant),
        tenant=tenant,
        environment=environment,
        actor={"user_id": by, "tenant": tenant},
        party=party,
        approver=by,
        reason=reason,
        note="access",
    )
    with store.write(durable=True, locks=[chain_lock(system_thread(tenant))]) as connection:
        audit.append(connection, [viewed], now_ms=int(now.timestamp() * 1000))
    vault, known = Vault(store, keys), dict[str, Mapping[str, str]]()

    def restored(event: StoredEvent) -> StoredEvent:
        if event.thread not in known:
            known[event.thread] = own_values(store, vault, event.thread, tenant=tenant, party=party)
        values = known[event.thread]
        if event.damaged or not values:
            return event
        data = _restored(dict(event.data), values)
        if data == event.data:
            return event
        body = orjson.dumps({**data, "restored": True}, option=orjson.OPT_SORT_KEYS)
        return replace(event, data=data, body=body)

    return restored


def own_values(store: Store, vault: Vault, thread: str, *, tenant: str, party: str) -> Mapping[str, str]:
    """Pseudonym -> value of the party's own values in one conversation; nothing in a conversation about anybody else.
    A secret is shown to nobody.
    """
    with store.read() as connection:
        row = threads.find(connection, thread)
        if row is None or (row.subject.tenant, row.party) != (tenant, party):
            return {}
        pseudonyms = vault.read(connection, row)
    return {
        entry.token: entry.value
        for entry in pseudonyms.entries()
        if entry.type != "SECRET" and ("trusted", GIVEN) in pseudonyms.sightings(entry.token)
    }


def _restored(value: JSON, values: Mapping[str, str]) -> JSON:
    if isinstance(value, str):
        return PSEUDONYM.sub(lambda found: values.get(found[0], found[0]), value) if "<" in value else value
    if isinstance(value, dict):
        return {name: _restored(item, values) for name, item in value.items()}
    return [_restored(item, values) for item in value] if isinstance(value, list) else value
