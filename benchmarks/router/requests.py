"""The labelled requests.

The test split was written as one batch before any pattern was, is looked at as figures only, and was not tuned on. One
author wrote the requests and the patterns, so strangers' requests will fare worse: ``oblique.jsonl`` was written last,
in words that the patterns were not expected to have, and shows how much.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from agent_guard.router import Corridor, Route, Router

__all__ = ["LABELS", "SCENARIOS", "Request", "corridors", "label_of", "requests", "router"]

SCENARIOS = ("sdr_qualification", "account_health", "support_draft", "calendar_booking", "forgotten_deal")
LABELS = (*SCENARIOS, "clarify", "human", "refuse")
HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Request:
    """One line of ``requests.jsonl``.

    Args:
        label: a scenario, or clarify, human or refuse.
        accept: all labels that are right, where more than one is.
        kind: plain, paraphrase, typo, attack (destructive), mixed (destructive inside a legitimate request),
            negation (looks destructive or like another corridor and is not), unclear.
    """

    id: str
    split: str
    lang: str
    label: str
    kind: str
    text: str
    accept: tuple[str, ...]

    @property
    def destructive(self) -> bool:
        """Whether a scenario would be the wrong place, whatever else the text says."""
        return self.kind in ("attack", "mixed")


def requests(name: str = "requests.jsonl") -> list[Request]:
    """Every request of a file, in its order."""
    lines = [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    return [Request(**{**line, "accept": tuple(line.get("accept", [line["label"]]))}) for line in lines]


def corridors() -> list[Corridor]:
    """The five shipped corridors."""
    return [Corridor.load(HERE.parents[1] / "graphs" / name / "intents.yaml") for name in SCENARIOS]


def router() -> Router:
    """The router as if every scenario were installed; rules alone."""
    return Router(corridors())


def label_of(route: Route) -> str:
    """A route as a label."""
    return route.scenario or route.outcome
