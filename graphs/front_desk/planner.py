"""The embedded model of the front desk: there is none. Rules route, and behind the desk each scenario has its own."""

from __future__ import annotations

from importlib import import_module

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from graphs.rules import RulePlanner
from graphs.turn import Turn

__all__ = ["DeskPlanner", "planner"]


class DeskPlanner(RulePlanner):
    """Stands for the planners of the scenarios behind the desk; asked itself, it says nothing and calls nothing."""

    def of(self, scenario: str) -> BaseChatModel:
        """The embedded planner of a scenario."""
        made: BaseChatModel = import_module(f"graphs.{scenario}.planner").planner()
        return made


def planner() -> DeskPlanner:
    """The model."""
    return DeskPlanner(model_name="front-desk-planner-1", step=_silence)


def _silence(turn: Turn, tools: frozenset[str]) -> AIMessage:
    del turn, tools
    return AIMessage("")
