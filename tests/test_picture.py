"""A graph is drawn with every node and every arrow, and a node's name can only draw."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

from agent_guard.nodes import guarded_agent
from agent_guard.picture import picture
from agent_guard.testing import ScriptedModel
from tests.conftest import World

SVG = "{http://www.w3.org/2000/svg}"


def shape(*names: str, **arrows: bool) -> Any:
    """A graph of these nodes; an arrow is written ``a_b=conditional``."""
    edges = [
        SimpleNamespace(source=source, target=target, conditional=conditional)
        for source, target, conditional in ((*name.split("_"), conditional) for name, conditional in arrows.items())
    ]
    return SimpleNamespace(get_graph=lambda: SimpleNamespace(nodes=dict.fromkeys(names), edges=edges))


def paths(svg: str) -> list[str]:
    """The arrows' lines."""
    root = ET.fromstring(svg)
    return [item.attrib["d"] for item in root.findall(f"{SVG}path")]


def test_the_guards_graph_has_all_its_nodes_and_arrows(world: World) -> None:
    """Each node stands once, each arrow is drawn, choices are dashed; nothing is loaded from anywhere."""
    graph = guarded_agent(ScriptedModel(), world.gateway(world.policy()))
    svg = picture(graph)._repr_svg_()
    known = graph.get_graph()
    root = ET.fromstring(svg)
    assert [item.text for item in root.findall(f"{SVG}text")] == [name.strip("_") for name in known.nodes]
    assert len(paths(svg)) == len(known.edges)
    assert svg.count("stroke-dasharray") == sum(edge.conditional for edge in known.edges)
    assert not [word for word in ("href", "<script", "<style", "url(http") if word in svg]


def test_arrows_lead_on_above_and_back_below() -> None:
    """A neighbour is reached straight, a farther one above the line, an earlier one below it; all stays inside."""
    svg = picture(shape("a", "b", "c", a_b=False, a_c=True, c_a=True, b_b=True))._repr_svg_()
    straight, above, below, loop = paths(svg)
    assert "H" in straight
    line = float(straight.split()[1].split("H")[0])
    assert _extreme(above, min) < _extreme(loop, min) < line < _extreme(below, max)
    height = float(ET.fromstring(svg).attrib["viewBox"].split()[3])
    assert _curve_top(above) >= 0
    assert _extreme(below, max) * 0.75 + (line + 17) * 0.25 <= height


def test_a_name_can_only_draw() -> None:
    """Markup in a node's name is escaped, what draws nothing is written out, and a long one is cut."""
    svg = picture(shape("<script>\x1b", "x" * 99))._repr_svg_()
    assert "<script" not in svg
    assert "\x1b" not in svg
    texts = [item.text for item in ET.fromstring(svg).findall(f"{SVG}text")]
    assert texts == ["<script>\\x1b", "x" * 13 + "…"]


def _extreme(path: str, of: Any) -> float:
    numbers = [float(part) for part in path.replace("M", " ").replace("C", " ").split()]
    return float(of(numbers[1::2]))


def _curve_top(path: str) -> float:
    """Where a curve is highest: three quarters of the way to its handles."""
    numbers = [float(part) for part in path.replace("M", " ").replace("C", " ").split()]
    return numbers[1] * 0.25 + numbers[3] * 0.75
