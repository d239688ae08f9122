"""The question to a human: answered once, used once, for one digest, until it expires."""

from __future__ import annotations

import pytest

from agent_guard import approvals
from agent_guard.approvals import ANSWERS, Approval, Approvals
from tests.samples import NOW_MS, TOOL, opened

pytestmark = pytest.mark.databases

DIGEST = "sha256:d"


@pytest.fixture
def store(database):
    with opened(database.new()) as made:
        yield made


def approval(id="apr_1", **options):
    given = {
        "trace_id": "A",
        "thread": "t1",
        "tenant": "acme",
        "requester": "u1",
        "tool": TOOL,
        "digest": DIGEST,
        "roles": ("manager", "руководитель"),
        "not_requester": True,
        "shown": {"args": {"subject": "Позвонить <PERSON_1>"}, "diff": []},
        "created": NOW_MS,
        "expires": NOW_MS + 1000,
    }
    return Approval(id=id, **(given | options))


def ask(store, *questions):
    with store.write(locks=["test"]) as connection:
        for question in questions or (approval(),):
            approvals.insert(connection, question)


def answer(store, word="approve", id="apr_1", **options):
    given = {"by": "m1", "now_ms": NOW_MS, "message": None}
    with store.write(locks=["test"]) as connection:
        return approvals.answer(connection, id, word, **(given | options))


def use(store, id="apr_1", digest=DIGEST, now_ms=NOW_MS):
    with store.write(locks=["test"]) as connection:
        return approvals.use(connection, id, digest=digest, now_ms=now_ms)


def test_a_question_is_read_back_as_it_was_asked(store):
    """What the human is shown, and who may answer, are kept as they are."""
    ask(store)
    assert Approvals(store).get("apr_1") == approval()
    assert Approvals(store).get("apr_2") is None
    assert approval().expires_at == "2026-01-05T11:20:05+00:00"


@pytest.mark.req("A4", "A12")
@pytest.mark.parametrize("word", ANSWERS)
def test_an_answer_is_recorded_once(store, word):
    """The first answer stands; a second changes nothing and is told that it came late."""
    ask(store)
    assert answer(store, word, message="No", edited_call={"id": "c2", "args": {"a": "ż"}}) is True
    assert answer(store, "approve", by="m2") is False
    found = Approvals(store).get("apr_1")
    assert (found.answer, found.answered_by, found.answered, found.message) == (word, "m1", NOW_MS, "No")
    assert found.edited_call == {"id": "c2", "args": {"a": "ż"}}


def test_an_answer_to_nothing_is_told(store):
    """An unknown question takes no answer."""
    assert answer(store) is False


@pytest.mark.req("A7", "A12")
@pytest.mark.parametrize(
    ("word", "options", "expected"),
    [
        ("approve", {}, True),
        ("approve", {"now_ms": NOW_MS + 999}, True),
        ("approve", {"now_ms": NOW_MS + 1000}, False),
        ("approve", {"digest": "sha256:other"}, False),
        ("approve", {"id": "apr_2"}, False),
        ("edit", {}, False),
        ("reject", {}, False),
        ("respond", {}, False),
        (None, {}, False),
    ],
)
def test_an_approval_is_used_for_its_digest_in_its_time(store, word, options, expected):
    """Only an approve, for exactly what was shown, before it expires, lets a call run."""
    ask(store)
    if word:
        answer(store, word)
    assert use(store, **options) is expected


@pytest.mark.req("A7")
def test_an_approval_is_used_once(store):
    """A second use is refused, so a captured answer cannot be played again."""
    ask(store)
    answer(store)
    assert use(store) is True
    assert use(store) is False
    assert Approvals(store).get("apr_1").used == NOW_MS


@pytest.mark.req("A7")
def test_a_use_that_was_undone_is_no_use(store):
    """The answer is used with the claim or not at all."""
    ask(store)
    answer(store)
    with pytest.raises(KeyError), store.write(locks=["test"]) as connection:
        assert approvals.use(connection, "apr_1", digest=DIGEST, now_ms=NOW_MS)
        raise KeyError
    assert use(store) is True


def test_a_closed_question_waits_no_more_and_keeps_an_answer(store):
    """Closing ends what nobody answered; an answer that was given stays usable."""
    ask(store, approval("apr_1"), approval("apr_2", thread="t2"))
    answer(store, id="apr_2")
    with store.write(locks=["test"]) as connection:
        for id_ in ("apr_1", "apr_2", "apr_3"):
            approvals.close(connection, id_, now_ms=NOW_MS)
    assert Approvals(store).waiting("t1", now_ms=NOW_MS) is None
    assert Approvals(store).get("apr_1").expires == NOW_MS
    assert use(store, "apr_2") is True


@pytest.mark.parametrize(
    ("options", "now_ms", "expected"),
    [
        ({}, NOW_MS, True),
        ({}, NOW_MS + 999, True),
        ({}, NOW_MS + 1000, False),
        ({"thread": "t2"}, NOW_MS, False),
        ({"answer": "approve"}, NOW_MS, False),
        ({"answer": "reject"}, NOW_MS, False),
    ],
)
def test_a_thread_waits_for_what_is_open(store, options, now_ms, expected):
    """A question is waited for until it is answered or its time is over."""
    ask(store, approval(**options))
    found = Approvals(store).waiting("t1", now_ms=now_ms)
    assert (found and found.id) == ("apr_1" if expected else None)


def test_open_questions_are_listed_oldest_first(store):
    """A console sees its tenant's open questions, with or without those whose time is over."""
    ask(
        store,
        approval("apr_2", created=2),
        approval("apr_1", created=1, expires=NOW_MS),
        approval("apr_4", created=3, tenant="other"),
        approval("apr_3", created=2),
        approval("apr_5", answer="reject"),
    )
    listed = Approvals(store)
    assert [item.id for item in listed.list()] == ["apr_1", "apr_2", "apr_3", "apr_4"]
    assert [item.id for item in listed.list(tenant="acme")] == ["apr_1", "apr_2", "apr_3"]
    assert [item.id for item in listed.list(tenant="acme", now_ms=NOW_MS)] == ["apr_2", "apr_3"]


def test_what_is_shown_does_not_stand_in_the_text_of_an_approval():
    """The question's words are kept out of logs that print the object."""
    assert "Позвонить" not in repr(approval())
