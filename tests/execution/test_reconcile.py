"""Reconcile: a call whose outcome nobody knows is asked for by its key, or a person says; nothing runs twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from agent_guard.credentials import MemoryCredentials
from agent_guard.errors import (
    ApprovalError,
    ConfigError,
    OutcomeUnknown,
    StoreError,
    ToolUnavailable,
    UnknownCall,
)
from agent_guard.guarded import GuardedThread
from agent_guard.tool import Tool
from agent_guard.types import Code, Description, Ref, Subject, ToolCall
from tests.conftest import Desk, NoteSent, StageSet, TaskMade, World

pytestmark = [pytest.mark.databases, pytest.mark.req("A6", "B17")]

TASK = {"deal_id": "42", "subject": "Call Anna Kowalska"}
STAGE = {"deal_id": "42", "stage": "won"}


def look(args: Any, desk: Any, idempotency_key: str) -> TaskMade | None:
    """What the desk wrote down under the key."""
    made = [item for item in desk.effects if item.get("key") == idempotency_key]
    return TaskMade(task_id=made[0]["n"], subject=made[0]["subject"]) if made else None


def look_at_deal(args: Any, desk: Any) -> StageSet | None:
    """The stage of a deal tells whether it was moved there."""
    stage = desk.deals[args.deal_id].snapshot["stage"]
    return StageSet(stage=stage) if stage == args.stage else None


def raising(error: BaseException) -> Callable[..., Any]:
    """A hook, or a look-up, that raises."""

    def hook(args: Any = None) -> Any:
        raise error

    return hook


def opened(world: World, changed: Tool | None = None, policy: Any = None, **options: Any) -> GuardedThread:
    """A thread at a gateway where tasks can be looked up, or where one tool is replaced."""
    mine = changed or replace(world.create_task, lookup=look)
    tools = [world.read_deal, world.create_task, world.set_stage, world.send_note]
    return world.thread(policy, tools=[mine if item.name == mine.name else item for item in tools], **options)


def lost(world: World, thread: GuardedThread, *, done: bool, tool: str = "crm.create_task", args: Any = None) -> str:
    """A call whose answer got lost, after its effect or before it; the trace of it. Its claim's lease is over."""
    hook = raising(OutcomeUnknown(code="reset"))
    world.desk.before, world.desk.after = (world.desk.before, hook) if done else (hook, world.desk.after)
    result = thread.invoke(tool, TASK if args is None else args)
    assert (result.status, result.trace_id is not None) == ("unknown", True)
    world.desk.before = world.desk.after = lambda: None
    world.clock.forward(seconds=60)
    return str(result.trace_id)


def row(world: World, thread: GuardedThread, trace: str) -> dict[str, Any]:
    """A call as it is stored."""
    return next(item for item in world.rows(thread.gateway, "calls") if item["trace_id"] == trace)


def last(thread: GuardedThread) -> dict[str, Any]:
    """The newest event of a thread."""
    return dict(thread.gateway.audit.events(thread=thread.id)[-1].data)


# ---- the system of record is asked


def test_what_is_found_is_done(world: World) -> None:
    """A call that happened is settled with its result, masked, and its record; it is not run again."""
    thread = opened(world)
    trace = lost(world, thread, done=True)
    result = thread.gateway.reconcile(trace)
    assert (result.status, result.code, result.reference) == ("executed", Code.ALLOWED, "task:1")
    assert result.content == {"task_id": "1", "subject": "Call <PERSON_1>"}
    stored = row(world, thread, trace)
    assert (stored["state"], stored["reference"]) == ("done", "task:1")
    assert stored["held_key"] == stored["key"]
    assert len(world.desk.effects) == 1
    assert "Kowalska" not in str(world.dump(thread.gateway))


@pytest.mark.req("A5", "A13")
def test_the_record_tells_what_was_found(world: World) -> None:
    """The event names both states and codes, how it became known, what was read back, and keeps the chain whole."""
    thread = opened(world)
    trace = lost(world, thread, done=True)
    asked = [event.data for event in thread.gateway.audit.events(trace_id=trace)]
    world.desk.change("42", "won")  # what the deal is by now is no part of what ran
    thread.gateway.reconcile(trace)
    event = last(thread)
    assert (event["kind"], event["trace_id"], event["note"], event["approver"]) == (
        "reconciled",
        trace,
        "adapter",
        None,
    )
    meta = event["result_meta"]
    assert meta["before"] == {"state": "unknown", "code": "outcome_unknown"}
    assert meta["after"] == {"state": "done", "code": "allowed"}
    assert (meta["verified"], meta["reference"], event["error"]) == (True, "task:1", None)
    assert event["diff"] == {
        "before": None,
        "after": {"subject": "Call <PERSON_1>"},
        "fields": {"subject": dict.fromkeys(("asked", "executed", "observed"), "Call <PERSON_1>")},
    }
    assert (event["digest"], event["idempotency_key"]) == (asked[0]["digest"], asked[0]["idempotency_key"])
    assert list(thread.gateway.audit.broken(thread.id)) == []


