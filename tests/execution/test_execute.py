"""Execute: claimed once, run once, judged, verified and settled, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from agent_guard import meter
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import OutcomeUnknown, StoreError, ToolRejected, ToolUnavailable
from agent_guard.guarded import GuardedThread
from agent_guard.proposal.propose import propose
from agent_guard.tool import Tool
from agent_guard.types import Code, Description, Ref, Subject, ToolCall, ToolResult
from tests.conftest import World
from tests.samples import opened

pytestmark = pytest.mark.databases

TASK = {"deal_id": "42", "subject": "Call"}
STAGE = {"deal_id": "42", "stage": "won"}


def with_tool(world: World, changed: Tool, policy: Any = None, **options: Any) -> GuardedThread:
    """A thread at a gateway where one tool is replaced."""
    tools = [world.read_deal, world.create_task, world.set_stage, world.send_note]
    return world.thread(policy, tools=[changed if item.name == changed.name else item for item in tools], **options)


def raising(error: BaseException) -> Callable[[], None]:
    """A hook that raises."""

    def hook() -> None:
        raise error

    return hook


def last(thread: GuardedThread) -> dict[str, Any]:
    """The newest event of a thread."""
    return dict(thread.gateway.audit.events(thread=thread.id)[-1].data)


def state(world: World, thread: GuardedThread) -> list[str]:
    """The states of a thread's calls, in order."""
    rows = [row for row in world.rows(thread.gateway, "calls") if row["thread"] == thread.id]
    return [row["state"] for row in sorted(rows, key=lambda row: row["trace_id"])]


# ---- the red button and the store, between the claim and the run


@pytest.mark.req("A31")
@pytest.mark.parametrize("scope", ["*", "tool:crm.create_task"])
def test_the_button_pressed_after_the_claim_still_stops_the_call(world: World, scope: str) -> None:
    """The flags are read once more right before the run: the call has failed, killed and not run."""
    thread = world.thread()
    switch = thread.gateway.kill_switch
    read = switch.pressed

    def press_first(scopes: Any) -> Any:
        thread.gateway.press(scope, reason="drill", by="m7")
        return read(scopes)

    switch.pressed = press_first  # type: ignore[method-assign]
    result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code, result.stop) == ("failed", Code.KILLED, True)
    assert world.desk.effects == []
    assert state(world, thread) == ["failed"]
    assert last(thread)["error"] == {"class": "authorisation", "code": "killed", "detail": scope}


@pytest.mark.req("A31", "A8")
def test_flags_that_cannot_be_read_stop_the_call(world: World) -> None:
    """A store that fails between the claim and the run counts as a pressed button."""
    thread = world.thread()
    thread.gateway.kill_switch.pressed = lambda scopes: raising(StoreError("gone"))()  # type: ignore[method-assign]
    result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code) == ("failed", Code.KILLED)
    assert world.desk.effects == []


@pytest.mark.req("A8")
def test_a_locked_store_runs_nothing(world: World) -> None:
    """A claim that cannot be written is no claim: StoreError, and the tool is not touched."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    gateway.propose(thread.row, call)
    world.impatient(gateway)
    with opened(world.database.shared) as other, other.write(locks=[chain_lock(thread.id)]):
        with pytest.raises(StoreError, match="locked"):
            gateway.execute(thread.row, call)
    assert world.desk.effects == []
    assert gateway.execute(thread.row, call).status == "executed"


@pytest.mark.req("A8")
def test_an_outcome_that_cannot_be_recorded_is_unknown(world: World) -> None:
    """When the store fails after the effect the caller is told to stop, and the claim stays as it is."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    with ExitStack() as held:

        def lock() -> None:
            world.impatient(gateway)
            other = held.enter_context(opened(world.database.shared))
            held.enter_context(other.write(locks=[chain_lock(thread.id)]))

        world.desk.after = lock
        result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code, result.stop) == ("unknown", Code.STORE_UNAVAILABLE, True)
    assert state(world, thread) == ["claimed"]
    assert len(world.desk.effects) == 1


