"""A thread that another release paused: an older one's goes on, a newer one's says exactly why not; no question is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.types import Command

from agent_guard.errors import NewerRelease
from agent_guard.graph.checkpoints import Checkpoints
from agent_guard.graph.state import STATE_VERSION
from agent_guard.migrations import upgrade
from agent_guard.nodes import GuardContext
from agent_guard.store import Store
from agent_guard.work import turns
from agent_guard.work.worker import Worker
from tests.clients.server import EDITED, TERMS, Served, proposal
from tests.clients.test_agent_inbox import AgentInbox
from tests.clients.test_terminal import Terminal
from tests.conftest import Database, World
from tests.paused.world import AGENT, BOSS, GRAPH, SELLER, opened

pytestmark = pytest.mark.req("A12", "B17")

RELEASES = sorted(path for path in Path(__file__).parent.iterdir() if (path / "guard.sql").exists())


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def paused(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The databases as an old release left them, under today's schema."""
    for name in ("guard", "threads"):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as connection:
            connection.executescript((request.param / f"{name}.sql").read_text(encoding="utf-8"))
    with closing(Store(f"sqlite:///{tmp_path}/guard.db")) as store:
        upgrade(store)
    return tmp_path


@pytest.mark.parametrize("thread", [GRAPH, AGENT])
def test_a_thread_that_an_old_release_paused_goes_on(paused: Path, thread: str) -> None:
    """The question is shown, approved and carried out with the value that the old release hid; the record is whole."""
    deal = {GRAPH: "41", AGENT: "42"}[thread]
    with opened(paused, "Moved, <PERSON_1> was right.") as office:
        session = office.session(thread)
        pending = session.state(thread, by=SELLER).pending
        assert pending is not None
        assert pending.args == {"deal_id": deal, "stage": "won", "note": "For <PERSON_1>"}
        reply = session.resume(pending.id, "approve", by=BOSS)
        assert (reply.status, reply.text) == ("delivered", "Moved, Anna Kowalska was right.")
        assert office.done == [(deal, "won", "For Anna Kowalska")]
        assert list(office.gateway.audit.broken(thread)) == []


@pytest.mark.parametrize("thread", [GRAPH, AGENT])
@pytest.mark.parametrize("word", ["edit", "reject", "respond"])
def test_every_answer_reaches_a_thread_of_an_old_release(paused: Path, thread: str, word: Any) -> None:
    """Also what runs something else, or nothing."""
    deal = {GRAPH: "41", AGENT: "42"}[thread]
    with opened(paused, "Fine.") as office:
        session = office.session(thread)
        pending = session.state(thread, by=SELLER).pending
        assert pending is not None
        args = {"deal_id": deal, "stage": "new", "note": "Again"} if word == "edit" else None
        assert session.resume(pending.id, word, by=BOSS, args=args, message="Later.").status in (
            "delivered",
            "escalated",
        )
        assert office.done == ([(deal, "new", "Again")] if word == "edit" else [])


def test_an_old_question_may_expire(paused: Path) -> None:
    """A worker of today tells an old thread that nobody answered."""
    with opened(paused, "Nobody answered.") as office:
        office.clock.forward(hours=25)
        done = list(Worker(office.gateway, lambda _: office.graph).round())
        assert {item.status for item in done if item.thread == GRAPH} == {"delivered"}
        assert office.done == []


# ---- a form that this release does not write


