"""The format of a plan: closed, the same after every round trip, and clear about what it does not know yet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from agent_guard.plan import STEPS_MAX, TIMES_MAX, Const, Late, Lit, Obj, Plan, Rec, Step, leaves

pytestmark = pytest.mark.req("A24")

LIT = {"lit": "Acme", "span": [0, 4]}
REC = {"rec": {"step": "s1", "field": "owner.id", "where": {"city": "Berlin"}}}
EVERY = {
    "a": LIT,
    "b": REC,
    "c": {"const": {"x": [1, None, True]}},
    "d": {"extract": {"step": "s1", "type": "email"}},
    "e": {"late": {"max": 600}},
    "f": {"late": {}},
    "g": {"obj": {"id": {"const": 1}, "to": [LIT, {"obj": {"z": REC}}]}},
    "h": [LIT, [REC]],
    "i": [],
}


def plan(**step: Any) -> dict[str, Any]:
    """A plan of one step."""
    return {"steps": [{"id": "s1", "tool": "crm.read_deal", "evidence": [0, 4]} | step]}


def problems(data: Any) -> list[str]:
    """Where and why a plan is not of the format."""
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate(data)
    return [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in refused.value.errors(include_input=False)]


def test_every_source_can_be_written() -> None:
    """The six words and lists are read as what they are, however deep they stand."""
    made = Plan.model_validate(plan(args=EVERY))
    kinds = [type(leaf).__name__ for leaf in leaves(list(made.steps[0].args.values()))]
    assert kinds == ["Lit", "Rec", "Const", "Extract", "Late", "Late", "Const", "Lit", "Rec", "Lit", "Rec"]
    step = made.steps[0]
    assert (step.evidence, step.times, made.step("s1"), made.step("s2")) == ((0, 4), 1, step, None)


def test_an_empty_plan_is_a_plan() -> None:
    """A plan without steps is of the format; it lets nothing through."""
    assert Plan.model_validate({"steps": []}).steps == ()


def test_a_plan_comes_back_as_it_was() -> None:
    """As data, as JSON and as itself a plan is the same plan, with the same digest."""
    made = Plan.model_validate(plan(args=EVERY))
    for again in (
        Plan.model_validate(made.model_dump()),
        Plan.model_validate(made.model_dump(mode="json")),
        Plan.model_validate_json(made.model_dump_json()),
        Plan.model_validate(json.loads(json.dumps(made.model_dump(mode="json"), sort_keys=True))),
        Plan.model_validate(made),
    ):
        assert again == made
        assert again.digest == made.digest


SCALARS = st.text(max_size=8) | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSONS = st.recursive(
    st.none() | st.booleans() | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
IDS = st.text("abcXYZ019_-", min_size=1, max_size=40)
LEAVES = st.one_of(
    st.builds(
        lambda lit, span: {"lit": lit, "span": list(span)},
        SCALARS,
        st.tuples(st.integers(-99, 9999), st.integers(-99, 9999)),
    ),
    st.builds(
        lambda step, field, where: {"rec": {"step": step, "field": field, "where": where}},
        IDS,
        st.text(min_size=1, max_size=20),
        st.dictionaries(st.text(min_size=1, max_size=5), SCALARS | st.booleans(), max_size=2),
    ),
    JSONS.map(lambda value: {"const": value}),
    IDS.map(lambda step: {"extract": {"step": step}}),
    st.just({"late": {}}) | st.integers(1, 9999).map(lambda most: {"late": {"max": most}}),
)
SOURCES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3).map(lambda parts: {"obj": parts})
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.text(max_size=8), SOURCES, max_size=4), st.integers(1, TIMES_MAX))
def test_whatever_the_sources_the_plan_comes_back(args: dict[str, Any], times: int) -> None:
    """A plan of any sources is the same after it was stored, to the letter of its digest."""
    made = Plan.model_validate(plan(args=args, times=times))
    stored = Plan.model_validate_json(made.model_dump_json())
    assert stored == made
    assert stored.digest == made.digest
    assert stored.model_dump_json() == made.model_dump_json()


def test_the_digest_is_stable() -> None:
    """The digest is one text for ever; audits and stored plans are compared by it."""
    assert Plan.model_validate(plan(args={"deal_id": LIT})).digest == (
        "sha256:592d30a6ef8a6fc0760166b01a852c1d17dc2377fe803fb7a1966f706c8580b7"
    )


def test_the_digest_tells_plans_apart() -> None:
    """Every part of a plan is in its digest."""
    usual = plan(args={"a": LIT})
    changed = [
        plan(args={"a": LIT}, times=2),
        plan(args={"a": LIT}, tool="crm.other"),
        plan(args={"a": LIT}, id="s2"),
        plan(args={"a": LIT}, evidence=[0, 5]),
        plan(args={"a": LIT | {"span": [0, 5]}}),
        plan(args={"a": LIT | {"lit": "acme"}}),
        plan(args={"b": LIT}),
        plan(args={}),
        {"steps": usual["steps"] * 2},
    ]
    digests = {Plan.model_validate(item).digest for item in [usual, *changed]}
    assert len(digests) == 1 + len(changed)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({}, "steps"),
        ({"steps": None}, "steps"),
        ({"steps": "all"}, "steps"),
        ({"steps": [], "delegated": []}, "delegated"),
        (None, ""),
        ([], ""),
        (plan(id=""), "steps.0.id"),
        (plan(id="a b"), "steps.0.id"),
        (plan(id="x" * 41), "steps.0.id"),
        (plan(id="s1\n"), "steps.0.id"),
        (plan(id=1), "steps.0.id"),
        (plan(tool=""), "steps.0.tool"),
        (plan(tool="x" * 101), "steps.0.tool"),
        (plan(evidence=[0]), "steps.0.evidence"),
        (plan(evidence=[0, 1, 2]), "steps.0.evidence"),
        (plan(evidence=["0", "4"]), "steps.0.evidence"),
        (plan(evidence=[0.5, 4]), "steps.0.evidence"),
        (plan(evidence=None), "steps.0.evidence"),
        (plan(times=0), "steps.0.times"),
        (plan(times=-1), "steps.0.times"),
        (plan(times=TIMES_MAX + 1), "steps.0.times"),
        (plan(times="2"), "steps.0.times"),
        (plan(times=1.5), "steps.0.times"),
        (plan(times=True), "steps.0.times"),
        (plan(args=None), "steps.0.args"),
        (plan(args=[LIT]), "steps.0.args"),
        (plan(effect="write"), "steps.0.effect"),
        (plan(when={"op": "gt"}), "steps.0.when"),
        (plan(args={"a": "Acme"}), "steps.0.args.a"),
        (plan(args={"a": None}), "steps.0.args.a"),
        (plan(args={"a": {}}), "steps.0.args.a"),
        (plan(args={"a": {"lit": "Acme"}}), "steps.0.args.a.lit.span"),
        (plan(args={"a": {"lit": None, "span": [0, 4]}}), "steps.0.args.a.lit.lit"),
        (plan(args={"a": {"lit": True, "span": [0, 4]}}), "steps.0.args.a.lit.lit"),
        (plan(args={"a": {"lit": ["x"], "span": [0, 4]}}), "steps.0.args.a.lit.lit"),
        (plan(args={"a": {"lit": float("nan"), "span": [0, 4]}}), "steps.0.args.a.lit.lit"),
        (plan(args={"a": LIT | {"const": 1}}), "steps.0.args.a.lit.const"),
        (plan(args={"a": {"rec": {"step": "s1"}}}), "steps.0.args.a.rec.rec.field"),
        (plan(args={"a": {"rec": {"step": "s1", "field": ""}}}), "steps.0.args.a.rec.rec.field"),
        (plan(args={"a": {"rec": {"step": "s1", "field": "x", "unique": True}}}), "steps.0.args.a.rec.rec.unique"),
        (plan(args={"a": {"rec": {"step": "s1", "field": "x", "where": {"y": LIT}}}}), "steps.0.args.a.rec.rec.where"),
        (plan(args={"a": {"extract": {}}}), "steps.0.args.a.extract.extract.step"),
        (plan(args={"a": {"late": {"max": 0}}}), "steps.0.args.a.late.late.max"),
        (plan(args={"a": {"late": {"min": 1}}}), "steps.0.args.a.late.late.min"),
        (plan(args={"a": {"late": None}}), "steps.0.args.a.late.late"),
        (plan(args={"a": {"obj": [LIT]}}), "steps.0.args.a.obj.obj"),
        (plan(args={"a": {"obj": {"b": 1}}}), "steps.0.args.a.obj.obj.b"),
        (plan(args={"a": [LIT, 1]}), "steps.0.args.a.list.1"),
    ],
)
def test_the_format_is_closed(data: Any, where: str) -> None:
    """What the format does not have is refused, and the message says where."""
    found = problems(data)
    assert any(item.startswith(where) for item in found), found


@pytest.mark.parametrize("word", ["when", "eval", "LIT", "if", "sql", ""])
def test_a_word_that_is_not_understood_is_refused_clearly(word: str) -> None:
    """A source that is not understood is refused with the words there are; it is never read as something else."""
    (found,) = problems(plan(args={"amount": {word: {"op": "sub"}}}))
    assert found.startswith("steps.0.args.amount: a source is one of lit, rec, const, extract, late, obj")


@pytest.mark.parametrize("word", ["sel", "expr", "tmpl", "when"])
def test_another_word_beside_one_that_is_known_is_refused(word: str) -> None:
    """A source is written with one word; a second one is not carried in with it."""
    for source in (LIT, REC, {"const": 1}, {"late": {}}):
        assert any(word in item and "not permitted" in item for item in problems(plan(args={"a": source | {word: 1}})))


def test_parts_are_frozen_and_made_in_the_program_too() -> None:
    """A plan that a host builds of its parts is the plan that it would write."""
    made = Plan(
        steps=(
            Step(
                id="s1",
                tool="crm.read_deal",
                evidence=(0, 4),
                args={"a": Lit(lit="Acme", span=(0, 4)), "b": Obj(obj={"c": Const(const=1)})},
            ),
        )
    )
    assert made == Plan.model_validate(plan(args={"a": LIT, "b": {"obj": {"c": {"const": 1}}}}))
    with pytest.raises(ValidationError):
        made.steps = ()
    assert [type(item) for item in leaves(made.steps[0].args["b"])] == [Const]
    assert STEPS_MAX == 50


def test_the_source_of_a_value_is_never_the_value_itself() -> None:
    """A value that looks like a source is a constant only under its own word."""
    made = Plan.model_validate(plan(args={"a": {"const": {"late": {"max": 1}}}}))
    assert made.steps[0].args["a"] == Const(const={"late": {"max": 1}})
    assert not isinstance(made.steps[0].args["a"], (Late, Rec))
