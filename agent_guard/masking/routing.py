"""Which language a line is written in, by letters and a few everyday words.

A message may change its language from line to line, so the decision is made for each line: Presidio's one language for
one text would leave a Russian signature under an English letter unread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LANGUAGES", "Block", "blocks", "main_language"]

LANGUAGES = ("en", "ru", "pl")

_CYRILLIC = re.compile("[\u0400-\u052f]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f]{2}")
_POLISH_LETTER = re.compile("[ąćęłńśźżĄĆĘŁŃŚŹŻ]")
_POLISH_WORD = re.compile(
    r"\b(?:jest|nie|się|sie|czy|proszę|prosze|dzień|dzien|dobry|pan|pani|pana|państwo|mam|na|do|od|dla|oraz|który|ktora|jak|mnie|"
    r"moje|mój|moj|nazywam|imię|imie|nazwisko|numer|nr|ul|ulica|zamówienie|klient|klienta|pozdrawiam|kontakt|telefon|w|z|dzwonił\w*|dzwonil\w*|"
    r"po|przez|jestem|mieszkam|spotkanie|umowa|umowy|adres|faktura|fakturę|zapłaci\w*|wysłał\w*|pytał\w*)\b",
    re.IGNORECASE,
)
_ENGLISH_WORD = re.compile(
    r"\b(?:the|and|is|are|was|to|of|in|for|you|your|my|please|with|from|on|this|that|i|we|he|she|have|has|be|will|hi|dear|regards|call|"
    r"thanks|hello|at|by|an|a|it|me|his|her|name|not|as|or|about)\b",
    re.IGNORECASE,
)

# An e-mail address or a link is in Latin letters whatever the language.
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]+|https?://\S+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Neighbouring lines of one language, half-open range of the text."""

    start: int
    end: int
    language: str


def _of_line(line: str, hint: str | None, languages: Sequence[str]) -> str | None:
    if _CYRILLIC.search(line):
        line = _ADDRESS.sub("", line) if "@" in line or "://" in line else line
        if len(_CYRILLIC.findall(line)) * 2 >= len(_LATIN.findall(line)):
            return "ru"
        return "en" if hint == "ru" or hint is None else hint
    if not _LATIN_WORD.search(line):
        return None
    if hint in ("en", "pl"):
        return hint
    if "pl" in languages:
        polish = 2 * len(_POLISH_LETTER.findall(line)) + len(_POLISH_WORD.findall(line))
        if polish > len(_ENGLISH_WORD.findall(line)):
            return "pl"
    return "en"


def blocks(text: str, hint: str | None, languages: Sequence[str]) -> list[Block]:
    """Cuts a text into blocks of one language.

    Args:
        hint: the language the caller knows; decides between English and Polish, never overrules the script.
        languages: what the masker was built for.
    """
    if text.isascii() and (hint == "en" or (hint is None and "pl" not in languages)):
        return [Block(start=0, end=len(text), language="en")]
    found: list[Block] = []
    position = 0
    for line in text.splitlines(keepends=True):
        end = position + len(line)
        language = _of_line(line, hint, languages)
        last = found[-1] if found else None
        if last and (language is None or last.language == language):
            found[-1] = Block(start=last.start, end=end, language=last.language)
        else:
            found.append(Block(start=position, end=end, language=language or hint or "en"))
        position = end
    return found


def main_language(text: str, languages: Sequence[str]) -> str:
    """The language of most letters, out of those the masker was built for."""
    size: dict[str, int] = {}
    for block in blocks(text, None, languages):
        size[block.language] = size.get(block.language, 0) + block.end - block.start
    known = {language: letters for language, letters in size.items() if language in languages}
    return max(known, key=lambda language: known[language]) if known else languages[0]