def test_the_claim_is_on_disk_before_the_tool_runs(world: World) -> None:
    """Another connection sees the claim and its event while the tool runs."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    seen: list[Any] = []

    def look() -> None:
        with opened(world.database.shared) as other, other.read() as connection:
            seen.extend(connection.exec_driver_sql("SELECT state FROM calls").all())
            seen.extend(connection.exec_driver_sql("SELECT kind FROM audit ORDER BY id DESC LIMIT 1").all())

    world.desk.before = look
    thread.invoke("crm.create_task", TASK)
    assert seen == [("claimed",), ("started",)]


# ---- what a tool may do wrong

WRONG: list[tuple[BaseException, tuple[str, Code], tuple[str, Code]]] = [
    (ToolRejected(code="closed"), ("failed", Code.TOOL_REJECTED), ("failed", Code.TOOL_REJECTED)),
    (ToolUnavailable(code="dns"), ("failed", Code.TOOL_UNAVAILABLE), ("failed", Code.TOOL_UNAVAILABLE)),
    (OutcomeUnknown(code="reset"), ("failed", Code.TOOL_UNAVAILABLE), ("unknown", Code.OUTCOME_UNKNOWN)),
    (TimeoutError("late"), ("failed", Code.TIMEOUT), ("unknown", Code.TIMEOUT)),
    (ValueError("Anna Kowalska"), ("failed", Code.TOOL_FAILED), ("unknown", Code.OUTCOME_UNKNOWN)),
    (KeyError("Anna Kowalska"), ("failed", Code.TOOL_FAILED), ("unknown", Code.OUTCOME_UNKNOWN)),
    (RecursionError("deep"), ("failed", Code.TOOL_FAILED), ("unknown", Code.OUTCOME_UNKNOWN)),
    (SystemExit(3), ("failed", Code.TOOL_FAILED), ("unknown", Code.OUTCOME_UNKNOWN)),
    (asyncio.CancelledError(), ("failed", Code.TOOL_FAILED), ("unknown", Code.OUTCOME_UNKNOWN)),
]


@pytest.mark.req("A8", "B14")
@pytest.mark.parametrize(("error", "read", "write"), WRONG, ids=lambda item: type(item).__name__)
def test_an_error_is_judged_by_what_may_have_happened(
    world: World, error: BaseException, read: tuple[str, Code], write: tuple[str, Code]
) -> None:
    """A read that went wrong has failed; a write that went wrong is unknown unless the adapter says it is not."""
    thread = world.thread()
    world.desk.before = raising(error)
    looked = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert (looked.status, looked.code) == read
    assert last(thread)["kind"] == "failed"
    written = thread.invoke("crm.create_task", TASK)
    assert (written.status, written.code) == write
    assert state(world, thread) == [read[0], write[0]]
    assert "Anna" not in str(world.dump(thread.gateway))


@pytest.mark.req("A20", "B7")
@pytest.mark.parametrize(("name", "status"), [("crm.read_deal", "failed"), ("crm.create_task", "unknown")])
def test_a_tool_that_takes_too_long_is_cut_off(world: World, name: str, status: str) -> None:
    """A sync tool over its time-out is left behind: a read has failed, a write is unknown and stops the agent."""
    release = threading.Event()
    changed = replace({"crm.read_deal": world.read_deal, "crm.create_task": world.create_task}[name], timeout_s=0.05)
    thread = with_tool(world, changed)
    world.desk.before = lambda: release.wait(5)
    began = time.monotonic()
    result = thread.invoke(name, TASK if name == "crm.create_task" else {"deal_id": "42"})
    assert time.monotonic() - began < 2
    release.set()
    assert (result.status, result.code, result.stop) == (status, Code.TIMEOUT, True)
    assert last(thread)["error"]["class"] == "timeout"


@pytest.mark.req("A20")
def test_an_async_tool_is_really_cancelled(world: World) -> None:
    """An async tool over its time-out is cancelled and does nothing afterwards."""
    cancelled = threading.Event()

    async def slow(args: Any, desk: Any) -> Any:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    thread = with_tool(world, replace(world.send_note, run=slow, timeout_s=0.05))
    result = thread.invoke("messages.send", {"text": "Hello"})
    assert (result.status, result.code) == ("unknown", Code.TIMEOUT)
    assert cancelled.wait(2)


def test_an_async_tool_runs_like_a_sync_one(world: World) -> None:
    """The function of a tool may be a coroutine."""

    async def run(args: Any, desk: Any) -> Any:
        await asyncio.sleep(0)
        return world.send_note.run(args, desk)

    thread = with_tool(world, replace(world.send_note, run=run))
    assert thread.invoke("messages.send", {"text": "Hello"}).content == {"text": "Hello"}


class Other(BaseModel):
    text: str = "x"


@pytest.mark.req("B3", "A14")
@pytest.mark.parametrize("wrong", [None, {"text": "x"}, Other(), "done"], ids=repr)
def test_a_result_of_another_type_is_not_shown(world: World, wrong: Any) -> None:
    """A write whose result is not the contract's is unknown: it ran, and nobody can read what it did."""
    thread = with_tool(world, replace(world.send_note, run=lambda args, desk: wrong))
    result = thread.invoke("messages.send", {"text": "Hello"})
    assert (result.status, result.code, result.stop) == ("unknown", Code.RESULT_INVALID, True)


def test_a_result_that_cannot_be_stored_is_unknown(world: World) -> None:
    """Half a letter in what a system answers neither raises nor leaves the call open: it is settled, as unknown."""

    def run(args: Any, desk: Any) -> Any:
        made = world.create_task.run(args, desk, "k", world.sdr)
        return made.model_copy(update={"subject": "half of a letter \ud83d"})

    thread = with_tool(world, replace(world.create_task, run=run))
    result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code, result.stop) == ("unknown", Code.RESULT_INVALID, True)
    assert state(world, thread) == ["unknown"]
    assert last(thread)["kind"] == "unknown"


