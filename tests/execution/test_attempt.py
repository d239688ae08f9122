"""From the claim to the settlement: tries, kill flags before each of them, cuts, and what they come to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from agent_guard.errors import OutcomeUnknown, StoreError, ToolUnavailable
from agent_guard.execution.attempt import attempt
from agent_guard.execution.claim import claim
from agent_guard.execution.execute import executing
from agent_guard.guarded import GuardedThread
from agent_guard.proposal.taking import Taken
from agent_guard.runtime.running import Cut
from agent_guard.runtime.waits import Pause, Run, Waits
from agent_guard.tool import Tool
from agent_guard.types import Code, ToolCall, ToolResult
from tests.conftest import World

pytestmark = pytest.mark.databases

READ = ("crm.read_deal", {"deal_id": "42"})
TASK = ("crm.create_task", {"deal_id": "42", "subject": "Call"})


def by_hand(
    work: Waits[Any],
    pausing: Callable[[], object] = lambda: None,
    running: Callable[[Run], object] = lambda request: None,
) -> tuple[Any, list[float]]:
    """Goes through the work without ever sleeping; returns its answer and the pauses that it wanted.

    Args:
        pausing: what happens in each pause.
        running: what happens at each run; may raise in its place.
    """
    pauses: list[float] = []
    step: Callable[[], Run | Pause] = partial(next, work)
    while True:
        try:
            request = step()
        except StopIteration as done:
            return done.value, pauses
        try:
            if isinstance(request, Pause):
                pauses.append(request.seconds)
                answer = pausing()
            else:
                running(request)
                answer = request.start().answer.result(10)
            step = partial(work.send, answer)
        except Exception as error:
            step = partial(work.throw, error)


def proposed(thread: GuardedThread, name: str, args: dict[str, Any]) -> ToolCall:
    """A call that may run."""
    call = thread.masked_call(name, args, "c1", None)
    assert thread.gateway.propose(thread.row, call).row.state == "proposed"
    return call


def executed(thread: GuardedThread, name: str, args: dict[str, Any], **hooks: Any) -> tuple[ToolResult, list[float]]:
    """Runs a call by hand."""
    return by_hand(executing(thread.gateway, thread.row, proposed(thread, name, args)), **hooks)


def failing(*errors: Exception | None) -> tuple[Callable[[], None], list[str]]:
    """A hook that raises these one after another, then nothing; and the log of its calls."""
    left, log = list(errors), []

    def hook() -> None:
        log.append("tried")
        error = left.pop(0) if left else None
        if error is not None:
            raise error

    return hook, log


def last(thread: GuardedThread) -> dict[str, Any]:
    """The newest event of a thread."""
    return dict(thread.gateway.audit.events(thread=thread.id)[-1].data)


def state(world: World, thread: GuardedThread) -> tuple[str, str]:
    """State and code of a thread's only call."""
    (row,) = [row for row in world.rows(thread.gateway, "calls") if row["thread"] == thread.id]
    return row["state"], row["code"]


def with_tool(world: World, changed: Tool, **options: Any) -> GuardedThread:
    """A thread at a gateway where one tool is replaced."""
    tools = [world.read_deal, world.create_task, world.set_stage, world.send_note]
    return world.thread(tools=[changed if item.name == changed.name else item for item in tools], **options)


# ---- tries


@pytest.mark.req("B17", "B7")
@pytest.mark.parametrize("call", [READ, TASK], ids=["read", "write"])
def test_what_was_not_sent_is_tried_again(world: World, call: Any) -> None:
    """Two tries in vain and one that works: executed once, and the record says that it took three."""
    thread = world.thread()
    world.desk.before, log = failing(ToolUnavailable(code="dns"), ToolUnavailable(code="dns"))
    result, pauses = executed(thread, *call)
    assert (result.status, len(log), len(pauses)) == ("executed", 3, 2)
    assert last(thread)["result_meta"]["attempts"] == 3
    assert len(world.desk.effects) == (1 if call is TASK else 0)
    assert pauses[0] < pauses[1]


@pytest.mark.req("A6", "B7", "B17")
def test_a_write_whose_answer_was_lost_is_never_tried_again(world: World) -> None:
    """It may have happened: one try, and a person looks at it."""
    thread = world.thread()
    world.desk.after, log = failing(OutcomeUnknown(code="reset"))
    result, pauses = executed(thread, *TASK)
    assert (result.status, result.code, pauses, len(log)) == ("unknown", Code.OUTCOME_UNKNOWN, [], 1)
    assert last(thread)["result_meta"]["attempts"] == 1


