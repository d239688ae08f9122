"""What a person sees of a text: characters that show nothing, letters that look alike, and one form for both.

Two texts with one skeleton look the same to a person, whatever their case: keys and loop detection compare skeletons,
and so does the search for an address that only looks like an allowed one. Only look-alikes fold: all letters of the
Russian, Ukrainian, Kazakh, Polish and Greek alphabets stay different from each other, and a digit is never read as a
letter. Sources: Unicode's Default_Ignorable_Code_Point, and a part of its confusables (UTS 39), for Latin, Cyrillic,
Greek and a few Armenian letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

__all__ = [
    "Seen",
    "in_cyrillic",
    "in_latin",
    "invisible",
    "lookalike",
    "seen",
    "skeleton",
    "unpiled",
    "without_accents",
]

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSEEN = re.compile(f"[{_IGNORABLE}]")
# Also controls, line separators, annotation marks, the empty Braille cell and halves of surrogate pairs.
_SUSPECT = re.compile(
    f"[{_IGNORABLE}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u2800\ufff9-\ufffb\U00013430-\U0001343f\ud800-\udfff]"
)
_EMOJI = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_BEFORE_SELECTOR = re.compile(_EMOJI)
_KEYCAP = re.compile("[0-9#*]\ufe0f\u20e3")
_JOINED = re.compile(f"{_EMOJI}\ufe0f?\u200d{_EMOJI}")
# The three flags that Unicode recommends with tags: England, Scotland, Wales.
_FLAG = re.compile("\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|"
                   "\U000e0077\U000e006c\U000e0073)\U000e007f")  # fmt: skip
_CATEGORIES = {"Cc": "CONTROL CHARACTER", "Cs": "SURROGATE"}

_PUNCTUATION = {
    ord(char): plain
    for plain, chars in {
        "-": "‐‑‒–—―−⁃﹘➖˗",
        '"': "“”„‟«»‹›″〝〞〟「」『』",
        "'": "‘’‚‛′`´ʼʹʻˈ",
        ".": "。․",
        "/": "⁄∕⧸╱",
        ":": "∶꞉ː",
        " ": "\u2800",
    }.items()
    for char in chars
}


def _table(pairs: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1:] for pair in pairs.split()}


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SMALL_CAPS = {
    ord(char): letter for char, letter in zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)
}
_SQUARED = {first + n: letter for first in (0x1F150, 0x1F170) for n, letter in enumerate(_LETTERS)}
_ALIKE = {
    **_table("аa вb еe кk мm оo рp сc тt уy хx іi јj ѕs ԁd ԛq ԝw һh ӏl ѵv әə өɵ"),
    **_table("αa γy ηn ιi κk νv οo ρp τt υu χx ϳj"),
    **_table("օo ոn սu հh յj ցg զq ɑa ɡg ıi ɩi ȷj"),
    **_SMALL_CAPS,
}
_SIGNS = {**_SQUARED, **_PUNCTUATION}
_FOLD = {**_ALIKE, **_SIGNS}

# Letters that are alike in one case only; used inside a word that mixes scripts, where the other letters tell.
_LATIN_IN_MIXED = _table("НH ҮY Ьb Пn Гr ьb пn гr үy ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX βb εe")
_CYRILLIC_IN_MIXED = _table("HН nп rг")
# For reading a whole lower-case word in one script: what an evader may put for each letter.
_AS_CYRILLIC = _table(
    "aа bв cс eе hн iі kк mм nп oо pр rг tт uи xх yу jј sѕ ëё əә ɵө αа εе ιі κк μм νн οо ρр τт υу χх γу ηп"
)
_AS_LATIN = {**_ALIKE, **_SQUARED, **_table("нh ьb пn гr үy εe βb μm ёe")}

_LETTER_RUN = re.compile(r"[^\W\d_]+")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_FOREIGN = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_NOT_CYRILLIC = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u03ff]")
_EUROPEAN = re.compile("[A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f\u1e00-\u1fff]")
_PILE = re.compile(r"[^\w\s\x00-\x7f]{31,}")
_MOST_MARKS = 30  # on one letter: the bound of Unicode's stream-safe text (UAX 15)
_MARKS = re.compile("[\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A text as :func:`seen` reads it, with the way back to the original.

    Args:
        text: lower case, without what is not seen.
        starts: for each character, where its source begins in the original; ``ends``: where it ends.
    """

    text: str
    starts: range | list[int]
    ends: range | list[int]


def invisible(text: str) -> str | None:
    """Names the first character that a person does not see and that has no place in a business text.

    These are zero width characters, direction controls, tags, soft hyphens, fillers and controls other than line feed,
    carriage return and tab. A joiner between two emoji, one variation selector after an emoji and the three flags
    written with tags are fine. The orthography of Persian and of India's languages needs joiners and is not served.

    Returns:
        ``"U+200B ZERO WIDTH SPACE"``, or None where every character is seen.
    """
    flags_end = 0
    for found in _SUSPECT.finditer(text):
        at = found.start()
        if at < flags_end or (found[0] in "\u200d\ufe0e\ufe0f" and _belongs_to_emoji(text, at)):
            continue
        if at and text[at - 1] == "\U0001f3f4" and (flag := _FLAG.match(text, at - 1)):
            flags_end = flag.end()
            continue
        name = unicodedata.name(found[0], "") or _CATEGORIES.get(unicodedata.category(found[0]), "UNASSIGNED")
        return f"U+{ord(found[0]):04X} {name}"
    return None


