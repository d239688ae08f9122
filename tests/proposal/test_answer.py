"""A human's answer: who may give it, that it is one, and what an edit may do."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from agent_guard import approvals
from agent_guard.approvals import Approval
from agent_guard.credentials import MemoryCredentials
from agent_guard.errors import ApprovalError, StoreError
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.types import Code, Subject
from tests.conftest import World

pytestmark = pytest.mark.databases

TASK = {"deal_id": "42", "subject": "Call"}


def asked(world: World, approvers: dict[str, Any] | None = None, **options: Any) -> tuple[GuardedThread, str]:
    """A thread with a pending task, and the id of its question."""
    rule = {"mode": "approve", "approvers": {"roles": ["manager", "lead"], "expires": "24h"} | (approvers or {})}
    thread = world.thread(world.policy({"crm.create_task": rule}), **options)
    pending = thread.invoke("crm.create_task", TASK, call_id="c1")
    assert pending.approval_id is not None
    return thread, pending.approval_id


def stored(gateway: Gateway, approval_id: str) -> Approval:
    """A question as it is stored."""
    found = gateway.approvals.get(approval_id)
    assert found is not None
    return found


def refused(thread: GuardedThread, approval_id: str, word: Any = "approve", **given: Any) -> Code:
    """The code with which an answer was refused."""
    before = stored(thread.gateway, approval_id)
    with pytest.raises(ApprovalError) as error:
        thread.gateway.answer(approval_id, word, **given)
    assert stored(thread.gateway, approval_id) == before, "a refused answer leaves the question as it was"
    return Code(error.value.code)


# ---- who


@pytest.mark.parametrize("message", [5, b"no", ["no"]])
def test_a_message_that_is_no_text_is_refused(world: World, message: Any) -> None:
    """The question stays as it was."""
    thread, id = asked(world)
    assert refused(thread, id, "reject", by=world.boss, message=message) is Code.ANSWER_UNREADABLE


@pytest.mark.req("A12", "B10")
def test_a_question_is_answered_in_the_environment_that_asked(world: World) -> None:
    """Who somebody is may be pretended in ``dev``; one master key and one database for both open no way from there."""
    keys = MemoryCredentials()
    rule = {"mode": "approve", "approvers": {"roles": ["manager"], "expires": "24h"}}
    policy = world.policy({"crm.create_task": rule})
    prod, dev = (world.gateway(policy, file=True, environment=name, credentials=keys) for name in ("prod", "dev"))
    thread = prod.open(world.sdr, party=world.anna)
    id = str(thread.invoke("crm.create_task", TASK).approval_id)
    for word in ("approve", "reject", "edit"):
        args = {"args": TASK} if word == "edit" else {"message": "No."}
        assert refused(dev.thread(thread.id), id, word, by=world.boss, **args) is Code.APPROVER_NOT_PERMITTED
    with pytest.raises(ApprovalError, match="asked in prod, and this is dev"):
        dev.reveal(id, by=world.boss)
    assert world.kinds(thread)[-3:] == ["refused"] * 3
    assert thread.resume(id, "approve", by=world.boss).status == "executed"


@pytest.mark.req("A12", "B5")
def test_only_the_policys_roles_may_answer(world: World) -> None:
    """Any of the roles will do, none of them will not."""
    thread, id = asked(world)
    for roles in (set(), {"sdr"}, {"Manager"}, {"managers"}):
        by = replace(world.boss, roles=roles)
        assert refused(thread, id, by=by) is Code.APPROVER_NOT_PERMITTED
    answered = thread.gateway.answer(id, "approve", by=replace(world.boss, roles={"x", "lead"}))
    assert (answered.approval.answer, answered.approval.answered_by) == ("approve", "m7")


@pytest.mark.req("B5")
def test_another_tenants_question_does_not_exist(world: World) -> None:
    """A person of another company gets the answer that anybody gets for an id that was never given."""
    thread, id = asked(world)
    messages = []
    for approval_id, by in ((id, world.stranger), ("apr_none", world.stranger), ("apr_none", world.boss)):
        with pytest.raises(ApprovalError) as error:
            thread.gateway.answer(approval_id, "approve", by=by)
        assert error.value.code == Code.APPROVAL_UNKNOWN
        messages.append(str(error.value).replace(approval_id, "X"))
    assert len(set(messages)) == 1
    assert stored(thread.gateway, id).answer is None


@pytest.mark.req("A12")
@pytest.mark.parametrize(("not_requester", "may"), [(True, False), (False, True)])
def test_the_requester_may_answer_only_where_the_policy_lets_it(world: World, not_requester: bool, may: bool) -> None:
    """``not_requester`` wants another person, whatever roles the requester has."""
    thread, id = asked(world, {"not_requester": not_requester})
    requester = replace(world.sdr, roles={"sdr", "manager"})
    if may:
        assert thread.resume(id, "approve", by=requester).status == "executed"
    else:
        assert refused(thread, id, by=requester) is Code.APPROVER_NOT_PERMITTED
        assert thread.resume(id, "approve", by=world.boss).status == "executed"


class Directory:
    """A directory that a test may change or break."""

    def __init__(self, *people: Subject) -> None:
        self.people = {(person.tenant, person.id): person for person in people}
        self.error: Exception | None = None
        self.inside = False

    def lookup(self, tenant: str, subject: str) -> Subject | None:
        """Port ``Directory``."""
        if self.error is not None:
            raise self.error
        self.inside = self.inside or any(frame.function == "write" for frame in inspect.stack())
        return self.people.get((tenant, subject))


@pytest.mark.req("B5")
def test_with_a_directory_its_roles_count(world: World) -> None:
    """The roles that the caller claims for an approver are worth nothing where there is a directory."""
    directory = Directory(world.sdr, replace(world.boss, roles={"intern"}), replace(world.boss, id="m8"))
    thread, id = asked(world, directory=directory)
    assert refused(thread, id, by=world.boss) is Code.APPROVER_NOT_PERMITTED
    assert refused(thread, id, by=replace(world.boss, id="m9")) is Code.APPROVER_NOT_PERMITTED
    assert thread.resume(id, "approve", by=replace(world.boss, id="m8", roles=())).status == "executed"


@pytest.mark.parametrize("error", [ConnectionError("ldap"), KeyError("m7")], ids=repr)
def test_a_directory_that_fails_refuses_the_answer(world: World, error: Exception) -> None:
    """Without the directory nobody is known to be an approver; the question stays for later."""
    directory = Directory(world.sdr, world.boss)
    thread, id = asked(world, directory=directory)
    directory.error = error
    assert refused(thread, id, by=world.boss) in (Code.APPROVER_UNKNOWN, Code.APPROVER_NOT_PERMITTED)
    directory.error = None
    assert thread.resume(id, "approve", by=world.boss).status == "executed"


def test_the_directory_is_asked_with_no_transaction_open(world: World) -> None:
    """A slow directory must not hold the lock of the database."""
    directory = Directory(world.sdr, world.boss)
    seen: list[bool] = []
    thread, id = asked(world, directory=directory)
    write, open_now = thread.gateway.store.write, [0]

    class Watched:
        def __init__(self, **options: Any) -> None:
            self.inner = write(**options)

        def __enter__(self) -> Any:
            open_now[0] += 1
            return self.inner.__enter__()

        def __exit__(self, *error: object) -> Any:
            open_now[0] -= 1
            return self.inner.__exit__(*error)  # type: ignore[arg-type]

    lookup = directory.lookup
    directory.lookup = lambda *who: (seen.append(open_now[0] > 0), lookup(*who))[1]  # type: ignore[method-assign]
    thread.gateway.store.write = Watched  # type: ignore[method-assign,assignment]
    thread.gateway.answer(id, "approve", by=world.boss)
    assert seen
    assert not any(seen)


# ---- once


@pytest.mark.req("A7", "A12")
def test_the_same_answer_again_is_the_same_answer(world: World) -> None:
    """A double click on "approve" records one answer."""
    thread, id = asked(world)
    first = thread.gateway.answer(id, "approve", by=world.boss)
    before = world.dump(thread.gateway)
    again = thread.gateway.answer(id, "approve", by=world.boss)
    assert again == first
    assert world.dump(thread.gateway) == before


@pytest.mark.req("A7", "A12")
@pytest.mark.parametrize(
    ("word", "id", "args"),
    [("reject", "m7", None), ("approve", "m8", None), ("edit", "m7", TASK), ("respond", "m7", None)],
)
def test_a_second_answer_is_refused(world: World, word: str, id: str, args: Any) -> None:
    """Another word or another person does not change an answer that was given."""
    thread, approval = asked(world)
    thread.gateway.answer(approval, "approve", by=world.boss)
    by = replace(world.boss, id=id)
    assert refused(thread, approval, word, by=by, args=args) is Code.APPROVAL_USED


def test_a_second_edit_with_other_arguments_is_refused(world: World) -> None:
    """An edit is the same answer only with the same arguments; others are not dropped in silence."""
    thread, id = asked(world)
    first = thread.gateway.answer(id, "edit", by=world.boss, args=TASK | {"subject": "Write"})
    again = thread.gateway.answer(id, "edit", by=world.boss, args=TASK | {"subject": "Write"})
    assert again.call == first.call
    assert refused(thread, id, "edit", by=world.boss, args=TASK | {"subject": "Pay"}) is Code.APPROVAL_USED


@pytest.mark.req("A12")
def test_two_people_at_once_give_one_answer(world: World) -> None:
    """Of an approve and a reject that race, one is recorded and the other is told so."""
    rule = {"mode": "approve"}
    gateway = world.gateway(world.policy({"crm.create_task": rule}), file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    id = thread.invoke("crm.create_task", TASK).approval_id or ""

    def give(n: int) -> str:
        try:
            gateway.answer(id, ("approve", "reject")[n % 2], by=replace(world.boss, id=f"m{n}"))
        except ApprovalError as error:
            return error.code
        return "recorded"

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(give, range(6)))
    assert sorted(found) == [Code.APPROVAL_USED] * 5 + ["recorded"]
    kinds = [event.data["kind"] for event in gateway.audit.events(thread=thread.id)]
    assert (kinds.count("answered"), kinds.count("refused")) == (1, 5)


# ---- in time


@pytest.mark.req("A12")
@pytest.mark.parametrize(("seconds", "in_time"), [(24 * 3600 - 0.001, True), (24 * 3600, False)])
def test_a_question_expires(world: World, seconds: float, in_time: bool) -> None:
    """An answer counts until the end of the question, not at it."""
    thread, id = asked(world)
    world.clock.forward(seconds=seconds)
    if in_time:
        assert thread.resume(id, "approve", by=world.boss).status == "executed"
    else:
        assert refused(thread, id, by=world.boss) is Code.APPROVAL_EXPIRED
        assert world.rows(thread.gateway, "calls")[0]["state"] == "expired"
        assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "denied"
        assert world.desk.effects == []


@pytest.mark.req("A12")
def test_a_replaced_question_cannot_be_answered(world: World) -> None:
    """A newer question of the thread ends the older one, whoever answers it."""
    thread, old = asked(world)
    new = thread.invoke("crm.create_task", TASK | {"subject": "Write"}).approval_id or ""
    assert refused(thread, old, by=world.boss) is Code.APPROVAL_EXPIRED
    assert thread.resume(new, "approve", by=world.boss).status == "executed"
    assert [item["subject"] for item in world.desk.effects] == ["Write"]


def test_an_answer_settles_that_a_question_was_replaced(world: World) -> None:
    """The thread remembers a replaced question until its next answer."""
    thread, _ = asked(world)
    new = thread.invoke("crm.create_task", TASK | {"subject": "Write"}).approval_id or ""
    assert world.rows(thread.gateway, "threads")[0]["replaced"]
    thread.gateway.answer(new, "reject", by=world.boss)
    assert not world.rows(thread.gateway, "threads")[0]["replaced"]


# ---- readable


@pytest.mark.req("A8")
@pytest.mark.parametrize("word", ["yes", "", "APPROVE", None, 1, ["approve"]])
def test_a_word_that_is_no_answer_is_refused(world: World, word: Any) -> None:
    """Nothing but the four words is an answer."""
    thread, id = asked(world)
    assert refused(thread, id, word, by=world.boss) is Code.ANSWER_UNREADABLE


@pytest.mark.parametrize(
    "args",
    [
        None,
        {"deal_id": float("nan")},
        {"deal_id": "42", "subject": "x" * 1_000_000},
        {"deal_id": "42", "subject": "\ud800"},
        "deep",
    ],
    ids=["none", "nan", "1 MB", "half a letter", "1000 deep"],
)
def test_an_edit_that_cannot_be_read_is_refused(world: World, args: Any) -> None:
    """An edit without readable arguments is no answer: the question stays, and nothing is stored of it."""
    if args == "deep":
        nested: Any = "x"
        for _ in range(1000):
            nested = [nested]
        args = {"deal_id": nested}
    thread, id = asked(world)
    assert refused(thread, id, "edit", by=world.boss, args=args) is Code.ANSWER_UNREADABLE


@pytest.mark.req("A23", "B16")
def test_the_words_of_a_human_are_masked_and_bounded(world: World) -> None:
    """What a person adds is stored without values, however long it is and whatever letters it has."""
    thread, id = asked(world)
    words = "Ask Anna Kowalska at new@mail.example \ud800" + "x" * 10_000
    thread.gateway.answer(id, "reject", by=world.boss, message=words)
    kept = stored(thread.gateway, id).message or ""
    assert kept.startswith("Ask <PERSON_1> at <EMAIL_2> ")
    assert len(kept) < 2100
    assert "new@mail.example" not in str(world.dump(thread.gateway))


def test_a_value_is_not_cut_in_half(world: World) -> None:
    """Words are masked before they are cut, so that no part of a value is left at the end."""
    thread, id = asked(world)
    thread.gateway.answer(id, "reject", by=world.boss, message="x" * 1990 + " +48 601 234 567 " + "y" * 5000)
    kept = stored(thread.gateway, id).message or ""
    assert kept.endswith("x <PHONE_2>")
    assert len(kept) == 2000


# ---- an edit


@pytest.mark.req("A12")
def test_an_edit_names_no_tool(world: World) -> None:
    """An edit changes arguments alone: the new call is of the tool that was asked about."""
    thread, id = asked(world)
    call = thread.gateway.answer(id, "edit", by=world.boss, args=TASK | {"subject": "Write"}).call
    assert call is not None
    assert (call.tool, call.thread, call.reason) == ("crm.create_task", thread.id, "Edited by m7.")
    with pytest.raises(TypeError):
        thread.gateway.answer(id, "edit", by=world.boss, args=TASK, tool="messages.send")  # type: ignore[call-arg]


@pytest.mark.req("A12", "B4")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"deal_id": "43"}, Code.BINDING),
        ({"deal_id": "99"}, Code.RECORD_NOT_FOUND),
        ({"subject": "x" * 121}, Code.ARGUMENTS_INVALID),
        ({"subject": 7}, Code.ARGUMENTS_INVALID),
        ({"owner": "me"}, Code.ARGUMENT_UNKNOWN),
        ({"subject": "<EMAIL_7>"}, Code.PSEUDONYM_UNKNOWN),
    ],
)
def test_an_edit_is_decided_again(world: World, change: dict[str, Any], code: Code) -> None:
    """What a human writes passes the same guards: a bad edit is denied, and neither it nor the old call runs."""
    thread, id = asked(world)
    result = thread.resume(id, "edit", by=world.boss, args=TASK | change)
    assert (result.status, result.code) == ("denied", code)
    assert world.desk.effects == []
    assert sorted(row["state"] for row in world.rows(thread.gateway, "calls")) == ["denied", "rejected"]
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "denied"


@pytest.mark.req("A12", "A5")
def test_an_edit_is_recorded_as_an_answer_of_its_own(world: World) -> None:
    """The old call ends as edited; the new one has its own trace, and an approval that the editor gave and that is used."""
    thread, id = asked(world)
    thread.resume(id, "edit", by=world.boss, args=TASK | {"subject": "Write"})
    questions = {row["id"]: row for row in world.rows(thread.gateway, "approvals")}
    second = questions[next(key for key in questions if key != id)]
    assert (questions[id]["answer"], questions[id]["used"]) == ("edit", None)
    assert (second["answer"], second["answered_by"], second["used"] is not None) == ("approve", "m7", True)
    assert questions[id]["digest"] != second["digest"]
    assert world.kinds(thread)[3:] == ["asked", "edited", "proposed", "decided", "answered", "started", "finished"]


@pytest.mark.req("A12")
def test_an_edit_of_a_changed_record_is_asked_again(world: World) -> None:
    """The editor's answer stands for the record it saw; after a change the edited call waits for a human anew."""
    thread, id = asked(world)
    world.desk.change("42", "lost")
    result = thread.resume(id, "edit", by=world.boss, args=TASK | {"subject": "Write"})
    assert result.status == "pending"
    assert result.approval_id not in (None, id)
    assert world.desk.effects == []
    assert thread.resume(result.approval_id or "", "approve", by=world.boss).status == "executed"


