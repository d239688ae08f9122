"""What LangGraph and its clients do to a paused run, measured on other systems: here each of it leaves one effect or none.

A graph is run without a Session around it, as a LangGraph server and a notebook do.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import InvalidUpdateError
from langgraph.graph import START
from langgraph.types import Command

from agent_guard.errors import ConfigError
from agent_guard.nodes import GuardContext, GuardNodes, GuardState, guard_graph, guarded_agent
from agent_guard.testing import ScriptedModel
from agent_guard.types import Subject
from tests.crash.desk import MODES, policy
from tests.crash.office import MANAGER, PARTY, USER, Office, Place

APPROVE = {"type": "approve"}
NAME = "t1"


def saying(*turns: AIMessage | str) -> Callable[[Sequence[BaseMessage]], AIMessage]:
    """A model that says these one after another."""
    left = iter(turns)

    def turn(_: Sequence[BaseMessage]) -> AIMessage:
        said = next(left, "Done.")
        return AIMessage(said) if isinstance(said, str) else said

    return turn


def calling(*calls: tuple[str, str], tool: str = "deal__move") -> AIMessage:
    """One message with a call for each (id, stage)."""
    return AIMessage(
        "I do it.",
        tool_calls=[
            tool_call(name=tool, args={"reason": "Asked.", "deal": NAME, "stage": stage}, id=id) for id, stage in calls
        ],
    )


WON = calling(("c1", "won"))


class Desk:
    """Offices of one test: each is another process as far as the databases can tell."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.offices: list[Office] = []

    def open(self, *turns: AIMessage | str, **options: Any) -> Office:
        """An office whose model says these turns."""
        made = Office(self.place, saying(*turns), **options)
        self.offices.append(made)
        return made


@pytest.fixture
def desk(database: Any, tmp_path: Path) -> Iterator[Desk]:
    """Offices over the databases of one test."""
    made = Desk(Place(str(tmp_path), database.shared, database.checkpoints))
    yield made
    for office in made.offices:
        office.close()


def stages(office: Office) -> list[str]:
    """What was done, in order."""
    return [effect["stage"] for effect in office.desk.effects(NAME)]


def question(out: Any) -> dict[str, Any]:
    """The one thing that is asked."""
    (found,) = out["__interrupt__"]
    return dict(found.value)


def run(office: Office, given: Any, by: Any = MANAGER, **where: Any) -> dict[str, Any]:
    """The graph's own answer."""
    context = GuardContext(approver=by)
    return dict(office.graph.invoke(given, office.config(NAME, **where), context=context, durability="sync"))


def begin(office: Office) -> dict[str, Any]:
    """The thread up to its first question or its end."""
    office.gateway.open(USER, thread_id=NAME, party=PARTY)
    return run(office, {"messages": [HumanMessage("Please see to t1.")]})


def codes(office: Office) -> list[str]:
    """What the model was told, in order."""
    messages = office.graph.get_state(office.config(NAME)).values["messages"]
    return [json.loads(str(item.content))["code"] for item in messages if isinstance(item, ToolMessage)]


# ---- two at once, and again


@pytest.mark.req("A6", "A12", "B7")
@pytest.mark.databases
@pytest.mark.parametrize("strict", [False, True])
def test_two_resumes_of_one_interrupt_at_once(desk: Desk, strict: bool) -> None:
    """Two workers answer the same interrupt in the same moment, by its id: plain LangGraph writes twice, also strictly."""
    workers = [desk.open(*["Done."] * 9) for _ in range(2)]
    first = desk.open(WON)
    (asked,) = begin(first)["__interrupt__"]
    start = threading.Barrier(2)

    def press(worker: Office) -> None:
        start.wait(10)
        run(worker, Command(resume={asked.id: APPROVE}), **({"__pregel_strict_resume": True} if strict else {}))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(press, worker) for worker in workers]:
            assert done.exception(30) is None or "not_pending" in str(done.exception())
    assert stages(first) == ["won"]
    assert first.broken(NAME) == []


