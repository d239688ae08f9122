"""What became wider and what narrower between two versions of a policy."""

from __future__ import annotations

import json
import math
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st

from agent_guard.policies.diff import EVERY, diff
from agent_guard.policies.regexes import texts, width
from agent_guard.policies.shifts.where import PATTERN_NOTE, where_shifts
from agent_guard.policy import Policy
from agent_guard.where import failures
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


@given(pairs())
@settings(max_examples=80)
def test_examples_show_what_they_stand_for(pair):
    """Each example of a ``where`` that differs is refused by the stricter version's rules and taken by the freer's."""
    old, new = pair
    for change in diff(old, new, TOOLS):
        if not change.aspect.startswith("where.") or change.example is None:
            continue
        freer, stricter = (new, old) if change.direction == "wider" else (old, new)
        name = change.example["tool"]
        real = TOOLS[name].args_model.model_validate(change.example["args"]).model_dump(mode="json")
        assert not list(failures(freer.tools[name].where, real))
        assert change.argument in [item for item, _ in failures(stricter.tools[name].where, real)]
