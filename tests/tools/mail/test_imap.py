"""Drafts over IMAP against a real server, and against one that breaks at each step: what is told is what happened."""

from __future__ import annotations

import imaplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from agent_guard.credentials import MemoryCredentials, Secrets
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tests.tools.dovecot import MISSING, PASSWORD, USER, Dovecot, program
from tools.mail.imap import ImapDrafts
from tools.mail.port import Message

pytestmark = pytest.mark.req("A18", "B7")

MESSAGE = Message(to="anna@customer.example", subject="Наша встреча", body="Hello,\n.\nsee you.\n", key="k1")


def secrets(password: str = PASSWORD) -> Secrets:
    """The agent's."""
    held = {"dev": {"default": {"imap_password": password}}}
    return Secrets(MemoryCredentials(secrets=held), environment="dev", agent="default")


def drafts(port: int, password: str = PASSWORD, mailbox: str = "Drafts") -> ImapDrafts:
    """One mailbox at a server on this machine."""
    return ImapDrafts(
        "127.0.0.1", port, user=USER, sender="team@acme.example", secrets=secrets(password), mailbox=mailbox,
        encrypted="none", timeout_s=5,
    )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """A real server."""
    if program() is None:
        pytest.skip(MISSING)
    made = Dovecot()
    yield made
    made.stop()


@contextmanager
def logged_in(server: Dovecot) -> Iterator[imaplib.IMAP4]:
    """The person's own mail program."""
    imap = imaplib.IMAP4("127.0.0.1", server.port)
    imap.login(USER, PASSWORD)
    imap.select("Drafts")
    yield imap
    imap.logout()


def stored(server: Dovecot) -> list[tuple[bytes, bytes]]:
    """Flags and text of every draft."""
    with logged_in(server) as imap:
        _, found = imap.search(None, "ALL")
        numbers = found[0].split()
        return [imap.fetch(number, "(FLAGS BODY.PEEK[])")[1][0] for number in numbers]  # type: ignore[misc]


