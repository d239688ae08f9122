"""What is wrong with a policy, whether or not a gateway would be built with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel, Field, HttpUrl, SecretStr, field_validator

from agent_guard.policies.check import check
from agent_guard.policies.finding import Finding, Rule, Source
from agent_guard.policies.house import ENVIRONMENTS
from agent_guard.policy import Policy
from agent_guard.scenario import load_app
from agent_guard.types import Subject
from tests.policies.desk import APPROVERS, DELETE, DRAFT, READ, SEND, TOOLS, Deal, Offer, contract, policy
from tests.policies.strategies import DATA

ROOT = Path(__file__).parents[2]
ALONE = {"approvers": {"roles": ["sales"], "not_requester": True}}


def found(
    rules: dict[str, Any], *, tools=(READ, DRAFT, SEND, DELETE), top: Any = None, **options: Any
) -> list[Finding]:
    """The findings of one policy, but for tools that it does not name."""
    made = check({item.name: item for item in tools}, {None: policy(rules, **(top or {}))}, **options)
    return [item for item in made if item.rule is not Rule.TOOL_WITHOUT_POLICY]


def words(rules: dict[str, Any], **options: Any) -> set[tuple[str, str, str]]:
    """(level, rule, key) of the findings."""
    return {(item.level, str(item.rule), item.where.partition("tools.")[2]) for item in found(rules, **options)}


def has(rules: dict[str, Any], level: str, rule: str, key: str, **options: Any) -> bool:
    return (level, rule, key) in words(rules, **options)


# ---- the three errors of published policies (research on attacks, 2c)


class Mail(BaseModel):
    email_id: str = Field(max_length=20)


@pytest.mark.req("A10", "B18")
def test_published_error_an_inverted_delete():
    """A delete that is refused for the message the user named, and allowed for any other, is an error."""
    delete = contract("mail.delete_email", "delete", Mail, sensitive={"email_id"}, key=("email_id",))
    rule = {"from": {"email_id": ["untrusted", "invented"]}, "mode": "approve", "approvers": APPROVERS}
    assert has({delete.name: rule}, "error", "inverted", "mail.delete_email.from.email_id", tools=[delete])
    right = rule | {"from": {"email_id": ["user", "trusted"]}}
    assert not [item for item in found({delete.name: right}, tools=[delete]) if item.rule is Rule.INVERTED]


class Car(BaseModel):
    company: str = Field(max_length=40)
    start_time: str = Field(max_length=20)
    end_time: str = Field(max_length=20)


class Table(BaseModel):
    restaurant: str = Field(max_length=40)
    start_time: str = Field(max_length=20)


@pytest.mark.req("B18")
@pytest.mark.parametrize("key", ["from", "where", "args"])
def test_published_error_two_swapped_field_lists(key):
    """Two entries in each other's place: each names the other's arguments, and the finding asks about the swap."""
    car = contract("travel.reserve_car", "write", Car, key=("company",))
    table = contract("travel.reserve_table", "write", Table, key=("restaurant",))
    extra = contract("travel.note", "read", Mail)
    names = {car.name: ["restaurant", "start_time"], table.name: ["company", "start_time", "end_time"]}
    rules = {
        name: {"from": {item: ["user"] for item in listed}}
        if key == "from"
        else {"args": listed}
        if key == "args"
        else {"where": {"properties": {item: {} for item in listed}}}
        for name, listed in names.items()
    }
    swapped = [item for item in found(rules, tools=[extra, car, table]) if item.rule is Rule.ENTRIES_SWAPPED]
    assert [item.where for item in swapped] == [f"desk.v1: tools.{name}.{key}" for name in names]
    assert all(
        f"{a} and {b}?" in item.hint
        for item, (a, b) in zip(swapped, [tuple(names), tuple(reversed(names))], strict=True)
    )


class Guests(BaseModel):
    event_id: str = Field(max_length=20)
    participants: list[Annotated[str, Field(max_length=80)]] = Field(max_length=10)


@pytest.mark.req("A10", "B5")
def test_published_error_participants_unchecked():
    """A policy that checks the event's id and not who is added to the event is an error, until it checks both."""
    add = contract("calendar.add_participants", "write", Guests, refs={"event_id": "event"}, key=("event_id",))
    rule: dict[str, Any] = {"from": {"event_id": ["user", "trusted"]}, "approvers": APPROVERS}
    (finding,) = (item for item in found({add.name: rule}, tools=[add]) if item.rule is Rule.LOOKS_SENSITIVE)
    assert finding.level == "error" and finding.message.startswith("participants ")
    capped = rule | {"where": {"properties": {"participants": {"maxItems": 3}}}}
    assert has({add.name: capped}, "error", "looks_sensitive", add.name, tools=[add])
    checked = {"from": rule["from"] | {"participants": ["user"]}, "approvers": APPROVERS}
    assert not [item for item in found({add.name: checked}, tools=[add]) if item.rule is Rule.LOOKS_SENSITIVE]


