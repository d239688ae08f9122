"""``approvers.review: raw``: nobody approves what they have not looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_guard.errors import ApprovalError
from agent_guard.guarded import GuardedThread
from agent_guard.proposal.viewing import must_look
from agent_guard.types import Code, ToolResult
from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("A12", "B5")]

NAMED = {"deal_id": "42", "subject": "Call Anna Kowalska"}


def asked(world: World, args: dict[str, str] = NAMED, review: str = "raw") -> tuple[GuardedThread, str]:
    """A thread with a pending task whose values must be seen, and the id of its question."""
    approvers = {"roles": ["manager"], "expires": "24h", "review": review}
    thread = world.thread(world.policy({"crm.create_task": {"mode": "approve", "approvers": approvers}}))
    thread.observe("Remind me to call Anna Kowalska", origin="user")
    pending = thread.invoke("crm.create_task", args, call_id="c1")
    assert pending.approval_id is not None
    return thread, pending.approval_id


def approved(world: World, thread: GuardedThread, id: str, word: Any = "approve", **given: Any) -> ToolResult:
    """The result of the boss's answer."""
    return thread.resume(id, word, by=given.pop("by", world.boss), **given)


def test_a_look_comes_before_an_approval(world: World) -> None:
    """An approval without a look is refused and recorded, nothing runs, and the same answer counts after a look."""
    thread, id = asked(world)
    with pytest.raises(ApprovalError, match="to see the values") as error:
        approved(world, thread, id)
    assert error.value.code is Code.APPROVAL_UNSEEN
    assert world.kinds(thread)[-1] == "refused"
    assert world.desk.effects == []
    assert list(thread.gateway.reveal(id, by=world.boss).values()) == ["Anna Kowalska"]
    assert approved(world, thread, id).status == "executed"
    assert world.kinds(thread).index("viewed") < world.kinds(thread).index("answered")


def test_an_edit_needs_the_look_too(world: World) -> None:
    """What a person changes they must have seen."""
    thread, id = asked(world)
    with pytest.raises(ApprovalError, match="to see the values"):
        approved(world, thread, id, "edit", args={"deal_id": "42", "subject": "Call"})
    thread.gateway.reveal(id, by=world.boss)
    assert approved(world, thread, id, "edit", args={"deal_id": "42", "subject": "Call"}).status == "executed"


def test_another_persons_look_is_not_ones_own(world: World) -> None:
    """Who looked is who may approve."""
    thread, id = asked(world)
    thread.gateway.reveal(id, by=replace(world.boss, id="m8"))
    with pytest.raises(ApprovalError, match="wants m7 to see"):
        approved(world, thread, id)


def test_a_look_at_one_question_is_none_at_the_next(world: World) -> None:
    """A call that is asked about again is looked at again."""
    thread, id = asked(world)
    thread.gateway.reveal(id, by=world.boss)
    other = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Write to Anna Kowalska"}, call_id="c2")
    assert other.approval_id not in (None, id)
    with pytest.raises(ApprovalError, match="to see the values"):
        approved(world, thread, str(other.approval_id))


@pytest.mark.parametrize("word", ["reject", "respond"])
def test_a_no_needs_no_look(world: World, word: str) -> None:
    """Whoever says no lets nothing out."""
    thread, id = asked(world)
    assert approved(world, thread, id, word, message="No").status == "denied"


def test_where_nothing_is_hidden_nothing_must_be_shown(world: World) -> None:
    """A question without a pseudonym is read as it is."""
    thread, id = asked(world)
    named = thread.gateway.approvals.get(id)
    assert named is not None
    plain = replace(named, shown={"args": {"subject": "Call"}})
    with thread.gateway.store.read() as connection:
        assert [must_look(connection, item, thread.policy, world.boss) for item in (named, plain)] == [True, False]


def test_masked_is_the_default(world: World) -> None:
    """Without the rule a question is answered as it is shown."""
    thread, id = asked(world, review="masked")
    assert approved(world, thread, id).status == "executed"


def test_nobody_looks_at_what_they_may_not_answer(world: World) -> None:
    """Values are shown to those who may answer alone, and a question that is not there is told."""
    thread, id = asked(world)
    with pytest.raises(ApprovalError, match="may not answer"):
        thread.gateway.reveal(id, by=world.sdr)
    with pytest.raises(ApprovalError, match="no approval 'apr_none'"):
        thread.gateway.reveal("apr_none", by=world.boss)
    with pytest.raises(ApprovalError, match="no approval"):
        thread.gateway.reveal(id, by=world.stranger)
    assert "viewed" not in world.kinds(thread)
