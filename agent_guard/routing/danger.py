"""What never enters a corridor, whatever else a request says: destruction, mass mail, exports, rights, injections.

The kinds are data (``danger.yaml``). A negated act is none ("do not delete anything"), an act that a customer is
reported to ask for goes to a person, and every other hit refuses. Disguised readings of the text count as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from agent_guard.errors import ConfigError
from agent_guard.routing.disguise import decoded, disguises, scrambled
from agent_guard.routing.files import Closed, Language, Text, load, sentence
from agent_guard.routing.pattern import Pattern
from agent_guard.routing.reading import Reading, letters, read
from agent_guard.routing.typos import Vocabulary

__all__ = ["Danger", "Finding", "shipped"]

BEFORE, AFTER = 12, 6
"""How many words around an act are searched for who is said to ask for it."""

_SHIPPED = Path(__file__).with_name("danger.yaml")

Patterns = dict[Language, list[Text]]


class _Kind(Closed):
    name: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    outcome: Literal["refuse", "human"]
    negatable: bool = True
    reportable: bool = False
    unless: Patterns = Field(default_factory=dict)
    patterns: Patterns


class _File(Closed):
    version: Annotated[int, Field(ge=1, le=1)]
    turns: Patterns
    rejected: Patterns
    others: Patterns
    negators: Patterns
    between: Patterns
    reported: Patterns
    harmless: Patterns
    known: Patterns
    terms: dict[str, Text]
    kinds: list[_Kind]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found: the kind of danger and what becomes of the request."""

    kind: str
    outcome: Literal["refuse", "human"]


@dataclass(frozen=True, kw_only=True)
class _Act:
    kind: _Kind
    pattern: Pattern
    unless: tuple[Pattern, ...]


class Danger:
    """The shipped dangers, read once; see ``danger.yaml``.

    Args:
        path: another file, for tests.

    Raises:
        ConfigError: the file is not of the format.
    """

    def __init__(self, path: Path = _SHIPPED) -> None:
        file, lines = load(path, _File)
        but = [letters(word) for word in _flat(file.harmless)]

        def parse(source: str, *loc: str | int) -> Pattern:
            try:
                return Pattern.parse(source, terms=file.terms, but=but)
            except ValueError as error:
                raise ConfigError(sentence(path, lines, loc, str(error))) from None

        def all_of(sources: Patterns, *loc: str | int) -> list[Pattern]:
            return [parse(text, *loc, key, at) for key, texts in sources.items() for at, text in enumerate(texts)]

        self.turns = {key: frozenset(letters(word) for word in words) for key, words in file.turns.items()}
        self._rejected = all_of(file.rejected, "rejected")
        self._others = all_of(file.others, "others")
        self._reported = all_of(file.reported, "reported")
        self._acts = [
            _Act(kind=kind, pattern=pattern, unless=tuple(all_of(kind.unless, "kinds", index, "unless")))
            for index, kind in enumerate(file.kinds)
            for pattern in all_of(kind.patterns, "kinds", index, "patterns")
        ]
        self.known = [*all_of(file.known, "known"), *(Pattern.parse(word) for word in but)]
        # " not" and "please ": a negation, then what may stand between it and its act
        negators = "|".join(_bare(item)[:-1] for item in all_of(file.negators, "negators"))
        between = "|".join(_bare(item)[1:] for item in all_of(file.between, "between"))
        self._negator = re.compile(f"(?:{negators})(?= )")
        self._negated = re.compile(f"(?:{negators}) (?:{between}){{0,6}}$")

    @property
    def patterns(self) -> list[Pattern]:
        """Every pattern whose words may be misspelt."""
        return [*(act.pattern for act in self._acts), *self._rejected]

    def read(self, text: str, language: Language, vocabulary: Vocabulary | None = None) -> Reading:
        """A text in words and clauses, misspelt words as they were meant where there is a vocabulary."""
        return read(text, turns=self.turns.get(language, ()), spell=vocabulary.spell if vocabulary else str)

    def rejects(self, clause: str) -> bool:
        """Whether a clause says what is not wanted."""
        return any(item.regex.search(clause) for item in self._rejected)

    def names_others(self, clause: str) -> bool:
        """Whether a clause names records in bulk; one that no corridor explains asks for something else."""
        return any(item.regex.search(clause) for item in self._others)

    def find(self, text: str, language: Language, vocabulary: Vocabulary) -> Finding | None:
        """The worst that a text asks for in any of its readings, or None.

        Args:
            text: as it was written; pseudonyms are fine.
        """
        worst: Finding | None = None
        for found in self._findings(text, language, vocabulary):
            if found.outcome == "refuse":
                return found
            worst = worst or found
        return worst or (Finding(kind="encoded", outcome="human") if decoded(text) else None)

    def _findings(self, text: str, language: Language, vocabulary: Vocabulary) -> Iterator[Finding]:
        for form in (text, *disguises(text)):
            yield from self._in(self.read(form, language, vocabulary))
        for form in scrambled(text):
            yield from self._in(self.read(form, language))

    def _in(self, reading: Reading) -> Iterator[Finding]:
        acts = [act for act in self._acts if act.pattern.may_match(reading.beginnings)]
        hits = [(act, *span) for act in acts for span in _spans(act.pattern, reading)]
        asked = {at for act, begin, end, _ in hits if act.kind.outcome == "human" for at in range(begin, end)}
        other = {act.kind.name: {verb for item in act.unless for *_, verb in _spans(item, reading)} for act in acts}
        for act, begin, end, verb in hits:
            kind = act.kind
            if (kind.negatable and self._is_negated(reading, verb)) or verb in other[kind.name]:
                continue
            if kind.outcome == "refuse" and kind.reportable and begin in asked and end - 1 in asked:
                continue  # a part of what a person has to look at anyway
            told = kind.reportable and self._is_reported(reading, verb)
            yield Finding(kind=kind.name, outcome="human" if told else kind.outcome)

    def _is_negated(self, reading: Reading, verb: int) -> bool:
        before = reading.before(reading.word_at(verb), most=BEFORE)
        # two negations are one act: "do not forget not to"
        return bool(self._negated.search(before)) and len(self._negator.findall(before)) == 1

    def _is_reported(self, reading: Reading, verb: int) -> bool:
        index = reading.word_at(verb)
        near = f" {' '.join(reading.words[max(0, index - BEFORE) : index + AFTER])} "
        return any(item.regex.search(near) for item in self._reported)


@cache
def shipped() -> Danger:
    """The dangers of this release."""
    return Danger()


def _bare(pattern: Pattern) -> str:
    return pattern.expression.replace("(?P<verb>)", "")


def _spans(pattern: Pattern, reading: Reading) -> Iterator[tuple[int, int, int]]:
    """Begin, end and verb of every match, those inside each other too."""
    for found in _matches(pattern.regex, reading.text):
        yield found.start(), found.end(), max(found.start("verb"), found.start() + 1)


def _matches(regex: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    at = 0
    while found := regex.search(text, at):
        yield found
        at = found.start() + 1


def _flat(sources: Mapping[Language, Sequence[str]]) -> list[str]:
    return [text for texts in sources.values() for text in texts]
