"""No guard at all: whatever is asked for runs. Every case must call this BYPASSED, or the case checks nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.bypass.handle import Answer, Handle, Person, Question, parsed
from benchmarks.bypass.need import Need

__all__ = ["Everything"]


class _Handle(Handle):
    def __init__(self, need: Need) -> None:
        super().__init__(need)
        self._asked: list[Question] = []

    def ask(self, tool: str, args: Mapping[str, Any] | str, call_id: str | None) -> Answer:
        readings = [parsed(args)]
        if isinstance(args, str):  # of a key that is written twice, somebody reads the first
            first = json.loads(args, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
            readings += [first] if repr(first) != repr(readings[0]) and dict(readings[0]) != first else []
        self._asked.append(Question(str(len(self._asked)), tool, readings[0]))
        for reading in readings:
            self._run(tool, reading)
        return Answer("executed", self._asked[-1].id)

    def _run(self, tool: str, args: Mapping[str, Any]) -> None:
        found = self.need.tool(tool)
        defaults = {name: arg.default for name, arg in found.args.items() if name not in args} if found else {}
        self.desk.run(tool, {**defaults, **args})

    def agree(self, question: str, by: Person, edit: tuple[str, Mapping[str, Any]] | None) -> Answer:
        asked = self._asked[int(question)]
        self._run(*(edit or (asked.tool, asked.args)))
        return Answer("executed")

    def reject(self, question: str, by: Person | None = None) -> None:
        """It runs anyway."""

    def batch(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        for tool, args in calls:
            self.propose(tool, args)

    def pending(self) -> list[Question]:
        return []

    def change(self, need: Need) -> None:
        """Nobody looks."""

    def wait(self, seconds: int) -> None:
        """Nobody looks at the clock."""


class Everything:
    """The system without a guard."""

    name = "everything"

    def about(self) -> str:
        return "no guard"

    def open(self, need: Need) -> Handle:
        return _Handle(need)
