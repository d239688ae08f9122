"""Attacks that once worked, each kept as the test of what stopped it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import Command
from pydantic import BaseModel, BeforeValidator, Field

from agent_guard.errors import ConfigError, TextTooLong, ToolRejected
from agent_guard.masking import Masker
from agent_guard.masking.memory import MemoryVault
from agent_guard.masking.tripwire import leaks
from agent_guard.nodes import guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, assert_no_personal_data, call
from agent_guard.tool import Tool, tool
from agent_guard.types import Description, Party, Ref, Subject, ToolCall
from tests.conftest import NewTask, TaskMade, World, read_deal, send_note, set_stage

MAIL, PHONE = "anna@kowalska.example", "48512345678"
ASK = {"crm.create_task": {"mode": "approve"}}


class Nothing(BaseModel):
    pass


class Made(BaseModel):
    id: str


def only(name: str, **entry: Any) -> Policy:
    """A policy of one tool, by default executed."""
    rule = {"roles": ["sdr"], "mode": "execute", "approvers": {"roles": ["manager"]}} | entry
    return Policy.model_validate({"version": 1, "name": "red.v1", "tools": {name: rule}})


def session(world: World, given: Tool, *turns: Any, **options: Any) -> Session:
    """A conversation about one tool, everything in files."""
    entry = options.pop("entry", {})
    gateway = world.gateway(only(given.name, **entry), tools=[given], file=True, **options)
    graph = guarded_agent(ScriptedModel(*turns), gateway)
    return Session(graph, gateway, checkpointer=f"sqlite:///{world.folder}/threads.db")


def stored(world: World) -> list[Any]:
    """Everything on disk but the system of record's own file."""
    return [path for path in world.folder.iterdir() if path.name != "desk.jsonl"]


@pytest.mark.req("A12")
def test_an_edit_that_is_asked_again_shows_what_would_run(world: World) -> None:
    """The second question's words are of the edited arguments, not of the first ones."""
    thread = world.thread(world.policy(ASK))
    first = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Harmless"}, call_id="c1")
    world.desk.change("42", "won")
    again = thread.resume(first.approval_id, "edit", by=world.boss, args={"deal_id": "42", "subject": "Wire it"})
    shown = thread.gateway.approvals.get(again.approval_id).shown
    assert "Wire it" in shown["description"]
    assert "Harmless" not in shown["description"]


@pytest.mark.req("A12")
def test_an_editor_must_be_permitted_by_the_policy_of_now(world: World) -> None:
    """An edit does not carry the rights of an older policy over to a question of the new one."""
    thread = world.gateway(world.policy(ASK), file=True).open(world.sdr, party=world.anna)
    asked = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "A"}, call_id="c1")
    stricter = {"crm.create_task": {"mode": "approve", "approvers": {"roles": ["director"]}}}
    later = world.gateway(world.policy(stricter), file=True).thread(thread.id)
    done = later.resume(asked.approval_id, "edit", by=world.boss, args={"deal_id": "42", "subject": "B"})
    assert (done.status, world.desk.effects) == ("pending", [])


@pytest.mark.req("A31")
def test_the_button_of_the_only_scenario_covers_a_thread_that_names_none(world: World) -> None:
    """A thread without a scenario runs under the only policy there is, and stops with it."""
    gateway = world.gateway({"sdr": world.policy()})
    thread = gateway.open(world.sdr, party=world.anna)
    gateway.press("scenario:sdr", reason="stop", by="ops")
    assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": "A"}).code == "killed"


@pytest.mark.req("B5")
@pytest.mark.parametrize("who", [("acme", "root"), ("other", "u1")])
def test_a_directory_that_returns_somebody_else_gives_no_rights(world: World, who: tuple[str, str]) -> None:
    """Another person's or another tenant's roles are nobody's here, neither to act nor to answer."""

    class Confused:
        def lookup(self, tenant: str, subject: str) -> Subject:
            return Subject(id=who[1], tenant=who[0], roles={"sdr", "manager"}, region="kz")

    thread = world.thread(directory=Confused())
    assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": "A"}).code == "role"