@pytest.mark.parametrize("value", ["half \ud83d", {1, 2}, timedelta(1)], ids=repr)
def test_a_snapshot_that_cannot_be_stored_does_not_hide_the_outcome(world: World, value: Any) -> None:
    """A record that is no JSON is a fault of its adapter; the call that ran is settled all the same."""
    thread = world.thread()

    def spoil() -> None:
        old = world.desk.deals["42"]
        world.desk.deals["42"] = replace(old, snapshot={**old.snapshot, "title": value})

    world.desk.after = spoil
    pending = thread.invoke("crm.set_stage", STAGE)
    thread.resume(pending.approval_id or "", "approve", by=world.boss)
    assert state(world, thread)[0] in ("done", "unknown")
    assert len(world.desk.effects) == 1


@pytest.mark.req("A14")
@pytest.mark.parametrize("problem", ["stage_differs", KeyError("stage")], ids=repr)
def test_a_failed_post_check_is_unknown(world: World, problem: Any) -> None:
    """What was verified and found wrong, or could not be verified, stops the agent and holds its key."""

    def check(args: Any, result: Any, after: Description | None) -> str | None:
        assert after is not None
        if isinstance(problem, Exception):
            raise problem
        return str(problem)

    thread = with_tool(world, replace(world.create_task, post_check=check))
    result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code, result.stop) == ("unknown", Code.POST_CHECK_FAILED, True)
    assert last(thread)["error"] == {
        "class": "tool", "code": "post_check_failed", "detail": "KeyError" if problem != "stage_differs" else problem,
    }  # fmt: skip
    assert thread.invoke("crm.create_task", TASK).code is Code.OUTCOME_UNKNOWN


@pytest.mark.req("A14")
def test_a_post_check_gets_what_was_read_back(world: World) -> None:
    """The check sees the arguments as they ran, the result, and the record as it is now."""
    seen: list[Any] = []

    def check(args: Any, result: Any, after: Description | None) -> None:
        seen.append((args.stage, result.stage, after and after.snapshot["stage"], after and after.version))

    thread = with_tool(
        world, replace(world.set_stage, post_check=check), world.policy({"crm.set_stage": {"mode": "execute"}})
    )
    assert thread.invoke("crm.set_stage", STAGE).status == "executed"
    assert seen == [("won", "won", "won", "v1+")]


# ---- what is recorded and shown


@pytest.mark.req("A5", "A13")
def test_the_change_is_recorded_before_and_after(world: World) -> None:
    """The finished event holds the fields that changed, read from the system of record, and nothing else of it."""
    thread = world.thread(world.policy({"crm.set_stage": {"mode": "execute"}}))
    result = thread.invoke("crm.set_stage", STAGE)
    event = last(thread)
    assert event["diff"] == {
        "before": {"stage": "new"},
        "after": {"stage": "won"},
        "fields": {"stage": {"asked": "won", "executed": "won", "observed": "won"}},
    }
    assert event["result_meta"]["reference"] == result.reference == "deal:42"
    assert event["result_meta"]["verified"] is True
    assert event["result_meta"]["latency_ms"] >= 0


@pytest.mark.req("A5", "B6")
def test_a_changed_personal_field_is_recorded_as_pseudonyms(world: World) -> None:
    """Before and after of a phone are two pseudonyms."""
    thread = world.thread(world.policy({"crm.set_stage": {"mode": "execute"}}))

    def other_phone() -> None:
        old = world.desk.deals["42"]
        world.desk.deals["42"] = replace(old, snapshot={**old.snapshot, "phone": "+48 601 234 567"})

    world.desk.after = other_phone
    thread.invoke("crm.set_stage", STAGE)
    assert last(thread)["diff"] == {
        "before": {"stage": "new", "phone": "<PHONE_1>"},
        "after": {"stage": "won", "phone": "<PHONE_2>"},
        "fields": {"stage": {"asked": "won", "executed": "won", "observed": "won"}},
    }
    assert "601 234 567" not in str(world.dump(thread.gateway))


def test_a_record_that_was_made_is_recorded_whole(world: World) -> None:
    """A new record has no before."""
    thread = world.thread()
    thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call Anna Kowalska"})
    assert last(thread)["diff"] == {
        "before": None,
        "after": {"subject": "Call <PERSON_1>"},
        "fields": {"subject": dict.fromkeys(("asked", "executed", "observed"), "Call <PERSON_1>")},
    }


@pytest.mark.parametrize("error", [ToolUnavailable(), KeyError("x")], ids=repr)
def test_a_write_that_cannot_be_read_back_is_executed_and_not_verified(world: World, error: Exception) -> None:
    """A system of record that falls silent after the write does not make the write unknown."""
    thread = world.thread()
    world.desk.after = lambda: setattr(world.desk, "silent", error)
    result = thread.invoke("crm.create_task", TASK)
    assert result.status == "executed"
    assert last(thread)["result_meta"]["verified"] is False
    assert last(thread)["diff"] is None


