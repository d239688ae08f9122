"""The promotion report: what counts, how sure it is, and what a tool has earned."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agent_guard.errors import ConfigError
from agent_guard.policies.promotion import NEVER_ALONE, Standing, Thresholds, promotion, wilson
from agent_guard.policy import Policy
from agent_guard.suggestions import Suggestion
from agent_guard.tool import Tool
from tests.samples import TOOL, contract, policy, rule

pytestmark = pytest.mark.req("B9")

APPROVERS = {"approvers": {"roles": ["manager"]}}
RULES = policy({TOOL: rule(mode="suggest", **APPROVERS)})


def suggestion(n: int = 0, verdict: str | None = "approve", **options: Any) -> Suggestion:
    """One suggestion of ``TOOL`` in prod under ``RULES``."""
    given: dict[str, Any] = {
        "trace_id": f"T{n:04}",
        "thread": "t1",
        "tenant": "acme",
        "scenario": None,
        "environment": "prod",
        "requester": "u1",
        "tool": TOOL,
        "tool_version": "1",
        "policy_hash": RULES.hash,
        "rule_hash": RULES.hash_of(TOOL),
        "digest": "sha256:d",
        "shown": {},
        "created": 1000 + n,
        "verdict": verdict,
        "judged_by": verdict and "m7",
        "judged": verdict and 5000 + n,
        "reason": "Too early." if verdict == "reject" else None,
    }
    return Suggestion(**given | options)


def many(approve: int, reject: int = 0, left: int = 0, **options: Any) -> list[Suggestion]:
    """So many suggestions with these verdicts."""
    words = ["approve"] * approve + ["reject"] * reject + [None] * left
    return [suggestion(n, word, **options) for n, word in enumerate(words)]


def standing(found: list[Suggestion], now: Policy = RULES, tool: Tool | None = None, **thresholds: Any) -> Standing:
    """The one line of a report."""
    tools = {TOOL: tool or contract()}
    (only,) = promotion(found, {None: now}, tools, Thresholds(**thresholds))
    return only


# ---- how sure


@pytest.mark.parametrize(
    ("agreed", "judged", "low", "high"),
    [
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (1, 1, 0.206543, 1.0),
        (81, 263, 0.255292, 0.366205),
        (15, 148, 0.062386, 0.160495),
        (73, 73, 0.950007, 1.0),
    ],
)
def test_the_interval_is_wilsons(agreed: int, judged: int, low: float, high: float) -> None:
    """Two of the cases are worked examples of Newcombe, Statistics in Medicine 17 (1998), 857-872, table I (0.2553 to
    0.3662, 0.0624 to 0.1605); of ``n`` that all agree the lower end is ``n / (n + z * z)``.
    """
    assert wilson(agreed, judged, 0.95) == pytest.approx((low, high), abs=2e-5)


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_holds_the_agreement_and_solves_its_equation(
    judged: int, data: st.DataObject, sure: float
) -> None:
    """Each end lies between 0 and 1, the agreement between them; an end is where the score test turns, and more
    confidence is never a narrower interval.
    """
    agreed = data.draw(st.integers(0, judged))
    low, high = wilson(agreed, judged, sure)
    share = agreed / judged
    assert 0 <= low <= share + 1e-12 and share - 1e-12 <= high <= 1
    wider = wilson(agreed, judged, 0.999)
    assert wider[0] <= low + 1e-12 and high <= wider[1] + 1e-12
    z2 = {0.8: 1.6423744, 0.95: 3.8414588, 0.99: 6.6348966}[sure]
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            assert (share - end) ** 2 * judged == pytest.approx(z2 * end * (1 - end), rel=1e-4, abs=1e-9)


def test_it_covers_what_it_says_on_average() -> None:
    """Over agreements from 0.05 to 0.95 the interval of 30 verdicts holds the truth 95 times of a hundred."""
    shares, n = [k / 20 for k in range(1, 20)], 30
    intervals = [wilson(k, n, 0.95) for k in range(n + 1)]

    def covered(p: float) -> float:
        return sum(
            comb(n, k) * p**k * (1 - p) ** (n - k) for k, (low, high) in enumerate(intervals) if low <= p <= high
        )

    assert sum(map(covered, shares)) / len(shares) == pytest.approx(0.95, abs=0.01)


# ---- what is earned


@pytest.mark.parametrize(
    ("found", "advice", "words"),
    [
        (many(0, left=3), "wait", "0 judged"),
        (many(19), "wait", "19 judged, and it takes 20"),
        (many(20), "approve", "enough for approve"),
        (many(72), "approve", "not for execute"),
        (many(73), "execute", "enough for execute"),
        (many(73, left=73), "execute", "enough for execute"),
        (many(73, left=74), "wait", "74 of 147 suggestions are not judged"),
        (many(60, 20), "stay", "approve takes 0.8"),
        (many(0, 100), "stay", "0 of 100"),
        (many(180, 20), "approve", "180 of 200"),
        (many(390, 10), "execute", "390 of 400"),
    ],
    ids=["none", "few", "20", "72", "73", "half", "less than half", "disagreed", "never", "good", "very good"],
)
def test_advice_is_as_sure_as_the_lower_end(found: list[Suggestion], advice: str, words: str) -> None:
    """Too little says nothing; then the interval's lower end, not the agreement, earns a mode."""
    told = standing(found)
    assert (told.advice, words in told.why) == (advice, True), told.why


