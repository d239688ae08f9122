"""The front desk as a graph: one route a thread, then one scenario for good, through every door and on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from agent_guard.errors import ConfigError, StoreError
from agent_guard.gateway import Gateway
from agent_guard.masking import MemoryVault
from agent_guard.nodes import GuardContext, desk_graph, guarded_agent
from agent_guard.policy import Policy
from agent_guard.routed import routed
from agent_guard.router import Corridor, Route, Router
from agent_guard.session import Reply, Session
from agent_guard.testing import FunctionModel, ScriptedModel, call
from agent_guard.threads import ThreadRow
from agent_guard.types import Code
from agent_guard.work.worker import Worker
from tests.conftest import World, create_task, read_deal

pytestmark = [pytest.mark.databases, pytest.mark.req("A9")]

CORRIDOR = """version: 1
scenario: {name}
needs_party: {party}
scope: {scope}
label: {{en: "{name} things"}}
strong: {{en: ["{word}"]}}
examples: {{en: ["{word}"]}}
"""
POLICY = """version: 1
name: {name}
limits: {{steps_per_thread: 6}}
tools:
"""
TOOLS = {
    "crm.read_deal": "  crm.read_deal: {roles: [sdr], mode: execute}\n",
    "crm.create_task": "  crm.create_task: {roles: [sdr], mode: approve, approvers: {roles: [manager]}}\n",
}
TASK = call("crm.create_task", deal_id="42", subject="Call back")
READ = call("crm.read_deal", deal_id="42")


class Shop:
    """A desk before two scenarios: ``reading`` needs no customer, ``tasks`` needs one and has a scope."""

    def __init__(self, world: World) -> None:
        self.world = world
        folder = world.folder
        corridors = []
        for name, party, scope, word in (
            ("reading", "false", "policy", "look*"),
            ("tasks", "true", "[crm.create_task]", "remind*"),
        ):
            (folder / f"{name}.yaml").write_text(CORRIDOR.format(name=name, party=party, scope=scope, word=word))
            corridors.append(Corridor.load(folder / f"{name}.yaml"))
        self.router = Router(corridors)
        self.policies = {
            "desk": Policy.parse("version: 1\nname: desk\nlimits: {steps_per_thread: 3}\ntools: {}\n"),
            "reading": Policy.parse(POLICY.format(name="reading") + TOOLS["crm.read_deal"]),
            "tasks": Policy.parse(POLICY.format(name="tasks") + "".join(TOOLS.values())),
        }
        self.saver = InMemorySaver()
        self.models: dict[str, Any] = {}

    def gateway(self) -> Gateway:
        """A gateway of the one shared database, as another process would have it."""
        return self.world.gateway(self.policies, file=True, tools=[read_deal, create_task])

    def session(self, *turns: Any, gateway: Gateway | None = None, saver: Any = None) -> Session:
        """The desk's session, whose scenarios have one script each."""
        gateway = gateway or self.gateway()
        self.models = {
            name: FunctionModel(turns[0]) if len(turns) == 1 and callable(turns[0]) else ScriptedModel(*turns)
            for name in ("reading", "tasks")
        }
        inside = {name: guarded_agent(model, gateway) for name, model in self.models.items()}
        return Session(desk_graph(gateway, self.router, inside, name="desk"), gateway, checkpointer=saver or self.saver)

    def start(self, session: Session, text: str, thread: str = "t1", **options: Any) -> Reply:
        """A first message of the seller."""
        return session.start(text, self.world.sdr, speaker="user", scenario="desk", thread_id=thread, **options)

    def send(self, session: Session, text: str, thread: str = "t1") -> Reply:
        """Another one."""
        return session.send(thread, text, speaker="user", by=self.world.sdr)

    def kinds(self, gateway: Gateway, thread: str = "t1") -> list[str]:
        """The kinds of a thread's events."""
        return [event.data["kind"] for event in gateway.audit.events(thread=thread)]


@pytest.fixture(name="shop")
def _shop(world: World) -> Shop:
    return Shop(world)


def test_a_request_goes_into_its_scenario_for_good(shop: Shop) -> None:
    """Scenario and scope stand in the thread's row; a later message that fits another corridor changes nothing."""
    session = shop.session("First.", "Second.")
    assert shop.start(session, "Please look at it", party=shop.world.anna).text == "First."
    row = session.gateway.thread_row("t1")
    assert (row.scenario, row.scope, row.via, row.graph) == ("reading", None, "desk", "desk")
    assert shop.send(session, "Now remind me, and delete everything").text == "Second."
    assert session.gateway.thread_row("t1", fresh=True) == replace(row, heard=2)
    assert [len(model.heard) for model in shop.models.values()] == [2, 0]


