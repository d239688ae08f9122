"""The notation of patterns: words, stems, gaps and alternatives; no code and no unbounded repetition.

    report        this word
    report*       a word that begins so
    ~  ~~         up to four, up to nine other words
    (a|b c|d*)    one of these
    (the|our)?    may be missing
    delete!       the word that a negation must stand before (the first one unless marked)
    {deal}        a term of the file, written out

A pattern becomes one regular expression whose every repetition is bounded or possessive, so matching is linear.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from agent_guard.routing.reading import letters

__all__ = ["Pattern"]

_GAP = r"(?:[^ |]++ ){0,%d}"
_TOKEN = re.compile(r"[^\W_]+\*?|[()|?!]|~~?|\s+|.")
_TERM = re.compile(r"\{(\w+)\}")
_DEPTH = 4


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One pattern.

    Args:
        source: as it was written.
        expression: the regular expression; it matches between single spaces, the group ``verb`` at the marked word.
        heads: words and stems of which a text must hold one, or the pattern cannot match.
        words, stems: what it is made of, for the spelling.
    """

    source: str
    expression: str = field(repr=False)
    heads: frozenset[str] = field(repr=False)
    words: frozenset[str] = field(repr=False)
    stems: frozenset[str] = field(repr=False)

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The expression, compiled when it is first needed: most patterns never are in one process."""
        return re.compile(self.expression)

    def may_match(self, beginnings: Collection[str]) -> bool:
        """Whether a text can match at all, by the beginnings of its words."""
        return not self.heads.isdisjoint(beginnings)

    @classmethod
    def parse(cls, source: str, *, terms: Mapping[str, str] | None = None, but: Collection[str] = ()) -> Pattern:
        """Reads a pattern.

        Args:
            terms: what ``{name}`` stands for.
            but: words (``deleted``) and stems (``deleted*``) in the router's alphabet that no stem of this covers.

        Raises:
            ValueError: what is wrong with it, for people.
        """
        text = source
        for _ in range(_DEPTH):
            text = _TERM.sub(lambda found: _term(found[1], terms or {}), text)
        parser = _Parser(letters(text), but)
        body, heads, _ = parser.sequence()
        if parser.left:
            raise ValueError(f"{source!r}: {parser.left[0]!r} stands where nothing can follow it")
        if not heads:
            raise ValueError(f"{source!r}: a pattern has at least one word")
        return cls(
            source=source,
            expression=f" {body}" if parser.marked else f" (?P<verb>){body}",
            heads=frozenset(heads),
            words=frozenset(parser.words),
            stems=frozenset(parser.stems),
        )


def _term(name: str, terms: Mapping[str, str]) -> str:
    if name not in terms:
        raise ValueError(f"there is no term {{{name}}}; there is: {', '.join(sorted(terms)) or 'none'}")
    return terms[name]


_Part = tuple[str, set[str], bool]
"""An expression, the words it may begin with, and whether it may be empty."""


class _Parser:
    """A pattern's text to a regular expression, by recursive descent."""

    def __init__(self, text: str, but: Collection[str]) -> None:
        self.left = [piece for piece in _TOKEN.findall(text) if not piece.isspace()]
        self.but = but
        self.words: set[str] = set()
        self.stems: set[str] = set()
        self.marked = False

    def sequence(self) -> _Part:
        out, heads, empty = "", set[str](), True
        while self.left and self.left[0] not in ("|", ")"):
            body, first, optional = self._item()
            out += body
            if empty:
                heads |= first
            empty = empty and optional
        return out, heads, empty

    def _item(self) -> _Part:
        piece = self.left.pop(0)
        if piece in ("~", "~~"):
            return _GAP % (4 if piece == "~" else 9), set(), True
        if piece == "(":
            body, heads = self._alternatives()
        elif piece[0].isalnum():
            body, heads = self._word(piece), {piece.rstrip("*")}
        else:
            raise ValueError(f"{piece!r} is no part of a pattern here")
        if self.left and self.left[0] == "?":
            self.left.pop(0)
            return f"(?:{body})?", heads, True
        if self.left and self.left[0] == "!":
            self.left.pop(0)
            if self.marked:
                raise ValueError("a pattern marks one word with '!'")
            self.marked = True
            body = f"(?P<verb>{body})"
        return body, heads, False

    def _alternatives(self) -> tuple[str, set[str]]:
        parts = [self.sequence()]
        while self.left and self.left[0] == "|":
            self.left.pop(0)
            parts.append(self.sequence())
        if not self.left:
            raise ValueError("a bracket is not closed")
        self.left.pop(0)
        if any(empty for _, _, empty in parts):
            raise ValueError("an alternative is empty")
        return f"(?:{'|'.join(body for body, _, _ in parts)})", set().union(*(heads for _, heads, _ in parts))

    def _word(self, piece: str) -> str:
        if not piece.endswith("*"):
            self.words.add(piece)
            return f"{piece} "
        stem = piece[:-1]
        self.stems.add(stem)
        kept = [
            f"{item[:-1]}[^ |]*+ " if item.endswith("*") else f"{item} "
            for item in self.but
            if item.rstrip("*").startswith(stem)
        ]
        unless = f"(?!{'|'.join(kept)})" if kept else ""
        return f"{unless}{stem}[^ |]*+ "
