"""What ``policy check`` looks for, one family a file; each rule is a function of one tool's entry or of everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent_guard.policies.finding import Finding
from agent_guard.policies.house import Entry, House
from agent_guard.policies.rules.approvers import approvers
from agent_guard.policies.rules.args import args
from agent_guard.policies.rules.effects import effects
from agent_guard.policies.rules.emptiness import emptiness
from agent_guard.policies.rules.everywhere import everywhere
from agent_guard.policies.rules.looks import looks
from agent_guard.policies.rules.names import names
from agent_guard.policies.rules.order import order
from agent_guard.policies.rules.origins import origins
from agent_guard.policies.rules.rates import rates
from agent_guard.policies.rules.values import amounts, values

__all__ = ["ENTRY_RULES", "HOUSE_RULES"]

ENTRY_RULES: tuple[Callable[[Entry], Iterator[Finding]], ...] = (
    names, values, amounts, emptiness, order, origins, looks, approvers, rates, effects, args,
)  # fmt: skip
HOUSE_RULES: tuple[Callable[[House], Iterator[Finding]], ...] = (everywhere,)