# ---- what is never satisfied, never fires, says nothing


@pytest.mark.req("B4", "B18")
@pytest.mark.parametrize(
    ("argument", "rule"),
    [
        ("days", {"minimum": 5, "maximum": 4}),
        ("days", {"minimum": 31}),  # the args model ends at 30
        ("days", {"maximum": 0}),
        ("days", {"type": "string"}),
        ("days", {"maxLength": 3}),
        ("days", {"pattern": "^3$"}),
        ("days", {"enum": [40, 50]}),
        ("days", {"enum": [1, 2], "const": 3}),
        ("subject", {"minLength": 9, "maxLength": 8}),
        ("subject", {"minLength": 121}),
        ("subject", {"maximum": 3}),
        ("subject", {"maxItems": 3}),
        ("subject", {"pattern": "^[a-z]{9,}$", "maxLength": 8}),
        ("subject", {"pattern": "^[a-z]{2}$", "minLength": 3}),
        ("subject", {"pattern": "^[a-z]{130}$"}),
        ("subject", {"enum": ["a", "b"], "pattern": "^c$"}),
        ("subject", {"enum": []}),
        ("subject", {"minimum": 3, "maxLength": 3}),
        ("kind", {"pattern": "^mail$"}),
        ("kind", {"enum": ["mail"]}),
        ("kind", {"const": "Call"}),
        ("urgent", {"const": "yes"}),
        ("note", {"minLength": 51}),
    ],
)
def test_a_where_that_no_value_satisfies_is_an_error(argument, rule):
    """Rules that contradict themselves or the args model deny every call, and that is said with the key."""
    rules = {"crm.offer": {"where": {"properties": {argument: rule}}}}
    assert has(rules, "error", "never_allows", f"crm.offer.where.properties.{argument}")


@pytest.mark.parametrize(
    ("argument", "rule"),
    [
        ("days", {"minimum": 30, "maximum": 30}),
        ("days", {"type": "number", "maximum": 1}),
        ("subject", {"pattern": "^[a-z]{8,}$", "maxLength": 8}),
        ("kind", {"pattern": "^(call|mail)$"}),
        ("kind", {"enum": ["call", "visit"]}),
        ("urgent", {"type": "boolean", "const": False}),
        ("note", {"const": "x"}),
    ],
)
def test_a_where_that_some_value_satisfies_is_none(argument, rule):
    """Rules that leave values over are not called impossible."""
    rules = {"crm.offer": {"where": {"properties": {argument: rule}}}}
    assert not [item for item in found(rules) if item.rule in (Rule.NEVER_ALLOWS, Rule.NEVER_FIRES, Rule.VALUE_REFUSED)]


def test_an_amount_is_judged_as_it_would_run():
    """A decimal is written out as text, so a maximum on it refuses every value; a total counts it."""
    capped = {"mail.send": {"where": {"properties": {"amount": {"maximum": 100}}}}}
    assert has(capped, "error", "never_allows", "mail.send.where.properties.amount")
    assert not has(
        {"mail.send": {"totals": [{"arg": "amount", "max": 9, "per": "thread"}]}},
        "error",
        "never_allows",
        "mail.send.totals.0",
    )
    assert has(
        {"crm.offer": {"totals": [{"arg": "urgent", "max": 9, "per": "thread"}]}},
        "error",
        "never_allows",
        "crm.offer.totals.0",
    )
    assert has({"crm.offer": {"not_after": {"days": "30d"}}}, "error", "never_allows", "crm.offer.not_after.days")


