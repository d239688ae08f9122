"""Whether a call is a step of the plan: every argument exactly what its source says, and nothing determined by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from agent_guard.plan import Plan
from agent_guard.plan.match import Match, Open, Unmatched, match
from agent_guard.plan.values import RECORDS_MAX
from agent_guard.types import JSON

pytestmark = pytest.mark.req("A24", "B1")

TOOL = "mail.send"
DEFAULTS: Mapping[str, JSON] = {"tone": "plain", "cc": [], "at": None}


def lit(value: Any) -> dict[str, Any]:
    """A value that the user wrote."""
    return {"lit": value, "span": [0, 1]}


def rec(field: str = "email", step: str = "r", **where: Any) -> dict[str, Any]:
    """A field of a record that the step ``r`` returned."""
    return {"rec": {"step": step, "field": field, "where": where}}


def steps(*given: dict[str, Any]) -> Plan:
    """A plan whose steps are called s1, s2, ... in order and call ``TOOL``."""
    made = [{"id": f"s{n}", "tool": TOOL, "evidence": [0, 1]} | item for n, item in enumerate(given, 1)]
    return Plan.model_validate({"steps": [{"id": "r", "tool": "crm.find", "evidence": [0, 1]}, *made]})


def matched(args: dict[str, JSON], *given: dict[str, Any], **options: Any) -> Match | Unmatched:
    """Holds one call against a plan."""
    usual: dict[str, Any] = {"sensitive": frozenset(), "used": {}, "results": {}}
    return match(steps(*given), options.pop("tool", TOOL), args, DEFAULTS, **(usual | options))


def one(source: Any, value: JSON, **options: Any) -> Match | Unmatched:
    """Holds one value against one source."""
    return matched({"to": value}, {"args": {"to": source}}, **options)


def opened(*kinds: str) -> Match:
    """A match whose argument is open."""
    return Match(step="s1", open=tuple(Open(argument="to", kind=kind) for kind in kinds))  # type: ignore[arg-type]


# ---- values that the plan fixes


@pytest.mark.parametrize("word", ["lit", "const"])
@pytest.mark.parametrize(
    ("planned", "value", "same"),
    [
        ("Acme", "Acme", True),
        ("Acme", " ACME ", True),
        ("Acme  Ltd", "acme ltd", True),
        ("Acme", "Acme Ltd", False),
        ("Acme", "\u0410cme", False),
        ("Acme", "", False),
        ("Acme", None, False),
        ("Acme", ["Acme"], False),
        ("", None, False),
        ("5", 5, False),
        (5, "5", False),
        (5, 5.0, True),
        (0.1, 0.1, True),
        (5, 6, False),
        (1, True, False),
        (0, False, False),
        (0, None, False),
        ("2026-05-15T10:30", "2026-05-15 10:30:00", True),
        ("2026-05-15T10:30Z", "2026-05-15T10:30:00+00:00", True),
        ("2026-05-15T10:30Z", "2026-05-15T10:30+05:00", False),
        ("2026-05-15T10:30", "2026-05-15T10:31", False),
        ("2026-05-15", "2026-05-16", False),
        ("<EMAIL_1>", "<EMAIL_1>", True),
        ("<EMAIL_1>", "<EMAIL_2>", False),
    ],
)
def test_a_fixed_value_is_that_value(word: str, planned: Any, value: JSON, same: bool) -> None:
    """A value that the user or the planner wrote is met by that value alone, as text, number or moment."""
    found = one({word: planned} | ({"span": [0, 1]} if word == "lit" else {}), value)
    assert isinstance(found, Match) is same
    if same:
        assert found == Match(step="s1")


@pytest.mark.parametrize(
    ("planned", "value", "same"),
    [
        (None, None, True),
        (None, "", False),
        (True, True, True),
        (True, 1, False),
        ({"a": [1, "x"]}, {"a": [1, "X"]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "b": None}, {"a": 1}, False),
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["b", "a"], False),
        (["a"], ["a", "a"], False),
        ([], None, False),
    ],
)
def test_a_constant_of_any_shape_is_that_constant(planned: JSON, value: JSON, same: bool) -> None:
    """Constants may be whole objects; a key or an item more or less is another value."""
    assert isinstance(one({"const": planned}, value), Match) is same


@pytest.mark.parametrize(
    ("planned", "value"),
    [
        ("2026-05-15T10:00", "2026-05-15T10:00:00+12:00"),
        ("2026-05-15T10:00", "2026-05-15T10:00:00-11:00"),
        ("2026-05-15", "2026-05-15T00:00:00+14:00"),
    ],
)
def test_a_zone_that_the_plan_does_not_name_is_another_moment(planned: str, value: str) -> None:
    """Who may add a zone to a planned moment may move it by a day: it is not what the step says."""
    assert isinstance(one(lit(planned), value), Unmatched)


@pytest.mark.parametrize(
    ("planned", "value"),
    [("0065g00000AbCdE", "0065g00000aBcDe"), ("https://acme.example/pAy", "https://acme.example/Pay")],
)
def test_an_id_in_other_case_is_another_id(planned: str, value: str) -> None:
    """Two records, or two links, may differ in the case of a letter alone; prose may not."""
    assert isinstance(one(lit(planned), value), Unmatched)


def test_names_that_were_learnt_later_are_the_same() -> None:
    """A word of the plan for which a pseudonym came up later is met by the pseudonym, and the other way round."""
    known = {"<PERSON_1>": "Anna Kowalska", "<PERSON_2>": "Boris"}

    def reveal(text: str) -> str:
        for token, value in known.items():
            text = text.replace(token, value)
        return text

    assert one(lit("anna kowalska"), "<PERSON_1>", reveal=reveal) == Match(step="s1")
    assert one(lit("Call <PERSON_1>"), "Call Anna  Kowalska", reveal=reveal) == Match(step="s1")
    assert isinstance(one(lit("Anna Kowalska"), "<PERSON_2>", reveal=reveal), Unmatched)
    assert isinstance(one(lit("Anna Kowalska"), "<PERSON_1>"), Unmatched), "nothing is known of it here"


# ---- which step


def test_a_call_is_a_step_of_its_own_tool() -> None:
    """Another tool with the same arguments is no step, and the answer says what is missing."""
    found = matched({"to": "a"}, {"args": {"to": lit("a")}}, tool="mail.delete")
    assert found == Unmatched(why="the plan has no step that calls mail.delete")
    assert matched({"to": "a"}) == Unmatched(why="the plan has no step that calls mail.send")


@pytest.mark.parametrize(
    ("times", "used", "fits"), [(1, 0, True), (1, 1, False), (3, 2, True), (3, 3, False), (1, 9, False)]
)
def test_a_step_is_used_as_often_as_it_was_planned(times: int, used: int, fits: bool) -> None:
    """A used step lets nothing more through, and says how often it was planned."""
    found = matched({"to": "a"}, {"args": {"to": lit("a")}, "times": times}, used={"s1": used})
    assert found == (
        Match(step="s1") if fits else Unmatched(why=f"step s1 was planned {times} time(s) and has been used")
    )


def test_equal_steps_are_used_one_after_the_other() -> None:
    """Two equal steps let two equal calls through, and no third."""
    twice = [{"args": {"to": lit("a")}}, {"args": {"to": lit("a")}}]
    assert matched({"to": "a"}, *twice) == Match(step="s1")
    assert matched({"to": "a"}, *twice, used={"s1": 1}) == Match(step="s2")
    assert isinstance(matched({"to": "a"}, *twice, used={"s1": 1, "s2": 1}), Unmatched)


def test_the_step_that_leaves_least_open_is_meant() -> None:
    """A call that fits several steps takes the one that says most, so that an open one is left for what is open."""
    several = [{"args": {"to": {"late": {}}}}, {"args": {"to": lit("a")}}, {"args": {"to": {"extract": {"step": "r"}}}}]
    assert matched({"to": "a"}, *several) == Match(step="s2")
    assert matched({"to": "b"}, *several) == Match(step="s1", open=(Open(argument="to", kind="late"),))
    assert matched({"to": "a"}, *several, used={"s1": 1, "s2": 1}) == Match(
        step="s3", open=(Open(argument="to", kind="extract"),)
    )


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"to": "b"}, "to is not what step s1 says"),
        ({"to": "a", "tone": "warm"}, "step s1 does not set tone"),
        ({"to": "a", "cc": ["x"]}, "step s1 does not set cc"),
        ({"to": "a", "at": "2026-05-15"}, "step s1 does not set at"),
        ({"to": "a", "bcc": "x"}, "step s1 does not set bcc"),
    ],
)
def test_a_call_outside_the_plan_says_why(args: dict[str, JSON], why: str) -> None:
    """The nearest step's difference is told: the argument, and never its value."""
    assert matched(args, {"args": {"to": lit("a")}}) == Unmatched(why=why)


