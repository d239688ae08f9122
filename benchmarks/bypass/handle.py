"""A system under attack, as an adapter presents it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from benchmarks.bypass.desk import Desk, LostReply
from benchmarks.bypass.need import JSON, Need

__all__ = [
    "BOSS",
    "CLERK",
    "REQUESTER",
    "Answer",
    "CannotExpress",
    "Handle",
    "Person",
    "Question",
    "Refused",
    "System",
    "parsed",
]

Status = Literal["executed", "refused", "pending", "crashed"]


class CannotExpress(Exception):
    """The system has no way to say this; the message says what."""


class Refused(Exception):
    """The system refuses to be built like this, so nothing can run."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who answers a question."""

    id: str
    roles: frozenset[str]


REQUESTER = Person(id="u1", roles=frozenset({"sales", "manager"}))
"""For whom the agent works; a manager as well, so that only "not the requester" can stop them."""

BOSS = Person(id="m7", roles=frozenset({"manager"}))
CLERK = Person(id="c3", roles=frozenset({"clerk"}))


@dataclass(frozen=True)
class Question:
    """A call that waits for a person."""

    id: str
    tool: str
    args: Mapping[str, JSON]


@dataclass(frozen=True)
class Answer:
    """What a system said to a call; what ran is asked of the desk."""

    status: Status
    question: str = ""


class Handle(ABC):
    """One conversation in a system that was opened with a need. Adapters write the methods of the second half."""

    def __init__(self, need: Need) -> None:
        self.need = need
        self.desk = Desk(need)
        self.crashed = ""

    def propose(self, tool: str, args: Mapping[str, JSON] | str, call_id: str | None = None) -> Answer:
        """The model calls a tool.

        Args:
            args: an object, or the JSON text that the model wrote.
        """
        return self._caught(lambda: self.ask(tool, args, call_id))

    def approve(self, question: str, by: Person = BOSS, edit: tuple[str, Mapping[str, JSON]] | None = None) -> Answer:
        """A person agrees, perhaps with another tool or other arguments in place of the proposed."""
        return self._caught(lambda: self.agree(question, by, edit))

    def _caught(self, work: Callable[[], Answer]) -> Answer:
        try:
            return work()
        except CannotExpress:
            raise
        except LostReply:  # the tool's own exception, handed on
            return Answer("executed")
        except Exception as error:  # any exception is an answer here: did the call run all the same?
            self.crashed = type(error).__name__
            return Answer("crashed")

    # ---- an adapter's own

    @abstractmethod
    def ask(self, tool: str, args: Mapping[str, JSON] | str, call_id: str | None) -> Answer:
        """What the system makes of a call."""

    @abstractmethod
    def agree(self, question: str, by: Person, edit: tuple[str, Mapping[str, JSON]] | None) -> Answer:
        """What a person's yes leads to."""

    @abstractmethod
    def reject(self, question: str, by: Person = BOSS) -> None:
        """A person says no."""

    def batch(self, calls: Sequence[tuple[str, Mapping[str, JSON]]]) -> None:
        """The model makes several calls in one message; questions wait in :meth:`pending`."""
        for tool, args in calls:
            self.propose(tool, args)

    @abstractmethod
    def pending(self) -> list[Question]:
        """The questions that can be answered now."""

    @abstractmethod
    def change(self, need: Need) -> None:
        """The policy is changed while questions wait."""

    @abstractmethod
    def wait(self, seconds: int) -> None:
        """Time passes."""

    def rewind(self) -> None:  # noqa: B027 - most systems keep none
        """Back to the state in which the last question was asked, where a system keeps such states."""

    def close(self) -> None:  # noqa: B027 - most systems hold nothing
        """Gives everything back."""


class System(Protocol):
    """A guard for tool calls, as an adapter presents it."""

    name: str

    def about(self) -> str:
        """Name and version, as the table shows them."""
        ...

    def open(self, need: Need) -> Handle:
        """A new conversation under a policy that says what is needed.

        Raises:
            CannotExpress: the system has no words for it.
            Refused: the system does not start with such a policy.
        """
        ...


def parsed(args: Mapping[str, JSON] | str) -> Any:
    """Arguments as every framework reads a model's text: Python's own JSON parser."""
    return json.loads(args) if isinstance(args, str) else args