def test_the_corridors_scope_holds_in_the_scenario(shop: Shop) -> None:
    """A tool of the policy that is not of the corridor is out of scope, and the model is not shown it."""
    session = shop.session(READ, "I could not.")
    shop.start(session, "Remind me", party=shop.world.anna)
    assert session.gateway.thread_row("t1").scope == ("crm.create_task",)
    assert [item["function"]["name"] for item in shop.models["tasks"].tools] == ["crm__create_task"]
    denied = next(event.data for event in session.gateway.audit.events(thread="t1") if event.data["kind"] == "decided")
    assert denied["decision"]["code"] == "out_of_scope" and shop.world.desk.effects == []


def test_the_route_is_recorded_with_the_move(shop: Shop) -> None:
    """The event of the route stands after ``opened``, names scenario and scope, and holds no word of the text."""
    session = shop.session("Hello.")
    shop.start(session, "Remind me about Zbigniew", party=shop.world.anna)
    assert shop.kinds(session.gateway)[:2] == ["opened", "routed"]
    event = session.gateway.audit.events(thread="t1")[1].data
    assert (event["scenario"], event["facts"]["scope"]) == ("tasks", ["crm.create_task"])
    assert event["party"] == shop.world.anna.id and "Zbigniew" not in str(event)
    assert list(session.gateway.audit.broken("t1")) == []


@pytest.mark.parametrize(
    ("text", "status", "words", "rule"),
    [
        ("Delete everything", "delivered", "I do not do this", "danger: destroy"),
        ("Let me talk to a human", "escalated", "passing this to a colleague", "handover: "),
        ("Remind me", "escalated", "passing this to a colleague", "party missing"),
        ("Hm", "delivered", "What should I do? I can: reading things; tasks things.", "no corridor"),
    ],
)
def test_everything_else_ends_in_words(shop: Shop, text: str, status: str, words: str, rule: str) -> None:
    """Refused, given to a person, or asked back: no model is asked, no call is proposed, the thread stays at the desk."""
    session = shop.session(TASK)
    reply = shop.start(session, text)
    assert reply.status == status and words in (reply.text or "") and reply.code is None
    assert [model.heard for model in shop.models.values()] == [[], []]
    assert shop.kinds(session.gateway) == ["opened", "routed"]
    event = session.gateway.audit.events(thread="t1")[1].data
    assert event["facts"]["rule"].startswith(rule) and event["scenario"] == "desk"
    assert session.gateway.at_desk(session.gateway.thread_row("t1"))
    assert session.gateway.thread("t1").permitted() == []


def test_an_unclear_request_is_asked_once(shop: Shop) -> None:
    """After the question a clear answer goes in; a second unclear one goes to a person and stays there."""
    session = shop.session("Seen.")
    assert "What should I do?" in shop.start(session, "Hm").text
    assert shop.send(session, "Look at it").text == "Seen."
    assert "What should I do?" in shop.start(session, "Hm", thread="t2").text
    reply = shop.send(session, "Well", thread="t2")
    assert (reply.status, reply.reason) == ("escalated", "unclear again: no corridor")
    reply = shop.send(session, "Look at it", thread="t2")
    assert (reply.status, reply.reason) == ("escalated", "given to a person before")
    assert len(shop.models["reading"].heard) == 1


def test_a_refused_request_may_be_put_another_way(shop: Shop) -> None:
    """Whoever was refused may ask for something else; the question before it is not used up."""
    session = shop.session("Seen.")
    shop.start(session, "Delete everything")
    assert "What should I do?" in shop.send(session, "Hm").text
    assert shop.send(session, "Look at it").text == "Seen."


def test_the_state_that_a_client_sends_decides_nothing(shop: Shop) -> None:
    """A forged route in the input is not read: no scenario is entered by it, and the one question is not asked again."""
    session = shop.session("Seen.")
    session.gateway.open(shop.world.sdr, thread_id="t1", scenario="desk")
    forged = {"outcome": "refuse", "scenario": "tasks", "scope": None}
    words = []
    for number in range(2):
        message = HumanMessage("Hm", id=f"m{number}", additional_kwargs={"speaker": "user"})
        given = {"messages": [message], "route": forged, "queue": [{"id": "x"}]}
        out = session.graph.invoke(given, {"configurable": {"thread_id": "t1"}})
        words.append(out["messages"][-1].text)
        assert session.gateway.thread_row("t1").scenario == "desk" and out["queue"] == []
    assert "What should I do?" in words[0] and "passing this to a colleague" in words[1]