@pytest.fixture(autouse=True)
def _emptied(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        with logged_in(request.getfixturevalue("server")) as imap:
            for number in imap.search(None, "ALL")[1][0].split():
                imap.store(number, "+FLAGS", r"(\Deleted)")
            imap.expunge()


def test_a_message_lies_in_the_mailbox_as_a_draft(server: Dovecot) -> None:
    """It says what was approved, to whom, under the Message-ID of its key, and is marked as a draft."""
    assert drafts(server.port).send(MESSAGE, secrets=secrets()) == "k1@acme.example"
    ((flags, text),) = stored(server)
    assert rb"\Draft" in flags
    mail = message_from_bytes(text, policy=policy.default)
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (MESSAGE.to, MESSAGE.subject, "<k1@acme.example>")
    assert mail.get_content().splitlines() == MESSAGE.body.splitlines()


def test_a_key_has_one_draft(server: Dovecot) -> None:
    """The same message under its key is the one that lies there; another message under it is refused."""
    way = drafts(server.port)
    for _ in range(2):
        way.send(MESSAGE, secrets=secrets())
    with pytest.raises(ToolRejected) as refused:
        way.send(replace(MESSAGE, body="Something else"), secrets=secrets())
    assert refused.value.code == "key_reused"
    assert len(stored(server)) == 1


def test_it_can_be_asked_whether_a_draft_is_there(server: Dovecot) -> None:
    """By key: a draft that somebody threw away is none any more."""
    way = drafts(server.port)
    assert way.sent("k1") is None
    way.send(MESSAGE, secrets=secrets())
    assert (way.sent("k1"), way.sent("k")) == ("k1@acme.example", None)


def test_what_cannot_be_used_stores_nothing(server: Dovecot) -> None:
    """A wrong password, a mailbox that is not there and a server that is not there are told before anything is given."""
    for way in (drafts(server.port, "wrong"), drafts(server.port, mailbox="Nowhere"), drafts(1)):
        with pytest.raises(ToolUnavailable) as told:
            way.send(MESSAGE, secrets=way._secrets)
        assert PASSWORD not in str(told.value)
    assert stored(server) == []


def test_a_password_that_no_login_can_carry_is_told_and_not_shown(server: Dovecot) -> None:
    """Python's client would raise an error that holds it; the secret's name is said."""
    way = drafts(server.port, "пароль")
    with pytest.raises(ToolUnavailable, match="'imap_password' holds letters") as told:
        way.send(MESSAGE, secrets=way._secrets)
    assert "пароль" not in repr(told.value) + repr(told.value.__context__)


@pytest.mark.parametrize(
    "to", ["Anna <anna@customer.example>", "a@x.example, b@y.example", "anna", "a@x.example\nBcc: b@y.example"]
)
def test_a_draft_goes_to_one_plain_address(to: str) -> None:
    """No name, no second address, no further header; no server is asked."""
    with pytest.raises(ToolRejected) as refused:
        drafts(1).send(replace(MESSAGE, to=to), secrets=secrets())
    assert refused.value.code == "address_refused"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sender": "team"}, "no address"),
        ({"sender": "Team <team@acme.example>"}, "no address"),
        ({"user": "команда"}, "in ASCII"),
        ({"mailbox": "Entwürfe"}, "in ASCII"),
        ({"mailbox": 'a"b'}, "cannot be named"),
        ({"host": "mail.acme.example"}, "is encrypted"),
    ],
)
def test_a_wrong_configuration_is_told(given: dict[str, str], words: str) -> None:
    """What could not work, or not safely, is refused when it is made."""
    usual = {"host": "127.0.0.1", "user": USER, "sender": "team@acme.example", "encrypted": "none"}
    with pytest.raises(ConfigError, match=words):
        ImapDrafts(**(usual | given), secrets=secrets())  # type: ignore[arg-type]


HELLO = ("* OK hello", "* CAPABILITY IMAP4rev1\r\n{} OK done", "{} OK done", "* 0 EXISTS\r\n{} OK done")
"""The answers to: nothing yet, CAPABILITY, LOGIN, SELECT."""


@contextmanager
def scripted(*answers: str | None) -> Iterator[ImapDrafts]:
    """A server that gives these answers, ``{}`` being the tag of the command; None hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listening.accept()
        with peer, peer.makefile("rb") as lines:
            for place, answer in enumerate(answers):
                tag = lines.readline().split(b" ")[0].decode() if place else ""
                if answer is None:
                    return
                peer.sendall(answer.format(tag).encode() + b"\r\n")
                if answer.startswith("+"):
                    while lines.readline().strip() not in (b"see you.", b""):
                        pass
                    lines.readline()
            lines.readline()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield drafts(listening.getsockname()[1])
    finally:
        listening.close()
        thread.join(10)


NONE = "* SEARCH\r\n{} OK done"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (("* BYE busy",), ToolUnavailable),
        ((*HELLO[:2], "{} NO wrong"), ToolUnavailable),
        ((*HELLO[:3], "{} NO no such mailbox"), ToolUnavailable),
        ((*HELLO, None), ToolUnavailable),
        ((*HELLO, "{} NO cannot search"), ToolUnavailable),
        ((*HELLO, NONE, "{} NO over quota"), ToolUnavailable),
        ((*HELLO, NONE, "{} BAD what"), ToolRejected),
        ((*HELLO, NONE, None), OutcomeUnknown),
        ((*HELLO, NONE, "+ go on", None), OutcomeUnknown),
    ],
)
def test_what_breaks_is_told_as_it_is(answers: tuple[str | None, ...], error: type[Exception]) -> None:
    """Until the draft was given nothing lies there; once it was, only the server's answer tells."""
    with scripted(*answers) as way, pytest.raises(error):
        way.send(MESSAGE, secrets=secrets())
