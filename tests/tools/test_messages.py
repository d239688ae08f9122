"""Templates and their variables, through the gateway: shown as they are sent, sent once, and to nobody who said stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from agent_guard import Gateway, Party, Policy, Subject
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from tests.conftest import Database
from tests.tools.moment import NOW, fixed_clock
from tools.contacts import SqlContacts
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM
from tools.crm.tables import contacts
from tools.mail.outbox import MailOutbox
from tools.mail.port import Message
from tools.message_templates import Templates, written
from tools.messages import SendTemplate, composed, send_template

FOLDER = Path(__file__).parents[2] / "tools" / "templates"
TEMPLATES = Templates.load(FOLDER)
REP = Subject(id="u-reed", tenant="demo", roles={"sales"}, region="us")
BOSS = Subject(id="m7", tenant="demo", roles={"manager"}, region="us")
ANNA = Party(id="contact:2001", known={"PERSON": ["Emily Carter"]})
CALL = {"contact_id": "2001", "template_id": "follow_up", "language": "en", "name": "Emily Carter", "day": "2026-03-09"}
POLICY = Policy.parse("""
version: 1
name: messages.v1
stop_words: [en.txt]
contact_caps: [3/day/party]
tools:
  messages.send_template:
    roles: [sales]
    bind: {contact_id: party}
    mode: approve
    approvers: {roles: [manager], not_requester: true, expires: 24h}