def test_what_is_not_found_did_not_happen(world: World) -> None:
    """A call that never happened has failed, its key is free, and the same intent may be proposed and done."""
    thread = opened(world)
    trace = lost(world, thread, done=False)
    result = thread.gateway.reconcile(trace)
    assert (result.status, result.code, result.stop) == ("failed", Code.NOT_EXECUTED, False)
    stored = row(world, thread, trace)
    assert (stored["state"], stored["held_key"]) == ("failed", None)
    assert last(thread)["error"] == {"class": "integration", "code": "not_executed", "detail": None}
    assert thread.invoke("crm.create_task", TASK).status == "executed"
    assert len(world.desk.effects) == 1


@pytest.mark.req("A3")
def test_its_places_in_the_limits_stay_taken(world: World) -> None:
    """A call that turned out not to have happened has used its attempt and its action."""
    limits = {"actions_per_thread": 1, "attempts_per_thread": 200, "steps_per_thread": 50}
    thread = opened(world, policy=world.policy(limits=limits))
    thread.gateway.reconcile(lost(world, thread, done=False))
    assert thread.invoke("crm.create_task", TASK).code is Code.LIMIT_ACTIONS


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    ("lookup", "words"),
    [
        (raising(OutcomeUnknown(code="two_hits")), "two_hits"),
        (raising(ToolUnavailable(code="dns")), "dns"),
        (raising(ValueError("Anna Kowalska")), "ValueError"),
        (raising(ToolUnavailable(code="Anna Kowalska said no")), "tool_error"),
        (raising(SystemExit(3)), "RuntimeError"),
        (lambda args, desk: "task 1", "TypeError"),
        (lambda args, desk: StageSet(stage="won"), "TypeError"),
        (None, "no look-up"),
    ],
    ids=["unknown", "unavailable", "broken", "telling", "exit", "text", "another model", "none"],
)
def test_what_cannot_tell_settles_nothing(world: World, lookup: Any, words: str) -> None:
    """Whatever a look-up does but answer, the call stays unknown, the agent stops and a person is asked for."""
    thread = opened(world, replace(world.create_task, lookup=lookup))
    trace = lost(world, thread, done=True)
    events = len(thread.gateway.audit.events(thread=thread.id))
    result = thread.gateway.reconcile(trace)
    assert (result.status, result.code, result.stop) == ("unknown", Code.OUTCOME_UNKNOWN, True)
    assert words in result.content and "person" in result.content and "Kowalska" not in result.content
    assert row(world, thread, trace)["state"] == "unknown"
    assert len(thread.gateway.audit.events(thread=thread.id)) == events
    assert thread.invoke("crm.create_task", TASK).code is Code.OUTCOME_UNKNOWN


@pytest.mark.req("A20")
def test_a_look_up_is_cut_off(world: World) -> None:
    """It has the tool's time-out, runs outside any transaction, and then cannot tell."""
    release = threading.Event()
    thread = opened(world, replace(world.create_task, timeout_s=0.05, lookup=lambda args, desk: release.wait(5)))
    trace = lost(world, thread, done=True)
    result = thread.gateway.reconcile(trace)
    release.set()
    assert "TimeoutError" in result.content
    assert row(world, thread, trace)["state"] == "unknown"


def test_the_look_up_gets_what_the_call_had(world: World) -> None:
    """Raw arguments, the call's own key, the subject and the resources; the key is the one the write was sent with."""
    seen: list[Any] = []

    def asked(args: Any, desk: Any, idempotency_key: str, subject: Subject) -> None:
        with thread.gateway.store.write(locks=["test"]):  # no transaction is open
            seen.append((args.subject, args.urgent, desk is world.desk, idempotency_key, subject.id))

    thread = opened(world, replace(world.create_task, lookup=asked))
    trace = lost(world, thread, done=True)
    thread.gateway.reconcile(trace)
    assert seen == [("Call Anna Kowalska", False, True, world.desk.effects[0]["key"], "u1")]