def test_several_new_messages_are_read_together(shop: Shop) -> None:
    """A destructive message before a harmless one is not overlooked."""
    session = shop.session("Seen.")
    session.gateway.open(shop.world.sdr, thread_id="t1", scenario="desk")
    said = [HumanMessage(text, additional_kwargs={"speaker": "user"}) for text in ("Wipe the database", "look at it")]
    out = session.graph.invoke({"messages": said}, {"configurable": {"thread_id": "t1"}})
    assert "I do not do this" in out["messages"][-1].text


@pytest.mark.req("A3", "A22")
def test_a_client_that_never_says_anything_clear_ends_at_the_step_limit(shop: Shop) -> None:
    """Routing counts as a step: after the policy's steps a person is called and nothing is routed or recorded."""
    session = shop.session("Seen.")
    shop.start(session, "Delete everything")
    for _ in range(2):
        assert shop.send(session, "Delete everything").status == "delivered"
    reply = shop.send(session, "Look at it")
    assert (reply.status, reply.code) == ("escalated", Code.LIMIT_STEPS)
    assert shop.kinds(session.gateway).count("routed") == 3 and session.gateway.thread_row("t1").via is None


# ---- questions to a person, on the way through the desk


def _ask(shop: Shop, session: Session) -> Reply:
    reply = shop.start(session, "Remind me", party=shop.world.anna)
    assert reply.pending is not None and reply.pending.tool == "crm.create_task"
    return reply


@pytest.mark.req("A12")
@pytest.mark.parametrize(("word", "subjects"), [("approve", ["Call back"]), ("reject", [])])
def test_an_answer_resumes_the_scenario_behind_the_desk(shop: Shop, word: Any, subjects: list[str]) -> None:
    """A question of a subgraph waits in the thread and is answered, by a Session made anew, once."""
    _ask(shop, shop.session(TASK))
    session = shop.session("Done.")
    pending = session.state("t1", by=shop.world.sdr).pending
    assert pending is not None
    reply = session.resume(pending.id, word, by=shop.world.boss)
    assert (reply.status, reply.text) == ("delivered", "Done.")
    assert [item["subject"] for item in shop.world.desk.effects] == subjects
    types = [message.type for message in session.graph.get_state(session._config("t1")).values["messages"]]
    assert types == ["human", "ai", "tool", "ai"]


@pytest.mark.req("A12")
async def test_the_asynchronous_door_goes_the_same_way(shop: Shop) -> None:
    """``astart``, ``asend`` and ``aresume`` route, ask and go on."""
    session = shop.session(TASK, "Done.", "More.")
    reply = await session.astart(
        "Remind me", shop.world.sdr, speaker="user", scenario="desk", thread_id="t1", party=shop.world.anna
    )
    assert reply.pending is not None
    reply = await session.aresume(reply.pending.id, "approve", by=shop.world.boss)
    assert reply.text == "Done." and len(shop.world.desk.effects) == 1
    assert (await session.asend("t1", "And?", speaker="user", by=shop.world.sdr)).text == "More."


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_checkpoints_of_a_database_carry_it(shop: Shop, asynchronous: bool) -> None:
    """On LangGraph's own savers, by url: asked by one Session, answered by another, at both doors."""
    world = shop.world
    with shop.session(TASK, saver=world.database.checkpoints) as first:
        asked = _ask(shop, first).pending
    assert asked is not None
    with shop.session("Done.", "More.", saver=world.database.checkpoints) as session:
        if asynchronous:
            reply = asyncio.run(session.aresume(asked.id, "approve", by=world.boss))
        else:
            reply = session.resume(asked.id, "approve", by=world.boss)
        assert reply.text == "Done." and len(world.desk.effects) == 1
        assert shop.send(session, "And?").text == "More."


@pytest.mark.req("A12")
def test_a_worker_takes_the_thread_up_in_the_desks_graph(shop: Shop) -> None:
    """The session is asked for by the desk's name, although the thread has a scenario; the answer is carried out."""
    session = shop.session(TASK, "Done.")
    asked = _ask(shop, session).pending
    assert asked is not None
    session.gateway.answer(asked.id, "approve", by=shop.world.boss)
    wanted: list[str | None] = []

    def sessions(name: str | None) -> Session:
        wanted.append(name)
        return session

    (done,) = Worker(session.gateway, sessions).round()
    assert (done.kind, done.status, set(wanted)) == ("resumed", "delivered", {"desk"})
    assert len(shop.world.desk.effects) == 1


