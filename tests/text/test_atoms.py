"""What a text says, in pieces: words, numbers, days and times, in every spelling, and nothing that it does not say."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given, strategies as st

from agent_guard.text.atoms import BREAK, atoms, day_of, plain, same_moment, same_text, time_of, words

pytestmark = pytest.mark.req("B1", "B12")

CASES = {
    "en": "January February March April May June July August September October November December",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
}


def numbers(*texts: str) -> frozenset[Decimal]:
    """Numbers by their usual writing."""
    return frozenset(Decimal(text).normalize() for text in texts)


# ---- numbers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1200", ["1200"]),
        ("1200.", ["1200"]),
        ("(1200)", ["1200"]),
        ("1,200.50", ["1200.5"]),
        ("1.200,50", ["1200.5"]),
        ("1 200,50", ["1200.5"]),
        ("1\u00a0200,50 zł", ["1200.5"]),
        ("1\u202f200,50 zł", ["1200.5"]),
        ("1,200", ["1200", "1.2"]),
        ("1.200", ["1200", "1.2"]),
        ("1,20", ["1.2"]),
        ("0.5", ["0.5"]),
        ("1,234,567", ["1234567"]),
        ("1.234.567", ["1234567"]),
        ("1 234 567", ["1234567"]),
        ("1,234,567.89", ["1234567.89"]),
        ("5 10", ["5", "10"]),
        ("in 2024 100 cars", ["2024", "100"]),
        ("-5", ["-5"]),
        ("from 3-5 days", ["3", "5"]),
        ("$1,200.50", ["1200.5"]),
        ("USD$40", ["40"]),
        ("€1200eur", ["1200"]),
        ("$1.50", ["1.5"]),
        ("７５", ["75"]),
        ("007", ["7"]),
        ("10.0", ["10"]),
        ("abc12", []),
        ("12abc", []),
        ("1_000", []),
        ("no number", []),
        ("1.2.3", []),
    ],
)
def test_a_number_is_read_in_every_spelling(text: str, said: list[str]) -> None:
    """A number is what its groups and its fraction say; ``1,200`` may mean two things, and both are kept."""
    assert atoms(text).numbers == numbers(*said)


@pytest.mark.parametrize("text", ["1,200.50", "1.200,50", "1 200.50", "1 200,50", "$1,200.50"])
def test_a_fraction_is_never_part_of_the_whole(text: str) -> None:
    """``1,200.50`` is twelve hundred and a half, and never 120050, 1.2 or 50."""
    assert not atoms(text).numbers & numbers("120050", "1.2", "1.20050", "50", "200", "1")


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=0, max_value=99))
def test_grouped_and_plain_are_one_number(whole: int, cents: int) -> None:
    """An amount with a fraction of two digits is one number, whichever country wrote it."""
    wanted = numbers(f"{whole}.{cents:02d}")
    for thousands, point in ((",", "."), (".", ","), (" ", ","), (" ", "."), ("", "."), ("", ",")):
        written = f"{whole:,}".replace(",", thousands) + f"{point}{cents:02d}"
        assert atoms(f"pay {written} now").numbers == wanted, written


@pytest.mark.parametrize(
    ("text", "never"), [("1.5kg", "1"), ("10.000zł", "10"), ("1,200abc", "1"), ("5,000th", "5"), ("1 200km", "1")]
)
def test_a_number_with_a_unit_is_not_its_first_digits(text: str, never: str) -> None:
    """A number that a letter follows is that number or none, and never the digits before its first mark."""
    assert not atoms(text).numbers & numbers(never)


# ---- days


@pytest.mark.parametrize("language", CASES)
def test_a_month_has_its_name_in_each_language(language: str) -> None:
    """Day and month in words are one day in English, Russian and Polish, with and without a year."""
    for month, name in enumerate(CASES[language].split(), 1):
        assert atoms(f"on 15 {name}").days == {(None, month, 15)}
        assert atoms(f"15 {name.upper()} 2026").days == {(2026, month, 15)}


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("May 15th", {(None, 5, 15)}),
        ("May 15, 2026", {(2026, 5, 15)}),
        ("May 15 2026", {(2026, 5, 15)}),
        ("the 15th of May", {(None, 5, 15)}),
        ("Sept. 1st", {(None, 9, 1)}),
        ("1st of Sept", {(None, 9, 1)}),
        ("15-го мая", {(None, 5, 15)}),
        ("15 мая, 2026", {(2026, 5, 15)}),
        ("3 grudnia 2026 r.", {(2026, 12, 3)}),
        ("2026-05-15", {(2026, 5, 15)}),
        ("2026-05-15T10:00:00Z", {(2026, 5, 15)}),
        ("15.05.2026", {(2026, 5, 15)}),
        ("15/05/26", {(2026, 5, 15)}),
        ("05/15/2026", {(2026, 5, 15)}),
        ("03.05.2026", {(2026, 5, 3), (2026, 3, 5)}),
        ("15.05", {(None, 5, 15)}),
        ("32.13.2026", set()),
        ("dismay 15", set()),
        ("May 15x", set()),
        ("Mayday 15", set()),
        ("15 maybe", set()),
        ("120264-05-15", set()),
    ],
)
def test_a_day_is_read_in_every_spelling(text: str, days: set[tuple[int | None, int, int]]) -> None:
    """A day is a year, if there is one, a month and a day; numerals that may be read two ways are read both ways."""
    assert atoms(text).days == days


@given(st.dates(min_value=date(1970, 1, 1)))
def test_a_day_in_words_is_the_day_in_iso(day: date) -> None:
    """Whatever the day, its English writing and its ISO form are the same day."""
    name = CASES["en"].split()[day.month - 1]
    for written in (f"{name} {day.day}, {day.year:04d}", f"{day.day} {name} {day.year:04d}", day.isoformat()):
        assert day_of(day.isoformat()) in atoms(f"see you {written} then").days


# ---- times


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("at 10:30", {(10, 30)}),
        ("at 10:30:59", {(10, 30)}),
        ("at 3pm", {(15, 0)}),
        ("at 3 PM", {(15, 0)}),
        ("at 3:15 p.m.", {(15, 15)}),
        ("at 12am", {(0, 0)}),
        ("at 12 p.m.", {(12, 0)}),
        ("9 a.m. or 21:00", {(9, 0), (21, 0)}),
        ("2026-05-15 08:05", {(8, 5)}),
        ("2026-05-15T08:05Z", {(8, 5)}),
        ("3 pmx", set()),
        ("1:2", set()),
        ("at three", set()),
    ],
)
def test_a_time_is_read_in_every_spelling(text: str, times: set[tuple[int, int]]) -> None:
    """A time of day is hours and minutes of twenty-four."""
    assert atoms(text).times == times


def test_a_zone_is_no_time_of_day() -> None:
    """The offset of a zone is not a time that somebody said."""
    assert atoms("2026-05-15T10:00:00+01:00").times == {(10, 0)}


@pytest.mark.parametrize(
    ("value", "day", "time"),
    [
        ("2026-05-15", (2026, 5, 15), None),
        (" 2026-05-15T10:20 ", (2026, 5, 15), (10, 20)),
        ("2026-05-15T10:20:30.5+05:00", (2026, 5, 15), (10, 20)),
        ("2026-05-15t10:20z", (2026, 5, 15), (10, 20)),
        ("10:20", None, (10, 20)),
        ("10:20:30", None, (10, 20)),
        ("May 15", None, None),
        ("2026-05-15 or so", None, None),
        ("2026-5-15", None, None),
        ("", None, None),
    ],
)
def test_a_value_is_a_day_and_a_time_in_iso_alone(
    value: str, day: tuple[int, int, int] | None, time: tuple[int, int] | None
) -> None:
    """Of a value only the ISO form, or a bare clock, is read; anything else is a text."""
    assert (day_of(value), time_of(value)) == (day, time)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("2026-05-15", "2026-05-15", True),
        ("2026-05-15T10:00", "2026-05-15 10:00:00", True),
        ("2026-05-15T10:00Z", "2026-05-15T10:00:00+00:00", True),
        ("2026-05-15T10:00Z", "2026-05-15T10:00+05:00", False),
        ("2026-05-15T10:00+05:00", "2026-05-15T10:00-05:00", False),
        ("2026-05-15T10:00", "2026-05-15T11:00", False),
        ("2026-05-15T10:00", "2026-05-16T10:00", False),
        ("2026-05-15", "2026-05-15T10:00", False),
        ("2026-05-15", "May 15", False),
        ("10:00", "10:00", False),
    ],
)
def test_two_moments_are_the_same_in_any_iso_form(left: str, right: str, same: bool) -> None:
    """The same day and time, written with or without seconds; two zones that differ make two moments."""
    assert same_moment(left, right) is same
    assert same_moment(right, left) is same


def test_moments_with_other_seconds_differ() -> None:
    """Seconds are part of a moment."""
    assert not same_moment("2026-05-15T10:00:00", "2026-05-15T10:00:59")


# ---- words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Call  Anna, please!", ("call", "anna", "please")),
        ("<PERSON_1>'s deal", ("<person_1>", "s", "deal")),
        ("one\ntwo", ("one", BREAK, "two")),
        ("one\r\ntwo", ("one", BREAK, "two")),
        ("ＡＣＭＥ ﬁne", ("acme", "fine")),
        ("Straße", ("strasse",)),
        ("", ()),
    ],
)
def test_the_words_of_a_text_in_order(text: str, expected: tuple[str, ...]) -> None:
    """Case, width and punctuation make no other word, a pseudonym is one word, and lines are kept apart."""
    assert words(text) == atoms(text).words == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [("bob", "b\u043eb"), ("acme", "\u0430cme"), ("PayPal", "PayPa1"), ("Łódź", "Lodz"), ("ё", "е"), ("rn", "m")],
)
def test_letters_that_look_alike_are_other_words(left: str, right: str) -> None:
    """A word with a letter of another alphabet, or a digit for a letter, is another word."""
    assert words(left) != words(right)
    assert not same_text(left, right)


@pytest.mark.parametrize("end", ["\r", "\u2028", "\u2029", "\x0b", "\x0c", "\x85"])
def test_every_line_end_keeps_phrases_apart(end: str) -> None:
    """Whatever ends a line for a reader ends a phrase."""
    assert words(f"one{end}two") == ("one", BREAK, "two")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("Call  Anna", " call anna ", True),
        ("Ｃall", "call", True),
        ("call anna", "callanna", False),
        ("a.b", "a b", False),
        ("5", "5.0", False),
        ("", " ", True),
    ],
)
def test_two_texts_are_the_same_but_for_case_and_spaces(left: str, right: str, same: bool) -> None:
    """Case, width and spaces make no other text; a mark or a letter does."""
    assert same_text(left, right) is same


# ---- any text

TEXTS = st.one_of(
    st.text(),
    st.text("0123456789.,: \n-+/$€zt"),
    st.text("0123456789 amp.майćJan<>_PERSON\u00a0\ud800\u0660²Ⅷ"),
)


@given(TEXTS)
@example("\ud800")
@example("9" * 5000)
@example("٣٤.٥")
@example("99/99/99 99:99 99 May 9999-99-99T99:99")
@example("1²")
def test_no_text_is_too_strange(text: str) -> None:
    """Reading never raises, and gives pieces of the kinds it names."""
    read = atoms(text)
    assert read.words == words(text)
    assert all(isinstance(item, Decimal) and item.is_finite() for item in read.numbers)
    assert all(len(day) == 3 for day in read.days)
    assert all(len(time) == 2 for time in read.times)
    day_of(text), time_of(text), same_moment(text, text)
    assert same_text(text, text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_texts_that_are_the_same_have_the_same_words(left: str, right: str) -> None:
    """What counts as the same text is found as the same phrase: a planned value is also a seen one."""
    if same_text(left, right):
        assert [word for word in words(left) if word != BREAK] == [word for word in words(right) if word != BREAK]


@given(st.text(max_size=40), st.text(max_size=40))
def test_lines_are_read_one_by_one(first: str, second: str) -> None:
    """The words of two lines are the words of each, with a break between them."""
    if plain(first) + "\n" + plain(second) == plain(f"{first}\n{second}"):
        assert words(f"{first}\n{second}") == (*words(first), BREAK, *words(second))


@pytest.mark.parametrize(
    "unit", ["1 ", "1,", "1.1 ", "12:", "a", "9", "1st of ", "<PERSON_", "2026-05-", "1/", "$1", "- ", "may 1 ", "1 \n"]
)
def test_reading_takes_steps_with_the_length_and_not_its_square(unit: str) -> None:
    """The longest texts are read at once: doubling a long text does not multiply the work."""
    import time

    def cost(length: int) -> float:
        text = (unit * length)[:length] + "x"
        best = 9.0
        for _ in range(3):
            atoms.cache_clear()
            began = time.process_time()
            atoms(text)
            best = min(best, time.process_time() - began)
        return best

    small, large = cost(5_000), cost(40_000)
    assert large < 30 * small + 0.05, f"8 times the text took {large / small:.0f} times as long"