async def test_an_async_look_up_is_awaited(world: World) -> None:
    """It may be a coroutine."""

    async def asked(args: Any, desk: Any, idempotency_key: str) -> TaskMade | None:
        return look(args, desk, idempotency_key)

    thread = opened(world, replace(world.create_task, lookup=asked))
    assert thread.gateway.reconcile(lost(world, thread, done=True)).status == "executed"


def test_nothing_yet_is_not_never(world: World) -> None:
    """While the request may still be under way only a find counts; after the claim's lease a miss counts too."""
    thread = opened(world)
    world.desk.before = raising(OutcomeUnknown())
    trace = str(thread.invoke("crm.create_task", TASK).trace_id)
    world.desk.before = lambda: None
    early = thread.gateway.reconcile(trace)
    assert (early.status, "still come" in early.content) == ("unknown", True)
    with pytest.raises(ApprovalError, match=r"say so in \d+ seconds") as refused:
        thread.gateway.resolve(trace, "failed", by=world.boss, reason="I looked")
    assert refused.value.code is Code.IN_PROGRESS
    world.clock.forward(seconds=33)
    assert thread.gateway.reconcile(trace).code is Code.NOT_EXECUTED


@pytest.mark.req("A7", "B10")
def test_another_environments_call_is_not_looked_up(world: World) -> None:
    """Its systems know nothing of it, and what they do not know would be done again; nor does anybody say so there."""
    keys = MemoryCredentials()
    tools = [world.read_deal, replace(world.create_task, lookup=look), world.set_stage, world.send_note]
    prod = world.gateway(file=True, environment="prod", credentials=keys, tools=tools)
    thread = prod.open(world.sdr, party=world.anna)
    trace = lost(world, thread, done=True)
    other = Desk(world.folder / "other.jsonl")
    options: dict[str, Any] = {"resources": {"desk": other}, "records": other}
    dev = world.gateway(file=True, environment="dev", credentials=keys, tools=tools, **options)
    result = dev.reconcile(trace)
    assert (result.status, "made in prod, and this is dev" in str(result.content)) == ("unknown", True)
    with pytest.raises(ApprovalError, match="made in prod, and this is dev"):
        dev.resolve(trace, "failed", by=world.boss, reason="It is not in the list")
    assert row(world, thread, trace)["state"] == "unknown"
    assert prod.reconcile(trace).status == "executed"


def test_a_find_counts_at_once(world: World) -> None:
    """A record that is there is there, however young the claim is."""
    thread = opened(world)
    world.desk.after = raising(OutcomeUnknown())
    trace = str(thread.invoke("crm.create_task", TASK).trace_id)
    assert thread.gateway.reconcile(trace).status == "executed"


@pytest.mark.req("A14")
def test_what_is_found_is_checked(world: World) -> None:
    """A record that fails the tool's post-check settles nothing; one that passes is what the check was shown."""
    right = [False]

    def check(args: Any, result: Any, after: Description | None) -> str | None:
        return None if right[0] and after is not None else "subject_differs"

    thread = opened(world, replace(world.create_task, lookup=look, post_check=check))
    result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code) == ("unknown", Code.POST_CHECK_FAILED)
    trace = str(result.trace_id)
    again = thread.gateway.reconcile(trace)
    assert (again.status, again.code, "subject_differs" in again.content) == ("unknown", Code.POST_CHECK_FAILED, True)
    right[0] = True
    assert thread.gateway.reconcile(trace).status == "executed"


@pytest.mark.req("A5")
def test_a_changed_record_is_shown_as_it_is_now(world: World) -> None:
    """What a record was before the call is not known any more, and what it is now is not passed off as that."""
    thread = opened(
        world,
        replace(world.set_stage, lookup=look_at_deal),
        world.policy({"crm.set_stage": {"mode": "execute"}}),
    )
    # the tool moves the deal after its line is written, so that it is moved by hand here
    trace = lost(world, thread, done=True, tool="crm.set_stage", args=STAGE)
    world.desk.change("42", "won")
    assert thread.gateway.reconcile(trace).reference == "deal:42"
    assert last(thread)["diff"]["before"] is None
    assert last(thread)["diff"]["after"]["stage"] == "won"