def test_what_a_step_leaves_out_keeps_its_default() -> None:
    """Arguments that the plan does not name are what they are when nobody names them."""
    full = {"to": "a", "tone": "plain", "cc": [], "at": None}
    assert matched(full, {"args": {"to": lit("a")}}) == Match(step="s1")
    assert isinstance(matched(full | {"cc": [""]}, {"args": {"to": lit("a")}}), Unmatched)
    assert isinstance(matched(full | {"at": ""}, {"args": {"to": lit("a")}}), Unmatched)


# ---- what stays open


@pytest.mark.parametrize("source", [{"const": "a"}, [{"const": "a"}], {"obj": {"x": {"const": "a"}}}])
def test_a_constant_is_not_enough_for_a_sensitive_argument(source: Any) -> None:
    """A recipient that the planner wrote, and the user did not, stays open."""
    value = {"const": "a", "obj": {"x": "a"}}.get(next(iter(source)), "a") if isinstance(source, dict) else ["a"]
    assert one(source, value) == Match(step="s1")
    assert one(source, value, sensitive={"to"}) == opened("late")
    assert isinstance(one(source, ["b"], sensitive={"to"}), Unmatched), "and it is that constant still"


def test_a_word_of_the_user_is_enough_for_a_sensitive_argument() -> None:
    """What the user wrote, or a record that is the only one, leaves nothing open."""
    assert one(lit("a"), "a", sensitive={"to"}) == Match(step="s1")
    assert one(rec(), "a", sensitive={"to"}, results={"r": [{"email": "a"}]}) == Match(step="s1")


