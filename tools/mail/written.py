"""A message as a mail (RFC 5322): the same for every way out."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.utils import formatdate

from agent_guard.errors import ToolRejected
from tools.mail.port import Message

__all__ = ["ADDRESS_REFUSED", "MESSAGE_REFUSED", "plain_address", "written"]

ADDRESS_REFUSED, MESSAGE_REFUSED = "address_refused", "message_refused"
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
"""One mailbox as RFC 5321 writes it, without quotes: no name, no second address, nothing that ends a line."""


def plain_address(text: str) -> bool:
    """Whether a text is one mailbox alone."""
    return _ADDRESS.fullmatch(text) is not None


def written(message: Message, *, sender: str, name: str) -> bytes:
    """The mail, its lines ended as on this machine.

    Args:
        name: its Message-ID, without brackets.

    Raises:
        ToolRejected: ``address_refused`` or ``message_refused``; nobody was asked for anything yet.
    """
    if not plain_address(message.to):
        raise ToolRejected("the receiver is not one plain address", code=ADDRESS_REFUSED)
    mail = EmailMessage()
    try:
        mail["From"], mail["To"], mail["Subject"] = sender, message.to, message.subject
        mail["Date"], mail["Message-ID"] = formatdate(localtime=False), f"<{name}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
        mail.set_content(message.body)
        return mail.as_bytes()
    except ValueError:  # a header with the end of a line in it
        raise ToolRejected("the message cannot be written as a mail", code=MESSAGE_REFUSED) from None