def test_an_answer_that_cannot_be_recorded_settles_nothing(world: World) -> None:
    """Half a letter in what the system answers leaves the call unknown."""

    def half(args: Any, desk: Any) -> TaskMade:
        return TaskMade(task_id="1", subject="half of a letter \ud83d")

    thread = opened(world, replace(world.create_task, lookup=half))
    trace = lost(world, thread, done=True)
    result = thread.gateway.reconcile(trace)
    assert (result.status, "cannot be recorded" in result.content) == ("unknown", True)
    assert row(world, thread, trace)["state"] == "unknown"


# ---- what it meets


def test_a_call_that_was_settled_is_answered_from_its_row(world: World) -> None:
    """A second time changes nothing and asks nobody: done is a duplicate with its content, failed is failed."""
    thread = opened(world)
    done = lost(world, thread, done=True)
    thread.gateway.reconcile(done)
    events = len(thread.gateway.audit.events(thread=thread.id))
    again = thread.gateway.reconcile(done)
    assert (again.status, again.content) == ("duplicate", {"task_id": "1", "subject": "Call <PERSON_1>"})
    failed = lost(world, thread, done=False, args={"deal_id": "42", "subject": "Write"})
    thread.gateway.reconcile(failed)
    assert thread.gateway.reconcile(failed).code is Code.NOT_EXECUTED
    assert len(thread.gateway.audit.events(thread=thread.id)) == events + 5


def test_calls_that_never_ran_are_told_apart(world: World) -> None:
    """A waiting, denied or merely proposed call is not looked up."""
    thread = opened(world)
    waiting = thread.invoke("crm.set_stage", STAGE)
    denied = thread.invoke("crm.read_deal", {"deal_id": "44"})
    call = thread.masked_call("crm.create_task", TASK, "c9", None)
    proposed = thread.gateway.propose(thread.row, call).row.trace_id
    told = [thread.gateway.reconcile(str(item)) for item in (waiting.trace_id, denied.trace_id, proposed)]
    assert [(item.status, item.code) for item in told] == [
        ("denied", Code.APPROVAL_PENDING),
        ("denied", Code.REGION),
        ("denied", Code.NOT_EXECUTED),
    ]
    assert thread.gateway.execute(thread.row, call).status == "executed"


def test_an_unknown_trace_is_an_error(world: World) -> None:
    """A trace that nobody stored is named, with where to look."""
    thread = opened(world)
    with pytest.raises(UnknownCall, match="no call 'T1'; see: agent-guard calls list"):
        thread.gateway.reconcile("T1")
    with pytest.raises(UnknownCall):
        thread.gateway.resolve("T1", "done", by=world.boss, reason="I looked")


def test_a_running_call_is_left_alone(world: World) -> None:
    """Inside its lease a claim belongs to its worker; neither the system nor a person settles it."""
    thread = opened(world)
    told: list[Any] = []

    def meanwhile() -> None:
        trace = world.rows(thread.gateway, "calls")[0]["trace_id"]
        told.append(thread.gateway.reconcile(trace))
        with pytest.raises(ApprovalError, match="may still be under way"):
            thread.gateway.resolve(trace, "done", by=world.boss, reason="I looked")

    world.desk.after = meanwhile
    assert thread.invoke("crm.create_task", TASK).status == "executed"
    assert [(item.status, item.code) for item in told] == [("denied", Code.IN_PROGRESS)]


def claimed_and_left(world: World, thread: GuardedThread, *, done: bool) -> tuple[str, ToolCall]:
    """A call whose worker died in the middle, as the database shows it once its lease is over."""
    hook = raising(OutcomeUnknown())
    world.desk.before, world.desk.after = (world.desk.before, hook) if done else (hook, world.desk.after)
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    trace = thread.gateway.propose(thread.row, call).row.trace_id
    write, begun = thread.gateway.store.write, []

    def dying(**options: Any) -> Any:
        begun.append(1)
        if len(begun) == 2:
            raise StoreError("the worker is gone")
        return write(**options)

    thread.gateway.store.write = dying  # type: ignore[method-assign]
    assert thread.gateway.execute(thread.row, call).code is Code.STORE_UNAVAILABLE
    thread.gateway.store.write = write  # type: ignore[method-assign]
    world.desk.before = world.desk.after = lambda: None
    assert row(world, thread, trace)["state"] == "claimed"
    world.clock.forward(seconds=60)
    return trace, call


