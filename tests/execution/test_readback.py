"""What was asked, executed and observed is told apart, field by field, when a system does not do as it was told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, Field
from rich.console import Console

from agent_guard.cli.show import audit_table, diff_tables
from agent_guard.errors import ConfigError
from agent_guard.execution.readback import _same
from agent_guard.graph.wire import message_of
from agent_guard.guarded import GuardedThread
from agent_guard.policy import Policy
from agent_guard.tool import Tool, tool
from tests.conftest import World

pytestmark = pytest.mark.req("A5", "A14")

Vendor = Callable[[dict[str, Any]], dict[str, Any]]
PHONE, OTHER = "+48 601 234 567", "+48 700 800 900"
RAW = ("601 234 567", "601234567", "700 800 900", "700800900", "512 345 678")


class Update(BaseModel):
    deal_id: str = Field(max_length=20)
    stage: str | None = Field(default=None, max_length=20)
    title: str | None = Field(default=None, max_length=60)
    phone: str | None = Field(default=None, max_length=40)
    amount: str | None = Field(default=None, max_length=20)


class Updated(BaseModel):
    stage: str | None = None
    title: str | None = None
    phone: str | None = None


class Clear(BaseModel):
    deal_id: str = Field(max_length=20)
    phone: str | None = Field(max_length=40)


class Renaming(BaseModel):
    deal_id: str = Field(max_length=20)
    called: str = Field(max_length=60)
    stage: str = Field(max_length=20)


def update(vendor: Vendor, **options: Any) -> Tool:
    """A tool of a system that makes of the fields it is given what ``vendor`` says, and answers as if all went well."""

    @tool(
        name="crm.update", effect="write", timeout_s=2, refs={"deal_id": "deal"}, changes="deal_id", unmask={"phone", "title"},
        result_fields={"phone": "PHONE"}, **options,
    )  # fmt: skip
    def run(args: Update, desk: Any) -> Updated:
        """Changes a deal."""
        asked = {name: value for name, value in args.model_dump().items() if value is not None and name != "deal_id"}
        old = desk.deals[args.deal_id]
        desk.deals[args.deal_id] = replace(old, version=f"{old.version}+", snapshot={**old.snapshot, **vendor(asked)})
        return Updated(**{name: value for name, value in asked.items() if name in Updated.model_fields})

    return run


def opened(world: World, made: Tool) -> GuardedThread:
    """A thread in which this tool runs unasked."""
    rules = {made.name: {"roles": ["sdr"], "mode": "execute", "approvers": {"roles": ["manager"]}}}
    policy = Policy.model_validate({"version": 1, "name": "readback.v1", "tools": rules})
    thread = world.gateway(policy, tools=[made]).open(world.sdr, party=world.anna)
    old = world.desk.deals["42"]
    fields = {**old.fields, "amount": "plain", "title": "text"}
    world.desk.deals["42"] = replace(old, snapshot={**old.snapshot, "amount": "100"}, fields=fields)
    return thread


def finished(thread: GuardedThread) -> dict[str, Any]:
    """The diff of the newest event."""
    return dict(thread.gateway.audit.events(thread=thread.id)[-1].data["diff"])


@pytest.mark.databases
def test_a_system_that_takes_everything_differs_in_nothing(world: World) -> None:
    """Every field that was asked for is there with what was asked, executed and observed; a field left out is not."""
    thread = opened(world, update(lambda asked: asked))
    result = thread.invoke("crm.update", {"deal_id": "42", "stage": "won", "amount": "250"})
    assert (result.status, result.differs) == ("executed", {})
    assert finished(thread) == {
        "before": {"stage": "new", "amount": "100"},
        "after": {"stage": "won", "amount": "250"},
        "fields": {
            "stage": {"asked": "won", "executed": "won", "observed": "won"},
            "amount": {"asked": "250", "observed": "250"},
        },
    }


@pytest.mark.databases
def test_a_field_that_was_silently_ignored_shows(world: World) -> None:
    """The system says it did it and did not: the result, the model's message and the record say so."""
    thread = opened(world, update(lambda asked: {name: v for name, v in asked.items() if name != "stage"}))
    result = thread.invoke("crm.update", {"deal_id": "42", "stage": "won", "amount": "250"})
    assert (result.status, result.differs) == ("executed", {"stage": "ignored"})
    told = finished(thread)
    assert told["fields"]["stage"] == {"asked": "won", "executed": "won", "observed": "new", "how": "ignored"}
    assert "how" not in told["fields"]["amount"] and told["after"] == {"amount": "250"}
    assert json.loads(message_of(result, "c1").text)["not_as_asked"] == {"stage": "ignored"}
    assert list(thread.gateway.audit.broken(thread.id)) == []


