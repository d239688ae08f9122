"""Values that are written in another code: base64, hexadecimal, percent signs, HTML entities, quoted-printable.

A text of signs of one code is read as the text that it stands for. Where a value is found in it, a blob is hidden as a
whole (``SECRET``: nobody can read what else it holds), and of the other codes the piece that stands for the value.
One code inside another is not read.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from agent_guard.masking.fold import Folded, fold
from agent_guard.types import Span

__all__ = ["find_encoded"]

Find = Callable[[str], Iterable[Span]]

_SHORTEST = 16
_LONGEST = 20_000
_BASE64 = re.compile(
    rf"(?:data:[\w/.+;=-]{{0,80}}?base64,)?(?<![\w+/=-])[A-Za-z0-9+/_-]{{{_SHORTEST},{_LONGEST}}}={{0,2}}(?![\w+/=-])"
)
_HEX = re.compile(rf"(?<!\w)(?:[0-9A-Fa-f]{{2}}){{{_SHORTEST // 2},{_LONGEST}}}(?!\w)")
_PIECES = re.compile(r"(?:%[0-9A-Fa-f]{2})+|(?:=[0-9A-F]{2})+|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_LINE = re.compile(r"[^\r\n]+")


def find_encoded(text: str, find: Find) -> Iterator[Span]:
    """Yields what stands for a value in a folded text.

    Args:
        find: what finds values in a plain text.
    """
    for found in _HEX.finditer(text):
        if any(char.isalpha() for char in found[0]) and _holds(bytes.fromhex(found[0]), find):
            yield _blob(found)
    for found in _BASE64.finditer(text):
        if _holds(_unpacked(found[0].rpartition(",")[2]), find):
            yield _blob(found)
    if "%" in text or "&" in text or "=" in text:
        for line in _LINE.finditer(text):
            if _PIECES.search(line[0]):
                yield from _in_view(line, find)


def _blob(found: re.Match[str]) -> Span:
    return Span(start=found.start(), end=found.end(), type="SECRET", score=0.9, source="encoded")


def _unpacked(text: str) -> bytes:
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _holds(raw: bytes, find: Find) -> bool:
    """Whether bytes are a text with a value in it; what is no text cannot be read."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if len(text) < _SHORTEST // 2 or any(not char.isprintable() and char not in "\r\n\t" for char in text):
        return False
    return any(span.type != "ORG" for span in find(fold(text).text))


def _in_view(line: re.Match[str], find: Find) -> Iterator[Span]:
    view = _view(line[0])
    for span in find(view.text):
        start, end = view.original(span.start, span.end)
        if _PIECES.search(line[0], start, end):  # the rest is found as it is
            yield replace(span, start=line.start() + start, end=line.start() + end)


def _view(text: str) -> Folded:
    """A line with each coded piece as what it stands for, and the way back."""
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for found in _PIECES.finditer(text):
        plain = _plain(found[0])
        for place in range(position, found.start()):
            out.append(text[place])
            starts.append(place)
            ends.append(place + 1)
        for char in plain:
            out.append(char)
            starts.append(found.start())
            ends.append(found.end())
        position = found.end()
    for place in range(position, len(text)):
        out.append(text[place])
        starts.append(place)
        ends.append(place + 1)
    return Folded(text="".join(out), starts=starts, ends=ends)


def _plain(piece: str) -> str:
    if piece[0] == "&":
        read = html.unescape(piece)
        return read if read.isprintable() else piece
    try:
        read = unquote_to_bytes(piece.replace("=", "%")).decode("utf-8")
    except UnicodeDecodeError:
        return piece
    return read if read.isprintable() else piece
