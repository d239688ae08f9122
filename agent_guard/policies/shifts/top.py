"""The keys of a policy that are about all its tools, in two versions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from agent_guard.errors import ConfigError
from agent_guard.policies.shifts.base import Shift, both, ordered, subsets, weakened
from agent_guard.policy import Policy, RateLimit

__all__ = ["top_shifts"]


def top_shifts(old: Policy, new: Policy) -> Iterator[Shift]:
    """Compares everything above ``tools``."""
    if old.name != new.name:
        yield Shift(aspect="name", direction="changed", before=old.name, after=new.name)
    for key in type(old.limits).model_fields:
        before, after = getattr(old.limits, key), getattr(new.limits, key)
        yield from ordered(f"limits.{key}", before, after, float, none=math.inf)
    for key in type(old.loops).model_fields:
        yield from ordered(f"loops.{key}", getattr(old.loops, key), getattr(new.loops, key), float, none=math.inf)
    yield from _stop_words(old, new)
    yield from _plan(old, new)
    yield from subsets("model_regions", old.model_regions or None, new.model_regions or None)
    yield from weakened("contact_caps", old.caps, new.caps, _capped, lambda cap: cap.text)


def _capped(item: RateLimit, others: Sequence[RateLimit], _: bool) -> bool:
    return any(other.count <= item.count and other.window_s >= item.window_s for other in others)


def _stop_words(old: Policy, new: Policy) -> Iterator[Shift]:
    """A word less is wider; the lists are read where they can be, else their names are compared."""
    before, after = _words(old), _words(new)
    if before is None or after is None:
        before, after = set(old.stop_words), set(new.stop_words)
    note = ""
    if before != after:
        note = f"{len(before - after)} entries less, {len(after - before)} more"
    yield from both(
        "stop_words",
        old.stop_words,
        new.stop_words,
        wider=bool(before - after),
        narrower=bool(after - before),
        note=note,
    )


def _words(policy: Policy) -> set[str] | None:
    try:
        return {f"{listed.language} {entry}" for listed in policy.stop_lists for entry in listed.entries}
    except ConfigError:
        return None


def _plan(old: Policy, new: Policy) -> Iterator[Shift]:
    """Without ``plan`` no graph asks for one; ``ask`` offers a person what ``deny`` refuses, also to a host's plan."""
    before, after = (policy.plan and policy.plan.outside for policy in (old, new))
    yield from both(
        "plan",
        before,
        after,
        wider=(before is not None and after is None) or (after == "ask" and before != "ask"),
        narrower=(after is not None and before is None) or (before == "ask" and after != "ask"),
        note="" if before is not None and after is not None else "without 'plan' no plan is asked for",
    )