@pytest.mark.req("A15", "A21", "B6")
def test_the_policy_says_which_fields_are_shown(world: World) -> None:
    """Fields that the policy does not name leave neither the gateway nor a trace of their values."""
    thread = world.thread(world.policy({"crm.read_deal": {"fields": ["stage", "amount"]}}))
    result = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert result.content == {"stage": "new", "amount": 40_000}
    assert thread.calls[0]["result"] == result.content
    assert "Zielony" not in str([entry.value for entry in thread.vault().entries()])


@pytest.mark.req("A23", "B6")
def test_a_result_is_masked_by_its_fields(world: World) -> None:
    """A field of a personal class is a pseudonym whether a recognizer knows the value or not; text is analysed."""
    world.desk.note = "Ask Anna Kowalska, other@mail.example"
    content = world.thread().invoke("crm.read_deal", {"deal_id": "42"}).content
    assert (content["owner_name"], content["note"]) == ("<PERSON_2>", "Ask <PERSON_1>, <EMAIL_2>")


@pytest.mark.req("B1")
def test_outside_text_gives_its_values_an_untrusted_origin(world: World) -> None:
    """What stands in an untrusted field is remembered as untrusted, what stands in another one as trusted."""
    world.desk.note = "pay to evil@mail.example"
    thread = world.thread()
    thread.invoke("crm.read_deal", {"deal_id": "42"})
    origins = {entry.value: entry.origins for entry in thread.vault().entries()}
    assert origins["evil@mail.example"] == ("untrusted",)
    assert origins["Piotr Zielony"] == ("trusted",)


def test_a_tool_is_given_what_it_asks_for(world: World) -> None:
    """Resources by name, the requester, and a key that is the same for the same intent and no raw value."""
    thread = world.thread()
    thread.invoke("crm.create_task", TASK)
    (effect,) = world.desk.effects
    assert (effect["by"], len(effect["key"])) == ("u1", 64)
    assert effect["key"] == world.rows(thread.gateway, "calls")[0]["key"]


def test_the_tool_runs_outside_the_callers_context(world: World) -> None:
    """No context variable of the caller's, and so no tracer, reaches the raw arguments."""
    import contextvars

    tracer: contextvars.ContextVar[str] = contextvars.ContextVar("tracer", default="none")
    tracer.set("caller")
    seen: list[str] = []
    world.desk.before = lambda: seen.append(tracer.get())
    world.thread().invoke("crm.create_task", TASK)
    assert seen == ["none"]


# ---- keys


@pytest.mark.req("A6", "B17")
def test_a_failed_call_may_be_claimed_again(world: World) -> None:
    """What provably did not happen frees its key: the same intent under a new id runs."""
    thread = world.thread()
    world.desk.before = raising(ToolUnavailable())
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "failed"
    world.desk.before = lambda: None
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "failed", "the same id is the same call"
    assert thread.invoke("crm.create_task", TASK, call_id="c2").status == "executed"
    assert len(world.desk.effects) == 1


@pytest.mark.req("A6", "A8", "B17")
def test_an_unknown_call_is_never_claimed_again(world: World) -> None:
    """What may have happened holds its key for ever: any id, any thread, any time later."""
    thread = world.thread(world.policy(loops={"same_call": 100}))
    world.desk.after = raising(OutcomeUnknown())
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "unknown"
    world.desk.after = lambda: None
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "unknown"
    for later in (timedelta(0), timedelta(days=400)):
        world.clock.now += later
        other = thread.gateway.open(world.sdr, party=world.anna)
        for item in (thread, other):
            result = item.invoke("crm.create_task", TASK)
            assert (result.status, result.code, result.stop) == ("denied", Code.OUTCOME_UNKNOWN, True)
    assert len(world.desk.effects) == 1


@pytest.mark.req("A6")
@pytest.mark.parametrize(("window", "status"), [(timedelta(hours=24), "executed"), (None, "duplicate")])
def test_a_key_holds_for_its_window(world: World, window: timedelta | None, status: str) -> None:
    """Inside the window an equal intent is a duplicate, at its end it is a new one; ``forever`` has no end."""
    thread = with_tool(world, replace(world.create_task, key_window=window))
    assert thread.invoke("crm.create_task", TASK).status == "executed"
    world.clock.forward(hours=23, minutes=59, seconds=59)
    assert thread.invoke("crm.create_task", TASK).status == "duplicate"
    thread.invoke("crm.read_deal", {"deal_id": "42"})  # so that the third one is no loop
    world.clock.forward(seconds=1)
    assert thread.invoke("crm.create_task", TASK).status == status


