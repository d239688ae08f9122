"""Policies at random over the tools of ``desk``, and pairs of versions that differ in a few keys."""

from __future__ import annotations

import json
from functools import cache

from hypothesis import strategies as st

from agent_guard.policy import Policy, Where
from tests.policies.desk import TOOLS

NAMES = list(TOOLS)
ROLES = ("sales", "manager", "intern")
REGIONS = ("kz", "pl")
ORIGINS = ("user", "party", "trusted", "untrusted", "invented")
MODES = ("suggest", "approve", "execute")
HOSTS = ("acme.example", ".acme.example", "mail.acme.example", "other.example")


def some(items, least=0):
    return st.lists(st.sampled_from(items), min_size=least, unique=True)


def bound(values):
    return st.none() | st.sampled_from(values)


def keyed(options, least=1):
    """A mapping with some of these keys."""
    keys = st.lists(st.sampled_from(sorted(options)), min_size=least, unique=True)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries({key: options[key] for key in chosen}))


@cache
def wheres(name):
    keys = {
        "kind": {"enum": some(["call", "letter", "visit"], 1), "const": st.sampled_from(["call", "visit"])},
        "subject": {
            "enum": some(["a", "bb", "c c"], 1),
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(1, 4),
            "pattern": st.sampled_from(["^[a-c ]*$", "^[ab]*$", "^.*$"]),
            "type": st.just("string"),
        },
        "days": {
            "minimum": st.integers(0, 5),
            "maximum": st.integers(0, 8),
            "type": st.sampled_from(["integer", "number", "string"]),
            "enum": some([1, 3, 5], 1),
        },
        "urgent": {"const": st.booleans()},
        "note": {"maxLength": st.integers(0, 3), "const": st.just("a")},
        "email": {"pattern": st.just("^.*@acme[.]example$"), "maxLength": st.integers(10, 30)},
        "due": {"minLength": st.integers(0, 10)},
        "amount": {"pattern": st.just("^[0-9]+$")},
    }
    mine = {key: keyed(value) for key, value in keys.items() if key in TOOLS[name].args_model.model_fields}
    if not mine:
        return st.just({"required": list(TOOLS[name].args_model.model_fields)})
    return keyed({"properties": keyed(mine), "required": some(list(mine), 1)})


@cache
def parts(name):
    """What each key of an entry may be."""
    tool = TOOLS[name]
    arguments, refs = list(tool.args_model.model_fields), list(tool.refs)
    rate = st.builds(
        "{}/{}/{}".format,
        st.integers(1, 6),
        st.sampled_from(["minute", "hour", "day"]),
        st.sampled_from(["thread", "subject", "tenant", "party", "tool"]),
    )
    required = st.fixed_dictionaries(
        {"tool": st.sampled_from(NAMES), "within": st.sampled_from(["1m", "1h", "1d"])},
        optional={"same": st.sampled_from(arguments)},
    )
    numbers = [item for item in ("days", "amount") if item in arguments]
    given = [item for item, field in tool.args_model.model_fields.items() if field.is_required()]
    left = [item for item in arguments if item not in given]
    settable = some(left).map(lambda chosen: [*given, *chosen]) if left else st.just(given)
    optional = {
        "args": settable,
        "region": st.just("own") | some(REGIONS),
        "fields": some(list(tool.result_model.model_fields)),
        "where": wheres(name),
        "bind": st.dictionaries(st.sampled_from(refs), st.sampled_from(["party", "subject", "region"]), min_size=1),
        "limits": st.lists(rate, min_size=1, max_size=2),
        "from": st.dictionaries(st.sampled_from(arguments), some(ORIGINS), min_size=1, max_size=2),
        "domains": some(HOSTS),
        "requires": st.lists(required, min_size=1, max_size=2),
        "not_after": st.dictionaries(
            st.sampled_from([item for item in ("due", "note") if item in arguments] or arguments),
            st.sampled_from(["2026-01-05", "2026-02-01", "1d", "30d"]),
            max_size=1,
        ),
    }
    if numbers:
        total = st.fixed_dictionaries(
            {
                "arg": st.sampled_from(numbers),
                "max": st.integers(0, 20),
                "per": st.sampled_from(["thread", "day/thread", "hour/subject", "day/subject", "day/tool"]),
            }
        )
        optional["totals"] = st.lists(total, max_size=2)
    return optional