@pytest.mark.req("A6", "A7")
@pytest.mark.databases
def test_time_travel_does_nothing_twice(desk: Desk) -> None:
    """From every checkpoint there ever was, with and without an approval, as the approver and as somebody else."""
    office = desk.open(WON, "Moved.")
    begin(office)
    run(office, Command(resume=APPROVE))
    for old in list(office.graph.get_state_history(office.config(NAME))):
        for given in (None, Command(resume=APPROVE), Command(goto="execute"), Command(goto="approve")):
            again = desk.open("Moved.", "Moved.")
            for by in (MANAGER, replace(MANAGER, id="m2")):
                with suppress(InvalidUpdateError):  # LangGraph's own: two nodes at once, by "goto" and by what was next
                    again.graph.invoke(given, old.config, context=GuardContext(approver=by), durability="sync")
    assert stages(office) == ["won"]
    assert office.broken(NAME) == []


@pytest.mark.req("A7", "A12", "B1")
@pytest.mark.databases
@pytest.mark.parametrize("answered", [False, True], ids=["approved after", "approved before"])
@pytest.mark.parametrize(
    "change",
    [{"args": {"deal": NAME, "stage": "lost"}}, {"id": "c2"}, {"tool": "task.make"}, {"tool": "note.send"}],
    ids=repr,
)
def test_a_fork_with_another_call_does_not_ride_on_the_approval(
    desk: Desk, change: dict[str, Any], answered: bool
) -> None:
    """From every checkpoint of the pause somebody forks the thread with another call in the state: what runs was asked."""
    office = desk.open(WON, *["Done."] * 99)
    asked = question(begin(office))["agent_guard"]["approval_id"]
    if answered:
        office.gateway.answer(asked, "approve", by=MANAGER)
    for old in [item for item in office.graph.get_state_history(office.config(NAME)) if item.values.get("queue")]:
        (call,) = old.values["queue"]
        for node in ("decide", "approve", "execute"):
            fork = office.graph.update_state(old.config, {"queue": [call | change], "approval": asked})
            for given in (
                Command(goto=node),
                Command(resume=APPROVE),
                Command(resume={"approval_id": asked}, goto=node),
            ):
                office.graph.invoke(given, fork, context=GuardContext(approver=MANAGER), durability="sync")
    allowed = {"task.make": ["won"], "note.send": ["won"]}.get(change.get("tool", ""), [])  # those need no approval
    done = [effect["stage"] for effect in office.desk.effects(NAME) if effect["tool"] != "deal.move"]
    assert done in (allowed, [])
    moved = [effect for effect in office.desk.effects(NAME) if effect["tool"] == "deal.move"]
    assert [effect["stage"] for effect in moved] in ([], ["won"])
    asked_for = {row["trace_id"] for row in office.calls(NAME) if row["state"] == "done" and row["tool"] == "deal.move"}
    assert len(asked_for) == len(moved)


@pytest.mark.req("A12", "B1")
@pytest.mark.databases
def test_a_node_that_changes_the_call_after_its_approval(desk: Desk) -> None:
    """Whatever stands between the approval and the run, what was shown runs or nothing does."""
    office = desk.open()
    nodes = GuardNodes(ScriptedModel(WON, "Sorry."), office.gateway)

    def meddling(state: GuardState, config: RunnableConfig) -> Any:
        (call,) = state["queue"]
        return nodes.execute({**state, "queue": [call | {"args": {"deal": NAME, "stage": "lost"}}]}, config)

    graph = guard_graph(nodes)
    del graph.nodes["execute"]
    graph.add_node("execute", meddling, destinations=("decide", "plan", "escalate"))
    graph.add_edge(START, "plan")
    office.graph = graph.compile(checkpointer=office.graph.checkpointer)
    assert question(begin(office))["action_requests"][0]["args"]["stage"] == "won"
    run(office, Command(resume=APPROVE))
    assert codes(office) == ["approval_changed"]
    assert stages(office) == []


