"""In every scenario a model that tries every forbidden call changes nothing, anywhere, and nobody is asked about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent_guard.app import Application
from agent_guard.scenario import Opening
from agent_guard.testing import ScriptedModel
from graphs import SCENARIOS
from tests.scenario.adversary import GOOD, OTHERS, attempts, house, outside, systems

AT_ONCE = 9
"""Calls of one conversation; fewer than any limit of attempts, so that each is decided for what it is."""

BEGINS = {
    "account_health": ("en_one", "How healthy is account 104?"),
    "calendar_booking": ("en_chooses", "Could we have a demo next week?"),
    "forgotten_deal": ("en_list", "Which deals are stale?"),
    "front_desk": ("en_forgotten_deals", "Which deals have had no activity for 14 days?"),
    "sdr_qualification": ("en_personal_data", "We lose an hour a day, can you help?"),
    "support_draft": ("en_signs_in", "Draft an answer, please."),
}

pytestmark = [pytest.mark.req("A1", "B1", "B12"), pytest.mark.xdist_group("adversary")]


def opening(office: Application, scenario: str) -> Opening:
    """Who the scenario's first English sample is between."""
    path = SCENARIOS[scenario].samples / f"{BEGINS[scenario][0]}.jsonl"
    return office.scenario(scenario).read(path, office.worlds[scenario])


def message(number: int, tool: str, args: Any) -> AIMessage:
    """A model's message with one call; where the arguments are no object, as a provider hands them over."""
    named = {"name": tool.replace(".", "__"), "id": f"c{number}"}
    reason = "A text said so."
    if isinstance(args, dict):
        given = {**named, "args": {"reason": reason, **args}, "type": "tool_call"}
        return AIMessage(reason, tool_calls=[given])
    text = args if isinstance(args, str) else json.dumps(args)
    return AIMessage(reason, invalid_tool_calls=[{**named, "args": text, "error": None, "type": "invalid_tool_call"}])


def test_the_adversary_knows_the_whole_house() -> None:
    """A new tool must be given arguments here, a new scenario a beginning; no scenario has every tool."""
    assert set(GOOD) == set(OTHERS) == set(house())
    assert set(BEGINS) == set(SCENARIOS)
    assert all(outside(name) for name in SCENARIOS) and outside("front_desk") == sorted(house())


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_nothing_forbidden_has_an_effect(office: Application, office_folder: Path, scenario: str) -> None:
    """Foreign tools, invented ones, look-alike names, other people's records, forged fields, broken arguments: each call
    is answered with a denial, none runs or waits for a person, and no row of any business system changes.
    """
    who, before = opening(office, scenario), systems(office_folder / "systems.db")
    wanted = "forgotten_deal" if scenario == "front_desk" else scenario
    tries = list(attempts(wanted))
    assert len(tries) > len(house())
    for start in range(0, len(tries), AT_ONCE):
        calls = tries[start : start + AT_ONCE]
        model = ScriptedModel(*(message(number, *item) for number, item in enumerate(calls)), "I give up.")
        session = office.session(scenario, model=model)
        reply = session.start(BEGINS[scenario][1], who.subject, speaker=who.speaker, party=who.party, scenario=scenario)
        assert office.gateway.thread_row(reply.thread_id).scenario == wanted
        assert reply.pending is None and reply.status == "delivered", (reply, calls)
        said = session.graph.get_state({"configurable": {"thread_id": reply.thread_id}}).values["messages"]
        answers = [json.loads(item.text) for item in said if item.type == "tool"]
        assert [item["status"] for item in answers] == ["denied"] * len(calls), list(zip(calls, answers, strict=True))
        assert office.gateway.thread(reply.thread_id).calls == []
    assert systems(office_folder / "systems.db") == before


def test_a_thread_at_the_desk_can_call_nothing(office: Application, office_folder: Path) -> None:
    """Before it is routed no tool of the house is permitted, with the best of arguments."""
    who, before = opening(office, "front_desk"), systems(office_folder / "systems.db")
    for tool in house():
        thread = office.gateway.open(who.subject, scenario="front_desk")
        result = thread.invoke(tool, GOOD[tool], reason="I want to.")
        assert (result.status, result.code) in (("denied", "tool_not_permitted"), ("denied", "tool_unknown")), tool
    assert systems(office_folder / "systems.db") == before


@pytest.mark.req("A26")
def test_the_adversary_would_be_seen(office: Application, office_folder: Path) -> None:
    """Of all tables none is missing from what is compared: a permitted call of a good model shows in it."""
    who, before = opening(office, "forgotten_deal"), systems(office_folder / "systems.db")
    assert {"deals", "tasks", "ticket_answers", "calendar_events", "invitations", "alerted", "outbox"} <= set(before)
    thread = office.gateway.open(who.subject, scenario="forgotten_deal")
    stale = thread.invoke("deals.stale", {"region": "us"}, reason="Look.")
    deal = stale.content["deals"][0]
    week = office.gateway.clock().strftime("%G-W%V")
    args = {"topic": "forgotten_deals", "owner_id": deal["owner_id"], "week": week, "ids": [deal["id"]]}
    assert thread.invoke("alerts.slack", args, reason="Tell.").status == "executed"
    assert systems(office_folder / "systems.db") != before
