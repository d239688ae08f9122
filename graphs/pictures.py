"""Pictures of the graphs as Mermaid draws them: ``python -m graphs.pictures`` writes ``docs/graphs.md``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from agent_guard.app import Application
from agent_guard.masking import Masker
from agent_guard.settings import Settings

__all__ = ["FILE", "pictures", "text"]

FILE = Path(__file__).parents[1] / "docs" / "graphs.md"

_HEAD = """# The graphs

Every scenario's graph is made of the same guard nodes; what is its own stands beside it. The front desk holds the five
as subgraphs. Dashed arrows are choices of the node they leave. Written by `python -m graphs.pictures`; a test holds
them to the code.
"""


def pictures() -> dict[str, str]:
    """Scenario -> its graph in Mermaid's notation."""
    with TemporaryDirectory() as folder:
        urls = {name: f"sqlite:///{folder}/{name}.db" for name in ("database", "checkpoints", "systems")}
        application = Application(Settings(environment="dev", **urls), masker=Masker(profile="patterns"))
        try:
            graphs = {
                name: scenario.graph(scenario.planner(), application.gateway)
                for name, scenario in application.scenarios.items()
            }
            return {name: graph.get_graph().draw_mermaid() for name, graph in sorted(graphs.items())}
        finally:
            application.close()


def text() -> str:
    """The whole page."""
    parts = [f"\n## {name}\n\n```mermaid\n{picture.strip()}\n```\n" for name, picture in pictures().items()]
    return _HEAD + "".join(parts)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