""")


class World:
    """A gateway over the embedded CRM, its contacts and its outbox."""

    def __init__(self, url: str, crm: SqlCRM, masker: Masker) -> None:
        self.contacts, self.mail = SqlContacts(crm), MailOutbox(crm)
        self.contacts.create()
        self.mail.create()
        self.gateway = Gateway(
            [send_template],
            POLICY,
            url=url,
            environment="dev",
            resources={"templates": TEMPLATES, "contacts": self.contacts, "mail": self.mail},
            records=crm,
            masker=masker,
            clock=fixed_clock,
        )

    def thread(self) -> GuardedThread:
        """A conversation about Emily Carter."""
        return self.gateway.open(REP, party=ANNA, user_text="Write to Emily Carter that we call on 2026-03-09")


@pytest.fixture
def crm(database: Database) -> Iterator[SqlCRM]:
    """The embedded CRM with the anchors alone."""
    made = SqlCRM(database.empty(), clock=fixed_clock)
    made.create()
    seed(made, now=NOW, deals=0)
    yield made
    made.close()


@pytest.fixture
def world(database: Database, crm: SqlCRM, quick_masker: Masker) -> Iterator[World]:
    """One of a test."""
    made = World(database.shared, crm, quick_masker)
    yield made
    made.gateway.close()


@pytest.mark.databases
@pytest.mark.req("A4", "A18")
def test_a_manager_sees_the_text_and_sends_it(world: World) -> None:
    """What is approved is what the customer gets, with the name and the day, and it is got once."""
    thread = world.thread()
    asked = thread.invoke("messages.send_template", CALL, call_id="c1")
    assert (asked.status, world.mail.messages()) == ("pending", [])
    approval = world.gateway.approvals.get(asked.approval_id or "")
    assert approval is not None
    assert "Emily" not in str(approval.shown)
    assert "9 March 2026" in str(approval.shown)
    done = thread.resume(approval.id, "approve", by=BOSS)
    assert done.status == "executed"
    ((to, subject, body),) = world.mail.messages()
    assert (to, subject) == ("emily.carter@northwind.example", "Our conversation")
    assert body.startswith("Hello Emily Carter,") and "on 9 March 2026." in body
    again = thread.invoke("messages.send_template", CALL, call_id="c2")
    assert (again.status, len(world.mail.messages())) == ("duplicate", 1)


@pytest.mark.req("A18")
@pytest.mark.parametrize("change", [
    {"template_id": "delete_everything"},
    {"template_id": "thank_you"},
    {"day": None},
    {"day": "next week"},
    {"name": None},
    {"name": "see https://evil.example"},
    {"name": "call +1 415 555 0000"},
    {"body": "Dear all"},
    {"contact_id": "2002"},
    {"language": "fr"},
])  # fmt: skip
def test_nothing_else_can_be_sent(world: World, change: dict[str, Any]) -> None:
    """No free text, no other template or customer, no missing or surplus variable: nobody is even asked."""
    args = {name: value for name, value in (CALL | change).items() if value is not None}
    result = world.thread().invoke("messages.send_template", args)
    assert (result.status, world.mail.messages()) == ("denied", [])


@pytest.mark.req("A18")
@pytest.mark.parametrize(
    "name",
    [
        "Emily Carter", "Carter, Emily", "Иван Петров", "И.И.Иванов", "Әлия Қасымова", "Łukasz Gałązka", "O'Brien",
        "Jean-Luc d’Arc", "محمد علي", "अमिताभ बच्चन", normalize("NFD", "Nguyễn Văn"),
    ],
)  # fmt: skip
def test_a_name_of_any_script_is_one(name: str) -> None:
    """However it is written."""
    assert SendTemplate.model_validate(CALL | {"name": name}).name == name


@pytest.mark.req("A18")
@pytest.mark.parametrize(
    "name",
    [
        "Emily\u202eretraC",  # read from right to left
        "Emily\u200bCarter", "Emily\u00adCarter", "Emily\u3164",  # nobody sees it
        "Emily\u2028Carter", "Emily\u0085Carter",  # ends a line, and a header with it
        "Emily \U0001f172\U0001f170\U0001f17b\U0001f17b", "Emily \u260e", "Emily! Call; now", "Emily = boss",
        "Emily evil.com", "Login.Top", "E" + "\u0301" * 20,
    ],
)  # fmt: skip
def test_a_name_is_nothing_but_a_name(name: str) -> None:
    """No sign that changes how the rest is read, ends a line, hides, pictures or links."""
    with pytest.raises(ValidationError):
        SendTemplate.model_validate(CALL | {"name": name})


@pytest.mark.databases
@pytest.mark.req("A18")
def test_who_stands_in_the_crm_twice_said_stop_for_both(world: World, crm: SqlCRM) -> None:
    """Another contact of the same address, however it is spelled, is written to no more either; others are."""
    with crm.writing() as connection:
        same = update(contacts).where(contacts.c.id == "2003").values(email="EMILY.Carter@northwind.example")
        connection.execute(same)
        connection.execute(update(contacts).where(contacts.c.id.in_(["2004", "2005"])).values(email=None))
    world.contacts.stop("2003", "opted_out")
    assert [world.contacts.stopped(id) for id in ("2001", "2002", "2003", "2004")] == [True, False, True, False]
    assert world.thread().invoke("messages.send_template", CALL).status == "denied"
    world.contacts.stop("2005", "opted_out")
    assert not world.contacts.stopped("2004")  # two without an address are not one


@pytest.mark.databases
@pytest.mark.req("A18")
@pytest.mark.parametrize("why", ["opted_out", "taken_over"])
def test_who_said_stop_is_written_to_no_more(world: World, why: Any) -> None:
    """Neither proposed nor, if it was said while a manager was thinking, sent."""
    thread = world.thread()
    asked = thread.invoke("messages.send_template", CALL)
    world.contacts.stop("2001", why)
    done = thread.resume(asked.approval_id or "", "approve", by=BOSS)
    assert (done.status, world.mail.messages()) == ("denied", [])
    assert world.thread().invoke("messages.send_template", CALL).status == "denied"
    world.contacts.go_on("2001")
    assert world.thread().invoke("messages.send_template", CALL | {"day": "2026-03-10"}).status == "pending"


@pytest.mark.databases
@pytest.mark.req("A3", "A18")
def test_a_customer_is_written_to_three_times_a_day(world: World) -> None:
    """The fourth message is not even proposed to a manager, whoever asks in whatever conversation; the next customer's is."""
    for day in ("2026-03-09", "2026-03-10", "2026-03-11"):
        thread = world.thread()
        asked = thread.invoke("messages.send_template", CALL | {"day": day})
        assert thread.resume(asked.approval_id or "", "approve", by=BOSS).status == "executed"
    fourth = world.thread().invoke("messages.send_template", CALL | {"day": "2026-03-12"})
    assert (fourth.status, fourth.code) == ("denied", "limit_contacts")
    thomas = Party(id="contact:2004", known={"PERSON": ["Thomas Becker"]})
    other = world.gateway.open(REP, party=thomas, user_text="Write to Thomas Becker that we call on 2026-03-12")
    args = CALL | {"contact_id": "2004", "name": "Thomas Becker", "day": "2026-03-12"}
    assert other.invoke("messages.send_template", args).status == "pending"
    assert len(world.mail.messages()) == 3


