"""Scores without evidence are dropped, grades do not guess, and cues do not fire on near misses."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tools.leads import (
    LETTERS,
    Evidence,
    Letter,
    Qualification,
    asks_for_human,
    grade,
    missing,
    one_question,
    opted_out,
    own_words,
    render,
    total,
    verified,
)

pytestmark = pytest.mark.req("A25")


def _letter(score: int, quote: str = "we have it", message: str = "m1") -> Letter:
    return Letter(score=score, evidence=Evidence(message_id=message, quote=quote))


def _scores(*scores: int | None) -> Qualification:
    pairs = zip(LETTERS, scores, strict=True)
    return Qualification(**{name: None if score is None else _letter(score) for name, score in pairs})


@pytest.mark.parametrize(
    "data",
    [
        {"score": 4, "evidence": {"message_id": "m1", "quote": "x"}},
        {"score": -1, "evidence": {"message_id": "m1", "quote": "x"}},
        {"score": 1},
        {"score": 1, "evidence": {"message_id": "1", "quote": "x"}},
        {"score": 1, "evidence": {"message_id": "m12345", "quote": "x"}},
        {"score": 1, "evidence": {"message_id": "m1", "quote": ""}},
        {"score": 1, "evidence": {"message_id": "m1", "quote": "x" * 201}},
        {"score": 1, "evidence": {"message_id": "m1", "quote": "x"}, "note": "y"},
    ],
)
def test_a_letter_is_closed(data: dict[str, object]) -> None:
    """A letter without evidence, out of range or with an unknown key is refused."""
    with pytest.raises(ValidationError):
        Letter.model_validate(data)


@pytest.mark.parametrize(
    ("quote", "message", "kept"),
    [
        ("We have 20k", "m1", True),
        ("we have 20k", "m1", False),
        ("We have  20k", "m1", False),
        ("We have 20k", "m2", False),
        ("We have 20k", "m9", False),
        (" ", "m1", False),
        (".", "m1", False),
        ("the budget is approved", "m2", False),
        ("I decide alone", "m3", False),
    ],
)
def test_only_verbatim_words_of_the_client_are_evidence(quote: str, message: str, kept: bool) -> None:
    """A quote counts only where it stands letter for letter in the client's own words of that message."""
    messages = {
        "m1": "Hello. We have 20k for it.",
        "m2": "See below\n> the budget is approved",
        "m3": "FYI\n---- Original Message ----\nI decide alone",
    }
    q = Qualification(budget=_letter(3, quote, message))
    assert (verified(q, messages).budget is not None) is kept


def test_unknown_is_not_zero() -> None:
    """A letter that is None is missing, a letter with score 0 is not."""
    q = _scores(0, None, 3, None)
    assert missing(q) == ("authority", "timeline")
    assert total(q) == 3


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((3, 3, 3, 3), "hot"),
        ((3, 2, 2, 2), "hot"),
        ((None, 3, 3, 3), "hot"),
        ((3, 3, 3, 1), "warm"),
        ((3, 3, 1, 3), "warm"),
        ((3, 3, None, 3), "warm"),
        ((2, 2, 2, None), "warm"),
        ((1, 2, 2, 1), "warm"),
        ((1, 1, 2, 1), "cold"),
        ((0, 1, 1, None), "cold"),
        ((0, 0, 0, 0), "cold"),
        ((1, 1, 1, None), "unknown"),
        ((None, None, None, None), "unknown"),
    ],
)
def test_a_grade_does_not_guess(scores: tuple[int | None, ...], expected: str) -> None:
    """An unknown letter neither lifts nor lowers a grade; where it would decide, the grade is unknown."""
    assert grade(_scores(*scores)) == expected


def test_render_shows_each_score_beside_its_words() -> None:
    """A human reads the score, the quote and the message of each letter, and which letters are unknown."""
    text = render(Qualification(budget=_letter(2, "about\n20k", "m4")))
    assert 'budget: 2 of 3, "about 20k" (m4)' in text
    assert "timeline: unknown" in text


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "Please stop.",
        "unsubscribe",
        "Please unsubscribe me",
        "I would like to unsubscribe",
        "Please stop emailing me",
        "Stop calling us!",
        "don't contact me again",
        "Please do not write to me any more",
        "Remove me from your list, please",
        "leave me alone",
        "Sorry, not interested.",
        "We are not interested, thank you",
        "I want to opt out",
        "Thanks for the offer. Stop writing to me. <PERSON_1>",
        "Отпишите меня",
        "Больше не пишите мне",
        "Не звоните мне больше",
        "Прекратите мне звонить",
        "Хватит слать рассылку",
        "Удалите мой номер",
        "Хочу отписаться от рассылки",
        "Оставьте нас в покое",
        "Нам это не интересно, спасибо.",
        "стоп",
        "Wypiszcie mnie",
        "Proszę do mnie więcej nie pisać",
        "Nie dzwońcie do mnie",
        "Nie jestem zainteresowany.",
    ],
)
def test_opting_out_is_heard(text: str) -> None:
    """A request to be left alone is heard in English, Russian and Polish."""
    assert opted_out(text)


