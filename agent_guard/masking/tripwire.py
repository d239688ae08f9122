"""The last look before a model call: does any raw personal value stand in the text?

No recognizer of names, no Presidio, no model: forms that a checksum or a plus sign proves, and the raw values of the
thread's vault. Whoever calls it refuses to send a text for which anything is returned. It knows nothing that the masker
does not know, so a masked text passes.
"""

from __future__ import annotations

from agent_guard.masking.fold import fold
from agent_guard.masking.known import is_everyday, known_of
from agent_guard.masking.patterns import find_proven
from agent_guard.masking.resolve import resolve
from agent_guard.masking.tokens import blank_pseudonyms
from agent_guard.types import Pseudonyms, Span

__all__ = ["leaks"]

_SHORTEST_PART = 4


def leaks(text: str, vault: Pseudonyms) -> list[Span]:
    """Returns every proven personal value in a text that should hold pseudonyms only; empty means clean.

    Single parts of a known name count from four letters on and unless they are everyday words, because this answer
    stops a call. Costs about 0.1 ms for 4 KB of clean text and 20 known values.

    Raises:
        StoreError: the vault cannot be read; treat it as a leak.
    """
    folded = fold(blank_pseudonyms(text))
    found = list(find_proven(folded.text))
    known = known_of(vault)
    if known.may_occur(folded.text):
        found.extend(span for span in known.find(folded.text) if not _weak(folded.text, span))
    spans = []
    for span in resolve(folded.text, found):
        start, end = folded.original(span.start, span.end)
        spans.append(Span(start=start, end=end, type=span.type, score=span.score, source=span.source))
    return spans


def _weak(text: str, span: Span) -> bool:
    single = span.type == "PERSON" and span.score < 1.0
    return single and (span.end - span.start < _SHORTEST_PART or is_everyday(text[span.start : span.end]))
