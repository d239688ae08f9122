"""A text with what was found in it marked, for a notebook or a terminal: what the model would not see, and why.

It shows raw text, unlike everything else here: it is for the person who tries out masking on data of their own, and
nothing of it is stored. The text is taken for hostile: it is escaped for HTML, is never read as markup, and can only
draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from agent_guard.text.drawn import plain
from agent_guard.types import EntityType, Span

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Highlighted", "highlight"]

_HUES: dict[EntityType, int] = {
    "PERSON": 210, "PHONE": 140, "EMAIL": 280, "ID": 30, "CARD": 0, "IBAN": 15, "LOCATION": 90, "ORG": 190, "URL": 300,
    "IP": 50, "SECRET": 345,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Highlighted:
    """A text and what was found in it.

    Args:
        text: raw.
        spans: sorted, not overlapping, inside the text.
    """

    text: str = field(repr=False)
    spans: tuple[Span, ...]

    def _repr_html_(self) -> str:
        """For a notebook: each finding marked, with its type; the recognizer and its score stand under the pointer."""
        parts = []
        for words, span in self._parts():
            drawn = escape(plain(words, lines=True)).replace("\n", "<br>")
            if span is None:
                parts.append(drawn)
                continue
            hue, why = _HUES[span.type], escape(f"{span.source}, {span.score:.2f}", quote=True)
            parts.append(
                f'<mark title="{why}" style="background:hsl({hue} 70% 50% / .25);color:inherit;border-radius:.2em;'
                f'padding:0 .2em">{drawn} <small>{span.type} {why}</small></mark>'
            )
        return f'<div style="line-height:1.8">{"".join(parts)}</div>'

    def __rich__(self) -> Text:
        """For ``rich.print``."""
        from rich.text import Text

        text = Text()
        for words, span in self._parts():
            text.append(plain(words, lines=True), style="reverse" if span else "")
            text.append(f" {span.type}" if span else "", style="dim")
        return text

    def __str__(self) -> str:
        """Plain text: ``[Anna Kowalska|PERSON known 0.95]``."""
        return "".join(
            plain(words, lines=True)
            if span is None
            else f"[{plain(words, lines=True)}|{span.type} {span.source} {span.score:.2f}]"
            for words, span in self._parts()
        )

    def _parts(self) -> Iterator[tuple[str, Span | None]]:
        position = 0
        for span in self.spans:
            yield self.text[position : span.start], None
            yield self.text[span.start : span.end], span
            position = span.end
        yield self.text[position:], None


def highlight(text: str, spans: Iterable[Span]) -> Highlighted:
    """Marks findings in a text.

    Args:
        text: raw.
        spans: of this text, e.g. ``Masker().spans(text)``.

    Raises:
        ValueError: they overlap, or lie outside the text; then they are of another one.
    """
    known = tuple(sorted(spans, key=lambda span: span.start))
    ends = [0, *(span.end for span in known)]
    if any(span.start < end or span.end < span.start for span, end in zip(known, ends, strict=False)) or (
        ends[-1] > len(text)
    ):
        raise ValueError("these spans are not of this text: they overlap, or lie outside it")
    return Highlighted(text=text, spans=known)