@pytest.mark.req("B5")
def test_an_empty_customer_is_no_customer(world: World) -> None:
    """A host that lost the customer's id does not open every record that has none either."""
    world.desk.deals["50"] = replace(world.desk.deals["42"], party="")
    thread = world.gateway().open(world.sdr, party=Party(id=""))
    assert thread.invoke("crm.create_task", {"deal_id": "50", "subject": "A"}).code == "binding"


class MaybeTask(BaseModel):
    deal_id: str | None = Field(default=None, max_length=20)


@tool(name="crm.maybe", effect="write", timeout_s=2, refs={"deal_id": "deal"})
def maybe(args: MaybeTask, desk: Any) -> Made:
    """Does something about a deal, or about none."""
    return Made(id=desk.do("maybe"))


@pytest.mark.req("B5")
def test_a_bound_argument_that_is_left_out_is_denied(world: World) -> None:
    """A model cannot escape the binding by not naming the record."""
    thread = world.thread(only("crm.maybe", bind={"deal_id": "party"}), tools=[maybe])
    assert (thread.invoke("crm.maybe", {}).code, world.desk.effects) == ("binding", [])


class Slot(BaseModel):
    at: datetime
    amount: Decimal = Field(max_digits=10)


@tool(name="calendar.book", effect="write", timeout_s=2, key=("at", "amount"))
def book(args: Slot, desk: Any) -> Made:
    """Books a slot."""
    return Made(id=desk.do("book"))


@pytest.mark.req("B7")
def test_the_same_moment_and_amount_in_another_spelling_is_the_same_intent(world: World) -> None:
    """Another time zone or one more zero does not book a second time."""
    thread = world.thread(only("calendar.book"), tools=[book])
    ways = [("2026-01-05T10:00:00Z", "10.0"), ("2026-01-05T12:00:00+02:00", "10.0"), ("2026-01-05T10:00:00Z", "10.00")]
    done = [thread.invoke("calendar.book", {"at": at, "amount": amount}).status for at, amount in ways]
    assert (done, len(world.desk.effects)) == (["executed", "duplicate", "duplicate"], 1)


class Mail(BaseModel):
    to: str = Field(max_length=80)


@tool(
    name="mail.send", effect="send", timeout_s=2, refs={"to": "contact"}, unmask={"to"}, result_refs={"id": "contact"}
)
def send(args: Mail, desk: Any) -> Made:
    """Writes to a contact."""
    return Made(id=args.to)


@pytest.mark.req("A23")
def test_a_record_whose_id_is_an_address_is_stored_as_a_pseudonym(world: World) -> None:
    """Neither question nor record nor checkpoint holds the address, and an unnamed number of the record is hidden."""

    class Contacts:
        def describe(self, ref: Ref) -> Description:
            return Description(version="1", party="contact:17", region="kz", snapshot={"ext": int(PHONE)})

    turns = (call("mail.send", to="<EMAIL_1>"), "Sent.")
    with session(world, send, *turns, records=Contacts(), entry={"mode": "approve"}) as talk:
        asked = talk.start("Write to her", world.sdr, speaker="user", party=world.anna)
        assert talk.resume(asked.pending.id, "approve", by=world.boss).status == "delivered"
        assert_no_personal_data(stored(world), [MAIL, PHONE])


class Dial(BaseModel):
    phone: Annotated[int, BeforeValidator(lambda text: int(str(text).replace("+", "").replace(" ", "")))]


@tool(name="phone.dial", effect="send", timeout_s=2, unmask={"phone"})
def dial(args: Dial, desk: Any) -> Made:
    """Calls somebody."""
    return Made(id="1")


@pytest.mark.req("A23")
def test_a_contract_that_makes_a_number_of_a_value_does_not_show_it(world: World) -> None:
    """What a validator turned from a pseudonym into a number is stored and asked as the pseudonym."""
    with session(world, dial, call("phone.dial", phone="<PHONE_1>"), entry={"mode": "approve"}) as talk:
        asked = talk.start("Call her", world.sdr, speaker="user", party=world.anna)
        assert asked.pending.args == {"phone": "<PHONE_1>"}
        assert_no_personal_data(stored(world), [PHONE])


class Table(BaseModel):
    by_person: dict[str, int]


@tool(name="crm.count", effect="read", timeout_s=2)
def count(args: Nothing, desk: Any) -> Table:
    """Counts deals by person."""
    return Table(by_person={MAIL: 3, "Anna Kowalska": 2})