@pytest.mark.parametrize(
    "text",
    [
        "Please don't stop",
        "Don't stop writing to me",
        "I stopped using X",
        "We want to stop writing to spreadsheets",
        "Our customers unsubscribe too often",
        "Don't call me before 10",
        "Don't call me, email me instead",
        "We're not interested in the premium plan, but in the basic one",
        "We can't stop the production line",
        "Stop by our office",
        "Отпишитесь по результату",
        "Мы перестали пользоваться другой системой",
        "Хватит ли 100 тысяч",
        "Не звоните мне до 10",
        "Стоп-лист у нас в ресторане",
        "Клиенты отписываются от рассылки",
        "Не останавливайтесь",
        "Nie przestawajcie",
        "> unsubscribe me",
        "See this\n-----Original Message-----\nUnsubscribe me",
    ],
)
def test_near_misses_are_no_opt_out(text: str) -> None:
    """Words that only look like an opt-out, and those of a forwarded text, are none."""
    assert not opted_out(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'd like to speak to a human",
        "Can I talk to a real person?",
        "please connect me to a manager",
        "Could someone call me?",
        "Please call me at <PHONE_1>",
        "Human please",
        "Give me a call tomorrow",
        "I want a human",
        "Please have someone call me",
        "Let me talk to your manager",
        "I would rather talk to a person than type",
        "Хочу поговорить с живым человеком",
        "Соедините меня с менеджером",
        "Позвоните мне",
        "перезвоните, пожалуйста",
        "Пусть мне кто-нибудь позвонит",
        "Пусть менеджер мне перезвонит",
        "оператор",
        "Можно поговорить с вашим специалистом?",
        "Нужен живой человек",
        "Chcę rozmawiać z człowiekiem",
        "Połączcie mnie z konsultantem",
        "Proszę do mnie zadzwonić",
    ],
)
def test_asking_for_a_human_is_heard(text: str) -> None:
    """A request for a person or a call is heard in English, Russian and Polish."""
    assert asks_for_human(text)


@pytest.mark.parametrize(
    "text",
    [
        "We are in human resources",
        "I want to talk to human resources first",
        "I talked to a manager at your competitor",
        "I need to speak to our director first",
        "I don't want to talk to a human",
        "No need to have someone call me",
        "We build a manager dashboard",
        "Our call centre has ten agents",
        "Не хочу говорить с менеджером",
        "Говорил с менеджером в прошлом году",
        "отдел кадров",
        "Наши менеджеры звонят клиентам",
        "Nie chcę rozmawiać z konsultantem",
        "> call me",
    ],
)
def test_near_misses_are_no_request_for_a_human(text: str) -> None:
    """Words that only look like a request for a person, and refusals of one, are none."""
    assert not asks_for_human(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Is it? And why?", "Is it?"),
        ("Thank you. Which one? Tell me.", "Thank you. Which one?"),
        ("What?And who?", "What?"),
        ("Really?! Why?", "Really?!"),
        ("(Is it?) Or not?", "(Is it?)"),
        ("See https://a.example/?x=1 first. Which one? Why?", "See https://a.example/?x=1 first. Which one?"),
        ("Сколько? Когда?", "Сколько?"),
        ("No question.", "No question."),
        ("", ""),
    ],
)
def test_one_question_survives(text: str, expected: str) -> None:
    """Everything after the first question is cut, and a link's question mark is none."""
    assert one_question(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mine\n> not mine\nmine again", "mine\n\nmine again"),
        ("mine\n  >> deep", "mine"),
        ("mine\n-----Original Message-----\nnot mine", "mine"),
        ("mine\n---------- Forwarded message ---------\nnot mine", "mine"),
        ("mine\nBegin forwarded message:\nnot mine", "mine"),
        ("mine\n-------- Пересылаемое сообщение --------\nчужое", "mine"),
        ("mine\nОт кого: X\nчужое", "mine"),
        ("mine\nFrom: X\nSent: today\nSubject: y\nnot mine", "mine"),
        ("mine\nOn Fri, 20 Nov 2026 at 10:00 X wrote:\nnot mine", "mine"),
        ("mine\n20 ноября 2026 г., 10:00, X написал(а):\nчужое", "mine"),
        ("mine\nForwarded message\nnot mine\n--- End of forwarded message ---\nstill not mine", "mine"),
        ("From: 10 to 12 I am free", "From: 10 to 12 I am free"),
        ("I forwarded message and all to my boss", "I forwarded message and all to my boss"),
    ],
)
def test_foreign_text_is_not_the_clients(text: str, expected: str) -> None:
    """Quoted lines and everything after a forwarding marker are blanked, and no marker can end that."""
    assert own_words(text) == expected