@pytest.mark.parametrize(
    ("rule", "level", "word", "key"),
    [
        ({"where": {"properties": {"kind": {"enum": ["call", "mail"]}}}}, "error", "value_refused", "where.properties.kind.enum"),
        ({"where": {"properties": {"subject": {"maxLength": 500}}}}, "warning", "never_fires", "where.properties.subject.maxLength"),
        ({"where": {"properties": {"days": {"minimum": 0}}}}, "warning", "never_fires", "where.properties.days.minimum"),
        ({"where": {"properties": {"days": {}}, "required": []}}, "warning", "says_nothing", "where.required"),
        ({"where": {}}, "warning", "says_nothing", "where"),
        ({"requires": []}, "warning", "says_nothing", "requires"),
        ({"from": {"subject": []}}, "error", "never_allows", "from.subject"),
        ({"from": {"subject": ["user", "party", "trusted", "untrusted", "invented"]}}, "warning", "never_fires", "from.subject"),
        ({"region": []}, "error", "never_allows", "region"),
        ({"mode": {}}, "error", "never_allows", "mode"),
        ({"fields": []}, "warning", "says_nothing", "fields"),
        ({"limits": ["6/day/thread"]}, "warning", "limit_unreachable", "limits.0"),
        ({"limits": ["3/day/subject", "9/hour/subject"]}, "warning", "limit_unreachable", "limits.1"),
        ({"where": {"properties": {"suject": {}}}}, "error", "name_unknown", "where"),
        ({"requires": [{"tool": "crm.nothing", "within": "1h"}]}, "error", "requires_unknown", "requires.0"),
        ({"requires": [{"tool": "crm.offer", "within": "1h"}]}, "error", "requires_cycle", "requires"),
    ],
)  # fmt: skip
def test_a_key_that_does_nothing_is_told(rule, level, word, key):
    """Empty keys, limits that others reach first, unknown names and values that are refused anyway are findings."""
    assert has({"crm.offer": rule}, level, word, f"crm.offer.{key}")


def test_a_sound_entry_has_nothing_to_tell():
    """An entry that binds, limits and asks gives no finding at all."""
    rule = {
        "region": "own",
        "args": ["deal_id", "kind", "subject", "days"],
        "where": {"properties": {"subject": {"maxLength": 100, "pattern": "^[^<>]*$"}, "kind": {"enum": ["call"]}}},
        "limits": ["3/day/subject", "5/day/thread"],
        "mode": "approve",
        "approvers": APPROVERS,
    }
    assert found({"crm.read": {"region": "own", "roles": ["sales", "manager"]}, "crm.offer": rule}) == []


def test_what_must_come_first_must_be_able_to():
    """A required tool that nobody of these roles may call, or that never runs where this one does, is an error."""
    after = {"args": list(DRAFT.args_model.model_fields), "requires": [{"tool": "crm.read", "within": "1h"}]}
    assert has(
        {"crm.read": {"roles": ["boss"]}, "crm.offer": after}, "error", "requires_impossible", "crm.offer.requires.0"
    )
    assert has(
        {"crm.read": {"mode": "suggest"}, "crm.offer": after}, "error", "requires_impossible", "crm.offer.requires.0"
    )
    assert found({"crm.read": {}, "crm.offer": after}) == []
    same = {"requires": [{"tool": "crm.read", "within": "1h", "same": "kind"}]}
    assert has({"crm.read": {}, "crm.offer": same}, "error", "name_unknown", "crm.offer.requires.0.same")
    ring = {"crm.read": {"requires": [{"tool": "crm.offer", "within": "1h"}]}, "crm.offer": after}
    assert {item[2] for item in words(ring) if item[1] == "requires_cycle"} == {
        "crm.read.requires",
        "crm.offer.requires",
    }


@pytest.mark.req("A1", "B18")
def test_a_tool_without_a_policy_and_a_policy_without_a_tool():
    """Each names the other: a tool that no policy permits, and an entry for a tool that there is not."""
    made = check({"crm.read": READ}, {None: policy({"crm.reads": {}})})
    assert {(str(item.rule), item.where) for item in made} == {
        ("tool_unknown", "desk.v1: tools.crm.reads"),
        ("tool_without_policy", "tool crm.read"),
    }


