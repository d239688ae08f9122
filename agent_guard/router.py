"""The intent router: a request is understood first and sent into its corridor, before anything else is read.

    refuse     destruction, mass mail, exports, rights, injections: whatever else the text says, no scenario
    human      a customer's wish to be forgotten, a write that no corridor has, a corridor that is not installed
    clarify    no corridor or several: one question back; a second unclear answer goes to a person
    scenario   one corridor, with its scope

Rules decide, and are pure: one text, one answer. A classifier may be asked where they find nothing; it chooses from a
closed list, sees masked text only, and is never asked about a text that the rules refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from agent_guard.errors import ConfigError
from agent_guard.routing.corridor import Corridor, Signal
from agent_guard.routing.danger import Finding, shipped
from agent_guard.routing.files import Language
from agent_guard.routing.language import language_of
from agent_guard.routing.sayings import answer
from agent_guard.routing.typos import Vocabulary

__all__ = ["CLARIFY", "HUMAN", "Classifier", "Corridor", "Route", "Router"]

CLARIFY, HUMAN = "clarify", "human"
"""What a classifier answers where no scenario fits."""

OPENS = 2
"""Points that open a corridor, and the weight that one of its signals must have: weak ones alone open none."""
MARGIN = 1
"""Points by which it must lead."""
RIVAL = 3
"""Points with which a second corridor makes the request unclear, however far the first one leads."""
OTHER = "something else is asked for"
"""The rule where a part of a request names records in bulk and no corridor explains it; no classifier is asked."""
CLASSIFIED = 0.5
"""The confidence of a classifier's answer: it names none that could be compared."""

_HANDOVER = Path(__file__).parent / "routing" / "handover.yaml"

