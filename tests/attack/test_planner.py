"""The simulated planner on toy data: where it says that each value comes from."""

from __future__ import annotations

from typing import Any

import pytest

from agent_guard.plan import Plan
from benchmarks.attack.planner import Done, Planned, Traits, plan_of

TOOLS = {
    "find_events": Traits(writes=False),
    "list_files": Traits(writes=False),
    "read_file": Traits(writes=False),
    "invite": Traits(sensitive=frozenset({"event_id", "who"}), defaults={"note": None}),
    "send": Traits(
        sensitive=frozenset({"to", "amount"}), words=frozenset({"subject"}), bodies=frozenset({"body"}),
        closed=frozenset({"urgent"}),
    ),
}  # fmt: skip
EVENTS = [
    {"id": "5", "title": "Kick-off", "guests": ["a@b.example", "c@d.example"]},
    {"id": "6", "title": "Retro", "guests": ["e@f.example"]},
]


def plan(text: str, *calls: Done, **options: Any) -> Planned:
    """The planner's plan, which must be one in the format."""
    made = plan_of(text, calls, TOOLS, **options)
    Plan.model_validate(made.plan)
    return made


def found(kind: str, *records: Any, outside: Any = None) -> Done:
    return Done(tool=kind, args={}, trusted=list(records), outside=outside)


def kinds(planned: Planned) -> dict[str, str]:
    """Argument -> where the last step's value was said to come from."""
    return {slot.argument: slot.kind for slot in planned.slots}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Acme", "Pay Acme 30.50 on May 15th"),
        (30.5, "Pay Acme 30.50 on May 15th"),
        ("2024-05-15", "Pay Acme 30.50 on May 15th"),
        ("2024-05-15 10:00", "Meet Acme at 10:00 on 2024-05-15"),
    ],
)
def test_what_the_user_said_is_literal(value: Any, text: str) -> None:
    """A phrase, a number, a day and a moment are found in the user's words."""
    assert kinds(plan(text, Done(tool="send", args={"to": value}))) == {"to": "lit"}


def test_a_pseudonym_of_the_users_text_is_literal() -> None:
    """A value that the thread shows as a pseudonym is planned as that pseudonym."""
    made = plan("Write to <EMAIL_1>", Done(tool="send", args={"to": "a@b.example"}), hide={"a@b.example": "<EMAIL_1>"})
    assert made.plan["steps"][0]["args"]["to"] == {"lit": "<EMAIL_1>", "span": [9, 18]}


def test_a_record_that_the_users_words_select_is_a_source() -> None:
    """The id and the whole guest list of the one event that is named come from its record."""
    call = Done(tool="invite", args={"event_id": "5", "who": ["a@b.example", "c@d.example"]})
    made = plan("Invite everybody of the 'Kick-off' again", found("find_events", *EVENTS), call)
    args = made.plan["steps"][1]["args"]
    assert args["event_id"]["rec"] == {"step": "s1", "field": "trusted.id", "where": {"title": "Kick-off"}}
    assert args["who"]["rec"]["field"] == "trusted.guests"


def test_one_of_several_records_is_not_determined() -> None:
    """Where the user's words choose no record, the plan names the field and a person chooses."""
    made = plan(
        "Invite them to the largest", found("find_events", *EVENTS), Done(tool="invite", args={"event_id": "5"})
    )
    assert kinds(made) == {"event_id": "undetermined"}


def test_a_number_that_happens_to_be_an_id_is_no_amount() -> None:
    """An amount is not taken from the field that numbers a record."""
    call = Done(tool="send", args={"amount": 5})
    assert kinds(plan("Send it back", found("list_files", {"id": 5, "size": 9}), call)) == {"amount": "late"}


def test_text_of_the_planner_is_constant_and_text_out_of_a_document_is_not() -> None:
    """Words that no tool returned are written now; words of outside text are read out of it."""
    page = found("read_file", outside="Bring swimwear and sunscreen to the harbour")
    own = Done(tool="send", args={"subject": "Refund", "urgent": True})
    theirs = Done(tool="send", args={"body": "swimwear and sunscreen"})
    assert kinds(plan("Pay it back", page, own)) == {"subject": "const", "urgent": "const"}
    assert kinds(plan("Write the list", page, theirs)) == {"body": "extract"}


@pytest.mark.parametrize("body", ["<summary>", "...", "two more ideas"])
def test_shorthand_for_a_text_is_written_later(body: str) -> None:
    """A placeholder, and a body that only repeats the instruction, stand for words that do not exist yet."""
    assert kinds(plan("Suggest two more ideas", Done(tool="send", args={"body": body}))) == {"body": "late"}


def test_a_dictated_text_is_literal() -> None:
    """What stands in quotes or after a colon is to be sent as it is."""
    made = plan("Send this message: Hi, i am a bot", Done(tool="send", args={"body": "Hi, i am a bot"}))
    assert kinds(made) == {"body": "lit"}


def test_an_argument_that_keeps_its_default_is_left_out() -> None:
    """The plan names no source for what nobody sets."""
    made = plan("Invite a@b.example", Done(tool="invite", args={"who": "a@b.example", "note": None}))
    assert made.plan["steps"][0]["args"].keys() == {"who"}


def test_misses_turn_sources_into_later_ones_and_never_the_users_words() -> None:
    """At a miss rate of one everything but literals is late, and the same seed misses the same."""
    call = Done(tool="send", args={"to": "Acme", "subject": "Refund"})
    assert kinds(plan("Refund from Acme, please", call, miss=1.0)) == {"to": "lit", "subject": "late"}
    assert plan("Pay Acme", call, miss=0.5, seed=3) == plan("Pay Acme", call, miss=0.5, seed=3)


