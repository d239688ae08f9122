"""The articles that support answers from: Markdown files, one passage a paragraph, found by the words they hold.

    articles/en/invoices.md       # Title, then paragraphs; the third is the passage en/invoices#3

The ranking is BM25 over stems (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009), with its usual
constants; no model, no index on disk. A base of some thousand passages is searched in milliseconds. With a
:class:`tools.meaning.Meaning` passages that say the same in other words are added behind those that share words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from agent_guard.errors import ConfigError
from tools.grounding.language import EMPTY, Language
from tools.grounding.tokens import sentences, tokens
from tools.meaning import Meaning, Vector, nearness

__all__ = ["LANGUAGES", "TEXT_MAX", "TITLE_MAX", "KnowledgeBase", "Passage"]

LANGUAGES: tuple[Language, ...] = ("en", "ru", "pl")
K1, B = 1.2, 0.75
TITLE_WEIGHT = 2
TITLE_MAX, TEXT_MAX = 200, 2000
PASSAGES_MAX = 999

NEAR = 0.48
"""From which cosine on a passage counts as saying the same; set on the sample articles, where what they do not speak of
stays below 0.45.
"""

_NAME = re.compile(r"[a-z0-9_]{1,60}")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One paragraph of an article; ``id`` is what a sentence cites."""

    id: str
    language: Language
    title: str
    text: str


@dataclass(frozen=True)
class KnowledgeBase:
    """All passages, by id.

    Args:
        meaning: finds passages in other words than the query's; without it words alone count.
    """

    passages: Mapping[str, Passage] = field(repr=False)
    meaning: Meaning | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: Path, meaning: Meaning | None = None) -> KnowledgeBase:
        """Reads ``folder/<language>/*.md``.

        Raises:
            ConfigError: the folder has no articles, an article no title or no passage, a file is not in UTF-8 or has a
                name that no citation can hold, or something is longer than a search gives; it names the file.
        """
        found: dict[str, Passage] = {}
        for language in LANGUAGES:
            for path in sorted((folder / language).glob("*.md")):
                try:
                    text = path.read_text(encoding="utf-8-sig")
                except UnicodeDecodeError:
                    raise ConfigError(f"{path}: it is not written in UTF-8; save it so") from None
                first, *paragraphs = [part.strip() for part in text.split("\n\n")]
                paragraphs = [" ".join(part.split()) for part in paragraphs if part]
                if not first.startswith("# ") or not paragraphs:
                    raise ConfigError(f"{path}: an article begins with '# Title' and has at least one paragraph")
                if problem := _problem(path.stem, first[2:].strip(), paragraphs):
                    raise ConfigError(f"{path}: {problem}")
                for number, text in enumerate(paragraphs, 1):
                    name = f"{language}/{path.stem}#{number}"
                    found[name] = Passage(id=name, language=language, title=first[2:].strip(), text=text)
        if not found:
            raise ConfigError(f"{folder} has no articles; put them into {folder}/en, /ru or /pl as Markdown files")
        return cls(found, meaning)

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """Id -> text."""
        return {name: passage.text for name, passage in self.passages.items()}

    @cached_property
    def names(self) -> Mapping[Language, frozenset[str]]:
        """The words of each language that are written as names inside sentences, in small letters."""
        found: dict[Language, set[str]] = {language: set() for language in LANGUAGES}
        for passage in self.passages.values():
            for part in sentences(passage.text):
                named = (token.text.casefold() for token in tokens(part, passage.language) if token.named)
                found[passage.language].update(named)
        return {language: frozenset(words) for language, words in found.items()}

    def search(self, query: str, language: Language, most: int) -> list[Passage]:
        """The passages of a language that share words with the query, the best first, and behind them those that are
        near to it in meaning; none where there are none.
        """
        index = self._index[language]
        wanted = {key for token in tokens(query, language) for key in _keys(token.text, token.same, language)}
        scores: Counter[str] = Counter()
        for key in wanted:
            holding = index.counts.get(key, {})
            rarity = math.log(1 + (len(index.lengths) - len(holding) + 0.5) / (len(holding) + 0.5))
            for name, count in holding.items():
                long = 1 - B + B * index.lengths[name] / index.mean
                scores[name] += rarity * count * (K1 + 1) / (count + K1 * long)  # type: ignore[assignment]
        best = sorted(scores, key=lambda name: (-scores[name], name))
        best += [name for name in self._near(query, language) if name not in scores]
        return [self.passages[name] for name in best[:most]]

    def _near(self, query: str, language: Language) -> list[str]:
        """The passages that are near to the query, the nearest first."""
        asked = None if self.meaning is None else self.meaning.of(query, language)
        if asked is None:
            return []
        found = {name: nearness(asked, vector) for name, vector in self._vectors[language].items()}
        return sorted((name for name in found if found[name] >= NEAR), key=lambda name: (-found[name], name))

    @cached_property
    def _vectors(self) -> Mapping[Language, Mapping[str, Vector]]:
        made: dict[Language, dict[str, Vector]] = {language: {} for language in LANGUAGES}
        for passage in self.passages.values():
            known = self.meaning and self.meaning.of(f"{passage.title} {passage.text}", passage.language)
            if known:
                made[passage.language][passage.id] = known
        return made

    @cached_property
    def _index(self) -> Mapping[Language, _Index]:
        return {language: self._indexed(language) for language in LANGUAGES}

    def _indexed(self, language: Language) -> _Index:
        counts: dict[str, dict[str, int]] = {}
        lengths: dict[str, int] = {}
        for passage in self.passages.values():
            if passage.language != language:
                continue
            words = [*tokens(passage.text, language), *TITLE_WEIGHT * tokens(passage.title, language)]
            lengths[passage.id] = len(words)
            for token in words:
                for key in _keys(token.text, token.same, language):
                    held = counts.setdefault(key, {})
                    held[passage.id] = held.get(passage.id, 0) + 1
        mean = sum(lengths.values()) / len(lengths) if lengths else 1.0
        return _Index(counts=counts, lengths=lengths, mean=mean)


@dataclass(frozen=True, kw_only=True)
class _Index:
    counts: Mapping[str, Mapping[str, int]]
    lengths: Mapping[str, int]
    mean: float


def _problem(name: str, title: str, paragraphs: Sequence[str]) -> str | None:
    """Why a search could not give an article's passages, or none could be cited."""
    if not _NAME.fullmatch(name):
        return "its name is part of every citation: 1 to 60 small Latin letters, digits and _"
    if len(title) > TITLE_MAX:
        return f"its title is longer than {TITLE_MAX} characters"
    if len(paragraphs) > PASSAGES_MAX:
        return f"it has more than {PASSAGES_MAX} paragraphs; part it"
    long = next((place for place, text in enumerate(paragraphs, 1) if len(text) > TEXT_MAX), None)
    return None if long is None else f"paragraph {long} is longer than {TEXT_MAX} characters; part it by an empty line"


def _keys(text: str, same: frozenset[str], language: Language) -> frozenset[str]:
    return frozenset() if text.casefold() in EMPTY[language] else same
