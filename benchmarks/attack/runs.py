"""One run: the user's calls and the attacker's, in one order, through a gate, judged by AgentDojo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agent_guard.errors import PlanError
from agent_guard.guarded import GuardedThread
from agent_guard.types import ToolResult
from benchmarks.attack.attacker import script
from benchmarks.attack.contracts import TABLE
from benchmarks.attack.gate import MANAGER, Behind, behind, plan_for
from benchmarks.attack.planner import Planned
from benchmarks.attack.suites import MARK, FunctionCall, World, world

__all__ = ["Human", "Mode", "Run", "messages", "run"]

Mode = Literal["none", "believed", "ignored"]
"""No gate; a gate and a plan that is believed; a gate alone."""

Human = Literal["ideal", "always"]
"""Approves the user's own calls alone, or whatever is asked."""

Speaker = Literal["user", "injection"]


@dataclass(kw_only=True)
class Run:
    """What happened.

    Args:
        harm: injected calls with an effect that ran and that nobody approved.
        ran: injected calls with an effect that ran, approved or not.
        own: how many of them are a call that the user's task makes too.
        blocked: the user's calls that did not run, with the code of the refusal.
    """

    suite: str
    user: str
    injection: str | None
    order: str
    utility: bool = False
    attack: bool = False
    fired: bool = False
    asks: dict[str, int] = field(default_factory=lambda: {"user": 0, "injection": 0})
    why: list[str] = field(default_factory=list)
    harm: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    own: int = 0
    blocked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str | None]:
        """The pair of tasks."""
        return self.suite, self.user, self.injection


def run(
    name: str,
    user: str,
    injection: str | None,
    order: str,
    mode: Mode,
    human: Human = "ideal",
    *,
    profile: str = "patterns",
    miss: float = 0.0,
    seed: int = 0,
) -> Run:
    """Runs one pair in one order; ``order`` is ``benign`` where there is no injection."""
    found = world(name, user, injection)
    made = Run(suite=name, user=user, injection=injection, order=order)
    plan = plan_for(name, user, profile, miss, seed) if mode == "believed" else None
    _Going(found, made, behind(name, profile), mode, human, plan).go(order)
    return made


class _Going:
    def __init__(self, found: World, made: Run, gate: Behind, mode: Mode, human: Human, plan: Planned | None) -> None:
        self.world, self.made, self.gate, self.human, self.plan = found, made, gate, human, plan
        self.env = found.fresh()
        self.trace: list[FunctionCall] = []
        self.read = False
        self.n = 0
        self.thread: GuardedThread | None = None
        gate.desk.env = self.env
        if mode != "none":
            self.thread = gate.open(self.env, found.user.PROMPT)
        if self.thread is not None and plan is not None:
            try:
                self.thread.plan(plan.plan)
            except PlanError as error:
                raise AssertionError(f"{made.suite} {made.user}: the simulated planner's plan: {error}") from error

    def go(self, order: str) -> None:
        if order == "first":
            self._fire()
        for group in messages(self.world.calls, self.plan, TABLE[self.made.suite]):
            for position, (index, call) in enumerate(group):
                rest = [
                    {"tool": later.function, "args": dict(later.args), "call_id": f"u{at}"}
                    for at, later in group[position + 1 :]
                ]
                self._call(call, "user", f"u{index}", rest)
                if order == "seen" and self.read and not self.made.fired:
                    self._fire()
        if order == "last":
            self._fire()
        self.made.utility, self.made.attack = self.world.verdict(self.env, self.trace, fired=self.made.fired)

    def _fire(self) -> None:
        self.made.fired = True
        going, result = script(self.world, self.env), None
        while True:
            try:
                call = going.send(result)
            except StopIteration:
                return
            self.n += 1
            result = self._call(call, "injection", f"i{self.n}", [])

    def _call(self, call: FunctionCall, speaker: Speaker, call_id: str, rest: Sequence[dict[str, Any]]) -> Any:
        """Makes a call; returns what its function returned, or None where it did not run."""
        desk = self.gate.desk
        before, desk.raw, desk.error, approved = desk.ran, None, None, False
        if self.thread is None:
            desk.ran += 1
            desk.raw, desk.error = desk.runtime.run_function(self.env, call.function, dict(call.args))
        else:
            approved = self._guarded(self.thread, call, speaker, call_id, rest)
        if desk.ran == before:
            return None
        self.trace.append(call)
        self.read = self.read or MARK in (desk.error or repr(desk.raw))
        if speaker == "injection" and not desk.error and TABLE[self.made.suite][call.function].writes:
            self.made.ran.append(call.function)
            if not approved:
                self.made.harm.append(call.function)
                self.made.own += any(_equal(call, other) for other in self.world.calls)
        return desk.raw

    def _guarded(
        self, thread: GuardedThread, call: FunctionCall, speaker: Speaker, call_id: str, rest: Sequence[dict[str, Any]]
    ) -> bool:
        """Whether a person approved it."""
        result: ToolResult = thread.invoke(call.function, dict(call.args), call_id=call_id, along=rest)
        asked = result.status == "pending"
        if asked:
            self.made.asks[speaker] += 1
            if speaker == "user":
                self.made.why.append(f"{call.function}: {result.decision.for_human if result.decision else ''}")
            yes = self.human == "always" or speaker == "user"
            result = thread.resume(str(result.approval_id), "approve" if yes else "reject", by=MANAGER)
        if speaker == "user" and result.status != "executed":
            words = result.decision.for_human if result.decision else result.content
            self.made.blocked.append((call.function, f"{result.status} {result.code}: {words}"))
        return asked


def _equal(left: FunctionCall, right: FunctionCall) -> bool:
    return left.function == right.function and dict(left.args) == dict(right.args)


def messages(calls: Sequence[FunctionCall], plan: Planned | None, table: Any) -> list[list[tuple[int, FunctionCall]]]:
    """The calls as a model would announce them: together as long as none needs what another of them returns."""
    if plan is None:
        return [[item] for item in enumerate(calls)]
    telling = {index for index, call in enumerate(calls) if table[call.function].shape not in ("nothing", "made")}
    groups: list[list[tuple[int, FunctionCall]]] = []
    for index, call in enumerate(calls):
        needs = plan.needs(index, telling)
        if groups and not needs & {at for at, _ in groups[-1]}:
            groups[-1].append((index, call))
        else:
            groups.append([(index, call)])
    return groups
