"""The port of notices to colleagues: one channel that the host fixed, and a notice that is posted once.

Laws for every channel:

1. **One place.** Where a notice goes is fixed when the object is made. Nothing in a notice names a receiver.
2. **Three outcomes.** ``ToolRejected``: refused, and nothing was posted. ``ToolUnavailable``: it provably was not
   posted. ``OutcomeUnknown``: it may have been. A channel never repeats a post by itself.
3. **No markup of others.** Texts of a notice are shown as they are; nothing in them can mention anybody or hide a link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent_guard.credentials import Secrets

__all__ = ["RATE_LIMITED", "Channel", "Line", "Notice", "Posted"]

RATE_LIMITED = "rate_limited"
"""``ToolUnavailable``: the channel asks to wait; nothing was posted."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a notice: what it is about, and what is said of it. Plain text."""

    about: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message to colleagues. Plain text; staff's names apart it tells of no person.

    Args:
        title: at most 150 characters.
        intro: at most 600 characters.
        lines: at most 50.
        note: the small print, at most 300 characters.
    """

    title: str
    intro: str
    lines: tuple[Line, ...]
    note: str

    def text(self) -> str:
        """The notice as plain text: what a notification shows, and what is read aloud."""
        return "\n".join([self.title, self.intro, *(f"{line.about}: {line.says}" for line in self.lines), self.note])


@dataclass(frozen=True, kw_only=True)
class Posted:
    """Where a notice stands now.

    Args:
        channel: the channel's own name or id.
        id: the message's id there, or ``""`` where the channel tells none.
    """

    channel: str
    id: str


class Channel(Protocol):
    """Where notices go. Every method may be called from any thread."""

    def post(self, notice: Notice, *, key: str, secrets: Secrets) -> Posted:
        """Posts a notice once.

        Args:
            key: the idempotency key; kept with the message where the channel can.
            secrets: of the agent, for the length of this call.

        Raises:
            ToolRejected, ToolUnavailable, OutcomeUnknown: see law 2.
        """
        ...

    def find(self, key: str, *, secrets: Secrets) -> Posted | None:
        """The message that was posted under a key, or None where it is sure that there is none.

        Raises:
            ToolUnavailable: the channel cannot be asked.
            OutcomeUnknown: it cannot tell.
        """
        ...