@pytest.mark.parametrize(
    ("source", "value", "found"),
    [
        ({"late": {}}, "anything", opened("late")),
        ({"late": {}}, ["any", "shape"], opened("late")),
        ({"late": {"max": 3}}, "abc", opened("late")),
        ({"late": {"max": 3}}, "abcd", Unmatched(why="to is not what step s1 says")),
        ({"late": {"max": 3}}, 12345, opened("late")),
        ({"extract": {"step": "r"}}, "anything", opened("extract")),
    ],
)
def test_what_is_written_later_is_open(source: Any, value: JSON, found: Match | Unmatched) -> None:
    """A value that is written later, or read out of outside text, fits and is open; a text no longer than planned."""
    assert one(source, value) == found


@pytest.mark.parametrize("value", [["x" * 1000], {"a": "x" * 1000}])
def test_a_bound_holds_for_the_parts_of_a_value(value: JSON) -> None:
    """A list or an object is no way around the length that was planned."""
    assert isinstance(one({"late": {"max": 10}}, value), Unmatched)


# ---- records


@pytest.mark.parametrize(
    ("results", "field", "value", "found"),
    [
        ([{"email": "a"}], "email", "a", Match(step="s1")),
        ([{"email": "a"}], "email", "A", Match(step="s1")),
        ([{"email": "a"}], "email", "b", None),
        ([{"email": "a"}], "phone", "a", None),
        ([{"email": None}], "email", None, Match(step="s1")),
        ([{"email": ""}], "email", None, None),
        ([{"email": "a", "x": 1}], "email", "a", Match(step="s1")),
        # nested, and lists looked through
        ([{"owner": {"email": "a"}}], "owner.email", "a", Match(step="s1")),
        ([{"owner": {"email": "a"}}], "email", "a", Match(step="s1")),
        ([{"items": [{"email": "a"}]}], "items.email", "a", Match(step="s1")),
        ([{"items": [{"email": "a"}]}], "email", "a", Match(step="s1")),
        ([{"items": [{"email": "a"}], "others": [{"email": "b"}]}], "email", "a", None),
        ([{"items": [{"email": "a"}], "others": []}], "email", "a", Match(step="s1")),
        ([{"items": [[{"email": "a"}]]}], "items.email", "a", Match(step="s1")),
        ([{"email": {"work": "a"}}], "email.work", "a", Match(step="s1")),
        ([{"email": "a"}], "email.work", "a", None),
        ([{"amount": 5}], "amount", 5.0, Match(step="s1")),
        ([{"tags": ["x", "y"]}], "tags", ["x", "y"], Match(step="s1")),
        ([{"tags": ["x", "y"]}], "tags", ["x"], None),
        # several, or none
        ([{"email": "a"}, {"email": "b"}], "email", "a", opened("undetermined")),
        ([{"email": "a"}, {"email": "b"}], "email", "b", opened("undetermined")),
        ([{"email": "a"}, {"email": "b"}], "email", "c", None),
        ([{"email": "a"}, {"email": "a"}], "email", "a", Match(step="s1")),  # several, and one value
        ([{"items": [{"email": "a"}, {"email": "b"}]}], "items.email", "b", opened("undetermined")),
        ([{"items": [{"email": "a"}, {"email": "b"}]}], "items.email", "c", None),
        ([{"items": []}], "items.email", "a", None),
        ([{}], "email", "a", None),
        ([None], "email", "a", None),
        (["a"], "email", "a", None),
    ],
)
def test_a_record_that_is_the_only_one_gives_its_value(
    results: list[JSON], field: str, value: JSON, found: Match | None
) -> None:
    """One record: its value and nothing open. Several: one of their values, and a person chooses. None: no value."""
    expected = found or Unmatched(why="to is not what step s1 says")
    assert one(rec(field), value, results={"r": results}) == expected