def test_environments_in_use_are_those_that_modes_name():
    """A mode that leaves out an environment which others use is a warning; one that names them all is none."""
    rules = {"crm.read": {"mode": {"dev": "execute", "prod": "suggest"}}, "crm.offer": {"mode": {"dev": "execute"}}}
    assert {item for item in words(rules) if item[1] == "mode_missing"} == {
        ("warning", "mode_missing", "crm.offer.mode")
    }
    assert has(rules, "warning", "mode_missing", "crm.read.mode", environments=ENVIRONMENTS)


# ---- arguments that look as if they mattered


@pytest.mark.req("B13")
@pytest.mark.parametrize(
    ("name", "annotation", "looks"),
    [
        ("to", str, True), ("recipient_email", str, True), ("attendees", list[str], True), ("cc_list", list[str], True),
        ("participant_ids", list[str], True), ("contact", Annotated[str, Field(json_schema_extra={"format": "email"})], True), ("callback_url", str, True), ("page", HttpUrl, True),
        ("amount_eur", int, True), ("discount", float, True), ("iban", str, True), ("password", str, True), ("key", SecretStr, True),
        ("sendTo", str, True), ("phone2", str, True),
        ("subject", str, False), ("email_subject", str, False), ("total_days", int, False), ("amount_note", str, False),
        ("notify", bool, False), ("channel", Literal["email", "phone"], False), ("member_since", str, False), ("guests", int, False),
    ],
)  # fmt: skip
def test_a_name_type_or_format_that_decides_where_something_goes(name, annotation, looks):
    """Recipients, addresses, links, amounts, accounts and secrets are known by name or format; closed words are not."""
    model = type("Args", (BaseModel,), {"__annotations__": {name: annotation}})
    tool = contract("x.do", "write", model, key=(name,))
    assert has({"x.do": {}}, "error", "looks_sensitive", "x.do", tools=[tool]) is looks
    marked = contract("x.do", "write", model, key=(name,), sensitive={name})
    assert not has({"x.do": {}}, "error", "looks_sensitive", "x.do", tools=[marked])


class Payment(BaseModel):
    iban: str = Field(max_length=34)
    amount: int


class Pay(BaseModel):
    payment: Payment


def test_values_inside_an_argument_are_looked_at():
    """An account inside an object is told by its path, and covered by a rule on the argument; a read only warns."""
    pay = contract("bank.pay", "write", Pay, key=("payment",))
    (finding,) = (item for item in found({"bank.pay": {}}, tools=[pay]) if item.rule is Rule.LOOKS_SENSITIVE)
    assert finding.message.startswith("payment.iban ")
    assert not has({"bank.pay": {"from": {"payment": ["user"]}}}, "error", "looks_sensitive", "bank.pay", tools=[pay])
    look = contract("bank.look", "read", Pay)
    assert has({"bank.look": {}}, "warning", "looks_sensitive", "bank.look", tools=[look])


def test_a_sensitive_argument_that_nothing_judges():
    """The default of [user, trusted] does not hold for reads, and a policy may open it: both are warned about."""
    look = contract("mail.find", "read", Mail, sensitive={"email_id"})
    assert has({"mail.find": {}}, "warning", "sensitive_open", "mail.find.from", tools=[look])
    opened = {"mail.send": {"from": {"email": ["user", "trusted", "untrusted"]}}}
    assert has(opened, "warning", "sensitive_open", "mail.send.from.email")


def test_two_scenarios_that_trust_the_other_way_round():
    """A tool that one policy asks a person about for trusted values, and another runs for untrusted ones, is an error."""
    tools = {"crm.erase": DELETE}
    careful = policy(
        {"crm.erase": {"from": {"contact_id": ["user"]}, "mode": "approve", "approvers": APPROVERS}}, name="a"
    )
    loose = policy({"crm.erase": {"from": {"contact_id": ["user", "trusted", "untrusted"]}}}, name="b")
    (finding,) = (item for item in check(tools, {"a": careful, "b": loose}) if item.rule is Rule.INVERTED)
    assert (
        finding.where == "b: tools.crm.erase.from.contact_id"
        and "a: tools.crm.erase.from.contact_id" in finding.message
    )
    assert not [item for item in check(tools, {"a": careful, "b": careful}) if item.rule is Rule.INVERTED]


