"""What is read from a client's sentences: four digits for budget, authority, need and timeline, '-' where unknown."""

from __future__ import annotations

import time
from datetime import date

import pytest

from graphs.sdr_qualification.bant import MAX_QUOTE, Said, qualify
from graphs.sdr_qualification.horizon import days_until
from tests.graphs.sdr_qualification.sentences import ANSWERS, SENTENCES
from tools.leads import LETTERS, Qualification, verified

pytestmark = pytest.mark.req("A25")

TODAY = date(2026, 11, 22)


def _digits(q: Qualification) -> str:
    letters = (getattr(q, name) for name in LETTERS)
    return "".join("-" if letter is None else str(letter.score) for letter in letters)


def _read(*texts: str, asked: str | None = None) -> Qualification:
    return qualify([Said(id=f"m{n}", text=text, asked=asked) for n, text in enumerate(texts, 1)], TODAY)


@pytest.mark.parametrize(("text", "expected"), SENTENCES)
def test_a_sentence_is_read(text: str, expected: str) -> None:
    """A sentence gives the letters it proves and no other, and each is proven by its own words."""
    q = _read(text)
    assert _digits(q) == expected
    assert verified(q, {"m1": text}) == q


@pytest.mark.parametrize(("asked", "text", "expected"), ANSWERS)
def test_a_short_answer_is_read_with_its_question(asked: str, text: str, expected: str) -> None:
    """A bare sum, title, month or yes counts only as the answer to the question before it."""
    assert _digits(_read(text, asked=asked)) == expected


@pytest.mark.parametrize("text", ["Yes.", "Me.", "15 000", "March", "Да", "Директор", "Нет"])
def test_a_short_answer_means_nothing_without_its_question(text: str) -> None:
    """Without a question before it, a bare word proves nothing."""
    assert _digits(_read(text)) == "----"


@pytest.mark.parametrize(
    "text",
    [
        "> The budget is approved and I decide.",
        "Look:\n-----Original Message-----\nThe budget is approved. I decide. We lose leads. It is urgent.",
        "Вот:\nПересылаемое сообщение\nБюджет утверждён, решаю я сам, нужно срочно.",
        "Вот:\nОт кого: X\nБюджет утверждён, решаю я сам, нужно срочно.",
    ],
)
def test_pasted_text_is_no_evidence(text: str) -> None:
    """What a client only quotes or forwards proves nothing about them."""
    assert _digits(_read(text)) == "----"


def test_the_latest_words_count_and_of_need_the_strongest() -> None:
    """A client may correct themselves; a problem once told is not untold."""
    q = _read(
        "The budget is approved. We lose leads.", "Sorry, the budget is not approved yet.", "We want to see reports."
    )
    assert _digits(q) == "1-3-"
    assert q.budget is not None and q.budget.evidence.message_id == "m2"
    assert q.need is not None and q.need.evidence.message_id == "m1"


def test_the_quote_is_the_sentence() -> None:
    """The quote is the whole sentence, verbatim, without its neighbours."""
    q = _read("Hello there. We have  $20,000 set aside for it!  Bye.")
    assert q.budget is not None and q.budget.evidence.quote == "We have  $20,000 set aside for it!"


@pytest.mark.parametrize("filler", ["and so on ", "и так далее, ", "x"])
def test_a_long_sentence_is_quoted_in_part(filler: str) -> None:
    """Of a sentence that is too long the words around the cue are quoted, still verbatim."""
    text = f"{filler * 40} we have a budget of $20,000 {filler * 40}"
    q = _read(text)
    assert q.budget is not None
    assert len(q.budget.evidence.quote) <= MAX_QUOTE
    assert q.budget.evidence.quote in text
    assert "$20,000" in q.budget.evidence.quote


def test_abbreviations_do_not_end_a_sentence() -> None:
    """A dot after an abbreviation or inside a number ends no sentence."""
    q = _read("Мы заложили ок. 5 тыс. долл. на проект.")
    assert q.budget is not None and q.budget.evidence.quote == "Мы заложили ок. 5 тыс. долл. на проект."


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2026-12-22", 30),
        ("22.12.2026", 30),
        ("22.12.", 30),
        ("December 22nd", 30),
        ("22 декабря", 30),
        ("1 November", 344),
        ("in two weeks", 14),
        ("in 2-3 months", 91),
        ("через полтора месяца", 46),
        ("through 3 weeks", 21),
        ("next week", 14),
        ("by the end of the month", 8),
        ("до конца года", 39),
        ("к Новому году", 39),
        ("within half a year", 182),
        ("by Friday", 7),
        ("in 2025-01-01", None),
        ("nothing here", None),
        ("99.99.9999", None),
    ],
)
def test_days_until_a_named_time(text: str, days: int | None) -> None:
    """A named time is counted in days from today; one that has passed, or is none, gives nothing."""
    named = days_until(text, TODAY)
    assert (None if named is None else named.days) == days


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2024, 2, 29), date(2026, 12, 31), date(2027, 8, 31)])
def test_every_form_works_on_every_day(day: date) -> None:
    """No named time breaks on the edges of the calendar."""
    for text in (
        "31.02.",
        "30 February",
        "next month",
        "next quarter",
        "next year",
        "in March",
        "in Q4",
        "весной",
        "in 999 years",
    ):
        named = days_until(text, day)
        assert named is None or named.days >= 0


@pytest.mark.parametrize(
    "text",
    [
        "no budget " * 20_000,
        "never" + "!" * 100_000 + "x",
        "a," * 60_000 + "?",
        "1 " * 100_000,
        "$1 000 000 " * 20_000,
        "x" * 200_000,
    ],
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    """A text made to be slow is read in seconds, because only its beginning is searched and no pattern explodes."""
    started = time.process_time()
    _read(text, asked="budget")
    assert time.process_time() - started < 5


def test_an_empty_conversation_proves_nothing() -> None:
    """Nothing said, nothing known."""
    assert qualify([], TODAY) == Qualification()
