"""Stop words: what a message must not hold, found whatever its inflection, case or disguise.

A list is a text file: one word or phrase a line, ``#`` begins a comment, ``"in quotes"`` is matched without inflection.
The language is what the file's name begins with (``ru.txt``, ``ru-custom.txt``); a language without rules in
``agent_guard.text.stems`` is matched as written. Words are whole words: ``class`` holds no stop word of three letters.

Disguises that are read: look-alike letters, full width, unseen characters, marks over letters, letters spaced out or
divided by signs, a word divided at the end of a line, words written together, and digits for letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from agent_guard.errors import ConfigError
from agent_guard.text.spelling import Seen, in_cyrillic, in_latin, invisible, seen, without_accents
from agent_guard.text.stems import keys
from agent_guard.units import sha256

__all__ = ["Hit", "StopList", "digest", "found", "load"]

_NAME = re.compile(r"[A-Za-z][\w.-]*\.txt")
_LANGUAGE = re.compile(r"[a-z]+")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_UNIT = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|%")
_JOINER = re.compile(r"[^\s\w@$%]{0,3}|_{1,3}|-[ \t]*\r?\n[ \t]*")
_LEET_JOINER = re.compile(r"[@$!]?")
_BREAK = re.compile(r"[.,!?;:…)]\s|@|\n\s*\n")
_SPACING = re.compile(r"\s{1,4}|[^\w\s]{1,2}|\s{0,2}(?:[^\w\s]|_)\s{0,2}")
_LEET = (
    str.maketrans("013457@$!8", "oieastasib"),
    str.maketrans("013457@$!8", "oleastasib"),
    str.maketrans("01346@", "оизаба"),
    str.maketrans("01346@", "оизчба"),
)
_LETTERS = {"pl": "ąćęłńóśźż"}  # accented letters that tell words apart in a language
_MOST_WORDS = 12  # of an entry
_COMPACT = 6  # letters from which a phrase is also found written as one word


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A stop word in a text: the entry as its list has it, the list's language, a half-open range of the text."""

    entry: str
    language: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class StopList:
    """One list, read.

    Args:
        entries: as the file has them, quotes included, in its order.
    """

    name: str
    language: str
    entries: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Phrase:
    """An entry, read: for each of its words the keys of which one must be met."""

    entry: str
    words: tuple[frozenset[str], ...]


def load(names: Sequence[str], folder: Path | None) -> tuple[StopList, ...]:
    """Reads lists by file name: a file of ``folder`` where there is one, else the built-in list of that name.

    Built in are ``en.txt``, ``ru.txt``, ``pl.txt`` and ``kk.txt``.

    Raises:
        ConfigError: no such list, not UTF-8, a name with a path in it, an entry that has no word, too many words or
            an unseen character, a quote without its pair, or no entry at all; the message names file and line.
    """
    return tuple(_read(name, folder) for name in names)


def _read(name: str, folder: Path | None) -> StopList:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"stop words {name!r}: give the name of a file beside the policy, such as 'en.txt', no path")
    own = folder / name if folder else None
    built_in = files("agent_guard") / "words" / name
    try:
        if own is not None and own.is_file():
            data = own.read_bytes()
        elif built_in.is_file():
            data = built_in.read_bytes()
        else:
            raise ConfigError(f"stop words {name}: no such file beside the policy, and no built-in list of this name")
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"stop words {name}: cannot be read: {error}") from None
    language = _LANGUAGE.match(name.lower())
    return StopList(name=name, language=language[0] if language else "", entries=_entries(name, text))


def _entries(name: str, text: str) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), 1):
        entry = " ".join(_COMMENT.sub("", line).split())
        if not entry:
            continue
        if problem := _problem(entry, line):
            raise ConfigError(f"stop words {name}, line {number}: {problem}")
        kept[entry] = None
    if not kept:
        raise ConfigError(f"stop words {name}: holds no entry")
    return tuple(kept)