@pytest.mark.req("A12", "B5")
@pytest.mark.databases
def test_a_resumer_of_another_name_does_not_become_the_executor(desk: Desk) -> None:
    """The answer is recorded elsewhere; whoever resumes the graph then, the call runs as the requester's."""
    office = desk.open(WON)
    asked = question(begin(office))["agent_guard"]["approval_id"]
    office.gateway.answer(asked, "approve", by=MANAGER)
    mallory = Subject(id="mallory", tenant="evil", roles={"sales", "manager", "admin"})
    run(desk.open("Moved."), Command(resume={"approval_id": asked}), by=mallory)
    assert [effect["by"] for effect in office.desk.effects(NAME)] == ["u1"]
    actors = {
        event.data["actor"]["user_id"] for event in office.gateway.audit.events(thread=NAME) if event.data["actor"]
    }
    assert actors == {"u1"}


# ---- answers


BAD = [
    "yes",
    {"decisions": []},
    {"type": "edit", "edited_action": {"name": "note.send", "args": {}}},
    [1, 2],
    {"type": "accept!"},
]


@pytest.mark.req("A8", "A12")
@pytest.mark.databases
def test_a_bad_answer_is_not_kept_for_the_next_question(desk: Desk) -> None:
    """Bad answers, an empty resume and another process in between: the question stays, and the right answer counts once."""
    office = desk.open(WON)
    first = question(begin(office))["agent_guard"]["approval_id"]
    for value in BAD:
        again = question(run(office, Command(resume=value)))
        assert (again["agent_guard"]["approval_id"], bool(again["agent_guard"]["previous_error"])) == (first, True)
        assert question(run(desk.open(), None))["agent_guard"]["approval_id"] == first
        assert stages(office) == []
    assert run(desk.open("Moved."), Command(resume=APPROVE))["status"] == "delivered"
    assert stages(office) == ["won"]


@pytest.mark.req("A12")
@pytest.mark.databases
def test_the_first_answer_does_not_answer_the_second_question(desk: Desk) -> None:
    """Two questions of one node: running it again with nothing does not use the first answer for the second."""
    office = desk.open(calling(("c1", "won"), ("c2", "lost")))
    first = question(begin(office))["agent_guard"]["approval_id"]
    second = question(run(office, Command(resume={"type": "approve", "approval_id": first})))
    assert second["agent_guard"]["approval_id"] != first
    for given in (
        None,
        None,
        Command(resume={"approval_id": first}),
        Command(resume={"type": "approve", "approval_id": first}),
    ):
        asked = question(run(desk.open(), given))
        assert asked["action_requests"][0]["args"]["stage"] == "lost"
        assert stages(office) == ["won"]
    run(office, Command(resume={"type": "reject", "message": "No."}))
    assert stages(office) == ["won"]


@pytest.mark.req("A12")
@pytest.mark.databases
def test_the_calls_of_one_message_are_asked_one_by_one(desk: Desk) -> None:
    """Three calls that need a person are three interrupts of one action each, never two at once; each runs once."""
    office = desk.open(calling(("c1", "won"), ("c2", "lost"), ("c3", "paid")))
    out = begin(office)
    for stage in ("won", "lost", "paid"):
        (action,) = question(out)["action_requests"]
        assert (action["args"]["stage"], action["arguments"]) == (stage, action["args"])
        assert len(office.graph.get_state(office.config(NAME)).interrupts) == 1
        out = run(office, Command(resume=[{"type": "accept", "args": None}]))
    assert stages(office) == ["won", "lost", "paid"]


@pytest.mark.req("A6", "B7")
@pytest.mark.databases
def test_calls_of_one_message_that_nobody_is_asked_about(desk: Desk) -> None:
    """Four at once, two of them the same intent: three effects, in order; from every checkpoint again: none more."""
    calls = (("c1", "won"), ("c2", "lost"), ("c3", "won"), ("c4", "paid"))
    office = desk.open(calling(*calls, tool="task__make"))
    assert begin(office)["status"] == "delivered"
    assert stages(office) == ["won", "lost", "paid"]
    assert codes(office) == ["allowed", "allowed", "duplicate", "allowed"]
    for old in list(office.graph.get_state_history(office.config(NAME))):
        again = desk.open(calling(*calls, tool="task__make"))
        again.graph.invoke(None, old.config, context=GuardContext(approver=MANAGER), durability="sync")
    assert stages(office) == ["won", "lost", "paid"]
    assert office.broken(NAME) == []


