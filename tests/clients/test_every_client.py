"""Whoever answers, by whatever client, in whatever graph: the same answer has the same outcome, words and record; what
one client closes or says wrongly is lost to no other, and of two that answer at once one counts.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from agent_guard.errors import ApprovalError, PendingApproval
from agent_guard.nodes import GuardContext, tool_node
from agent_guard.session import Session
from agent_guard.testing import call
from agent_guard.work.worker import Worker
from tests.clients.server import EDITED, TERMS, Served, proposal
from tests.clients.test_agent_chat_ui import AgentChatUi
from tests.clients.test_agent_inbox import AgentInbox
from tests.clients.test_sdk import Sdk
from tests.clients.test_studio import Studio
from tests.clients.test_terminal import Terminal
from tests.conftest import World
from tests.crash.harness import Ended, Nursery

pytestmark = pytest.mark.req("A12")

CLIENTS: dict[str, Callable[..., Any]] = {
    "Agent Inbox": AgentInbox,
    "Agent Inbox, decisions": lambda server, **more: AgentInbox(server, wraps=True, **more),
    "agent-chat-ui": AgentChatUi,
    "Studio": Studio,
    "SDK": Sdk,
    "SDK, JavaScript": lambda server, **more: Sdk(server, script=True, **more),
    "terminal": Terminal,
}
WORDS = ("approve", "edit", "reject", "respond", "ignore")
OFFERED = {
    "Agent Inbox": AgentInbox.words, "Agent Inbox, decisions": AgentInbox.words, "agent-chat-ui": AgentChatUi.words,
    "Studio": Studio.words, "SDK": Sdk.words, "SDK, JavaScript": Sdk.words, "terminal": Terminal.words,
}  # fmt: skip
SECOND = replace(World.boss, id="m8")


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


@pytest.fixture
def serve(world: World) -> Any:
    """Makes threads that wait for a manager."""
    made: list[Served] = []

    def one(graph: str = "guarded_agent", *turns: Any, **options: Any) -> Served:
        server = Served(world, graph, *(turns or (proposal(), "Done.")), **options)
        made.append(server)
        return server

    yield one
    for server in made:
        server.close()


def outcome(server: Served) -> dict[str, Any]:
    """What is left of an answer: effects, what the model was told, the answer, the record."""
    return {
        "done": server.done,
        "told": [(item["status"], item["code"], item.get("message")) for item in server.told],
        "answers": [(item.answer, item.answered_by, item.message) for item in server.approvals],
        "record": server.kinds,
    }


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("word", WORDS)
def test_the_same_answer_has_the_same_outcome(serve: Any, word: str) -> None:
    """Seven ways to say it in three graphs: one outcome, whoever said it."""
    outcomes = {}
    text = "" if word == "ignore" else "Not before Friday."
    discount = 5
    for client, make in CLIENTS.items():
        if word not in OFFERED[client]:
            continue
        for graph in ("guarded_agent", "scenario", "create_agent"):
            discount += 1  # another key, or it would be a duplicate
            server = serve(graph, proposal(discount=discount), "Done.", thread=f"t{discount}")
            server.say()
            before = len(server.done)
            make(server).answer(word, args=EDITED | {"discount": discount}, text=text)
            found = outcome(server)
            found["done"] = [item | {"discount": 0} for item in found["done"][before:]]
            outcomes[client, graph] = found
    expected = next(iter(outcomes.values()))
    assert {key: found for key, found in outcomes.items() if found != expected} == {}
    done = {"approve": [TERMS | {"discount": 0}], "edit": [EDITED | {"discount": 0}]}.get(word, [])
    assert expected["done"] == done
    assert expected["answers"][0] == (
        "reject" if word == "ignore" else word,
        "m7",
        text if word in ("reject", "respond") else None,
    )


BAD: list[Any] = [
    "yes", [], {}, {"decisions": []}, {"decisions": [{"type": "approve"}] * 2}, [{"type": "accept"}] * 2, [1, 2], True,
    {"decisions": [{"type": "edit", "edited_action": {"name": "crm.delete", "args": {}}}]},
    [{"type": "edit", "args": {"action": "crm.delete", "args": {}}}], {"type": "edit", "args": TERMS},
    {"type": "accept!"}, [{"type": "response"}, {"type": "accept"}],
]  # fmt: skip


@pytest.mark.req("A8")
@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("graph", ["guarded_agent", "scenario", "create_agent"])
def test_nothing_that_a_client_says_wrongly_bricks_the_thread(serve: Any, graph: str) -> None:
    """Answers for two actions, for another tool, of nobody's form: each is told what was wrong, the question stays the
    same one, and the right answer counts once, by whatever client.
    """
    server = serve(graph)
    server.say()
    (asked,) = server.approvals
    for value in BAD:
        again = server.run({"resume": value})
        (interrupts,) = again["interrupts"].values()
        block = interrupts[0]["value"]["agent_guard"]
        assert block["approval_id"] == asked.id
        assert again.get("error") or block["previous_error"]
        assert (server.done, server.approvals) == ([], [asked])
    assert AgentInbox(server).answer("approve")["status"] == "idle"
    assert server.done == [TERMS]


# ---- "Mark resolved", "resolve"


def by_terminal(server: Served) -> None:
    Terminal(server).answer("approve")


def by_session(server: Served) -> None:
    (asked,) = server.approvals
    reply = server.session.resume(asked.id, "approve", by=World.boss)
    assert (reply.status, reply.masked) == ("delivered", "Done.")


def by_worker(server: Served) -> None:
    (asked,) = server.approvals
    server.gateway.answer(asked.id, "approve", by=World.boss)
    (done,) = Worker(server.gateway, lambda _: server.session).round()
    assert (done.kind, done.status, done.questions) == ("resumed", "delivered", {asked.id: "approve"})


def by_its_own_door(server: Served) -> None:
    assert server.run({"resume": {"decisions": [{"type": "approve"}]}})["status"] == "idle"


@pytest.mark.req("A7")
@pytest.mark.databases
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("graph", "answer"),
    [
        ("guarded_agent", by_terminal),
        ("guarded_agent", by_session),
        ("scenario", by_worker),
        ("create_agent", by_session),
        ("create_agent", by_its_own_door),
    ],
)
def test_what_was_marked_resolved_can_still_be_answered(
    serve: Any, graph: str, answer: Callable[[Served], None], times: int
) -> None:
    """LangGraph has forgotten the question, the table has not: the answer is carried out from where the thread paused,
    once, and the conversation goes on.
    """
    server = serve(graph)
    server.say()
    for _ in range(times):
        AgentInbox(server).close()
    assert server.thread()["status"] == "idle"
    assert (server.done, server.waits) == ([], True)
    answer(server)
    assert (server.done, [item["code"] for item in server.told], server.waits) == ([TERMS], ["allowed"], False)
    assert server.kinds[-1] == "finished"
    server.session.take_up(server.thread_id)
    assert len(server.done) == 1


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("word", ["reject", "respond", "edit"])
def test_every_word_counts_after_mark_resolved(serve: Any, word: str) -> None:
    """Also one that runs nothing, or something else, reaches the model."""
    server = serve()
    server.say()
    AgentInbox(server).close()
    Terminal(server).answer(word, args=EDITED, text="Not before Friday.")
    assert server.done == ([EDITED] if word == "edit" else [])
    assert server.told[0]["code"] == ("allowed" if word == "edit" else "rejected")


@pytest.mark.databases("sqlite")
def test_a_resume_that_langgraph_has_nothing_for(serve: Any) -> None:
    """After "Mark resolved" a bare graph has nothing to resume: an answer by LangGraph alone is dropped by it, approves
    nothing and loses nothing.
    """
    server = serve()
    server.say()
    AgentInbox(server).close()
    for value in ({"type": "approve"}, {"approval_id": server.approvals[0].id}):
        assert server.run({"resume": value})["status"] == "idle"
    server.session.graph.invoke(None, server.config, context=GuardContext(approver=World.boss))
    assert (server.done, server.waits, server.approvals[0].answer) == ([], True, None)
    by_session(server)
    assert server.done == [TERMS]


@pytest.mark.databases
def test_nobody_answers_what_was_marked_resolved(serve: Any, world: World) -> None:
    """It expires like any other: the worker tells the model so, and nothing runs."""
    server = serve()
    server.say()
    AgentInbox(server).close()
    world.clock.forward(hours=25)
    (done,) = Worker(server.gateway, lambda _: server.session).round()
    assert (done.status, list((done.questions or {}).values())) == ("delivered", ["expired"])
    assert (server.done, [item["code"] for item in server.told]) == ([], ["approval_expired"])


@pytest.mark.databases("sqlite")
def test_a_message_after_mark_resolved(serve: Any) -> None:
    """A Session refuses it, as before any open question; in a bare graph it takes the question's place, and no late
    answer runs anything.
    """
    server = serve("guarded_agent", proposal(), "Done.", "Done.")
    server.say()
    AgentInbox(server).close()
    with pytest.raises(PendingApproval):
        server.session.send(server.thread_id, "And now?", speaker="user", by=World.sdr)
    (asked,) = server.approvals
    assert server.say("Forget it.")["status"] == "idle"
    assert not server.waits
    with pytest.raises(ApprovalError, match="expired or was replaced"):
        server.session.resume(asked.id, "approve", by=World.boss)
    server.session.take_up(server.thread_id)
    assert server.done == []


@pytest.mark.databases("sqlite")
def test_mark_resolved_in_a_graph_around_ours(world: World) -> None:
    """Also where the question stands in a node that is a graph itself (``tool_node``)."""
    gateway = world.gateway(file=True)
    gateway.open(world.sdr, thread_id="t1", party=world.anna)
    asked_for = call("crm.set_stage", id="c1", deal_id="42", stage="won")

    def model(state: Talk) -> dict[str, Any]:
        return {"messages": [asked_for if isinstance(state["messages"][-1], HumanMessage) else AIMessage("Done.")]}

    graph = StateGraph(Talk, context_schema=GuardContext)
    graph.add_node("model", model)
    graph.add_node("tools", tool_node(gateway))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", lambda state: END if state["messages"][-1].text == "Done." else "tools")
    graph.add_edge("tools", "model")
    session = Session(graph.compile(checkpointer=InMemorySaver()), gateway)
    config: Any = {"configurable": {"thread_id": "t1"}}
    session.graph.invoke({"messages": [HumanMessage("Go.")]}, config)
    session.graph.update_state(config, None, as_node="__end__")
    pending = session.state("t1", by=world.sdr).pending
    assert pending is not None
    assert session.resume(pending.id, "approve", by=world.boss).status == "delivered"
    assert [item["stage"] for item in world.desk.effects] == ["won"]


# ---- two at once


def raced(server: Served, first: Any, second: Any) -> None:
    """Of two answers one counts, and what ran is what it says."""
    (asked,) = server.approvals
    assert (asked.answer, asked.answered_by) in (first, second)
    assert len(server.done) == (asked.answer == "approve")
    kinds = Counter(server.kinds)
    assert (kinds["answered"], kinds["finished"]) == (1, int(asked.answer == "approve"))
    assert not server.waits


@pytest.mark.req("B7", "A6")
@pytest.mark.databases
@pytest.mark.parametrize(
    ("one", "other"), [("Agent Inbox", "terminal"), ("agent-chat-ui", "SDK"), ("Studio", "Agent Inbox, decisions")]
)
def test_two_clients_at_once(world: World, serve: Any, one: str, other: str) -> None:
    """One approves while another one rejects, each at a process of its own as far as the databases can tell."""
    for turn in range(3):
        world.desk.path.unlink(missing_ok=True)
        thread = f"t{turn}"
        servers = [serve("guarded_agent", proposal(discount=turn), *["Done."] * 3, thread=thread) for _ in range(2)]
        servers[0].say()
        clients = [CLIENTS[one](servers[0]), CLIENTS[other](servers[1], by=SECOND)]
        start = Barrier(2)
        for client in clients:
            if hasattr(client, "sees"):
                client.sees = lambda seen=client.sees(): seen  # the form was opened before

        def press(client: Any, word: str, start: Barrier = start) -> None:
            start.wait(10)
            client.answer(word, text="Not before Friday.")

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(press, *each) for each in zip(clients, ("approve", "reject"), strict=True)]:
                done.result(30)
        servers[0].session.take_up(thread)
        raced(servers[0], ("approve", "m7"), ("reject", "m8"))


def warm() -> None:
    """One conversation, so that a process that is forked has everything loaded."""
    with TemporaryDirectory() as folder:
        world = World.at((folder, f"sqlite:///{folder}/guard.db"))
        server = Served(world, "guarded_agent", proposal(), "Done.")
        server.say()
        Terminal(server).answer("approve")
        server.close()
        world.close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A process that forks."""
    with Nursery(warm) as made:
        yield made


