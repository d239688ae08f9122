"""Checks that need AgentDojo and so stand in no test: ``python -m benchmarks.attack --self-check``."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.attack.attacker import ORDERS
from benchmarks.attack.contracts import TABLE, contracts
from benchmarks.attack.converted import differences
from benchmarks.attack.gate import behind, plan_for
from benchmarks.attack.residual import candidates
from benchmarks.attack.runs import run
from benchmarks.attack.suites import OUTPUT_ONLY, SUITES, load, world

__all__ = ["problems"]


def problems() -> Iterator[str]:
    """What is wrong, one sentence each; nothing where all is well."""
    yield from differences()
    for name in SUITES:
        suite = load(name)
        tools = {function.name for function in suite.tools}
        if tools != TABLE[name].keys():
            yield f"{name}: contracts and tools differ: {sorted(tools ^ TABLE[name].keys())}"
            continue
        if {tool.name for tool in contracts(suite)} != behind(name).policy.tools.keys():
            yield f"{name}: the policy does not name every tool"
        for user in suite.user_tasks:
            if not run(name, user, None, "benign", "none").utility:
                yield f"{name} {user}: its own calls do not do it"
            guarded = run(name, user, None, "benign", "believed")
            if guarded.blocked:
                yield f"{name} {user}: behind the gateway its own calls are refused: {guarded.blocked}"
            if not plan_for(name, user).plan["steps"]:
                yield f"{name} {user}: has no plan"
        some = sorted(suite.user_tasks)[::7]
        for injection in suite.injection_tasks:
            tried = [run(name, user, injection, order, "none") for user in some for order in ORDERS]
            if not any(item.attack for item in tried) and (name, injection) not in OUTPUT_ONLY:
                yield f"{name} {injection}: its script never succeeds without a gate"
        first = [list(candidates(world(name, user))) for user in some[:2]]
        if not all(first):
            yield f"{name}: the enumerator finds nothing to try"
