"""Limits that another limit always reaches first."""

from __future__ import annotations

from collections.abc import Iterator

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry

__all__ = ["rates"]


def rates(entry: Entry) -> Iterator[Finding]:
    """Compares an entry's limits with the thread's actions, and with each other."""
    actions = entry.policy.limits.actions_per_thread
    for index, rate in enumerate(entry.rule.rates):
        path = ("limits", index)
        if rate.scope == "thread" and rate.count > actions:
            says = f"{rate.text} is never reached: a thread ends after {actions} actions"
            hint = "lower it, or raise limits.actions_per_thread"
            yield entry.warning(Rule.LIMIT_UNREACHABLE, *path, says=says, hint=hint)
            continue
        stricter = next(
            (
                other.text
                for place, other in enumerate(entry.rule.rates)
                if other.scope == rate.scope
                and other.count <= rate.count
                and other.window_s >= rate.window_s
                and ((other.count, other.window_s) != (rate.count, rate.window_s) or place < index)
            ),
            None,
        )
        if stricter:
            says = f"{rate.text} is never reached: {stricter} comes first"
            yield entry.warning(Rule.LIMIT_UNREACHABLE, *path, says=says, hint="take one of them out")