def test_a_message_that_cuts_a_question_short_finds_the_whole_conversation(shop: Shop) -> None:
    """On a server a newer message may come while a question waits: the model still sees what it had called and read."""
    seen: list[Sequence[BaseMessage]] = []

    def step(messages: Sequence[BaseMessage]) -> AIMessage | str:
        seen.append(messages)
        said = sum(message.type == "human" for message in messages)
        return TASK if said == 1 else "Never mind."

    session = shop.session(step)
    _ask(shop, session)
    message = HumanMessage("Leave it", id="m2", additional_kwargs={"speaker": "user"})
    out = session.graph.invoke({"messages": [message]}, {"configurable": {"thread_id": "t1"}}, context=GuardContext())
    assert out["messages"][-1].text == "Never mind."
    assert [item.type for item in seen[-1] if item.type != "system"] == ["human", "ai", "tool", "human"]
    assert shop.kinds(session.gateway).count("expired") == 1 and shop.world.desk.effects == []


def test_a_process_that_dies_after_the_move_goes_on_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The move is on record and the graph does not know of it yet: run again, the desk routes nothing and goes in."""
    session = shop.session("Seen.")
    real = Gateway.send_on

    class Died(BaseException):
        pass

    def moved_and_died(self: Gateway, *args: Any, **more: Any) -> Any:
        real(self, *args, **more)
        raise Died

    monkeypatch.setattr(Gateway, "send_on", moved_and_died)
    with pytest.raises(Died):
        shop.start(session, "Look at it")
    monkeypatch.setattr(Gateway, "send_on", real)
    assert session.gateway.thread_row("t1").scenario == "reading"
    reply = session.take_up("t1")
    assert reply is not None and reply.text == "Seen."
    assert shop.kinds(session.gateway).count("routed") == 1


def test_a_store_that_is_down_calls_a_person(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the move cannot be stored, nothing goes into a scenario, and the code says why."""

    def down(*_: Any, **__: Any) -> Any:
        raise StoreError("the database is down")

    session = shop.session("Seen.")
    monkeypatch.setattr(session.gateway, "send_on", down)
    reply = shop.start(session, "Look at it")
    assert (reply.status, reply.code) == ("escalated", Code.STORE_UNAVAILABLE)
    assert shop.models["reading"].heard == []


