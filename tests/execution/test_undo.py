"""Undoing a call: a new call of whoever asks, derived from the recorded change, or a clear answer why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from agent_guard.errors import CannotUndo, ConfigError, OutcomeUnknown, ToolUnavailable, UnknownCall
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.threads import THREADS
from agent_guard.tool import Tool
from agent_guard.types import Change, Code, Subject
from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("A5")]

STAGE = {"deal_id": "42", "stage": "won"}
OTHER_SDR = Subject(id="u2", tenant="acme", roles={"sdr"}, region="kz")
RAW = ("Kowalska", "512 345 678", "512345678", "601 234 567", "601234567")


def back(change: Change) -> tuple[str, Mapping[str, Any]] | None:
    """Sets the stage to what it was."""
    if change.before is None or "stage" not in change.before:
        return None
    return "crm.set_stage", {"deal_id": change.args["deal_id"], "stage": change.before["stage"]}


def opened(
    world: World, undo: Any = back, *, mode: str = "execute", directory: Any = None, **rule: Any
) -> GuardedThread:
    """A thread of the sdr at a gateway whose tool for stages can be undone."""
    stages: Tool = replace(world.set_stage, undo=undo)
    policy = world.policy({"crm.set_stage": {"mode": {"dev": mode}, **rule}})
    tools = [world.read_deal, world.create_task, stages, world.send_note]
    gateway = world.gateway(policy, tools=tools, directory=directory)
    return gateway.open(world.sdr, party=world.anna)


def done(thread: GuardedThread, args: Any = None) -> str:
    """A call that moved the deal; its trace."""
    result = thread.invoke("crm.set_stage", STAGE if args is None else args)
    assert result.status == "executed"
    return str(result.trace_id)


def stage(world: World) -> str:
    """Where the deal stands."""
    return str(world.desk.deals["42"].snapshot["stage"])


def newest(gateway: Gateway) -> dict[str, Any]:
    """The newest event."""
    return dict(gateway.audit.events(last=1)[-1].data)


# ---- what is proposed


def test_a_change_is_turned_back_by_a_new_call(world: World) -> None:
    """It has a trace, a thread and an actor of its own, names the call that it undoes, and the record is as it was."""
    thread = opened(world)
    trace = done(thread)
    result = thread.gateway.undo(trace, by=OTHER_SDR, reason="Anna Kowalska did not sign.")
    assert (result.status, result.reference, stage(world)) == ("executed", "deal:42", "new")
    assert result.trace_id != trace and result.call_id == f"undo-{trace}"
    event = newest(thread.gateway)
    assert (event["kind"], event["trace_id"], event["tool_call_id"]) == ("finished", result.trace_id, f"undo-{trace}")
    assert (event["actor"]["user_id"], event["party"]) == ("u2", "contact:17")
    assert event["thread"].startswith("undo-") and event["thread"] != thread.id
    assert event["diff"]["after"] == {"stage": "new"}
    proposed = next(e.data for e in thread.gateway.audit.events(trace_id=result.trace_id))
    assert proposed["kind"] == "proposed" and proposed["reason"].startswith(f"Undo of {trace}: ")
    assert "Kowalska" not in str(world.dump(thread.gateway))
    assert [item["tool"] for item in thread.calls] == ["crm.set_stage"]


async def test_undo_has_an_async_twin(world: World) -> None:
    """From an event loop it is the same."""
    thread = opened(world)
    result = await thread.gateway.aundo(done(thread), by=world.sdr)
    assert (result.status, stage(world)) == ("executed", "new")


def test_it_can_be_looked_at_without_being_proposed(world: World) -> None:
    """The call is shown, and nothing is kept or run."""
    thread = opened(world)
    trace = done(thread)
    before = world.dump(thread.gateway)
    inverse = thread.gateway.undo_of(trace, by=world.sdr)
    assert (inverse.tool, inverse.args, inverse.of.trace_id) == (
        "crm.set_stage", {"deal_id": "42", "stage": "new"}, trace,
    )  # fmt: skip
    assert inverse.change.before == {"stage": "new"} and inverse.change.reference == "deal:42"
    assert (world.dump(thread.gateway), stage(world)) == (before, "won")


@pytest.mark.req("A7")
def test_it_is_decided_as_any_other_call(world: World) -> None:
    """Where the policy asks a person, a person is asked with the difference, and whoever asked for it may not answer."""
    thread = opened(world, mode="approve", approvers={"roles": ["manager", "sdr"], "not_requester": True})
    asked = thread.invoke("crm.set_stage", STAGE)
    thread.resume(str(asked.approval_id), "approve", by=world.boss)
    result = thread.gateway.undo(str(asked.trace_id), by=OTHER_SDR)
    assert (result.status, stage(world)) == ("pending", "won")
    approval = thread.gateway.approvals.get(str(result.approval_id))
    assert approval is not None and approval.requester == "u2"
    assert approval.shown["diff"] == {"before": {"stage": "won"}, "after": {"stage": "new"}}
    again = thread.gateway.thread(approval.thread)
    with pytest.raises(Exception, match="asked for this call"):
        again.resume(approval.id, "approve", by=OTHER_SDR)
    assert again.resume(approval.id, "approve", by=world.boss).status == "executed"
    assert stage(world) == "new"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"mode": {"dev": "suggest"}}, Code.SUGGESTED), ({"where": {"properties": {"stage": {"enum": ["won"]}}}}, None)],
    ids=["suggest", "where"],
)
def test_a_policy_that_forbids_the_way_back_is_kept(world: World, change: dict[str, Any], code: Code | None) -> None:
    """An undo has no rights of its own."""
    stages = replace(world.set_stage, undo=back)
    tools = [world.read_deal, world.create_task, stages, world.send_note]
    first = world.gateway(world.policy({"crm.set_stage": {"mode": "execute"}}), tools=tools, file=True)
    trace = done(first.open(world.sdr, party=world.anna))
    rules = {"crm.set_stage": {"mode": "execute"} | change}
    second = world.gateway(world.policy(rules), tools=tools, file=True)
    result = second.undo(trace, by=world.sdr)
    assert result.status in ("denied", "suggested") and result.code == (code or Code.ARGUMENT_NOT_PERMITTED)
    assert stage(world) == "won"


def test_its_thread_can_do_nothing_else(world: World) -> None:
    """The scope of the new thread is the one tool."""
    thread = opened(world, mode="approve")
    asked = thread.invoke("crm.set_stage", STAGE)
    thread.resume(str(asked.approval_id), "approve", by=world.boss)
    result = thread.gateway.undo(str(asked.trace_id), by=world.sdr)
    approval = thread.gateway.approvals.get(str(result.approval_id))
    assert approval is not None
    other = thread.gateway.thread(approval.thread)
    assert (other.row.scope, other.row.party) == (("crm.set_stage",), "contact:17")
    assert other.check("crm.read_deal", {"deal_id": "42"}).code == Code.OUT_OF_SCOPE


# ---- values


def phoned(change: Change) -> tuple[str, Mapping[str, Any]] | None:
    """A note about the number as it was."""
    number = (change.before or {}).get("phone")
    return None if number is None else ("messages.send", {"text": f"It was {number}."})


@pytest.mark.req("A2", "B16")
def test_values_go_from_thread_to_thread_as_pseudonyms(world: World) -> None:
    """What a field held before is known to the new thread with its origin, and stands raw in no table, event or
    result; the tool gets the value.
    """
    thread = opened(world, phoned)

    def other_phone() -> None:
        old = world.desk.deals["42"]
        world.desk.deals["42"] = replace(old, snapshot={**old.snapshot, "phone": "+48 601 234 567"})

    world.desk.after = other_phone
    trace = done(thread)
    world.desk.after = lambda: None
    inverse = thread.gateway.undo_of(trace, by=OTHER_SDR)
    result = thread.gateway.undo(trace, by=OTHER_SDR)
    assert result.status in ("executed", "pending"), result
    if result.status == "pending":
        approval = thread.gateway.approvals.get(str(result.approval_id))
        assert approval is not None
        result = thread.gateway.thread(approval.thread).resume(approval.id, "approve", by=world.boss)
    assert world.desk.effects[-1]["text"] == "It was +48 512 345 678."
    text = str(world.dump(thread.gateway)) + repr(result) + repr(inverse)
    assert not [value for value in RAW if value in text]


def test_another_persons_words_are_not_the_askers(world: World) -> None:
    """A value that the first user wrote is, in the thread of another person, one that was seen in the record."""
    thread = opened(world, phoned)
    thread.observe("Her number is +48 512 345 678.", origin="user", source="m1")
    world.desk.after = lambda: world.desk.deals.update(
        {"42": replace(world.desk.deals["42"], snapshot={**world.desk.deals["42"].snapshot, "phone": "none"})}
    )
    trace = done(thread)
    world.desk.after = lambda: None
    for by, origin in ((OTHER_SDR, False), (world.sdr, True)):
        thread.gateway.undo(trace, by=by)
        opened_ = [row["id"] for row in world.rows(thread.gateway, "threads") if row["id"].startswith("undo-")]
        entries = thread.gateway.thread(max(opened_)).vault().entries()
        (phone,) = [entry for entry in entries if entry.value == "+48 512 345 678"]
        assert ("user" in phone.origins, "trusted" in phone.origins) == (origin, True)


# ---- why not


@pytest.mark.parametrize(
    ("undo", "words"),
    [
        (None, "the contract of crm.set_stage names no way to undo it"),
        (lambda change: None, "knows no way back from this change"),
        (lambda change: 1 / 0, r"failed \(ZeroDivisionError\)"),
        (lambda change: "crm.set_stage", "gives no tool's name"),
        (lambda change: ("crm.set_stage", ["x"]), "gives no tool's name"),
        (lambda change: ("crm.gone", {}), "names a tool that the gateway does not have"),
    ],
    ids=["none", "no way", "fails", "text", "list", "unknown"],
)
def test_a_contract_that_says_nothing_usable_is_named(world: World, undo: Any, words: str) -> None:
    """Nothing is proposed, and the answer says what is missing."""
    thread = opened(world, undo)
    trace = done(thread)
    before = world.dump(thread.gateway)
    with pytest.raises(CannotUndo, match=words):
        thread.gateway.undo(trace, by=world.sdr)
    assert world.dump(thread.gateway) == before


def test_a_record_that_was_changed_since_is_left_alone(world: World) -> None:
    """The answer names the fields, not their values; a change elsewhere in the record is no reason."""
    thread = opened(world)
    trace = done(thread)
    old = world.desk.deals["42"]
    world.desk.deals["42"] = replace(old, snapshot={**old.snapshot, "title": "Vans"}, version="v9")
    assert thread.gateway.undo_of(trace, by=world.sdr).tool == "crm.set_stage"
    world.desk.change("42", "lost")
    with pytest.raises(CannotUndo, match=r"was changed since \(stage\); look at it, and change it by hand"):
        thread.gateway.undo(trace, by=world.sdr)
    del world.desk.deals["42"]
    with pytest.raises(CannotUndo, match="not there any more"):
        thread.gateway.undo(trace, by=world.sdr)
    world.desk.silent = ToolUnavailable(code="dns")
    with pytest.raises(CannotUndo, match=r"does not answer \(dns\)"):
        thread.gateway.undo(trace, by=world.sdr)


def test_an_undone_call_is_not_undone_again(world: World) -> None:
    """The second time the record is another one; what undid it can itself be undone, unless that is a duplicate."""
    thread = opened(world)
    trace = done(thread)
    first = thread.gateway.undo(trace, by=world.sdr)
    with pytest.raises(CannotUndo, match="changed since"):
        thread.gateway.undo(trace, by=world.sdr)
    redo = thread.gateway.undo(str(first.trace_id), by=world.sdr)
    assert (redo.status, stage(world)) == ("duplicate", "new")  # the same intent as the first, within its window
    world.clock.forward(seconds=25 * 3600)
    assert thread.gateway.undo(str(first.trace_id), by=world.sdr).status == "executed"
    assert stage(world) == "won"


def test_what_did_not_happen_or_change_anything_is_not_undone(world: World) -> None:
    """Denied, waiting, failed, unknown, read and without effect: each is said for what it is."""
    thread = opened(world)
    gateway = thread.gateway
    read = thread.invoke("crm.read_deal", {"deal_id": "42"})
    denied = thread.invoke("crm.set_stage", {"deal_id": "43", "stage": "won"})
    same = thread.invoke("crm.set_stage", {"deal_id": "42", "stage": "new"})
    for result, words in ((read, "only reads"), (denied, "it is denied"), (same, "did not change")):
        with pytest.raises(CannotUndo, match=words):
            gateway.undo(str(result.trace_id), by=world.sdr)

    def lost() -> None:
        raise OutcomeUnknown(code="reset")

    world.desk.before = lost
    unknown = thread.invoke("crm.set_stage", STAGE)
    world.desk.before = lambda: None
    with pytest.raises(CannotUndo, match="nobody knows yet whether it happened"):
        gateway.undo(str(unknown.trace_id), by=world.sdr)
    world.clock.forward(seconds=60)
    gateway.resolve(str(unknown.trace_id), "done", by=world.boss, reason="I looked", reference="deal:42")
    with pytest.raises(CannotUndo, match="what the record was before is not known"):
        gateway.undo(str(unknown.trace_id), by=world.sdr)
    for trace, by in (("T1", world.sdr), (str(same.trace_id), replace(world.sdr, tenant="other"))):
        with pytest.raises(UnknownCall):
            gateway.undo(trace, by=by)


def test_what_was_not_read_back_is_not_undone(world: World) -> None:
    """Without a recorded change there is nothing to turn back."""
    thread = opened(world)
    world.desk.after = lambda: setattr(world.desk, "silent", ToolUnavailable(code="dns"))
    trace = done(thread)
    world.desk.silent = None
    with pytest.raises(CannotUndo, match="not verified by reading the record back"):
        thread.gateway.undo(trace, by=world.sdr)


@pytest.mark.req("A13")
def test_a_record_that_was_tampered_with_undoes_nothing(world: World) -> None:
    """Where the chain does not hold, what it says of a change is not believed."""
    thread = opened(world)
    trace = done(thread)
    body = next(e for e in thread.gateway.audit.events(trace_id=trace) if e.data["kind"] == "finished")
    changed = body.body.replace(b'"before":{"stage":"new"}', b'"before":{"stage":"lost"}')
    assert changed != body.body
    table = "UPDATE audit SET body = :body WHERE id = :id"
    with thread.gateway.store.write(locks=["test"]) as connection:
        connection.execute(sa.text(table), {"body": changed, "id": body.id})
    with pytest.raises(CannotUndo, match="agent-guard audit verify"):
        thread.gateway.undo(trace, by=world.sdr)


@pytest.mark.req("A7")
def test_who_may_not_do_it_sees_nothing_of_it(world: World) -> None:
    """Without the role, or from another region, no thread is opened and no value is carried into one."""
    rule = {"region": "own"}
    thread = opened(world, **rule)
    trace = done(thread)
    before = world.dump(thread.gateway)
    for by, words in (
        (replace(OTHER_SDR, roles={"guest"}), "u2 may not use crm.set_stage"),
        (replace(OTHER_SDR, region="pl"), "another region"),
    ):
        with pytest.raises(CannotUndo, match=words):
            thread.gateway.undo(trace, by=by)
    assert world.dump(thread.gateway) == before


@pytest.mark.req("A7")
def test_the_directory_says_who_may(world: World) -> None:
    """A role that was taken away counts for nothing, and nobody's undo is nobody's."""

    class People:
        roles: frozenset[str] = frozenset({"sdr"})

        def lookup(self, tenant: str, subject: str) -> Subject | None:
            return replace(world.sdr, id=subject, roles=self.roles) if subject != "gone" else None

    people = People()
    thread = opened(world, directory=people)
    trace = done(thread)
    with pytest.raises(CannotUndo, match="gone may not use"):
        thread.gateway.undo(trace, by=replace(world.sdr, id="gone"))
    people.roles = frozenset()
    with pytest.raises(CannotUndo, match="u1 may not use"):
        thread.gateway.undo(trace, by=world.sdr)


@pytest.mark.req("A2")
def test_what_was_erased_is_not_put_back(world: World) -> None:
    """The conversation of a customer who was erased undoes nothing."""
    thread = opened(world)
    trace = done(thread)
    with thread.gateway.store.write(locks=["test"]) as connection:
        connection.execute(THREADS.update().values(erased=1))
    with pytest.raises(CannotUndo, match="was erased"):
        thread.gateway.undo(trace, by=world.sdr)


def test_a_pseudonym_that_nobody_minted_is_refused(world: World) -> None:
    """What an undo makes up is told, and nothing is proposed."""
    thread = opened(world, lambda change: ("messages.send", {"text": "<PERSON_77>"}))
    trace = done(thread)
    with pytest.raises(CannotUndo, match="a pseudonym that its thread does not have"):
        thread.gateway.undo(trace, by=world.sdr)


def test_undo_is_for_what_writes(world: World) -> None:
    """A read with an undo is refused when it is made."""
    with pytest.raises(ConfigError, match="undo is for tools that write"):
        replace(world.read_deal, undo=back)
