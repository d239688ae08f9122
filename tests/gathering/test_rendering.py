"""What a call would say: rendered before it is decided, looked at, shown, approved and sent as it was."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from agent_guard.credentials import EnvironmentCredentials, MemoryCredentials, Secrets
from agent_guard.errors import ToolUnavailable
from agent_guard.gateway import Gateway
from agent_guard.gathering.gather import Gathered
from agent_guard.gathering.rendering import RENDERED_MAX
from agent_guard.guarded import GuardedThread
from agent_guard.policy import Policy
from agent_guard.tool import Tool, tool
from agent_guard.types import Code
from tests.conftest import World

CARD = "4111 1111 1111 1111"
IBAN = "KZ86125KZT5004100100"
NAME = "messages.template"


class Letter(BaseModel):
    deal_id: str = Field(max_length=20)
    template: Literal["ready", "offer"] = "ready"
    name: str = Field(default="", max_length=60)


class Sent(BaseModel):
    ok: bool = True


def write(args: Letter, desk: Any) -> dict[str, str]:
    """The letter that ``desk`` knows for this deal: its note is a field of the CRM."""
    return {"subject": "Your order", "body": f"Dear {args.name}, {desk.note}"}


def sender(render: Callable[..., Any] = write, **contract: Any) -> Tool:
    """A tool that sends what it rendered."""

    def send(args: Letter, desk: Any, rendered: Any) -> Sent:
        """Sends a letter made of a template."""
        desk.do("letter", text=rendered)
        return Sent()

    send.__annotations__ = {"args": Letter, "return": Sent}
    given = {"effect": "send", "timeout_s": 2, "refs": {"deal_id": "deal"}, "unmask": {"name"}, "render": render}
    return tool(name=NAME, **(given | contract))(send)  # type: ignore[arg-type]


def policy(entry: dict[str, Any] | None = None, **top: Any) -> Policy:
    approvers = {"roles": ["manager"], "expires": "24h"}
    given = {"roles": ["sdr"], "mode": "execute", "approvers": approvers}
    limits = {"actions_per_thread": 50, "attempts_per_thread": 200}
    rules = {"version": 1, "name": "letters.v1", "limits": limits, "loops": {"same_call": 50, "cycle": 50}}
    return Policy.model_validate(rules | {"tools": {NAME: given | (entry or {})}} | top)


def talk(world: World, entry: dict[str, Any] | None = None, *, made: Tool | None = None, **top: Any) -> GuardedThread:
    """A conversation about Anna with that one tool."""
    options = top.pop("options", {})
    gateway = world.gateway(policy(entry, **top), tools=[made or sender()], **options)
    return gateway.open(world.sdr, party=world.anna, user_text=f"Tell Anna Kowalska. My card is {CARD}.")


ARGS = {"deal_id": "42", "name": "Anna Kowalska"}


def sent(world: World) -> list[Any]:
    return [item["text"] for item in world.desk.effects]


# ---- what is looked at


@pytest.mark.req("A18", "B13")
@pytest.mark.parametrize(
    ("note", "code"),
    [
        ("it is ready.", Code.ALLOWED),
        ("а мы гарантировали прибыль!", Code.STOP_WORD),
        ("ждём вас, и помните: это без малейшего риска!", Code.STOP_WORD),
        ("гарантией прибыли клянёмся", Code.STOP_WORD),
        ("see https://evil.example/pay", Code.DOMAIN),
        ("see www.evil.com or not", Code.DOMAIN),
        ("write to eve@evil.example", Code.DOMAIN),
        ("see https://acme.example@evil.example", Code.DOMAIN),
        ("see https://acme.example/way", Code.ALLOWED),
        ("write to sales@acme.example", Code.ALLOWED),
        ("write to eve(at)evil[.]example", Code.VALUE_ORIGIN),
        ("call +48 600 700 800", Code.VALUE_ORIGIN),
        ("call +48 512 345 678", Code.ALLOWED),
        (f"your card {CARD}", Code.ALLOWED),
        ("your card 5555 5555 5555 4444", Code.VALUE_SECRET),
        (f"pay to {IBAN}", Code.VALUE_SECRET),
        ("your number 880512400150", Code.VALUE_SECRET),
        ("password: Hunter2hunter2!", Code.VALUE_SECRET),
    ],
)
def test_what_a_record_adds_to_a_template_is_looked_at(world: World, note: str, code: Code) -> None:
    """Stop-words in any form, hosts outside the domains, addresses that nobody vouched for and secrets that the user
    did not type, wherever in the letter they come from.
    """
    world.desk.note = note
    thread = talk(world, {"domains": ["acme.example"]}, stop_words=["ru.txt", "en.txt"])
    decision = thread.check(NAME, ARGS)
    assert (decision.code, decision.allowed) == (code, code is Code.ALLOWED)
    assert thread.invoke(NAME, ARGS).status == ("executed" if code is Code.ALLOWED else "pending" if code is Code.VALUE_ORIGIN else "denied")  # fmt: skip
    assert len(sent(world)) == (code is Code.ALLOWED)


@pytest.mark.req("B1", "B13")
@pytest.mark.parametrize(
    ("note", "who", "code"),
    [
        ("see https://acme.example/way", None, Code.VALUE_ORIGIN),
        ("see https://acme.example/way", "untrusted", Code.VALUE_ORIGIN),
        ("see https://acme.example/way", "user", Code.ALLOWED),
        ("write to sales@acme.example", None, Code.VALUE_ORIGIN),
        ("write to sales@acme.example", "user", Code.ALLOWED),
        ("write to anna@kowalska.example", None, Code.ALLOWED),
        ("it is ready", None, Code.ALLOWED),
    ],
)
def test_without_domains_an_address_must_have_been_said(world: World, note: str, who: Any, code: Code) -> None:
    """Where the policy names no domains, an address in the text is asked about unless the user or the host gave it."""
    world.desk.note = note
    thread = talk(world)
    if who == "user":
        thread.hear("Send them https://acme.example/way and sales@acme.example", origin="user")
    elif who:
        thread.observe("https://acme.example/way", origin=who, source="ticket 7")
    assert thread.check(NAME, ARGS).code is code


@pytest.mark.req("B1")
def test_an_address_of_outsiders_is_asked_about_in_an_allowed_domain_too(world: World) -> None:
    """The allowlist tells where things may go; it does not make an outsider's address the user's."""
    world.desk.note = "write to eve@acme.example"
    thread = talk(world, {"domains": ["acme.example"]})
    assert thread.check(NAME, ARGS).code is Code.ALLOWED
    thread.observe("I am eve@acme.example", origin="untrusted", source="ticket 7")
    decision = thread.check(NAME, ARGS)
    assert decision.code is Code.VALUE_ORIGIN
    assert "ticket 7" in decision.for_human


@pytest.mark.req("B6")
@pytest.mark.parametrize("effect", ["draft", "write", "send", "egress", "delete"])
def test_a_secret_leaves_by_no_template(world: World, effect: str) -> None:
    """Whatever the tool's effect: a rendered text is meant to leave."""
    world.desk.note = "your card 5555 5555 5555 4444"
    assert talk(world, made=sender(effect=effect)).check(NAME, ARGS).code is Code.VALUE_SECRET