@pytest.mark.parametrize("done", [True, False])
def test_a_dead_workers_claim_becomes_unknown_first(world: World, done: bool) -> None:
    """The record has both steps: unknown, then reconciled; and the same call executed again is answered from its row."""
    thread = opened(world)
    trace, call = claimed_and_left(world, thread, done=done)
    assert thread.gateway.reconcile(trace).status == ("executed" if done else "failed")
    assert world.kinds(thread)[-2:] == ["unknown", "reconciled"]
    again = thread.gateway.execute(thread.row, call)
    assert again.status == ("duplicate" if done else "failed")
    assert again.content == ({"task_id": "1", "subject": "Call <PERSON_1>"} if done else again.content)
    assert again.code is (Code.DUPLICATE if done else Code.NOT_EXECUTED)
    assert len(world.desk.effects) == done


def test_a_stale_worker_settles_nothing(world: World) -> None:
    """A worker that comes back after its claim was reconciled is told that somebody else settled it."""
    thread = opened(world, file=True)
    other = opened(world, file=True).gateway
    told: list[Any] = []

    def slept() -> None:
        world.clock.forward(seconds=60)
        trace = world.rows(other, "calls")[0]["trace_id"]
        told.append(other.reconcile(trace))

    world.desk.after = slept
    late = thread.invoke("crm.create_task", TASK)
    assert [item.status for item in told] == ["executed"]
    assert (late.status, late.code, late.content) == ("unknown", Code.OUTCOME_UNKNOWN, "Somebody else settled it.")
    assert world.kinds(thread)[-2:] == ["unknown", "reconciled"]
    assert len(world.desk.effects) == 1


def test_a_worker_that_overslept_runs_nothing(world: World) -> None:
    """A run that could outlast its claim is not begun: a look-up after the lease would miss what it does."""
    for seconds, status in ((29.9, "executed"), (30.1, "failed")):
        thread = opened(world)
        read = thread.gateway.kill_switch.pressed

        def slow(scopes: Any, seconds: float = seconds, read: Any = read) -> Any:
            world.clock.forward(seconds=seconds)
            return read(scopes)

        thread.gateway.kill_switch.pressed = slow  # type: ignore[method-assign]
        assert thread.invoke("crm.create_task", TASK).status == status
    assert len(world.desk.effects) == 1


@pytest.mark.req("B7")
def test_of_many_reconcilers_one_settles(world: World) -> None:
    """Eight at once: one event, one state, and the others are told what became of it."""
    gate = threading.Barrier(8, timeout=20)

    def together(args: Any, desk: Any, idempotency_key: str) -> TaskMade | None:
        gate.wait()
        return look(args, desk, idempotency_key)

    thread = opened(world, replace(world.create_task, lookup=together), file=True)
    trace = lost(world, thread, done=True)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: thread.gateway.reconcile(trace).status, range(8)))
    assert sorted(told) == ["duplicate"] * 7 + ["executed"]
    assert world.kinds(thread).count("reconciled") == 1
    assert list(thread.gateway.audit.broken(thread.id)) == []


def test_a_pseudonym_that_another_process_took_is_minted_again(world: World) -> None:
    """What the thread learnt while the system was asked keeps its pseudonym, and what was found gets another."""

    def meanwhile(args: Any, desk: Any, idempotency_key: str) -> TaskMade:
        thread.observe("Write to zed@zed.example", origin="party", source="m2")
        return TaskMade(task_id="1", subject="Write to ann@new.example")

    thread = opened(world, replace(world.create_task, lookup=meanwhile))
    trace = lost(world, thread, done=True)
    result = thread.gateway.reconcile(trace)
    assert result.status == "executed"
    values = {entry.token: entry.value for entry in thread.vault().entries()}
    token = result.content["subject"].removeprefix("Write to ")
    assert values[token] == "ann@new.example" and "zed@zed.example" in values.values()


def test_a_store_that_fails_leaves_the_call_as_it_is(world: World) -> None:
    """The caller hears StoreError; the call can be reconciled later."""
    thread = opened(world)
    trace = lost(world, thread, done=True)
    write = thread.gateway.store.write
    thread.gateway.store.write = lambda **_: raising(StoreError("gone"))()  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        thread.gateway.reconcile(trace)
    thread.gateway.store.write = write  # type: ignore[method-assign]
    assert row(world, thread, trace)["state"] == "unknown"
    assert thread.gateway.reconcile(trace).status == "executed"