@pytest.mark.databases
@pytest.mark.req("B7")
def test_a_message_that_may_have_left_is_never_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown, until the way out tells: then it is done, without another one."""
    send = world.mail.send

    def lost(message: Any, **given: Any) -> str:
        send(message, **given)
        raise OutcomeUnknown("the server went")

    monkeypatch.setattr(world.mail, "send", lost)
    thread = world.thread()
    asked = thread.invoke("messages.send_template", CALL)
    done = thread.resume(asked.approval_id or "", "approve", by=BOSS)
    assert done.status == "unknown"
    assert thread.invoke("messages.send_template", CALL).status == "denied"
    assert world.gateway.reconcile(done.trace_id or "").status == "executed"
    assert len(world.mail.messages()) == 1


@pytest.mark.parametrize(
    ("day", "language", "words"),
    [
        (date(2026, 3, 9), "en", "9 March 2026"),
        (date(2026, 12, 1), "ru", "1 декабря 2026"),
        (date(2026, 5, 31), "pl", "31 maja 2026"),
    ],
)
def test_a_day_is_written_as_the_language_writes_it(day: date, language: Any, words: str) -> None:
    """Day, month in the genitive where there is one, year."""
    assert written(day, language) == words


def test_every_template_has_every_language() -> None:
    """And fills without a hole left."""
    for template in TEMPLATES.values():
        assert set(template.texts) == {"en", "ru", "pl"}
        for language in template.texts:
            assert "{" not in "".join(template.filled(language, "Anna", date(2026, 3, 9)))


def test_a_contact_without_an_address_is_told(world: World) -> None:
    """And one that is not there."""
    with pytest.raises(ToolRejected) as refused:
        world.contacts.address("999999")
    assert refused.value.code == "not_found"
    args = SendTemplate.model_validate(CALL | {"template_id": "nothing"})
    with pytest.raises(ToolRejected) as refused:
        composed(args, TEMPLATES, world.contacts)
    assert refused.value.code == "template_unknown"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "id: b\nchannel: email\ntexts: {en: {subject: s, body: b}}", "is called as its template"),
        ("a.yaml", "id: a\nchannel: fax\ntexts: {en: {subject: s, body: b}}", "is no template"),
        ("a.yaml", "id: a\nchannel: email\ntexts: {en: {subject: s, body: 'Hi {name}'}}", "variables names"),
        ("a.yaml", "id: a\nchannel: email\nvariables: {day: day}\ntexts: {en: {subject: s, body: b}}", "variables names"),
        ("a.txt", "", "has no templates"),
        ("a.yaml", "id: [", "is no template"),
    ],
)  # fmt: skip
def test_a_broken_template_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    """With its path and what is wrong with it."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        Templates.load(tmp_path)


@pytest.mark.databases
def test_a_key_stands_for_one_message(world: World) -> None:
    """The same again is the same message; another one under its key is refused."""
    first = Message(to="a@customer.example", subject="s", body="b", key="k1")
    secrets = world.gateway.secrets()
    assert world.mail.send(first, secrets=secrets) == world.mail.send(first, secrets=secrets)
    with pytest.raises(ToolRejected) as refused:
        world.mail.send(replace(first, body="other"), secrets=secrets)
    assert (refused.value.code, len(world.mail.messages())) == ("key_reused", 1)