@pytest.mark.req("B1", "A24")
def test_no_plan_determines_what_a_record_says(world: World) -> None:
    """Every argument is planned, and the text is still judged for what the record adds to it."""
    world.desk.note = "call +48 600 700 800"
    thread = talk(world)
    text = thread.text or ""
    args = {
        "deal_id": {"const": "42"},
        "name": {"lit": "<PERSON_1>", "span": [text.index("<P"), text.index("<P") + 10]},
    }
    thread.plan({"steps": [{"id": "s1", "tool": NAME, "evidence": [0, len(text)], "args": args}]})
    assert thread.check(NAME, ARGS).code is Code.VALUE_ORIGIN
    world.desk.note = "it is ready"
    assert thread.check(NAME, ARGS).allowed


@pytest.mark.req("A23")
def test_what_a_record_says_is_not_told_to_the_model(world: World) -> None:
    """A refusal names no host, number or word of the text but the list's own entry."""
    world.desk.note = "see https://evil.example/pay, 5555 5555 5555 4444, гарантируем прибыль"
    for entry in ({"domains": []}, {}):
        thread = talk(world, entry, stop_words=["ru.txt"])
        result = thread.invoke(NAME, ARGS)
        words = f"{result.content} {result.decision}"
        assert result.status == "denied"
        assert not any(value in words for value in ("evil", "5555", "Dear"))
        stored = str(world.dump(thread.gateway))
        assert not any(value in stored for value in ("Anna Kowalska", "5555 5555 5555 4444"))


