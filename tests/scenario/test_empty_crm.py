"""An empty CRM has a stated outcome in every scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_guard.app import Application
from agent_guard.errors import ConfigError
from agent_guard.testing import FixedClock
from graphs import SCENARIOS
from tests.scenario.adversary import systems
from tests.scenario.office import Office

ASKS = {
    "account_health": "Which customers are at risk of leaving us?",
    "calendar_booking": "Could we have a demo next week?",
    "forgotten_deal": "Which deals are forgotten? Alert the owners on Slack.",
    "front_desk": "Which deals are forgotten? Alert the owners on Slack.",
    "sdr_qualification": "Hello, we lose orders. Please let a person call me.",
    "support_draft": "Draft an answer to this ticket, please.",
}
EMPTY = {
    "account_health": "There is no account with an open deal.",
    "calendar_booking": "I cannot see the calendar at the moment.",
    "forgotten_deal": "No open deal is without a touch for too long.",
    "front_desk": "No open deal is without a touch for too long.",
    "sdr_qualification": "I have informed a colleague.",
    "support_draft": "The ticket could not be read.",
}
NO_CUSTOMER = {
    "calendar_booking": "has no deal",
    "sdr_qualification": "does not have",
    "support_draft": "has no ticket",
}


@pytest.mark.req("A10", "A24")
def test_an_empty_crm_is_told_in_every_scenario(
    office: Application, office_folder: Path, office_clock: FixedClock
) -> None:
    """With staff and nothing else each scenario says what there is not, asks nobody, tells no channel and writes no row; a
    recorded conversation about a customer who is not there is refused with the file's own words. Without staff not
    even a region is known, and nothing is read.
    """
    desk = Office(office, office_folder, office_clock)
    desk.emptied(("staff", "calendars"))
    before = systems(desk.file)
    assert sum(len(rows) for name, rows in before.items() if name not in ("staff", "calendars")) == 0
    for name, scenario in SCENARIOS.items():
        reply, ran = desk.ask(name, ASKS[name])
        assert EMPTY[name] in reply.text and reply.pending is None, (name, reply.text)
        assert not any(office.gateway.tools[tool].writes for tool in ran)
        if name in NO_CUSTOMER:
            with pytest.raises(ConfigError, match=NO_CUSTOMER[name]):
                scenario.read(min(scenario.samples.glob("*.jsonl")), office.worlds[name])
    assert systems(desk.file) == before
    desk.emptied(())
    for name in SCENARIOS:
        reply, ran = desk.ask(name, ASKS[name])
        assert ran == [] and reply.pending is None and reply.text, name
    assert not any(systems(desk.file).values())
