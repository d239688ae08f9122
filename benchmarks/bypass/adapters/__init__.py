"""One file for each system. Each is imported only where its packages are installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from benchmarks.bypass.handle import System

__all__ = ["ADAPTERS", "Adapter", "load"]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Where a system is found.

    Args:
        title: the column's name.
        packages: what is installed for it, into an environment of its own; empty: it runs in this one.
        make: ``module:name`` of what makes the system.
    """

    title: str
    make: str
    packages: tuple[str, ...] = ()


ADAPTERS = {
    "agent_guard": Adapter(title="agent_guard", make="agent_guard:Ours"),
    "langchain": Adapter(title="LangChain, strict", make="langchain:Strict"),
    "langchain_defaults": Adapter(title="LangChain, defaults", make="langchain:Defaults"),
    "ctrlrun": Adapter(title="CTRLRun", make="ctrlrun:CtrlRun", packages=("ctrlrun==0.12.2",)),
    "agt": Adapter(title="AGT", make="agt:Agt", packages=("agent-governance-toolkit-core==5.0.0",)),
}
"""Name -> adapter, in the order of the columns. Versions are pinned: another one is another system."""


def load(name: str) -> System:
    """The system of an adapter.

    Raises:
        ImportError: its packages are not installed here.
    """
    module, _, attribute = ADAPTERS[name].make.partition(":")
    make: Callable[[], System] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return make()
