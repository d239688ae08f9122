"""What langgraph.json exports can be loaded and run as a LangGraph server does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from agent_guard.errors import ConfigError
from graphs import serving

ROOT = Path(__file__).parents[2]
EXPORTS = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))["graphs"]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    serving.close()
    yield
    serving.close()


@pytest.mark.parametrize("name", EXPORTS)
async def test_each_export_is_a_factory_of_a_graph_without_a_checkpointer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each graph of langgraph.json is made once from the configuration, without a checkpointer, with the guard's nodes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text("environment: dev\n", encoding="utf-8")
    path, _, attribute = EXPORTS[name].partition(":")
    module = import_module(Path(path).with_suffix("").as_posix().replace("/", "."))
    graph = await getattr(module, attribute)()
    assert graph is await getattr(module, attribute)()
    assert graph.checkpointer is None
    for inside in dict(graph.get_subgraphs()).values() or [graph]:  # those behind the front desk
        assert {"plan", "decide", "approve", "execute", "deliver", "escalate"} <= set(inside.nodes)
    out = graph.invoke({"messages": [HumanMessage("Hi")]}, {"configurable": {"thread_id": "never-opened"}})
    assert out["status"] == "escalated" and "there is no thread" in out["outcome"]["reason"]


def test_aegra_is_given_the_same_graphs() -> None:
    """``aegra.json`` and ``langgraph.json`` export the same factories, and both name an auth and a door."""
    aegra, langgraph = (
        json.loads((ROOT / f"{name}.json").read_text(encoding="utf-8")) for name in ("aegra", "langgraph")
    )
    assert aegra["graphs"] == langgraph["graphs"] and len(aegra["graphs"]) == 6
    for config in (aegra, langgraph):
        assert config["auth"]["disable_studio_auth"] and config["http"]["app"]
    assert langgraph["http"]["middleware_order"] == "auth_first"


async def test_without_a_key_nothing_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside dev a missing master key stops the server at once, with the variable's name."""
    from graphs.sdr_qualification import server

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY", raising=False)
    with pytest.raises(ConfigError, match="AGENT_GUARD_MASTER_KEY"):
        await server.make_graph()