@pytest.mark.req("A12")
@pytest.mark.databases
def test_a_message_while_a_question_waits(desk: Desk) -> None:
    """A new message replaces the call that waits: no answer that was given for it, then or later, runs anything."""
    office = desk.open(WON, calling(("c2", "lost")), "Moved.")
    old = question(begin(office))["agent_guard"]["approval_id"]
    new = question(run(office, {"messages": [HumanMessage("No, t1 is lost.")]}))["agent_guard"]["approval_id"]
    for value in (APPROVE, {"type": "approve", "approval_id": old}, {"approval_id": old}):
        assert question(run(office, Command(resume=value)))["agent_guard"]["approval_id"] == new
        assert stages(office) == []
    run(office, Command(resume={"type": "approve", "approval_id": new}))
    assert stages(office) == ["lost"]


@pytest.mark.req("A12", "A8")
@pytest.mark.databases
def test_a_rejected_call_does_not_run_when_the_policy_changes(desk: Desk) -> None:
    """While the question waits the tool becomes free: a rejection still runs nothing, an approval does not ride on it."""
    asked = question(begin(desk.open(WON)))["agent_guard"]["approval_id"]
    free = desk.open("Fine.", "Fine.", rules=policy({**MODES, "deal.move": "execute"}))
    run(free, Command(resume={"type": "reject", "approval_id": asked}))
    run(free, None)
    assert stages(free) == []
    assert codes(free) == ["rejected"]


@pytest.mark.req("A1", "B18")
def test_a_mistyped_name_is_no_open_door(desk: Desk) -> None:
    """A wrong name in a policy and a tool that no policy names are refused when the gateway is built; a call of a tool
    that there is not is denied.
    """
    with pytest.raises(ConfigError, match=r"deal\.moves"):
        desk.open(rules=policy({**MODES, "deal.moves": "approve"}))
    with pytest.raises(ConfigError, match=r"note\.send.*named by no policy"):
        desk.open(rules=policy({name: mode for name, mode in MODES.items() if name != "note.send"}))
    office = desk.open(calling(("c1", "won"), tool="deal__drop"))
    begin(office)
    assert codes(office) == ["tool_unknown"]
    assert stages(office) == []


@pytest.mark.req("A3", "A22")
@pytest.mark.databases
def test_limits_do_not_begin_anew_at_a_resume(desk: Desk) -> None:
    """Six resumes of six questions, each in another process, and a limit of two actions: two effects."""
    limits = {"actions_per_thread": 2, "attempts_per_thread": 50, "steps_per_thread": 50}
    turns = [calling((f"c{n}", f"stage {n}")) for n in range(6)]
    out = begin(desk.open(turns[0], rules=policy(limits=limits)))
    for n in range(1, 7):
        if not out.get("__interrupt__"):
            out = run(
                desk.open(*turns[n - 1 :], rules=policy(limits=limits)), {"messages": [HumanMessage("Go on with t1.")]}
            )
        else:
            out = run(desk.open(*turns[n:], rules=policy(limits=limits)), Command(resume=APPROVE))
    office = desk.offices[0]
    assert stages(office) == ["stage 0", "stage 1"]
    assert "limit_actions" in codes(office)


@pytest.mark.req("A22", "A8")
def test_the_same_call_sixty_times(desk: Desk) -> None:
    """A model that cannot stop is stopped, long before LangGraph's recursion limit, and nothing was done twice."""
    office = desk.open(*[calling((f"c{n}", "won"), tool="task__make") for n in range(60)])
    out = begin(office)
    assert (out["status"], out["outcome"]["code"]) == ("escalated", "loop")
    assert stages(office) == ["won"]