def rewritten(server: Served, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the newest checkpoint of a thread in its place: as if another release had written it.

    Args:
        change: of the channels' values; an interrupt's value stands under ``interrupt``.
    """
    opened = Checkpoints(server.world.database.checkpoints)
    saver = opened.saver
    found = saver.get_tuple(server.config)
    saver.delete_thread(server.thread_id)
    values = dict(found.checkpoint["channel_values"])
    asked = [value for _, channel, value in found.pending_writes if channel == "__interrupt__"]
    holder = values | ({"interrupt": asked[0][0].value} if asked else {})
    change(holder)
    holder.pop("interrupt", None)
    checkpoint = found.checkpoint | {"channel_values": holder}
    versions = {name: version for name, version in checkpoint["channel_versions"].items() if name in holder}
    where = saver.put(
        {"configurable": {"thread_id": server.thread_id, "checkpoint_ns": ""}}, checkpoint, found.metadata, versions
    )
    for task in dict.fromkeys(task for task, _, _ in found.pending_writes):
        saver.put_writes(where, [(name, value) for each, name, value in found.pending_writes if each == task], task)
    opened.close()


def versioned(version: Any) -> Callable[[dict[str, Any]], None]:
    """A state of another form: without a number, or with a higher one."""

    def change(values: dict[str, Any]) -> None:
        place = values["guard"] = dict(values["guard"]) if "guard" in values else None
        place = values if place is None else place
        if place is values:
            values.pop("guard")
        place.pop("v", None)
        if version is not None:
            place["v"] = version
        else:  # what later releases added
            values["queue"] = [
                {name: item for name, item in call.items() if name not in ("problem", "reason")}
                for call in values.get("queue", [])
            ]
            if not values["queue"]:
                values.pop("queue")
            for name in ("error", "outcome"):
                values.pop(name, None)

    return change


@pytest.fixture(params=["guarded_agent", "create_agent"])
def server(world: World, request: pytest.FixtureRequest) -> Iterator[Served]:
    """A thread that waits for a manager."""
    made = Served(world, request.param, proposal(), "Done.", "Done.")
    made.say()
    yield made
    made.close()


@pytest.mark.databases
@pytest.mark.parametrize("word", ["approve", "edit", "reject"])
def test_a_state_without_a_version_goes_on(server: Served, word: str) -> None:
    """The oldest form: no number, calls without what was added to them later."""
    rewritten(server, versioned(None))
    AgentInbox(server).answer(word, args=EDITED, text="No.")
    assert server.done == {"approve": [TERMS], "edit": [EDITED]}.get(word, [])
    assert not server.waits


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "block", [{}, {"v": 0, "approval_id": "ID"}, {"v": 9, "approval_id": "ID", "more": 1}], ids=repr
)
def test_a_question_in_another_form(server: Served, block: dict[str, Any]) -> None:
    """What the interrupt holds is another release's: today's is made of the stored question. One that names none of our
    questions is nobody's here: the answer is recorded, and whoever gave it is told why nothing goes on.
    """
    (asked,) = server.approvals
    value = {key: asked.id if item == "ID" else item for key, item in block.items()}

    def change(values: dict[str, Any]) -> None:
        values["interrupt"]["agent_guard"].clear()
        values["interrupt"]["agent_guard"].update(value)

    rewritten(server, change)
    if block:
        pending = server.session.state(server.thread_id, by=World.sdr).pending
        assert pending is not None
        assert (pending.id, dict(pending.args)) == (asked.id, TERMS)
    terminal = Terminal(server)
    terminal.answer("approve")
    assert server.done == ([TERMS] if block else [])
    assert block or "none of this gateway's questions" in " ".join(terminal.shown.split())
    assert server.approvals[0].answer == "approve"


NEWER = STATE_VERSION + 1
WHY = f"a newer release of agent_guard wrote this thread .its state has the form '{NEWER}', this release reads up to"


@pytest.mark.databases
def test_an_answer_to_a_thread_of_a_newer_release(server: Served) -> None:
    """By the graph's own door it is not taken: the question is asked again with the reason, and no approver's answer is
    kept for later. A process of the newer release finds the question open.
    """
    rewritten(server, versioned(NEWER))
    for _ in range(2):
        again = server.run({"resume": {"decisions": [{"type": "approve"}]}})
        (interrupts,) = again["interrupts"].values()
        words = again.get("error") or interrupts[0]["value"]["agent_guard"]["previous_error"]
        assert words.startswith("a newer release of agent_guard wrote this thread")
        assert (server.done, server.waits, server.approvals[0].answer) == ([], True, None)
    for by in (World.boss, World.sdr):  # nobody's look at it makes the refused answer theirs
        server.session.graph.invoke(None, server.config, context=GuardContext(approver=by), durability="sync")
    assert (server.done, server.waits) == ([], True)
    rewritten(server, versioned(STATE_VERSION))
    assert AgentInbox(server).answer("approve")["status"] == "idle"
    assert server.done == [TERMS]


@pytest.mark.databases
def test_a_recorded_answer_waits_for_the_newer_release(server: Served) -> None:
    """Recorded elsewhere, it stays recorded; this release's session and workers say why they do not carry it out, never
    put the thread aside, and a process of the newer one does.
    """
    (asked,) = server.approvals
    rewritten(server, versioned(NEWER))
    with pytest.raises(NewerRelease, match=WHY):
        server.session.resume(asked.id, "approve", by=World.boss)
    worker = Worker(server.gateway, lambda _: server.session)
    for _ in range(turns.TRIES + 2):
        server.world.clock.forward(minutes=5)
        (failed,) = worker.round()
        assert (failed.kind, failed.thread) == ("failed", server.thread_id)
        assert "a newer release" in str(failed.words)
    assert (server.done, server.approvals[0].answer, turns.aside(server.gateway)) == ([], "approve", [])
    rewritten(server, versioned(STATE_VERSION))
    (done,) = worker.round()
    assert (done.kind, done.status) == ("resumed", "delivered")
    assert server.done == [TERMS]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("version", [NEWER, "2.0", 2.5, [1]], ids=repr)
def test_nothing_runs_in_a_thread_of_a_newer_release(world: World, version: Any) -> None:
    """A message, a node that was left in the middle, a jump into one: each raises, and the model is not asked."""
    server = Served(world, "guarded_agent", "Hello.", proposal(), "Done.")
    server.say()
    heard = len(server.model.heard)
    rewritten(server, versioned(version))
    graph = server.session.graph
    for given in (
        {"messages": [HumanMessage("Go on.", additional_kwargs={"speaker": "user"})]},
        Command(goto="plan"),
        Command(goto="decide"),
        Command(goto="execute"),
    ):
        with pytest.raises(NewerRelease, match="a newer release"):
            graph.invoke(given, server.config, context=GuardContext(approver=World.boss), durability="sync")
    assert (len(server.model.heard), server.done) == (heard, [])
    server.close()


@pytest.mark.databases("sqlite")
def test_the_middleware_asks_no_model_in_a_thread_of_a_newer_release(world: World) -> None:
    """The agent's model call is refused as well."""
    server = Served(world, "create_agent", "Hello.", proposal(), "Done.")
    server.say()
    rewritten(server, versioned(NEWER))
    heard = len(server.model.heard)
    assert "a newer release" in server.say()["error"]
    assert (len(server.model.heard), server.done) == (heard, [])
    server.close()


def test_the_versions_are_written(world: World, database: Database) -> None:
    """Every graph notes the form of its state, so that a later release knows it."""
    for graph in ("guarded_agent", "create_agent"):
        server = Served(world, graph, proposal(), thread=graph)
        server.say()
        values = server.session.graph.get_state(server.config).values
        with suppress(KeyError):
            values = values["guard"]
        assert values["v"] == STATE_VERSION
        assert not [item for item in values.get("messages", []) if isinstance(item, ToolMessage)]
        server.close()
