"""The people and values a thread already knows are found in every text without any recognizer.

Whatever the vault holds is looked for by its key, not by its spelling: names in any case ending and letter case, single
parts of a name, phones in any notation, identity numbers with any grouping.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from functools import lru_cache

from agent_guard.masking.identity import NAME_WORD, parse_name, value_key
from agent_guard.masking.words import words
from agent_guard.types import Entry, Pseudonyms, Span

__all__ = ["Known", "is_everyday", "known_of"]

# Parts of names that are everyday words. Alone they count only where a capital letter inside a sentence says "name".
_EVERYDAY = words("everyday")
_DIGIT_RUN = re.compile(r"(?<![\w])[+(]?\d(?:[\s().\-–‑/]{0,3}\d){5,33}(?![\w])")
_ID_RUN = re.compile(r"(?<!\w)[A-Za-z]{0,4} ?\d[0-9A-Za-z -]{4,40}(?!\w)")
_GROUP = re.compile(r"[0-9A-Za-z]+")
_DIGITS = re.compile("[0-9]+")
_ACCENTED = re.compile("[\u00df-\u024f\u1e00-\u1eff]")
_SENTENCE_END = re.compile(r"(?:^|[.!?…:;\n\r•>\"«„“(*-])\s*$")
_LITERAL = ("EMAIL", "LOCATION", "ORG", "URL", "IP", "SECRET", "PERSON")


@lru_cache(maxsize=8192)
def _word_bases(word: str) -> frozenset[str]:
    parts = parse_name(word)
    return parts[0].bases | {parts[0].surface} if parts else frozenset()


@lru_cache(maxsize=8192)
def _spelled(value: str) -> re.Pattern[str]:
    """Finds a value in any case, whatever spaces its words are parted by."""
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)".replace(r"\ ", r"\s+"), re.IGNORECASE)


def _lowered(text: str) -> str:
    """A text whose letters are the same wherever a search in any case takes them for the same."""
    lowered = text.casefold()
    if lowered.isascii():
        return lowered
    return lowered.replace("ё", "е").replace("\u0307", "").replace("\u0131", "i").replace("’", "'")


def is_everyday(word: str) -> bool:
    """Whether a part of a name is also an everyday word (Will, Вера, Mróz)."""
    return word.casefold() in _EVERYDAY


class Known:
    """An index of one vault's entries; build it again when the vault grows (`known_of` does)."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._names: dict[str, set[int]] = {}
        hints: set[str] = set()
        self._phones: dict[str, Entry] = {}
        self._numbers: dict[str, Entry] = {}
        literals: dict[str, Entry] = {}
        for place, entry in enumerate(entries):
            if entry.type == "PERSON":
                for part in parse_name(entry.value):
                    if len(part.surface) >= 3:
                        for base in part.bases | {part.surface}:
                            self._names.setdefault(base, set()).add(place)
                            hints.add(_lowered(base.rstrip("-")))
            elif entry.type == "PHONE":
                digits = "".join(filter(str.isdecimal, value_key("PHONE", entry.value).partition("x")[0]))
                if len(digits) >= 6:
                    self._phones[digits[-9:]] = entry
            elif entry.type in ("ID", "CARD", "IBAN"):
                self._numbers[value_key(entry.type, entry.value)] = entry
            if len(entry.value) >= (3 if entry.type in _LITERAL else 4):
                literals.setdefault(entry.value.casefold(), entry)
        tails = {"".join(_DIGITS.findall(key))[-6:] for key in self._numbers}
        self._digit_hints = (*self._phones, *filter(None, tails))
        # the longest word of each tells whether it can stand in a text: one expression for all would be made anew with
        # each value that a thread learns
        self._literals = [
            (_lowered(max(key.split(), key=len)), key, entry.type) for key, entry in literals.items() if key.split()
        ]
        hints.update(hint for hint, _, _ in self._literals)
        kept: list[str] = []
        for hint in sorted(hints):  # what begins with a shorter hint stands directly behind it
            if not kept or not hint.startswith(kept[-1]):
                kept.append(hint)
        self._hints = tuple(kept)

    def may_occur(self, text: str) -> bool:
        """A quick no for clean texts; a yes only means that `find` has to look."""
        lowered = _lowered(text)
        if any(hint in lowered for hint in self._hints):
            return True
        # Accents and the Polish ł are folded in the index, so a text that has them cannot be cleared by its letters.
        accented = not text.isascii() and bool(self._names) and _ACCENTED.search(lowered) is not None
        if accented:
            return True
        digits = "".join(_DIGITS.findall(text)) if self._digit_hints else ""
        return any(hint in digits for hint in self._digit_hints)

    def find(self, text: str) -> list[Span]:
        """Returns every known value of a folded text; spans may overlap."""
        spans = []
        lowered = _lowered(text)
        for hint, value, type in self._literals:
            for found in _spelled(value).finditer(text) if hint in lowered else ():
                # One word of a name may be a part of a longer, other name.
                single = type == "PERSON" and found[0].isalpha()
                score = 0.6 if single else 1.0
                spans.append(Span(start=found.start(), end=found.end(), type=type, score=score, source="known"))
        spans = _apart(spans)
        if self._names:
            spans.extend(self._find_names(text))
        if self._phones:
            spans.extend(self._find_phones(text))
        if self._numbers:
            spans.extend(self._find_numbers(text))
        return spans

    def _find_names(self, text: str) -> list[Span]:
        spans: list[Span] = []
        run: list[re.Match[str]] = []
        owners: set[int] = set()
        for word in NAME_WORD.finditer(text):
            here: set[int] = set()
            for base in _word_bases(word[0]):
                here |= self._names.get(base, set())
            if not here:
                continue
            joined = (
                run and owners & here and re.fullmatch(r"[ \t\u00a0]{1,3}|\s?\n\s?", text[run[-1].end() : word.start()])
            )
            if joined:
                run.append(word)
                owners &= here
                continue
            spans.extend(self._name_span(text, run))
            run, owners = [word], here
        spans.extend(self._name_span(text, run))
        return spans

    @staticmethod
    def _name_span(text: str, run: list[re.Match[str]]) -> list[Span]:
        if not run:
            return []
        if len(run) == 1 and is_everyday(run[0][0]):
            inside = not _SENTENCE_END.search(text[max(0, run[0].start() - 8) : run[0].start()])
            if not (inside and run[0][0][0].isupper()):
                return []
        # A sure finding of two parts beats a recognizer's longer guess; of one part it does not.
        score = 1.0 if len(run) > 1 else 0.6
        return [Span(start=run[0].start(), end=run[-1].end(), type="PERSON", score=score, source="known")]

    def _find_phones(self, text: str) -> list[Span]:
        spans = []
        for run in _DIGIT_RUN.finditer(text):
            places = [place for place in range(run.start(), run.end()) if text[place].isdecimal()]
            digits = "".join(text[place] for place in places)
            for tail, entry in self._phones.items():
                at = digits.find(tail)
                while at >= 0:
                    first = at - self._prefix(digits[:at], entry)
                    start, end = places[first], places[at + len(tail) - 1] + 1
                    if start > run.start() and text[start - 1] in "+(":
                        start -= 1
                    spans.append(Span(start=start, end=end, type="PHONE", score=1.0, source="known"))
                    at = digits.find(tail, at + len(tail))
        return spans

    @staticmethod
    def _prefix(before: str, entry: Entry) -> int:
        """How many digits before the last nine belong to the number: area and country code, or a trunk prefix."""
        full = "".join(filter(str.isdecimal, value_key("PHONE", entry.value).partition("x")[0]))[:-9]
        for code in (f"00{full}", full, f"8{full[-1:]}", f"0{full[-1:]}", "0", full[-1:]):
            if code and before.endswith(code):
                return len(code)
        return 0

    def _find_numbers(self, text: str) -> list[Span]:
        spans = []
        for found in _ID_RUN.finditer(text):
            # Words may stand before and after the number inside the run: every group is tried as its end, and both
            # the first letter and the first digit as its beginning.
            first_digit = next(place for place in range(found.start(), found.end()) if text[place].isdecimal())
            for start in {found.start(), first_digit}:
                for group in _GROUP.finditer(text, start, found.end()):
                    compact = "".join(filter(str.isalnum, text[start : group.end()])).upper()
                    entry = self._numbers.get(compact) or self._numbers.get("PL" + compact)
                    if entry:
                        spans.append(Span(start=start, end=group.end(), type=entry.type, score=1.0, source="known"))
        return spans


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Of values that stand in each other the longest: a login that is also a first name cuts no name in two."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


_INDEX: weakref.WeakKeyDictionary[Pseudonyms, tuple[int, Known]] = weakref.WeakKeyDictionary()


def known_of(vault: Pseudonyms) -> Known:
    """Returns the index of a vault, built again only when entries were added; it lives no longer than the vault."""
    entries = vault.entries()
    try:
        kept = _INDEX.get(vault)
        if kept is None or kept[0] != len(entries):
            kept = _INDEX[vault] = (len(entries), Known(entries))
    except TypeError:
        # A vault that cannot be hashed or weakly referenced is indexed each time.
        return Known(entries)
    else:
        return kept[1]