@pytest.mark.req("B17")
def test_a_read_whose_answer_was_lost_is_tried_again(world: World) -> None:
    """Reading twice changes nothing."""
    thread = world.thread()
    world.desk.before, log = failing(OutcomeUnknown(code="reset"), ConnectionResetError(104))
    result, _ = executed(thread, *READ)
    assert (result.status, len(log)) == ("executed", 3)


def test_when_all_tries_are_used_the_last_error_counts(world: World) -> None:
    """Three by default, and the word of the last one stands in the record."""
    thread = world.thread()
    world.desk.before, log = failing(*[ToolUnavailable(code=f"dns{n}") for n in range(9)])
    result, _ = executed(thread, *TASK)
    assert (result.status, result.code, len(log)) == ("failed", Code.TOOL_UNAVAILABLE, 3)
    assert last(thread)["error"]["detail"] == "dns2"
    assert last(thread)["result_meta"]["attempts"] == 3


def test_a_contract_may_want_no_second_try(world: World) -> None:
    """``retries=0``."""
    thread = with_tool(world, replace(world.create_task, retries=0))
    world.desk.before, log = failing(ToolUnavailable())
    assert executed(thread, *TASK)[0].status == "failed"
    assert len(log) == 1


@pytest.mark.req("A6")
def test_every_try_has_the_same_key(world: World) -> None:
    """The system of record sees one intent, however often it is asked."""
    keys: list[str] = []

    def run(args: Any, desk: Any, idempotency_key: str, subject: Any) -> Any:
        keys.append(idempotency_key)
        if len(keys) < 3:
            raise ToolUnavailable
        return world.create_task.run(args, desk, idempotency_key, subject)

    thread = with_tool(world, replace(world.create_task, run=run))
    assert executed(thread, *TASK)[0].status == "executed"
    assert len(keys) == 3 and len(set(keys)) == 1


@pytest.mark.req("A20")
def test_all_tries_together_have_the_tools_time(world: World) -> None:
    """Each try gets what is left of the time, pauses counted; what does not fit is not begun."""
    thread = world.thread()
    call = proposed(thread, *READ)
    gathered = thread.gateway.gather(thread.row, call, thread.vault())
    taken = claim(thread.gateway, gathered, thread.vault())
    assert isinstance(taken, Taken)
    now, given = [100.0], []
    world.desk.before, _ = failing(*[ToolUnavailable()] * 9)

    def takes_a_while(request: Run) -> None:
        given.append(round(request.seconds, 3))
        now[0] += 1.0

    def pausing() -> None:
        now[0] += 0.5

    work = attempt(thread.gateway, gathered, taken.row, clock=lambda: now[0])
    outcome, pauses = by_hand(work, pausing=pausing, running=takes_a_while)
    assert given == [2.0, 0.5]  # two seconds by its contract
    assert (len(pauses), outcome.attempts, outcome.latency_ms) == (1, 2, 2500)


@pytest.mark.req("A31")
def test_the_button_is_looked_at_before_each_try(world: World) -> None:
    """Pressed in the pause after a try that was not sent: failed, killed, and not tried again."""
    thread = world.thread()
    world.desk.before, log = failing(*[ToolUnavailable()] * 9)
    press = partial(thread.gateway.press, "tool:crm.create_task", reason="drill", by="m7")
    result, _ = executed(thread, *TASK, pausing=press)
    assert (result.status, result.code, len(log)) == ("failed", Code.KILLED, 1)
    assert last(thread)["error"] == {"class": "authorisation", "code": "killed", "detail": "tool:crm.create_task"}
    assert last(thread)["result_meta"]["attempts"] == 1
    assert world.desk.effects == []


@pytest.mark.req("A8")
def test_a_try_that_hung_is_the_last_one(world: World) -> None:
    """The time-out used up the time: a read has failed with it, and is not read again."""
    end, log = threading.Event(), []

    def hangs() -> None:
        log.append("tried")
        end.wait(10)

    thread = with_tool(world, replace(world.read_deal, timeout_s=0.1))
    world.desk.before = hangs
    result = thread.invoke(*READ)
    end.set()
    assert (result.status, result.code, log) == ("failed", Code.TIMEOUT, ["tried"])