@pytest.mark.req("A23", "B6")
@pytest.mark.databases
def test_the_checkpoints_hold_no_value(desk: Desk, database: Any) -> None:
    """No table of the checkpoints holds what the user wrote: not as state, not as metadata, not in the pause."""
    office = desk.open(WON, "Moved it for <EMAIL_1>.")
    said = "Please see to t1 and tell anna.kowalska@secret.example, +48 601 234 567."
    reply = office.session.start(said, USER, speaker="user", thread_id=NAME, party=PARTY)
    assert (
        office.session.resume(reply.pending.id, "approve", by=MANAGER).text
        == "Moved it for anna.kowalska@secret.example."
    )
    kept = dump(database.checkpoints)
    assert "call" in kept
    assert "kowalska" not in kept.casefold()
    assert "601 234 567" not in kept


def dump(url: str) -> str:
    """Every table of the checkpoints as text."""
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = [name for name in sa.inspect(connection).get_table_names() if name.startswith(("checkpoint", "write"))]
        rows = [row for name in names for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]
    engine.dispose()
    assert rows
    return "\n".join(
        bytes(cell).decode("utf-8", "replace") if isinstance(cell, (bytes, memoryview)) else str(cell)
        for row in rows
        for cell in row
    )


# ---- the asynchronous door


@pytest.fixture
async def saver(tmp_path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """LangGraph's asynchronous checkpointer."""
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "async.db")) as made:
        yield made


def agent(office: Office, saver: Any, *turns: AIMessage | str) -> Any:
    """The same graph over an asynchronous checkpointer."""
    return guarded_agent(ScriptedModel(*turns), office.gateway, checkpointer=saver)


async def arun(graph: Any, given: Any, by: Subject = MANAGER) -> Any:
    context = GuardContext(approver=by)
    return await graph.ainvoke(given, Office.config(NAME), context=context, durability="sync")


@pytest.mark.req("A6", "A12", "B7")
@pytest.mark.databases
async def test_asynchronous_resumes_at_once(desk: Desk, saver: AsyncSqliteSaver) -> None:
    """Four tasks on one loop answer the same question in the same moment, after a bad answer: one effect."""
    office = desk.open()
    graph = agent(office, saver, WON, *["Moved."] * 9)
    office.gateway.open(USER, thread_id=NAME, party=PARTY)
    await arun(graph, {"messages": [HumanMessage("Please see to t1.")]})
    assert question(await arun(graph, Command(resume="yes")))["agent_guard"]["previous_error"]
    await asyncio.gather(*(arun(graph, Command(resume=APPROVE)) for _ in range(4)))
    assert stages(office) == ["won"]
    assert office.broken(NAME) == []


@pytest.mark.req("A6", "A7")
@pytest.mark.databases
async def test_asynchronous_time_travel(desk: Desk, saver: AsyncSqliteSaver) -> None:
    """Old checkpoints through the asynchronous door: nothing happens twice."""
    office = desk.open()
    graph = agent(office, saver, WON, *["Moved."] * 99)
    office.gateway.open(USER, thread_id=NAME, party=PARTY)
    await arun(graph, {"messages": [HumanMessage("Please see to t1.")]})
    await arun(graph, Command(resume=APPROVE))
    for old in [item async for item in graph.aget_state_history(Office.config(NAME))]:
        for given in (None, Command(resume=APPROVE)):
            await graph.ainvoke(given, old.config, context=GuardContext(approver=MANAGER), durability="sync")
    assert stages(office) == ["won"]


@pytest.mark.req("A12", "B7")
@pytest.mark.databases
async def test_the_sessions_asynchronous_twins_at_once(desk: Desk) -> None:
    """``aresume`` four times at once, by two offices: one answer, one effect, and the thread is usable afterwards."""
    offices = [desk.open(WON, "Moved."), desk.open("Moved.", "Moved.")]
    first = await offices[0].session.astart("Please see to t1.", USER, speaker="user", thread_id=NAME, party=PARTY)
    done = await asyncio.gather(
        *(office.session.aresume(first.pending.id, "approve", by=MANAGER) for office in offices * 2),
        return_exceptions=True,
    )
    assert [item for item in done if isinstance(item, BaseException)] == []
    assert stages(offices[0]) == ["won"]
    assert (await offices[0].session.asend(NAME, "Thanks for t1", speaker="user", by=USER)).status == "delivered"
    assert stages(offices[0]) == ["won"]
