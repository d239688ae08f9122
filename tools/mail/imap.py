"""Mail as drafts in a mailbox, over IMAP: a person opens the draft in their own mail program and presses send.

A draft is found again by its Message-ID (RFC 3501, 6.4.4: SEARCH HEADER), so what became of an APPEND whose answer
never came can be asked, and the same key stores nothing twice.
"""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy

from agent_guard.credentials import Secrets
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tools.crm.port import KEY_REUSED
from tools.mail.port import Mail, Message, message_id
from tools.mail.server import domain_of, encrypted_to, password_of
from tools.mail.written import MESSAGE_REFUSED, written

__all__ = ["ImapDrafts"]


class ImapDrafts:
    """One mailbox of drafts. It has the ports of :class:`tools.mail.port.Mail`, and sends nothing.

    Args:
        user: logs in with it and the secret ``imap_password`` that ``secrets`` gives.
        sender: the address that the drafts are written from; its domain is that of their Message-IDs.
        secrets: the agent's, for :meth:`sent`, which is asked without any.
        mailbox: its name on the server, in ASCII; it must be there.
        encrypted: ``starttls``, demanded of the server; or ``none``, to a server on this machine alone.
        timeout_s: for one answer of the server.

    Raises:
        ConfigError: a sender that is no plain address, a user or a mailbox that cannot be written in ASCII, or no
            encryption to another machine.
    """

    def __init__(
        self,
        host: str,
        port: int = 143,
        *,
        user: str,
        sender: str,
        secrets: Secrets,
        mailbox: str = "Drafts",
        encrypted: str = "starttls",
        timeout_s: float = 5.0,
    ) -> None:
        if not user.isascii():
            raise ConfigError(f"the user {user!r} cannot log in; write it in ASCII")
        self._domain = domain_of(sender)
        if not mailbox.isascii() or not mailbox.isprintable() or set(mailbox) & set('"\\'):
            raise ConfigError(f"the mailbox {mailbox!r} cannot be named; write it in ASCII, e.g. 'Drafts'")
        self._host, self._port, self._user, self._sender = host, port, user, sender
        self._mailbox, self._secrets = f'"{mailbox}"', secrets
        self._encrypted, self._timeout_s = encrypted_to(host, encrypted), timeout_s

    def send(self, message: Message, *, secrets: Secrets) -> str:
        """Stores a message as a draft and returns its Message-ID; see ``Mail.send``."""
        name = message_id(message.key, self._domain)
        text = written(message, sender=self._sender, name=name)
        with self._opened(secrets) as imap:
            there = self._found(imap, name)
            if there is not None:
                if _said(there) != _said(text):
                    raise ToolRejected("this key already stands for another message", code=KEY_REUSED)
                return name
            try:
                answer, _ = imap.append(self._mailbox, r"(\Draft)", "", text)
            except (OSError, imaplib.IMAP4.abort) as error:
                raise OutcomeUnknown(f"the mail server went while it had the draft ({type(error).__name__})") from None
            except imaplib.IMAP4.error:
                raise ToolRejected("the mail server refused the draft", code=MESSAGE_REFUSED) from None
            if answer != "OK":
                raise ToolUnavailable(f"the mail server did not take the draft now ({answer})")
        return name

    def sent(self, key: str) -> str | None:
        """The Message-ID of the draft under a key, or None where there is none; see ``Mail.sent``. A draft that
        somebody has sent or thrown away is none any more.
        """
        name = message_id(key, self._domain)
        with self._opened(self._secrets) as imap:
            return None if self._found(imap, name) is None else name

    @contextmanager
    def _opened(self, secrets: Secrets) -> Iterator[imaplib.IMAP4]:
        try:
            imap = imaplib.IMAP4(self._host, self._port, timeout=self._timeout_s)
        except (OSError, imaplib.IMAP4.error) as error:
            raise _unusable(error) from None
        try:
            try:
                if self._encrypted:
                    imap.starttls(ssl.create_default_context())
                imap.login(self._user, password_of(secrets, "imap_password"))
                answer, _ = imap.select(self._mailbox)
            except (OSError, imaplib.IMAP4.error) as error:
                raise _unusable(error) from None
            if answer != "OK":
                raise ToolUnavailable("the mail server has no such mailbox for drafts")
            yield imap
        finally:
            with suppress(OSError, imaplib.IMAP4.error):
                imap.logout()
            with suppress(OSError):
                imap.shutdown()

    def _found(self, imap: imaplib.IMAP4, name: str) -> bytes | None:
        """The draft with this Message-ID, or None."""
        try:
            answer, found = imap.uid("SEARCH", "HEADER", "Message-ID", f'"<{name}>"')
            numbers = (found[0] or b"").split() if answer == "OK" else None
            if numbers is None:
                raise ToolUnavailable("the mail server cannot search its drafts")
            if not numbers:
                return None
            answer, parts = imap.uid("FETCH", numbers[0].decode("ascii"), "(BODY.PEEK[])")
        except (OSError, imaplib.IMAP4.error) as error:
            raise _unusable(error) from None
        text = next((part[1] for part in parts if isinstance(part, tuple)), None)
        if answer != "OK" or text is None:
            raise ToolUnavailable("the mail server cannot show its drafts")
        return bytes(text)


def _said(text: bytes) -> tuple[str, str, str]:
    """What a mail says, to whom; its date and the ends of its lines left out."""
    mail = message_from_bytes(text, policy=policy.default)
    body = mail.get_body(("plain",))
    return str(mail["To"]), str(mail["Subject"]), "" if body is None else "\n".join(body.get_content().splitlines())


def _unusable(error: Exception) -> ToolUnavailable:
    return ToolUnavailable(f"the mail server cannot be used ({type(error).__name__})")


_port: type[Mail] = ImapDrafts
"""Checked by the type checker: it is one."""
