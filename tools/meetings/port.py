"""The port of video meetings: make, look for and cancel one. Only the link that guests join by ever leaves an adapter.

``create`` has three outcomes, as every write: refused (``ToolRejected``), provably not made (``ToolUnavailable``), or
nobody knows (``OutcomeUnknown``). An adapter repeats nothing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent_guard.credentials import Secrets

__all__ = ["Meeting", "MeetingSpec", "Meetings"]


@dataclass(frozen=True, kw_only=True)
class MeetingSpec:
    """What is asked for.

    Args:
        topic: a word for what it is; names nobody.
        start: aware.
        zone: IANA name; what the provider shows the time in.
    """

    topic: str
    start: datetime
    length_min: int
    zone: str


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A meeting that was made.

    Args:
        join_url: for guests; whoever has it may join, so it is personal data of the event.
    """

    id: str
    join_url: str


class Meetings(Protocol):
    """A provider of video meetings. Every method may be called from any thread."""

    def create(self, spec: MeetingSpec, *, key: str, secrets: Secrets) -> Meeting:
        """Makes a meeting.

        Args:
            key: idempotency key of the call; for providers that know such a thing.
            secrets: of the agent, for the length of this call.

        Raises:
            ToolRejected, ToolUnavailable, OutcomeUnknown: see above.
        """
        ...

    def find(self, key: str, *, secrets: Secrets) -> str | None:
        """The id of the meeting that was made under a key and is still there, or None where surely there is none.

        Raises:
            ToolUnavailable: nobody can tell.
        """
        ...

    def cancel(self, meeting: str, *, secrets: Secrets) -> None:
        """Cancels a meeting; one that is not there is cancelled.

        Raises:
            ToolRejected, ToolUnavailable, OutcomeUnknown: it may still be there.
        """
        ...