@pytest.mark.req("A31", "A2")
def test_a_button_stops_no_look_up_but_its_own_agents(world: World) -> None:
    """What was switched off because it failed can be looked into; a switched-off agent's keys are not used."""
    thread = opened(world)
    trace = lost(world, thread, done=True)
    thread.gateway.press("agent:default", reason="leaked", by="m7")
    assert "agent default is switched off" in thread.gateway.reconcile(trace).content
    thread.gateway.revive("agent:default", reason="fixed", by="m7")
    for scope in ("*", "tool:crm.create_task", "tenant:acme"):
        thread.gateway.press(scope, reason="drill", by="m7")
    assert thread.gateway.reconcile(trace).status == "executed"


def test_a_policy_that_changed_is_no_reason_not_to_look(world: World) -> None:
    """Arguments that the policy would not permit any more are those that ran; the record has the digest of then."""
    thread = opened(world, file=True)
    trace = lost(world, thread, done=True)
    stricter = world.policy({"crm.create_task": {"where": {"properties": {"subject": {"maxLength": 3}}}}})
    assert opened(world, policy=stricter, file=True).gateway.reconcile(trace).status == "executed"
    assert last(thread)["digest"] == row(world, thread, trace)["digest"]


@pytest.mark.parametrize("change", ["gone", "erased"])
def test_a_call_that_cannot_be_read_any_more_needs_a_person(world: World, change: str) -> None:
    """Without the tool, or without the values behind its pseudonyms, nobody can be asked."""
    thread = opened(world, file=True)
    trace = lost(world, thread, done=True)
    gateway = thread.gateway
    if change == "erased":
        with gateway.store.write(locks=["test"]) as connection:
            connection.exec_driver_sql("DELETE FROM vault_keys")
    else:
        tools = [world.read_deal, world.set_stage, world.send_note]
        policy = world.policy()
        policy = policy.model_copy(update={"tools": {name: policy.tools[name] for name in (t.name for t in tools)}})
        gateway = world.gateway(policy, tools=tools, file=True)
    result = gateway.reconcile(trace)
    assert (result.status, "any more" in result.content) == ("unknown", True)


def test_a_read_that_died_has_failed(world: World) -> None:
    """A look leaves nothing behind, so there is nothing to look up: it may be asked again."""
    thread = opened(world)
    call = thread.masked_call("crm.read_deal", {"deal_id": "42"}, "c1", None)
    trace = thread.gateway.propose(thread.row, call).row.trace_id
    with thread.gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("UPDATE calls SET state = 'claimed', lease = 1")
    assert thread.gateway.reconcile(trace).code is Code.NOT_EXECUTED


# ---- a person says


def test_a_person_says_that_it_was_done(world: World) -> None:
    """With the record it made: read back, recorded with name and masked words; the next try is a duplicate of it."""
    thread = opened(world, world.create_task)
    trace = lost(world, thread, done=True)
    reason = "Anna Kowalska has the task"
    result = thread.gateway.resolve(trace, "done", by=world.boss, reason=reason, reference="task:1")
    assert (result.status, result.reference) == ("executed", "task:1")
    event = last(thread)
    assert (event["kind"], event["note"], event["approver"]) == ("reconciled", "person", "m7")
    assert event["reason"] == "<PERSON_1> has the task"
    assert event["result_meta"]["after"] == {"state": "done", "code": "allowed"}
    assert event["result_meta"]["verified"] is True
    assert event["diff"]["after"] == {"subject": "Call <PERSON_1>"}
    again = thread.invoke("crm.create_task", TASK)
    assert (again.status, again.reference) == ("duplicate", "task:1")
    assert "Kowalska" not in str(world.dump(thread.gateway))
    assert len(world.desk.effects) == 1


def test_a_person_says_that_it_was_not_done(world: World) -> None:
    """The call has failed and its key is free."""
    thread = opened(world, world.create_task)
    trace = lost(world, thread, done=False)
    result = thread.gateway.resolve(trace, "failed", by=world.boss, reason="It is not in the list")
    assert (result.status, result.code) == ("failed", Code.NOT_EXECUTED)
    assert thread.invoke("crm.create_task", TASK).status == "executed"


def test_a_person_speaks_of_a_dead_workers_call_too(world: World) -> None:
    """A claim whose lease is over becomes unknown, and is resolved, in one go."""
    thread = opened(world, world.create_task)
    trace, _ = claimed_and_left(world, thread, done=True)
    assert thread.gateway.resolve(trace, "done", by=world.boss, reason="I see it").status == "executed"
    assert world.kinds(thread)[-2:] == ["unknown", "reconciled"]


