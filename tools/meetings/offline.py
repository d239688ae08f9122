"""Links for the demo: nothing is asked, nothing is opened, and the host name cannot exist (RFC 2606)."""

from __future__ import annotations

from hashlib import sha256

from agent_guard.credentials import Secrets
from tools.meetings.port import Meeting, Meetings, MeetingSpec

__all__ = ["OfflineMeetings"]


class OfflineMeetings:
    """Makes the same link for the same key; to cancel one does nothing."""

    def create(self, spec: MeetingSpec, *, key: str, secrets: Secrets | None = None) -> Meeting:  # noqa: ARG002  needs neither
        """A link that leads nowhere."""
        name = sha256(key.encode()).hexdigest()[:16]
        return Meeting(id=name, join_url=f"https://meet.example/{name}")

    def find(self, key: str, *, secrets: Secrets | None = None) -> str | None:  # noqa: ARG002  needs neither
        """There is never one: a link is no room."""
        return None

    def cancel(self, meeting: str, *, secrets: Secrets | None = None) -> None:
        """Nothing is to be cancelled."""


_port: type[Meetings] = OfflineMeetings
"""Checked by the type checker: it is one."""