def _problem(entry: str, line: str) -> str | None:
    if unseen := invisible(line):
        return f"holds a character that nobody sees: {unseen}"
    if entry.count('"') not in (0, 2) or ('"' in entry and not _is_exact(entry)):
        return 'an exact entry begins and ends with a quote: "like this"'
    count = len(_UNIT.findall(seen(entry).text))
    if not count:
        return "has no letter or digit"
    return f"has more than {_MOST_WORDS} words" if count > _MOST_WORDS else None


def _is_exact(entry: str) -> bool:
    return len(entry) > 2 and entry[0] == entry[-1] == '"'


def digest(lists: Sequence[StopList]) -> str:
    """The digest of what the lists hold, as ``"sha256:..."``; comments, order and file names do not change it."""
    return sha256(sorted([each.language, *sorted(each.entries)] for each in lists))


def found(text: str, lists: Sequence[StopList]) -> tuple[Hit, ...]:
    """Returns every stop word of a text, in the text's order. Takes time in proportion to the text; never raises."""
    if not lists:
        return ()
    units = _Units(seen(text))
    hits: dict[tuple[int, str, str], Hit] = {}
    for each in lists:
        for first, last, entry in units.matches(each):
            hit = Hit(entry=entry.strip('"'), language=each.language, start=units.start(first), end=units.end(last))
            known = hits.get(key := (hit.start, hit.entry, hit.language))
            if known is None or hit.end < known.end:
                hits[key] = hit
    return tuple(sorted(hits.values(), key=lambda hit: (hit.start, hit.end, hit.entry)))


@lru_cache(maxsize=256)
def _compile(language: str, entries: tuple[str, ...]) -> dict[str, list[_Phrase]]:
    """Returns the phrases by every key that their first word may have."""
    index: dict[str, list[_Phrase]] = {}
    for entry in entries:
        for phrase in _phrases(entry, language):
            for key in phrase.words[0]:
                index.setdefault(key, []).append(phrase)
    return index


def _phrases(entry: str, language: str) -> Iterator[_Phrase]:
    words = [unit.replace("'", "") for unit in _UNIT.findall(seen(entry).text)]
    if _is_exact(entry):
        yield _Phrase(entry=entry, words=tuple(frozenset({f"={_exact(word)}"}) for word in words))
        return
    yield _Phrase(entry=entry, words=tuple(_inflected(word, language) for word in words))
    if len(words) > 1 and len(compact := "".join(words)) >= _COMPACT:
        yield _Phrase(entry=entry, words=(_inflected(compact, language),))


def _inflected(word: str, language: str) -> frozenset[str]:
    return frozenset(f"~{key}" for key in keys(word, language))


def _exact(word: str) -> str:
    return word.replace("ё", "е")


