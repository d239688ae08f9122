"""What a person is told where no scenario takes over, in four languages: every sentence of it stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent_guard.routing.files import Language

__all__ = ["answer"]

_SAYINGS: Mapping[str, Mapping[Language, str]] = {
    "which": {
        "en": "I do one thing at a time. Which of these first: {labels}?",
        "ru": "Я делаю одно дело за раз. С чего начать: {labels}?",
        "pl": "Robię jedną rzecz naraz. Od czego zacząć: {labels}?",
        "kk": "Мен бір уақытта бір іс істеймін. Неден бастаймыз: {labels}?",
    },
    "clarify": {
        "en": "What should I do? I can: {labels}.",
        "ru": "Что мне сделать? Я могу: {labels}.",
        "pl": "Co mam zrobić? Potrafię: {labels}.",
        "kk": "Не істейін? Мен мынаны істей аламын: {labels}.",
    },
    "human": {
        "en": "I am passing this to a colleague.",
        "ru": "Я передаю это коллеге.",
        "pl": "Przekazuję to koledze.",
        "kk": "Мұны әріптесіме тапсырамын.",
    },
    "refuse": {
        "en": "I do not do this. If it is needed, please ask a person who may.",
        "ru": "Этого я не делаю. Если это нужно, обратитесь к сотруднику, у которого есть на это право.",
        "pl": "Tego nie robię. Jeśli to potrzebne, proszę zwrócić się do osoby, która ma do tego prawo.",
        "kk": "Мен мұны істемеймін. Қажет болса, құқығы бар қызметкерге жүгініңіз.",
    },
}


def answer(outcome: str, language: Language, labels: Sequence[str], *, several: bool) -> str | None:
    """The sentence for an outcome, or None for a scenario, which speaks for itself.

    Args:
        labels: what the corridors do, in the language.
        several: the request named more than one of them.
    """
    if outcome == "clarify":
        outcome = "human" if not labels else "which" if several and len(labels) > 1 else "clarify"
    saying = _SAYINGS.get(outcome)
    return saying[language].format(labels="; ".join(labels)) if saying else None