def _belongs_to_emoji(text: str, at: int) -> bool:
    if text[at] != "\u200d":
        return bool(at and (_BEFORE_SELECTOR.match(text, at - 1) or _KEYCAP.match(text, at - 1)))
    # The pair may stand right before, or with a variation selector in between.
    return any(_JOINED.match(text, at - back) for back in (1, 2) if at >= back)


def unpiled(text: str) -> str:
    """Keeps thirty marks on a letter at most: sorting a longer pile, normalisation takes quadratic time."""
    return text if text.isascii() else _PILE.sub(lambda found: "".join(_lowest(found[0])), text)


def _lowest(run: str) -> Iterator[str]:
    marks = 0
    for char in run:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MOST_MARKS:
            yield char


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", unpiled(text))


def _without_loose_marks(text: str) -> str:
    """Drops the marks that NFKC leaves on a European letter: strokes, stress and piles of accents are not letters."""
    if not _MARKS.search(text):
        return text
    return _MARKS.sub(lambda found: "" if _EUROPEAN.match(text, max(found.start() - 1, 0)) else found[0], text)


def _one_script(found: re.Match[str]) -> str:
    """Reads a word of two scripts in the one most of its letters have."""
    word = found[0]
    latin, foreign = len(_LATIN.findall(word)), len(_FOREIGN.findall(word))
    if not latin or not foreign:
        return word
    if latin >= foreign:
        folded = word.translate(_LATIN_IN_MIXED)
        if not _FOREIGN.search(folded.casefold().translate(_ALIKE)):
            return folded
        if _NOT_CYRILLIC.search(word.lower().translate(_AS_CYRILLIC)):
            return word
    return word.translate(_CYRILLIC_IN_MIXED)


def _marked(char: str) -> str:
    """Folds the base of an accented letter: Cyrillic ё and Latin ë look alike, and й stays what it is."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", char).translate(_ALIKE))
    return folded if len(folded) == 1 else char


def _round(text: str) -> str:
    text = _without_loose_marks(_UNSEEN.sub("", _nfkc(_UNSEEN.sub("", text))))
    text = _nfkc(_LETTER_RUN.sub(_one_script, text).casefold())
    text = _without_loose_marks(_UNSEEN.sub("", text)).translate(_FOLD)
    text = re.sub("[\u0370-\u03ff\u0400-\u052f\u1f00-\u1fff]", lambda found: _marked(found[0]), text)
    return " ".join(text.split())


def skeleton(text: str) -> str:
    """Returns the one form of all texts that look like this one: lower case, one space, no unseen character.

    NFKC, case folding, look-alike letters, dashes and quotes are unified. Never raises; the skeleton of a skeleton is
    itself. A look-alike in upper case only (Н and H) is seen where the word has other letters of the true script.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.casefold().translate(_PLAIN).split())
    # Each step may open work for an earlier one, e.g. folding that lets two characters compose.
    for _ in range(5):
        folded = _round(text)
        if folded == text:
            break
        text = folded
    return text


_PLAIN = {code: folded for code in range(32, 127) if (folded := _round(chr(code).casefold())) != chr(code) and folded}
"""What printable ASCII folds to: a text of nothing else needs no more than this."""


def lookalike(text: str, known: Iterable[str]) -> str | None:
    """Returns the known item that the text looks like without being it, or None.

    A text that is one of the items, up to NFKC and case, looks like no other.
    """
    items = tuple(known)
    plain = _nfkc(text).casefold()
    if any(_nfkc(item).casefold() == plain for item in items):
        return None
    form = skeleton(text)
    return next((item for item in items if skeleton(item) == form), None)


def seen(text: str) -> Seen:
    """Returns the text in lower case, NFKC and without unseen characters, with each character's place in the original.

    Letters keep their script: :func:`in_latin` and :func:`in_cyrillic` read look-alikes word by word.
    """
    if text.isascii():
        return Seen(text=text.lower(), starts=range(len(text)), ends=range(1, len(text) + 1))
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position, size = 0, len(text)
    while position < size:
        after = position + 1
        while after < size and (unicodedata.combining(text[after]) or _UNSEEN.match(text[after])):
            after += 1
        for char in _piece(text[position : min(after, position + _MOST_MARKS)]):
            out.append(char)
            starts.append(position)
            ends.append(after)
        position = after
    return Seen(text="".join(out), starts=starts, ends=ends)


@lru_cache(maxsize=8192)
def _piece(cluster: str) -> str:
    if cluster.isascii():
        return cluster.lower()
    folded = unicodedata.normalize("NFKC", _UNSEEN.sub("", cluster)).casefold()
    folded = _without_loose_marks(_UNSEEN.sub("", unicodedata.normalize("NFKC", folded)))
    return folded.translate(_SIGNS)


def in_latin(word: str) -> str:
    """Reads a lower-case word as Latin where all its letters can be; otherwise the word itself."""
    if word.isascii():
        return word
    folded = word.translate(_AS_LATIN)
    return word if _FOREIGN.search(folded) else folded


def in_cyrillic(word: str) -> str:
    """Reads a lower-case word as Cyrillic where all its letters can be; otherwise the word itself."""
    if word.isascii() and not word.isalpha():
        return word
    folded = word.translate(_AS_CYRILLIC)
    return word if _NOT_CYRILLIC.search(folded) else folded


def without_accents(word: str, *, keep: str = "") -> str:
    """Drops the accents of Latin letters, apart from the letters to keep."""
    if word.isascii():
        return word
    return "".join(
        char if char in keep or not _LATIN.match(char) else unicodedata.normalize("NFD", char)[0] for char in word
    )