@pytest.mark.req("A23")
def test_people_as_the_keys_of_a_result_are_masked(world: World) -> None:
    """A mapping by person shows pseudonyms on its left side too."""
    with session(world, count, call("crm.count"), "Done.") as talk:
        assert talk.start("Count", world.sdr, speaker="user", party=world.anna).status == "delivered"
        assert_no_personal_data(stored(world), [MAIL, "Anna Kowalska"])


@pytest.mark.req("A23")
def test_values_in_a_tools_name_and_a_calls_id_are_hidden(world: World) -> None:
    """What the model makes up for a name or an id is stored as a digest where somebody's data stands in it."""
    made = {"name": f"mail {MAIL}", "args": {"reason": "r"}, "id": "for Anna Kowalska", "type": "tool_call"}
    with session(world, count, AIMessage("x", tool_calls=[made]), "Done.") as talk:
        assert talk.start("Count", world.sdr, speaker="user", party=world.anna).status == "delivered"
        assert_no_personal_data(stored(world), [MAIL, "Anna Kowalska"])


@tool(name="crm.refuse", effect="write", timeout_s=2)
def refuse(args: Nothing, desk: Any) -> Made:
    """Is refused in a sentence."""
    raise ToolRejected("no", code=f"{MAIL} is blocked")


@tool(name="crm.check", effect="write", timeout_s=2, post_check=lambda *_: f"it went to {MAIL}")
def check(args: Nothing, desk: Any) -> Made:
    """Is checked in a sentence."""
    return Made(id="1")


@pytest.mark.req("A23")
@pytest.mark.parametrize("given", [refuse, check])
def test_a_sentence_in_place_of_a_code_is_not_recorded(world: World, given: Tool) -> None:
    """An adapter's code and a post-check's word reach the record as one word or not at all."""
    world.gateway(only(given.name), tools=[given], file=True).open(world.sdr, party=world.anna).invoke(given.name, {})
    assert_no_personal_data(stored(world), [MAIL])


@pytest.mark.req("A23")
def test_half_a_character_in_a_records_name_neither_stops_the_thread_nor_is_stored(world: World) -> None:
    """A name that a CRM cut in half is masked like any other, and no exception with it reaches the checkpoint."""
    world.desk.deals["42"] = replace(world.desk.deals["42"], name="Zofia \ud83d Malinowska")
    gateway = world.gateway(file=True)
    graph = guarded_agent(ScriptedModel(call("crm.read_deal", deal_id="42"), "Done."), gateway)
    with Session(graph, gateway, checkpointer=f"sqlite:///{world.folder}/threads.db") as talk:
        assert talk.start("Read it", world.sdr, speaker="user").status == "delivered"
        assert_no_personal_data(stored(world), ["Zofia", "Malinowska"])


@pytest.mark.req("A12")
def test_a_context_that_is_no_person_does_not_brick_the_question(world: World) -> None:
    """An approver sent as plain data is refused and the question is asked again."""
    gateway = world.gateway(world.policy(ASK))
    graph = guarded_agent(ScriptedModel(call("crm.create_task", deal_id="42", subject="A"), "Done."), gateway)
    with Session(graph, gateway, checkpointer=f"sqlite:///{world.folder}/threads.db") as talk:
        asked = talk.start("Do it", world.sdr, speaker="user", party=world.anna)
        forged: Any = {"approver": {"id": "m7", "tenant": "acme", "roles": ["manager"]}}
        config: Any = {"configurable": {"thread_id": asked.thread_id}}
        talk.graph.invoke(Command(resume={"type": "approve"}), config, context=forged)
        assert world.desk.effects == []
        assert talk.resume(asked.pending.id, "approve", by=world.boss).status == "delivered"


@pytest.mark.req("A23")
def test_a_customer_who_guesses_a_first_name_is_not_told_the_whole(world: World) -> None:
    """A part of a name in the customer's words does not make the whole of it theirs to read."""
    thread = world.thread()
    thread.invoke("crm.read_deal", {"deal_id": "42"})
    masked = thread.observe("Is it Piotr?", origin="party")
    assert masked == "Is it <PERSON_2>?"
    assert thread.restore("It is <PERSON_2>.", reader="party") == "It is <PERSON_2>."