@pytest.mark.req("A6")
def test_a_key_is_the_intents(world: World) -> None:
    """Only the key fields make the intent: another argument does not, another key field does."""
    thread = world.thread()
    assert thread.invoke("crm.create_task", TASK).status == "executed"
    assert thread.invoke("crm.create_task", TASK | {"urgent": True}).status == "duplicate"
    assert thread.invoke("crm.create_task", TASK | {"subject": "Write"}).status == "executed"


def test_a_key_belongs_to_a_tenant(world: World) -> None:
    """Another company's equal intent is no duplicate, and its key is another text."""
    gateway = world.gateway()
    assert gateway.open(world.sdr, party=world.anna).invoke("crm.create_task", TASK).status == "executed"
    other = Subject(id="u1", tenant="other", roles={"sdr"}, region="kz")
    assert gateway.open(other, party=world.anna).invoke("crm.create_task", TASK).status == "executed"
    assert len({item["key"] for item in world.desk.effects}) == 2


def test_a_write_without_key_fields_is_the_same_by_its_id(world: World) -> None:
    """Without key fields two calls are two intents unless thread and call id are equal."""
    thread = world.thread()
    statuses = [thread.invoke("messages.send", {"text": "Hello"}, call_id=id).status for id in ("c1", "c1", "c2")]
    assert statuses == ["executed", "duplicate", "executed"]


# ---- limits


def limited(world: World, **limits: int) -> GuardedThread:
    """A thread with limits."""
    return world.thread(world.policy(limits={"steps_per_thread": 50} | limits))


@pytest.mark.req("A3", "B7")
def test_five_actions_a_thread_by_default(world: World) -> None:
    """Executed calls count as actions, reads too; denied, pending and duplicate ones do not."""
    thread = limited(world)
    thread.invoke("crm.read_deal", {"deal_id": "44"})
    thread.invoke("crm.set_stage", STAGE)
    for n in range(4):
        assert thread.invoke("crm.create_task", TASK | {"subject": f"Call {n}"}).status == "executed"
        assert thread.invoke("crm.create_task", TASK | {"subject": f"Call {n}"}).status == "duplicate"
    assert thread.invoke("crm.read_deal", {"deal_id": "42"}).status == "executed"
    sixth = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert (sixth.status, sixth.code, sixth.stop) == ("denied", Code.LIMIT_ACTIONS, False)
    assert thread.gateway.open(world.sdr, party=world.anna).invoke("crm.read_deal", {"deal_id": "42"}).status == (
        "executed"
    )


@pytest.mark.req("A3")
def test_attempts_are_bounded_whatever_becomes_of_them(world: World) -> None:
    """Denied proposals use up attempts, and the thread that has none left is stopped."""
    thread = limited(world, attempts_per_thread=3)
    codes = [thread.invoke("crm.read_deal", {"deal_id": "44"}, call_id=f"c{n}").code for n in range(2)]
    codes += [thread.invoke(name, {}).code for name in ("a.a", "b.b")]
    assert codes == [Code.REGION, Code.REGION, Code.TOOL_UNKNOWN, Code.TOOL_UNKNOWN]
    over = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert (over.code, over.stop) == (Code.LIMIT_ATTEMPTS, True)


@pytest.mark.req("A3", "A15", "B7")
def test_three_a_minute_for_each_subject(world: World) -> None:
    """The fourth call within a minute is denied, whatever thread it comes from; a minute later there is room again."""
    gateway = world.gateway(world.policy({"crm.read_deal": {"limits": ["3/minute/subject"]}}, loops={"same_call": 50}))

    def read(subject: Subject) -> Code:
        return gateway.open(subject, party=world.anna).invoke("crm.read_deal", {"deal_id": "42"}).code

    assert read(world.sdr) is Code.ALLOWED
    world.clock.forward(seconds=30)
    assert [read(world.sdr) for _ in range(3)] == [Code.ALLOWED, Code.ALLOWED, Code.LIMIT_RATE]
    assert read(replace(world.sdr, id="u2")) is Code.ALLOWED
    world.clock.forward(seconds=29.999)
    assert read(world.sdr) is Code.LIMIT_RATE
    world.clock.forward(seconds=0.001)
    assert [read(world.sdr) for _ in range(2)] == [Code.ALLOWED, Code.LIMIT_RATE]
    world.clock.forward(days=1)
    assert [read(world.sdr) for _ in range(4)][-1] is Code.LIMIT_RATE


