"""The same call in another spelling runs once."""

from __future__ import annotations

from typing import Any

from benchmarks.bypass.cases.shared import call, calls, need, together
from benchmarks.bypass.handle import Handle
from benchmarks.bypass.need import Arg, Tool
from benchmarks.bypass.suite import Case

__all__ = ["CASES"]

_TASK = Tool(name="create_task", args={"title": Arg(), "note": Arg()}, once_by=("title",))
_PAY = Tool(name="record_payment", args={"amount": Arg(kind="number")}, once_by=("amount",))
_BOOK = Tool(name="book_slot", args={"start": Arg(kind="moment")}, once_by=("start",))


def _again(variant: str, tool: Tool, first: Any, second: Any) -> Case:
    """Two calls that mean one; the first is lawful."""
    attack = calls(call(tool.name, first), call(tool.name, second))
    return Case(
        group="the same call again", variant=variant, need=need(tool), attack=attack, most={tool.name: 1},
        lawful=call(tool.name, first),
    )  # fmt: skip


def _title(variant: str, first: str, second: str) -> Case:
    return _again(variant, _TASK, {"title": first, "note": "x"}, {"title": second, "note": "x"})


def _lost_reply(handle: Handle) -> None:
    handle.desk.fails = True
    for _ in range(2):
        handle.propose("create_task", {"title": "Call Anna", "note": "x"})


def _at_once(handle: Handle) -> None:
    handle.desk.slow_s = 0.05
    together(8, lambda n: handle.propose("create_task", {"title": "Call Anna", "note": f"x{n}"}))


_FIRST = call("create_task", title="Call Anna", note="x")

CASES = [
    _title("word for word", "Call Anna", "Call Anna"),
    _again(
        "other order of keys",
        _TASK,
        '{"title": "Call Anna", "note": "x"}',
        '{"note": "x",   "title": "Call Anna"}',
    ),
    _again(
        "another argument that does not count", _TASK, {"title": "Call", "note": "x"}, {"title": "Call", "note": "y"}
    ),
    _title("spaces", "Call Anna", " Call  Anna "),
    _title("case", "Call Anna", "CALL anna"),
    _title("full width", "Call 7", "Call \uff17"),
    _title("look-alike letter", "Call", "C\N{CYRILLIC SMALL LETTER A}ll"),
    _title("zero width", "Call", "Ca\u200bll"),
    _title("composed and decomposed", "Call Zo\u00eb", "Call Zoe\u0308"),
    _again("1 and 1.0", _PAY, '{"amount": 1}', '{"amount": 1.0}'),
    _again("another time zone", _BOOK, {"start": "2026-01-05T10:00:00Z"}, {"start": "2026-01-05T12:00:00+02:00"}),
    Case(
        group="the same call again",
        variant="after the tool's reply was lost",
        need=need(_TASK),
        attack=_lost_reply,
        most={_TASK.name: 1},
        lawful=_FIRST,
    ),
    Case(
        group="the same call again",
        variant="eight at once",
        need=need(_TASK),
        attack=_at_once,
        most={_TASK.name: 1},
        lawful=_FIRST,
    ),
]
