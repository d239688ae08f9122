"""The asynchronous doors: the same decisions, nothing that blocks the loop, and no call left half done."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from agent_guard.errors import ApprovalError, ConfigError, PendingApproval, StoreError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.runtime.waits import aside
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Code
from tests.conftest import World

TASK = ("crm.create_task", {"deal_id": "42", "subject": "Call"})
READ = ("crm.read_deal", {"deal_id": "42"})
STAGE = ("crm.set_stage", {"deal_id": "42", "stage": "won"})
RAW = "Please call Anna Kowalska on +48 512 345 678"


@contextmanager
def unblocked() -> Iterator[None]:
    """Raises where anything blocks a thread with a running loop: the test's own, and the package's."""
    with blockbuster_ctx():
        yield


class AsyncModel(ScriptedModel):
    """A scripted model that is awaited as a provider's client is, and never asked synchronously."""

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        await asyncio.sleep(0)
        return super()._generate(messages, stop)

    def _generate(self, *given: Any, **options: Any) -> ChatResult:
        raise AssertionError("asked synchronously")


async def until(event: threading.Event) -> None:
    """Waits for an event of another thread without blocking the loop."""
    assert await aside(event.wait, 10)


def states(world: World, thread: GuardedThread) -> list[tuple[str, str]]:
    """State and code of a thread's calls."""
    rows = [row for row in world.rows(thread.gateway, "calls") if row["thread"] == thread.id]
    return [(row["state"], row["code"]) for row in sorted(rows, key=lambda row: row["trace_id"])]


class Held:
    """An async tool that hangs until it is cut, or let go."""

    def __init__(self, world: World, name: str) -> None:
        self.begun, self.cancelled = threading.Event(), threading.Event()
        self.go_on: Callable[[], Any] = lambda: None
        tools = [world.read_deal, world.create_task, world.set_stage, world.send_note]
        self.real = next(item for item in tools if item.name == name)
        self.tools = [replace(item, run=self._run, timeout_s=10) if item.name == name else item for item in tools]

    async def _run(self, args: Any, desk: Any) -> Any:
        self.begun.set()
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def test_the_test_would_see_a_blocked_loop(world: World) -> None:
    """The synchronous door, called on a loop, is what must not happen: it is found."""
    thread = world.thread()

    async def wrong() -> None:
        with unblocked():
            thread.check(*READ)

    with pytest.raises(BlockingError):
        asyncio.run(wrong())


# ---- a gateway's doors


@pytest.mark.databases
@pytest.mark.req("B7")
async def test_every_door_of_a_gateway_has_a_twin_that_blocks_nothing(world: World) -> None:
    """Open, propose, answer, execute, press and revive, on the loop's own thread."""
    gateway = await aside(world.gateway)
    with unblocked():
        thread = await gateway.aopen(world.sdr, thread_id="t1", party=world.anna, user_text=RAW)
        assert thread.text == "Please call <PERSON_1> on <PHONE_1>"
        assert (await gateway.athread("t1")).subject == thread.subject
        first = await aside(thread.masked_call, *STAGE, "c1", None)
        proposal = await gateway.apropose(thread.row, first)
        assert proposal.approval is not None
        with pytest.raises(ApprovalError):
            await gateway.aanswer(proposal.approval.id, "approve", by=world.sdr)
        answered = await gateway.aanswer(proposal.approval.id, "approve", by=world.boss)
        assert answered.word == "approve"
        await gateway.apress("tool:crm.read_deal", reason="drill", by="m7")
        result = await gateway.aexecute(thread.row, first)
        again = await gateway.aexecute(thread.row, first)
        await gateway.arevive("tool:crm.read_deal", reason="over", by="m7")
        with pytest.raises(UnknownThread):
            await gateway.athread("nobody's")
    assert (result.status, again.status) == ("executed", "duplicate")
    assert len(world.desk.effects) == 1


