"""A mail server and who writes through it, as they are configured: the same for every way out."""

from __future__ import annotations

from agent_guard.credentials import Secrets
from agent_guard.errors import ConfigError, ToolUnavailable
from tools.mail.written import plain_address

__all__ = ["domain_of", "encrypted_to", "password_of"]


def domain_of(sender: str) -> str:
    """The domain of a sender's address, which is that of its Message-IDs.

    Raises:
        ConfigError: it is not one plain address.
    """
    if not plain_address(sender):
        raise ConfigError(f"the sender {sender!r} is no address alone; write e.g. 'team@acme.example'")
    return sender.rpartition("@")[2]


def encrypted_to(host: str, encrypted: str) -> bool:
    """Whether a connection to a mail server is encrypted, as its configuration says.

    Raises:
        ConfigError: neither ``starttls`` nor ``none``, or no encryption to another machine.
    """
    if encrypted not in ("starttls", "none"):
        raise ConfigError(f"encrypted is {encrypted!r}; it is 'starttls' or 'none'")
    if encrypted == "none" and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError("mail to another machine is encrypted; leave encrypted='none' for a server on this one")
    return encrypted == "starttls"


def password_of(secrets: Secrets, name: str) -> str:
    """A mail server's password. Python's mail clients log in with ASCII alone, and their error would repeat it.

    Raises:
        ToolUnavailable: there is no such secret, or it holds another letter; nothing was sent.
    """
    password = secrets(name).reveal()
    if not password.isascii():
        raise ToolUnavailable(f"the secret {name!r} holds letters that are not ASCII; choose a password without them")
    return password