@pytest.mark.databases
@pytest.mark.req("A2", "B16")
def test_a_value_that_was_written_another_way_shows(world: World) -> None:
    """A normalised text, number and telephone mean what was asked; the telephone is told by pseudonyms alone."""

    def vendor(asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "title": asked["title"].upper(),
            "amount": f"{asked['amount']}.00",
            "phone": asked["phone"].replace(" ", ""),
        }

    thread = opened(world, update(vendor))
    thread.observe(f"Their new number is {PHONE}.", origin="user", source="m1")
    args = {"deal_id": "42", "title": "Big  trucks", "amount": "250", "phone": PHONE}
    result = thread.invoke("crm.update", args)
    assert result.differs == dict.fromkeys(["title", "amount", "phone"], "normalised")
    fields = finished(thread)["fields"]
    assert (fields["title"]["asked"], fields["title"]["observed"]) == ("Big  trucks", "BIG  TRUCKS")
    assert (fields["amount"]["asked"], fields["amount"]["observed"]) == ("250", "250.00")
    assert fields["phone"]["asked"].startswith("<PHONE_") and fields["phone"]["asked"] == fields["phone"]["observed"]
    assert not [value for value in RAW if value in str(world.dump(thread.gateway)) + repr(result)]


@pytest.mark.databases
@pytest.mark.req("A2", "B16")
def test_another_value_than_asked_shows_and_is_masked(world: World) -> None:
    """Somebody else's number in the record is neither ignored nor normalised."""
    thread = opened(world, update(lambda asked: {"phone": OTHER, "stage": "lost"}))
    thread.observe(f"Their new number is {PHONE}.", origin="user", source="m1")
    result = thread.invoke("crm.update", {"deal_id": "42", "stage": "won", "phone": PHONE})
    assert result.differs == {"stage": "otherwise", "phone": "otherwise"}
    phone = finished(thread)["fields"]["phone"]
    assert len({phone["asked"], phone["observed"]}) == 2 and phone["asked"] == phone["executed"]
    assert not [value for value in RAW if value in str(world.dump(thread.gateway)) + repr(result)]


@pytest.mark.databases
def test_a_new_record_without_a_field_has_ignored_it(world: World) -> None:
    """Of a record that was made, an empty field is one that was not taken over."""
    thread = world.thread()
    describe = world.desk.describe

    def forgetting(ref: Any) -> Any:
        found = describe(ref)
        return found and (replace(found, snapshot={"subject": ""}) if ref.kind == "task" else found)

    world.desk.describe = forgetting  # type: ignore[method-assign]
    result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"})
    assert result.differs == {"subject": "ignored"}


@pytest.mark.databases
def test_a_record_that_cannot_be_read_back_says_nothing(world: World) -> None:
    """Without a look at the record nothing is claimed of it."""
    made = update(lambda asked: {})
    thread = opened(world, made)
    world.desk.after = lambda: None
    describe, seen = world.desk.describe, []

    def once(ref: Any) -> Any:
        seen.append(ref)
        return describe(ref) if len(seen) < 2 else None

    world.desk.describe = once  # type: ignore[method-assign]
    result = thread.invoke("crm.update", {"deal_id": "42", "stage": "won"})
    assert (result.differs, thread.gateway.audit.events(thread=thread.id)[-1].data["diff"]) == ({}, None)


@pytest.mark.databases
def test_a_contract_says_which_field_an_argument_sets(world: World) -> None:
    """With ``sets`` the fields are found under other names, and an argument that is not in it sets none; the result
    names the argument, which is what the model knows.
    """

    @tool(name="crm.rename", effect="write", timeout_s=2, refs={"deal_id": "deal"}, changes="deal_id",
          sets={"called": "title"}, unmask={"called"})  # fmt: skip
    def rename(args: Renaming, desk: Any) -> Updated:
        """Gives a deal another name, and ignores it."""
        return Updated(title=args.called)

    thread = opened(world, rename)
    result = thread.invoke("crm.rename", {"deal_id": "42", "called": "Vans", "stage": "won"})
    assert result.differs == {"called": "ignored"}
    assert finished(thread)["fields"] == {
        "title": {"asked": "Vans", "executed": "Vans", "observed": "Trucks", "how": "ignored"}
    }
    with pytest.raises(ConfigError, match="sets names 'name', which is not among"):
        replace(rename, sets={"name": "title"})