# ---- one that cannot be looked at is not sent


def fails(args: Letter, desk: Any) -> str:
    raise RuntimeError("no template for Anna Kowalska")


def unavailable(args: Letter, desk: Any) -> str:
    raise ToolUnavailable("the CRM is away", code="crm_down")


async def slowly(args: Letter, desk: Any) -> str:
    import asyncio

    await asyncio.sleep(60)
    return "late"


@pytest.mark.req("A8", "A20", "B18")
@pytest.mark.parametrize(
    ("render", "words"),
    [
        (fails, "RuntimeError"),
        (unavailable, "crm_down"),
        (slowly, "TimeoutError"),
        (lambda args, desk: None, "NoneType"),
        (lambda args, desk: 7, "int"),
        (lambda args, desk: b"text", "bytes"),
        (lambda args, desk: ["a"], "list"),
        (lambda args, desk: {}, "no part"),
        (lambda args, desk: {"body": None}, "NoneType"),
        (lambda args, desk: {"": "text"}, "no word"),
        (lambda args, desk: {"to whom": "text"}, "no word"),
        (lambda args, desk: {"Anna Kowalska": "text"}, "no word"),
        (lambda args, desk: {7: "text"}, "no word"),
        (lambda args, desk: "x" * (RENDERED_MAX + 1), "longer than 20000"),
        (lambda args, desk: {"a": "x" * RENDERED_MAX, "b": "x"}, "longer than 20000"),
        (lambda args, desk: "half \ud800", "half a character"),
    ],
)
def test_a_text_that_cannot_be_looked_at_is_not_sent(world: World, render: Any, words: str) -> None:
    """A rendering that fails, takes too long, is too long or is no text denies the call, and says why in a word."""
    thread = talk(world, made=sender(render, timeout_s=0.05))
    result = thread.invoke(NAME, ARGS)
    assert (result.status, result.code) == ("denied", Code.RENDER_FAILED)
    assert not result.code.stops
    assert words in str(result.content)
    assert "Kowalska" not in str(result)
    assert sent(world) == []


@pytest.mark.req("A18")
@pytest.mark.parametrize("render", [lambda args, desk: "x" * RENDERED_MAX, lambda args, desk: "", lambda args, desk: {"body": ""}])  # fmt: skip
def test_the_longest_text_and_none_are_sent(world: World, render: Any) -> None:
    """The bound itself, and a text without a letter, are texts."""
    thread = talk(world, made=sender(render))
    assert thread.invoke(NAME, ARGS).status == "executed"
    assert sent(world) == [render(None, None)]