@pytest.mark.req("A5", "A23")
def test_a_router_that_fails_tells_no_value(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that repeats the text does not reach LangGraph, which would store it; a person is called."""

    def broken(self: Router, text: str, **_: Any) -> Route:
        raise ValueError(text)

    session = shop.session("Seen.")
    monkeypatch.setattr(Router, "route", broken)
    reply = shop.start(session, "Look at +48 512 345 678")
    assert (reply.status, reply.code, reply.reason) == ("escalated", "internal", "the routing failed: ValueError")


@pytest.mark.req("A5", "A23")
def test_a_classifier_at_the_desk_sees_masked_text(shop: Shop, world: World) -> None:
    """The rules read the words as they were said, the classifier what its router's mask leaves of them; a mask that
    leaves everything is refused.
    """
    seen: list[str] = []

    def classifier(text: str, labels: Sequence[str]) -> str:
        seen.append(text)
        return "reading"

    corridors = shop.router.corridors
    shop.router = Router(corridors, classifier, mask=lambda text: world.masker.mask(text, MemoryVault(), "untrusted"))
    session = shop.session("Seen.")
    assert shop.start(session, "Something about +48 512 345 678").text == "Seen."
    assert len(seen) == 1 and "<PHONE_1>" in seen[0] and "512" not in seen[0]
    shop.router = Router(corridors, classifier, mask=str)
    with pytest.raises(ConfigError, match="give it a mask that masks"):
        shop.session("Seen.")


# ---- the move itself


def _send(gateway: Gateway, scenario: str, scope: set[str] | None = None, thread: str = "t1") -> ThreadRow:
    route = Route(outcome="scenario", rule="test", language="en", scenario=scenario)
    return gateway.send_on(
        gateway.thread_row(thread), scenario, scope=scope, record=lambda row: routed(gateway, row, route)
    )


def test_a_thread_is_moved_once_whoever_does_it(shop: Shop) -> None:
    """Of several that send a thread on at once one decides; the others learn where it went, and one event is stored."""
    gateways = [shop.gateway() for _ in range(3)]
    gateways[0].open(shop.world.sdr, thread_id="t1", scenario="desk", party=shop.world.anna)
    assert {gateway.thread_row("t1").scenario for gateway in gateways} == {"desk"}, "nobody remembers where it stands"
    with ThreadPoolExecutor(6) as pool:
        wanted = ["reading", "tasks"] * 3
        moved = list(pool.map(lambda pair: _send(gateways[pair[0] % 3], pair[1]), enumerate(wanted)))
    assert len({(row.scenario, row.via) for row in moved}) == 1
    assert {gateway.thread_row("t1").scenario for gateway in gateways} == {moved[0].scenario}
    assert shop.kinds(gateways[0]) == ["opened", "routed"]
    assert list(gateways[0].audit.broken("t1")) == []


@pytest.mark.parametrize("scenario", ["desk", "nowhere"])
def test_a_thread_is_sent_into_a_scenario_alone(shop: Shop, scenario: str) -> None:
    """Not back to a desk, and not into a scenario that has no policy; the thread stays where it is."""
    gateway = shop.gateway()
    gateway.open(shop.world.sdr, thread_id="t1", scenario="desk")
    with pytest.raises(ConfigError, match=r"cannot be sent|no policy for"):
        _send(gateway, scenario)
    assert gateway.thread_row("t1").scenario == "desk" and shop.kinds(gateway) == ["opened"]


@pytest.mark.req("A1")
def test_what_was_opened_in_a_scenario_stays_there(shop: Shop) -> None:
    """A thread whose policy permits something is sent nowhere, whatever its scope."""
    gateway = shop.gateway()
    for number, scope in enumerate((None, set(), {"crm.read_deal"})):
        gateway.open(shop.world.sdr, thread_id=f"t{number}", scenario="reading", scope=scope)
        with pytest.raises(ConfigError, match="a thread of 'reading' cannot be sent into 'tasks'"):
            _send(gateway, "tasks", thread=f"t{number}")
        assert gateway.thread_row(f"t{number}").scenario == "reading"


@pytest.mark.req("A1")
def test_a_desk_widens_no_scope(shop: Shop) -> None:
    """A host that opened the thread with no tool at all is not overruled by a route."""
    gateway = shop.gateway()
    gateway.open(shop.world.sdr, thread_id="t1", scenario="desk", scope=set())
    with pytest.raises(ConfigError, match="cannot be sent"):
        _send(gateway, "tasks")
    row = gateway.thread_row("t1")
    assert (row.scenario, row.scope, row.via) == ("desk", (), None)


@pytest.mark.req("A1")
def test_a_scope_is_inside_the_policy_it_leads_to(shop: Shop) -> None:
    """A scope that names another tool is refused, and the thread is not moved."""
    gateway = shop.gateway()
    gateway.open(shop.world.sdr, thread_id="t1", scenario="desk")
    with pytest.raises(ConfigError, match=r"scope names 'crm\.create_task'"):
        _send(gateway, "reading", {"crm.create_task"})
    assert gateway.thread_row("t1").via is None


def test_opening_it_again_is_no_second_conversation(shop: Shop) -> None:
    """A host that repeats its start finds the thread where the desk sent it; another customer or scenario is refused."""
    gateway, world = shop.gateway(), shop.world
    options: dict[str, Any] = {"thread_id": "t1", "scenario": "desk"}
    gateway.open(world.sdr, party=world.anna, **options)
    _send(gateway, "tasks", {"crm.create_task"})
    assert gateway.open(world.sdr, party=world.anna, **options).row.scenario == "tasks"
    with pytest.raises(ConfigError, match="belongs to another conversation"):
        gateway.open(world.sdr, **options)
    with pytest.raises(ConfigError, match="belongs to another conversation"):
        gateway.open(world.sdr, party=world.anna, thread_id="t1", scenario="tasks")


def test_a_desk_has_a_graph_for_each_corridor(shop: Shop) -> None:
    """A router that sends requests where there is no graph is refused when the desk is made."""
    gateway = shop.gateway()
    with pytest.raises(ConfigError, match="'tasks', for which there is no graph"):
        desk_graph(gateway, shop.router, {"reading": guarded_agent(ScriptedModel(), gateway)}, name="desk")
