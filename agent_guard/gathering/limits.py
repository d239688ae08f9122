"""The limits on a call: on which meters it counts, how much is allowed there, which places it takes when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent_guard.facts import AMOUNT_SCALE, Facts
from agent_guard.guards.base import effect_of
from agent_guard.policy import Policy
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code

__all__ = ["Bound", "amount", "attempts", "attempts_key", "bounds", "contacted", "places", "token_keys", "whose"]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One limit on a call: its meter, how much is allowed, in what window, and how much this call takes."""

    text: str
    code: Code
    key: str
    most: int
    window_s: float | None = None
    takes: int = 1


def attempts(policy: Policy, thread: ThreadRow) -> Bound:
    """How many calls a thread may propose."""
    most = policy.limits.attempts_per_thread
    return Bound(text=f"{most} attempts a thread", code=Code.LIMIT_ATTEMPTS, key=attempts_key(thread), most=most)


def attempts_key(thread: ThreadRow) -> str:
    """The meter of a thread's proposed calls."""
    return f"attempts|{thread.id}"


def bounds(
    policy: Policy, thread: ThreadRow, tool: Tool | None, args: Mapping[str, JSON], facts: Facts
) -> tuple[Bound, ...]:
    """Every limit on a call that was proposed.

    Args:
        args: its real values.
    """
    limits = policy.limits
    most = limits.actions_per_thread
    found = [Bound(text=f"{most} actions a thread", code=Code.LIMIT_ACTIONS, key=f"actions|{thread.id}", most=most)]
    for count, key, text in zip(
        (limits.tokens_per_thread, limits.tokens_per_day_per_tenant),
        token_keys(thread, facts.at[:10]),
        ("a thread", "a day for the tenant"),
        strict=True,
    ):
        if count is not None:
            found.append(Bound(text=f"{count} tokens {text}", code=Code.LIMIT_TOKENS, key=key, most=count))
    rule = policy.tools.get(tool.name) if tool else None
    if tool is None or rule is None:
        return tuple(found)
    found += [
        Bound(
            text=rate.text,
            code=Code.LIMIT_RATE,
            key=f"{rate.scope}|{tool.name}|{_of_thread(rate.scope, thread)}",
            most=rate.count,
            window_s=rate.window_s,
        )
        for rate in rule.rates
    ]
    found += [
        Bound(
            text=f"{total.max} of {total.arg} per {total.per}",
            code=Code.LIMIT_TOTAL,
            key=f"total|{tool.name}|{total.arg}|{total.per}|{_of_thread(total.scope, thread)}",
            most=int(Decimal(str(total.max)) * AMOUNT_SCALE),
            window_s=total.window_s,
            takes=amount(args.get(total.arg)),
        )
        for total in rule.totals
    ]
    found += [
        Bound(text=cap.text, code=Code.LIMIT_CONTACTS, key=key, most=cap.count, window_s=cap.window_s)
        for key in contacted(thread, tool, facts)
        for cap in policy.caps
    ]
    return tuple(found)


def places(bounds: Sequence[Bound], contacts: Sequence[str]) -> dict[str, int]:
    """The meters on which a call that runs takes its place, and how much of each.

    Args:
        contacts: as :func:`contacted` gives them: another policy's caps count what this one sends.
    """
    taken = {item.key: item.takes for item in bounds if item.code is not Code.LIMIT_TOKENS and item.takes > 0}
    return taken | dict.fromkeys(contacts, 1)


def contacted(thread: ThreadRow, tool: Tool | None, facts: Facts) -> list[str]:
    """The meters of the customers that a call contacts: whose records it names, else the thread's. A call that reaches
    nobody contacts nobody.
    """
    if tool is None or effect_of(tool, facts) != "send":
        return []
    named = {record.party for record in facts.records.values() if record.party is not None}
    return [f"contact|{thread.subject.tenant}|{party}" for party in sorted(named or {thread.party or thread.id})]


def token_keys(thread: ThreadRow, day: str) -> tuple[str, str]:
    """The meters of a thread's tokens, and of its tenant's on one UTC day (``2026-11-22``)."""
    return f"tokens|{thread.id}", f"tokens|{thread.subject.tenant}|{day}"


def amount(value: JSON) -> int:
    """An amount in ten-thousandths; -1 for what is none, which is over every limit."""
    try:
        found = Decimal(str(value)) * AMOUNT_SCALE
        whole = int(found.to_integral_value(rounding="ROUND_CEILING"))
    except (ArithmeticError, ValueError):
        return -1
    return -1 if isinstance(value, bool) or found < 0 else whole


def _of_thread(scope: str, thread: ThreadRow) -> str:
    person = thread.subject
    return whose(scope, thread=thread.id, tenant=person.tenant, subject=person.id, party=thread.party)


def whose(scope: str, *, thread: str, tenant: str, subject: str, party: str | None) -> str:
    """Whose calls a limit of this scope counts together, as a part of a meter's key."""
    match scope:
        case "thread":
            return thread
        case "subject":
            return f"{tenant}|{subject}"
        case "party":
            return f"{tenant}|{party or thread}"
        case "tenant":
            return tenant
        case _:
            return "all"