ITEMS = {"items": [
    {"name": "Acme", "city": "Berlin", "open": True, "n": 1, "email": "a"},
    {"name": "Acme", "city": "Bonn", "open": False, "n": 2, "email": "b"},
    {"name": "Zeta", "city": "Bonn", "open": True, "n": 3, "email": "c"},
]}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "value", "found"),
    [
        ({"city": "Berlin"}, "a", Match(step="s1")),
        ({"city": "BERLIN "}, "a", Match(step="s1")),
        ({"name": "Acme", "city": "Bonn"}, "b", Match(step="s1")),
        ({"n": 3}, "c", Match(step="s1")),
        ({"n": 3.0}, "c", Match(step="s1")),
        ({"open": False}, "b", Match(step="s1")),
        ({"city": "Berlin"}, "b", None),
        ({"name": "Acme"}, "a", opened("undetermined")),
        ({"name": "Acme"}, "c", None),
        ({"name": "Acm"}, "a", None),
        ({"n": True}, "a", None),
        ({"street": "x"}, "a", None),
        ({}, "a", opened("undetermined")),
    ],
)
def test_where_selects_by_the_fields_beside(where: dict[str, Any], value: str, found: Match | None) -> None:
    """Only records whose fields have these values count; a field that is not there has no value."""
    expected = found or Unmatched(why="to is not what step s1 says")
    assert one(rec("items.email", **where), value, results={"r": [ITEMS]}) == expected


@pytest.mark.parametrize("value", [None, "", [], {}, 0, False, "a"])
def test_a_step_that_has_not_run_gives_no_value(value: JSON) -> None:
    """Nothing is known before the step ran, and nothing known is not the same as anything, nor as nothing."""
    results: list[dict[str, list[JSON]]] = [{}, {"r": []}, {"other": [{"email": value}]}]
    for known in results:
        assert isinstance(one(rec(), value, results=known), Unmatched)