@pytest.mark.parametrize("effect", sorted(NEVER_ALONE))
def test_what_cannot_be_taken_back_never_runs_unasked(effect: Any) -> None:
    """A tool that sends, deletes or fetches earns ``approve`` at most, however many agree and whatever is asked."""
    tool = contract(effect=effect)
    told = standing(many(5000), tool=tool)
    assert (told.advice, f"{effect!r} never runs unasked" in told.why) == ("approve", True)
    assert standing(many(5000), tool=tool, approve=0, execute=0, enough=1).advice == "approve"
    now = policy({TOOL: rule(mode="approve", **APPROVERS)})
    assert standing(many(5000), now, tool=tool).advice == "stay"


@pytest.mark.parametrize(
    ("mode", "count", "advice"),
    [
        ({"prod": "approve"}, 30, "stay"),
        ({"prod": "approve"}, 100, "execute"),
        ({"prod": "execute"}, 100, "stay"),
        ({"dev": "suggest"}, 100, "stay"),
        ({"dev": "execute", "prod": "suggest"}, 100, "execute"),
    ],
)
def test_advice_never_narrows_and_gives_no_mode_where_there_is_none(mode: Any, count: int, advice: str) -> None:
    """What the policy gives already is left alone, and a tool that is denied there stays so."""
    now = policy({TOOL: rule(mode=mode, **APPROVERS)})
    told = standing(many(count), now)
    assert (told.advice, told.judged, told.mode) == (advice, count, mode.get("prod"))


def test_thresholds_are_arguments() -> None:
    """Each of them moves the advice, and one that is outside its range is refused by name."""
    found = many(30, 3)
    assert standing(found).advice == "stay"
    assert standing(found, approve=0.7).advice == "approve"
    assert standing(found, confidence=0.6).advice == "approve"
    assert standing(found, approve=0.7, execute=0.7).advice == "execute"
    assert standing(found, approve=0.7, enough=34).advice == "wait"
    assert standing([*found, *many(0, left=20)], approve=0.7, share=0.9).advice == "wait"
    for wrong in ({"confidence": 1}, {"confidence": 0}, {"enough": 0}, {"share": 1.1}, {"approve": -1},
                  {"execute": 0.5}):  # fmt: skip
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Thresholds(**wrong)


# ---- what counts


def test_a_line_says_what_it_is_made_of() -> None:
    """Counts, agreement, the times of the judged ones, the policies they were made under, and why people rejected."""
    found = many(3, 2, left=2)
    told = standing(found)
    assert (told.judged, told.agreed, told.open, told.agreement) == (5, 3, 2, 0.6)
    assert told.interval == wilson(3, 5, 0.95)
    assert (told.first, told.last, told.policies) == (1000, 1004, (RULES.hash,))
    assert told.reasons == ("Too early.", "Too early.")
    assert (told.scenario, told.tool, told.environment, told.effect) == (None, TOOL, "prod", "draft")
    assert (told.older.judged, told.older.open) == (0, 0)
    none = standing(many(0, left=1))
    assert (none.agreement, none.interval, none.first, none.policies) == (None, None, None, ())


