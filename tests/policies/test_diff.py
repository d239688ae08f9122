"""What became wider and what narrower between two versions of a policy."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import assume, given, settings, strategies as st
from pydantic import BaseModel

from agent_guard.gathering.arguments import read
from agent_guard.gathering.where import failures
from agent_guard.policies.diff import EVERY, diff
from agent_guard.policies.regexes import texts, width
from agent_guard.policies.shifts.entry import entry_shifts
from agent_guard.policies.shifts.where import PATTERN_NOTE, where_shifts
from agent_guard.policy import Approvers, Limits, Loops, PlanRule, Policy, Requires, ToolRule, Total, Where, WhereRule
from tests.policies.desk import APPROVERS, DRAFT, TOOLS, policy
from tests.policies.strategies import DATA, pairs, ruled
from tests.policies.worlds import VALUES, outcome, world


def shifts(old: dict[str, Any], new: dict[str, Any], name: str = "crm.offer", *, tools: Any = TOOLS) -> list[Any]:
    """(aspect, direction, before, after) of two versions of one entry, each once."""
    found = diff(policy({name: old}), policy({name: new}), tools)
    return list(dict.fromkeys((c.aspect, c.direction, json.dumps(c.before), json.dumps(c.after)) for c in found))


def directions(
    old: dict[str, Any], new: dict[str, Any], name: str = "crm.offer", *, tools: Any = TOOLS
) -> dict[str, str]:
    """aspect -> its directions."""
    made: dict[str, str] = {}
    for aspect, direction, _, _ in shifts(old, new, name, tools=tools):
        made[aspect] = " ".join(filter(None, [made.get(aspect), direction]))
    return made


def test_a_role_and_a_mode_are_cells_of_their_own():
    """A new role opens its cells; a stricter mode in one environment closes that one, and no other is told of."""
    old = policy({"crm.offer": {"roles": ["sales"], "mode": "execute"}})
    mode = {"dev": "execute", "stage": "approve", "prod": "execute"}
    new = policy({"crm.offer": {"roles": ["sales", "intern"], "mode": mode, "approvers": APPROVERS}})
    cells = {
        (c.role, c.environment): (c.direction, c.before, c.after) for c in diff(old, new, TOOLS) if c.aspect == "mode"
    }
    assert cells == {
        ("intern", "dev"): ("wider", None, "execute"),
        ("intern", "stage"): ("wider", None, "approve"),
        ("intern", "prod"): ("wider", None, "execute"),
        ("sales", "stage"): ("narrower", "execute", "approve"),
    }


@pytest.mark.req("A1")
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"mode": "suggest"}, {"mode": "execute"}, {"mode": "wider"}),
        ({"mode": {"dev": "execute"}}, {"mode": {"prod": "suggest"}}, {"mode": "narrower wider"}),
        ({"limits": ["3/minute/subject"]}, {"limits": ["5/minute/subject"]}, {"limits": "wider"}),
        ({"limits": ["3/minute/subject"]}, {"limits": ["3/day/tenant"]}, {"limits": "narrower"}),
        ({"limits": ["3/minute/subject"]}, {"limits": ["3/minute/party"]}, {"limits": "wider narrower"}),
        ({"limits": ["9/day/thread"]}, {}, {}),  # five actions a thread come first
        ({"limits": ["9/day/subject"]}, {}, {"limits": "wider"}),  # a subject has more than one thread
        ({}, {"requires": [{"tool": "crm.read", "within": "1h"}]}, {"requires": "narrower"}),
        (
            {"requires": [{"tool": "crm.read", "within": "1h"}]},
            {"requires": [{"tool": "crm.read", "within": "30m", "same": "deal_id"}]},
            {"requires": "narrower"},
        ),
        (
            {"requires": [{"tool": "crm.read", "within": "1h", "same": "deal_id"}]},
            {"requires": [{"tool": "crm.read", "within": "1h"}]},
            {"requires": "wider"},
        ),
        (
            {"totals": [{"arg": "days", "max": 10, "per": "day/subject"}]},
            {"totals": [{"arg": "days", "max": 12, "per": "day/subject"}]},
            {"totals": "wider"},
        ),
        (
            {"totals": [{"arg": "days", "max": 10, "per": "day/thread"}]},
            {"totals": [{"arg": "days", "max": 10, "per": "thread"}]},
            {"totals": "narrower"},
        ),
        ({"not_after": {"note": "30d"}}, {"not_after": {"note": "7d"}}, {"not_after.note": "narrower"}),
        ({"not_after": {"note": "2026-01-01"}}, {"not_after": {"note": "2027-01-01"}}, {"not_after.note": "wider"}),
        ({"not_after": {"note": "2026-01-01"}}, {"not_after": {"note": "7d"}}, {"not_after.note": "wider narrower"}),
        ({"domains": ["a.example"]}, {"domains": ["a.example", "b.example"]}, {"domains": "wider"}),
        ({"domains": [".a.example"]}, {"domains": ["x.a.example"]}, {"domains": "narrower"}),
        ({"domains": [".a.example"]}, {"domains": ["a.example"]}, {"domains": "narrower"}),
        ({"domains": ["a.example"]}, {"domains": [".a.example"]}, {"domains": "wider"}),
        ({"domains": [".a.example"]}, {"domains": ["xa.example"]}, {"domains": "wider narrower"}),
        ({"domains": []}, {}, {"domains": "wider"}),
        ({"region": "own"}, {"region": ["kz", "pl"]}, {"region": "wider narrower"}),
        ({"region": ["kz"]}, {"region": ["kz", "pl"]}, {"region": "wider"}),
        ({"bind": {"deal_id": "party"}}, {}, {}),  # the default of a tool that writes
        ({"bind": {"deal_id": "subject"}}, {}, {"bind.deal_id": "wider narrower"}),
        ({"fields": ["id"]}, {}, {}),  # all there is
        ({"fields": []}, {"fields": ["id"]}, {"fields": "wider"}),
        ({"from": {"note": ["user"]}}, {}, {"from.note": "wider"}),
        ({"from": {"note": ["user", "trusted"]}}, {}, {"from.note": "wider"}),
        ({"from": {"note": ["party"]}}, {}, {"from.note": "wider narrower"}),
        ({"from": {"note": ["user"]}}, {"from": {"note": ["user", "untrusted"]}}, {"from.note": "wider"}),
        (
            {"mode": "approve", "approvers": APPROVERS | {"expires": "1h"}},
            {"mode": "approve", "approvers": {"roles": ["manager", "lead"], "expires": "30m"}},
            {
                "approvers.roles": "wider",
                "approvers.not_requester": "wider",
                "approvers.expires": "narrower",
            },
        ),
        ({"mode": "execute"}, {"mode": "approve", "approvers": APPROVERS}, {"mode": "narrower"}),
        ({"mode": "execute"}, {"mode": "execute", "approvers": APPROVERS}, {"approvers": "wider"}),
    ],
)
def test_a_key_became_wider_or_narrower(old, new, expected):
    """Each key of an entry is compared by what it lets through, and both ways where neither holds the other."""
    assert directions(old, new) == expected


@pytest.mark.req("A1", "B18")
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["deal_id", "kind", "subject"], ["deal_id", "kind", "subject", "note"], {"args.note": "wider"}),
        (["deal_id", "kind", "subject", "note"], ["subject", "deal_id", "kind"], {"args.note": "narrower"}),
        (["deal_id", "note"], ["deal_id", "days"], {"args.note": "narrower", "args.days": "wider"}),
        (["deal_id", "note"], ["note", "deal_id"], {}),
        (["deal_id"], ["deal_id", "unknown"], {}),  # refused whatever the policy says
        (["deal_id", "kind", "subject", "days"], None, {"args.urgent": "wider", "args.note": "wider", "args": "changed"}),
        (None, ["deal_id", "kind", "subject", "days", "urgent"], {"args.note": "narrower", "args": "changed"}),
        (list(DRAFT.args_model.model_fields), None, {"args": "changed"}),  # as wide today, and not when the contract grows
    ],
)  # fmt: skip
def test_arguments_that_a_call_may_set(old, new, expected):
    """Each argument that a call may set in one version alone is a cell; no list stands for all that the contract has."""
    assert directions({"args": old}, {"args": new}) == expected


@pytest.mark.req("A1")
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["a"], ["a", "b"], {"args.b": "wider"}),
        (["a"], ["b"], {"args.a": "narrower", "args.b": "wider"}),
        (["a"], None, {"args": "wider"}),
        (None, ["a"], {"args": "narrower"}),
    ],
)
def test_without_a_contract_no_list_is_wider_than_any(old, new, expected):
    """What else a tool takes is not known without its contract, so no list of arguments is all of them."""
    assert directions({"args": old}, {"args": new}, tools=None) == expected


@pytest.mark.req("A1", "B18")
@pytest.mark.parametrize(("version", "name"), [(["note"], "note"), (["urgent"], "urgent"), (None, "days")])
@pytest.mark.parametrize("key", ["args", "where"])
def test_an_example_sets_the_argument_that_was_opened(version, name, key):
    """The example of an opened argument is read without a problem under the new version, and refused for it under the
    old; an example for another key sets nothing that its version closes.
    """
    needed = ["deal_id", "kind", "subject"]
    entry = {"where": {"properties": {"subject": {"maxLength": 5}, "days": {"maximum": 9}}}, "args": needed}
    other = {"args": None if version is None else [*needed, *version]}
    if key == "where":
        other = {"where": {"properties": {"subject": {"maxLength": 6}, "days": {"maximum": 9}}}}
    old, new = policy({"crm.offer": entry}), policy({"crm.offer": entry | other})
    changes = [
        c for c in diff(old, new, TOOLS) if c.aspect == (f"args.{name}" if key == "args" else "where.subject.maxLength")
    ]
    assert changes
    for change in changes:
        problems = [
            {
                item.path
                for item in read(DRAFT, rules.tools["crm.offer"], change.example["args"], lambda _: None).problems
            }
            for rules in (old, new)
        ]
        assert problems == [{name if key == "args" else "subject"}, set()]


def where(**properties: Any) -> dict[str, Any]:
    """An entry with rules on arguments."""
    return {"where": {"properties": properties}}


@pytest.mark.req("A1", "B4")
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"subject": {"maxLength": 20}}, {"subject": {"maxLength": 30}}, {"where.subject.maxLength": "wider"}),
        ({"subject": {"minLength": 2}}, {"subject": {"minLength": 3}}, {"where.subject.minLength": "narrower"}),
        ({"subject": {}}, {"subject": {"pattern": "^[a-z]+$"}}, {"where.subject.pattern": "narrower"}),
        ({"subject": {"pattern": "^[a-z]+$"}}, {"subject": {"pattern": "^[a-y]+$"}}, {"where.subject.pattern": "wider narrower"}),
        ({"subject": {"type": "string"}}, {}, {"where.subject.type": "wider"}),
        ({"days": {"maximum": 10}}, {"days": {"maximum": 9, "minimum": 2}}, {"where.days.maximum": "narrower", "where.days.minimum": "narrower"}),
        ({"kind": {"enum": ["call"]}}, {"kind": {"enum": ["call", "visit"]}}, {"where.kind": "wider"}),
        ({"kind": {"enum": ["call"]}}, {"kind": {"const": "visit"}}, {"where.kind": "wider narrower"}),
        ({"kind": {"enum": ["call", "letter", "visit"]}}, {}, {}),  # all that the args model knows
        ({"kind": {"pattern": "^(call|letter)$"}}, {"kind": {"enum": ["call", "letter"]}}, {}),
        ({"urgent": {"const": False}}, {}, {"where.urgent": "wider"}),
        ({"subject": {"enum": ["a", "b"]}}, {"subject": {"maxLength": 1}}, {"where.subject": "wider"}),
        ({"subject": {"maxLength": 1}}, {"subject": {"enum": ["a", "bb"]}}, {"where.subject": "wider narrower"}),
        ({"note": {}}, {}, {"where.note.required": "wider"}),
        ({"days": {}}, {}, {}),  # it has a default, so it is never left out
    ],
)  # fmt: skip
def test_where_is_compared_by_its_values(old, new, expected):
    """Lists are compared value by value and bounds by their ends; only patterns are not compared."""
    assert directions(where(**old), where(**new)) == expected


def test_a_changed_pattern_says_that_it_was_not_compared():
    """Two patterns are not compared: the change counts as wider, and says so."""
    old, new = (policy({"crm.offer": where(subject={"pattern": text})}) for text in ("^[a-z]*$", "^[a-z ]*$"))
    change = next(c for c in diff(old, new, TOOLS) if c.direction == "wider")
    assert change.note == PATTERN_NOTE and (change.before, change.after) == ("^[a-z]*$", "^[a-z ]*$")
    assert change.example["tool"] == "crm.offer" and " " in change.example["args"]["subject"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"subject": {"maxLength": 20}}, {"subject": {"maxLength": 30}}),
        ({"subject": {"pattern": "^[a-z]+$"}}, {"subject": {"pattern": "^[a-z]+(!|[.]{3})$"}}),
        ({"subject": {"pattern": "^[^<>]*$"}}, {}),
        ({"days": {"maximum": 5}}, {"days": {"maximum": 6}}),
        ({"kind": {"const": "call"}}, {"kind": {"enum": ["visit"]}}),
        ({"note": {"pattern": "^x$"}}, {}),
        ({"note": {}}, {}),
        ({"urgent": {"const": False}}, {}),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_every_example_is_denied_by_one_version_alone(old, new, known):
    """The example of a wider cell is taken by the args model and by the new rules, and refused by the old."""
    before, after = policy({"crm.offer": where(**old)}), policy({"crm.offer": where(**new)})
    changes = [c for c in diff(before, after, TOOLS if known else None) if c.direction == "wider"]
    assert changes
    for change in changes:
        args = change.example["args"]
        if known:
            args = DRAFT.args_model.model_validate(args).model_dump(mode="json")
        assert not list(failures(after.tools["crm.offer"].where, args))
        assert list(failures(before.tools["crm.offer"].where, args))


def test_without_contracts_a_default_counts_both_ways():
    """Whether an argument is judged by default is not known without its tool, so the change counts as wider as well."""
    listed = {"from": {"email": ["user", "trusted"]}}
    assert directions({}, listed, "mail.send") == {}
    assert directions({}, listed, "mail.send", tools=None) == {"from.email": "narrower"}
    assert directions(listed, {}, "mail.send", tools=None) == {"from.email": "wider"}
    assert directions({}, {"region": ["kz"]}, "crm.read") == {"region": "wider narrower"}
    assert directions({}, {"region": ["kz"]}, "crm.read", tools=None) == {"region": "wider narrower"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"limits": {"actions_per_thread": 5}}, {"limits": {"actions_per_thread": 6}}, ("limits.actions_per_thread", "wider")),
        ({"limits": {"tokens_per_thread": 10}}, {}, ("limits.tokens_per_thread", "wider")),
        ({"loops": {"same_call": 2}}, {"loops": {"same_call": 1}}, ("loops.same_call", "narrower")),
        ({"stop_words": ["en.txt"]}, {}, ("stop_words", "wider")),
        ({"plan": {"outside": "deny"}}, {"plan": {"outside": "ask"}}, ("plan", "wider")),
        ({}, {"plan": {"outside": "deny"}}, ("plan", "narrower")),
        ({"model_regions": ["kz"]}, {}, ("model_regions", "wider")),
        ({}, {"name": "desk.v2"}, ("name", "changed")),
    ],
)  # fmt: skip
def test_the_whole_policys_keys_are_compared(old, new, expected):
    """Limits, loops, stop-words, the plan and the model's regions stand for every role, tool and environment."""
    found = diff(policy({"crm.read": {}}, **old), policy({"crm.read": {}}, **new), TOOLS)
    assert [(c.role, c.tool, c.environment, c.aspect, c.direction) for c in found] == [(EVERY, EVERY, EVERY, *expected)]