class _Units:
    """The words of a text, and every way to read neighbours as one word."""

    def __init__(self, text: Seen) -> None:
        self._seen = text
        self._spans = [match.span() for match in _UNIT.finditer(text.text)]
        self._words = [text.text[start:end].replace("'", "") for start, end in self._spans]
        self._gaps = [
            text.text[self._spans[at][1] : self._spans[at + 1][0]] if at + 1 < len(self._spans) else "\n\n"
            for at in range(len(self._spans))
        ]
        self._joined: dict[int, list[tuple[int, str]]] = {}
        self._join()
        self._space_out()

    def start(self, unit: int) -> int:
        return self._seen.starts[self._spans[unit][0]]

    def end(self, unit: int) -> int:
        return self._seen.ends[self._spans[unit][1] - 1]

    def matches(self, each: StopList) -> Iterator[tuple[int, int, str]]:
        """Yields first unit, last unit and entry of every match."""
        index = _compile(each.language, each.entries)
        for at in range(len(self._words)):
            for after, word in self._words_at(at):
                for key in _readings(word, each.language):
                    for phrase in index.get(key, ()):
                        for end in self._follow(phrase, 1, after, each.language):
                            yield at, end - 1, phrase.entry

    def _words_at(self, at: int) -> Iterator[tuple[int, str]]:
        yield at + 1, self._words[at]
        yield from self._joined.get(at, ())

    def _follow(self, phrase: _Phrase, step: int, at: int, language: str) -> Iterator[int]:
        """Yields where the rest of a phrase may end, from its word ``step`` at unit ``at``."""
        if step == len(phrase.words):
            yield at
        elif at < len(self._words) and not _BREAK.search(self._gaps[at - 1]):
            for after, word in self._words_at(at):
                if not phrase.words[step].isdisjoint(_readings(word, language)):
                    yield from self._follow(phrase, step + 1, after, language)

    def _add(self, first: int, after: int, word: str) -> None:
        self._joined.setdefault(first, []).append((after, word))

    def _join(self) -> None:
        """Neighbours with only signs between them: two, three, or all of such a group. Digits may stand for letters."""
        first = 0
        for at, gap in enumerate(self._gaps):
            if _JOINER.fullmatch(gap) or gap in ("@", "$"):
                continue
            self._join_group(first, at + 1)
            first = at + 1

    def _join_group(self, first: int, after: int) -> None:
        if after - first < 2:
            return
        pairs = {(at, end) for at in range(first, after - 1) for end in (at + 2, at + 3) if end <= after}
        for at, end in sorted({*pairs, (first, after)}):
            gaps = self._gaps[at : end - 1]
            if not any(gap in ("@", "$") for gap in gaps):
                self._add(at, end, "".join(self._words[at:end]))
            if end - at < 9 and all(_LEET_JOINER.fullmatch(gap) for gap in gaps):
                self._add_digits_as_letters(at, end)

    def _add_digits_as_letters(self, at: int, end: int) -> None:
        raw = self._seen.text[self._spans[at][0] : self._spans[end - 1][1]]
        letters = sum(char.isalpha() for char in raw)
        if len(raw) >= 4 and letters * 2 >= len(raw) and letters < len(raw):
            for word in dict.fromkeys(raw.translate(table) for table in _LEET):
                if word.isalpha():
                    self._add(at, end, word)

    def _space_out(self) -> None:
        """Letters that stand alone, three or more in a row: the row as a word, and its parts at the wider gaps."""
        first = 0
        for at in range(len(self._words) + 1):
            alone = at < len(self._words) and len(self._words[at]) == 1
            if alone and (at == first or _SPACING.fullmatch(self._gaps[at - 1])):
                continue
            self._add_row(first, at)
            first = at if alone else at + 1

    def _add_row(self, first: int, after: int) -> None:
        if after - first < 3:
            return
        gaps = [len(gap) for gap in self._gaps[first : after - 1]]
        narrow = min(gaps)
        cuts = [first, *(first + n + 1 for n, gap in enumerate(gaps) if gap > narrow), after]
        parts = {(cuts[n], cuts[n + 1]) for n in range(len(cuts) - 1)} | {(first, after)}
        # A word of one letter may stand before or behind the row.
        trimmed = {(start + left, end - right) for start, end in parts for left in (0, 1) for right in (0, 1)}
        for start, end in sorted(trimmed):
            if end - start >= 3 or (end - start == 2 and (start, end) in parts):
                self._add(start, end, "".join(self._words[start:end]))


@lru_cache(maxsize=65536)
def _readings(word: str, language: str) -> tuple[str, ...]:
    """Returns the keys of a word of the text in this language: in both scripts, inflected and as written."""
    readings: dict[str, None] = {}
    latin = in_latin(word)
    bare = without_accents(latin, keep=_LETTERS.get(language, ""))
    for form in dict.fromkeys((word, latin, bare, in_cyrillic(word))):
        readings[f"={_exact(form)}"] = None
        readings.update((f"~{key}", None) for key in keys(form, language))
        if language == "ru" and "і" in form:
            readings.update((f"~{key}", None) for key in keys(form.replace("і", "и"), language))
    return tuple(readings)
