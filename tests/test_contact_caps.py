"""``contact_caps``: how often one customer may be contacted, over every tool that sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from agent_guard.errors import ToolRejected
from agent_guard.facts import LimitFact
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.policies.diff import diff
from agent_guard.policies.explain import explain
from agent_guard.policy import Policy
from agent_guard.testing import FixedClock
from agent_guard.tool import Tool, tool
from agent_guard.types import Code, Description, Party, Ref, Subject
from tests.conftest import Database
from tests.samples import call, contract, facts, policy as sample

ALLOWED, FULL = Code.ALLOWED, Code.LIMIT_CONTACTS
USER = Subject(id="u1", tenant="acme", roles={"sales"}, region="kz")
COLLEAGUE = Subject(id="u2", tenant="acme", roles={"sales"}, region="kz")
STRANGER = Subject(id="u1", tenant="other", roles={"sales"}, region="kz")


class Text(BaseModel):
    text: str = Field(max_length=40)


class Letter(BaseModel):
    deal_id: str = Field(max_length=20)
    text: str = Field(max_length=40)


class Event(BaseModel):
    text: str = Field(max_length=40)
    guests: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=5)


class Done(BaseModel):
    ok: bool = True


class Post:
    """What was sent; ``raises`` is what the next call ends with."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.raises: Exception | None = None

    def send(self, text: str) -> Done:
        if self.raises is not None:
            raise self.raises
        self.sent.append(text)
        return Done()


def made(name: str, args: type[BaseModel], effect: str = "send", **options: Any) -> Tool:
    def run(args: Any, post: Post) -> Done:
        """Does it."""
        return post.send(args.text)

    run.__annotations__ = {"args": args, "return": Done}
    return tool(name=name, effect=effect, timeout_s=5, **options)(run)  # type: ignore[arg-type]


TOOLS = [
    made("mail.send", Text),
    made("sms.send", Text),
    made("mail.draft", Text, "draft"),
    made("crm.note", Text, "write"),
    made("letter.send", Letter, refs={"deal_id": "deal"}),
    made("cal.new", Event, sensitive={"guests"}, audience=("guests",)),
]


class Records:
    """Deal 7 is the customer's 17, every other deal the customer's of its own number."""

    def describe(self, ref: Ref) -> Description | None:
        party = None if ref.id == "0" else f"contact:{'17' if ref.id == '7' else ref.id}"
        return Description(version="1", party=party, region="kz", name="Trucks", fields={"name": "plain"})


def rules(*caps: str, name: str = "post.v1") -> Policy:
    tools: dict[str, Any] = {item.name: {"roles": ["sales"], "mode": "execute"} for item in TOOLS}
    tools["letter.send"]["bind"] = {"deal_id": "region"}
    tools["cal.new"]["from"] = {"guests": ["user", "invented"]}
    limits = {"actions_per_thread": 500, "attempts_per_thread": 500}
    data = {"version": 1, "name": name, "limits": limits, "loops": {"same_call": 90}, "tools": tools}
    return Policy.model_validate(data | {"contact_caps": list(caps)})


class Office:
    """Gateways over one post and one clock."""

    def __init__(self, masker: Masker, database: Database) -> None:
        self.masker, self.clock, self.post, self.database = masker, FixedClock(), Post(), database
        self.made: list[Gateway] = []
        self.n = 0

    def gateway(self, *caps: str, policies: Any = None) -> Gateway:
        options: dict[str, Any] = {"environment": "dev", "resources": {"post": self.post}, "records": Records()}
        options |= {"url": self.database.new(), "masker": self.masker, "clock": self.clock}
        self.made.append(Gateway(TOOLS, policies or rules(*caps), **options))
        return self.made[-1]

    def tell(self, thread: GuardedThread, name: str = "mail.send", **args: Any) -> Code:
        """The code of a call that is made, each with words of its own."""
        self.n += 1
        return thread.invoke(name, {"text": f"words {self.n}"} | args).code


