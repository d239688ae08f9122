"""The ids of messages that were believed: kept once, by whatever process, and not for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from agent_guard.notifications.nonces import NONCES, StoredNonces
from tests.conftest import Database
from tests.samples import opened


@pytest.mark.req("A7")
@pytest.mark.databases()
def test_of_many_at_once_one_is_believed(database: Database) -> None:
    """The table's key decides the race of eight threads over two stores."""
    with opened(database.shared) as one, opened(database.shared) as other:
        nonces = [StoredNonces(one), StoredNonces(other)]

        def take(n: int) -> bool:
            return nonces[n % 2].take("guard", "msg_1", now_ms=1, expires_ms=2)

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(take, range(8))) == [False] * 7 + [True]


@pytest.mark.req("A7")
@pytest.mark.databases()
def test_ids_are_kept_as_long_as_they_could_be_played(database: Database) -> None:
    """An insert removes what has expired and nothing else; ids of other sources do not meet; none is stored as it is."""
    with opened(database.shared) as store:
        nonces = StoredNonces(store)
        assert nonces.take("guard", "msg_1", now_ms=0, expires_ms=100)
        assert nonces.take("crm", "msg_1", now_ms=100, expires_ms=200)
        assert not nonces.take("guard", "msg_1", now_ms=100, expires_ms=300)
        assert nonces.take("guard", "+48 512 345 678", now_ms=101, expires_ms=300)
        with store.read() as connection:
            rows = connection.execute(sa.select(NONCES).order_by(NONCES.c.expires)).all()
        assert [row.expires for row in rows] == [200, 300]
        assert all(len(row.id) == 64 and "+" not in row.id for row in rows)
        assert nonces.take("a", "b|c", now_ms=101, expires_ms=300)
        assert nonces.take("a|b", "c", now_ms=101, expires_ms=300)
