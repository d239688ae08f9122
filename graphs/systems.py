"""Which systems stand behind the tools: the embedded ones, or those that ``AGENT_GUARD_*`` variables name.

Each choice is one function. What is chosen needs no other code: tools, policies and graphs are the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from agent_guard.credentials import Secrets
from agent_guard.types import Clock
from tools.calendars.seed import seed_calendars
from tools.calendars.sql import SqlCalendar
from tools.crm.sql import SqlCRM
from tools.meetings.offline import OfflineMeetings
from tools.notify.outbox import Outbox

if TYPE_CHECKING:
    from tools.calendars.port import Calendar
    from tools.meetings.port import Meetings
    from tools.notify.port import Channel

__all__ = ["Ready", "calendar_of", "channel_of", "meetings_of"]

Ready = Callable[[Callable[[], Secrets]], None]
"""Told once, when the gateway stands; see ``World.ready``."""


def calendar_of(crm: SqlCRM, clock: Clock, closing: ExitStack) -> tuple[Calendar, Ready]:
    """The embedded calendar, filled where it is empty, unless ``AGENT_GUARD_CALDAV`` names a file with a CalDAV server
    and its calendars; see :mod:`tools.calendars.caldav_file`. The embedded tables are made in both cases: the zones of
    clients and the drafts of invitations stay there.

    Raises:
        ConfigError: the file is wrong, or a package is missing.
    """
    embedded = SqlCalendar(crm)
    embedded.create()
    named = os.environ.get("AGENT_GUARD_CALDAV")
    if not named:
        seed_calendars(embedded, now=clock())
        return embedded, lambda _: None
    from tools.calendars.caldav_file import AgentSecrets, load_caldav

    secrets = AgentSecrets()
    calendar = load_caldav(Path(named)).open(secrets, clock=clock)
    closing.callback(calendar.close)
    return calendar, secrets.ready


def meetings_of(closing: ExitStack) -> Meetings:
    """Links that lead nowhere, unless ``AGENT_GUARD_ZOOM_USER`` says whose Zoom meetings they are: ``me`` or an id. The
    secrets are the agent's (``zoom_account_id``, ``zoom_client_id``, ``zoom_client_secret``).

    Raises:
        ConfigError: it is no id, or httpx is not installed.
    """
    named = os.environ.get("AGENT_GUARD_ZOOM_USER")
    if not named:
        return OfflineMeetings()
    from tools.meetings.zoom import ZoomMeetings

    meetings = ZoomMeetings(user=named)
    closing.callback(meetings.close)
    return meetings


def channel_of(crm: SqlCRM) -> Channel:
    """The one channel for notices: an outbox in the application's database, unless ``AGENT_GUARD_SLACK_CHANNEL`` names
    a channel's id, or says ``webhook``; the secrets are the agent's (``slack_bot_token``, ``slack_webhook_url``).

    Raises:
        ConfigError: it names no channel, or slack_sdk is not installed.
    """
    named = os.environ.get("AGENT_GUARD_SLACK_CHANNEL")
    if not named:
        outbox = Outbox(crm)
        outbox.create()
        return outbox
    from tools.notify.slack import SlackBot, SlackWebhook

    return SlackWebhook() if named == "webhook" else SlackBot(named)