Classifier = Callable[[str, Sequence[str]], str | None]


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a request goes. Holds nothing of its text.

    Args:
        scenario: the scenario, exactly where the outcome is ``scenario``.
        scope: the tools that the thread may use; None is the scenario's whole policy.
        needs_party: the scenario needs an authenticated customer; the text never says who that is.
        confidence: 0 to 1; of rules, how far the chosen corridor leads.
        rule: what decided: a corridor and its best pattern, a kind of danger, or why nobody else did.
        candidates: the corridors that a clarifying question offers.
    """

    outcome: Literal["scenario", "clarify", "human", "refuse"]
    rule: str
    language: Language
    confidence: float = 1.0
    scenario: str | None = None
    scope: frozenset[str] | None = None
    needs_party: bool = False
    candidates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.outcome == "scenario") != (self.scenario is not None):
            raise ValueError("a route has a scenario exactly where its outcome is 'scenario'")

    def to_human(self, rule: str) -> Route:
        """The same request given to a person, without scenario and scope."""
        return replace(self, outcome="human", rule=rule, scenario=None, scope=None, candidates=())


@dataclass(frozen=True, kw_only=True)
class _Score:
    corridor: Corridor
    points: int
    weight: int
    best: str


class Router:
    """Routes requests among corridors. Deterministic without a classifier; never raises on a text.

    Args:
        corridors: every known one, in the order in which a question lists them.
        installed: the scenarios that the application has; by default all. A request for another goes to a person.
        model: a classifier ``(masked text, labels) -> label or None``, asked where the rules are unclear.
        mask: masks a text for the classifier; ``str`` where all texts come masked.

    Raises:
        ConfigError: two corridors of one name, an installed name without a corridor, or a model without ``mask``.
    """

    def __init__(
        self,
        corridors: Sequence[Corridor],
        model: Classifier | None = None,
        *,
        installed: Collection[str] | None = None,
        mask: Callable[[str], str] | None = None,
    ) -> None:
        names = [item.name for item in corridors]
        if len(set(names)) < len(names) or {CLARIFY, HUMAN, "refuse"} & set(names):
            raise ConfigError("corridors have different names, none of them clarify, human or refuse")
        if model is not None and mask is None:
            raise ConfigError(
                "a router's model sees masked text only: give mask=..., or mask=str where texts are masked"
            )
        self.corridors = tuple(corridors)
        self.installed = frozenset(names if installed is None else installed)
        if without := sorted(self.installed - set(names)):
            raise ConfigError(f"there is no corridor for the scenario {without[0]!r}; there is: {', '.join(names)}")
        self._model, self._mask = model, mask
        self._handover = Corridor.load(_HANDOVER)
        self._danger = shipped()
        signals = [item.pattern for one in (*corridors, self._handover) for item in one.signals]
        self._vocabulary = Vocabulary([*signals, *self._danger.patterns], self._danger.known)

    @property
    def shows_texts(self) -> bool:
        """Whether the classifier is shown each text as it comes."""
        return self._model is not None and self._mask is str

    def route(self, text: str, *, asked: bool = False) -> Route:
        """Routes one request.

        Args:
            text: of any length, raw or masked; pseudonyms are neutral words.
            asked: a clarifying question was asked before, so a request that is unclear again goes to a person.
        """
        language = language_of(text)
        finding = self._danger.find(text, language, self._vocabulary)
        if finding is not None:
            return _stopped(finding, language)
        route = self._by_rules(text, language)
        if route.outcome == "clarify" and route.rule != OTHER and self._model is not None:
            route = self._by_model(text, route)
        if route.outcome == "clarify" and asked:
            return route.to_human(f"unclear again: {route.rule}")
        return route

    def enter(self, name: str, text: str) -> Route:
        """The route of a request whose scenario the host has fixed; dangers are looked for all the same.

        Args:
            name: a scenario; without a corridor it has its whole policy, and needs no customer.
        """
        language = language_of(text)
        finding = self._danger.find(text, language, self._vocabulary)
        if finding is not None:
            return _stopped(finding, language)
        corridor = next((item for item in self.corridors if item.name == name), None)
        if corridor is None:
            return Route(outcome="scenario", rule="named by the host", language=language, scenario=name)
        return self._into(corridor, "named by the host", 1.0, language)

    def words(self, route: Route) -> str | None:
        """What the person is told where no scenario takes over: the question, the refusal, or that somebody comes."""
        labels = [
            item.label.get(route.language) or item.label.get("en") or item.name
            for item in self.corridors
            if item.name in (route.candidates or self.installed) and item.name in self.installed
        ]
        return answer(route.outcome, route.language, labels, several=bool(route.candidates))

    # ---- the stages

    def _by_rules(self, text: str, language: Language) -> Route:
        reading = self._danger.read(text, language, self._vocabulary)
        kept = [clause for clause in reading.by_clause if not self._danger.rejects(clause)]
        signals = {
            item.name: [signal for signal in item.signals if signal.pattern.may_match(reading.beginnings)]
            for item in (*self.corridors, self._handover)
        }
        whole = "|".join(kept)
        passed = _score(self._handover, signals[HUMAN], whole)
        if passed.points >= OPENS:
            return Route(outcome="human", rule=f"handover: {passed.best}", language=language)
        scores = self._scores(signals, whole)
        if not scores:
            return Route(outcome="human", rule="there is no corridor", language=language)
        first, rival = scores[0], scores[1].points if len(scores) > 1 else 0
        confidence = round(max(first.points, 0) / (max(first.points, 0) + max(rival, 0) + 1), 2)
        opened = first.points >= OPENS and first.weight >= OPENS
        if any(self._is_other(first.corridor if opened else None, signals, clause) for clause in kept):
            return Route(outcome="clarify", rule=OTHER, language=language, confidence=confidence)
        if not opened:
            return Route(outcome="clarify", rule="no corridor", language=language, confidence=confidence)
        near = {item.corridor.name for item in scores if item.points >= RIVAL or first.points - item.points < MARGIN}
        for clause in kept if len(kept) > 1 else ():
            leads = self._scores(signals, clause)[0]
            if leads.points >= RIVAL:
                near.add(leads.corridor.name)
        if len(near) > 1:
            return self._several(near, confidence, language)
        return self._into(first.corridor, f"{first.corridor.name}: {first.best}", confidence, language)

    def _is_other(self, corridor: Corridor | None, signals: Mapping[str, Sequence[Signal]], clause: str) -> bool:
        """Whether a clause that the corridor does not explain names records in bulk."""
        explained = corridor is not None and _score(corridor, signals[corridor.name], clause).weight >= OPENS
        return not explained and self._danger.names_others(clause)

    def _several(self, names: Collection[str], confidence: float, language: Language) -> Route:
        offered = tuple(item.name for item in self.corridors if item.name in names and item.name in self.installed)
        if not offered:
            return Route(outcome="human", rule=f"not installed: {', '.join(sorted(names))}", language=language)
        return Route(
            outcome="clarify", rule="several corridors", language=language, confidence=confidence, candidates=offered
        )

    def _scores(self, signals: Mapping[str, Sequence[Signal]], text: str) -> list[_Score]:
        return sorted(
            (_score(item, signals[item.name], text) for item in self.corridors), key=lambda item: -item.points
        )

    def _by_model(self, text: str, route: Route) -> Route:
        labels = [*(item.name for item in self.corridors), CLARIFY, HUMAN]
        try:
            label = self._model(self._mask(text), labels) if self._model and self._mask else None
        except Exception:  # a classifier that fails is one that has no answer
            label = None
        if label == HUMAN:
            return route.to_human("model: human")
        corridor = next((item for item in self.corridors if item.name == label), None)
        if corridor is None:
            return route
        return self._into(corridor, f"model: {corridor.name}", CLASSIFIED, route.language)

    def _into(self, corridor: Corridor, rule: str, confidence: float, language: Language) -> Route:
        if corridor.name not in self.installed:
            return Route(outcome="human", rule=f"not installed: {corridor.name}", language=language)
        return Route(
            outcome="scenario",
            rule=rule,
            language=language,
            confidence=confidence,
            scenario=corridor.name,
            scope=corridor.scope,
            needs_party=corridor.needs_party,
        )


def _stopped(finding: Finding, language: Language) -> Route:
    return Route(outcome=finding.outcome, rule=f"danger: {finding.kind}", language=language)


def _score(corridor: Corridor, signals: Sequence[Signal], text: str) -> _Score:
    hits = [item for item in signals if item.pattern.regex.search(text)]
    best = max(hits, key=lambda item: item.weight, default=None)
    return _Score(
        corridor=corridor,
        points=sum(item.weight for item in hits),
        weight=best.weight if best else 0,
        best=best.pattern.source if best else "",
    )