@pytest.mark.parametrize(
    ("scope", "same"),
    [("thread", "thread"), ("subject", "subject"), ("party", "party"), ("tenant", "tenant"), ("tool", "all")],
)
@pytest.mark.req("A3")
def test_a_limit_counts_for_its_scope(world: World, scope: str, same: str) -> None:
    """``1/day/<scope>``: a second call is denied exactly where it shares the scope with the first."""
    gateway = world.gateway(
        world.policy({"crm.read_deal": {"limits": [f"1/day/{scope}"], "region": ["kz", "pl"]}}, loops={"same_call": 50})
    )
    first = gateway.open(world.sdr, party=world.anna)
    assert first.invoke("crm.read_deal", {"deal_id": "42"}).status == "executed"
    shares = {
        "thread": first,
        "subject": gateway.open(world.sdr),
        "party": gateway.open(replace(world.sdr, id="u2"), party=world.anna),
        "tenant": gateway.open(replace(world.sdr, id="u2")),
        "all": gateway.open(Subject(id="u9", tenant="other", roles={"sdr"}, region="kz")),
    }
    reached = {name for name, thread in shares.items() if thread.check("crm.read_deal", {"deal_id": "42"}).code
               is Code.LIMIT_RATE}  # fmt: skip
    covered = {
        "thread": {"thread"},
        "subject": {"thread", "subject"},
        "party": {"thread", "party"},
        "tenant": {"thread", "subject", "party", "tenant"},
        "all": set(shares),
    }
    assert reached == covered[same]


@pytest.mark.req("A22")
def test_the_third_equal_call_is_a_loop(world: World) -> None:
    """The same call proposed again and again stops the agent, also where it is a duplicate each time."""
    for name, args in (("crm.read_deal", {"deal_id": "42"}), ("crm.create_task", TASK)):
        thread = world.thread()
        assert not any(thread.invoke(name, args).stop for _ in range(2))
        third = thread.invoke(name, args)
        assert (third.status, third.code, third.stop) == ("denied", Code.LOOP, True)


# ---- between the approval and the run


def approved(world: World, **options: Any) -> tuple[GuardedThread, ToolCall]:
    """A call that a human has approved and that has not run yet."""
    thread = world.thread(world.policy({"crm.create_task": {"mode": "approve"}}), **options)
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    proposal = thread.gateway.propose(thread.row, call)
    assert proposal.approval is not None
    thread.gateway.answer(proposal.approval.id, "approve", by=world.boss)
    return thread, call


class Directory:
    """A company's directory that a test may change."""

    def __init__(self, *people: Subject) -> None:
        self.people = {person.id: person for person in people}

    def lookup(self, tenant: str, subject: str) -> Subject | None:
        """Port ``Directory``."""
        return self.people.get(subject)


@pytest.mark.req("A10", "A12", "B5")
@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("role", Code.ROLE),
        ("gone", Code.ROLE),
        ("record", Code.APPROVAL_CHANGED),
        ("moved", Code.BINDING),
        ("deleted", Code.RECORD_NOT_FOUND),
        ("silent", Code.TOOL_UNAVAILABLE),
        ("late", Code.APPROVAL_EXPIRED),
        ("killed", Code.KILLED),
    ],
)
def test_everything_is_judged_again_after_the_approval(world: World, what: str, code: Code) -> None:
    """An approval satisfies the question and nothing else: what changed meanwhile denies the call."""
    directory = Directory(world.sdr, world.boss)
    thread, call = approved(world, directory=directory)
    deal = world.desk.deals["42"]
    match what:
        case "role":
            directory.people["u1"] = replace(world.sdr, roles={"intern"})
        case "gone":
            del directory.people["u1"]
        case "record":
            world.desk.change("42", "lost")
        case "moved":
            world.desk.deals["42"] = replace(deal, party="contact:18")
        case "deleted":
            del world.desk.deals["42"]
        case "silent":
            world.desk.silent = ToolUnavailable()
        case "late":
            world.clock.forward(hours=24)
        case "killed":
            thread.gateway.press(reason="drill", by="m7")
    result = thread.gateway.execute(thread.row, call)
    assert (result.status, result.code) == ("denied", code)
    assert world.desk.effects == []
    assert last(thread)["error"]["code"] == code
    directory.people |= {"u1": world.sdr}
    world.desk.deals["42"], world.desk.silent = deal, None
    assert thread.gateway.execute(thread.row, call).status == "denied", "a refused call does not come back"
    assert world.desk.effects == []


@pytest.mark.req("A12")
def test_a_changed_policy_ends_an_approval(world: World) -> None:
    """The digest holds the policy: an approval under the old one does not run under the new one."""
    old = world.gateway(world.policy({"crm.create_task": {"mode": "approve"}}), file=True)
    thread = old.open(world.sdr, thread_id="t1", party=world.anna)
    pending = thread.invoke("crm.create_task", TASK, call_id="c1")
    old.answer(pending.approval_id or "", "approve", by=world.boss)
    new = world.gateway(world.policy({"crm.create_task": {"mode": "approve"}}, name="desk.v2"), file=True)
    result = new.execute(thread.row, thread.masked_call("crm.create_task", TASK, "c1", None))
    assert (result.status, result.code) == ("denied", Code.APPROVAL_CHANGED)
    assert world.desk.effects == []