@pytest.mark.parametrize(
    "pattern",
    ["^[a-z]{2,5}$", "^[^<>{}]*$", "^(a|bc)+[0-9]?$", r"^\d{4}-\d{2}$", "^x.{3}$", r"^\w+@\w+\.kz$", "^(?i:ok)$", "^$"],
)
def test_samples_match_their_pattern(pattern):
    """Every text that is made of a pattern is matched by it, and at least one is made."""
    made = list(texts(pattern, [4]))
    assert made and len(made) == len(set(made))
    low, high = width(pattern)
    assert all(low <= len(text) <= (math.inf if high is None else high) for text in made)


# ---- every key

APPROVING = {"mode": "approve", "approvers": APPROVERS}
TOTAL = {"arg": "days", "max": 3, "per": "day/subject"}
REQUIRED = {"tool": "crm.read", "within": "1h"}
UNCOMPARED = {(Policy, "version"): "format 1 is the only one that can be read"}
ENTRY: dict[tuple[type[BaseModel], str], tuple[dict[str, Any], dict[str, Any]]] = {
    (ToolRule, "roles"): ({"roles": ["sales"]}, {"roles": ["sales", "intern"]}),
    (ToolRule, "mode"): ({"mode": "suggest"}, {"mode": "execute"}),
    (ToolRule, "region"): ({"region": "own"}, {"region": ["kz"]}),
    (ToolRule, "args"): ({"args": ["deal_id"]}, {"args": ["deal_id", "note"]}),
    (ToolRule, "fields"): ({"fields": []}, {"fields": ["id"]}),
    (ToolRule, "where"): ({}, {"where": {"required": ["note"]}}),
    (ToolRule, "bind"): ({"bind": {"deal_id": "party"}}, {"bind": {"deal_id": "subject"}}),
    (ToolRule, "limits"): ({"limits": ["3/day/subject"]}, {"limits": ["4/day/subject"]}),
    (ToolRule, "approvers"): ({}, {"approvers": APPROVERS}),
    (ToolRule, "origins"): ({"from": {"note": ["user"]}}, {"from": {"note": ["user", "party"]}}),
    (ToolRule, "domains"): ({"domains": ["a.example"]}, {"domains": ["b.example"]}),
    (ToolRule, "requires"): ({}, {"requires": [REQUIRED]}),
    (ToolRule, "totals"): ({}, {"totals": [TOTAL]}),
    (ToolRule, "not_after"): ({}, {"not_after": {"note": "1d"}}),
    (Where, "properties"): ({"where": {}}, {"where": {"properties": {"note": {}}}}),
    (Where, "required"): ({"where": {}}, {"where": {"required": ["note"]}}),
    **{
        (WhereRule, name): ({"where": {"properties": {"subject": {}}}}, {"where": {"properties": {"subject": {written: value}}}})
        for name, written, value in (
            ("type", "type", "string"), ("enum", "enum", ["a"]), ("const", "const", "a"), ("minimum", "minimum", 1),
            ("maximum", "maximum", 1), ("min_length", "minLength", 1), ("max_length", "maxLength", 1),
            ("max_items", "maxItems", 1), ("pattern", "pattern", "^a$"),
        )
    },
    **{
        (Approvers, name): (APPROVING, {"mode": "approve", "approvers": APPROVERS | {name: value}})
        for name, value in (("roles", ["lead"]), ("not_requester", False), ("expires", "1h"), ("review", "raw"))
    },
    **{
        (Requires, name): ({"requires": [REQUIRED]}, {"requires": [REQUIRED | {name: value}]})
        for name, value in (("tool", "mail.send"), ("within", "2h"), ("same", "deal_id"))
    },
    **{
        (Total, name): ({"totals": [TOTAL]}, {"totals": [TOTAL | {name: value}]})
        for name, value in (("arg", "subject"), ("max", 4), ("per", "thread"))
    },
}  # fmt: skip
WHOLE: dict[tuple[type[BaseModel], str], tuple[dict[str, Any], dict[str, Any]]] = {
    (Policy, "name"): ({}, {"name": "other"}),
    (Policy, "limits"): ({}, {"limits": {"actions_per_thread": 3}}),
    (Policy, "loops"): ({}, {"loops": {"cycle": 2}}),
    (Policy, "stop_words"): ({}, {"stop_words": ["en.txt"]}),
    (Policy, "plan"): ({}, {"plan": {}}),
    (Policy, "model_regions"): ({}, {"model_regions": ["kz"]}),
    (Policy, "contact_caps"): ({}, {"contact_caps": ["3/day/party"]}),
    (PlanRule, "outside"): ({"plan": {"outside": "deny"}}, {"plan": {"outside": "ask"}}),
    **{(Limits, name): ({}, {"limits": {name: 3}}) for name in (
        "actions_per_thread", "steps_per_thread", "attempts_per_thread", "tokens_per_thread", "tokens_per_day_per_tenant",
    )},
    **{(Loops, name): ({}, {"loops": {name: 5}}) for name in ("same_call", "cycle")},
}  # fmt: skip
VERSIONS = {
    **{key: tuple(policy({"crm.offer": side}) for side in sides) for key, sides in ENTRY.items()},
    **{key: tuple(policy({"crm.offer": {}}, **side) for side in sides) for key, sides in WHOLE.items()},
    (Policy, "tools"): (policy({"crm.offer": {}}), policy({"crm.offer": {}, "crm.read": {}})),
}


