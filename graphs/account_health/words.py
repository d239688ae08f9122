"""What this scenario listens for and says, in three languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from graphs.sdr_qualification.phrases import Language
from tools.health import Measure

__all__ = ["ABOUT_HEALTH", "COLOURS", "EVERY", "MEASURES", "SAID", "TRENDS", "fact"]

ABOUT_HEALTH = (
    r"\b(health|account|customer|client|churn|risk|report|portfolio|quiet)"
    r"|клиент|аккаунт|состояни|здоров|отч[её]т|риск|портфел"
    r"|klien[tc]|kont[aoy]|kondycj|raport|ryzyk|zdrowi|zagroż"
)
EVERY = (
    r"\b(all|every|which|who|accounts|customers|clients|portfolio)\b"
    r"|\bвс(е|ех|ем)\b|как(ие|их|им)|кому|кто|клиент(ы|ов|ам)|портфел"
    r"|wszyst|któr(zy|e|ych|ym)|kto|do kogo|klienci|klientów|klientom"
)

SAID: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "what": "I can report on the health of customer accounts. Of one account (its id), or of all in your "
            "region?",
            "which": "Of which account? Give me its id, or say that you mean all.",
            "cannot": "I cannot tell which region you work in, so I can read no accounts. Please ask a colleague.",
            "failed": "The accounts could not be read. A colleague was informed.",
            "none": "There is no account with an open deal.",
            "done": "Here is the report.",
            "title": "Account health",
            "more": "There are more accounts; the scheduled scan looks at all of them.",
            "score": "Health {score} of 100, {colour}, trend {trend}; {known} of {all} measures known ({share} %)",
            "no_score": "Health unknown; {known} of {all} measures known ({share} %)",
            "columns": "measure|score|fact|record",
            "missing": "no data",
        },
        "ru": {
            "what": "Я могу дать отчёт о состоянии клиентов. По одному (укажите его номер) или по всем в вашем "
            "регионе?",
            "which": "По какому клиенту? Укажите его номер или скажите, что по всем.",
            "cannot": "Я не знаю, в каком регионе вы работаете, и не могу читать клиентов. Обратитесь к коллеге.",
            "failed": "Прочитать клиентов не удалось. Коллеге сообщено.",
            "none": "Нет клиентов с открытой сделкой.",
            "done": "Вот отчёт.",
            "title": "Состояние клиентов",
            "more": "Есть и другие клиенты; плановая проверка смотрит всех.",
            "score": "Состояние {score} из 100, {colour}, тренд: {trend}; известно показателей: {known} из {all} "
            "({share} %)",
            "no_score": "Состояние неизвестно; известно показателей: {known} из {all} ({share} %)",
            "columns": "показатель|балл|факт|запись",
            "missing": "нет данных",
        },
        "pl": {
            "what": "Mogę przygotować raport o kondycji klientów. O jednym (podaj numer) czy o wszystkich w Twoim "
            "regionie?",
            "which": "O którym kliencie? Podaj numer albo powiedz, że o wszystkich.",
            "cannot": "Nie wiem, w jakim regionie pracujesz, więc nie mogę czytać klientów. Zapytaj kolegę.",
            "failed": "Nie udało się odczytać klientów. Kolega został poinformowany.",
            "none": "Nie ma klienta z otwartą transakcją.",
            "done": "Oto raport.",
            "title": "Kondycja klientów",
            "more": "Jest więcej klientów; planowy przegląd sprawdza wszystkich.",
            "score": "Kondycja {score} na 100, {colour}, trend: {trend}; znane wskaźniki: {known} z {all} ({share} %)",
            "no_score": "Kondycja nieznana; znane wskaźniki: {known} z {all} ({share} %)",
            "columns": "wskaźnik|punkty|fakt|rekord",
            "missing": "brak danych",
        },
    }
)  # fmt: skip

COLOURS: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "en": {"green": "green", "yellow": "yellow", "red": "red", "unknown": "unknown"},
        "ru": {"green": "зелёный", "yellow": "жёлтый", "red": "красный", "unknown": "неизвестно"},
        "pl": {"green": "zielony", "yellow": "żółty", "red": "czerwony", "unknown": "nieznany"},
    }
)
TRENDS: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "en": {"up": "↑ up", "flat": "→ flat", "down": "↓ down", "unknown": "unknown"},
        "ru": {"up": "↑ вверх", "flat": "→ ровно", "down": "↓ вниз", "unknown": "неизвестен"},
        "pl": {"up": "↑ w górę", "flat": "→ bez zmian", "down": "↓ w dół", "unknown": "nieznany"},
    }
)
MEASURES: Mapping[Language, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "en": {
            "touch": ("last touch", "{days} days ago, the norm is {norm}"),
            "activity": ("activity", "{touches} touches in 30 days, {before} in the 30 before"),
            "unanswered": ("unanswered", "{days} days without an answer"),
            "overdue": ("overdue", "{overdue} follow-ups are late"),
            "stage": ("stage age", "{days} days in the stage, {usual} are usual"),
            "next_step": ("next step", "a next step is planned|no next step is planned"),
            "contacts": ("contacts", "{contacts} people known"),
        },
        "ru": {
            "touch": ("последнее касание", "дней назад: {days}, норма: {norm}"),
            "activity": ("активность", "касаний за 30 дней: {touches}, за 30 до них: {before}"),
            "unanswered": ("без ответа", "дней без ответа: {days}"),
            "overdue": ("просрочено", "просроченных дел: {overdue}"),
            "stage": ("возраст этапа", "дней на этапе: {days}, обычно: {usual}"),
            "next_step": ("следующий шаг", "следующий шаг запланирован|следующий шаг не запланирован"),
            "contacts": ("контакты", "известно людей: {contacts}"),
        },
        "pl": {
            "touch": ("ostatni kontakt", "dni temu: {days}, norma: {norm}"),
            "activity": ("aktywność", "kontaktów w 30 dni: {touches}, w 30 przedtem: {before}"),
            "unanswered": ("bez odpowiedzi", "dni bez odpowiedzi: {days}"),
            "overdue": ("zaległości", "zaległych zadań: {overdue}"),
            "stage": ("wiek etapu", "dni na etapie: {days}, zwykle: {usual}"),
            "next_step": ("następny krok", "następny krok jest zaplanowany|nie ma następnego kroku"),
            "contacts": ("kontakty", "znanych osób: {contacts}"),
        },
    }
)


def fact(language: Language, measure: Measure) -> str:
    """The fact that a measure was made of, as a sentence; ``no data`` where it is missing."""
    if measure.score is None:
        return SAID[language]["missing"]
    form = MEASURES[language][measure.name][1]
    yes, _, no = form.partition("|")
    return (yes if not no or measure.values.get("planned") else no).format(**measure.values)