@pytest.mark.req("A12")
def test_a_call_that_needs_an_approval_by_now_does_not_run(world: World) -> None:
    """A call that was allowed waits for a human where the policy asks for one by the time it runs."""
    old = world.gateway(file=True)
    thread = old.open(world.sdr, thread_id="t1", party=world.anna)
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    old.propose(thread.row, call)
    new = world.gateway(world.policy({"crm.create_task": {"mode": "approve"}}), file=True)
    assert new.execute(thread.row, call).code is Code.APPROVAL_REQUIRED
    assert world.desk.effects == []


@pytest.mark.req("A7", "A12")
def test_an_approval_is_used_once(world: World) -> None:
    """An approved call runs once, however often it is executed; a later equal call needs an approval of its own."""
    thread, call = approved(world)
    statuses = [thread.gateway.execute(thread.row, call).status for _ in range(3)]
    assert statuses == ["executed", "duplicate", "duplicate"]
    (row,) = world.rows(thread.gateway, "approvals")
    assert row["used"] == thread.gateway.now_ms()
    world.clock.forward(days=2)
    assert thread.invoke("crm.create_task", TASK, call_id="c9").status == "pending"


@pytest.mark.req("A7", "A12")
def test_an_approval_covers_no_other_arguments(world: World) -> None:
    """The approved call's id with other arguments, tool or thread runs nothing."""
    thread, call = approved(world)
    other = thread.gateway.open(world.sdr, party=world.anna)
    for row, changed in (
        (thread.row, replace(call, args={"deal_id": "42", "subject": "Pay"})),
        (thread.row, replace(call, args={"deal_id": "42", "subject": "Call", "urgent": True})),
        (thread.row, replace(call, tool="messages.send", args={"text": "Hello"})),
        (thread.row, replace(call, id="c2")),
        (other.row, call),
    ):
        result = thread.gateway.execute(row, changed)
        assert (result.status, result.code) == ("denied", Code.APPROVAL_CHANGED)
    assert world.desk.effects == []
    assert thread.gateway.execute(thread.row, call).status == "executed"


def test_a_pending_call_does_not_run(world: World) -> None:
    """Executing a call that waits for its answer runs nothing and leaves the question."""
    thread = world.thread()
    pending = thread.invoke("crm.set_stage", STAGE, call_id="c1")
    result = thread.gateway.execute(thread.row, thread.masked_call("crm.set_stage", STAGE, "c1", None))
    assert (result.status, result.code, result.approval_id) == ("denied", Code.APPROVAL_PENDING, pending.approval_id)
    assert world.desk.effects == []


@pytest.mark.req("A8", "B17")
def test_a_claim_whose_lease_is_over_is_unknown(world: World) -> None:
    """A claim is refused while its lease runs; afterwards its outcome is unknown, and it never runs again."""
    thread = world.thread()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent_guard.execution.execute.settle", lambda *given: raising(KeyboardInterrupt())())
        with pytest.raises(KeyboardInterrupt):
            thread.invoke("crm.create_task", TASK, call_id="c1")
    running = thread.invoke("crm.create_task", TASK, call_id="c1")
    assert (running.status, running.code, running.stop) == ("denied", Code.IN_PROGRESS, True)
    world.clock.forward(seconds=31.9)
    assert thread.invoke("crm.create_task", TASK, call_id="c1").code is Code.IN_PROGRESS
    world.clock.forward(seconds=0.1)
    over = thread.invoke("crm.create_task", TASK, call_id="c1")
    assert (over.status, over.code, over.stop) == ("unknown", Code.OUTCOME_UNKNOWN, True)
    assert world.kinds(thread)[-1] == "unknown"
    assert thread.invoke("crm.create_task", TASK, call_id="c2").code is Code.OUTCOME_UNKNOWN
    assert len(world.desk.effects) == 1


# ---- together


def results(work: Callable[[int], ToolResult], workers: int) -> list[ToolResult]:
    """Runs one function in many threads at once."""
    barrier = threading.Barrier(workers)

    def one(n: int) -> ToolResult:
        barrier.wait(10)
        return work(n)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(workers)))


@pytest.mark.req("A6", "B7")
@pytest.mark.parametrize("same_id", [True, False])
def test_eight_threads_make_one_effect(world: World, same_id: bool) -> None:
    """Eight workers with one intent, under one call id or eight, do it once."""
    gateway = world.gateway(world.policy(loops={"same_call": 100}), file=True)
    thread = gateway.open(world.sdr, thread_id="t1", party=world.anna)
    found = results(lambda n: thread.invoke("crm.create_task", TASK, call_id="c" if same_id else f"c{n}"), 8)
    assert [item.status for item in found].count("executed") == 1
    assert {item.status for item in found} <= {"executed", "duplicate", "denied"}
    assert {item.code for item in found if item.status == "denied"} <= {Code.IN_PROGRESS}
    assert len(world.desk.effects) == 1
    assert list(gateway.audit.broken("t1")) == []


