"""The port of outgoing mail: one message, to one customer, once.

Laws for every way out:

1. **Three outcomes.** ``ToolRejected``: the server said no, nothing was sent. ``ToolUnavailable``: it provably was not
   sent. ``OutcomeUnknown``: the text left and no answer came. A message is never sent again by itself.
2. **One message a key.** Its Message-ID is made of the key, so that whoever looks later finds it or does not.
3. **Plain text.** No header, no receiver and no sender comes from an argument of a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agent_guard.credentials import Secrets

__all__ = ["Mail", "Message", "message_id"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. Raw.

    Args:
        to: the receiver's address.
        key: of the call that sends it.
    """

    to: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)
    key: str


class Mail(Protocol):
    """See the module."""

    def send(self, message: Message, *, secrets: Secrets) -> str:
        """Sends a message and returns its Message-ID.

        Raises:
            ToolRejected: ``address_refused`` or ``message_refused``; ``key_reused`` for another message under its key.
            ToolUnavailable: it was not sent.
            OutcomeUnknown: it may have been.
        """
        ...

    def sent(self, key: str) -> str | None:
        """The Message-ID of what was sent under a key, or None where it is sure that nothing was.

        Raises:
            ToolUnavailable: nobody can tell.
        """
        ...


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a key's message (RFC 5322, section 3.6.4), without its brackets."""
    return f"{key}@{domain}"
