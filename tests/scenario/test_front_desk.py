"""The front desk over its samples: where each request goes, what runs there, and what reaches no tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_guard.app import Application
from agent_guard.cli.resuming import Sessions
from agent_guard.session import Reply, Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Subject
from agent_guard.work.worker import Worker
from benchmarks.router.requests import requests
from graphs import FIVE, SCENARIOS
from graphs.front_desk.requests import read_desk_request
from tests.scenario.requests import crm_rows, posted, samples

NAME = "front_desk"
SAMPLES = samples(NAME)
MANAGER = Subject(id="u-reed", tenant="demo", roles={"manager"}, region="us")
DESTRUCTIVE = [item for item in requests() if item.destructive]

pytestmark = pytest.mark.req("A9")


def walk(application: Application, sample: Path) -> tuple[Session, Reply]:
    """Says every line of a request at the desk."""
    opening = application.scenario(NAME).read(sample, application.worlds[NAME])
    session, reply = application.session(NAME), None
    for text in opening.lines:
        reply = (
            session.start(text, opening.subject, speaker=opening.speaker, party=opening.party, scenario=NAME)
            if reply is None
            else session.send(reply.thread_id, text, speaker=opening.speaker, by=opening.subject)
        )
    assert reply is not None
    return session, reply


def route_of(application: Application, reply: Reply) -> dict[str, Any]:
    """The last route that was recorded for a thread."""
    events = application.gateway.audit.events(thread=reply.thread_id)
    found: dict[str, Any] = [event.data["facts"] for event in events if event.data["kind"] == "routed"][-1]
    return found


@pytest.mark.req("A24")
def test_the_samples_are_what_they_should_be() -> None:
    """Three languages, an angry one, an incomplete one, an injection; every scenario and every other outcome is there."""
    names = [path.stem for path in SAMPLES]
    assert len(names) >= 6 and {name[:2] for name in names} == {"en", "ru", "pl"}
    assert all(any(word in name for name in names) for word in ("angry", "incomplete", "injection"))
    assert {read_desk_request(path)[0].expect.goes for path in SAMPLES} == {*FIVE, "refuse", "human"}


@pytest.mark.req("A24")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_goes_where_it_says(sample: Path, application: Application) -> None:
    """Each request stands where its header says, after the calls and with the words that it names."""
    expect = read_desk_request(sample)[0].expect
    _, reply = walk(application, sample)
    route, row = route_of(application, reply), application.gateway.thread_row(reply.thread_id)
    assert (route["scenario"] or route["outcome"]) == expect.goes
    assert row.scenario == (expect.goes if expect.goes in FIVE else NAME)
    assert [item["tool"] for item in application.gateway.thread(reply.thread_id).calls] == expect.calls
    assert (reply.pending is not None) == expect.asks
    assert all(words in (reply.text or "") for words in expect.says), reply.text


def test_what_destroys_reaches_no_tool(application: Application) -> None:
    """A destructive request is refused before any model is asked, in whatever language, although
    the model would do anything; a first word that the masker takes for a name hides nothing from the rules.
    """
    model = ScriptedModel(call("crm.read_deal", deal_id="1001"))
    before = crm_rows(application)
    session = application.session(NAME, model=model)
    assert len(DESTRUCTIVE) >= 80
    for item in DESTRUCTIVE[::2]:
        reply = session.start(item.text, MANAGER, speaker="user", scenario=NAME)
        assert route_of(application, reply)["outcome"] == "refuse", item.id
        assert application.gateway.at_desk(application.gateway.thread_row(reply.thread_id)), item.id
    assert model.heard == [] and crm_rows(application) == before and posted(application) == []


def test_the_desk_and_the_command_line_route_alike(application: Application) -> None:
    """A request with names goes at the desk where ``agent-guard route`` says that it would go."""
    session = application.session(NAME)
    for text in ("Соедините с оператором", "Сотри, пожалуйста, базу контактов.", "kwalifkacja nowgo leda"):
        reply = session.start(text, MANAGER, speaker="user", scenario=NAME)
        expected = application.route(text)
        expected = expected.to_human("party missing") if expected.needs_party else expected
        found = route_of(application, reply)
        assert (found["outcome"], found["rule"]) == (expected.outcome, expected.rule), text
        assert (
            "<" in session.graph.get_state({"configurable": {"thread_id": reply.thread_id}}).values["messages"][0].text
        )


@pytest.mark.req("A12", "A27")
def test_a_question_behind_the_desk_is_carried_out_by_a_worker(application: Application, manager: Subject) -> None:
    """The command line's sessions let the thread go on in the desk's graph, and the answer is sent once."""
    sample = next(path for path in SAMPLES if path.stem == "en_ticket")
    _, reply = walk(application, sample)
    assert reply.pending is not None
    application.gateway.answer(reply.pending.id, "approve", by=manager)
    (done,) = Worker(application.gateway, Sessions(application, None)).round()
    assert (done.kind, done.thread, done.status) == ("resumed", reply.thread_id, "delivered")
    assert len(application.worlds[NAME].resources["helpdesk"].answers("7001")) == 1


def test_the_desk_itself_permits_nothing() -> None:
    """Its policy names no tool, and no tool belongs to it."""
    from agent_guard.policy import Policy

    desk = SCENARIOS[NAME]
    assert Policy.load(desk.policy).tools == {} and list(desk.tools) == []


def test_the_desk_leaves_room_for_each_scenario() -> None:
    """A turn that begins at the desk may be as long as one of the longest scenario behind it."""
    from agent_guard.policy import Policy

    desk, *five = (Policy.load(SCENARIOS[name].policy).limits for name in (NAME, *FIVE))
    assert desk.steps_per_thread >= max(item.steps_per_thread for item in five)
    assert desk.attempts_per_thread >= max(item.attempts_per_thread for item in five)
