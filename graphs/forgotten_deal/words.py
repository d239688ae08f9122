"""What the embedded model of this scenario listens for and says, in three languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphs.sdr_qualification.phrases import Language

__all__ = ["ABOUT_DEALS", "ALERTS", "SAID", "line"]

ABOUT_DEALS = (
    r"\b(deals?|opportunit\w+|pipeline|forgotten|stale|idle)\b"
    r"|сдел|воронк|забыт|завис"
    r"|transakcj|szans|lej(e|ek|ku)|zapomn"
)
ALERTS = (
    r"\b(alert|notify|ping|remind|warn|tell the owner|slack)"
    r"|предупред|уведом|напомн|слак|сообщи"
    r"|powiadom|ostrze|przypomn"
)

SAID: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "what": "I can list the open deals without a touch, and tell their owners in the team's channel. "
            "Shall I list the forgotten deals?",
            "cannot": "I cannot tell which region you work in, so I can read no deals. Please ask a colleague.",
            "failed": "The deals could not be read. A colleague was informed.",
            "none": "No open deal is without a touch for too long.",
            "found": "Without a touch for too long: {stale}. With a planned next step: {planned}. "
            "Nobody knows since when: {unknown}.",
            "more": "There are more; the weekly scan logs all of them.",
            "told": "The owner's colleagues were told in the channel.",
            "told_before": "This owner's message of this week was posted before; nothing was posted again.",
            "not_told": "No message was posted for one owner.",
        },
        "ru": {
            "what": "Я могу показать открытые сделки без касаний и сообщить о них в канал команды. "
            "Показать забытые сделки?",
            "cannot": "Я не знаю, в каком регионе вы работаете, и не могу читать сделки. Обратитесь к коллеге.",
            "failed": "Прочитать сделки не удалось. Коллеге сообщено.",
            "none": "Нет открытых сделок, которые слишком долго без касаний.",
            "found": "Слишком долго без касаний: {stale}. С запланированным шагом: {planned}. "
            "Неизвестно, с каких пор: {unknown}.",
            "more": "Есть ещё; еженедельная проверка записывает все.",
            "told": "Сообщение о сделках ответственного отправлено в канал.",
            "told_before": "Сообщение этой недели для ответственного уже было; повторно ничего не отправлено.",
            "not_told": "Для одного ответственного сообщение не отправлено.",
        },
        "pl": {
            "what": "Mogę pokazać otwarte transakcje bez kontaktu i powiadomić o nich kanał zespołu. "
            "Pokazać zapomniane transakcje?",
            "cannot": "Nie wiem, w jakim regionie pracujesz, więc nie mogę czytać transakcji. Zapytaj kolegę.",
            "failed": "Nie udało się odczytać transakcji. Kolega został poinformowany.",
            "none": "Żadna otwarta transakcja nie jest zbyt długo bez kontaktu.",
            "found": "Zbyt długo bez kontaktu: {stale}. Z zaplanowanym krokiem: {planned}. "
            "Nie wiadomo, od kiedy: {unknown}.",
            "more": "Jest ich więcej; cotygodniowy przegląd zapisuje wszystkie.",
            "told": "Powiadomienie o transakcjach opiekuna jest w kanale.",
            "told_before": "Powiadomienie tego opiekuna w tym tygodniu już było; nic nie wysłano ponownie.",
            "not_told": "Dla jednego opiekuna nic nie wysłano.",
        },
    }
)

_DEAL: Mapping[Language, str] = MappingProxyType({"en": "deal", "ru": "сделка", "pl": "transakcja"})
_IDLE: Mapping[Language, tuple[str, str]] = MappingProxyType(
    {
        "en": ("{idle_days} days", "nobody knows since when"),
        "ru": ("дней: {idle_days}", "неизвестно с каких пор"),
        "pl": ("dni: {idle_days}", "nie wiadomo od kiedy"),
    }
)


def line(language: Language, deal: Mapping[str, Any]) -> str:
    """One deal in the report."""
    dated, undated = _IDLE[language]
    idle = (undated if deal["idle_days"] is None else dated).format(**deal)
    return f"- {_DEAL[language]} {deal['id']}: {deal['stage']}, {idle}, {deal['amount']} {deal['currency']}"
