"""One reading of a text for all recognizers: NFKC, no invisible characters, one script per word, ASCII digits.

Recognizers work on the folded text; spans are reported in the original one. Unicode facts come from `unicodedata`;
the look-alike table holds the letters that Cyrillic and Latin fonts draw alike (a part of Unicode's confusables,
UTS 39).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["INVISIBLE", "Folded", "fold", "fold_letters"]

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)

_TO_CYRILLIC = str.maketrans("aAcCeEoOpPxXyYkKmMtTBHiIjsS", "аАсСеЕоОрРхХуУкКмМтТВНіІјѕЅ")
_TO_LATIN = str.maketrans("аАсСеЕоОрРхХуУкКмМтТВНіІјѕЅ", "aAcCeEoOpPxXyYkKmMtTBHiIjsS")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_LATIN = re.compile("[A-Za-z]")
_LATIN_RUN = re.compile("[A-Za-z]+")
_WORD = re.compile("[A-Za-z\u0400-\u04ff]+")
_UNCHANGED = re.compile("[\x00-\x7f\u0400-\u0482\u048a-\u052f«»–—]*")
_ODD_DIGIT = re.compile(r"[^\D0-9]")
# Characters that NFKC leaves alone, in runs that no combining mark follows.
_PLAIN = re.compile(
    "[\x00-\x7f\u00c0-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0400-\u0482\u048a-\u052f«»–—]+(?![\u0300-\u036f])"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """A folded text with the way back.

    Args:
        text: what recognizers read.
        starts: for each folded character, where its source begins in the original; None where the texts align.
        ends: the same for the end.
    """

    text: str
    starts: list[int] | None = None
    ends: list[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Maps a non-empty half-open range of the folded text to the original text."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def _one_script(word: str) -> str:
    """Rewrites a word of two scripts in the one most of its letters have, if every other letter has a twin there."""
    cyrillic = len(_CYRILLIC.findall(word))
    latin = len(_LATIN.findall(word))
    if not cyrillic or not latin:
        return word
    # A tie goes to Cyrillic: Latin letters typed into a Russian name are the common case.
    if cyrillic >= latin:
        folded = word.translate(_TO_CYRILLIC)
        return word if _LATIN.search(folded) else folded
    folded = word.translate(_TO_LATIN)
    return word if _CYRILLIC.search(folded) else folded


def fold_letters(text: str) -> str:
    """Gives every word one script; the length never changes."""
    if text.isascii() or not _CYRILLIC.search(text):
        return text
    for run in _LATIN_RUN.finditer(text):
        around = text[max(0, run.start() - 1) : run.start()] + text[run.end() : run.end() + 1]
        if around and not around.isascii() and _CYRILLIC.search(around):
            return _WORD.sub(lambda found: _one_script(found[0]), text)
    return text


def _ascii_digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0]))


def fold(text: str) -> Folded:
    """Folds a text. Costs microseconds for texts that fold to themselves, which most do."""
    if text.isascii():
        return Folded(text=text)
    if _UNCHANGED.fullmatch(text):
        return Folded(text=fold_letters(text))
    if unicodedata.is_normalized("NFKC", text) and not INVISIBLE.search(text):
        return Folded(text=fold_letters(_ODD_DIGIT.sub(_ascii_digit, text)))
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position, size = 0, len(text)
    while position < size:
        if plain := _PLAIN.match(text, position):
            after = plain.end()
            out.append(plain[0])
            starts.extend(range(position, after))
            ends.extend(range(position + 1, after + 1))
            position = after
            continue
        after = position + 1
        # Combining marks belong to the letter before them: NFKC composes the pair.
        while after < size and unicodedata.combining(text[after]):
            after += 1
        if not INVISIBLE.match(text[position]):
            folded = unicodedata.normalize("NFKC", text[position:after])
            out.append(folded)
            starts.extend([position] * len(folded))
            ends.extend([after] * len(folded))
        position = after
    return Folded(text=fold_letters(_ODD_DIGIT.sub(_ascii_digit, "".join(out))), starts=starts, ends=ends)
