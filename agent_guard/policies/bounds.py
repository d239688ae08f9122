"""The limits of another policy on a recorded call: what was used of them then, out of its facts or the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from agent_guard.facts import AMOUNT_SCALE, Facts, LimitFact
from agent_guard.gathering.limits import amount, whose
from agent_guard.policies.tallies import Tallies, contacted
from agent_guard.policy import Policy, RateLimit, Total
from agent_guard.tool import Tool
from agent_guard.types import Code, ToolCall

__all__ = ["Bounds", "Known", "bounds"]

_THREAD_LONG = "how much this conversation used before --since is not counted"


@dataclass(frozen=True, kw_only=True)
class Known:
    """A recorded call, the two policies, and what ran before.

    Args:
        hidden: whether a value of an argument stands behind a pseudonym.
    """

    call: ToolCall
    tool: Tool
    facts: Facts
    then: Policy
    now: Policy
    tallies: Tallies
    at_ms: int
    hidden: Callable[[str], bool]

    def who(self, scope: str) -> str:
        """Whose calls a limit counts together."""
        facts = self.facts
        return whose(scope, thread=facts.thread, tenant=facts.tenant, subject=facts.subject, party=facts.party)


class Bounds:
    """The limits as facts, in the order in which they are judged; of what is not known, the fact if it were reached."""

    def __init__(self) -> None:
        self.limits: list[LimitFact] = []
        self.doubts: list[tuple[str, LimitFact]] = []

    def add(self, text: str, code: Code, most: int, used: int | None, *, takes: int = 1, why: str = "") -> None:
        """One limit; ``used`` is None where nobody knows, and ``why`` says it."""
        reached = takes < 0 or (used is not None and used + takes > most)
        fact = LimitFact(limit=text, code=code, count=most, reached=reached, used=used)
        self.limits.append(fact)
        if used is None and not reached:
            self.doubts.append((why, LimitFact(limit=text, code=code, count=most, reached=True)))


def bounds(known: Known) -> Bounds:
    """Every limit of the other policy on this call, with what was used of it."""
    made, limits = Bounds(), known.now.limits
    facts = known.facts.limits
    for code, most, word in (
        (Code.LIMIT_ATTEMPTS, limits.attempts_per_thread, "attempts a thread"),
        (Code.LIMIT_ACTIONS, limits.actions_per_thread, "actions a thread"),
        (Code.LIMIT_TOKENS, limits.tokens_per_thread, "tokens a thread"),
        (Code.LIMIT_TOKENS, limits.tokens_per_day_per_tenant, "tokens a day for the tenant"),
    ):
        if most is not None:
            used = next((item.used for item in facts if item.code is code and item.limit.endswith(word)), None)
            made.add(f"{most} {word}", code, most, used, why=f"{word} were not limited then, so not recorded")
    rule = known.now.tools[known.tool.name]
    for rate in rule.rates:
        _rate(known, made, rate)
    for total in rule.totals:
        _total(known, made, total)
    _caps(known, made)
    return made


def _rate(known: Known, made: Bounds, rate: RateLimit) -> None:
    for item in known.facts.limits:
        if item.code is Code.LIMIT_RATE and item.limit == rate.text:
            made.limits.append(item)
            return
        if item.code is Code.LIMIT_RATE and item.used is not None and _alike(item.limit, rate):
            made.add(rate.text, Code.LIMIT_RATE, rate.count, item.used)
            return
    used = known.tallies.used(
        "rate", known.tool.name, rate.scope, known.who(rate.scope), now_ms=known.at_ms, window_s=rate.window_s
    )
    if rate.scope == "thread" and used is None:
        used = 0
    made.add(rate.text, Code.LIMIT_RATE, rate.count, used)


def _alike(text: str, rate: RateLimit) -> bool:
    """Whether a limit differs in its number alone."""
    return text.partition("/")[2] == rate.text.partition("/")[2]


def _total(known: Known, made: Bounds, total: Total) -> None:
    text = f"{total.max} of {total.arg} per {total.per}"
    same = next((item for item in known.facts.limits if item.code is Code.LIMIT_TOTAL and item.limit == text), None)
    if same is not None:
        made.limits.append(same)
        return
    most = int(Decimal(str(total.max)) * AMOUNT_SCALE)
    ending = text.partition(" of ")[2]
    used = next(
        (
            item.used
            for item in known.facts.limits
            if item.code is Code.LIMIT_TOTAL and item.limit.partition(" of ")[2] == ending
        ),
        None,
    )
    why = f"an earlier {total.arg} is not in the record"
    if used is None and total.per == "thread" and not known.tallies.whole(known.facts.thread):
        why = _THREAD_LONG
    elif used is None:
        used = known.tallies.used(
            total.arg, known.tool.name, total.per, known.who(total.scope), now_ms=known.at_ms, window_s=total.window_s
        )
    if known.hidden(total.arg):
        made.add(text, Code.LIMIT_TOTAL, most, None, why=f"{total.arg} stands behind a pseudonym")
        return
    made.add(text, Code.LIMIT_TOTAL, most, used, takes=amount(known.call.args.get(total.arg)), why=why)


def _caps(known: Known, made: Bounds) -> None:
    caps, before = known.now.caps, known.then.caps
    parties = contacted(known.tool, known.facts) if caps else []
    recorded = [item for item in known.facts.limits if item.code is Code.LIMIT_CONTACTS]
    complete = len(recorded) == len(parties) * len(before)
    for n, party in enumerate(parties):
        of_party = recorded[n * len(before) : (n + 1) * len(before)] if complete else []
        for cap in caps:
            used = next((item.used for item in of_party if _alike(item.limit, cap)), None)
            if used is None:
                used = known.tallies.used(
                    "contact", "", "", f"{known.facts.tenant}|{party}", now_ms=known.at_ms, window_s=cap.window_s
                )
            made.add(cap.text, Code.LIMIT_CONTACTS, cap.count, used)