def answer_it(home: tuple[str, str], thread: str, rejects: bool, start: str) -> tuple[Any, ...]:
    """A process: Agent Inbox, or a terminal, at a server of its own. Waits for the start with its form open."""
    os.chdir(home[0])  # where the key of a database on a server lies
    world = World.at(home)
    server = Served(world, "guarded_agent", *["Done."] * 3, thread=thread)
    client = Terminal(server, by=SECOND) if rejects else AgentInbox(server)
    if isinstance(client, AgentInbox):
        client.sees = lambda seen=client.sees(): seen  # type: ignore[method-assign,misc]
    Path(start).read_bytes()  # until somebody writes into it
    client.answer("reject" if rejects else "approve", text="Not before Friday.")
    server.session.take_up(thread)
    (asked,) = server.approvals
    server.close()
    world.close()
    return asked.answer, asked.answered_by


@pytest.mark.req("B7", "A6")
@pytest.mark.databases
def test_two_processes_at_once(world: World, serve: Any, nursery: Nursery, tmp_path: Path) -> None:
    """Agent Inbox at one process approves, a terminal at another one rejects the same question: one answer, and both
    say afterwards which.
    """
    for turn in range(3):
        server = serve("guarded_agent", proposal(discount=turn), "Done.", thread=f"t{turn}")
        server.say()
        starts = [tmp_path / f"start-{turn}-{n}" for n in range(2)]
        for start in starts:
            os.mkfifo(start)
        jobs = [
            nursery.begin(answer_it, world.home, server.thread_id, bool(n), str(start))
            for n, start in enumerate(starts)
        ]
        opened = [start.open("wb") for start in starts]  # each opens when its process is there
        for each in opened:
            each.close()
        ends = [nursery.wait(job) for job in jobs]
        told = {end.told for end in ends if isinstance(end, Ended)}
        (asked,) = server.approvals
        assert told == {(asked.answer, asked.answered_by)}
        assert told <= {("approve", "m7"), ("reject", "m8")}
        done = [item for item in server.done if item["discount"] == turn]
        assert len(done) == Counter(server.kinds)["finished"] == (asked.answer == "approve")


@pytest.mark.databases("sqlite")
def test_a_second_answer_is_told_so(serve: Any) -> None:
    """Later, by another client: the answer stands, whoever would have it otherwise; a double click is the same answer."""
    server = serve("guarded_agent", proposal(), "Done.", "Done.")
    server.say()
    AgentInbox(server).answer("reject", text="No.")
    (asked,) = server.approvals
    with pytest.raises(ApprovalError, match="was answered already: reject by m7"):
        server.session.resume(asked.id, "approve", by=SECOND)
    server.session.resume(asked.id, "reject", by=World.boss, message="No.")
    for value in ({"type": "approve", "approval_id": asked.id}, [{"type": "accept", "args": None}]):
        server.run({"resume": value}, by=SECOND)
    assert server.done == []
    assert json.dumps(server.told).count("No.") == 1
