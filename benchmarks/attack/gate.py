"""A suite behind our gateway: one gateway, a thread for each run, and the plan of each task."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from agentdojo.functions_runtime import FunctionsRuntime

from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.policy import Policy
from agent_guard.testing import FixedClock
from agent_guard.types import Subject
from benchmarks.attack.contracts import TABLE, Desk, contracts, traits
from benchmarks.attack.planner import Done, Planned, plan_of
from benchmarks.attack.results import split
from benchmarks.attack.suites import load, world

__all__ = ["MANAGER", "Behind", "behind", "plan_for"]

logging.getLogger("agent_guard").setLevel(logging.ERROR)  # a tool that refuses is the rule here

ASSISTANT = Subject(id="emma", tenant="acme", roles={"assistant"})
MANAGER = Subject(id="boss", tenant="acme", roles={"manager"})

THREADS_MAX = 400
"""A gateway in memory is replaced after so many threads, so that a run's cost does not grow."""


class Behind:
    """One suite's tools behind a gateway.

    Args:
        profile: of the masker; ``full`` finds names by models too and takes several times as long.
    """

    def __init__(self, name: str, profile: str = "patterns") -> None:
        self.name = name
        self.suite = load(name)
        self.desk = Desk(runtime=FunctionsRuntime(self.suite.tools))
        self.policy = Policy.load(Path(__file__).parent / "policies" / f"{name}.yaml")
        self.masker = Masker(languages=("en",), profile=profile)  # type: ignore[arg-type]
        self._gateway: Gateway | None = None
        self._threads = 0

    def open(self, env: Any, prompt: str) -> GuardedThread:
        """A new thread about one environment; the tools of all threads work on the environment given last."""
        if self._gateway is None or self._threads >= THREADS_MAX:
            self.close()
            self._gateway = Gateway(
                contracts(self.suite),
                self.policy,
                url="sqlite://",
                environment="prod",
                resources={"desk": self.desk},
                masker=self.masker,
                clock=FixedClock(),
            )
            self._threads = 0
        self._threads += 1
        self.desk.env = env
        return self._gateway.open(ASSISTANT, user_text=prompt)

    def close(self) -> None:
        """Closes the gateway."""
        if self._gateway is not None:
            self._gateway.close()


@lru_cache(maxsize=8)
def behind(name: str, profile: str = "patterns") -> Behind:
    """The suite behind a gateway, one for each process."""
    return Behind(name, profile)


@lru_cache(maxsize=512)
def plan_for(name: str, user: str, profile: str = "patterns", miss: float = 0.0, seed: int = 0) -> Planned:
    """The simulated planner's plan for a task: made in a copy of the world that no attacker has touched."""
    gate, found = behind(name, profile), world(name, user)
    thread = gate.open(found.fresh(), found.user.PROMPT)
    hide = {entry.value: entry.token for entry in thread.vault().entries()}
    return plan_of(thread.text or "", done(name, user), traits(gate.suite), hide=hide, miss=miss, seed=seed)


def done(name: str, user: str) -> Sequence[Done]:
    """The user's own calls as they go without anybody's interference."""
    found, table = world(name, user), TABLE[name]
    env, runtime = found.fresh(), FunctionsRuntime(load(name).tools)
    made = []
    for call in found.calls:
        args: Mapping[str, Any] = dict(call.args)
        result, error = runtime.run_function(env, call.function, args)
        trusted, outside = (None, None) if error else split(table[call.function].shape, result)
        made.append(Done(tool=call.function, args=args, trusted=trusted, outside=outside))
    return made