@pytest.mark.databases
async def test_every_door_of_a_thread_has_a_twin_that_blocks_nothing(world: World) -> None:
    """Check, invoke, resume, observe, hear, restore and plan."""
    gateway = await aside(world.gateway)
    with unblocked():
        thread = await gateway.aopen(world.sdr, party=world.anna, user_text="Move the deal 42 to won")
        assert (await thread.acheck(*READ)).outcome == "allow"
        assert (await thread.ainvoke(*READ)).status == "executed"
        assert (await thread.ainvoke(*TASK, reason="They asked.")).status == "executed"
        duplicate = await thread.ainvoke(*TASK)
        asked = await thread.ainvoke(*STAGE)
        done = await thread.aresume(asked.approval_id or "", "approve", by=world.boss)
        assert await thread.aobserve("Write to new@mail.example", origin="untrusted", source="ticket 7") == (
            "Write to <EMAIL_2>"
        )
        assert await thread.ahear("I am Anna Kowalska", origin="party") == ("I am <PERSON_1>", "m1")
        assert await thread.arestore("<PERSON_1>", reader="user") == "Anna Kowalska"
    assert [duplicate.status, asked.status, done.status] == ["duplicate", "pending", "executed"]
    assert [item["kind"] for item in world.desk.effects] == ["task", "stage"]


async def test_a_plan_may_be_stated_from_a_loop(world: World) -> None:
    """As :meth:`plan`; a plan that cannot be followed is refused as it is there."""
    gateway = await aside(world.gateway)
    with unblocked():
        thread = await gateway.aopen(world.sdr, party=world.anna, user_text="Read the deal 42")
        assert thread.text is not None
        steps = [{"id": "s1", "tool": "crm.read_deal", "evidence": [0, 8],
                  "args": {"deal_id": {"lit": "42", "span": [14, 16]}}}]  # fmt: skip
        plan = await thread.aplan({"steps": steps})
        assert (await thread.ainvoke(*READ)).status == "executed"
    assert [step.tool for step in plan.steps] == ["crm.read_deal"]


@pytest.mark.databases
async def test_both_doors_tell_the_same(world: World) -> None:
    """The same calls through the synchronous and the asynchronous door leave the same results and the same record."""

    def shape(thread: GuardedThread) -> list[Any]:
        events = [item.data for item in thread.gateway.audit.events(thread=thread.id)]
        return [(item["kind"], item["tool"], (item["error"] or {}).get("code")) for item in events]

    plan = [READ, ("crm.read_deal", {"deal_id": "44"}), TASK, TASK, STAGE, ("nothing.here", {})]
    one, other = await aside(world.thread), await aside(world.thread)
    first = [await aside(one.invoke, *item) for item in plan]
    world.desk.path.unlink()
    with unblocked():
        second = [await other.ainvoke(*item) for item in plan]
    assert [(a.status, a.code) for a in first] == [(b.status, b.code) for b in second]
    assert await aside(shape, one) == await aside(shape, other)


# ---- many at once


async def test_a_hundred_async_tools_need_no_hundred_threads(world: World) -> None:
    """More calls in flight than there are threads for the doors, all of them in the tool at once."""
    most, here, all_here, end = 100, [], threading.Event(), threading.Event()

    async def run(args: Any, desk: Any) -> Any:
        here.append(args.deal_id)
        if len(here) == most:
            all_here.set()
        while not end.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.01)
        return world.read_deal.run(args, desk)

    tools = [replace(world.read_deal, run=run, timeout_s=10), world.create_task, world.set_stage, world.send_note]
    gateway = await aside(world.gateway, tools=tools, file=True)
    threads = [await gateway.aopen(world.sdr, party=world.anna) for _ in range(most)]
    with unblocked():
        calls = [asyncio.create_task(thread.ainvoke(*READ)) for thread in threads]
        assert await aside(all_here.wait, 60)
        end.set()
        found = await asyncio.gather(*calls)
    assert {item.status for item in found} == {"executed"}


