"""What is told of, and what telling gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent_guard.facts import Facts, RecordFact
from agent_guard.policies.speech import Clause, Speech
from agent_guard.policy import Policy, ToolRule
from agent_guard.tool import Tool
from agent_guard.types import Objection, ToolCall

__all__ = ["Case", "Teller", "Told", "shown"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call with everything that was known of it.

    Args:
        objection: what the guard that is told of has against it.
    """

    call: ToolCall
    tool: Tool | None
    policy: Policy
    facts: Facts
    speech: Speech
    objection: Objection | None = None

    @property
    def rule(self) -> ToolRule | None:
        """The tool's entry in the policy."""
        return self.policy.tools.get(self.call.tool) if self.tool else None


@dataclass(frozen=True)
class Told:
    """Clauses of one sentence, and what would have to change for the guard to have nothing against the call."""

    clauses: list[Clause]
    changes: list[Clause] = field(default_factory=list)


Teller = Callable[[Case], Told]


def shown(record: RecordFact) -> str:
    """A record with its name, which is a pseudonym."""
    return f"{record.ref} ({record.name})" if record.name else record.ref