@pytest.fixture
def office(quick_masker: Masker, database: Database) -> Iterator[Office]:
    one = Office(quick_masker, database)
    yield one
    for gateway in one.made:
        gateway.close()


def about(gateway: Gateway, party: str | None = "contact:17", who: Subject = USER) -> GuardedThread:
    return gateway.open(who, party=Party(id=party) if party else None)


@pytest.mark.databases
@pytest.mark.req("A3")
def test_every_tool_that_sends_counts(office: Office) -> None:
    """Two contacts a day are two, by whatever tools; a draft, a note and a refused call are none."""
    thread = about(office.gateway("2/day/party"))
    assert [office.tell(thread, name) for name in ("mail.draft", "crm.note")] == [ALLOWED] * 2
    assert office.tell(thread, "mail.send", text="x" * 50) == Code.ARGUMENTS_INVALID
    assert [office.tell(thread, name) for name in ("mail.send", "sms.send")] == [ALLOWED] * 2
    assert [office.tell(thread, name) for name in ("mail.send", "sms.send")] == [FULL] * 2
    assert [office.tell(thread, name) for name in ("mail.draft", "crm.note")] == [ALLOWED] * 2
    assert len(office.post.sent) == 6


@pytest.mark.req("A3")
@pytest.mark.parametrize(
    ("party", "who", "code"),
    [
        ("contact:17", USER, FULL),
        ("contact:17", COLLEAGUE, FULL),
        ("contact:18", USER, ALLOWED),
        ("contact:17", STRANGER, ALLOWED),
        (None, USER, ALLOWED),
    ],
)
def test_a_cap_is_the_customers(office: Office, party: str | None, who: Subject, code: Code) -> None:
    """Whoever writes, and in whatever conversation: the customer is contacted. Other customers and companies are others."""
    gateway = office.gateway("1/day/party")
    assert office.tell(about(gateway)) == ALLOWED
    assert office.tell(about(gateway, party, who)) == code


@pytest.mark.databases
@pytest.mark.req("A3")
def test_another_policys_messages_count(office: Office) -> None:
    """A scenario that has no caps contacts the customer as well, and is not stopped by the caps of others."""
    gateway = office.gateway(policies={"capped": rules("1/day/party"), "free": rules(name="free.v1")})
    free = gateway.open(USER, scenario="free", party=Party(id="contact:17"))
    capped = gateway.open(USER, scenario="capped", party=Party(id="contact:17"))
    assert office.tell(free) == ALLOWED
    assert office.tell(capped) == FULL
    assert office.tell(free) == ALLOWED


@pytest.mark.databases
@pytest.mark.req("A3")
def test_the_customer_is_whose_record_is_named(office: Office) -> None:
    """A letter about a deal contacts the deal's customer, in a conversation about somebody else or about nobody."""
    gateway = office.gateway("1/day/party")
    assert office.tell(about(gateway, None), "letter.send", deal_id="7") == ALLOWED
    assert office.tell(about(gateway, "contact:17")) == FULL
    assert office.tell(about(gateway, "contact:18"), "letter.send", deal_id="7") == FULL
    assert office.tell(about(gateway, "contact:18")) == ALLOWED
    assert office.tell(about(gateway, "contact:20"), "letter.send", deal_id="0") == ALLOWED  # a deal of nobody's
    assert office.tell(about(gateway, "contact:20")) == FULL


def test_a_conversation_about_nobody_has_a_cap_of_its_own(office: Office) -> None:
    """Where there is no customer, the conversation counts alone."""
    gateway = office.gateway("1/day/party")
    first, second = about(gateway, None), about(gateway, None)
    assert [office.tell(first), office.tell(first), office.tell(second)] == [ALLOWED, FULL, ALLOWED]