# ---- people


def person(id: str, *roles: str, tenant: str = "acme") -> Subject:
    return Subject(id=id, tenant=tenant, roles=roles)


@pytest.mark.req("A12")
@pytest.mark.parametrize(
    ("people", "level"),
    [
        ([person("a", "sales"), person("b", "manager")], None),
        ([person("a", "sales"), person("b", "lead")], "error"),
        ([person("b", "manager")], None),
    ],
)
def test_an_approver_must_be_somebody(people, level):
    """An approver's role that nobody has leaves every question to expire."""
    rules = {"crm.offer": {"mode": "approve", "approvers": {"roles": ["manager"]}}}
    mine = [item.level for item in found(rules, people=people) if item.rule is Rule.APPROVER_UNKNOWN]
    assert mine == ([level] if level else [])


def test_a_directory_knows_better_than_people_and_policies():
    """Roles are looked up in the directory, else among people, else among the policies, which is only a guess."""
    rules = {"crm.offer": {"mode": "approve", "approvers": {"roles": ["manager"]}}}
    key = "crm.offer.approvers.roles"
    assert has(rules, "warning", "approver_unknown", key)
    assert not has(rules | {"crm.read": {"roles": ["manager"]}}, "warning", "approver_unknown", key)
    assert has(rules, "error", "approver_unknown", key, directory_roles={"sales"}, people=[person("b", "manager")])
    assert not has(rules, "error", "approver_unknown", key, directory_roles={"sales", "manager"})
    assert has(rules, "error", "role_unknown", "crm.offer.roles", directory_roles={"manager"})


@pytest.mark.req("A12", "B5")
def test_the_only_approver_may_not_be_the_requester():
    """Where one person has all the roles and may not answer for herself, no question is ever answered."""
    rules = {"crm.offer": {"mode": "approve"} | ALONE}
    key = "crm.offer.approvers"
    assert has(rules, "error", "approver_alone", key, people=[person("a", "sales")])
    assert has(
        rules, "error", "approver_alone", key, people=[person("a", "sales"), person("b", "sales", tenant="other")]
    )
    assert not has(rules, "error", "approver_alone", key, people=[person("a", "sales"), person("b", "sales")])
    wider = {"crm.offer": {"roles": ["sales", "intern"], "mode": "approve"} | ALONE}
    assert has(wider, "warning", "approver_alone", key, people=[person("a", "sales")])


def test_roles_that_look_alike_are_two_roles():
    """Roles that differ in case, in a look-alike letter or in one that nobody sees are an error; others are none."""
    for strange in ("Manager", "m\u0430nager", "mana\u200bger"):
        rules = {
            "crm.offer": {"mode": "approve", "approvers": {"roles": ["manager"]}},
            "crm.read": {"roles": [strange]},
        }
        assert "roles_alike" in {item[1] for item in words(rules)}, strange
    rules = {"crm.offer": {"mode": "approve", "approvers": {"roles": ["manager"]}}, "crm.read": {"roles": ["managers"]}}
    assert "roles_alike" not in {item[1] for item in words(rules)}


# ---- what a call may set


class Late(BaseModel):
    deal_id: str = Field(max_length=20)
    contact_id: str | None = Field(default=None, max_length=20)
    note: str | None = Field(default=None, max_length=50)
    reference: str = Field(default="none", max_length=20)
    due: str | None = Field(default=None, max_length=10)
    days: int = 0
    urgent: bool = False
    made: str = Field(default_factory=lambda: "x", max_length=5)
    checked: str = Field(default="a", max_length=5)

    @field_validator("checked")
    @classmethod
    def _looked_at(cls, value: str) -> str:
        return value


LATE = contract("crm.late", "write", Late, refs={"deal_id": "deal", "contact_id": "contact"}, key=("deal_id",))


