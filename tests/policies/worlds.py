"""Calls at random with everything around them, and the facts that a gateway would gather of them under a policy."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

from agent_guard.decide import decide
from agent_guard.facts import Facts, LimitFact, OpenFact, PlanFact, Problem, RecordFact, ValueFact
from agent_guard.gathering.arguments import read
from agent_guard.policy import Policy, ToolRule
from agent_guard.text import domains, stop_words
from agent_guard.types import Code, ToolCall
from agent_guard.units import parse_duration
from tests.policies.desk import TOOLS
from tests.policies.strategies import NAMES, ORIGINS, ROLES

STRICTNESS = {"allow": 0, "require_approval": 1, "suggest": 2, "deny": 3}
AGES = (10, 600, 7200, 200_000)
WHOSE = ("thread", "subject", "party", "tenant", "tool")
CLOSER = {"thread": WHOSE, "subject": ("subject", "tenant", "tool"), "party": ("party", "tenant", "tool"), "tenant": ("tenant", "tool"), "tool": ("tool",)}  # fmt: skip


VALUES = {
    "deal_id": ["42", "43"],
    "contact_id": ["7"],
    "kind": ["call", "letter", "visit"],
    "subject": ["a", "a", "bb", "c c", "abc!", "", "damn", "a@evil.example"],
    "days": [1, 3, 5, 9],
    "urgent": [True, False],
    "note": ["a", "2026-01-20", "2026-01-05", "abcd", None],
    "email": ["x@acme.example", "x@mail.acme.example", "x@evil.example"],
    "amount": ["1", "10.5"],
    "due": ["2026-01-05", "2026-01-30", "later"],
}


def world(rng: Random, name: str, rule: ToolRule):
    """A call and everything around it that does not depend on the policy; most of it is as it should be."""

    def mostly(usual: Any, *others: Any) -> Any:
        return usual if rng.random() < 0.85 else rng.choice(others)

    fields = TOOLS[name].args_model.model_fields
    args = {item: rng.choice(VALUES[item]) for item in fields if fields[item].is_required() or rng.random() < 0.5}
    for item, asked in rule.where.properties.items():  # so that rules are kept often enough to tell
        if asked.enum and item in args and rng.random() < 0.7:
            args[item] = rng.choice(asked.enum)
    record = RecordFact(
        ref="r:1",
        found=mostly(True, False),
        party=mostly("contact:1", "contact:2", None),
        responsible=mostly("u1", "u2"),
        region=mostly("kz", "pl", "us", None),
    )
    plans = [
        None,
        PlanFact(step=None, why="none", outside_read=rng.random() < 0.5),
        PlanFact(step="s1", open=tuple(OpenFact(argument=item, kind="late") for item in list(args)[:1])),
        PlanFact(step="s1"),
    ]
    facts = Facts(
        at="2026-01-05T09:00:00.000+00:00",
        environment=rng.choice(["dev", "stage", "prod"]),
        thread="t1",
        scenario=None,
        tenant="acme",
        subject="u1",
        agent="default",
        known=True,
        roles=tuple(role for role in ROLES if rng.random() < 0.6),
        region=mostly("kz", "pl", None),
        party=mostly("contact:1", None),
        records={item: record for item in TOOLS[name].refs},
        plan=mostly(None, *plans),
        same_calls=mostly(0, 1, 2, 3),
        cycles=mostly(0, 1, 2, 3),
        idle=mostly(0, *range(1, 10)),
    )
    earlier = [
        (mostly(name, *NAMES), rng.choice(AGES), mostly("thread", *WHOSE), mostly(True, False), rng.randrange(9))
        for _ in range(rng.choice([0, 1, 1, 2, 3, 6]))
    ] + [("crm.read", 10, "thread", True, 0)] * rng.choice([0, 1])
    strange = [(one,) for one in ORIGINS] + [("party", "untrusted")]
    origins = {item: rng.choice(strange) if rng.random() < 0.4 else ("user",) for item in args}
    addresses = {item: rng.random() < 0.5 for item in args}
    used = {key: mostly(0, *range(1, 8)) for key in ("actions", "attempts", "tokens")}
    return name, args, facts, earlier, origins, addresses, used


def gathered(rules: Policy, around) -> Facts:
    """The facts as a gateway of this policy would gather them."""
    name, args, facts, earlier, origins, addresses, used = around
    tool, rule = TOOLS[name], rules.tools.get(name)
    if rule is None:
        return facts
    arguments = read(tool, rule, args, lambda token: None)
    args = arguments.real
    judged = set(rule.origins) | (tool.sensitive if tool.writes else set())
    values = [
        ValueFact(
            argument=item,
            shown="<EMAIL_1>" if addresses[item] else "x",
            kind="EMAIL" if addresses[item] else "text",
            origins=where,
        )
        for item, where in origins.items()
        if item in judged or (addresses[item] and tool.writes)
    ]
    limits = [
        (Code.LIMIT_ATTEMPTS, used["attempts"] >= rules.limits.attempts_per_thread),
        (
            Code.LIMIT_ACTIONS,
            max(used["actions"], sum(near == "thread" for _, _, near, _, _ in earlier))
            >= rules.limits.actions_per_thread,
        ),
        (Code.LIMIT_TOKENS, used["tokens"] >= (rules.limits.tokens_per_thread or math.inf)),
    ]
    mine = [(age, CLOSER[near], amount) for tool_name, age, near, _, amount in earlier if tool_name == name]
    for rate in rule.rates:
        count = sum(age < rate.window_s and rate.scope in near for age, near, _ in mine)
        limits.append((Code.LIMIT_RATE, count >= rate.count))
    for total in rule.totals:
        taken = sum(amount for age, near, amount in mine if age < (total.window_s or math.inf) and total.scope in near)
        limits.append((Code.LIMIT_TOTAL, taken + float(args[total.arg]) > total.max))
    return replace(
        facts,
        problems=arguments.problems,
        values=tuple(values),
        limits=tuple(LimitFact(limit="x", code=code, count=1, reached=full) for code, full in limits),
        content=tuple(content(rules, rule, tool, args)),
        temporal=tuple(temporal(rule, args, earlier)),
    )


def content(rules, rule, tool, args):
    if not (tool.writes or rule.domains is not None):
        return
    for item, value in args.items():
        if rule.domains is not None:
            for host in domains.refused(value, rule.domains):
                yield Problem(code=Code.DOMAIN, path=item, message=host)
        if isinstance(value, str) and rules.stop_words and stopped(value, rules.stop_lists):
            yield Problem(code=Code.STOP_WORD, path=item, message="a stop-word")


stopped = cache(lambda text, lists: list(stop_words.found(text, lists)))


def temporal(rule, args, earlier):
    for wanted in rule.requires:
        within = parse_duration(wanted.within).total_seconds()
        if not any(
            tool == wanted.tool
            and near == "thread"
            and age <= within
            and (wanted.same is None or (same and args.get(wanted.same) is not None))
            for tool, age, near, same, _ in earlier
        ):
            yield Problem(code=Code.REQUIRES, path=wanted.tool, message="must have run")
    for item, latest in rule.not_after.items():
        day = str(args.get(item))
        fine = day <= {"1d": "2026-01-06", "30d": "2026-02-04"}.get(latest, latest)
        if not (day.startswith("2026") and fine):
            yield Problem(code=Code.NOT_AFTER, path=item, message="too late")


def outcome(rules: Policy, around) -> int:
    name, args, *_ = around
    call = ToolCall(id="c1", tool=name, args=args, thread="t1", reason="asked")
    return STRICTNESS[decide(call, TOOLS[name], rules, gathered(rules, around)).outcome]