@pytest.mark.databases
@pytest.mark.req("A6", "B7")
async def test_eight_tasks_make_one_effect(world: World) -> None:
    """One intent from eight tasks of a loop happens once."""
    gateway = await aside(world.gateway, world.policy(loops={"same_call": 100}), file=True)
    with unblocked():
        thread = await gateway.aopen(world.sdr, party=world.anna)
        found = await asyncio.gather(*(thread.ainvoke(*TASK, call_id=f"c{n}") for n in range(8)))
    assert [item.status for item in found].count("executed") == 1
    assert {item.status for item in found} <= {"executed", "duplicate", "denied"}
    assert len(world.desk.effects) == 1


# ---- cancelled, interrupted, left


@pytest.mark.databases
@pytest.mark.req("A8", "B7")
@pytest.mark.parametrize(("name", "args", "state"), [
    ("messages.send", {"text": "Hello"}, "unknown"), ("crm.read_deal", {"deal_id": "42"}, "failed"),
])  # fmt: skip
async def test_a_cancelled_call_is_settled(world: World, name: str, args: Any, state: str) -> None:
    """When CancelledError reaches the caller the tool is cut and the row has an end: a write's is unknown."""
    held = Held(world, name)
    gateway = await aside(world.gateway, tools=held.tools)
    with unblocked():
        thread = await gateway.aopen(world.sdr, party=world.anna)
        task = asyncio.create_task(thread.ainvoke(name, args))
        await until(held.begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        found = await aside(states, world, thread)
        await until(held.cancelled)
    assert found == [(state, "caller_gone")]


async def test_a_deadline_of_the_caller_cuts_the_call(world: World) -> None:
    """``asyncio.timeout`` around a door ends the waiting, and the call is settled by then."""
    held = Held(world, "messages.send")
    gateway = await aside(world.gateway, tools=held.tools)
    thread = await gateway.aopen(world.sdr, party=world.anna)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await thread.ainvoke("messages.send", {"text": "Hello"})
    assert held.begun.is_set()
    assert await aside(states, world, thread) == [("unknown", "caller_gone")]


@pytest.mark.req("A8")
async def test_a_call_that_is_cancelled_before_its_tool_runs_does_not_run(world: World) -> None:
    """Cancelled while the system of record is asked: what was claimed is settled as not done, and its key is free."""
    asked, go_on = threading.Event(), threading.Event()
    thread = await aside(world.thread)
    real, times = world.desk.describe, []

    def slow(ref: Any) -> Any:
        times.append(ref)
        if len(times) == 1:
            asked.set()
            go_on.wait(10)
        return real(ref)

    world.desk.describe = slow  # type: ignore[method-assign]
    task = asyncio.create_task(thread.ainvoke(*TASK))
    await until(asked)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await aside(states, world, thread) == [("failed", "caller_gone")]
    assert world.desk.effects == []
    assert (await thread.ainvoke(*TASK)).status == "executed"


def test_a_loop_may_end_between_two_calls(world: World) -> None:
    """Each ``asyncio.run`` has a loop of its own; gateway, thread and tools live on."""
    thread = world.thread()

    async def one(subject: str) -> str:
        return (await thread.ainvoke("crm.create_task", {"deal_id": "42", "subject": subject})).status

    assert [asyncio.run(one(name)) for name in ("a", "b")] == ["executed", "executed"]
    assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": "c"}).status == "executed"


async def test_the_synchronous_door_works_on_a_loop_too(world: World) -> None:
    """It blocks the loop, which is the caller's to decide, and deadlocks nothing, whatever kind the tool is."""

    async def run(args: Any, desk: Any) -> Any:
        await asyncio.sleep(0.01)
        return world.send_note.run(args, desk)

    tools = [world.read_deal, world.create_task, world.set_stage, replace(world.send_note, run=run)]
    thread = world.thread(tools=tools)
    assert thread.invoke(*READ).status == "executed"
    assert thread.invoke("messages.send", {"text": "Hello"}).status == "executed"


# ---- graphs and sessions

HI = {"messages": [("user", "Read the deal")]}


@asynccontextmanager
async def savers(kind: str, world: World) -> AsyncIterator[Any]:
    """A checkpointer of each kind that LangGraph's users have."""
    match kind:
        case "memory":
            yield InMemorySaver()
        case "async":
            async with AsyncSqliteSaver.from_conn_string(f"{world.folder}/threads.db") as saver:
                yield saver
        case _:
            with closing(await aside(sqlite3.connect, f"{world.folder}/threads.db", check_same_thread=False)) as opened:
                yield SqliteSaver(opened)


SAVERS = pytest.mark.parametrize("kind", ["memory", "async", "sync"])


def agent(world: World, gateway: Gateway, *turns: Any, saver: Any = None) -> Any:
    """The smallest graph, with a model that can only be awaited."""
    return guarded_agent(AsyncModel(*turns), gateway, checkpointer=saver)


@SAVERS
async def test_a_graph_runs_by_ainvoke_with_every_kind_of_saver(world: World, kind: str) -> None:
    """Plan, decide, approve, execute: paused and resumed on a loop that nothing blocks."""
    gateway = await aside(world.gateway, file=True)
    thread = await gateway.aopen(world.sdr, thread_id="t1", party=world.anna)
    config = {"configurable": {"thread_id": thread.id}}
    turns = (call("crm.read_deal", deal_id="42"), call("crm.set_stage", deal_id="42", stage="won"), "Moved.")
    async with savers(kind, world) as saver:
        graph = agent(world, gateway, *turns, saver=saver)
        with unblocked():
            paused = await graph.ainvoke(HI, config, durability="sync")
            question = paused["__interrupt__"][0].value
            done = await graph.ainvoke(
                Command(resume={"decisions": [{"type": "approve"}]}),
                config,
                context=GuardContext(approver=world.boss),
                durability="sync",
            )
            seen = [item async for item in graph.aget_state_history(config)]
    assert question["agent_guard"]["effect"] == "write"
    assert (done["status"], done["messages"][-1].text) == ("delivered", "Moved.")
    assert [item["kind"] for item in world.desk.effects] == ["stage"]
    assert len(seen) > 5


@SAVERS
@pytest.mark.req("A12", "A23")
async def test_a_session_lives_on_a_loop_with_every_kind_of_saver(world: World, kind: str) -> None:
    """Start, state, resume, send: masked, paused, approved by another person, restored for the reader."""
    gateway = await aside(world.gateway, file=True)
    turns = (call("crm.set_stage", deal_id="42", stage="won"), "Moved it for <PERSON_1>.", "You are welcome.")
    async with savers(kind, world) as saver:
        session = Session(agent(world, gateway, *turns), gateway, checkpointer=saver)
        with unblocked():
            first = await session.astart(RAW, world.sdr, speaker="user", party=world.anna)
            assert first.pending is not None
            assert await session.astate(first.thread_id, by=world.sdr) == first
            with pytest.raises(PendingApproval):
                await session.asend(first.thread_id, "And?", speaker="user", by=world.sdr)
            with pytest.raises(ApprovalError):
                await session.aresume(first.pending.id, "approve", by=world.sdr)
            done = await session.aresume(first.pending.id, "approve", by=world.boss)
            last = await session.asend(first.thread_id, "Thank you", speaker="user", by=world.sdr)
            with pytest.raises(ConfigError):
                await session.asend(first.thread_id, "Hi", speaker="user", by=world.boss)
        await aside(session.close)
    assert (done.status, done.text) == ("delivered", "Moved it for Anna Kowalska.")
    assert last.text == "You are welcome."
    assert len(world.desk.effects) == 1


async def test_what_was_started_on_a_loop_may_be_resumed_without_one(world: World) -> None:
    """And the other way round: threads live in the databases."""
    gateway = await aside(world.gateway, file=True)
    turns = (call("crm.set_stage", deal_id="42", stage="won"), "Moved.")
    for first, second in (("astart", "resume"), ("start", "aresume")):
        graph = guarded_agent(ScriptedModel(*turns), gateway)
        session = await aside(Session, graph, gateway, checkpointer=f"sqlite:///{world.folder}/threads.db")

        async def through(name: str, *given: Any, session: Session = session, **options: Any) -> Any:
            method = getattr(session, name)
            return await (method(*given, **options) if name.startswith("a") else aside(method, *given, **options))

        paused = await through(first, "Move it", world.sdr, speaker="user", party=world.anna)
        done = await through(second, paused.pending.id, "approve", by=world.boss)
        assert done.status == "delivered"
        await aside(session.close)
        world.clock.forward(days=2)


@pytest.mark.req("A8")
async def test_a_cancelled_run_of_a_graph_leaves_a_settled_call(world: World) -> None:
    """The user closes the window while the tool runs: unknown, and resuming the thread runs nothing twice."""
    held = Held(world, "messages.send")
    gateway = await aside(world.gateway, tools=held.tools)
    session = Session(
        agent(world, gateway, call("messages.send", text="Hello"), "Sent."), gateway, checkpointer=InMemorySaver()
    )
    with unblocked():
        task = asyncio.create_task(
            session.astart("Send it", world.sdr, speaker="user", party=world.anna, thread_id="t1")
        )
        await until(held.begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        thread = await gateway.athread("t1")
        assert await aside(states, world, thread) == [("unknown", "caller_gone")]
        held.begun.clear()
        again = await session.graph.ainvoke(None, {"configurable": {"thread_id": "t1"}}, context=GuardContext())
    assert again["status"] == "escalated"
    assert again["outcome"]["code"] == "caller_gone"
    assert not held.begun.is_set()


async def test_a_model_that_fails_on_a_loop_calls_a_person(world: World) -> None:
    """As in the synchronous door: the run ends with a handover, and nothing raw in its state."""

    def fails(messages: Any) -> Any:
        raise ValueError("Anna Kowalska")

    gateway = await aside(world.gateway)
    session = Session(agent(world, gateway, fails), gateway, checkpointer=InMemorySaver())
    with unblocked():
        reply = await session.astart("Hi", world.sdr, speaker="user", party=world.anna)
    assert (reply.status, reply.code, reply.reason) == (
        "escalated", Code.INTERNAL, "the model failed: ValueError",
    )  # fmt: skip


async def test_a_checkpoint_database_that_breaks_is_told_on_a_loop(world: World) -> None:
    """The same StoreError as without one."""
    gateway = await aside(world.gateway)
    session = await aside(
        Session, agent(world, gateway, "Hi."), gateway, checkpointer=f"sqlite:///{world.folder}/threads.db"
    )
    await aside(session.close)
    with pytest.raises(StoreError, match="checkpoint database cannot be used"):
        await session.astart("Hi", world.sdr, speaker="user", party=world.anna)


async def test_a_policy_that_wants_a_plan_gets_it_on_a_loop(world: World) -> None:
    """The planner is awaited too; its plan binds what comes after it."""
    gateway = await aside(world.gateway, world.policy(plan={}))
    text = "Read the deal 42"
    steps = [{"id": "s1", "tool": "crm.read_deal", "evidence": [0, 13],
              "args": {"deal_id": {"lit": "42", "span": [14, 16]}}}]  # fmt: skip
    plan = AIMessage("", tool_calls=[tool_call(name="Plan", args={"steps": steps}, id="plan")])
    outside = call("crm.create_task", deal_id="42", subject="Call")
    turns = (plan, call("crm.read_deal", deal_id="42"), outside, "Done.")
    session = Session(agent(world, gateway, *turns), gateway, checkpointer=InMemorySaver())
    with unblocked():
        reply = await session.astart(text, world.sdr, speaker="user", party=world.anna)
        thread = await gateway.athread(reply.thread_id)
        assert await aside(states, world, thread) == [("done", "allowed"), ("denied", "plan_outside")]
    assert reply.status == "delivered"