@pytest.mark.req("A1", "B18")
@pytest.mark.parametrize(
    ("tool", "rule", "expected"),
    [
        (DRAFT, {}, True),
        (DRAFT, {"args": ["deal_id", "kind", "subject"]}, False),
        (SEND, {}, False),  # each argument must be given
        (contract("crm.list", "read", Offer, Deal), {}, False),  # it changes nothing
        (contract("web.get", "egress", Offer, Deal), {}, True),
    ],
)
def test_a_tool_with_effects_says_what_a_call_may_set(tool, rule, expected):
    """A contract may grow: where it has optional arguments, a tool with effects and without a list is a warning."""
    assert has({tool.name: rule}, "warning", "args_open", f"{tool.name}.args", tools=[tool]) is expected


@pytest.mark.req("A1", "B18")
@pytest.mark.parametrize(
    ("rule", "level", "word", "key"),
    [
        ({"where": {"properties": {"days": {"maximum": 5}}}}, "warning", "never_fires", "where.properties.days"),
        ({"where": {"properties": {"days": {"minimum": 1}}}}, "error", "never_allows", "where.properties.days"),
        ({"where": {"properties": {"note": {}}}}, "error", "never_allows", "where.properties.note"),
        ({"where": {"required": ["note"]}}, "error", "never_allows", "where.required"),
        ({"where": {"required": ["days"]}}, "warning", "never_fires", "where.required"),
        ({"from": {"note": ["user"]}}, "warning", "never_fires", "from.note"),
        ({"from": {"urgent": ["user"]}}, "warning", "never_fires", "from.urgent"),
        ({"bind": {"contact_id": "party"}}, "error", "never_allows", "bind.contact_id"),
        ({"totals": [{"arg": "note", "max": 3, "per": "thread"}]}, "error", "never_allows", "totals"),
        ({"not_after": {"due": "30d"}}, "error", "never_allows", "not_after.due"),
        ({"requires": [{"tool": "crm.read", "within": "1h", "same": "note"}]}, "error", "never_allows", "requires.0.same"),
        ({"args": []}, "error", "never_allows", "args"),  # deal_id must be given
        ({"args": ["deal_id", "other"]}, "error", "name_unknown", "args"),
    ],
)  # fmt: skip
def test_a_rule_about_an_argument_that_no_call_may_set(rule, level, word, key):
    """What may not be set has its default: a rule that the default keeps never fires, one that it breaks always does."""
    assert has({"crm.late": {"args": ["deal_id"]} | rule}, level, word, f"crm.late.{key}", tools=[LATE, READ])


@pytest.mark.parametrize(
    "rule",
    [
        {"from": {"reference": ["user"]}},  # the default is judged as well, and nobody said it
        {"from": {"days": ["user"]}},
        {"totals": [{"arg": "days", "max": 3, "per": "thread"}]},  # the default is added up
        {"where": {"properties": {"made": {"const": "y"}}}},  # a default that is made anew may pass
        {"where": {"properties": {"checked": {"const": "y"}}}},
        {"args": ["deal_id", "days"], "where": {"properties": {"days": {"maximum": 5}}}},
        {"args": None, "where": {"properties": {"days": {"maximum": 5}}}},
    ],
)
def test_a_rule_that_may_still_fire_is_left_alone(rule):
    """Where the default is judged, or not known, nothing is said of the rule."""
    quiet = {item for item in words({"crm.late": {"args": ["deal_id"]} | rule}, tools=[LATE]) if item[0] == "error"}
    assert quiet == set()
    assert not [
        item
        for item in found({"crm.late": {"args": ["deal_id"]} | rule}, tools=[LATE])
        if item.rule is Rule.NEVER_FIRES
    ]


# ---- effects


@pytest.mark.req("A4", "A6", "B13")
@pytest.mark.parametrize(
    ("tool", "rule", "expected"),
    [
        ("mail.send", {"mode": "execute"}, "runs_unasked"),
        ("crm.erase", {"mode": {"dev": "execute", "prod": "suggest"}}, "runs_unasked"),
        ("crm.erase", {"mode": "approve", "approvers": {"roles": ["sales"]}}, "approver_is_requester"),
        ("crm.offer", {"mode": "approve", "approvers": {"roles": ["sales"], "expires": "8d"}}, "approval_lasts"),
        ("mail.send", {}, "no_stop_words"),
        ("mail.send", {}, "nobody_to_ask"),
    ],
)
def test_a_choice_that_somebody_should_confirm(tool, rule, expected):
    """What cannot be undone and runs unasked, and approvals that prove little, are warnings."""
    assert expected in {word for level, word, _ in words({tool: rule}) if level == "warning"}


