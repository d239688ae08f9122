"""``check``: what is wrong with policies that a gateway would accept, or refuse one error at a time.

``lint`` is the hard minimum without which no gateway is built; this looks at everything at once, and further.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agent_guard.policies.finding import Finding, Source
from agent_guard.policies.house import ENVIRONMENTS, House
from agent_guard.policies.rules import ENTRY_RULES, HOUSE_RULES
from agent_guard.policy import Policy
from agent_guard.tool import Tool
from agent_guard.types import Subject

__all__ = ["check"]


def check(
    tools: Mapping[str, Tool],
    policies: Mapping[str | None, Policy],
    *,
    directory_roles: Collection[str] | None = None,
    people: Collection[Subject] | None = None,
    environments: Collection[str] | None = None,
    sources: Mapping[str | None, Source] | None = None,
) -> tuple[Finding, ...]:
    """Finds what is wrong with policies, errors first.

    Args:
        tools: name -> contract.
        policies: scenario -> policy; None for the policy of an application without scenarios.
        directory_roles: every role that somebody has. Without it the roles of ``people`` count, and without these the
            roles that the policies themselves use, which is a guess and only warned about.
        people: persons who are known, e.g. those of ``guard.yaml``; with them it is seen whether somebody is left to
            answer where the requester may not.
        environments: those in use; by default those that any mode of these policies names.
        sources: scenario -> the file of its policy, for line numbers.
    """
    house = House(
        tools=tools,
        policies=policies,
        sources=sources or {},
        directory_roles=None if directory_roles is None else frozenset(directory_roles),
        people=people,
        environments=tuple(name for name in ENVIRONMENTS if name in _in_use(policies, environments or ())),
    )
    found = [finding for rule in HOUSE_RULES for finding in rule(house)]
    for entry in house.entries():
        found += [finding for rule in ENTRY_RULES for finding in rule(entry)]
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: finding.level != "error"))


def _in_use(policies: Mapping[str | None, Policy], given: Collection[str]) -> set[str]:
    modes = [rule.mode for policy in policies.values() for rule in policy.tools.values()]
    return set(given).union(*(mode for mode in modes if isinstance(mode, dict)))
