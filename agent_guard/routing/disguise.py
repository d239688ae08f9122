"""What a request may be read as besides what it shows: digits as letters, split words, encodings. For dangers alone."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from agent_guard.masking.fold import INVISIBLE

__all__ = ["decoded", "disguises", "scrambled"]

_LEET = tuple(str.maketrans("0134578@$!", f"o{one}eastbasi") for one in "li")
_LEET_WORD = re.compile(r"[^\s.,;:]+")
_HELD = re.compile(r"(?<=[^\W_])[-._*/\\|+~·•]{1,3}(?=[^\W_])")
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_](?:[ \t]{1,3}[-._*/\\|+~]?[ \t]{0,2}[^\W\d_](?![^\W_])){3,}")
_HUMP = re.compile(r"(?<=[a-zа-я])(?=[A-ZА-Я])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :]?){8,}")
_BLOB_MAX = 4000


def disguises(text: str) -> Iterator[str]:
    """Yields the other readings of a text, each in linear time, none equal to the text."""
    text = INVISIBLE.sub("", text)
    made = (
        unquote(html.unescape(text)),
        *(_leet(text, table) for table in _LEET),
        _HELD.sub("", text),
        _SPACED.sub(lambda found: "".join(char for char in found[0] if char.isalpha()), _plain(text)),
        _HUMP.sub(" ", text),
        *decoded(text),
    )
    yield from (other for other in dict.fromkeys(made) if other != text)


def scrambled(text: str) -> Iterator[str]:
    """Yields the text with its letters turned by thirteen and backwards. Their words must be spelt right: so many of
    them are no words at all that a slip would be found in some.
    """
    yield codecs.encode(text, "rot13")
    yield text[::-1]


def decoded(text: str) -> list[str]:
    """The readable texts that stand in a text as base64 or as hexadecimal digits."""
    out = []
    text = INVISIBLE.sub("", text)  # a blob may be parted by what nobody sees
    for found in _BASE64.finditer(text):
        blob = found[0][:_BLOB_MAX].rstrip("=").replace("-", "+").replace("_", "/")
        try:
            out.append(base64.b64decode(blob[: len(blob) - (len(blob) % 4 == 1)] + "==").decode("utf-8"))
        except (binascii.Error, UnicodeDecodeError):
            continue
    for found in _HEX.finditer(text):
        try:
            out.append(bytes.fromhex(found[0][:_BLOB_MAX].replace(":", " ")).decode("utf-8"))
        except ValueError:
            continue
    return [item for item in out if _readable(item)]


def _leet(text: str, table: dict[int, int]) -> str:
    def word(found: re.Match[str]) -> str:
        # a number alone is a number
        return found[0].translate(table) if any(char.isalpha() for char in found[0]) else found[0]

    return _LEET_WORD.sub(word, text)


def _readable(text: str) -> bool:
    letters = sum(char.isalpha() or char in " .,;!?'\n-" for char in text)
    return len(text) >= 8 and letters >= 0.9 * len(text) and all(char.isprintable() or char == "\n" for char in text)


def _plain(text: str) -> str:
    """Without marks on letters, so that a spaced-out word of a marked alphabet is one run of single letters."""
    if text.isascii():
        return text
    form = unicodedata.normalize("NFKD", text)
    return "".join(char for char in form if not unicodedata.combining(char) and unicodedata.category(char) != "Cf")
