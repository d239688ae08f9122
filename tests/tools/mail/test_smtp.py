"""Mail over SMTP against a real server, and against one that breaks at each step: what is told is what happened."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from agent_guard.credentials import MemoryCredentials, Secrets
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tools.mail.port import Message
from tools.mail.smtp import SmtpMail

MESSAGE = Message(to="anna@customer.example", subject="Наша встреча", body="Hello,\n.\nsee you.\n", key="k1")
SECRETS = Secrets(MemoryCredentials(), environment="dev", agent="default")


class Box:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """One message."""
        self.got.append(envelope)
        return "250 taken"


@pytest.fixture
def box() -> Iterator[tuple[Box, SmtpMail]]:
    """A real server on this machine."""
    kept = Box()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield kept, SmtpMail("127.0.0.1", port, sender="team@acme.example", encrypted="none")
    finally:
        controller.stop()


@contextmanager
def scripted(*answers: str | None) -> Iterator[SmtpMail]:
    """A server that gives these answers, the first as its greeting; None hangs up. DATA's text counts as one line."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listening.accept()
        with peer, peer.makefile("rb") as lines:
            text = False
            for place, answer in enumerate(answers):
                if place:
                    line = lines.readline()
                    while text and line not in (b".\r\n", b""):
                        line = lines.readline()
                if answer is None:
                    return
                text = answer.startswith("354")
                peer.sendall(f"{answer}\r\n".encode())
            lines.readline()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield SmtpMail("127.0.0.1", listening.getsockname()[1], sender="team@acme.example", encrypted="none")
    finally:
        listening.close()
        thread.join(10)


HELLO = ("220 hello", "250 mx")


@pytest.mark.req("A18")
def test_a_message_arrives_once_with_its_id(box: tuple[Box, SmtpMail]) -> None:
    """From the sender, to the customer, with a Message-ID made of the key; a line of one dot stays one."""
    kept, mail = box
    assert mail.send(MESSAGE, secrets=SECRETS) == "k1@acme.example"
    (envelope,) = kept.got
    assert (envelope.mail_from, envelope.rcpt_tos) == ("team@acme.example", ["anna@customer.example"])
    found = message_from_bytes(envelope.content, policy=policy.default)
    assert (found["Message-ID"], found["Subject"]) == ("<k1@acme.example>", "Наша встреча")
    assert found["Auto-Submitted"] == "auto-generated"
    assert found.get_content().replace("\r\n", "\n") == "Hello,\n.\nsee you.\n"


@pytest.mark.req("A18", "B7")
@pytest.mark.parametrize(
    ("answers", "error", "code"),
    [
        ((None,), ToolUnavailable, None),
        (("554 no",), ToolUnavailable, None),
        ((*HELLO, "550 no such sender"), ToolRejected, "message_refused"),
        ((*HELLO, "451 later"), ToolUnavailable, None),
        ((*HELLO, "250 ok", "550 nobody here"), ToolRejected, "address_refused"),
        ((*HELLO, "250 ok", "450 busy"), ToolUnavailable, None),
        ((*HELLO, "250 ok", None), ToolUnavailable, None),
        ((*HELLO, "250 ok", "250 ok", "451 not now"), ToolUnavailable, None),
        ((*HELLO, "250 ok", "250 ok", None), ToolUnavailable, None),
        ((*HELLO, "250 ok", "250 ok", "354 go on", None), OutcomeUnknown, None),
        ((*HELLO, "250 ok", "250 ok", "354 go on", "what?"), OutcomeUnknown, None),
        ((*HELLO, "250 ok", "250 ok", "354 go on", "554 spam"), ToolRejected, "message_refused"),
        ((*HELLO, "250 ok", "250 ok", "354 go on", "452 full"), ToolUnavailable, None),
    ],
    ids=lambda item: getattr(item, "__name__", str(item))[:60],
)
def test_each_break_has_its_outcome(answers: tuple[str | None, ...], error: type[Exception], code: str | None) -> None:
    """Unknown from the moment the text left until the answer; before and after it is known, and told without values."""
    with scripted(*answers) as mail, pytest.raises(error) as told:
        mail.send(MESSAGE, secrets=SECRETS)
    assert code is None or told.value.code == code  # type: ignore[attr-defined]
    assert "anna" not in str(told.value)


