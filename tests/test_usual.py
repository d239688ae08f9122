"""What an argument is when nobody says anything of it, and what is decided without a word."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel, Field

from agent_guard.usual import decisions, defaults, free_keys, inside, usually

pytestmark = pytest.mark.req("B1", "B12")


class Colour(Enum):
    RED = "red"


class Options(BaseModel):
    loud: bool = False
    team: str | None = "all"
    tags: list[str] = []


class Order(BaseModel):
    id: int
    options: Options = Options()
    each: list[Options] = []
    by_name: dict[str, int] = {}
    by_colour: dict[Colour, Options] = {}
    made: list[str] = Field(default_factory=lambda: ["x"])


def order(**given: Any) -> Order:
    """An order with these arguments."""
    return Order.model_validate({"id": 1} | given)


def decided(name: str, **given: Any) -> list[str]:
    """What of one argument is decided."""
    whole = order(**given)
    return list(decisions(whole.model_dump(mode="json")[name], inside(whole, name), usually(whole, name)))


def test_defaults_are_json_at_the_top() -> None:
    """An argument that must be given has none; a factory's value is one."""
    assert defaults(Order) == {
        "options": {"loud": False, "team": "all", "tags": []}, "each": [], "by_name": {}, "by_colour": {}, "made": ["x"],
    }  # fmt: skip
    assert usually(order(), "id") != 1
    assert usually({"id": 1}, "id") != 1


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [
        ("options", {}, []),
        ("options", {"options": {"loud": True}}, ["yes"]),
        ("options", {"options": {"team": None}}, ["(nothing)"]),
        ("options", {"options": {"team": " "}}, ["(empty)"]),
        ("options", {"options": {"team": "red", "tags": ["a"]}}, []),
        ("each", {"each": []}, []),
        ("each", {"each": [{}, {"loud": True, "tags": []}]}, ["yes"]),
        ("made", {"made": []}, ["(empty)"]),
        ("by_colour", {"by_colour": {"red": {"loud": True}}}, ["yes"]),
    ],
)
def test_what_is_decided_without_a_word(name: str, given: dict[str, Any], found: list[str]) -> None:
    """Switches, emptied fields and values taken back, wherever they are not the default."""
    assert decided(name, **given) == found


def test_only_keys_of_dictionaries_are_chosen() -> None:
    """The names of a model's fields are the contract's; an enum's key is its word in JSON."""
    whole = order(by_name={"Anna": 1}, by_colour={"red": {}})
    assert sorted(free_keys(whole)) == ["Anna", "red"]
    assert inside(inside(whole, "by_colour"), "red") == Options()
    assert inside(inside(whole, "made"), 0) == "x"
    assert inside(inside(whole, "made"), 1) is None
