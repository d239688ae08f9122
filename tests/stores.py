"""What the tests of the store and of its databases share: a table to write to, and a store that cannot be opened."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from agent_guard.errors import StoreError
from agent_guard.kill_switch import SWITCHES
from agent_guard.store import Store

INSERT = SWITCHES.insert()


def flag(scope: str) -> dict[str, object]:
    """A row of the red button's table."""
    return {"scope": scope, "pressed": False, "reason": "", "by": "test", "at": 0}


def scopes(store: Store) -> set[str]:
    """The flags that a store has."""
    with store.read() as connection:
        return set(connection.scalars(sa.select(SWITCHES.c.scope)))


def refused(url: str, words: str) -> str:
    """What a store says that cannot be opened."""
    store = Store(url, lock_wait_s=0.05)
    try:
        with pytest.raises(StoreError, match=words) as caught:
            store.open()
    finally:
        store.close()
    return str(caught.value)