@pytest.mark.databases
def test_emptying_a_field_is_asked_for(world: World) -> None:
    """None is left out where it is what a call without the argument means, and a wish where it is not."""

    @tool(name="crm.clear", effect="write", timeout_s=2, refs={"deal_id": "deal"}, changes="deal_id", unmask={"phone"})
    def clear(args: Clear, desk: Any) -> Updated:
        """Takes the number out, and does not."""
        return Updated()

    thread = opened(world, clear)
    assert thread.invoke("crm.clear", {"deal_id": "42", "phone": None}).differs == {"phone": "ignored"}


@pytest.mark.parametrize(
    ("asked", "observed", "same"),
    [
        ("Won", "won", True), (" a  b ", "a b", True), ("40000", 40000, True), (40000, "40000.00", True),
        ("1e3", "1000", True), ("nan", "nan", True), ("nan", 1, False), (True, 1, False), (1, True, False),
        ("2026-01-05T10:00:00Z", "2026-01-05T12:00:00+02:00", True), ("2026-01-05", "2026-01-06", False),
        ("2026-01-05", "2026-01-05T00:00:00", True), (["A", "b"], ["a", "B"], True), (["a"], ["a", "b"], False),
        ({"a": 1}, {"a": 1}, True), ({"a": 1}, {"a": 2}, False), (None, "", False), ("a", None, False),
        ("\u0410nna", "Anna", True), ("9" * 400, "9" * 400 + ".0", True), ([[1]], [["1"]], True),
    ],
)  # fmt: skip
def test_what_means_the_same(asked: Any, observed: Any, same: bool) -> None:
    """Spelling, zeros and time zones are no other value; yes and no are no numbers."""
    assert _same(asked, observed) is same


# ---- as it is printed


def printed(change: Any) -> str:
    """What the terminal shows of one finished call."""
    out = io.StringIO()
    event: Any = SimpleNamespace(seq=1, data={"timestamp": "", "kind": "finished", "tool": "t", "diff": change})
    console = Console(file=out, width=160, color_system=None)
    console.print(audit_table([event]))
    for part in diff_tables([event]):
        console.print(part)
    return out.getvalue()


def test_the_terminal_tells_them_apart() -> None:
    """One line a field: before, asked, executed, observed, and what is not as it was asked; a change that nobody asked
    for is said to be one.
    """
    fields = {
        "stage": {"asked": "won", "executed": "won", "observed": "new", "how": "ignored"},
        "amount": {"asked": "250", "observed": "250.00", "how": "normalised"},
        "title": {"asked": "Vans", "observed": "Cars", "how": "otherwise"},
        "region": {"asked": "kz", "observed": "kz"},
    }
    lines = printed(
        {"before": {"amount": "100", "owner": "u1"}, "after": {"amount": "250.00", "owner": "u2"}, "fields": fields}
    ).splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert "not as asked: s" in rows["1"]
    assert rows["field"].split() == ["field", "before", "asked", "executed", "observed"]
    assert rows["stage"].split() == ["stage", "won", "won", "new", "not", "taken", "over"]
    assert rows["amount"].split() == ["amount", "100", "250", "250.00", "written", "another", "way"]
    assert rows["title"].split() == ["title", "Vans", "Cars", "something", "else"]
    assert rows["region"].split() == ["region", "kz", "kz"]
    assert rows["owner"].split() == ["owner", "u1", "u2", "nobody", "asked", "for", "it"]


@pytest.mark.parametrize("change", [{}, "x", 7, ["a"], {"after": 3}, {"fields": 7, "after": {"a": 1}},
                                    {"fields": {"a": 3, "b": {"how": 5}}}])  # fmt: skip
def test_a_damaged_diff_is_printed_all_the_same(change: Any) -> None:
    """Whatever somebody wrote into the database, looking at it does not end in an error."""
    assert "finished" in printed(change)


@pytest.mark.req("B12")
def test_no_value_steers_the_terminal() -> None:
    """An escape sequence in a field's name or value is drawn."""
    evil = "\x1b[2J\u202e"
    text = printed({"before": {evil: evil}, "after": {evil: evil}, "fields": {evil: {"asked": evil, "how": evil}}})
    assert "\x1b" not in text and "\u202e" not in text and "x1b" in text