@pytest.mark.parametrize("value", [None, "", [], {}, 0, False])
@pytest.mark.parametrize("result", [{}, {"items": []}, {"items": [{}]}, [], None, "", {"items": [{"name": "Zeta"}]}])
def test_a_record_that_is_not_found_is_not_nobody(value: JSON, result: JSON) -> None:
    """A selection that finds nothing is never met by an empty value."""
    for source in (rec("items.email"), rec("email"), rec("items.email", name="Acme")):
        assert isinstance(one(source, value, results={"r": [result]}), Unmatched)


def test_more_records_than_are_looked_at_determine_nothing() -> None:
    """A value among more records than anybody looks at stays open, or unknown."""
    many = {"items": [{"email": f"a{n}"} for n in range(RECORDS_MAX + 5)]}
    assert one(rec("items.email"), "a0", results={"r": [many]}) == opened("undetermined")
    assert isinstance(one(rec("items.email"), f"a{RECORDS_MAX + 4}", results={"r": [many]}), Unmatched)


def test_a_selection_reads_the_step_it_names() -> None:
    """What other steps returned does not matter."""
    results = {"r": [{"email": "a"}], "q": [{"email": "b"}]}
    assert one(rec(), "a", results=results) == Match(step="s1")
    assert isinstance(one(rec(), "b", results=results), Unmatched)


# ---- lists and objects


@pytest.mark.parametrize(
    ("sources", "value", "found"),
    [
        ([lit("a"), lit("b")], ["a", "b"], Match(step="s1")),
        ([lit("a"), lit("b")], ["b", "A"], Match(step="s1")),
        ([lit("a"), lit("b")], ["a"], None),
        ([lit("a"), lit("b")], ["a", "b", "c"], None),
        ([lit("a"), lit("b")], ["a", "a"], None),
        ([lit("a"), lit("a")], ["a", "a"], Match(step="s1")),
        ([lit("a")], "a", None),
        ([], [], Match(step="s1")),
        ([], ["a"], None),
        ([], None, None),
        ([{"late": {}}, lit("a")], ["a", "x"], opened("late")),
        ([{"late": {}}, lit("a")], ["x", "y"], None),
        ([{"late": {}}, {"extract": {"step": "r"}}], ["x", "y"], opened("late", "extract")),
        ([lit("a"), rec()], ["e", "a"], Match(step="s1")),
        ([rec(), rec("phone")], ["e", "e"], None),
        ([[lit("a")], lit("b")], ["b", ["a"]], Match(step="s1")),
    ],
)
def test_a_list_is_an_exact_set(sources: list[Any], value: JSON, found: Match | None) -> None:
    """Each source is one item and each item has one source, in any order; one more or less is another list."""
    expected = found or Unmatched(why="to is not what step s1 says")
    assert one(sources, value, results={"r": [{"email": "e", "phone": "p"}]}) == expected


@pytest.mark.parametrize(("sources", "value", "fits"), [([1, 1], [True, 1], False), ([0, False], [False, 0], True)])
def test_the_item_that_was_matched_is_taken(sources: list[JSON], value: JSON, fits: bool) -> None:
    """A truth value is no number, in a list too."""
    assert isinstance(one([{"const": item} for item in sources], value), Match) is fits


@pytest.mark.parametrize(
    ("parts", "value", "found"),
    [
        ({"id": lit(1)}, {"id": 1}, True),
        ({"id": lit(1)}, {"id": 2}, False),
        ({"id": lit(1)}, {}, False),
        ({"id": lit(1)}, {"id": 1, "x": None}, False),
        ({"id": lit(1)}, {"id": 1, "y": []}, False),
        ({"id": lit(1)}, {"id": 1, "x": 0}, False),
        ({"id": lit(1)}, {"id": 1, "x": False}, False),
        ({"id": lit(1)}, {"id": 1, "x": {}}, False),
        ({"id": lit(1)}, {"id": 1, "x": "evil"}, False),
        ({"id": lit(1)}, [1], False),
        ({"id": lit(1)}, None, False),
        ({}, {}, True),
        ({"a": {"obj": {"b": [lit("x")]}}}, {"a": {"b": ["x"]}}, True),
        ({"a": {"obj": {"b": [lit("x")]}}}, {"a": {"b": ["x", "y"]}}, False),
    ],
)
def test_an_object_is_its_parts(parts: dict[str, Any], value: JSON, found: bool) -> None:
    """Each part is what its source says, there is no part without a source, and none is missing."""
    assert isinstance(one({"obj": parts}, value), Match) is found