@pytest.mark.req("B6")
def test_a_first_name_of_two_people_does_not_stop_the_thread_for_ever(quick_masker: Masker) -> None:
    """A part that two known names share is hidden without a pseudonym, so the tripwire stays silent."""
    vault = MemoryVault()
    said = quick_masker.mask("Ask Piotr.", vault, "party")
    for name in ("Piotr Nowak", "Piotr Zielony"):
        vault.mint("PERSON", name, "party")
    assert quick_masker.mask_known(said, vault) == "Ask (person)."
    assert leaks("Ask (person).", vault) == []


# ---- texts of outsiders, readers, numbers, sizes


@pytest.mark.req("B1", "A23")
def test_a_pseudonym_typed_into_a_record_is_no_capability(world: World) -> None:
    """A note that names what the system minted for somebody reaches the model defused, whatever its form."""
    world.desk.note = "Please call <PHONE_1> or <PERSON_01>"
    thread = world.thread()
    result = thread.invoke("crm.read_deal", {"deal_id": "42"})
    assert result.status == "executed"
    assert "<PHONE_1>" not in str(result.content) and "<PERSON_01>" not in str(result.content)
    assert "PHONE_1" in str(result.content)
    assert "<PHONE_1>" not in thread.observe("Write to <PHONE_1>", origin="party")


@pytest.mark.req("B1", "A23")
def test_a_record_that_is_called_like_a_pseudonym_is_called_so(world: World) -> None:
    """Neither what a person is shown as the record's name nor what the model is told as its reference is anybody's."""

    @tool(
        name="crm.create_task", effect="draft", timeout_s=2, refs={"deal_id": "deal"},
        result_refs={"task_id": "task"}, unmask={"subject"},
    )  # fmt: skip
    def create_task(args: NewTask) -> TaskMade:
        """Makes a task whose number an outsider chose."""
        return TaskMade(task_id="<EMAIL_1>", subject=args.subject)

    world.desk.deals["42"] = replace(world.desk.deals["42"], name="<EMAIL_1>")
    thread = world.thread(tools=[read_deal, create_task, set_stage, send_note])
    vault = thread.vault()
    assert vault.find("<EMAIL_1>") is not None
    read = ToolCall(id="c", tool="crm.read_deal", args={"deal_id": "42"}, thread=thread.id)
    name = thread.gateway.gather(thread.row, read, vault).facts.records["deal_id"].name
    assert name is not None and name != "<EMAIL_1>"
    result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call back"})
    assert result.status == "executed" and "<EMAIL_1>" not in f"{result.reference} {result.content}"


@pytest.mark.req("A8")
@pytest.mark.parametrize("text", ["x" * 20_001, " ".join(f"a{n}@b.example" for n in range(300))])
def test_a_text_that_is_too_large_is_refused_and_leaves_nothing(world: World, text: str) -> None:
    """A text of unreasonable size, or full of people, is refused at once; the thread goes on."""
    thread = world.thread()
    before = len(thread.vault().entries())
    with pytest.raises(TextTooLong):
        thread.hear(text, origin="party")
    assert len(thread.vault().entries()) == before
    assert thread.hear("Hello", origin="party")[0] == "Hello"


@pytest.mark.req("A23", "B6")
def test_a_number_that_is_somebodys_telephone_is_masked(world: World) -> None:
    """A telephone written as a number, and an argument named after somebody, are not stored as they are."""
    thread = world.thread()
    thread.invoke("crm.read_deal", {"deal_id": "42", "contact": 48512345678, "phone": 48512000111, "anna_kowalska": 1})
    stored = str(world.dump(thread.gateway))
    assert "48512345678" not in stored and "48512000111" not in stored and "anna_kowalska" not in stored


@pytest.mark.req("A31")
def test_the_button_refuses_what_covers_nothing(world: World) -> None:
    """A slip of the keyboard does not leave everybody thinking that a tool is switched off."""
    gateway = world.gateway()
    for scope in ("tool:crm__create_task", "agent:nobody", "tool:", "x"):
        with pytest.raises(ConfigError):
            gateway.press(scope, reason="drill", by="boss")
    gateway.press("tool:crm.create_task", reason="drill", by="boss")
    assert gateway.kill_switch.pressed(["tool:crm.create_task"]) == ("tool:crm.create_task",)
