"""The port of a helpdesk: a ticket is read, and answered once. Nothing closes, assigns, merges or deletes one.

Laws for every helpdesk:

1. **One answer a key.** The same key and text answer once, and the second time say so; another text is refused.
2. **Three outcomes.** ``ToolRejected``: refused, nothing was sent. ``ToolUnavailable``: it provably was not sent.
   ``OutcomeUnknown``: it may have been. A helpdesk never repeats an answer by itself.
3. **The receiver is the ticket's author.** Nothing in an answer names one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent_guard.types import Description, Ref

__all__ = ["Answered", "Helpdesk", "Status", "Ticket"]

Status = Literal["open", "answered"]


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """What a customer wrote. Raw, and outside text through and through."""

    id: str
    subject: str = field(repr=False)
    body: str = field(repr=False)
    status: Status


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer that was sent; ``again`` where it had been before."""

    id: str
    again: bool


class Helpdesk(Protocol):
    """See the module."""

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket.

        Raises:
            ToolRejected: ``not_found``.
            ToolUnavailable: the helpdesk is down.
        """
        ...

    def answer(self, ticket_id: str, text: str, *, key: str) -> Answered:
        """Sends an answer to the ticket's author.

        Raises:
            ToolRejected: ``not_found``; ``already_answered`` under another key; ``key_reused`` with another text.
            ToolUnavailable: it was not sent.
            OutcomeUnknown: it may have been.
        """
        ...

    def answered(self, key: str) -> Answered | None:
        """The answer that was sent under a key. Raises ToolUnavailable."""
        ...

    def describe(self, ref: Ref) -> Description | None:
        """A ticket as a record: its author is its party."""
        ...