@pytest.mark.req("A3")
def test_what_reaches_nobody_is_no_contact(office: Office) -> None:
    """An own event takes no place and needs none; with a guest it is a contact."""
    thread = about(office.gateway("1/day/party"))
    assert [office.tell(thread, "cal.new") for _ in range(3)] == [ALLOWED] * 3
    assert office.tell(thread, "cal.new", guests=["bob"]) == ALLOWED
    assert office.tell(thread, "cal.new", guests=["bob"]) == FULL
    assert office.tell(thread, "cal.new") == ALLOWED


@pytest.mark.databases
@pytest.mark.req("A3")
def test_a_message_that_may_have_gone_out_counts(office: Office) -> None:
    """A place is taken when the call is claimed: one that was refused by the system keeps it, as actions do."""
    thread = about(office.gateway("1/day/party"))
    office.post.raises = ToolRejected(code="closed")
    assert office.tell(thread) == Code.TOOL_REJECTED
    office.post.raises = None
    assert office.tell(thread) == FULL


@pytest.mark.databases
@pytest.mark.req("A3")
@pytest.mark.parametrize(("unit", "seconds"), [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)])
def test_the_window_rolls_and_every_cap_holds(office: Office, unit: str, seconds: int) -> None:
    """A place is free again when its window is over; of two caps the stricter one counts."""
    thread = about(office.gateway("5/second/party", f"1/{unit}/party"))
    assert [office.tell(thread), office.tell(thread)] == [ALLOWED, FULL]
    office.clock.forward(seconds=seconds, milliseconds=-1)
    assert office.tell(thread) == FULL
    office.clock.forward(milliseconds=1)
    assert [office.tell(thread), office.tell(thread)] == [ALLOWED, FULL]


@pytest.mark.req("A10")
@pytest.mark.parametrize(
    ("language", "left", "reached"),
    [
        ("en", "Left before this call: 2 of 3 messages to this customer a day by any tool", "Used up: 3 messages to"),
        ("ru", "До этого вызова осталось: 2 из 3 сообщений этому клиенту в день", "Исчерпано: 3 сообщения этому"),
        ("pl", "Przed tym wywołaniem zostało: 2 z 3 wiadomości do tego klienta na dzień", "3 wiadomości do tego"),
    ],
)
def test_a_cap_is_told_in_every_language(language: str, left: str, reached: str) -> None:
    """What is left of it, and that it is used up; one of an older policy by its text."""
    told: Callable[[LimitFact], str] = lambda limit: next(  # noqa: E731
        item.text
        for item in explain(
            call(), contract(effect="send"), sample(contact_caps=["3/day/party"]), facts(limits=(limit,)),
            language=language,
        ).lines
        if item.guard == "limits"
    )  # fmt: skip
    cap = LimitFact(limit="3/day/party", code=Code.LIMIT_CONTACTS, count=3, reached=False, used=1)
    assert left in told(cap)
    assert reached in told(LimitFact(limit="3/day/party", code=Code.LIMIT_CONTACTS, count=3, reached=True, used=3))
    assert "9/hour/party" in told(LimitFact(limit="9/hour/party", code=Code.LIMIT_CONTACTS, count=9, reached=True))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([], ["3/day/party"], ["narrower"]),
        (["3/day/party"], [], ["wider"]),
        (["3/day/party"], ["2/day/party"], ["narrower"]),
        (["3/day/party"], ["3/hour/party"], ["wider"]),
        (["3/day/party"], ["1/hour/party"], ["wider", "narrower"]),
        (["3/day/party"], ["3/day/party", "5/day/party"], []),
        (["1/hour/party", "3/day/party"], ["3/day/party", "1/hour/party"], []),
    ],
)
def test_two_versions_of_caps_are_compared(old: list[str], new: list[str], expected: list[str]) -> None:
    """Fewer contacts in a longer time are narrower."""
    found = diff(sample(contact_caps=old), sample(contact_caps=new))
    assert [item.direction for item in found if item.aspect == "contact_caps"] == expected