APPROVING = st.fixed_dictionaries(
    {"roles": some(ROLES, 1)},
    optional={"not_requester": st.booleans(), "expires": st.sampled_from(["1h", "1d"])},
)
MODE = st.sampled_from(MODES) | st.dictionaries(
    st.sampled_from(["dev", "stage", "prod"]), st.sampled_from(MODES), min_size=1
)
ALWAYS = {"roles": some(ROLES, 1), "mode": MODE, "approvers": APPROVING}


@cache
def entries(name):
    """An entry with a few keys; one with all of them would deny nearly everything."""
    known = parts(name)
    keys = st.lists(st.sampled_from(sorted(known)), max_size=3, unique=True)
    return keys.flatmap(lambda some: st.fixed_dictionaries(ALWAYS | {key: known[key] for key in some}))


TOP = {
    "limits": st.fixed_dictionaries(
        {},
        optional={
            "actions_per_thread": st.integers(1, 6),
            "attempts_per_thread": st.integers(1, 6),
            "tokens_per_thread": st.integers(1, 6),
        },
    ),
    "loops": st.fixed_dictionaries({}, optional={"same_call": st.integers(1, 3), "cycle": st.integers(1, 3)}),
    "stop_words": some(["en.txt", "pl.txt"]),
    "plan": st.fixed_dictionaries({"outside": st.sampled_from(["deny", "ask"])}),
    "model_regions": some(REGIONS),
}
DATA = st.fixed_dictionaries(
    {"tools": st.fixed_dictionaries({}, optional={name: entries(name) for name in NAMES}).filter(bool)}, optional=TOP
)
ONE = st.sampled_from(NAMES).flatmap(
    lambda name: st.fixed_dictionaries({"tools": st.fixed_dictionaries({name: entries(name)})}, optional=TOP)
)


@st.composite
def pairs(draw):
    """Two versions of a policy for one tool: some of the keys of the first are drawn again."""
    old = draw(ONE)
    new = json.loads(json.dumps(old))
    (name,) = new["tools"]
    known = {"roles": ALWAYS["roles"], "mode": MODE} | parts(name)
    for key in draw(
        st.lists(st.sampled_from([*sorted(known), *["where"] * 4, *["args"] * 3]), min_size=1, max_size=2, unique=True)
    ):
        for rules in (old, new):
            rule = rules["tools"][name]
            rule.pop(key, None)
            if key in ALWAYS or draw(st.integers(0, 2)):
                rule[key] = draw(known[key])
    if draw(st.integers(0, 3)) == 0:
        key = draw(st.sampled_from(sorted(TOP)))
        for rules in (old, new):
            rules.pop(key, None)
            if draw(st.booleans()):
                rules[key] = draw(TOP[key])
    return tuple(Policy.model_validate({"version": 1, "name": "p"} | data) for data in (old, new))


@st.composite
def ruled(draw):
    """Two versions of one tool's ``where`` that differ in one argument, and a seed for arguments."""
    name = draw(st.sampled_from(["crm.offer", "mail.send"]))
    old, again = draw(wheres(name)), draw(wheres(name))
    properties = dict(old.get("properties", {}))
    key = draw(st.sampled_from(sorted({*properties, *again.get("properties", {})}) or ["subject"]))
    properties.pop(key, None)
    if draw(st.booleans()) and key in again.get("properties", {}):
        properties[key] = again["properties"][key]
    new = {"properties": properties, "required": old.get("required", [])}
    pair = draw(st.permutations([old, new]))
    return name, *(Where.model_validate(item) for item in pair), draw(st.integers(0, 2**32))
