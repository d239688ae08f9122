"""What langgraph.json exports can be loaded and run as a LangGraph server does it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from agent_guard.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXPORTS = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))["graphs"]


@pytest.mark.parametrize("name", EXPORTS)
def test_each_export_is_a_factory_of_a_graph_without_a_checkpointer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each graph of langgraph.json is made from the configuration, brings no checkpointer, and has the guard's nodes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text("environment: dev\n", encoding="utf-8")
    path, _, attribute = EXPORTS[name].partition(":")
    module = import_module(Path(path).with_suffix("").as_posix().replace("/", "."))
    module._application.cache_clear()
    graph = getattr(module, attribute)()
    try:
        assert graph.checkpointer is None
        assert {"plan", "decide", "approve", "execute", "deliver", "escalate"} <= set(graph.nodes)
        out = graph.invoke({"messages": [HumanMessage("Hi")]}, {"configurable": {"thread_id": "never-opened"}})
        assert out["status"] == "escalated" and "there is no thread" in out["outcome"]["reason"]
    finally:
        module._application().close()
        module._application.cache_clear()


def test_without_a_key_nothing_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside dev a missing master key stops the server at once, with the variable's name."""
    from graphs.sdr_qualification import server

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY", raising=False)
    server._application.cache_clear()
    with pytest.raises(ConfigError, match="AGENT_GUARD_MASTER_KEY"):
        server.make_graph()