@pytest.mark.req("A12", "B5")
@pytest.mark.parametrize(
    ("by", "rule", "code"),
    [
        (World.sdr, {}, Code.APPROVER_NOT_PERMITTED),
        (Subject(id="u1", tenant="acme", roles={"manager"}), {"not_requester": True}, Code.APPROVER_NOT_PERMITTED),
        (Subject(id="anonymous", tenant="acme", roles={"manager"}), {}, Code.APPROVER_UNKNOWN),
        (World.boss, None, Code.APPROVER_UNKNOWN),
    ],
    ids=["another role", "the requester", "nobody in particular", "no approvers"],
)
def test_only_an_approver_may_say(world: World, by: Subject, rule: Any, code: Code) -> None:
    """The rules are those of an approval; a refused try is in the record, and the call stays unknown."""
    approvers = None if rule is None else {"roles": ["manager"], "expires": "24h"} | rule
    thread = opened(world, world.create_task, world.policy({"crm.create_task": {"approvers": approvers}}))
    trace = lost(world, thread, done=True)
    with pytest.raises(ApprovalError) as refused:
        thread.gateway.resolve(trace, "done", by=by, reason="I looked")
    assert refused.value.code is code
    assert (last(thread)["kind"], last(thread)["approver"], last(thread)["error"]["code"]) == ("refused", by.id, code)
    assert row(world, thread, trace)["state"] == "unknown"


def test_another_tenants_call_is_not_there(world: World) -> None:
    """A person of another company is told what anybody is told of a trace that does not exist, and nothing is written."""
    thread = opened(world, world.create_task)
    trace = lost(world, thread, done=True)
    before = world.dump(thread.gateway)
    with pytest.raises(UnknownCall):
        thread.gateway.resolve(trace, "done", by=world.stranger, reason="I looked")
    assert world.dump(thread.gateway) == before


class People:
    """A directory in which the manager's rights can change."""

    def __init__(self) -> None:
        self.roles: Any = {"manager"}

    def lookup(self, tenant: str, subject: str) -> Subject | None:
        if isinstance(self.roles, Exception):
            raise self.roles
        roles = {"sdr"} if subject == "u1" else self.roles
        return Subject(id=subject, tenant=tenant, roles=roles, region="kz") if roles else None


@pytest.mark.req("B5")
def test_the_directory_is_asked(world: World) -> None:
    """Roles that were revoked do not count, nor do those of a directory that is silent."""
    people = People()
    thread = opened(world, world.create_task, directory=people)
    trace = lost(world, thread, done=True)
    for roles, code in (
        (set(), Code.APPROVER_NOT_PERMITTED),
        ({"sdr"}, Code.APPROVER_NOT_PERMITTED),
        (OSError("ldap"), Code.APPROVER_UNKNOWN),
    ):
        people.roles = roles
        with pytest.raises(ApprovalError) as refused:
            thread.gateway.resolve(trace, "done", by=world.boss, reason="I looked")
        assert refused.value.code is code
    people.roles = {"manager"}
    assert thread.gateway.resolve(trace, "done", by=world.boss, reason="I looked").status == "executed"


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"word": "unknown"}, Code.ANSWER_UNREADABLE),
        ({"reason": "  "}, Code.REASON_MISSING),
        ({"reason": None}, Code.REASON_MISSING),
        ({"reference": "task"}, Code.ANSWER_UNREADABLE),
        ({"reference": "task: 1"}, Code.ANSWER_UNREADABLE),
        ({"reference": "task:1", "word": "failed"}, Code.ANSWER_UNREADABLE),
        ({"reference": "task:anna@kowalska.example"}, Code.RECORD_NOT_FOUND),
        ({"reference": "note:1"}, Code.RECORD_NOT_FOUND),
        ({"reference": "deal:43"}, Code.BINDING),
        ({"reference": "deal:44"}, Code.RECORD_NOT_FOUND),
    ],
    ids=repr,
)
def test_what_cannot_be_so_is_refused(world: World, given: dict[str, Any], code: Code) -> None:
    """A word, a reason or a record that is none is refused by name and without its value; the call stays unknown."""
    world.desk.deals["44"] = replace(world.desk.deals["44"], tenant="other")
    thread = opened(world, world.create_task)
    trace = lost(world, thread, done=True)
    more = {"word": "done", "reason": "I looked"} | given
    with pytest.raises(ApprovalError) as refused:
        thread.gateway.resolve(trace, more.pop("word"), by=world.boss, **more)
    assert refused.value.code is code
    assert "kowalska" not in str(refused.value)
    assert row(world, thread, trace)["state"] == "unknown"


