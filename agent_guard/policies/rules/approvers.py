"""Who answers: an approver's role that nobody has, a question that nobody may answer, or only the one who asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policy import Approvers
from agent_guard.types import Subject
from agent_guard.units import parse_duration

__all__ = ["approvers"]

LONGEST = timedelta(days=7)
"""An approval that waits longer is about a world that has changed."""


def approvers(entry: Entry) -> Iterator[Finding]:
    """Judges the approvers of an entry, and the roles of those who ask."""
    yield from _requesters(entry)
    named = entry.rule.approvers
    if named is None:
        return
    yield from _unknown(entry, named)
    yield from _nobody_left(entry, named)
    if not named.not_requester and entry.tool.effect in ("send", "delete") and "approve" in entry.modes().values():
        both = sorted(set(named.roles) & set(entry.rule.roles))
        if both or entry.house.people is None:
            says = f"whoever asks for a {entry.tool.effect} may approve it"
            hint = "write not_requester: true, so that two people look at it"
            yield entry.warning(Rule.APPROVER_IS_REQUESTER, "approvers", says=says, hint=hint)
    if parse_duration(named.expires) > LONGEST:
        says = f"an approval waits {named.expires}; after a week the world it was asked in is gone"
        hint = "7d at most; the agent asks again if it is still wanted"
        yield entry.warning(Rule.APPROVAL_LASTS, "approvers", "expires", says=says, hint=hint)


def _requesters(entry: Entry) -> Iterator[Finding]:
    roles = entry.house.directory_roles
    if roles is None:
        return
    if unknown := [role for role in entry.rule.roles if role not in roles]:
        nobody = len(unknown) == len(entry.rule.roles)
        says = f"nobody has the role {', '.join(unknown)}" + (": nobody may call this" if nobody else "")
        hint = f"roles that somebody has: {', '.join(sorted(roles)) or 'none'}"
        report = entry.error if nobody else entry.warning
        yield report(Rule.ROLE_UNKNOWN, "roles", says=says, hint=hint)


def _unknown(entry: Entry, named: Approvers) -> Iterator[Finding]:
    roles, sure = _held(entry)
    unknown = [role for role in named.roles if role not in roles]
    if not unknown:
        return
    nobody = len(unknown) == len(named.roles)
    ending = ": no question is ever answered" if nobody else ""
    says = f"nobody who is known has the role {', '.join(unknown)}{ending}"
    if not sure:
        says = f"no other entry knows the role {', '.join(unknown)}, and no directory was given to look it up in"
    hint = f"known roles: {', '.join(sorted(roles)) or 'none'}"
    report = entry.error if sure and nobody else entry.warning
    yield report(Rule.APPROVER_UNKNOWN, "approvers", "roles", says=says, hint=hint)


def _held(entry: Entry) -> tuple[set[str], bool]:
    """The roles that somebody has, and whether that is known or guessed from the policies."""
    house = entry.house
    if house.directory_roles is not None:
        return set(house.directory_roles), True
    if house.people:
        return {role for person in house.people for role in person.roles}, True
    found: set[str] = set()
    for policy in house.policies.values():
        for name, rule in policy.tools.items():
            found |= set(rule.roles)
            if rule.approvers and (policy is not entry.policy or name != entry.tool.name):
                found |= set(rule.approvers.roles)
    return found, False


def _nobody_left(entry: Entry, named: Approvers) -> Iterator[Finding]:
    """A requester for whom every permitted approver is the requester."""
    if not named.not_requester or not entry.house.people:
        return
    if not any(set(person.roles) & set(named.roles) for person in entry.house.people):
        return  # nobody at all may answer, which is told by itself
    only = set(entry.rule.roles) <= set(named.roles)
    for person in sorted(entry.house.people, key=lambda person: (person.tenant, person.id)):
        if set(person.roles) & set(entry.rule.roles) and not _others(entry, named, person):
            says = f"{person.id} may ask and nobody else may answer: every such question expires"
            hint = f"give a second person of {person.tenant} one of the roles {', '.join(named.roles)}"
            report = entry.error if only else entry.warning  # others may ask, whom nobody has listed
            yield report(Rule.APPROVER_ALONE, "approvers", says=says, hint=hint)
            return


def _others(entry: Entry, named: Approvers, person: Subject) -> list[Subject]:
    return [
        other
        for other in entry.house.people or ()
        if other.id != person.id and other.tenant == person.tenant and set(other.roles) & set(named.roles)
    ]
