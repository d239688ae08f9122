"""A corridor: what leads into a scenario, and what may be done there. Data in ``intents.yaml`` beside the scenario."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from agent_guard.errors import ConfigError
from agent_guard.routing.files import Closed, Language, Text, load, sentence
from agent_guard.routing.pattern import Pattern

__all__ = ["WEIGHTS", "Corridor", "Signal"]

WEIGHTS: Mapping[str, int] = {"strong": 3, "fair": 2, "weak": 1, "against": -2}
"""What one pattern adds. Two points open a corridor; a strong signal of a second corridor makes the request unclear."""

Patterns = dict[Language, list[Text]]


class _File(Closed):
    version: Annotated[int, Field(ge=1, le=1)]
    scenario: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
    needs_party: bool
    scope: list[Text] | Literal["policy"]
    label: dict[Language, Text]
    terms: dict[Language, dict[str, Text]] = Field(default_factory=dict)
    strong: Patterns
    fair: Patterns = Field(default_factory=dict)
    weak: Patterns = Field(default_factory=dict)
    against: Patterns = Field(default_factory=dict)
    examples: Patterns


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One pattern of a corridor.

    Args:
        weight: what it adds when it matches, however often it does.
    """

    pattern: Pattern
    weight: int


@dataclass(frozen=True, kw_only=True)
class Corridor:
    """One scenario's corridor.

    Args:
        scope: the tools that a thread in it may use, or None for the scenario's whole policy.
        needs_party: an authenticated customer must be there; the text never says who that is.
        label: what is done there, for the question back, by language.
        examples: requests that lead there, by language; the tests route them.
    """

    name: str
    scope: frozenset[str] | None
    needs_party: bool
    label: Mapping[Language, str]
    signals: tuple[Signal, ...]
    examples: Mapping[Language, Sequence[str]]

    @classmethod
    def load(cls, path: str | Path) -> Corridor:
        """Reads one ``intents.yaml``.

        Raises:
            ConfigError: it cannot be read or is not of the format; the message names file, line and key.
        """
        file, lines = load(Path(path), _File)
        if file.scope == []:
            raise ConfigError(sentence(Path(path), lines, ("scope",), "names no tool; write 'policy' for all of them"))
        return cls(
            name=file.scenario,
            scope=None if file.scope == "policy" else frozenset(file.scope),
            needs_party=file.needs_party,
            label=dict(file.label),
            signals=tuple(_signals(Path(path), file, lines)),
            examples=dict(file.examples),
        )


def _signals(path: Path, file: _File, lines: Mapping[tuple[Hashable, ...], int]) -> list[Signal]:
    out = []
    for name, weight in WEIGHTS.items():
        for language, sources in getattr(file, name).items():
            for index, source in enumerate(sources):
                try:
                    pattern = Pattern.parse(source, terms=file.terms.get(language))
                except ValueError as error:
                    raise ConfigError(sentence(path, lines, (name, language, index), str(error))) from None
                out.append(Signal(pattern=pattern, weight=weight))
    return out
