"""Suggestions: what would have happened is kept with them, and one authenticated person says what they would answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_guard.errors import ApprovalError, StoreError, UnknownCall
from agent_guard.guarded import GuardedThread
from agent_guard.guards import Guard
from agent_guard.suggestions import SUGGESTIONS, Suggestion
from agent_guard.types import Code, Description, Objection, Subject
from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("B9")]

STAGE = {"deal_id": "42", "stage": "won"}
RAW = ("Kowalska", "512 345 678", "512345678", "cnry-value-77")


def suggesting(world: World, rule: dict[str, Any] | None = None, **options: Any) -> GuardedThread:
    """A thread in which moving a deal and making a task are only suggested."""
    rules = {"crm.set_stage": {"mode": "suggest", **(rule or {})}, "crm.create_task": {"mode": "suggest"}}
    return world.thread(world.policy(rules), **options)


def suggested(thread: GuardedThread, tool: str = "crm.set_stage", args: Any = None, **options: Any) -> Suggestion:
    """One suggestion, as it is stored."""
    result = thread.invoke(tool, STAGE if args is None else args, **options)
    assert result.status == "suggested"
    found = thread.gateway.suggestions.get(str(result.trace_id))
    assert found is not None
    return found


def events(thread: GuardedThread, kind: str) -> list[dict[str, Any]]:
    """The events of one kind in a thread."""
    found = thread.gateway.audit.events(thread=thread.id)
    return [dict(event.data) for event in found if event.data["kind"] == kind]


# ---- what is kept


def test_a_suggestion_says_what_would_have_happened(world: World) -> None:
    """The dry run's change stands with the suggestion and in the record of it; nothing was done."""
    thread = suggesting(world)
    found = suggested(thread, reason="They signed.")
    change = {"before": {"stage": "new"}, "after": {"stage": "won"}}
    assert (found.shown["diff"], found.shown["args"], found.shown["reason"]) == (change, STAGE, "They signed.")
    assert (found.tool, found.environment, found.requester, found.tenant) == ("crm.set_stage", "dev", "u1", "acme")
    assert (found.policy_hash, found.tool_version, found.verdict) == (thread.policy.hash, "1", None)
    (event,) = events(thread, "suggested")
    assert (event["trace_id"], event["diff"], event["digest"]) == (found.trace_id, change, found.digest)
    assert (world.desk.effects, world.desk.deals["42"].snapshot["stage"]) == ([], "new")
    assert not {"args_schema", "description"} & found.shown.keys()


def test_without_a_dry_run_the_arguments_are_all_there_is(world: World) -> None:
    """A tool that cannot say what it would do, or fails to, leaves a suggestion without a change."""
    thread = suggesting(world)
    found = suggested(thread, "crm.create_task", {"deal_id": "42", "subject": "Call Anna Kowalska"})
    assert (found.shown["diff"], found.shown["args"]["subject"]) == ({}, "Call <PERSON_1>")
    assert events(thread, "suggested")[-1]["diff"] is None

    def fails(args: Any, desk: Any) -> Description:
        raise ValueError("Anna Kowalska")

    tools = [replace(world.set_stage, dry_run=fails), world.read_deal, world.create_task, world.send_note]
    broken = suggesting(world, tools=tools)
    assert suggested(broken).shown["diff"] == {}


@pytest.mark.req("A2", "B16")
def test_no_value_of_a_person_stands_anywhere(world: World) -> None:
    """What the dry run tells, what the model wrote and what the judge says is kept with pseudonyms alone."""

    def telling(args: Any, desk: Any) -> Description:
        found = desk.deals["42"]
        told = {**found.snapshot, "phone": "+48 600 700 800", "note": "cnry-value-77"}
        return replace(found, snapshot=told, fields={**found.fields, "note": "drop"})

    thread = suggesting(
        world,
        tools=[replace(world.set_stage, dry_run=telling), world.read_deal, world.create_task, world.send_note],
    )
    first = suggested(thread, reason="Anna Kowalska asked, +48 512 345 678")
    assert first.shown["diff"]["after"]["phone"].startswith("<PHONE_")
    words = "Anna Kowalska has another number: +48 600 700 800"
    judged = thread.gateway.judge(first.trace_id, "reject", by=world.boss, reason=words)
    assert (
        judged.reason == "<PERSON_1> has another number: <PHONE_2>"
        and judged.reason == events(thread, "judged")[0]["reason"]
    )
    text = str(world.dump(thread.gateway)) + repr(first) + repr(judged)
    assert not [value for value in (*RAW, "600 700 800", "600700800") if value in text]


