"""What the embedded planner understands of a client's words, in three languages, and what it leaves alone."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from graphs.calendar_booking.wishes import chosen, wish_of
from graphs.calendar_booking.words import SAID, shown

pytestmark = pytest.mark.req("A28")

TODAY = date(2026, 11, 20)
OFFERS = [
    datetime.fromisoformat(text)
    for text in ("2026-11-23T09:00:00+01:00", "2026-11-24T14:30:00+01:00", "2026-11-26T11:00:00+01:00")
]


@pytest.mark.parametrize(
    ("words", "when", "week", "part", "near"),
    [
        ("tomorrow at 3 pm", "tomorrow", "any", "any", "15:00"),
        ("the day after tomorrow, in the morning", "day_after_tomorrow", "any", "morning", None),
        ("could we meet on tuesday at 10:30?", "Tuesday", "any", "any", "10:30"),
        ("wednesday or thursday next week", "any", "next", "any", None),
        ("tuesday next week at 4", "Tuesday", "next", "any", "16:00"),
        ("at 12 am", "any", "any", "any", "00:00"),
        ("завтра после обеда", "tomorrow", "any", "afternoon", None),
        ("послезавтра в 11", "day_after_tomorrow", "any", "any", "11:00"),
        ("давайте в среду в 15:00", "Wednesday", "any", "any", "15:00"),
        ("на следующей неделе утром", "any", "next", "morning", None),
        ("at 10.30 tomorrow", "tomorrow", "any", "any", "10:30"),
        ("в 5 ноября", "any", "any", "any", None),
        ("jutro o 14", "tomorrow", "any", "any", "14:00"),
        ("w przyszły wtorek", "Tuesday", "any", "any", None),
        ("w przyszłym tygodniu po południu", "any", "next", "afternoon", None),
        ("w piątek rano", "Friday", "any", "morning", None),
        ("we are 120 people and spend 10.50 on it", "any", "any", "any", None),
        ("my number is 22 555 16 44", "any", "any", "any", None),
    ],
)
def test_days_and_times(words: str, when: str, week: str, part: str, near: str | None) -> None:
    """Days, weeks, parts of the day and hours are understood; amounts and telephones are none."""
    wish = wish_of(words)
    assert (wish.when, wish.week, wish.part, wish.near) == (when, week, part, near)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("the second one, please", 1),
        ("number 3", 2),
        ("1", 0),
        ("the last one", 2),
        ("monday is fine", 0),
        ("14:30 works", 1),
        ("thursday morning", 2),
        ("whichever", 0),
        ("первый вариант", 0),
        ("давайте второе", 1),
        ("во вторник", 1),
        ("любое", 0),
        ("drugi termin", 1),
        ("trzeci", 2),
        ("w czwartek", 2),
        ("the first or the second", None),
        ("in the morning", None),
        ("friday", None),
        ("none of these", None),
        ("the first does not suit me", None),
        ("hm", None),
        ("другое время", None),
        ("inny termin", None),
    ],
)
def test_a_choice_is_one_offer_or_none(words: str, place: int | None) -> None:
    """A place, a day or a time that only one offer has is a choice; two, none, or a refusal is no choice."""
    found = chosen(words, OFFERS, wish_of(words), TODAY)
    assert found == (None if place is None else OFFERS[place])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("yes", True), ("sure, go ahead", True), ("да, подтверждайте", True), ("tak, proszę", True),
        ("ok", True), ("no", False), ("нет, спасибо", False), ("nie", False), ("not yet", False),
        ("yes but another time", None), ("i will think about it", None), ("okra is a vegetable", None),
    ],
)  # fmt: skip
def test_yes_and_no(words: str, answer: bool | None) -> None:
    """Yes is yes where nothing else is wanted; a word that begins like it is none."""
    assert wish_of(words).answer is answer


@pytest.mark.parametrize("words", ["cancel it", "never mind", "отмените", "не нужно", "anuluj", "rezygnuję"])
def test_who_wants_nothing_any_more(words: str) -> None:
    """To cancel is understood."""
    assert wish_of(words).cancel


@pytest.mark.parametrize("language", ["en", "ru", "pl"])
def test_all_is_said_in_the_clients_language(language: str) -> None:
    """Every sentence exists in each language, with the same places to fill; a time has its offset."""
    assert SAID[language].keys() == SAID["en"].keys()
    for key, text in SAID[language].items():
        assert text.count("{") == SAID["en"][key].count("{")
        assert text.count("?") <= 1
        assert language == "en" or text != SAID["en"][key]
    assert "09:00 (UTC+1)" in shown(language, OFFERS[0])
    assert "(UTC-3:30)" in shown(language, datetime.fromisoformat("2026-11-23T09:00:00-03:30"))