FILES = [
    {"id": "1", "filename": "a.txt", "owner": "ann", "size": 10, "last_modified": "2024-05-01"},
    {"id": "2", "filename": "b.txt", "owner": "bob", "size": 30, "last_modified": "2024-03-01"},
    {"id": "3", "filename": "c.txt", "owner": "ann", "size": 20, "last_modified": "2024-04-01"},
]


@pytest.mark.parametrize(
    ("text", "record", "op", "by"),
    [
        ("Send the largest file", "2", "argmax", "trusted.size"),
        ("Send the file with the smallest size", "1", "argmin", "trusted.size"),
        ("Send the newest file", "1", "argmax", "trusted.last_modified"),
        ("Send the one with the lowest size of all", "1", "argmin", "trusted.size"),
    ],
)
def test_a_superlative_of_the_user_chooses_a_record(text: str, record: str, op: str, by: str) -> None:
    """The gateway chooses among the records that an earlier step returns, by the field that is meant."""
    made = plan(text, found("list_files", *FILES), Done(tool="invite", args={"event_id": record}))
    source = made.plan["steps"][1]["args"]["event_id"]
    assert source == {"sel": {"op": op, "over": "s1", "by": by, "field": "trusted.id"}}


def test_a_superlative_chooses_among_the_records_that_the_user_names() -> None:
    """Of Ann's files the largest is not the largest of all."""
    made = plan(
        "Send the largest file of Ann", found("list_files", *FILES), Done(tool="invite", args={"event_id": "3"})
    )
    assert made.plan["steps"][1]["args"]["event_id"]["sel"]["where"] == {"owner": "ann"}


@pytest.mark.parametrize(
    "text", ["Send a file", "Send the largest file", "Send the newest file", "Send the file with most likes"]
)
def test_a_superlative_that_does_not_lead_to_the_value_is_no_source(text: str) -> None:
    """Neither none, nor one that chooses another record, nor one that measures something else."""
    made = plan(text, found("list_files", *FILES), Done(tool="invite", args={"event_id": "3"}))
    assert kinds(made) == {"event_id": "undetermined"}


def test_a_tie_is_not_resolved() -> None:
    """Of two files of one size neither is the largest."""
    twins = [{"id": "1", "size": 30}, {"id": "2", "size": 30}]
    made = plan("Send the largest file", found("list_files", *twins), Done(tool="invite", args={"event_id": "1"}))
    assert kinds(made) == {"event_id": "undetermined"}


def test_arithmetic_that_the_user_asks_for_is_an_expression() -> None:
    """The difference of what he said and what one record says; without his word for it there is none."""
    paid = found("list_files", {"name": "Pizza", "paid": 9.0}, {"name": "Sushi", "paid": 10.0})
    back = Done(tool="send", args={"amount": 2.0})
    made = plan("I owe 12.00 for Sushi: pay the difference", paid, back)
    terms = made.plan["steps"][1]["args"]["amount"]["expr"]
    assert terms["op"] == "sub"
    assert [next(iter(term)) for term in terms["of"]] == ["lit", "rec"]
    assert kinds(plan("I owe 12.00 for Sushi: pay it", paid, back)) == {"amount": "late"}


def test_the_users_own_template_is_filled_from_records() -> None:
    """A text with holes that the user dictated has the values of the record that his words lead to."""
    menu = found("list_files", {"name": "Miznon", "rating": 4.0}, {"name": "Panda", "rating": 5.0})
    body = Done(tool="send", args={"subject": "Dinner at Panda!"})
    made = plan("Find the best rating and send 'Dinner at {Name}!'", menu, body)
    source = made.plan["steps"][1]["args"]["subject"]
    assert source["tmpl"] == "Dinner at {name}!"
    assert source["with"]["name"]["sel"]["op"] == "argmax"
    assert kinds(made) == {"subject": "tmpl"}


def test_a_template_around_one_of_several_records_is_not_determined() -> None:
    """The words are fixed, and a person chooses whose name goes in."""
    menu = found("list_files", {"name": "Miznon"}, {"name": "Panda"})
    made = plan("Send 'Dinner at {name}!'", menu, Done(tool="send", args={"subject": "Dinner at Panda!"}))
    assert kinds(made) == {"subject": "undetermined"}
    assert made.plan["steps"][1]["args"]["subject"]["tmpl"] == "Dinner at {name}!"


def test_the_planners_words_around_a_record_are_a_template() -> None:
    """What it writes itself may have a record's name in it, and nothing else of what tools return."""
    menu = found("list_files", {"name": "Panda"}, outside="The panda serves dumplings of every size on Monday evening")
    made = plan("Remind me of it", menu, Done(tool="send", args={"body": "Think of Panda."}))
    assert made.plan["steps"][1]["args"]["body"]["tmpl"] == "Think of {v0}."
    more = "Panda serves dumplings of every size on Monday evening"
    assert kinds(plan("Remind me of it", menu, Done(tool="send", args={"body": more}))) != {"body": "tmpl"}


def test_a_day_that_a_record_happens_to_have_is_the_planners() -> None:
    """The day of a payment that the user left open is written now, unless outsiders wrote that day."""
    note = Done(tool="send", args={"subject": "2024-03-01"})
    assert kinds(plan("Pay it", found("list_files", *FILES), note)) == {"subject": "const"}
    page = found("read_file", outside="Come on 2024-03-01")
    assert kinds(plan("Pay it", page, note)) == {"subject": "extract"}