def test_a_system_of_record_that_is_silent_is_asked_later(world: World) -> None:
    """A record that cannot be looked at is not believed."""
    thread = opened(world, world.create_task)
    trace = lost(world, thread, done=True)
    world.desk.silent = ToolUnavailable(code="dns")
    with pytest.raises(ApprovalError, match=r"does not answer \(dns\)") as refused:
        thread.gateway.resolve(trace, "done", by=world.boss, reason="I looked", reference="task:1")
    assert refused.value.code is Code.TOOL_UNAVAILABLE
    world.desk.silent = None
    assert thread.gateway.resolve(trace, "done", by=world.boss, reason="I looked", reference="task:1").reference


def test_without_a_system_of_record_the_person_is_believed(world: World) -> None:
    """The reference is kept, and recorded as not verified."""
    policy = world.policy({"messages.send": {"bind": {}}})
    policy = policy.model_copy(update={"tools": {"messages.send": policy.tools["messages.send"]}})
    thread = world.thread(policy, tools=[world.send_note], records=None)
    trace = lost(world, thread, done=True, tool="messages.send", args={"text": "Hello"})
    result = thread.gateway.resolve(trace, "done", by=world.boss, reason="I saw it", reference="note:1")
    assert (result.reference, last(thread)["result_meta"]["verified"]) == ("note:1", False)


def test_a_call_is_resolved_once(world: World) -> None:
    """Whoever comes second is told what it is already, and nothing is recorded."""
    thread = opened(world, world.create_task)
    trace = lost(world, thread, done=True)
    thread.gateway.resolve(trace, "done", by=world.boss, reason="I looked")
    before = world.dump(thread.gateway)
    for word in ("done", "failed"):
        with pytest.raises(ApprovalError, match="is done; only a call") as refused:
            thread.gateway.resolve(trace, word, by=world.boss, reason="I looked")
        assert refused.value.code is Code.APPROVAL_USED
    assert world.dump(thread.gateway) == before


def test_a_person_and_the_system_do_not_both_settle(world: World) -> None:
    """Where a look-up settles the call while a person speaks, the person is told so."""
    thread = opened(world)
    trace = lost(world, thread, done=True)
    gateway, describe = thread.gateway, world.desk.describe
    raced: list[int] = []

    def meanwhile(ref: Ref) -> Description | None:
        if ref.kind == "task" and not raced:
            raced.append(1)
            gateway.reconcile(trace)
        return describe(ref)

    world.desk.describe = meanwhile  # type: ignore[method-assign]
    with pytest.raises(ApprovalError) as refused:
        gateway.resolve(trace, "done", by=world.boss, reason="I looked", reference="task:1")
    assert refused.value.code is Code.APPROVAL_USED
    assert world.kinds(thread).count("reconciled") == 1


# ---- the contract


@pytest.mark.req("B3", "B18")
def test_a_look_up_that_cannot_work_is_refused_when_the_tool_is_made(world: World) -> None:
    """It is for writes, and asks for nothing that the tool itself does not take."""
    with pytest.raises(ConfigError, match=r"'crm.read_deal'.*for tools that write"):
        replace(world.read_deal, lookup=look_at_deal)
    with pytest.raises(ConfigError, match="lookup asks for 'crm', which the function itself does not take"):
        replace(world.create_task, lookup=lambda args, crm: None)
    with pytest.raises(ConfigError, match="lookup asks for 'rendered'"):
        replace(world.create_task, lookup=lambda args, rendered: None)
    replace(world.set_stage, lookup=lambda args, desk, idempotency_key, subject, secrets: None)


def test_a_look_up_needs_less_than_the_tool(world: World) -> None:
    """A tool that renders its text and takes it is looked up by its key alone."""
    sent: list[str] = []

    def send(args: Any, desk: Any, rendered: str, idempotency_key: str) -> NoteSent:
        sent.append(idempotency_key)
        raise OutcomeUnknown

    def sent_already(args: Any, idempotency_key: str) -> NoteSent | None:
        return NoteSent(text=args.text) if idempotency_key in sent else None

    changed = replace(world.send_note, run=send, render=lambda args, desk: args.text, lookup=sent_already)
    thread = opened(world, changed)
    result = thread.invoke("messages.send", {"text": "Hello"})
    assert result.status == "unknown"
    assert thread.gateway.reconcile(str(result.trace_id)).content == {"text": "Hello"}