@pytest.mark.req("B7")
@pytest.mark.parametrize(("times", "runs"), [(1, True), (2, True), (9, False)])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_claim_that_a_unique_key_stops_is_decided_again(
    world: World, monkeypatch: pytest.MonkeyPatch, times: int, runs: bool, at_once: bool
) -> None:
    """What a lock lets pass the tables' keys stop: the claim is undone and decided anew, a few times and not for ever."""
    thread, take, refusals = world.thread(), meter.take, [None] * times
    call = thread.masked_call("crm.create_task", TASK, "c1", None)
    if not at_once:
        propose(thread.gateway, thread.row, call)

    def stopped(connection: Any, places: Any, **given: Any) -> None:
        if "actions" in str(places) and refusals:
            refusals.pop()
            raise IntegrityError(None, None, ValueError("meter_pkey was broken"))
        take(connection, places, **given)

    monkeypatch.setattr(meter, "take", stopped)
    if runs:
        assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "executed"
    else:
        with pytest.raises(StoreError, match="again and again; nothing was"):
            thread.invoke("crm.create_task", TASK, call_id="c1")
    assert len(world.desk.effects) == int(runs)
    assert state(world, thread) == (["done"] if runs else [] if at_once else ["proposed"])
    assert list(thread.gateway.audit.broken(thread.id)) == []


@pytest.mark.req("B7")
def test_a_claim_is_alone_on_its_thread_its_key_and_its_limits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names what it counts and takes, and nothing that would hold others up."""
    limits = ["3/minute/subject", "9/day/tenant"]
    thread = world.thread(world.policy({"crm.create_task": {"limits": limits}}))
    write, named = thread.gateway.store.write, []
    monkeypatch.setattr(
        thread.gateway.store, "write", lambda **given: named.append(sorted(given["locks"])) or write(**given)
    )
    world.desk.before = lambda: named.append(["it runs"])
    thread.invoke("crm.create_task", TASK)
    claim, settle = named[named.index(["it runs"]) - 1], named[named.index(["it runs"]) + 1]
    key = world.rows(thread.gateway, "calls")[0]["key"]
    assert claim == sorted([
        f"chain|{thread.id}", f"key|acme|{key}", f"meter|actions|{thread.id}",
        "meter|subject|crm.create_task|acme|u1", "meter|tenant|crm.create_task|acme",
    ])  # fmt: skip
    assert settle == [f"chain|{thread.id}"]


@pytest.mark.req("A3", "B7")
def test_a_limit_holds_under_concurrency(world: World) -> None:
    """Eight workers with eight different calls and a limit of three: three run."""
    gateway = world.gateway(world.policy({"crm.create_task": {"limits": ["3/minute/subject"]}}), file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    found = results(lambda n: thread.invoke("crm.create_task", TASK | {"subject": f"Call {n}"}, call_id=f"c{n}"), 8)
    assert sorted(item.status for item in found) == ["denied"] * 5 + ["executed"] * 3
    assert len(world.desk.effects) == 3
    assert len(world.rows(gateway, "meter")) == 8 + 3 + 3


def test_workers_that_mint_at_once_agree(world: World) -> None:
    """Workers that see the same new value at once agree on its name, and different values get different ones."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda n: thread.observe(f"n{n % 2}@mail.example", origin="user"), range(4)))
    assert len(set(seen[0::2])) == len(set(seen[1::2])) == 1
    assert seen[0] != seen[1]


def in_a_process(home: tuple[str, str], n: int, start: Any) -> None:
    """One worker: the same intent as all others, in its own process over the shared database."""
    world = World.at(home)
    thread = world.gateway(world.policy(loops={"same_call": 100}), file=True).thread("t1")
    start.wait(30)
    result = thread.invoke("crm.create_task", TASK, call_id=f"c{n % 2}")
    (world.folder / f"result-{n}.json").write_text(json.dumps([result.status, result.code]))
    world.close()


@pytest.mark.req("A6", "B7")
def test_four_processes_make_one_effect(world: World) -> None:
    """Four real processes on one database, two call ids, one intent: one effect, and a whole chain of events."""
    gateway = world.gateway(world.policy(loops={"same_call": 100}), file=True)
    gateway.open(world.sdr, thread_id="t1", party=world.anna)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["agent_guard.session", "agent_guard.masking.engine", "presidio_analyzer"])
    start = context.Barrier(4)
    workers = [context.Process(target=in_a_process, args=(world.home, n, start)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
        worker.close()
    found = [json.loads((world.folder / f"result-{n}.json").read_text()) for n in range(4)]
    assert [status for status, _ in found].count("executed") == 1
    assert {code for status, code in found if status == "denied"} <= {"in_progress"}
    assert len(world.desk.effects) == 1
    assert list(gateway.audit.broken("t1")) == []


def test_two_records_are_told_apart(world: World) -> None:
    """A reference names the record that was made, read back by its kind and id."""
    thread = world.thread()
    made = [thread.invoke("crm.create_task", TASK | {"subject": name}).reference for name in ("a", "b")]
    assert made == ["task:1", "task:2"]
    assert world.desk.describe(Ref(kind="task", id="3")) is None