@pytest.mark.req("A18", "B7")
@pytest.mark.parametrize(
    "to",
    [
        "anna@customer.example, eve@evil.example",
        "Anna <eve@evil.example>",
        "=?utf-8?q?eve=40evil.example?= <anna@customer.example>",
        "anna@customer.example\r\nRCPT TO:<eve@evil.example>",
        "anna@customer.example\u2028",
        "анна@customer.example",
        "anna@customer\x00.example",
        "anna", "@", "",
    ],
)  # fmt: skip
def test_a_receiver_that_is_not_one_plain_address_is_refused(to: str) -> None:
    """Before anybody is connected to: it is known that nothing was sent, and to nobody else."""
    mail = SmtpMail("127.0.0.1", 1, sender="team@acme.example", encrypted="none")
    with pytest.raises(ToolRejected) as told:
        mail.send(replace(MESSAGE, to=to), secrets=SECRETS)
    assert told.value.code == "address_refused"


@pytest.mark.parametrize("subject", ["a\r\nBcc: eve@evil.example", "a\u2028b", "a\ud800"])
def test_a_subject_that_ends_a_line_is_refused(subject: str) -> None:
    """It would be a header of its own; that nothing was sent is known."""
    mail = SmtpMail("127.0.0.1", 1, sender="team@acme.example", encrypted="none")
    with pytest.raises(ToolRejected) as told:
        mail.send(replace(MESSAGE, subject=subject), secrets=SECRETS)
    assert told.value.code == "message_refused"


def test_a_server_that_is_not_there_has_sent_nothing() -> None:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ToolUnavailable):
        SmtpMail("127.0.0.1", port, sender="team@acme.example", encrypted="none").send(MESSAGE, secrets=SECRETS)


@pytest.mark.req("B10")
def test_encryption_and_a_login_are_demanded_before_anything_is_said() -> None:
    """A server without STARTTLS gets no message; a login without a secret sends nothing."""
    with scripted(*HELLO) as plain:
        strict = SmtpMail("127.0.0.1", plain._port, sender="team@acme.example")
        with pytest.raises(ToolUnavailable):
            strict.send(MESSAGE, secrets=SECRETS)
    with scripted(*HELLO) as plain:
        login = SmtpMail("127.0.0.1", plain._port, sender="team@acme.example", user="team", encrypted="none")
        with pytest.raises(ToolUnavailable, match="smtp_password"):
            login.send(MESSAGE, secrets=SECRETS)


@pytest.mark.req("B10")
def test_a_password_that_no_login_can_carry_is_told_and_not_shown() -> None:
    """Python's client would raise an error that holds it; nothing was sent, and the secret's name is said."""
    held = MemoryCredentials(secrets={"dev": {"default": {"smtp_password": "пароль"}}})
    secrets = Secrets(held, environment="dev", agent="default")
    with scripted("220 hello", "250-mx\r\n250 AUTH PLAIN") as plain:
        login = SmtpMail("127.0.0.1", plain._port, sender="team@acme.example", user="team", encrypted="none")
        with pytest.raises(ToolUnavailable, match="'smtp_password' holds letters") as told:
            login.send(MESSAGE, secrets=secrets)
    assert "пароль" not in repr(told.value) + repr(told.value.__context__)


def test_smtp_cannot_say_what_became_of_a_message() -> None:
    """So a call whose outcome is unknown stays so, and a person looks."""
    with pytest.raises(ToolUnavailable, match="cannot tell"):
        SmtpMail("127.0.0.1", sender="team@acme.example", encrypted="none").sent("k1")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sender": "team"}, "is no address"),
        ({"sender": "Team <team@acme.example>"}, "is no address"),
        ({"sender": "команда@acme.example"}, "is no address"),
        ({"sender": "a@b.example", "user": "команда"}, "in ASCII"),
        ({"sender": "a@b.example", "encrypted": "ssl"}, "starttls"),
        ({"sender": "a@b.example", "encrypted": "none", "host": "mx.acme.example"}, "is encrypted"),
    ],
)
def test_a_wrong_server_is_refused(given: dict[str, Any], words: str) -> None:
    """When it is made, with what to write."""
    with pytest.raises(ConfigError, match=words):
        SmtpMail(**({"host": "127.0.0.1"} | given))
