"""What an application offers under a name: tools, a policy, a graph, a default model, and the systems behind them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent_guard.credentials import Secrets
from agent_guard.errors import ConfigError
from agent_guard.scanning import Scan
from agent_guard.tool import Tool
from agent_guard.types import JSON, Clock, Party, Records, Speaker, Subject

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
        tidy: ends what has run out in the systems, e.g. holds, and returns how much; called about once a minute by a
            process that stays (``agent-guard work``). Nothing may depend on it but tidiness: that process may be down.
        ready: called once, when the gateway stands, with what gives the secrets of its agent: for adapters that are
            asked outside a tool's call as well, to read a record or to tidy. Raises ConfigError where one is missing.
    """

    resources: Mapping[str, Any] = field(repr=False)
    records: Records | None = field(repr=False)
    close: Callable[[], None]
    tidy: Callable[[], int] = field(default=lambda: 0, repr=False)
    ready: Callable[[Callable[[], Secrets]], None] = field(default=lambda _: None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Who a recorded conversation is between, and what was written. Raw.

    Args:
        party: the customer, or None where it is about none.
        speaker: whose words the lines are.
    """

    subject: Subject
    party: Party | None
    lines: Sequence[str] = field(repr=False)
    speaker: Speaker = "party"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One scenario of an application.

    Args:
        graph: makes the graph, without a checkpointer.
        planner: the embedded default model; needs no network.
        world: opens the systems behind the tools; takes their database url and a clock.
        read: reads a recorded conversation (a path, or a stream of bytes) against the world.
        samples: recorded conversations that are shipped.
        host_policies: name -> file of further policies: those of the host's own calls, under which no model runs.
        scan: what ``agent-guard scan`` looks at, or None.
        report: file ending -> what makes the file's text out of what a thread has read, or nothing where it has read
            nothing yet: ``(calls) -> text``, the calls as ``GuardedThread.calls`` gives them. Pseudonyms only; values
            are put back for the reader.
    """

    name: str
    tools: Sequence[Tool]
    policy: Path
    graph: Callable[[BaseChatModel, Gateway], CompiledStateGraph[Any, Any, Any, Any]]
    planner: Callable[[], BaseChatModel]
    world: Callable[[str, Clock], World]
    read: Callable[[Path | BinaryIO, World], Opening]
    samples: Path
    host_policies: Mapping[str, Path] = field(default_factory=dict)
    scan: Callable[[World], Scan] | None = None
    report: Mapping[str, Callable[[Sequence[Mapping[str, JSON]]], str]] = field(default_factory=dict)


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