@pytest.mark.req("A18")
@pytest.mark.parametrize("effect", ["draft", "write", "send"])
@pytest.mark.parametrize("renders", [True, False])
def test_what_leaves_as_text_wants_stop_words(effect, renders):
    """A tool that sends, and one that renders what would leave, under a policy that looks for no words."""
    more = {"render": lambda args: "text"} if renders else {}
    made = contract("mail.write", effect, Offer, refs={"deal_id": "deal"}, key=("deal_id",), **more)
    for lists, expected in (([], renders or effect == "send"), (["en.txt"], False)):
        findings = found({"mail.write": {}}, tools=[made], top={"stop_words": lists})
        assert (Rule.NO_STOP_WORDS in {item.rule for item in findings}) is expected


def test_a_tool_without_records_keys_or_domains():
    """A send that names no record, no domain and no judged address, and a write without key, are warned about; region
    on a tool without records is an error.
    """

    class Text(BaseModel):
        text: str = Field(max_length=50)

    bare = contract("mail.post", "send", Text)
    rule = {"region": "own", "mode": "approve", "approvers": APPROVERS}
    assert {
        (level, word) for level, word, _ in words({"mail.post": rule}, tools=[bare], top={"stop_words": ["en.txt"]})
    } == {
        ("warning", "goes_anywhere"),
        ("warning", "unbound"),
        ("warning", "no_key"),
        ("error", "region_without_record"),
        ("warning", "approver_unknown"),
    }
    assert "goes_anywhere" not in {
        item[1] for item in words({"mail.post": rule | {"domains": ["a.example"]}}, tools=[bare])
    }


def test_no_domain_where_an_address_must_be_given():
    """An empty list of domains on a tool that must be given an address denies every call."""
    assert has({"mail.send": {"domains": []}}, "error", "never_allows", "mail.send.domains")
    assert not has({"crm.offer": {"domains": []}}, "error", "never_allows", "crm.offer.domains")


def test_a_finding_names_the_line(tmp_path):
    """A finding in a policy that was read from a file names the file and the line of the key."""
    path = tmp_path / "p.yaml"
    text = "version: 1\nname: p\ntools:\n  crm.read:\n    roles: [sales]\n    mode: execute\n    limits: [3/day/thread, 9/day/thread]\n"
    path.write_text(text, encoding="utf-8")
    made = check({"crm.read": READ}, {None: Policy.load(path)}, sources={None: Source.read(path)})
    assert [item.where for item in made] == [f"{path}:7: tools.crm.read.limits.1"]


def test_errors_come_first():
    """Findings are told errors first, each once."""
    made = found({"mail.send": {"from": {"email": ["untrusted"]}}, "crm.read": {"fields": []}})
    levels = [item.level for item in made]
    assert levels == sorted(levels) and len(made) == len(set(made))


@given(DATA, st.booleans())
@settings(max_examples=60)
def test_any_policy_can_be_checked(data, known):
    """Whatever a policy says of whatever tools, it is checked to the end, and every finding says what to do."""
    made = check(
        TOOLS if known else {},
        {None: Policy.model_validate({"version": 1, "name": "p"} | data)},
        people=[person("a", "sales"), person("b", "manager")],
    )
    assert all(item.message and item.hint and item.where for item in made)


@pytest.mark.req("A1", "B18")
def test_the_policies_of_this_repository_have_no_errors():
    """Every scenario's policy that is shipped passes the check."""
    scenarios = load_app("graphs:SCENARIOS")
    tools = {tool.name: tool for scenario in scenarios.values() for tool in scenario.tools}
    made = check(tools, {name: Policy.load(scenario.policy) for name, scenario in scenarios.items()})
    assert [item for item in made if item.level == "error"] == []