def test_an_edit_that_changes_nothing_is_an_approval(world: World) -> None:
    """Sending the form back as it was runs the call."""
    thread, id = asked(world)
    assert thread.resume(id, "edit", by=world.boss, args=TASK).status == "executed"
    assert len(world.desk.effects) == 1


# ---- the record


@pytest.mark.req("A5", "B8")
@pytest.mark.parametrize(
    ("by", "code"), [("u1", Code.APPROVER_NOT_PERMITTED), ("m7", Code.APPROVAL_EXPIRED), ("m8", Code.APPROVAL_USED)]
)
def test_a_refused_answer_is_in_the_record(world: World, by: str, code: Code) -> None:
    """Who tried to answer what, and why it did not count, is one event."""
    thread, id = asked(world)
    if code is Code.APPROVAL_EXPIRED:
        world.clock.forward(days=2)
    elif code is Code.APPROVAL_USED:
        thread.gateway.answer(id, "reject", by=world.boss)
    roles = {"sdr"} if by == "u1" else {"manager"}
    refused(thread, id, by=Subject(id=by, tenant="acme", roles=roles))
    event = thread.gateway.audit.events(thread=thread.id)[-1].data
    assert (event["kind"], event["approver"], event["approval_id"]) == ("refused", by, id)
    assert event["error"] == {"class": "approval", "code": code, "detail": None}


