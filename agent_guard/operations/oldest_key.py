"""Which master key a database's idempotency keys come from, and that nobody goes on without it.

They come from the oldest master key that is given, so that an intent has the same key while master keys change
(:mod:`agent_guard.operations.rotation`). Whoever leaves that one out gives every intent another key: what was done
before is no duplicate any more, and is done again. So the database names the oldest master key, one row for each
environment, written by the first gateway that is opened in it. A gateway whose oldest key has another name is refused.

The name of a master key is derived from it as its other keys are (HKDF-SHA256, RFC 5869): it tells nothing of the key
or of what else comes from it. Changing the master key, erasing and retention leave the row alone, and a copy of the
database holds it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.calls import CALLS
from agent_guard.credentials import Keys
from agent_guard.data_keys import DATA_KEYS, IS_DATA_KEY, MASTER, OLDEST, Wrapping
from agent_guard.databases.locks import MASTER_KEY, chain_lock
from agent_guard.errors import ConfigError, StoreError
from agent_guard.operations.reason import check_reason
from agent_guard.store import Store
from agent_guard.types import JSON

__all__ = ["Adopted", "Ring", "adopt", "check", "names", "ring"]

PAGE = 500
"""How many data keys are read at once."""

_NAME_BYTES = 6


@dataclass(frozen=True, kw_only=True)
class Ring:
    """What a database needs, and what is given.

    Args:
        environment: whose master keys these are.
        needed: the name of the master key that idempotency keys come from, or None where nobody has written it down.
        given: the names of the master keys that are given, the present one first and the oldest last.
    """

    environment: str
    needed: str | None
    given: tuple[str, ...]

    @property
    def trouble(self) -> str | None:
        """What is wrong and what to do, or None."""
        if self.needed is None or self.needed == self.given[-1]:
            return None
        here = ", ".join(self.given)
        if self.needed in self.given:
            what = (
                f"is among those given ({here}), but not the last of them: put it last; where those behind it are "
                "older and were left out when its name was written down, use 'agent-guard vault adopt'"
            )
        else:
            what = f"is not among those given ({here}): put it behind them, as the last one"
        return (
            f"the idempotency keys of {self.environment} in this database come from the master key {self.needed}, "
            f"which {what}. With another one calls that ran would be taken for new and run again. "
            "'agent-guard vault keys' names those given; where this one is lost, see 'agent-guard vault adopt --help'"
        )

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return asdict(self) | {"given": list(self.given), "trouble": self.trouble}


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What was done, or would be.

    Args:
        before, after: the names of the master keys; equal where there was nothing to do.
        forgotten: how many calls hold an idempotency key and are not known as done before any more.
    """

    before: str | None
    after: str
    forgotten: int

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return asdict(self)


def names(keys: Keys) -> tuple[str, ...]:
    """The names of master keys, the present one first: 12 hexadecimal digits, which may be shown to anybody."""
    return tuple(key[:_NAME_BYTES].hex() for key in keys.every("name"))


def ring(connection: sa.Connection, keys: Keys, environment: str) -> Ring:
    """What the database needs, and what is given."""
    found = connection.execute(sa.select(DATA_KEYS.c.wrapped).where(DATA_KEYS.c.id == OLDEST + environment)).scalar()
    return Ring(environment=environment, needed=None if found is None else found.hex(), given=names(keys))


def check(store: Store, keys: Keys, environment: str) -> None:
    """Refuses master keys without the oldest one, and writes its name down where nobody has: in a new database, and in
    one of an earlier release where these keys open its vault. Where they open nothing of it, it stays unwritten.

    Raises:
        ConfigError: the oldest key that is given is not the one that idempotency keys come from; the message names both
            and says what to do.
        StoreError: the database cannot be used.
    """
    with store.read() as connection:
        found = ring(connection, keys, environment)
        opened = _opens_vault(connection, keys) if found.needed is None else False
        theirs = _is_new(connection) if opened is None else opened
    if theirs:
        with store.write(durable=True, locks=[MASTER_KEY]) as connection:
            found = ring(connection, keys, environment)
            if found.needed is None:  # else another process was first, perhaps with other keys
                _write(connection, found)
    if found.trouble is not None:
        raise ConfigError(found.trouble)


def adopt(
    store: Store,
    audit: Audit,
    keys: Keys,
    *,
    reason: str,
    by: str,
    environment: str,
    now: datetime,
    dry_run: bool = False,
) -> Adopted:
    """Lets idempotency keys come from the oldest master key that is given, where the one before is lost; in the record
    as ``rotated``. Calls that ran before are not known as done any more. Processes that are open go on with the keys
    they have, so none may be.

    Args:
        reason: stands in the record, so it must hold no personal data.
        dry_run: count, and change nothing.

    Raises:
        ConfigError: there is no reason.
        StoreError: the database cannot be used, or these master keys open nothing of its vault. Nothing was changed.
    """
    check_reason(reason)
    with store.write(durable=True, locks=[MASTER_KEY, chain_lock(system_thread("-"))]) as connection:
        found = ring(connection, keys, environment)
        if _opens_vault(connection, keys) is False:
            raise StoreError("these master keys open nothing of this database's vault; give those it was written with")
        held = sa.select(sa.func.count()).select_from(CALLS).where(CALLS.c.held_key.is_not(None))
        forgotten = connection.execute(held).scalar_one() if found.trouble is not None else 0
        done = Adopted(before=found.needed, after=found.given[-1], forgotten=forgotten)
        if dry_run or done.before == done.after:
            return done
        _write(connection, found)
        audit.append(connection, [_event(done, reason, by, environment, now)], now_ms=int(now.timestamp() * 1000))
    return done


def _write(connection: sa.Connection, found: Ring) -> None:
    id_ = OLDEST + found.environment
    connection.execute(DATA_KEYS.delete().where(DATA_KEYS.c.id == id_))
    connection.execute(DATA_KEYS.insert().values(id=id_, wrapped=bytes.fromhex(found.given[-1])))


def _opens_vault(connection: sa.Connection, keys: Keys) -> bool | None:
    """Whether these master keys open anything of the vault; None where there is nothing to try. Another environment's
    data keys may lie in the same database, so that the first one that opens tells, and nothing else does.
    """
    wrapping, after, found = Wrapping(keys), "", None
    rows = sa.select(DATA_KEYS.c.id, DATA_KEYS.c.wrapped).where(sa.or_(IS_DATA_KEY, DATA_KEYS.c.id == MASTER))
    while page := connection.execute(rows.where(DATA_KEYS.c.id > after).order_by(DATA_KEYS.c.id).limit(PAGE)).all():
        if any(wrapping.opens(row.id, row.wrapped) for row in page):
            return True
        after, found = page[-1].id, False
    return found


def _is_new(connection: sa.Connection) -> bool:
    """Whether no call was ever proposed."""
    return connection.execute(sa.select(CALLS.c.trace_id).limit(1)).scalar() is None


def _event(done: Adopted, reason: str, by: str, environment: str, now: datetime) -> AuditEvent:
    return AuditEvent(
        kind="rotated",
        timestamp=now.isoformat(timespec="milliseconds"),
        thread=system_thread("-"),
        tenant="-",
        environment=environment,
        actor={"user_id": by},
        reason=reason,
        diff={"before": {"oldest_key": done.before}, "after": {"oldest_key": done.after}},
        result_meta={"records": done.forgotten},
    )
