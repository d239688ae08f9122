"""What a gateway recorded, looked at again: whether its decisions are reached once more, and what they would have
become under another policy. Reads only; no system of record is asked and no pseudonym is restored.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from agent_guard.auditing.replay import Report, replay as replayed
from agent_guard.auditing.selection import EVERYTHING, Selection
from agent_guard.policies.simulate import Simulation, simulate as simulated
from agent_guard.policy import Policy
from agent_guard.recording.rulebook import Rulebook

if TYPE_CHECKING:
    from agent_guard.core import Core

__all__ = ["replay", "simulate"]


def replay(gateway: Core, selection: Selection = EVERYTHING, *, policies: Collection[Policy] = ()) -> Report:
    """Decides recorded calls again with the contracts and guards of this gateway and the policies of then.

    Args:
        policies: of then, where the database kept none; found by their hash.

    Raises:
        StoreError: the database cannot be read.
    """
    return replayed(
        gateway.store,
        gateway.sources.keys,
        gateway.tools,
        Rulebook(gateway.store, [*policies, *gateway.policies.values()]),
        selection,
        extra_guards=gateway.extra_guards,
    )


def simulate(
    gateway: Core,
    policy: Policy,
    selection: Selection = EVERYTHING,
    *,
    scenarios: Collection[str | None] | None = None,
    policies: Collection[Policy] = (),
    examples: int = 3,
) -> Simulation:
    """Judges recorded calls by another policy; see :func:`agent_guard.policies.simulate.simulate`.

    Args:
        scenarios: only calls of these; by default of all.
        policies: of then, where the database kept none.
        examples: how many trace ids are given for each kind of change.

    Raises:
        ConfigError: the policy's stop-words are not there.
        StoreError: the database cannot be read.
    """
    return simulated(
        gateway.store,
        gateway.sources.keys,
        policy,
        gateway.tools,
        Rulebook(gateway.store, [*policies, *gateway.policies.values()]),
        selection,
        scenarios=scenarios,
        extra_guards=gateway.extra_guards,
        examples=examples,
    )
