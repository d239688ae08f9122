"""Everything that ``policy check`` compares: tools, policies and people, and one tool's entry in one policy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent_guard.policies.finding import Finding, Level, Rule, Source
from agent_guard.policy import Policy, ToolRule
from agent_guard.tool import Tool
from agent_guard.types import Mode, Subject

__all__ = ["ENVIRONMENTS", "Entry", "Environment", "House"]

Environment = Literal["dev", "stage", "prod"]
ENVIRONMENTS: tuple[Environment, ...] = ("dev", "stage", "prod")


@dataclass(frozen=True, kw_only=True)
class House:
    """All of one application.

    Args:
        policies: scenario -> policy.
        sources: scenario -> the file the policy was read from, where it was.
        directory_roles: every role that somebody has, or None where that is not known.
        people: persons who are known, or None.
        environments: those in use.
    """

    tools: Mapping[str, Tool]
    policies: Mapping[str | None, Policy]
    sources: Mapping[str | None, Source] = field(default_factory=dict)
    directory_roles: frozenset[str] | None = None
    people: Collection[Subject] | None = None
    environments: Collection[str] = ENVIRONMENTS

    def entries(self) -> Iterator[Entry]:
        """The entries of all policies whose tool exists."""
        for scenario, policy in self.policies.items():
            for name, rule in policy.tools.items():
                if name in self.tools:
                    yield Entry(house=self, scenario=scenario, policy=policy, tool=self.tools[name], rule=rule)

    def where(self, scenario: str | None, *path: str | int) -> str:
        """A place in a policy as a reader finds it."""
        policy, source = self.policies[scenario], self.sources.get(scenario)
        place = ".".join(str(part) for part in path)
        head = f"{source.file}:{source.line(path)}" if source else policy.name
        return f"{head}: {place}" if place else head


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One tool's entry in one policy."""

    house: House
    scenario: str | None
    policy: Policy
    tool: Tool
    rule: ToolRule

    def error(self, rule: Rule, *path: str | int, says: str, hint: str) -> Finding:
        """An error at a key of this entry."""
        return self._finding("error", rule, path, says, hint)

    def warning(self, rule: Rule, *path: str | int, says: str, hint: str) -> Finding:
        """A warning at a key of this entry."""
        return self._finding("warning", rule, path, says, hint)

    def modes(self) -> dict[Environment, Mode]:
        """The mode in each environment that has one."""
        found = ((name, self.rule.mode_in(name)) for name in ENVIRONMENTS)
        return {name: mode for name, mode in found if mode is not None}

    def origins(self, argument: str) -> list[str] | None:
        """What the policy says of where an argument's value may come from, or None."""
        listed = self.rule.origins.get(argument)
        return None if listed is None else list(listed)

    def _finding(self, level: Level, rule: Rule, path: tuple[str | int, ...], says: str, hint: str) -> Finding:
        where = self.house.where(self.scenario, "tools", self.tool.name, *path)
        return Finding(level=level, rule=rule, where=where, message=says, hint=hint)
