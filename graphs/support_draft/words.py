"""What the embedded model of this scenario says to the colleague who asked, in three languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from graphs.sdr_qualification.phrases import Language

__all__ = ["SAID"]

SAID: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "lost": "No ticket is named here, so I can draft nothing. Please open me from a ticket.",
            "failed": "The ticket could not be read.",
            "answered": "This ticket has its answer already.",
            "none": "The help articles do not answer this ticket. I drafted nothing; please answer it yourself.",
            "sent": "The answer was approved and sent.",
            "refused": "The draft was not sent.",
        },
        "ru": {
            "lost": "Здесь не назван ни один тикет, поэтому черновика не будет. Откройте меня из тикета.",
            "failed": "Прочитать тикет не удалось.",
            "answered": "На этот тикет уже есть ответ.",
            "none": "В статьях нет ответа на этот тикет. Черновика нет; пожалуйста, ответьте сами.",
            "sent": "Ответ одобрен и отправлен.",
            "refused": "Черновик не отправлен.",
        },
        "pl": {
            "lost": "Nie wskazano zgłoszenia, więc nie mogę przygotować szkicu. Proszę otworzyć mnie ze zgłoszenia.",
            "failed": "Nie udało się odczytać zgłoszenia.",
            "answered": "To zgłoszenie ma już odpowiedź.",
            "none": "Artykuły nie odpowiadają na to zgłoszenie. Szkicu nie ma; proszę odpowiedzieć samodzielnie.",
            "sent": "Odpowiedź została zatwierdzona i wysłana.",
            "refused": "Szkic nie został wysłany.",
        },
    }
)
