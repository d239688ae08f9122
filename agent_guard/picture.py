"""A graph as a picture in a notebook: SVG that is drawn here, without a browser, a font or another host's service.

Nodes stand on a line in the order in which they were added. What leads onwards is drawn above, what leads back below;
dashed are choices of the node they leave. (LangGraph's own PNG is drawn by a service on the network.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

from agent_guard.text.drawn import cut, plain

__all__ = ["Picture", "picture"]

_STEP, _WIDTH, _HEIGHT, _EDGE = 118, 96, 34, 14
_INK, _LINE, _GROUND, _FILL = "#1f2933", "#7b8794", "#f7f9fb", "#ffffff"


class _Edge(Protocol):
    """One arrow of ``get_graph``."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def conditional(self) -> bool: ...


class _Shape(Protocol):
    """What ``get_graph`` gives."""

    @property
    def nodes(self) -> Mapping[str, Any]: ...
    @property
    def edges(self) -> Sequence[Any]: ...


class _Drawable(Protocol):
    """A compiled graph of LangGraph, or anything else of LangChain's that knows its shape."""

    def get_graph(self) -> _Shape: ...


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as a notebook shows it.

    Args:
        svg: the whole of it, without a script, a style sheet or a link.
    """

    svg: str

    def _repr_svg_(self) -> str:
        """For a notebook."""
        return self.svg


def picture(graph: _Drawable) -> Picture:
    """Draws a graph.

    Args:
        graph: compiled, e.g. by ``guarded_agent``.
    """
    shape = graph.get_graph()
    places = {name: number for number, name in enumerate(shape.nodes)}
    jumps = [places[edge.target] - places[edge.source] for edge in shape.edges]
    above, below = _reach(max(jumps, default=0)), _reach(-min(jumps, default=0))
    line = above + _EDGE + _HEIGHT // 2
    width, height = len(places) * _STEP + _EDGE, line + _HEIGHT // 2 + below + _EDGE
    body = [*(_arrow(edge, places, line) for edge in shape.edges), *_boxes(places, line)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{_LINE}"/></marker></defs>'
        f'<rect width="{width}" height="{height}" rx="8" fill="{_GROUND}"/>'
    )
    return Picture(svg="\n".join([head, *body, "</svg>"]))


def _reach(jump: int) -> int:
    """How far an arrow over so many places reaches from the boxes."""
    return 0 if jump < 1 else 12 + 14 * jump


def _middle(place: int) -> int:
    return place * _STEP + (_STEP + _EDGE) // 2


def _arrow(edge: _Edge, places: Mapping[str, int], line: int) -> str:
    start, end = places[edge.source], places[edge.target]
    first, last, half = _middle(start), _middle(end), _HEIGHT // 2
    if end == start + 1:
        path = f"M{first + _WIDTH // 2} {line}H{last - _WIDTH // 2 - 1}"
    elif end > start:
        top = line - half - round(_reach(end - start) * 4 / 3)  # a curve reaches three quarters of its handles
        path = f"M{first + 18} {line - half}C{first + 18} {top} {last - 18} {top} {last - 18} {line - half - 1}"
    elif end < start:
        low = line + half + round(_reach(start - end) * 4 / 3)
        path = f"M{first - 18} {line + half}C{first - 18} {low} {last + 18} {low} {last + 18} {line + half + 1}"
    else:
        top = line - half - _EDGE
        path = f"M{first - 10} {line - half}C{first - 14} {top} {first + 14} {top} {first + 10} {line - half - 1}"
    dashes = ' stroke-dasharray="5 4"' if edge.conditional else ""
    return f'<path d="{path}" fill="none" stroke="{_LINE}" stroke-width="1.3" marker-end="url(#tip)"{dashes}/>'


def _boxes(places: Mapping[str, int], line: int) -> Iterator[str]:
    for name, place in places.items():
        middle, words = _middle(place), escape(cut(plain(name.strip("_")), 14))
        yield (
            f'<rect x="{middle - _WIDTH // 2}" y="{line - _HEIGHT // 2}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" '
            f'fill="{_FILL}" stroke="{_LINE}"/>'
            f'<text x="{middle}" y="{line + 5}" fill="{_INK}" text-anchor="middle">{words}</text>'
        )
