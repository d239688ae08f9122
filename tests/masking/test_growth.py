"""Work that grows with a text, and not with its square: a customer chooses what is said, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.resolve import _overlapping
from agent_guard.types import Span

pytestmark = pytest.mark.req("A21", "B7")


class Counted(list[Span]):
    """A list that counts how often it is looked at."""

    looks = 0

    def __getitem__(self, at: Any) -> Any:
        self.looks += 1
        return super().__getitem__(at)

    def __iter__(self) -> Any:
        raise AssertionError("all of them were looked at")


def test_a_name_that_is_said_a_thousand_times_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short form is held against each longer name of its text, not against each place where that one stands."""
    compared: list[Any] = []

    def compare(one: Any, other: Any) -> str:
        compared.append((one, other))
        return "part"

    monkeypatch.setattr("agent_guard.masking.masker.compare", compare)
    text = "Anna, Anna Kowalska; " * 1000
    spans = []
    for at in range(0, len(text), 21):
        spans += [Span(start=at + a, end=at + b, type="PERSON", score=1.0, source="x") for a, b in ((0, 4), (6, 19))]
    vault = MemoryVault()
    tokens = Masker(profile="patterns")._tokens(text, spans, vault, "party", "m1")
    assert tokens == ["<PERSON_1>"] * 2000 and len(vault.entries()) == 1
    assert len(compared) == 1


@pytest.mark.parametrize("at", [0, 5000, 9990, 20000])
def test_an_overlap_is_looked_for_where_it_can_be(at: int) -> None:
    """Among a thousand findings that do not overlap, the few beside the new one are looked at."""
    chosen = Counted(Span(start=n, end=n + 8, type="PERSON", score=1.0, source="x") for n in range(0, 10000, 10))
    span = Span(start=at, end=at + 15, type="PERSON", score=1.0, source="x")
    assert _overlapping(chosen, span) == [(n, n + 8) for n in (at, at + 10) if n < 10000]
    assert chosen.looks < 30