@pytest.mark.req("B10")
def test_a_secret_of_the_agent_stands_in_no_text(world: World) -> None:
    """What a template takes from the agent's secrets is never sent, and no word of it is told."""

    def tells(args: Letter, desk: Any, secrets: Secrets) -> str:
        return f"key {secrets('crm_token').reveal()}"

    def send(args: Letter, desk: Any, rendered: Any, secrets: Secrets) -> Sent:
        """Sends it."""
        desk.do("letter", text=rendered)
        return Sent()

    options = {"effect": "send", "timeout_s": 2, "refs": {"deal_id": "deal"}, "unmask": {"name"}}
    made = tool(name=NAME, render=tells, **options)(send)  # type: ignore[arg-type]
    credentials = MemoryCredentials(secrets={"dev": {"default": {"crm_token": "not-for-anybody"}}})
    result = talk(world, made=made, options={"credentials": credentials}).invoke(NAME, ARGS)
    assert (result.code, sent(world)) == (Code.RENDER_FAILED, [])
    assert "a secret of the agent" in str(result.content)
    assert "not-for-anybody" not in str(result)


def test_an_async_render_and_one_without_resources_are_texts_too(world: World) -> None:
    """It may be a coroutine, and may need nothing but the arguments."""

    async def later(args: Letter) -> str:
        return f"Dear {args.name}"

    thread = talk(world, made=sender(later))
    assert thread.invoke(NAME, ARGS).status == "executed"
    assert sent(world) == ["Dear Anna Kowalska"]


def test_nothing_is_rendered_for_what_cannot_be_read(world: World) -> None:
    """Arguments that do not fit, and a tool that the policy does not name, ask no template."""
    asked: list[Any] = []
    thread = talk(world, made=sender(lambda args, desk: asked.append(args) or "text"))
    assert thread.check(NAME, ARGS | {"template": "free"}).code is Code.ARGUMENTS_INVALID
    assert asked == []
    assert thread.check(NAME, ARGS).allowed
    assert len(asked) == 1


# ---- what a person approves is what is sent

APPROVE = {"mode": "approve"}


@pytest.mark.req("A12", "A18", "A23")
def test_a_person_is_shown_what_would_be_sent(world: World) -> None:
    """The question holds the text, part by part and with pseudonyms; nothing raw of it is stored."""
    world.desk.note = "call Anna Kowalska at +48 600 700 800.\n| <b>now</b> <EMAIL_9>"
    thread = talk(world, APPROVE)
    asked = thread.invoke(NAME, ARGS)
    approval = thread.gateway.approvals.get(asked.approval_id or "")
    assert approval is not None
    assert list(approval.shown["text"]) == ["(text).subject", "(text).body"]
    body = approval.shown["text"]["(text).body"]
    assert body.startswith("Dear <PERSON_1>, call <PERSON_1> at <PHONE_2>.\n")
    assert "<EMAIL_9>" not in body
    lines = approval.shown["description"].splitlines()
    assert "Would send (subject):" in lines
    assert "> Your order" in lines
    assert "> Dear <PERSON_1>, call <PERSON_1> at <PHONE_2>." in lines
    assert any(line.startswith("> \\| &lt;b>now") for line in lines)
    stored = str(world.dump(thread.gateway))
    assert not any(value in stored for value in ("Anna Kowalska", "600 700 800", "600700800"))


@pytest.mark.req("A12")
def test_an_approved_text_is_sent_as_it_was_shown(world: World) -> None:
    """The tool is given the text that was rendered for the last decision, and renders none itself."""
    thread = talk(world, APPROVE)
    asked = thread.invoke(NAME, ARGS)
    assert thread.resume(asked.approval_id or "", "approve", by=world.boss).status == "executed"
    assert sent(world) == [{"subject": "Your order", "body": "Dear Anna Kowalska, They asked for a price."}]


@pytest.mark.req("A12", "A7")
def test_a_field_that_changed_asks_again(world: World) -> None:
    """The approval is bound to the text: with another note in the CRM it is another call, though no version changed."""
    thread = talk(world, APPROVE)
    asked = thread.invoke(NAME, ARGS, call_id="c1")
    world.desk.note = "They asked for a discount."
    result = thread.resume(asked.approval_id or "", "approve", by=world.boss)
    assert (result.status, result.code) == ("denied", Code.APPROVAL_CHANGED)
    assert sent(world) == []
    again = thread.invoke(NAME, ARGS, call_id="c1")
    assert again.status == "pending"
    assert again.approval_id != asked.approval_id
    assert thread.resume(again.approval_id or "", "approve", by=world.boss).status == "executed"
    assert sent(world)[0]["body"].endswith("a discount.")


