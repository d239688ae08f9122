"""What an application offers under a name: tools, a policy, a graph, a default model, and the systems behind them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent_guard.errors import ConfigError
from agent_guard.tool import Tool
from agent_guard.types import Clock, Party, Records, Subject

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph

    from agent_guard.gateway import Gateway

__all__ = ["Opening", "Scenario", "World", "load_app"]


@dataclass(frozen=True, kw_only=True)
class World:
    """The systems that tools work on.

    Args:
        resources: what tools ask for by name.
        close: gives everything back.
    """

    resources: Mapping[str, Any] = field(repr=False)
    records: Records | None = field(repr=False)
    close: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Who a recorded conversation is between, and what the customer wrote. Raw."""

    subject: Subject
    party: Party
    lines: Sequence[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One scenario of an application.

    Args:
        graph: makes the graph, without a checkpointer.
        planner: the embedded default model; needs no network.
        world: opens the systems behind the tools; takes their database url and a clock.
        read: reads a recorded conversation (a path, or a stream of bytes) against the world.
        samples: recorded conversations that are shipped.
    """

    name: str
    tools: Sequence[Tool]
    policy: Path
    graph: Callable[[BaseChatModel, Gateway], CompiledStateGraph[Any, Any, Any, Any]]
    planner: Callable[[], BaseChatModel]
    world: Callable[[str, Clock], World]
    read: Callable[[Path | BinaryIO, World], Opening]
    samples: Path


def load_app(spec: str) -> Mapping[str, Scenario]:
    """Loads an application from ``module:attribute``, found from the current folder as uvicorn does it.

    Raises:
        ConfigError: the text is no such form, the module or attribute is missing, or it holds no scenarios.
    """
    module, _, attribute = spec.partition(":")
    if not module or not attribute:
        raise ConfigError(f"{spec!r} names no application; write module:attribute, e.g. 'graphs:SCENARIOS'")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the application {spec!r} cannot be loaded: no module {error.name!r} here; run from its folder, or name "
            "another with --app"
        ) from None
    except AttributeError:
        raise ConfigError(f"the module {module!r} has no {attribute!r}") from None
    if not isinstance(found, Mapping) or not all(isinstance(item, Scenario) for item in found.values()):
        raise ConfigError(f"{spec!r} is not a mapping of names to scenarios")
    return found
