"""The pictures of the graphs are what the code draws."""

from __future__ import annotations

import pytest

from graphs import FIVE, SCENARIOS
from graphs.pictures import FILE, pictures, text


@pytest.fixture(scope="module", name="drawn")
def _drawn() -> dict[str, str]:
    return pictures()


def test_every_scenario_has_its_picture(drawn: dict[str, str]) -> None:
    """docs/graphs.md shows the graph of every scenario as it is; ``python -m graphs.pictures`` writes it anew."""
    assert set(drawn) == set(SCENARIOS)
    page = FILE.read_text(encoding="utf-8")
    for name, picture in drawn.items():
        assert f"## {name}\n\n```mermaid\n{picture.strip()}\n```" in page, name


def test_the_page_holds_nothing_else() -> None:
    """No picture of a scenario that is no more stands in it."""
    assert FILE.read_text(encoding="utf-8") == text()


@pytest.mark.req("A26", "A29")
def test_the_graphs_share_the_guard_nodes(drawn: dict[str, str]) -> None:
    """Every path to a tool leads over the decision; the one node of a scenario's own follows delivery."""
    for picture in (drawn[name] for name in FIVE):
        assert {"plan -.-> decide;", "decide -.-> execute;"} <= {line.strip() for line in picture.splitlines()}
        assert "plan -.-> execute;" not in picture
    assert "deliver --> alert;" in drawn["account_health"] and "alert" not in drawn["forgotten_deal"]


@pytest.mark.req("A9")
def test_the_front_desk_leads_into_the_five_and_nowhere_else(drawn: dict[str, str]) -> None:
    """The route is the only way in, each scenario ends the turn, and none leads into another."""
    arrows = {line.strip() for line in drawn["front_desk"].splitlines() if "-->" in line or "-.->" in line}
    inside = {f"route -.-> {name};" for name in FIVE} | {f"{name} --> __end__;" for name in FIVE}
    assert arrows == inside | {"__start__ --> route;", "route -.-> __end__;"}