def test_the_suggestion_and_its_event_stand_or_fall_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the record cannot be written, no suggestion and no call is kept either."""
    thread = suggesting(world)

    def fails(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    with monkeypatch.context() as patch:
        patch.setattr(thread.gateway.audit, "append", fails)
        with pytest.raises(StoreError):
            thread.invoke("crm.set_stage", STAGE)
    assert (world.rows(thread.gateway, "suggestions"), world.rows(thread.gateway, "calls")) == ([], [])


def test_the_same_suggestion_again_is_the_same(world: World) -> None:
    """A call that is proposed again under its id makes no second suggestion."""
    thread = suggesting(world)
    first, again = suggested(thread, call_id="c1"), suggested(thread, call_id="c1")
    assert first == again and len(world.rows(thread.gateway, "suggestions")) == 1


def test_a_guard_of_the_house_may_turn_a_call_into_a_suggestion(world: World) -> None:
    """Whoever asks for a suggestion, the change is kept with it; what runs, is asked or is denied is none."""

    def check(call: Any, tool: Any, policy: Any, facts: Any) -> Objection | None:
        return Objection(outcome="suggest", code=Code.SUGGESTED, for_model="Noted.", for_human="Not on Mondays.")

    rules = {"crm.set_stage": {"mode": "execute"}}
    thread = world.thread(world.policy(rules), extra_guards=[Guard("mondays", check)])
    assert suggested(thread).shown["diff"]["after"] == {"stage": "won"}
    plain = world.thread(world.policy())
    plain.invoke("crm.set_stage", STAGE)
    plain.invoke("crm.set_stage", {"deal_id": "44", "stage": "won"})
    assert world.rows(plain.gateway, "suggestions") == []


def test_an_edit_under_a_stricter_policy_becomes_a_suggestion(world: World) -> None:
    """Where the tool went back to suggest mode while its question waited, the edited call is one to be judged."""
    asking = world.gateway(world.policy(), file=True).open(world.sdr, party=world.anna)
    asked = asking.invoke("crm.set_stage", STAGE)
    later = world.gateway(world.policy({"crm.set_stage": {"mode": "suggest"}}), file=True)
    edited = {"deal_id": "42", "stage": "lost"}
    result = later.thread(asking.id).resume(str(asked.approval_id), "edit", by=world.boss, args=edited)
    assert result.status == "suggested"
    (found,) = later.suggestions.list()
    assert (found.shown["args"], found.trace_id) == (edited, result.trace_id)


# ---- who judges


def test_a_verdict_is_kept_and_recorded(world: World) -> None:
    """The word, the person and the reason stand with the suggestion and in the chain; the call does not run."""
    thread = suggesting(world)
    found = suggested(thread)
    world.clock.forward(seconds=5)
    judged = thread.gateway.judge(found.trace_id, "approve", by=world.boss)
    assert (judged.verdict, judged.judged_by, judged.reason) == ("approve", "m7", None)
    assert judged == thread.gateway.suggestions.get(found.trace_id) and judged.judged == found.created + 5000
    (event,) = events(thread, "judged")
    assert (event["note"], event["approver"], event["trace_id"]) == ("approve", "m7", found.trace_id)
    assert (event["tool"], event["tool_version"], event["digest"]) == ("crm.set_stage", "1", found.digest)
    assert list(thread.gateway.audit.broken(thread.id)) == []
    assert world.desk.effects == [] and thread.calls == []


async def test_judging_has_an_async_twin(world: World) -> None:
    """From an event loop it is the same."""
    thread = suggesting(world)
    judged = await thread.gateway.ajudge(suggested(thread).trace_id, "reject", by=world.boss, reason="Too early.")
    assert (judged.verdict, judged.reason) == ("reject", "Too early.")


ROLES = {"approvers": {"roles": ["manager"], "not_requester": False}}


@pytest.mark.req("A7")
@pytest.mark.parametrize(
    ("by", "rule", "error", "code"),
    [
        (World.stranger, {}, UnknownCall, None),
        (replace(World.boss, tenant="other"), {}, UnknownCall, None),
        (replace(World.boss, roles={"sdr"}), {}, ApprovalError, Code.APPROVER_NOT_PERMITTED),
        (replace(World.boss, id="u1"), {}, ApprovalError, Code.APPROVER_NOT_PERMITTED),
        (replace(World.boss, id="anonymous"), {}, ApprovalError, Code.APPROVER_UNKNOWN),
        (World.boss, {"approvers": None}, ApprovalError, Code.APPROVER_UNKNOWN),
        (replace(World.boss, id="u1"), ROLES, None, None),
    ],
    ids=["another tenant", "same name elsewhere", "no role", "requester", "nobody", "no approvers", "may"],
)
def test_only_an_approver_judges(
    world: World, by: Subject, rule: dict[str, Any], error: type[Exception] | None, code: Code | None
) -> None:
    """It takes the tool's approver role in the tenant, and another person where the policy says so; a try without the
    right is recorded, and the suggestion stays open.
    """
    thread = suggesting(world, rule)
    found = suggested(thread)
    if error is None:
        assert thread.gateway.judge(found.trace_id, "approve", by=by).verdict == "approve"
        return
    with pytest.raises(error) as caught:
        thread.gateway.judge(found.trace_id, "approve", by=by)
    refused = events(thread, "refused")
    if isinstance(caught.value, ApprovalError):
        assert caught.value.code == code
        assert [(item["approver"], item["note"], item["error"]["code"]) for item in refused] == [(by.id, "judge", code)]
    else:
        assert refused == []
    assert thread.gateway.suggestions.get(found.trace_id) == found


@pytest.mark.req("A7")
def test_the_directory_says_who_may_judge(world: World) -> None:
    """A role that was taken away counts for nothing, whatever the caller brings."""

    class People:
        roles = frozenset({"manager"})

        def lookup(self, tenant: str, subject: str) -> Subject | None:
            return replace(world.sdr, id=subject, roles=self.roles | {"sdr"})

    people = People()
    thread = suggesting(world, directory=people)
    first, second = suggested(thread), suggested(thread)
    assert thread.gateway.judge(first.trace_id, "approve", by=replace(world.boss, roles=())).verdict == "approve"
    people.roles = frozenset()
    with pytest.raises(ApprovalError, match="may not answer"):
        thread.gateway.judge(second.trace_id, "approve", by=world.boss)


@pytest.mark.req("A7")
def test_what_was_suggested_in_prod_is_not_judged_in_dev(world: World) -> None:
    """Who somebody is may be pretended in dev, so no verdict on another environment's suggestion is taken there."""
    policy = world.policy({"crm.set_stage": {"mode": "suggest"}})
    world.gateway(policy, file=True)
    prod = world.gateway(policy, file=True, environment="prod", credentials=world.key())
    found = suggested(prod.open(world.sdr, party=world.anna))
    dev = world.gateway(policy, file=True)
    with pytest.raises(ApprovalError, match="made in prod, and this is dev") as refused:
        dev.judge(found.trace_id, "approve", by=world.boss)
    assert refused.value.code is Code.APPROVER_NOT_PERMITTED
    assert prod.judge(found.trace_id, "approve", by=world.boss).verdict == "approve"


