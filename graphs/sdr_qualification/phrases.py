"""What the embedded planner says to a client, in English, Russian and Polish: every sentence of it stands here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

__all__ = [
    "ACKNOWLEDGED",
    "CLOSINGS",
    "QUESTIONS",
    "Closing",
    "Language",
    "Mood",
    "language_of",
    "language_told",
    "letter_asked",
]

Language = Literal["en", "ru", "pl"]
Mood = Literal["greeting", "noted", "asked_us", "evasive"]
"""How the client's last message is acknowledged: the first one, an answer, a question of theirs, no answer."""
Closing = Literal["opt_out", "human", "called", "informed", "later", "lost"]
"""How a conversation ends: left alone; a task made on request; a task made; no task; after the end; no context."""

QUESTIONS: Mapping[Language, Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "en": {
            "budget": (
                "Has a budget been set aside for this, and roughly how much?",
                "Even a rough range would help: what could you spend on this?",
            ),
            "authority": (
                "Who makes the decision about a purchase like this on your side?",
                "Who will sign the contract in the end?",
            ),
            "need": (
                "Which problem would you like to solve first?",
                "What goes wrong most often in your daily work today?",
            ),
            "timeline": (
                "By when would you like to have it running?",
                "Is there a date or an event that your plans depend on?",
            ),
        },
        "ru": {
            "budget": (
                "Заложен ли под это бюджет и какой примерно?",
                "Поможет даже порядок суммы: сколько вы готовы на это потратить?",
            ),
            "authority": (
                "Кто у вас принимает решение о такой покупке?",
                "За кем будет последнее слово при подписании договора?",
            ),
            "need": (
                "Какую задачу вы хотели бы решить в первую очередь?",
                "Что сегодня чаще всего мешает вашей работе?",
            ),
            "timeline": (
                "К какому сроку вы хотели бы это запустить?",
                "Есть ли дата или событие, от которых зависят ваши планы?",
            ),
        },
        "pl": {
            "budget": (
                "Czy jest na to budżet i jaki mniej więcej?",
                "Pomoże nawet rząd wielkości: ile mogą Państwo na to wydać?",
            ),
            "authority": (
                "Kto u Państwa podejmuje decyzję o takim zakupie?",
                "Kto na końcu podpisze umowę?",
            ),
            "need": (
                "Jaki problem chcieliby Państwo rozwiązać w pierwszej kolejności?",
                "Co dziś najczęściej przeszkadza w pracy?",
            ),
            "timeline": (
                "Na kiedy chcieliby Państwo to uruchomić?",
                "Czy jest data lub wydarzenie, od którego zależą plany?",
            ),
        },
    }
)

ACKNOWLEDGED: Mapping[Language, Mapping[Mood, Sequence[str]]] = MappingProxyType(
    {
        "en": {
            "greeting": ("Thank you for writing to us.",),
            "noted": ("Thank you, I have noted that.", "That is clear, thank you.", "Good to know, thank you."),
            "asked_us": (
                "That is a question for my colleague, I will pass it on.",
                "I would rather leave that to my colleague than give you a wrong answer.",
            ),
            "evasive": ("I understand.", "That is fine.", "All right."),
        },
        "ru": {
            "greeting": ("Спасибо, что написали нам.",),
            "noted": ("Спасибо, записал.", "Понятно, спасибо.", "Спасибо, это важно."),
            "asked_us": (
                "На этот вопрос лучше ответит мой коллега, я передам.",
                "Чтобы не ошибиться, оставлю этот вопрос коллеге.",
            ),
            "evasive": ("Понимаю.", "Хорошо.", "Ничего страшного."),
        },
        "pl": {
            "greeting": ("Dziękuję za wiadomość.",),
            "noted": ("Dziękuję, zapisałem.", "Rozumiem, dziękuję.", "Dziękuję, to ważne."),
            "asked_us": ("Na to pytanie odpowie mój kolega, przekażę je.", "To pytanie zostawię koledze."),
            "evasive": ("Rozumiem.", "Dobrze.", "W porządku."),
        },
    }
)

CLOSINGS: Mapping[Language, Mapping[Closing, str]] = MappingProxyType(
    {
        "en": {
            "opt_out": "Understood, I will not write to you again. All the best.",
            "human": "Of course. A colleague will call you.",
            "called": "Thank you for your answers. A colleague will call you.",
            "informed": "Thank you. I have informed a colleague.",
            "later": "Thank you. Everything you told me is with my colleague.",
            "lost": "Thank you. I cannot see which deal this is about, so a colleague has to look at it.",
        },
        "ru": {
            "opt_out": "Понял, больше писать не буду. Всего доброго.",
            "human": "Конечно. Вам позвонит мой коллега.",
            "called": "Спасибо за ответы. Вам позвонит мой коллега.",
            "informed": "Спасибо. Я сообщил коллеге.",
            "later": "Спасибо. Всё, что вы рассказали, есть у моего коллеги.",
            "lost": "Спасибо. Я не вижу, о какой сделке идёт речь, поэтому её должен посмотреть коллега.",
        },
        "pl": {
            "opt_out": "Rozumiem, nie będę więcej pisać. Wszystkiego dobrego.",
            "human": "Oczywiście. Zadzwoni do Państwa mój kolega.",
            "called": "Dziękuję za odpowiedzi. Zadzwoni do Państwa mój kolega.",
            "informed": "Dziękuję. Poinformowałem kolegę.",
            "later": "Dziękuję. Wszystko, co Państwo napisali, ma mój kolega.",
            "lost": "Dziękuję. Nie widzę, o którą transakcję chodzi, więc musi ją obejrzeć kolega.",
        },
    }
)

_LETTER_OF = {text: letter for asked in QUESTIONS.values() for letter, texts in asked.items() for text in texts}
_POLISH = re.compile(
    r"[ąćęłńśźż]|(?<!\w)(?:nie|tak|jest|mamy|chcemy|proszę|potrzebujemy|dziękuję|decyduje|jak|dla|czy|przez)(?!\w)",
    re.IGNORECASE,
)


def letter_asked(text: str) -> str | None:
    """The letter a message of the planner asked about, or None where it asked nothing that is known here."""
    return next((letter for question, letter in _LETTER_OF.items() if question in text), None)


def language_of(text: str) -> Language:
    """The language to answer a message in; English where it has too few letters to tell."""
    return language_told(text) or "en"


def language_told(text: str) -> Language | None:
    """The language of a message by its letters, or None where it has too few to tell."""
    cyrillic = sum("а" <= char <= "я" or char == "ё" for char in text.lower())
    latin = sum("a" <= char <= "z" for char in text.lower())
    if cyrillic + latin < 2:
        return None
    if cyrillic >= latin:
        return "ru"
    return "pl" if len(_POLISH.findall(text)) >= 2 else "en"