class Item(BaseModel):
    id: int
    team: str | None = "all"
    loud: bool = False
    tags: list[str] = []


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("changed", "found"),
    [({}, True), ({"team": None}, False), ({"team": "red"}, False), ({"loud": True}, False), ({"tags": ["x"]}, False)],
)
def test_a_part_that_was_not_planned_is_at_its_default(changed: dict[str, Any], found: bool, deep: bool) -> None:
    """An object of the contract's has parts that nobody planned: each as it is when nobody says anything of it."""
    item = Item.model_validate({"id": 1} | changed)
    source: Any = {"obj": {"id": lit(1)}}
    value: Any = item.model_dump(mode="json")
    typed: Any = {"to": [Item(id=2), item] if deep else item}
    if deep:
        source, value = [{"obj": {"id": lit(2)}}, source], [Item(id=2).model_dump(mode="json"), value]
    assert isinstance(one(source, value, typed=typed), Match) is found


def test_the_open_part_of_an_object_is_named() -> None:
    """What is shown to a person is the part that is open, not the whole."""
    found = one({"obj": {"id": lit(1), "body": {"late": {}}}}, {"id": 1, "body": "x"})
    assert found == Match(step="s1", open=(Open(argument="to.body", kind="late"),))


# ---- values that the gateway works out


def sel(op: str = "argmax", by: str = "items.size", field: str = "items.email", **where: Any) -> dict[str, Any]:
    """The field of the record with the largest or smallest value of another."""
    return {"sel": {"op": op, "over": "r", "by": by, "field": field, "where": where}}


SIZES = {"items": [
    {"email": "a", "size": 5, "day": "2026-05-01", "kind": "x"},
    {"email": "b", "size": 9, "day": "2026-04-01", "kind": "x"},
    {"email": "c", "size": 20, "day": "2026-06-01", "kind": "y"},
]}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "value", "fits"),
    [
        (sel(), "c", True),
        (sel(), "a", False),
        (sel("argmin"), "a", True),
        (sel(kind="x"), "b", True),
        (sel(by="items.day"), "c", True),
        (sel("argmin", by="items.day"), "b", True),
        ({"expr": {"op": "sub", "of": [lit(20), lit(0.5)]}}, 19.5, True),
        ({"expr": {"op": "sub", "of": [lit(20), lit(0.5)]}}, 20, False),
        ({"expr": {"op": "add", "of": [rec("items.size", email="a"), lit(1), lit(1)]}}, 7, True),
        ({"expr": {"op": "mul", "of": [rec("items.size", email="a"), lit(2)]}}, 18, False),
        ({"expr": {"op": "div", "of": [lit(1), lit(3)]}}, 0.33, True),
        ({"tmpl": "For {who}", "with": {"who": rec("items.email", size=9)}}, "for b", True),
        ({"tmpl": "For {who}", "with": {"who": rec("items.email", size=9)}}, "For a", False),
        ({"tmpl": "{x}{y}", "with": {"x": lit("{y}"), "y": lit("b")}}, "{y}b", True),
        ({"tmpl": "{x}{y}", "with": {"x": lit("{y}"), "y": lit("b")}}, "bb", False),
    ],
)
def test_a_value_that_is_worked_out_is_that_value(source: Any, value: JSON, fits: bool) -> None:
    """A choice, a sum and a text made of determined values are met by what they come to, and by nothing else."""
    found = one(source, value, results={"r": [SIZES]})
    assert (found == Match(step="s1")) is fits
    assert isinstance(found, Match) is fits


