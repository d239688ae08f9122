"""Which conversations die, by which door of LangGraph, and at how many of their steps: the same on each database.

What a run kills can be read from this table, because a conversation that takes fewer steps than stand here fails.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MESSAGES", "PLAN", "TOOLS", "Dying"]

TOOLS = {
    "approved": ("deal.move",),
    "proposed": ("deal.move",),
    "keyed": ("task.make",),
    "unkeyed": ("note.send",),
    "pair": ("deal.move", "task.make"),
    "list": ("deal.read", "task.make", "deal.move"),
}
"""The kinds of conversation, each with the calls of the model's one message: what comes after an approval, what comes
before it, calls that nobody is asked about; and of messages with several calls what comes after an approval, which is
the call it was given for and one that needs none, and what comes before it, which is a read, a write and the question.
"""


@dataclass(frozen=True)
class Dying:
    """One kind of conversation by one door.

    Args:
        kind: of ``TOOLS``.
        door: ``session``, or the durability of a graph that is run without one.
        loop: on an event loop.
        every: a process is killed at one of so many steps.
        steps: the conversation has at least so many.
    """

    kind: str
    door: str
    loop: bool
    every: int
    steps: int

    @property
    def tools(self) -> tuple[str, ...]:
        """What the model calls, in one message."""
        return TOOLS[self.kind]

    @property
    def tool(self) -> str:
        """The first of them, which is the only one outside ``MESSAGES``."""
        return self.tools[0]

    @property
    def approved(self) -> bool:
        """It begins with the answer to a question."""
        return self.kind in ("approved", "pair")

    @property
    def writes(self) -> tuple[str, ...]:
        """Which of the calls change something."""
        return tuple(name for name in self.tools if name != "deal.read")

    @property
    def effects(self) -> int:
        """How many changes there are up to the end of what dies."""
        return len(self.writes) - (self.kind in ("proposed", "list"))

    @property
    def durability(self) -> str:
        """LangGraph's; a session's is sync."""
        return "sync" if self.door == "session" else self.door

    @property
    def kills(self) -> int:
        """How many processes are killed at least, on each database."""
        return self.steps // self.every

    def __str__(self) -> str:
        return f"{self.kind}-{self.door}{'-loop' if self.loop else ''}"


PLAN = [
    Dying("approved", "session", False, 1, 50),
    Dying("approved", "sync", False, 1, 50),
    Dying("approved", "async", False, 1, 50),
    Dying("approved", "exit", False, 1, 34),
    Dying("approved", "session", True, 2, 50),
    Dying("approved", "sync", True, 1, 50),
    Dying("approved", "async", True, 2, 50),
    Dying("approved", "exit", True, 3, 34),
    Dying("proposed", "session", False, 3, 34),
    Dying("proposed", "sync", False, 1, 34),
    Dying("proposed", "async", False, 3, 34),
    Dying("proposed", "exit", False, 2, 22),
    Dying("proposed", "sync", True, 3, 34),
    Dying("keyed", "session", False, 4, 54),
    Dying("keyed", "sync", False, 1, 54),
    Dying("keyed", "async", False, 1, 54),
    Dying("keyed", "exit", False, 1, 34),
    Dying("keyed", "session", True, 3, 54),
    Dying("keyed", "sync", True, 1, 54),
    # without a checkpoint for each step a call without a key is another call when its node runs again
    Dying("unkeyed", "session", False, 6, 54),
    Dying("unkeyed", "sync", False, 4, 54),
    Dying("unkeyed", "sync", True, 6, 54),
]

MESSAGES = [
    Dying("pair", "session", False, 7, 70),
    Dying("pair", "sync", False, 6, 70),
    Dying("pair", "async", False, 7, 70),
    Dying("list", "session", False, 9, 70),
    Dying("list", "sync", False, 8, 70),
    Dying("list", "async", False, 9, 70),
]
"""Conversations whose model calls several tools in one message."""
