"""From many overlapping findings to one sorted row of spans."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent_guard.types import EntityType, Span

__all__ = ["carve", "resolve"]

_BY_SPECIFICITY: Sequence[EntityType] = (
    "SECRET", "URL", "EMAIL", "IBAN", "CARD", "PHONE", "ID", "IP", "LOCATION", "PERSON", "ORG",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(_BY_SPECIFICITY)}
_FORMS = frozenset(_BY_SPECIFICITY[:8])


def _order(span: Span) -> tuple[int, float, float, int]:
    """The strongest first. Forms go by certainty; words by length, because a part of a name is a worse guess than all
    of it, after what the vault knows in full and what an address explains.
    """
    length = float(span.start - span.end)
    if span.type in _FORMS:
        return 0, -span.score, length, _RANK[span.type]
    sure = span.score >= 1.0 or span.source == "address"
    return 1 if sure else 2, length, -span.score, _RANK[span.type]


def carve(text: str, spans: Iterable[Span], taken: Sequence[tuple[int, int]]) -> list[Span]:
    """Returns the parts of spans outside ``taken`` (sorted ranges) that still hold a letter or a digit."""
    left: list[Span] = []
    for span in spans:
        pieces = [(span.start, span.end)]
        for start, end in taken:
            pieces = [
                piece
                for a, b in pieces
                for piece in ([(a, b)] if b <= start or a >= end else [(a, start), (end, b)])
                if piece[1] > piece[0]
            ]
        if pieces == [(span.start, span.end)]:
            left.append(span)
            continue
        for piece in pieces:
            start, end = _trim(text, *piece)
            if end > start:
                left.append(replace(span, start=start, end=end))
    return left


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] == ")"):
        end -= 1
    return start, end


def resolve(text: str, spans: Iterable[Span]) -> list[Span]:
    """Settles overlaps so that everything any recognizer found stays covered.

    The stronger span keeps its borders, so that its value stays a value; what the weaker one covers beyond it becomes
    a span of its own. Spans are never joined: joined neighbours of one type would be one pseudonym for two people.
    """
    chosen: list[Span] = []  # sorted, and none overlaps another: a text of thousands of names is no work of hours
    for span in sorted(spans, key=_order):
        clashes = _overlapping(chosen, span)
        pieces = carve(text, [span], clashes) if clashes else [span]
        if clashes and span.type in _FORMS:
            # The rest of a number is still digits of it; a rest of one sign says nothing.
            pieces = [piece for piece in pieces if piece.end - piece.start > 1]
        for piece in pieces:
            insort(chosen, piece, key=_start)
    return chosen


def _overlapping(chosen: Sequence[Span], span: Span) -> list[tuple[int, int]]:
    """The ranges of those of sorted spans, none of which overlaps another, that overlap this one; sorted."""
    last = bisect_left(chosen, span.end, key=_start)
    first = last
    while first and chosen[first - 1].end > span.start:
        first -= 1
    return [(other.start, other.end) for other in chosen[first:last]]


def _start(span: Span) -> int:
    return span.start
