"""What only shows when all tools and policies are seen at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import ENVIRONMENTS, Entry, House
from agent_guard.policies.rules.origins import INSIDE, OUTSIDE
from agent_guard.text.spelling import skeleton

__all__ = ["everywhere"]

_FREEDOM = {None: 0, "suggest": 1, "approve": 2, "execute": 3}


def everywhere(house: House) -> Iterator[Finding]:
    """Looks at tools and policies that miss each other, at roles, and at two policies for one tool."""
    yield from _unmatched(house)
    yield from _limits(house)
    yield from _alike(house)
    entries = list(house.entries())
    for left, right in combinations(entries, 2):
        if left.tool.name == right.tool.name:
            yield from _opposite(left, right)
            yield from _opposite(right, left)


def _unmatched(house: House) -> Iterator[Finding]:
    for scenario, policy in house.policies.items():
        for name in policy.tools:
            if name not in house.tools:
                yield Finding(
                    level="error",
                    rule=Rule.TOOL_UNKNOWN,
                    where=house.where(scenario, "tools", name),
                    message=f"there is no tool {name!r}; there is: {', '.join(sorted(house.tools)) or 'none'}",
                    hint="correct the name, or take the entry out",
                )
    for name in house.tools:
        if not any(name in policy.tools for policy in house.policies.values()):
            yield Finding(
                level="error",
                rule=Rule.TOOL_WITHOUT_POLICY,
                where=f"tool {name}",
                message="no policy names it, so it can never be called, and a gateway refuses to be built with it",
                hint="give it an entry, or leave it out of the gateway",
            )


def _limits(house: House) -> Iterator[Finding]:
    for scenario, policy in house.policies.items():
        limits, loops = policy.limits, policy.loops
        pairs = (
            ("actions_per_thread", limits.actions_per_thread, "attempts_per_thread", limits.attempts_per_thread),
            (
                "tokens_per_thread",
                limits.tokens_per_thread,
                "tokens_per_day_per_tenant",
                limits.tokens_per_day_per_tenant,
            ),
        )
        for name, count, other, most in pairs:
            if count is not None and most is not None and count > most:
                yield Finding(
                    level="warning",
                    rule=Rule.LIMIT_UNREACHABLE,
                    where=house.where(scenario, "limits", name),
                    message=f"{name} {count} is never reached: {other} {most} comes first",
                    hint=f"lower it below {other}",
                )
        if loops.same_call > limits.attempts_per_thread:
            yield Finding(
                level="warning",
                rule=Rule.LIMIT_UNREACHABLE,
                where=house.where(scenario, "loops", "same_call"),
                message=f"a thread ends after {limits.attempts_per_thread} attempts, before a loop is seen",
                hint="2 or 3 equal calls in a row are a loop",
            )


def _alike(house: House) -> Iterator[Finding]:
    """Roles that a reader takes for one and the gateway does not."""
    first: dict[str, tuple[str, str]] = {}
    reported: set[frozenset[str]] = set()
    for role, where in _roles(house):
        known, place = first.setdefault(skeleton(role).replace(" ", ""), (role, where))
        pair = frozenset((known, role))
        if len(pair) == 2 and pair not in reported:
            reported.add(pair)
            yield Finding(
                level="error",
                rule=Rule.ROLES_ALIKE,
                where=where,
                message=f"the roles {_spelt(known)} and {_spelt(role)} look alike and are two roles; see {place}",
                hint="write one of them everywhere; roles are compared letter for letter",
            )


def _roles(house: House) -> Iterator[tuple[str, str]]:
    for role in sorted(house.directory_roles or ()):
        yield role, "the directory"
    for person in house.people or ():
        for role in sorted(person.roles):
            yield role, f"person {person.id}"
    for scenario, policy in house.policies.items():
        for name, rule in policy.tools.items():
            for role in rule.roles:
                yield role, house.where(scenario, "tools", name, "roles")
            for role in rule.approvers.roles if rule.approvers else ():
                yield role, house.where(scenario, "tools", name, "approvers", "roles")


def _spelt(name: str) -> str:
    strange = [letter for letter in name if not letter.isascii()]
    codes = ", ".join(f"U+{ord(letter):04X}" for letter in strange[:3])
    return f"{name!r} ({codes})" if codes else repr(name)


def _opposite(left: Entry, right: Entry) -> Iterator[Finding]:
    """Two policies for one tool, of which one is stricter to the values that deserve it less."""
    for argument in left.rule.origins.keys() & right.rule.origins.keys():
        trusting, other = set(left.rule.origins[argument]), set(right.rule.origins[argument])
        if not trusting & set(INSIDE) or trusting & set(OUTSIDE) or not other & set(OUTSIDE):
            continue
        freer = [
            name for name in ENVIRONMENTS if _FREEDOM[right.rule.mode_in(name)] > _FREEDOM[left.rule.mode_in(name)]
        ]
        if not trusting & other or freer:
            place = left.house.where(left.scenario, "tools", left.tool.name, "from", argument)
            why = f"and the tool may do more in {', '.join(freer)}" if freer else "and shares no origin with it"
            yield right.error(
                Rule.INVERTED,
                "from", argument,
                says=f"{argument} may be {' or '.join(right.rule.origins[argument])} here, {why}; elsewhere it must be "
                f"{' or '.join(left.rule.origins[argument])}: {place}",
                hint="give the freer mode to the values that are trusted",
            )  # fmt: skip