@pytest.mark.parametrize(
    ("verdict", "reason", "code"),
    [
        ("edit", "x", Code.ANSWER_UNREADABLE),
        ("", None, Code.ANSWER_UNREADABLE),
        ("reject", None, Code.REASON_MISSING),
        ("reject", "  \n", Code.REASON_MISSING),
        ("reject", 7, Code.REASON_MISSING),
    ],
)
def test_a_verdict_is_one_of_two_words_and_a_rejection_says_why(
    world: World, verdict: Any, reason: Any, code: Code
) -> None:
    """Anything else is refused before anything is read, and nothing is recorded."""
    thread = suggesting(world)
    found = suggested(thread)
    with pytest.raises(ApprovalError) as refused:
        thread.gateway.judge(found.trace_id, verdict, by=world.boss, reason=reason)
    assert refused.value.code is code
    assert events(thread, "judged") == events(thread, "refused") == []


def test_the_first_verdict_counts(world: World) -> None:
    """Another word, or another person, is told who was first; the same again is the same and leaves no event."""
    thread = suggesting(world)
    found = suggested(thread)
    first = thread.gateway.judge(found.trace_id, "approve", by=world.boss, reason="Right.")
    assert thread.gateway.judge(found.trace_id, "approve", by=world.boss, reason="Right!") == first
    other = replace(world.boss, id="m8")
    for word, by in (("reject", world.boss), ("approve", other)):
        with pytest.raises(ApprovalError, match="judged already: approve by m7") as refused:
            thread.gateway.judge(found.trace_id, word, by=by, reason="No.")  # type: ignore[arg-type]
        assert refused.value.code is Code.APPROVAL_USED
    assert len(events(thread, "judged")) == 1


