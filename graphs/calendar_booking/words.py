"""What the embedded model of this scenario listens for and says, in three languages.

Patterns begin at a word's start and are tried on small letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from graphs.sdr_qualification.phrases import Language

__all__ = ["ANY", "CANCEL", "DAYS", "MONTHS", "NO", "ORDINALS", "OTHER", "PARTS", "RELATIVE", "SAID", "YES", "shown"]


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})")


DAYS = tuple(
    _words(*patterns)
    for patterns in (
        (r"mondays?\b", r"понедельник", r"poniedzia"),
        (r"tuesdays?\b", r"вторник", r"wtor"),
        (r"wednesdays?\b", r"сред[ауыеу]\b", r"środ", r"srod"),
        (r"thursdays?\b", r"четверг", r"czwart"),
        (r"fridays?\b", r"пятниц", r"piąt", r"piat"),
        (r"saturdays?\b", r"суббот", r"sobot"),
        (r"sundays?\b", r"воскресен", r"niedziel"),
    )
)
"""Monday first."""

RELATIVE = (
    ("today", _words(r"today\b", r"сегодня", r"dzisiaj\b", r"dziś\b")),
    ("day_after_tomorrow", _words(r"(?:the )?day after tomorrow\b", r"послезавтра", r"pojutrze\b")),
    ("tomorrow", _words(r"tomorrow\b", r"завтра\b", r"jutro\b")),
)
"""The first that is found counts."""

NEXT_WEEK = _words(r"next week\b", r"(?:на )?следующ\w+ недел", r"przyszł\w+ tygod", r"następn\w+ tygod")
PARTS = (
    (
        "morning",
        _words(r"mornings?\b", r"before (?:noon|lunch)\b", r"утр[оа]м?\b", r"до обеда", r"rano\b", r"przed południem"),
    ),
    (
        "afternoon",
        _words(r"afternoons?\b", r"after (?:noon|lunch)\b", r"после обеда", r"дн[её]м\b", r"po południu", r"popołudni"),
    ),
)
ORDINALS = (
    _words(
        r"first\b",
        r"1st\b",
        r"перв(?:ый|ое|ая|ую|ого)\b",
        r"pierwsz",
        r"(?:number|option|вариант|opcja|nr|номер) ?1\b",
        r"1\W*$",
    ),
    _words(
        r"second\b",
        r"2nd\b",
        r"втор(?:ой|ое|ая|ую|ого)\b",
        r"drug(?:i|a|ą|ie)\b",
        r"(?:number|option|вариант|opcja|nr|номер) ?2\b",
        r"2\W*$",
    ),
    _words(
        r"third\b",
        r"3rd\b",
        r"last one\b",
        r"трет(?:ий|ье|ья|ью|ьего)\b",
        r"trzeci",
        r"(?:number|option|вариант|opcja|nr|номер) ?3\b",
        r"3\W*$",
    ),
)
ANY = _words(
    r"any of (?:them|these)\b",
    r"whichever\b",
    r"all (?:the same|fine)\b",
    r"you choose\b",
    r"любо[ей]\b",
    r"без разницы",
    r"всё равно",
    r"все равно",
    r"dowoln",
    r"wszystko jedno",
    r"obojętn",
)
OTHER = _words(
    r"(?:an)?other (?:time|day|slot|option)s?\b",
    r"none of\b",
    r"later\b",
    r"something else\b",
    r"different\b",
    r"(?:does|do)(?:n['’]t| not) (?:work|suit|fit)\b",
    r"друг(?:ое|ой|ие|ая)\b",
    r"не подход",
    r"ни один",
    r"позже\b",
    r"inny\b",
    r"inne\b",
    r"innego\b",
    r"nie pasuj",
    r"żaden\b",
    r"później\b",
)
CANCEL = _words(
    r"cancel\b",
    r"forget it\b",
    r"never ?mind\b",
    r"no meeting\b",
    r"отмен",
    r"не нужн",
    r"не надо",
    r"передумал",
    r"anuluj",
    r"odwołaj",
    r"rezygnuj",
    r"nie trzeba",
    r"zrezygnow",
)
YES = re.compile(
    r"^\W*(?:yes|yep|yeah|sure|ok|okay|please do|go ahead|confirm|perfect|great|fine|agreed|correct|sounds good"
    r"|that works"
    r"|да|ага|хорошо|конечно|подтвержда|согласен|согласна|отлично|подходит|давайте|верно|годится"
    r"|tak|dobrze|oczywiście|potwierdzam|zgoda|pasuje|świetnie|proszę potwierdzić)(?!\w)|^\W*подтвержд"
)
NO = re.compile(r"^\W*(?:no|nope|not|нет|не|nie)(?!\w)")

MONTHS: Mapping[Language, tuple[str, ...]] = MappingProxyType(
    {
        "en": (
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ),
        "ru": (
            "января",
            "февраля",
            "марта",
            "апреля",
            "мая",
            "июня",
            "июля",
            "августа",
            "сентября",
            "октября",
            "ноября",
            "декабря",
        ),
        "pl": (
            "stycznia",
            "lutego",
            "marca",
            "kwietnia",
            "maja",
            "czerwca",
            "lipca",
            "sierpnia",
            "września",
            "października",
            "listopada",
            "grudnia",
        ),
    }
)
_DAY_NAMES: Mapping[Language, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        "ru": ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
        "pl": ("poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela"),
    }
)

SAID: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "offer": "These times are free:\n{slots}\nWhich one suits you?",
            "none": "I found no free time there. Which other day would suit you?",
            "gone": "That time has just been taken.",
            "held": "I hold {when} for you until {until}. Shall I have it confirmed?",
            "again": "I hold {when} for you. Shall I have it confirmed, or do you prefer another time?",
            "which": "Which of these times suits you, or which other day?\n{slots}",
            "booked": "The meeting is confirmed: {when}. A colleague sends you the invitation with the link.",
            "later": "The meeting stands. For anything else a colleague will write to you.",
            "refused": "I could not have that time confirmed. A colleague will write to you.",
            "cancelled": "Done, nothing is held for you any more. All the best.",
            "human": "Of course. A colleague will write to you.",
            "opt_out": "Understood, I will not write to you again. All the best.",
            "failed": "I cannot see the calendar at the moment. A colleague will write to you.",
            "lost": "I cannot see whose calendar this is about, so a colleague will write to you.",
        },
        "ru": {
            "offer": "Свободно вот когда:\n{slots}\nЧто вам подходит?",
            "none": "Свободного времени там нет. Какой другой день вам подходит?",
            "gone": "Это время только что заняли.",
            "held": "Держу для вас {when} до {until}. Подтверждать?",
            "again": "Держу для вас {when}. Подтверждать или подобрать другое время?",
            "which": "Что из этого вам подходит или какой другой день?\n{slots}",
            "booked": "Встреча подтверждена: {when}. Приглашение со ссылкой пришлёт коллега.",
            "later": "Встреча в силе. По остальным вопросам вам напишет коллега.",
            "refused": "Подтвердить это время не удалось. Вам напишет коллега.",
            "cancelled": "Готово, за вами больше ничего не держу. Всего доброго.",
            "human": "Конечно. Вам напишет коллега.",
            "opt_out": "Понял, больше писать не буду. Всего доброго.",
            "failed": "Сейчас не вижу календарь. Вам напишет коллега.",
            "lost": "Не вижу, о чьём календаре речь, поэтому вам напишет коллега.",
        },
        "pl": {
            "offer": "Wolne są te terminy:\n{slots}\nKtóry pasuje?",
            "none": "Nie ma tam wolnego terminu. Jaki inny dzień pasuje?",
            "gone": "Ten termin właśnie został zajęty.",
            "held": "Trzymam dla Państwa {when} do {until}. Czy mam poprosić o potwierdzenie?",
            "again": "Trzymam dla Państwa {when}. Potwierdzić, czy poszukać innego terminu?",
            "which": "Który z tych terminów pasuje albo jaki inny dzień?\n{slots}",
            "booked": "Spotkanie jest potwierdzone: {when}. Zaproszenie z linkiem wyśle kolega.",
            "later": "Spotkanie jest aktualne. W innych sprawach napisze do Państwa kolega.",
            "refused": "Nie udało się potwierdzić tego terminu. Napisze do Państwa kolega.",
            "cancelled": "Gotowe, nic już dla Państwa nie trzymam. Wszystkiego dobrego.",
            "human": "Oczywiście. Napisze do Państwa kolega.",
            "opt_out": "Rozumiem, nie będę więcej pisać. Wszystkiego dobrego.",
            "failed": "Nie widzę teraz kalendarza. Napisze do Państwa kolega.",
            "lost": "Nie widzę, o czyj kalendarz chodzi, więc napisze do Państwa kolega.",
        },
    }
)


def shown(language: Language, start: datetime) -> str:
    """A start as the client reads it, with the offset of the clock that it is told by."""
    day = _DAY_NAMES[language][start.weekday()]
    month = MONTHS[language][start.month - 1]
    minutes = int((start.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"
    return f"{day}, {start.day} {month}, {start:%H:%M} (UTC{offset})"
