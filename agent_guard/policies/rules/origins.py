"""``from``: the wrong way round, or not there where the contract wants an origin.

One of the published policies denies the deletion of an e-mail that the user named, and allows any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.types import Origin

__all__ = ["INSIDE", "OUTSIDE", "origins"]

OUTSIDE = ("untrusted", "invented")
"""Origins that an attacker, or the model itself, writes."""

INSIDE = ("user", "trusted")
"""Origins that the default for sensitive arguments allows."""


def origins(entry: Entry) -> Iterator[Finding]:
    """Judges each list of ``from``, and sensitive arguments that have none."""
    yield from _unjudged(entry)
    yield from _nobody_to_ask(entry)
    for argument, listed in entry.rule.origins.items():
        path, outside = ("from", argument), [name for name in OUTSIDE if name in listed]
        lacking = [name for name in INSIDE if name not in listed]
        sensitive = argument in entry.tool.sensitive
        if outside and lacking:
            says = (
                f"{argument} may be {' or '.join(outside)} and may not be {' or '.join(lacking)}: the wrong way round"
            )
            hint = "write the origins that are allowed, e.g. [user, trusted]"
            yield entry.error(Rule.INVERTED, *path, says=says, hint=hint)
        elif outside and sensitive:
            says = f"by the contract the origin of {argument} matters, and {' and '.join(outside)} is let through"
            hint = "leave it to the default [user, trusted], or say why in a comment"
            yield entry.warning(Rule.SENSITIVE_OPEN, *path, says=says, hint=hint)
        elif set(listed) >= set(get_args(Origin)):
            says = f"every origin is allowed for {argument}, as without the rule"
            yield entry.warning(Rule.NEVER_FIRES, *path, says=says, hint="name those that may be, or take it out")


def _unjudged(entry: Entry) -> Iterator[Finding]:
    """The default [user, trusted] holds for tools that write; a read is judged by what the policy says alone."""
    if entry.tool.writes:
        return
    for argument in sorted(entry.tool.sensitive - entry.rule.origins.keys()):
        says = (
            f"by the contract the origin of {argument} matters, and for a read it is judged only where 'from' names it"
        )
        hint = f"write from: {{{argument}: [user, trusted]}}"
        yield entry.warning(Rule.SENSITIVE_OPEN, "from", says=says, hint=hint)


def _nobody_to_ask(entry: Entry) -> Iterator[Finding]:
    judged = entry.tool.sensitive | entry.rule.origins.keys()
    if entry.tool.writes and judged and entry.rule.approvers is None and "execute" in entry.modes().values():
        says = "a value of doubtful origin is asked about, and the policy names nobody to answer: it is denied instead"
        yield entry.warning(Rule.NOBODY_TO_ASK, "approvers", says=says, hint="name approvers if that is not meant")
