"""The fake tools, which record what they were really called with, and what a need forbids about that."""

from __future__ import annotations

import inspect
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.bypass.need import JSON, REQUIRED, Arg, Need, Tool

__all__ = ["Desk", "LostReply", "Ran", "short", "wrong"]


class LostReply(RuntimeError):
    """A fake tool did its work and the answer was lost."""


@dataclass(frozen=True)
class Ran:
    """One call as the tool's function really saw it."""

    tool: str
    args: Mapping[str, JSON]


class Desk:
    """The toolbox: fake tools that record what they were called with.

    ``fails`` lets a tool raise after its effect, as if the reply were lost; ``slow_s`` is how long an effect takes.
    """

    def __init__(self, need: Need) -> None:
        self.need = need
        self.ran: list[Ran] = []
        self.fails = False
        self.slow_s = 0.0

    def run(self, name: str, args: Mapping[str, JSON]) -> dict[str, JSON]:
        """The effect."""
        if self.slow_s:
            time.sleep(self.slow_s)
        self.ran.append(Ran(name, dict(args)))
        if self.fails:
            raise LostReply("the reply was lost")
        return {"done": len(self.ran)}

    def function(self, tool: Tool, *, closed: bool = True) -> Callable[..., dict[str, JSON]]:
        """The tool as a Python function of its own signature, defaults filled.

        Args:
            closed: with the arguments that the model may not set.
        """
        kinds: dict[str, Any] = {"text": str, "integer": int, "number": float, "moment": str}
        shown = tool.args if closed else tool.open_args
        signature = inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if arg.default is REQUIRED else arg.default,
                    annotation=kinds[arg.kind],
                )
                for name, arg in shown.items()
            ]
        )

        def function(**given: JSON) -> dict[str, JSON]:
            bound = signature.bind(**given)
            bound.apply_defaults()
            return self.run(tool.name, bound.arguments)

        function.__name__ = function.__qualname__ = tool.name
        function.__doc__ = f"Does {tool.name}."
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function


def wrong(need: Need, ran: Ran) -> str | None:
    """What the need forbids about a call that ran, or None."""
    tool = need.tool(ran.tool)
    if tool is None:
        return f"{ran.tool!r} is no tool"
    if tool.permitted != "yes":
        return f"{ran.tool} is not permitted"
    for name, value in ran.args.items():
        arg = tool.args.get(name)
        if arg is None:
            return f"{name} is no argument"
        if (not arg.opened or arg.added) and value != arg.default:
            return f"{name} was set to {short(value)}"
        problem = _problem(arg, value)
        if problem:
            return f"{name} = {short(value)} {problem}"
    return None


def _problem(arg: Arg, value: JSON) -> str | None:
    if arg.one_of and not (isinstance(value, str) and value in arg.one_of):
        return "is none of the permitted values"
    if arg.pattern is not None and not (isinstance(value, str) and re.fullmatch(arg.pattern, value)):
        return "does not match the pattern"
    if arg.max_length is not None and not (isinstance(value, str) and len(value) <= arg.max_length):
        return "is too long"
    if arg.minimum is None and arg.maximum is None:
        return None
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, bool) or not finite:
        return "is no number"
    if (arg.minimum is not None and value < arg.minimum) or (arg.maximum is not None and value > arg.maximum):
        return "is out of bounds"
    return None


def short(value: JSON) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "(nested without end)"
    return text if len(text) <= 40 else f"{text[:37]}..."