CHANGES: dict[str, Any] = {
    "roles": {TOOL: rule(mode="suggest", **APPROVERS, roles=["sales", "sdr"])},
    "where": {TOOL: rule(mode="suggest", **APPROVERS, where={"required": ["subject"]})},
    "approvers": {TOOL: rule(mode="suggest", approvers={"roles": ["owner"]})},
    "bind": {TOOL: rule(mode="suggest", **APPROVERS, bind={"deal_id": "subject"})},
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_verdicts_under_other_rules_are_counted_apart(change: str) -> None:
    """Whatever changed in the tool's entry, what was said before is no part of the agreement; nothing is mixed."""
    now = policy(CHANGES[change])
    fresh = many(2, rule_hash=now.hash_of(TOOL), policy_hash=now.hash)
    told = standing([*many(50, 5, 3), *fresh], now)
    assert (told.judged, told.agreed, told.policies, told.advice) == (2, 2, (now.hash,), "wait")
    assert (told.older.judged, told.older.agreed, told.older.open) == (55, 50, 3)
    assert told.older.policies == (RULES.hash,)


@pytest.mark.parametrize(
    "top", [{"limits": {"actions_per_thread": 4}}, {"loops": {"same_call": 1}}, {"stop_words": ["en.txt"]}], ids=str
)
def test_what_holds_for_every_tool_counts(top: dict[str, Any]) -> None:
    """A limit or a stop-word of the whole policy is a rule of the tool as well."""
    told = standing(many(30), policy({TOOL: rule(mode="suggest", **APPROVERS)}, **top))
    assert (told.judged, told.older.judged) == (0, 30)


def test_what_a_policy_says_of_others_spoils_nothing() -> None:
    """Another tool's entry, the policy's name and the tool's own mode leave the verdicts standing; the policies are
    told apart by their hashes.
    """
    now = policy({TOOL: rule(mode={"dev": "execute", "prod": "suggest"}, **APPROVERS), "crm.read": rule()}, name="v2")
    assert now.hash != RULES.hash and now.hash_of(TOOL) == RULES.hash_of(TOOL)
    told = standing([*many(10), suggestion(99, policy_hash=now.hash)], now)
    assert (told.judged, told.older.judged, told.policies) == (11, 0, tuple(sorted({RULES.hash, now.hash})))


def test_verdicts_on_another_version_of_the_tool_are_counted_apart() -> None:
    """A contract that was changed starts again."""
    told = standing(many(100), tool=contract(version="2"))
    assert (told.judged, told.older.judged, told.tool_version, told.advice) == (0, 100, "2", "wait")


def test_what_is_gone_is_told_and_earns_nothing() -> None:
    """A tool, a scenario or an entry that is not there any more leaves its suggestions in the report, as old ones."""
    (gone,) = promotion(many(100), {None: RULES}, {})
    assert (gone.advice, gone.older.judged, gone.why) == ("stay", 100, "The application has no such tool any more.")
    (other,) = promotion(many(100, scenario="sdr"), {"desk": RULES}, {TOOL: contract()})
    assert (other.advice, other.mode, other.scenario) == ("stay", None, "sdr")
    elsewhere = policy({"crm.read": rule()})
    (unnamed,) = promotion(many(100), {None: elsewhere}, {TOOL: contract()})
    assert (unnamed.advice, unnamed.older.judged) == ("stay", 100)


def test_scenarios_and_environments_are_apart_and_one_policy_is_one() -> None:
    """Each scenario's policy and each environment has a line of its own; a policy that serves all has one."""
    found = [
        suggestion(1, scenario="a"), suggestion(2, scenario="b"), suggestion(3, scenario="a", environment="dev"),
    ]  # fmt: skip
    names = [(item.scenario, item.environment) for item in promotion(found, {None: RULES}, {TOOL: contract()})]
    assert names == [(None, "dev"), (None, "prod")]
    both = promotion(found, {"a": RULES, "b": RULES}, {TOOL: contract()})
    assert [(item.scenario, item.environment, item.judged) for item in both] == [
        ("a", "dev", 1), ("a", "prod", 1), ("b", "prod", 1),
    ]  # fmt: skip
    assert promotion([], {None: RULES}, {}) == []


def test_reasons_are_the_newest_and_not_too_many() -> None:
    """Ten of them, the newest first; an approval's words are no reason to reject."""
    found = [suggestion(n, "reject", reason=f"r{n}") for n in range(12)]
    found.append(replace(suggestion(12), reason="good"))
    assert standing(found).reasons == tuple(f"r{n}" for n in range(11, 1, -1))