def test_two_judges_at_once_make_one_verdict(world: World) -> None:
    """Whoever is second in the same moment is refused; row and record name the same person."""
    policy = world.policy({"crm.set_stage": {"mode": "suggest"}})
    gateways = [world.gateway(policy, file=True) for _ in range(2)]
    for _ in range(5):
        thread = gateways[0].open(world.sdr, party=world.anna)
        found, ready, told = suggested(thread), threading.Barrier(2), []

        def say(n: int, found: Suggestion = found, ready: threading.Barrier = ready, told: list[str] = told) -> None:
            by = replace(world.boss, id=f"m{n}")
            ready.wait(10)
            try:
                gateways[n].judge(found.trace_id, ("approve", "reject")[n], by=by, reason="So I think.")  # type: ignore[arg-type]
            except ApprovalError as error:
                told.append(error.code)
            else:
                told.append(by.id)

        judges = [threading.Thread(target=say, args=(n,)) for n in range(2)]
        _ = [judge.start() for judge in judges] + [judge.join(20) for judge in judges]
        stored = gateways[1].suggestions.get(found.trace_id)
        assert stored is not None and sorted(told) == sorted([Code.APPROVAL_USED, str(stored.judged_by)])
        recorded = [item for item in events(thread, "judged") if item["trace_id"] == found.trace_id]
        assert [(item["approver"], item["note"]) for item in recorded] == [(stored.judged_by, stored.verdict)]


def test_what_is_no_suggestion_cannot_be_judged(world: World) -> None:
    """A trace that nobody stored, and a call that ran, are unknown here."""
    thread = suggesting(world)
    ran = thread.invoke("crm.read_deal", {"deal_id": "42"})
    for trace in ("T1", str(ran.trace_id)):
        with pytest.raises(UnknownCall, match=r"no suggestion .*agent-guard suggestions list"):
            thread.gateway.judge(trace, "approve", by=world.boss)


# ---- reading them


def test_suggestions_are_read_by_what_they_are(world: World) -> None:
    """The oldest first; by tool, time, tenant, environment and whether somebody judged."""
    thread = suggesting(world)
    first = suggested(thread)
    world.clock.forward(seconds=60)
    second = suggested(thread, "crm.create_task", {"deal_id": "42", "subject": "Call"})
    thread.gateway.judge(first.trace_id, "approve", by=world.boss)
    read: Callable[..., list[Suggestion]] = thread.gateway.suggestions.list
    names = lambda **given: [item.trace_id for item in read(**given)]  # noqa: E731
    assert names() == [first.trace_id, second.trace_id]
    assert names(judged=True) == [first.trace_id] and names(judged=False) == [second.trace_id]
    assert names(tool="crm.create_task") == names(since_ms=second.created) == names(last=1) == [second.trace_id]
    assert names(until_ms=second.created) == [first.trace_id]
    assert names(tenant="other") == names(environment="prod") == []
    assert [item.trace_id for item in thread.gateway.suggestions.ending_in(first.trace_id[-6:])] == [first.trace_id]


# ---- a customer who is erased


@pytest.mark.req("A2")
def test_a_suggestion_that_is_gone_meanwhile_is_judged_by_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its customer's data is erased between the look and the verdict, there is nothing to judge and no event."""
    thread = suggesting(world)
    found = suggested(thread)
    with thread.gateway.store.write(locks=["test"]) as connection:
        connection.execute(SUGGESTIONS.delete())
    monkeypatch.setattr(thread.gateway.suggestions, "get", lambda trace: found)
    with pytest.raises(UnknownCall):
        thread.gateway.judge(found.trace_id, "approve", by=world.boss)
    assert events(thread, "judged") == []