def test_a_secret_that_is_missing_is_not_asked_for_again(world: World) -> None:
    """Nobody puts it there within a second."""

    def run(args: Any, secrets: Any) -> Any:
        secrets("crm_token")

    thread = with_tool(world, replace(world.send_note, run=run))
    result, pauses = executed(thread, "messages.send", {"text": "Hello"})
    assert (result.status, result.code, pauses) == ("failed", Code.TOOL_UNAVAILABLE, [])


# ---- cuts


@pytest.mark.req("A8", "A31")
@pytest.mark.parametrize("code", [Code.KILLED, Code.CALLER_GONE])
@pytest.mark.parametrize(("call", "begun", "status"), [
    (READ, True, "failed"), (READ, False, "failed"), (TASK, True, "unknown"), (TASK, False, "failed"),
])  # fmt: skip
def test_a_cut_is_judged_by_what_may_have_happened(
    world: World, code: Code, call: Any, begun: bool, status: str
) -> None:
    """A write that had begun is unknown; a read, and what never began, has failed."""
    thread = world.thread()

    def cut(request: Run) -> None:
        raise Cut(code, "why", begun=begun)

    result, pauses = executed(thread, *call, running=cut)
    assert (result.status, result.code, pauses) == (status, code, [])
    assert result.stop == (code is Code.KILLED or status == "unknown")
    assert state(world, thread) == (status, code)
    assert last(thread)["error"]["detail"] == "why"


def test_a_caller_who_goes_does_not_count_as_a_failing_system(world: World) -> None:
    """Three people who close their browsers switch nothing off."""

    def cut(request: Run) -> None:
        raise Cut(Code.CALLER_GONE, "cancelled", begun=True)

    gateway = world.gateway(world.policy(loops={"same_call": 50}))
    for _ in range(4):
        executed(gateway.open(world.sdr, party=world.anna), *READ, running=cut)
    assert gateway.kill_switch.flags() == frozenset()


def test_a_caller_who_goes_in_a_pause_leaves_what_the_last_try_came_to(world: World) -> None:
    """Nothing was sent, so the call has failed, and says that nobody waited for another try."""
    thread = world.thread()
    world.desk.before, log = failing(*[ToolUnavailable()] * 9)

    def gone() -> None:
        raise Cut(Code.CALLER_GONE, "cancelled")

    result, _ = executed(thread, *TASK, pausing=gone)
    assert (result.status, result.code, len(log)) == ("failed", Code.TOOL_UNAVAILABLE, 1)
    assert last(thread)["error"]["detail"] == "cancelled"


@pytest.mark.req("A8")
def test_a_process_that_slept_over_its_claim_runs_nothing(world: World) -> None:
    """Also not at a later try."""
    thread = world.thread()
    world.desk.before, log = failing(*[ToolUnavailable()] * 9)
    result, _ = executed(thread, *TASK, pausing=lambda: world.clock.forward(seconds=60))
    assert (result.status, result.code, len(log)) == ("failed", Code.TIMEOUT, 1)
    assert last(thread)["error"]["detail"] == "claim too old"


@pytest.mark.req("A8", "A31")
def test_flags_that_cannot_be_read_before_a_try_stop_it(world: World) -> None:
    """A database that fails between two tries counts as a pressed button."""
    thread = world.thread()
    world.desk.before, log = failing(*[ToolUnavailable()] * 9)

    def unreadable(scopes: Any) -> Any:
        raise StoreError("gone")

    def fails() -> None:
        thread.gateway.kill_switch.pressed = unreadable  # type: ignore[method-assign]

    result, _ = executed(thread, *TASK, pausing=fails)
    assert (result.status, result.code, len(log)) == ("failed", Code.KILLED, 1)


def test_an_async_tool_is_tried_again_like_a_sync_one(world: World) -> None:
    """The kind of the function makes no difference."""
    log: list[str] = []

    async def run(args: Any, desk: Any) -> Any:
        await asyncio.sleep(0)
        log.append("tried")
        if len(log) < 2:
            raise ToolUnavailable
        return world.send_note.run(args, desk)

    thread = with_tool(world, replace(world.send_note, run=run))
    result, _ = executed(thread, "messages.send", {"text": "Hello"})
    assert (result.status, len(log), len(world.desk.effects)) == ("executed", 2, 1)