def models(annotation: Any) -> set[type[BaseModel]]:
    """The models that stand in an annotation, and those in them."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return set().union(*(models(part) for part in get_args(annotation)))
    inner = (models(field.annotation) for field in annotation.model_fields.values())
    return {annotation}.union(*inner)


@pytest.mark.req("A1")
def test_every_key_has_two_versions_to_compare():
    """A key that is added to the format must be added to the comparison: here first, then where it is compared."""
    keys = {(model, name) for model in models(Policy) for name in model.model_fields}
    assert keys == VERSIONS.keys() | UNCOMPARED.keys()


@pytest.mark.req("A1")
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("key", VERSIONS, ids=lambda key: f"{key[0].__name__}.{key[1]}")
def test_every_key_is_compared(key, known):
    """Two versions that differ in one key alone differ, with the tool's contract and without."""
    old, new = VERSIONS[key]
    assert all(key[1] in path for path in differing(old.model_dump(), new.model_dump()))
    assert diff(old, new, TOOLS if known else None) and diff(new, old, TOOLS if known else None)


def differing(old: Any, new: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of what differs, and never none; the items of two equally long lists are compared one by one."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in old | new if old.get(key) != new.get(key)]
        return [item for key in keys for item in differing(old.get(key), new.get(key), (*path, key))] or [()]
    return [path]


# ---- properties: policies at random


@given(DATA)
@settings(max_examples=60)
def test_a_policy_does_not_differ_from_itself(data):
    """``diff(p, p)`` is empty, with contracts and without."""
    one, other = (Policy.model_validate({"version": 1, "name": "p"} | data) for _ in range(2))
    assert diff(one, other, TOOLS) == () and diff(one, other) == ()


def turned(changes, *, back=False):
    way = (
        {"wider": "narrower", "narrower": "wider", "changed": "changed"}
        if back
        else {name: name for name in ("wider", "narrower", "changed")}
    )
    return Counter(
        (c.role, c.tool, c.environment, c.aspect, way[c.direction], *(json.dumps(v) for v in ((c.after, c.before) if back else (c.before, c.after))))
        for c in changes
    )  # fmt: skip


@given(pairs(), st.booleans())
@settings(max_examples=100)
def test_wider_and_narrower_swap_with_the_versions(pair, known):
    """What is wider from one version to the other is narrower on the way back, and nothing else is told."""
    tools = TOOLS if known else None
    assert turned(diff(*pair, tools)) == turned(diff(*reversed(pair), tools), back=True)


@pytest.mark.req("A1", "A10", "B5")
@given(pairs(), st.integers(0, 2**32), st.booleans())
@settings(max_examples=300)
def test_where_nothing_is_wider_nothing_more_is_allowed(pair, seed, known):
    """If no cell is wider, the new version decides no call more freely than the old one does, whatever the facts."""
    old, new = pair
    tools = TOOLS if known else None
    if any(change.direction == "wider" for change in diff(old, new, tools)):
        old, new = new, old
        assume(not any(change.direction == "wider" for change in diff(old, new, tools)))
    (name,) = old.tools
    rng = Random(seed)
    for _ in range(50):
        around = world(rng, name, new.tools[name])
        assert outcome(new, around) >= outcome(old, around)


@given(ruled(), st.booleans())
@settings(max_examples=400)
def test_where_nothing_is_wider_no_more_arguments_pass(case, known):
    """If no key of ``where`` is wider, every argument that the new version takes is one that the old version takes."""
    name, old, new, seed = case
    if any(item.direction == "wider" for item in where_shifts(old, new, TOOLS[name].args_model if known else None)):
        return
    rng = Random(seed)
    for _ in range(60):
        args = {item: rng.choice(VALUES[item]) for item in TOOLS[name].args_model.model_fields}
        assert list(failures(new, args)) or not list(failures(old, args))


@pytest.mark.req("A1", "B18")
@given(pairs(), st.integers(0, 2**32), st.booleans())
@settings(max_examples=200)
def test_where_nothing_is_wider_no_more_calls_are_read(pair, seed, known):
    """If neither ``args`` nor ``where`` is wider, a call that is read without a problem was so before; where a contract
    is known, each argument that is said to be opened or closed is one that a call may set in one version alone.
    """
    old, new = pair
    (name,) = old.tools
    tool, rng = TOOLS[name], Random(seed)
    shifts = list(entry_shifts(name, old, new, tool if known else None))
    if known:
        sides = [set(side.tools[name].args or tool.args_model.model_fields) for side in pair]
        for way, names in (("wider", sides[1] - sides[0]), ("narrower", sides[0] - sides[1])):
            assert {s.argument for s in shifts if s.aspect.startswith("args.") and s.direction == way} == names
    if any(item.direction == "wider" and item.aspect.split(".")[0] in ("args", "where") for item in shifts):
        return
    for _ in range(40):
        around = world(rng, name, new.tools[name])
        problems = [read(tool, side.tools[name], around[1], lambda _: None).problems for side in pair]
        assert problems[1] or not problems[0]


@given(pairs())
@settings(max_examples=80)
def test_examples_show_what_they_stand_for(pair):
    """Each example of an ``args`` or a ``where`` that differs is refused for its argument by the stricter version, and
    taken by the freer.
    """
    old, new = pair
    for change in diff(old, new, TOOLS):
        if change.aspect.split(".")[0] not in ("args", "where") or change.example is None:
            continue
        freer, stricter = (new, old) if change.direction == "wider" else (old, new)
        name = change.example["tool"]
        read_by = [
            read(TOOLS[name], side.tools[name], change.example["args"], lambda _: None) for side in (freer, stricter)
        ]
        assert not read_by[0].problems
        assert change.argument in [item.path for item in read_by[1].problems]
        if change.aspect.startswith("where."):
            assert change.argument in [item for item, _ in failures(stricter.tools[name].where, read_by[1].real)]


@pytest.mark.req("B13")
@pytest.mark.parametrize(
    ("old", "new", "plain", "rendering"),
    [
        (None, ["acme.example"], {"narrower"}, {"wider", "narrower"}),
        (["acme.example"], None, {"wider"}, {"wider", "narrower"}),
        (["acme.example"], [".acme.example"], {"wider"}, {"wider"}),
        (["acme.example"], [], {"narrower"}, {"narrower"}),
        (None, None, set(), set()),
    ],
)
def test_domains_vouch_for_what_a_tool_renders(old, new, plain, rendering):
    """A host in a rendered text is asked about where no domains stand, so that to name some also lets something pass."""
    sides = [policy({"crm.offer": {} if hosts is None else {"domains": hosts}}) for hosts in (old, new)]
    for tool, expected in ((DRAFT, plain), (replace(DRAFT, render=lambda args: "text"), rendering)):
        found = diff(*sides, {"crm.offer": tool})
        assert {item.direction for item in found if item.aspect == "domains"} == expected