@pytest.mark.parametrize("value", [None, "", 0, [], "c"])
@pytest.mark.parametrize(
    "source",
    [
        sel(),
        {"expr": {"op": "add", "of": [rec("items.size"), lit(1)]}},
        {"tmpl": "{x}", "with": {"x": rec("items.email")}},
    ],
)
def test_nothing_is_worked_out_of_a_step_that_has_not_run(source: Any, value: JSON) -> None:
    """Before its step ran, a value that is made of records is no value, and no empty one either."""
    for known in ({}, {"r": []}):
        assert isinstance(one(source, value, results=known), Unmatched)


@pytest.mark.parametrize(
    "source",
    [
        sel(by="items.kind"),
        sel(by="items.none"),
        {"expr": {"op": "div", "of": [lit(1), lit(0)]}},
        {"expr": {"op": "add", "of": [rec("items.email", size=9), lit(1)]}},
        {"expr": {"op": "add", "of": [rec("items.size"), lit(1)]}},
        {"tmpl": "{x}", "with": {"x": rec("items.email")}},
    ],
)
def test_what_cannot_be_worked_out_is_never_determined(source: Any) -> None:
    """A tie, a text among the terms, a division by nothing: whatever the call says, a person is asked."""
    for value in (None, "", 0, 1, "a"):
        found = one(source, value, results={"r": [SIZES]})
        assert not isinstance(found, Match) or found.open


def test_a_tie_is_shown_to_a_person() -> None:
    """Two records that are both the largest leave the choice open."""
    tie = {"items": [{"email": "a", "size": 5}, {"email": "b", "size": 5}]}
    assert one(sel(), "a", results={"r": [tie]}) == opened("undetermined")


def test_a_tie_is_between_the_values_there_are() -> None:
    """A person chooses among the records that are equal; a value of none of them is no step."""
    tie = {"items": [{"email": "a", "size": 5}, {"email": "b", "size": 5}]}
    assert isinstance(one(sel(), "evil", results={"r": [tie]}), Unmatched)


def test_the_largest_of_more_records_than_are_looked_at_is_not_determined() -> None:
    """Where not all records were compared nobody knows which is the largest."""
    many = {"items": [{"email": f"e{n}", "size": n} for n in range(RECORDS_MAX + 50)]}
    assert one(sel(), f"e{RECORDS_MAX}", results={"r": [many]}) != Match(step="s1")


def test_the_chosen_field_is_the_one_that_its_path_names() -> None:
    """``owner.email`` is the owner's address, and never the record's own."""
    nested = {"items": [{"email": "guest", "size": 5, "owner": {"email": "owner"}}]}
    assert one(sel(field="items.owner.email"), "guest", results={"r": [nested]}) != Match(step="s1")


def test_the_earliest_of_several_zones_is_the_earliest() -> None:
    """Moments are compared as moments, or a person is asked."""
    moments = {"items": [
        {"email": "late", "size": "2026-05-15T09:00:00-11:00"},
        {"email": "early", "size": "2026-05-15T10:00:00+14:00"},
    ]}  # fmt: skip
    assert one(sel("argmin"), "late", results={"r": [moments]}) != Match(step="s1")


# ---- properties

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("abc <>_EMAIL_1", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_a_constant_meets_itself(value: JSON) -> None:
    """Whatever a plan fixes, the call that says the same is that step with nothing open."""
    assert one({"const": value}, value) == Match(step="s1")


@given(VALUES, VALUES, VALUES)
def test_no_value_is_met_by_what_is_unknown(value: JSON, result: JSON, wanted: JSON) -> None:
    """A record's value is met without a person only where one record of the result has exactly that value."""
    found = one(rec("email"), value, results={"r": [{"email": wanted}, result]})
    alone = not isinstance(result, (dict, list)) or "email" not in str(result)
    if isinstance(found, Match):
        assert found == (one({"const": wanted}, value) if alone else opened("undetermined"))


@given(
    st.lists(VALUES.filter(lambda value: "True" not in str(value) and "False" not in str(value)), max_size=4),
    st.randoms(),
)
def test_the_order_of_a_list_is_free(values: list[JSON], random: Any) -> None:
    """A list of constants is met by the same items in any order."""
    shuffled = list(values)
    random.shuffle(shuffled)
    assert isinstance(one([{"const": item} for item in values], shuffled), Match)
