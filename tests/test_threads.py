"""Threads as they are stored."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from agent_guard import threads
from agent_guard.threads import ThreadRow
from agent_guard.types import Subject
from tests.samples import NOW_MS, opened, thread

pytestmark = pytest.mark.databases


@pytest.fixture
def connection(database):
    with opened(database.new()) as store, store.write(locks=["test"]) as made:
        yield made


FULL = ThreadRow(
    id="t1",
    subject=Subject(id="u1", tenant="acme", roles={"менеджер", "sales"}, region="kz"),
    party="contact:17",
    refs={"deal_id": "42", "b": "ż"},
    scenario="sdr",
    scope=("crm.create_task", "crm.read_deal"),
)


@pytest.mark.req("B5")
@pytest.mark.parametrize("row", [FULL, thread("t1"), thread("t1", scope=())], ids=["full", "bare", "empty scope"])
def test_a_thread_is_read_back_as_it_was_stored(connection, row):
    """The requester, the customer and the scope are kept; an empty scope stays empty and is not none."""
    threads.insert(connection, row, now_ms=NOW_MS)
    found = threads.find(connection, "t1")
    assert found == ThreadRow(
        id=row.id, subject=row.subject, party=row.party, refs=row.refs, scenario=row.scenario, scope=row.scope,
        created=NOW_MS, heard=0, replaced=False,
    )  # fmt: skip


def test_a_thread_that_is_not_there_is_none(connection):
    """Ids are exact."""
    threads.insert(connection, FULL, now_ms=NOW_MS)
    for other in ("t", "T1", "t1 ", "t%", ""):
        assert threads.find(connection, other) is None


@pytest.mark.req("B5")
def test_an_id_belongs_to_one_thread(connection):
    """A second thread of the same id is refused by the database, whoever it is for."""
    threads.insert(connection, FULL, now_ms=NOW_MS)
    with pytest.raises(IntegrityError), connection.begin_nested():
        threads.insert(connection, thread("t1", tenant="other"), now_ms=NOW_MS)
    assert threads.find(connection, "t1").subject == FULL.subject


def test_messages_are_numbered_from_one_in_each_thread(connection):
    """Hearing counts a thread's messages and no other's."""
    threads.insert(connection, FULL, now_ms=NOW_MS)
    threads.insert(connection, thread("t2"), now_ms=NOW_MS)
    assert [threads.hear(connection, name) for name in ("t1", "t1", "t2", "t1")] == [1, 2, 1, 3]
    assert threads.find(connection, "t1").heard == 3


def test_a_replaced_question_is_remembered_until_an_answer(connection):
    """The flag is set and taken away again, for one thread alone."""
    threads.insert(connection, FULL, now_ms=NOW_MS)
    threads.insert(connection, thread("t2"), now_ms=NOW_MS)
    for flag in (True, True, False):
        threads.set_replaced(connection, "t1", flag)
        assert threads.find(connection, "t1").replaced is flag
        assert threads.find(connection, "t2").replaced is False