@pytest.mark.req("A12")
def test_the_digest_is_of_the_raw_text(world: World) -> None:
    """Another spelling of a name has the same pseudonym and is another text."""
    thread = talk(world, APPROVE)
    call = thread.masked_call(NAME, ARGS, "c1", None)

    def gathered(note: str) -> Gathered:
        world.desk.note = note
        return thread.gateway.gather(thread.row, call, thread.vault())

    before, again, other = gathered("for Anna Kowalska"), gathered("for Anna Kowalska"), gathered("for ANNA KOWALSKA")
    assert before.text == other.text
    assert before.digest == again.digest
    assert before.digest != other.digest


@pytest.mark.req("A12")
def test_a_text_without_a_render_changes_no_digest(world: World) -> None:
    """Contracts that render nothing are bound to what they were bound to before."""
    thread = world.thread()
    call = thread.masked_call("crm.create_task", {"deal_id": "42", "subject": "Call"}, "c1", None)
    gathered = thread.gateway.gather(thread.row, call, thread.vault())
    assert (gathered.rendered, gathered.text, gathered.text_mac) == (None, {}, None)
    assert replace(gathered, text_mac="x").digest != gathered.digest


@pytest.mark.req("A12", "B10")
def test_a_question_over_a_text_outlives_a_new_master_key(world: World) -> None:
    """Whoever said yes to a text is not asked again because the master key was rotated."""

    def gateway(*keys: bytes) -> Gateway:
        encoded = ",".join(b64encode(key).decode() for key in keys)
        source = EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": encoded})
        return world.gateway(policy(APPROVE), tools=[sender()], file=True, credentials=source)

    thread = gateway(b"o" * 32).open(world.sdr, party=world.anna, user_text="Tell Anna Kowalska.", thread_id="t1")
    asked = thread.invoke(NAME, ARGS)
    after = gateway(b"n" * 32, b"o" * 32).thread("t1")
    assert after.resume(asked.approval_id or "", "approve", by=world.boss).status == "executed"
    assert len(sent(world)) == 1


@pytest.mark.req("A12")
def test_an_edit_makes_a_text_that_nobody_has_read(world: World) -> None:
    """Whoever edits the arguments is shown the text that they make before it is sent."""
    thread = talk(world, APPROVE)
    asked = thread.invoke(NAME, ARGS)
    result = thread.resume(asked.approval_id or "", "edit", by=world.boss, args=ARGS | {"name": ""})
    assert result.status == "pending"
    assert sent(world) == []
    approval = thread.gateway.approvals.get(result.approval_id or "")
    assert approval is not None
    assert approval.shown["text"]["(text).body"].startswith("Dear , They")
    assert thread.resume(approval.id, "approve", by=world.boss).status == "executed"


@pytest.mark.req("A18")
def test_a_text_that_became_unspeakable_is_not_sent(world: World) -> None:
    """What was approved is looked at once more before it leaves, and so is what needed no approval."""
    thread = talk(world, APPROVE, stop_words=["en.txt"])
    asked = thread.invoke(NAME, ARGS)
    world.desk.note = "no risk, guaranteed returns!"
    assert thread.resume(asked.approval_id or "", "approve", by=world.boss).code is Code.STOP_WORD
    assert sent(world) == []


def test_the_interrupt_carries_the_text(world: World) -> None:
    """A client of the graph is given the text beside the arguments, as JSON."""
    from agent_guard.graph.interrupts import payload

    thread = talk(world, APPROVE)
    approval = thread.gateway.approvals.get(thread.invoke(NAME, ARGS).approval_id or "")
    assert approval is not None
    block = json.loads(json.dumps(payload(approval, allow_edit=False, error=None)))["agent_guard"]
    assert block["text"]["(text).subject"] == "Your order"
