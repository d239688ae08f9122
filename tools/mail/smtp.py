"""Mail over SMTP, step by step, so that it is known whether a message can have left.

Until the server has said 354 to DATA nothing left; once the text was sent, only its answer tells what became of it
(RFC 5321, section 4.2.5: a server that answers 250 has taken responsibility). A connection that breaks in between
leaves it unknown, and SMTP has no way to ask.
"""

from __future__ import annotations

import smtplib
import ssl

from agent_guard.credentials import Secrets
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tools.mail.port import Mail, Message, message_id
from tools.mail.server import domain_of, encrypted_to, password_of
from tools.mail.written import ADDRESS_REFUSED, MESSAGE_REFUSED, written

__all__ = ["SmtpMail"]

_READY, _TAKEN = 354, 250


class SmtpMail:
    """One server and one sender.

    Args:
        sender: the address that messages come from; its domain is that of their Message-IDs.
        user: logs in with it and the agent's secret ``smtp_password``; without one nobody logs in.
        encrypted: ``starttls``, demanded of the server; or ``none``, to a server on this machine alone.
        timeout_s: for one answer of the server.

    Raises:
        ConfigError: a sender that is no plain address, a user that is not ASCII, or no encryption to another machine.
    """

    def __init__(
        self,
        host: str,
        port: int = 587,
        *,
        sender: str,
        user: str | None = None,
        encrypted: str = "starttls",
        timeout_s: float = 5.0,
    ) -> None:
        if user is not None and not user.isascii():
            raise ConfigError(f"the user {user!r} cannot log in; write it in ASCII")
        self._domain = domain_of(sender)
        self._host, self._port, self._sender, self._user = host, port, sender, user
        self._encrypted, self._timeout_s = encrypted_to(host, encrypted), timeout_s

    def send(self, message: Message, *, secrets: Secrets) -> str:
        """Sends a message; see ``Mail.send``."""
        name = message_id(message.key, self._domain)
        text = written(message, sender=self._sender, name=name)
        try:
            smtp = self._opened(secrets)
        except (OSError, smtplib.SMTPException) as error:
            raise _not_sent(error) from None
        try:
            try:
                self._announced(smtp, message.to)
            except (OSError, smtplib.SMTPException) as error:
                raise _not_sent(error) from None
            self._handed_over(smtp, text)
        finally:
            smtp.close()
        return name

    def sent(self, key: str) -> str | None:
        """Nobody can tell: SMTP has no way to ask. Raises ToolUnavailable."""
        raise ToolUnavailable(f"SMTP cannot tell whether {message_id(key, self._domain)} was sent")

    def _opened(self, secrets: Secrets) -> smtplib.SMTP:
        smtp = smtplib.SMTP(self._host, self._port, timeout=self._timeout_s)
        try:
            if self._encrypted:
                smtp.starttls(context=ssl.create_default_context())
            if self._user is not None:
                smtp.login(self._user, password_of(secrets, "smtp_password"))
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _announced(self, smtp: smtplib.SMTP, to: str) -> None:
        """Up to the moment before the text: whatever goes wrong, nothing left."""
        smtp.ehlo_or_helo_if_needed()
        _taken(smtp.mail(self._sender)[0], MESSAGE_REFUSED)
        _taken(smtp.rcpt(to)[0], ADDRESS_REFUSED)
        code = smtp.docmd("DATA")[0]
        if code != _READY:
            raise ToolUnavailable(f"the mail server did not take it now ({code})")

    def _handed_over(self, smtp: smtplib.SMTP, text: bytes) -> None:
        """The text and its end: from here on only the server's answer tells."""
        lines = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
        try:
            smtp.send(lines.removesuffix(b"\r\n") + b"\r\n.\r\n")
            code = smtp.getreply()[0]
        except (OSError, smtplib.SMTPException) as error:
            raise OutcomeUnknown(f"the mail server went while it had the message ({type(error).__name__})") from None
        if code // 100 == 5:
            raise ToolRejected(f"the mail server refused it ({code})", code=MESSAGE_REFUSED)
        if code // 100 == 4:
            raise ToolUnavailable(f"the mail server did not take it now ({code})")
        if code != _TAKEN:
            raise OutcomeUnknown(f"the mail server gave the answer {code}")


def _taken(code: int, refused: str) -> None:
    if code // 100 == 5:
        raise ToolRejected(f"the mail server refused it ({code})", code=refused)
    if code // 100 != 2:
        raise ToolUnavailable(f"the mail server did not take it now ({code})")


def _not_sent(error: Exception) -> ToolUnavailable:
    return ToolUnavailable(f"the mail server cannot be used ({type(error).__name__})")


_port: type[Mail] = SmtpMail
"""Checked by the type checker: it is one."""
