"""What a form sent as text becomes what the contract takes, and nothing else does."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from agent_guard.proposal.form import typed
from agent_guard.tool import tool

pytestmark = pytest.mark.req("A8", "A12")

Short = Annotated[str, Field(max_length=50)]


class Part(BaseModel):
    name: Short
    parts: list[Part] = []


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Colour(Enum):
    RED = "red"


class Everything(BaseModel):
    text: Short = ""
    number: int = 0
    share: float = 0.0
    money: Decimal = Decimal(0)
    yes: bool = False
    maybe: int | None = None
    words: Short | None = None
    either: int | Short = 0
    many: list[int] = []
    part: Part | None = None
    level: Level = Level.LOW
    colour: Colour = Colour.RED
    one: Literal[1, 2] = 1
    pair: tuple[int, int] = (0, 0)


@tool(name="form.fill", effect="read", timeout_s=1)
def fill(args: Everything) -> Part:
    """Takes one of each kind."""
    return Part(name="")


CASES: list[tuple[str, Any, Any, Any]] = [
    # name, as it came, as it was shown, as it is read
    ("number", "8", 5, 8),
    ("number", " 8 ", 5, 8),
    ("number", "-8", None, -8),
    ("number", "8.0", 5, "8.0"),
    ("number", "true", 5, "true"),
    ("number", '"8"', 5, '"8"'),
    ("number", "eight", 5, "eight"),
    ("number", "", 5, ""),
    ("number", 8, 5, 8),
    ("share", "0.5", 0.1, 0.5),
    ("share", "1", 0.1, 1),
    ("money", "12.50", "10", "12.50"),
    ("yes", "true", False, True),
    ("yes", "1", False, "1"),
    ("yes", "yes", False, "yes"),
    ("maybe", "null", 5, None),
    ("maybe", "7", None, 7),
    ("words", "null", None, None),
    ("words", "null", "abc", "null"),
    ("words", "7", None, "7"),
    ("words", "Call them", None, "Call them"),
    ("text", "true", "x", "true"),
    ("text", "[1]", "x", "[1]"),
    ("either", "7", 7, 7),
    ("either", "8", 7, "8"),
    ("either", "true", 1, "true"),
    ("many", "[1, 2]", [1], [1, 2]),
    ("many", "[", [1], "["),
    ("many", '{"a": 1}', [1], '{"a": 1}'),
    ("part", '{"name": "a", "parts": []}', None, {"name": "a", "parts": []}),
    ("part", "null", {"name": "a"}, None),
    ("level", "2", 1, 2),
    ("colour", "red", "red", "red"),
    ("one", "2", 1, 2),
    ("pair", "[1,2]", [0, 0], [1, 2]),
    ("unknown", "7", None, "7"),
    ("many", "[" * 5000, [1], "[" * 5000),
]


@pytest.mark.parametrize(("name", "came", "shown", "read"), CASES, ids=repr)
def test_one_field(name: str, came: Any, shown: Any, read: Any) -> None:
    """The value, and its type: true is not 1."""
    (found,) = typed(fill, {name: came}, {name: shown}).values()
    assert (found, type(found)) == (read, type(read))


def test_an_unknown_tool_changes_nothing() -> None:
    """A question about a tool that this gateway does not have is left as it is."""
    assert typed(None, {"number": "8"}, {}) == {"number": "8"}


def test_a_contract_that_is_its_own_part() -> None:
    """A recursive args model is read as well."""

    @tool(name="form.part", effect="read", timeout_s=1)
    def part(args: Part) -> Part:
        """Takes a part."""
        return args

    assert typed(part, {"name": "7", "parts": "[]"}, {}) == {"name": "7", "parts": []}
