"""Invented people for the seed: names in three languages, phones valid for their country, ids with right checksums.

Checksums: IIN by the decree on Kazakhstan's identification numbers (two passes of weights modulo 11), PESEL by the
Polish register's rule (weights 1 3 7 9). Latin spellings are simplified, as people type them into an address.
"""

from __future__ import annotations

import random
from datetime import date, timedelta

from tools.crm.anchors import Person

__all__ = ["iin", "invent", "latin", "pesel", "respell"]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_EN = _names(
    "Amelia Anna Beatrice Brian Carlos Charlotte Diane Edward Ethan Fiona George Grace Hannah Henry Isabel Jack Laura"
    " Liam Marcus Megan Nathan Olivia Oscar Rachel Samuel Sophie Tessa Victor Walter Zoe"
)
_EN_LAST = _names(
    "Abbott Ballard Campbell Dawson Ellis Fletcher Graham Hughes Ingram Jenkins Keller Lawson Mercer Newton Owens"
    " Parker Quinn Reyes Sullivan Turner Underwood Vaughn Whitman Yates McDonald"
)
_RU_MEN = _names("Алексей Артём Борис Виктор Дмитрий Ерлан Игорь Кирилл Максим Олег Руслан Сергей Тимур Ярослав")
_RU_WOMEN = _names("Алина Вера Галина Динара Екатерина Жанна Ирина Лариса Мадина Наталья Полина Светлана Юлия")
_RU_LAST = _names(
    "Абдрахманов Белов Васильев Гончаров Дьячков Ермеков Жуков Зайцев Иванов Касымов Лебедев Морозов Никитин Орлов"
    " Сулейменов Тарасов Фёдоров Хасанов Щербаков Яковлев"
)
_PL_MEN = _names("Adam Bartosz Cezary Dawid Grzegorz Jan Krzysztof Łukasz Michał Paweł Piotr Rafał Stanisław Tomasz")
_PL_WOMEN = _names("Agnieszka Barbara Ewa Grażyna Joanna Kinga Małgorzata Magdalena Natalia Paulina Sylwia Zofia")
_PL_LAST = _names(
    "Kowalski Wiśniewski Zieliński Szymański Kamiński Lewandowski Dąbrowski Kozłowski Jabłoński Wójcik Woźniak Mazur"
    " Krawczyk Gałązka Stępień Pączek"
)

_CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_SOUNDS = "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya".replace("-", "").split(" ")
_LATIN = str.maketrans(dict(zip(_CYRILLIC, _SOUNDS, strict=True)) | dict(zip("ąćęłńóśźż", "acelnoszz", strict=True)))
_US_AREAS = (202, 206, 212, 303, 312, 404, 415, 503, 617, 713)
_KZ_MOBILE = (700, 701, 702, 705, 707, 747, 771, 775, 776, 777, 778)
_PL_MOBILE = (501, 512, 530, 571, 600, 661, 692, 724, 732, 781, 792, 880)


def invent(rng: random.Random, region: str, taken: set[str]) -> Person:
    """Makes up one person of a region.

    Args:
        rng: where the choices come from.
        region: ``us``, ``kz`` or ``pl``.
        taken: phones already given away; the new one is added.
    """
    woman = rng.random() < 0.5
    name = _name(rng, region, woman)
    phone = _phone(rng, region)
    while phone in taken:
        phone = _phone(rng, region)
    taken.add(phone)
    first, last = latin(name).split(" ", 1)
    born = date(1955, 1, 1) + timedelta(days=rng.randrange(18_000))
    kind, national_id = None, None
    if region == "kz":
        kind, national_id = "IIN", iin(rng, born, woman=woman)
    elif region == "pl":
        kind, national_id = "PESEL", pesel(rng, born, woman=woman)
    return Person(
        name=name,
        phone=phone,
        phone_typed=rng.choice(_notations(region, phone)),
        email=f"{first}.{last}{phone[-2:]}@{rng.choice(('mail', 'office', 'post'))}.example",
        national_id_kind=kind,
        national_id=national_id,
    )


def respell(rng: random.Random, region: str, person: Person) -> Person:
    """The same person as a second pair of hands typed them in: another spelling, another notation, no national id."""
    first, last = person.name.split(" ", 1)
    other = {
        "us": (f"{last}, {first}", f"{first[0]}. {last}", person.name.upper()),
        "kz": (f"{last} {first}", latin(person.name).title(), f"{last} {first[0]}."),
        "pl": (f"{last} {first}", latin(person.name).title(), f"{first[0]}. {last}"),
    }[region]
    notations = [typed for typed in _notations(region, person.phone) if typed != person.phone_typed]
    return Person(
        name=rng.choice([name for name in other if name != person.name]),
        phone=person.phone,
        phone_typed=rng.choice(notations),
        email=person.email.replace("@", rng.choice(("@", "+crm@"))).capitalize(),
    )


def latin(text: str) -> str:
    """Lower-case Latin letters for a Russian or Polish name."""
    return text.lower().translate(_LATIN)


def iin(rng: random.Random, born: date, *, woman: bool) -> str:
    """An individual identification number of Kazakhstan with a right check digit."""
    century = (4 if woman else 3) if born.year < 2000 else (6 if woman else 5)
    while True:
        body = f"{born:%y%m%d}{century}{rng.randrange(10_000):04}"
        digits = [int(character) for character in body]
        for weights in ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)):
            check = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
            if check < 10:
                return f"{body}{check}"
        # A number whose second pass gives 10 too is never issued.


def pesel(rng: random.Random, born: date, *, woman: bool) -> str:
    """A Polish PESEL with a right check digit; its tenth digit is even for a woman."""
    month = born.month + (20 if born.year >= 2000 else 0)
    serial = rng.randrange(1000) * 10 + rng.randrange(5) * 2 + (0 if woman else 1)
    body = f"{born:%y}{month:02}{born:%d}{serial:04}"
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return f"{body}{-total % 10}"


def _name(rng: random.Random, region: str, woman: bool) -> str:
    if region == "us":
        return f"{rng.choice(_EN)} {rng.choice(_EN_LAST)}"
    if region == "kz":
        last = rng.choice(_RU_LAST)
        return f"{rng.choice(_RU_WOMEN if woman else _RU_MEN)} {last}{'а' if woman else ''}"
    last = rng.choice(_PL_LAST)
    if woman and last.endswith("ski"):
        last = f"{last[:-1]}a"
    return f"{rng.choice(_PL_WOMEN if woman else _PL_MEN)} {last}"


def _phone(rng: random.Random, region: str) -> str:
    if region == "us":
        return f"+1{rng.choice(_US_AREAS)}55501{rng.randrange(100):02}"
    if region == "kz":
        return f"+7{rng.choice(_KZ_MOBILE)}{rng.randrange(10_000_000):07}"
    return f"+48{rng.choice(_PL_MOBILE)}{rng.randrange(1_000_000):06}"


def _notations(region: str, phone: str) -> tuple[str, ...]:
    if region == "us":
        area, exchange, line = phone[2:5], phone[5:8], phone[8:]
        return (f"({area}) {exchange}-{line}", f"{area}.{exchange}.{line}", f"1-{area}-{exchange}-{line}")
    if region == "kz":
        code, a, b, c = phone[2:5], phone[5:8], phone[8:10], phone[10:]
        return (f"8 ({code}) {a}-{b}-{c}", f"+7 {code} {a} {b} {c}", f"8{code}{a}{b}{c}")
    a, b, c = phone[3:6], phone[6:9], phone[9:]
    return (f"{a} {b} {c}", f"0048 {a}-{b}-{c}", f"+48 {a}{b}{c}")
