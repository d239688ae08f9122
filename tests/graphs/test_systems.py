"""Which systems stand behind the tools: the embedded ones, unless a variable names another."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_guard.errors import ConfigError
from agent_guard.testing import FixedClock
from graphs import SCENARIOS
from tools.calendars.sql import SqlCalendar
from tools.meetings.offline import OfflineMeetings
from tools.meetings.zoom import ZoomMeetings
from tools.notify.outbox import Outbox
from tools.notify.slack import SlackBot, SlackWebhook

VARIABLES = ("AGENT_GUARD_CALDAV", "AGENT_GUARD_ZOOM_USER", "AGENT_GUARD_SLACK_CHANNEL")


@pytest.fixture(autouse=True)
def _nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.req("A32")
@pytest.mark.parametrize(
    ("variable", "value", "resource", "kind"),
    [
        ("AGENT_GUARD_CALDAV", "", "calendar", SqlCalendar),
        ("AGENT_GUARD_ZOOM_USER", "", "meetings", OfflineMeetings),
        ("AGENT_GUARD_ZOOM_USER", "me", "meetings", ZoomMeetings),
        ("AGENT_GUARD_SLACK_CHANNEL", "", "channel", Outbox),
        ("AGENT_GUARD_SLACK_CHANNEL", "webhook", "channel", SlackWebhook),
        ("AGENT_GUARD_SLACK_CHANNEL", "C0123456789", "channel", SlackBot),
    ],
)
def test_a_variable_names_a_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, resource: str, kind: type
) -> None:
    """Without a value the embedded one; with it the adapter, and no other change."""
    monkeypatch.setenv(variable, value)
    world = SCENARIOS["calendar_booking"].world(f"sqlite:///{tmp_path}/crm.db", FixedClock())
    assert isinstance(world.resources[resource], kind)
    world.close()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AGENT_GUARD_CALDAV", "nowhere.yaml", "nowhere.yaml cannot be read"),
        ("AGENT_GUARD_ZOOM_USER", "boss@demo.example", "an address would stand in logs"),
        ("AGENT_GUARD_SLACK_CHANNEL", "#general", "channel"),
    ],
)
def test_a_name_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    """When the world is opened, and what was opened until then is closed."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=words):
        SCENARIOS["calendar_booking"].world(f"sqlite:///{tmp_path}/crm.db", FixedClock())
