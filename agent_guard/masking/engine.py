"""Presidio's shell around our recognizers: its registry, its analyzer, its result type; none of its models.

Presidio is imported when the first engine is built, which costs about a second. No predefined recognizer is loaded:
they are registered for some languages only, and the one for e-mails asks a network for top-level domains. The NLP
engine does nothing, because a spaCy pipeline would be downloaded and would cost most of the time.
"""

# ruff: noqa: ARG002  the arguments of these methods are Presidio's

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from agent_guard.types import ENTITY_TYPES, EntityType, Span

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerResult

__all__ = ["PRESIDIO_TYPES", "Engine", "Finder", "our_type"]

Finder = Callable[[str, str], Iterable[Span]]
"""Finds spans in (folded text, language hint)."""

PRESIDIO_TYPES: dict[str, EntityType] = {
    "PHONE_NUMBER": "PHONE", "EMAIL_ADDRESS": "EMAIL", "CREDIT_CARD": "CARD", "IBAN_CODE": "IBAN", "IP_ADDRESS": "IP",
    "ORGANIZATION": "ORG", "GPE": "LOCATION", "LOC": "LOCATION", "ADDRESS": "LOCATION", "PER": "PERSON",
    "NAME": "PERSON",
    "API_KEY": "SECRET", "PASSWORD": "SECRET", "CRYPTO": "SECRET", "DOMAIN_NAME": "URL", "MAC_ADDRESS": "IP",
}  # fmt: skip
"""Presidio's names of entities in ours; a name that is in neither list is a person's identifier, ``ID``."""

_SOURCE = "agent_guard_source"
_NEAR = 48
_CONTEXT_GAIN = 0.4
_LOWEST_SCORE = 0.3


def our_type(name: str) -> EntityType:
    """Our type of a Presidio entity."""
    for known in ENTITY_TYPES:
        if known == name:
            return known
    return PRESIDIO_TYPES.get(name, "ID")


def _result(span: Span, identifier: str) -> RecognizerResult:
    from presidio_analyzer import RecognizerResult

    return RecognizerResult(
        span.type, span.start, span.end, span.score,
        recognition_metadata={RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: identifier, _SOURCE: span.source},
    )  # fmt: skip


def _build(finder: Finder, languages: Sequence[str], own: Sequence[Any]) -> AnalyzerEngine:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
    from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class Inside(EntityRecognizer):
        """Our recognizers as one of Presidio's."""

        def load(self) -> None:
            """Nothing: models load at their first use."""

        def analyze(self, text: str, entities: list[str], nlp_artifacts: Any) -> list[RecognizerResult]:
            return [_result(span, self.id) for span in finder(text, self.supported_language)]

    class Idle(NlpEngine):
        """An NLP engine that does nothing."""

        def load(self) -> None:
            """Nothing."""

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            return NlpArtifacts([], [], [], [], self, language)  # type: ignore[arg-type]

        def process_batch(
            self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: Any
        ) -> Iterator[tuple[str, NlpArtifacts]]:
            for text in texts:
                yield text, self.process_text(text, language)

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return list(languages)

    class Nearby(ContextAwareEnhancer):
        """Raises the score of a user's recognizer when one of its context words stands near, without lemmas."""

        def __init__(self) -> None:
            super().__init__(_CONTEXT_GAIN, 0.0, _NEAR, _NEAR)

        def enhance_using_context(
            self, text: str, raw_results: Any, nlp_artifacts: Any, recognizers: Any, context: Any = None
        ) -> Any:
            words = {recognizer.id: recognizer.context for recognizer in recognizers if recognizer.context}
            if not words:
                return raw_results
            for result in raw_results:
                wanted = words.get(result.recognition_metadata[result.RECOGNIZER_IDENTIFIER_KEY], ())
                near = text[max(0, result.start - _NEAR) : result.end + _NEAR].casefold()
                if any(re.search(rf"(?<!\w){re.escape(word.casefold())}", near) for word in wanted):
                    result.score = min(1.0, result.score + _CONTEXT_GAIN)
            return raw_results

    recognizers: list[EntityRecognizer] = []
    for language in languages:
        recognizers.append(Inside(list(ENTITY_TYPES), name=f"agent_guard_{language}", supported_language=language))
        for recognizer in own:
            # A user's recognizer reads every text: a guessed language must not switch a protection off.
            twin = copy.copy(recognizer)
            twin.supported_language = language
            recognizers.append(twin)
    registry = RecognizerRegistry(recognizers=recognizers, supported_languages=list(languages))
    return AnalyzerEngine(
        registry=registry, nlp_engine=Idle(), supported_languages=list(languages),
        default_score_threshold=_LOWEST_SCORE, context_aware_enhancer=Nearby(),
    )  # fmt: skip


class Engine:
    """A Presidio ``AnalyzerEngine`` that holds our recognizers and the user's.

    Args:
        finder: ours, called once for a text.
        languages: codes the engine answers for.
        recognizers: the user's ``presidio_analyzer.EntityRecognizer`` objects, of any language.
    """

    def __init__(self, finder: Finder, languages: Sequence[str], recognizers: Sequence[EntityRecognizer] = ()) -> None:
        self.analyzer = _build(finder, languages, recognizers)
        self._entities = {language: sorted(self.analyzer.get_supported_entities(language)) for language in languages}
        self._artifacts = {language: self.analyzer.nlp_engine.process_text("", language) for language in languages}

    def find(self, text: str, language: str) -> list[Span]:
        """Analyses one folded text; spans may overlap."""
        results = self.analyzer.analyze(
            text, language, entities=self._entities[language], nlp_artifacts=self._artifacts[language]
        )
        return [self._span(result) for result in results]

    @staticmethod
    def _span(result: RecognizerResult) -> Span:
        metadata = result.recognition_metadata or {}
        source = metadata.get(_SOURCE) or metadata.get("recognizer_name") or "presidio"
        return Span(
            start=result.start,
            end=result.end,
            type=our_type(result.entity_type),
            score=result.score,
            source=str(source),
        )