@pytest.mark.req("A5", "A12")
def test_an_answer_is_in_the_record(world: World) -> None:
    """Who answered, with which word, to which digest."""
    thread, id = asked(world)
    thread.gateway.answer(id, "reject", by=world.boss, message="Too early.")
    event = thread.gateway.audit.events(thread=thread.id)[-1].data
    question = stored(thread.gateway, id)
    assert (event["kind"], event["note"], event["reason"]) == ("answered", "reject", "Too early.")
    assert (event["approver"], event["digest"]) == ("m7", question.digest)


def test_an_answer_that_cannot_be_stored_is_none(world: World) -> None:
    """With the store broken nothing is recorded, and nothing runs on it."""
    gateway = world.gateway(world.policy({"crm.create_task": {"mode": "approve"}}), file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    id = thread.invoke("crm.create_task", TASK).approval_id or ""
    with gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO gone")
    with pytest.raises(StoreError):
        thread.resume(id, "approve", by=world.boss)
    with gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO audit")
    assert stored(gateway, id).answer is None
    assert thread.resume(id, "approve", by=world.boss).status == "executed"


def test_the_open_questions_are_listed_for_one_tenant(world: World) -> None:
    """A list of questions shows a company its own, open ones alone, the oldest first."""
    thread, id = asked(world)
    other = thread.gateway.open(world.sdr, party=world.anna)
    world.clock.forward(hours=1)
    second = other.invoke("crm.create_task", TASK | {"subject": "Write"}).approval_id
    listed = thread.gateway.approvals.list
    assert [item.id for item in listed(tenant="acme")] == [id, second]
    assert listed(tenant="other") == []
    world.clock.forward(hours=23)
    assert [item.id for item in listed(now_ms=thread.gateway.now_ms())] == [second]
    other.gateway.answer(second or "", "reject", by=world.boss)
    assert listed(now_ms=thread.gateway.now_ms()) == []


def test_an_approval_is_used_for_its_digest_only(world: World) -> None:
    """The compare-and-set that uses an approval takes its digest, its word, its time and its first use together."""
    thread, id = asked(world)
    digest, now = stored(thread.gateway, id).digest, thread.gateway.now_ms()

    def use(digest: str, now_ms: int) -> bool:
        with thread.gateway.store.write(locks=["test"]) as connection:
            return approvals.use(connection, id, digest=digest, now_ms=now_ms)

    assert not use(digest, now), "not answered yet"
    thread.gateway.answer(id, "approve", by=world.boss)
    assert not use("sha256:other", now)
    assert not use(digest, now + 24 * 3600 * 1000)
    assert [use(digest, now), use(digest, now)] == [True, False]


@pytest.mark.req("A23", "B5")
def test_a_denied_edit_leaves_no_pseudonym_of_the_record(world: World) -> None:
    """An edit that names another customer's record gives the thread no capability: its name gets no pseudonym."""
    thread, id = asked(world)
    before = {entry.value for entry in thread.vault().entries()}
    assert thread.resume(id, "edit", by=world.boss, args=TASK | {"deal_id": "43"}).code is Code.BINDING
    assert {entry.value for entry in thread.vault().entries()} == before


@pytest.mark.req("A23", "B5")
def test_a_refused_person_leaves_nothing_in_the_vault(world: World) -> None:
    """Words and arguments of somebody who may not answer are not kept, not even as pseudonyms."""
    thread, id = asked(world)
    before = {entry.value for entry in thread.vault().entries()}
    args = TASK | {"subject": "Write to new@mail.example"}
    refused(thread, id, "edit", by=replace(world.boss, roles={"sdr"}), args=args, message="Ask new@mail.example")
    assert {entry.value for entry in thread.vault().entries()} == before
