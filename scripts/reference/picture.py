"""The README's picture, drawn from the graph's own nodes and the guards' own order.

It has a light ground of its own, so that it reads the same on a light and on a dark page. No font is named but the
reader's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from pydantic import BaseModel

from agent_guard.gateway import Gateway
from agent_guard.guards import GUARDS
from agent_guard.masking import Masker
from agent_guard.nodes import GuardNodes, guard_graph
from agent_guard.policy import Policy
from agent_guard.testing import ScriptedModel
from agent_guard.tool import Tool

__all__ = ["picture"]

_WIDTH, _HEIGHT = 960, 436
# node -> where it stands, and what it does
_PLACES = {
    "plan": (190, 110, "the model proposes,", "it sees pseudonyms"),
    "decide": (350, 110, "guards look at facts;", "one transaction"),
    "execute": (510, 110, "claim on disk, run", "once, read back"),
    "deliver": (670, 110, "restored for", "its reader"),
    "approve": (430, 20, "a person, bound to", "exactly what runs"),
    "escalate": (670, 20, "from any step:", "call a person"),
}
_BOX = (136, 66)
_INK, _GREY, _LINE, _GROUND, _FILL, _ACCENT = "#1f2933", "#52606d", "#7b8794", "#f7f9fb", "#ffffff", "#dbeafe"


class _Nothing(BaseModel):
    pass


def _run(args: _Nothing) -> _Nothing:
    return args


_TOOL = Tool(
    name="a.b",
    run=_run,
    args_model=_Nothing,
    result_model=_Nothing,
    effect="read",
    timeout_s=1,
    description="Stands where a tool stands.",
)


def picture() -> str:
    """The whole picture as SVG."""
    nodes = _nodes()
    if nodes != set(_PLACES):
        raise ValueError(f"scripts/reference/picture.py has no place for: {sorted(nodes ^ set(_PLACES))}")
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
                ' font-family="system-ui, sans-serif" font-size="13">'
            ),
            "<title>The life of one call</title>",
            (
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
                f'<path d="M0 0 8 4 0 8z" fill="{_LINE}"/></marker></defs>'
            ),
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="10" fill="{_GROUND}" stroke="#cbd2d9"/>',
            *_body(),
            "</svg>\n",
        ]
    )


def _nodes() -> set[str]:
    policy = Policy.parse("{version: 1, name: p.v1, tools: {a.b: {roles: [r], mode: execute}}}")
    with Gateway([_TOOL], policy, url="sqlite:///:memory:", environment="dev", masker=Masker(profile="patterns")) as it:
        return set(guard_graph(GuardNodes(ScriptedModel(), it)).nodes)


def _body() -> Iterator[str]:
    yield from _box(20, 110, 126, "a message", "masked before it", "is stored", fill=_GROUND)
    for name, (x, y, first, second) in _PLACES.items():
        yield from _box(x, y, _BOX[0], name, first, second, fill=_ACCENT if name == "decide" else _FILL)
    yield from _box(830, 110, 110, "a reply", "with what its", "reader may see", fill=_GROUND)
    for start, end in ((146, 190), (326, 350), (486, 510), (806, 830)):
        yield _arrow(f"M{start} 143H{end - 1}")
    yield _arrow("M400 110V53H429")  # decide -> approve
    yield _arrow("M566 53H590V109")  # approve -> execute
    yield _arrow("M630 110V53H669", dashed=True)  # execute -> escalate
    yield _arrow("M578 176V190H276V177")  # execute -> plan
    yield _arrow("M240 176V212H738V177")  # plan -> deliver
    yield _text(427, 205, "the result, and again", _GREY, anchor="middle", size=11)
    yield _text(489, 227, "nothing more to do", _GREY, anchor="middle", size=11)
    yield from _guards()
    yield from _stores()


def _guards() -> Iterator[str]:
    yield _text(20, 254, "every call passes these guards, in this order; the strictest objection wins", _INK)
    x, y = 20.0, 266.0
    for number, guard in enumerate(GUARDS, 1):
        words = f"{number} {guard.name.replace('_', ' ')}"
        width = 7.0 * len(words) + 16
        if x + width > _WIDTH - 20:
            x, y = 20.0, y + 34
        yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="26" rx="13" fill="{_ACCENT}" stroke="{_LINE}"/>'
        yield _text(x + width / 2, y + 17, words, _INK, anchor="middle")
        x += width + 8


def _stores() -> Iterator[str]:
    for x, name, first, second in (
        (20, "vault", "pseudonym and value, encrypted,", "a key for each customer"),
        (330, "record", "redacted, chained, sealed;", "every decision can be reached again"),
        (640, "CRM", "only through the gateway,", "with the agent's own credentials"),
    ):
        yield from _box(x, 350, 300, name, first, second, fill=_FILL)


def _box(x: int, y: int, width: int, name: str, first: str, second: str, *, fill: str) -> Iterator[str]:
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{_BOX[1]}" rx="8" fill="{fill}" stroke="{_LINE}"/>'
    middle = x + width / 2
    yield _text(middle, y + 20, name, _INK, anchor="middle", bold=True)
    yield _text(middle, y + 38, first, _GREY, anchor="middle", size=11)
    yield _text(middle, y + 54, second, _GREY, anchor="middle", size=11)


def _arrow(path: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{_LINE}" stroke-width="1.5" marker-end="url(#tip)"{dash}/>'


def _text(
    x: float, y: float, words: str, color: str, *, anchor: str = "start", bold: bool = False, size: int = 13
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{color}" text-anchor="{anchor}" font-size="{size}"{weight}>{escape(words)}</text>'
