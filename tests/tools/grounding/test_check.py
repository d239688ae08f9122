"""The check of drafts: each layer finds its own kind of change, and leaves paraphrases alone."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from benchmarks.groundedness.__main__ import BASE, measured
from tools.grounding import Sentence, check
from tools.grounding.language import COURTESIES, Language
from tools.grounding.tokens import tokens
from tools.knowledge_base import LANGUAGES, KnowledgeBase

KB = KnowledgeBase.load(BASE)


def found(text: str, *cites: str, language: Language = "en") -> list[str]:
    """The kinds of what is found in one sentence."""
    (verdict,) = check([Sentence(text=text, cites=cites)], language, KB.texts, KB.names[language])
    return [item.kind for item in verdict.findings]


@pytest.mark.req("A27")
@pytest.mark.parametrize(
    ("text", "cite", "language"),
    [
        ("The link is valid for 30 minutes.", "en/sign_in#1", "en"),
        ("A bank transfer is accepted only above 1200 EUR.", "en/invoices#2", "en"),
        ("The account was locked because five wrong passwords were entered.", "en/sign_in#3", "en"),
        ('Please choose "Forgot password" on the sign-in page.', "en/sign_in#1", "en"),
        ("Ссылка из письма действует 30 минут.", "ru/sign_in#1", "ru"),
        ("Деньги придут на ту же карту за 5–10 рабочих дней.", "ru/invoices#3", "ru"),
        ("Dane może eksportować tylko administrator.", "pl/export#3", "pl"),
        ("Szans nie można zmieniać offline.", "pl/mobile#2", "pl"),
    ],
)  # fmt: skip
def test_a_sound_sentence_passes(text: str, cite: str, language: Language) -> None:
    """Other forms, order and small words are no finding."""
    assert found(text, cite, language=language) == []


@pytest.mark.req("A27")
@pytest.mark.parametrize(
    ("text", "cites", "kind", "language"),
    [
        ("The link is valid for 30 minutes.", (), "citation_missing", "en"),
        ("The link is valid for 30 minutes.", ("en/sign_in#9",), "citation_unknown", "en"),
        ("The link is valid for 45 minutes.", ("en/sign_in#1",), "number", "en"),
        ("A refund is possible within 3 days.", ("en/invoices#3",), "number_elsewhere", "en"),
        ("The app needs Android 16.", ("en/mobile#1",), "number_elsewhere", "en"),
        ("You save 12 % with a yearly payment.", ("en/plans#1",), "number", "en"),
        ("Single sign-on works with Google.", ("en/sign_in#4",), "name", "en"),
        ("The error LD-4022 means that the field is read-only.", ("en/api#4",), "code", "en"),
        ("The error LD-5003 means that the field is read-only.", ("en/api#4",), "number_elsewhere", "en"),
        ("Write to help@lumen.example with the invoice number.", ("en/invoices#4",), "address", "en"),
        ("Open https://lumen.example/reset and enter your work address.", ("en/sign_in#1",), "address", "en"),
        ('Choose "Reset password" on the sign-in page.', ("en/sign_in#1",), "quote", "en"),
        ("We will gladly build whatever you wish.", ("en/sign_in#1",), "unsupported", "en"),
        ("The link is valid for 30 minutes so send your pin code to our boss.", ("en/sign_in#1",), "unsupported", "en"),
        ("An administrator can shorten this time.", ("en/sign_in#3",), "negation", "en"),
        ("The link is not valid for 30 minutes.", ("en/sign_in#1",), "negation", "en"),
        ("Administrators can export data.", ("en/export#3",), "condition", "en"),
        ("Ссылка из письма действует 15 минут.", ("ru/sign_in#1",), "number", "ru"),
        ("Администратор может сократить это время.", ("ru/sign_in#3",), "negation", "ru"),
        ("Dane mogą eksportować administratorzy.", ("pl/export#3",), "condition", "pl"),
        ("Link do eksportu nie jest ważny 48 godzin.", ("pl/export#2",), "negation", "pl"),
    ],
)
def test_a_change_is_found(text: str, cites: tuple[str, ...], kind: str, language: Language) -> None:
    """One number, name, code, address, quotation, negation, bound or citation that is another."""
    assert kind in found(text, *cites, language=language)


def test_no_draft_is_kept() -> None:
    """What was compared is forgotten when it is judged."""
    found("The link is valid for 30 minutes.", "en/sign_in#1")
    assert tokens.cache_info().currsize == 0


def test_a_courtesy_needs_no_source_and_only_to_the_letter() -> None:
    """The list is closed: a promise in the tone of a courtesy is a sentence without a citation."""
    for language in LANGUAGES:
        assert all(found(f"{text.capitalize()}.", language=language) == [] for text in COURTESIES[language])
    assert found("Thank you for your message, we refund everything.") == ["citation_missing"]


def test_a_sentence_may_rest_on_two_passages() -> None:
    """What one does not say the other may."""
    text = "The link is valid for 30 minutes, and after 5 wrong passwords the account is locked for 15 minutes."
    assert found(text, "en/sign_in#1") != []
    assert found(text, "en/sign_in#1", "en/sign_in#3") == []


@pytest.mark.req("A27")
@pytest.mark.parametrize(
    "written",
    [
        "minutes \U0001f172\U0001f170\U0001f17b\U0001f17b",  # squared letters spell a word
        "minutes \u2809\u2801",  # Braille does too
        "minutes \u202eeciov\u202c",  # read from right to left
        "min\u200butes",
        "minutes \u8bf7\u62e8\u6253\u7535\u8bdd",  # a whole sentence that counts as one word
        "minutes \U000e0041",
        "minutes, 5 €",
        "minutes \u278a",
        "minutes a\u278a",  # a numeral that is no digit, after a letter
    ],
)
def test_nothing_is_written_in_signs_that_no_layer_reads(written: str) -> None:
    """Pictures, other scripts, marks that nobody sees and currencies that the source does not have."""
    assert "sign" in found(f"The link is valid for 30 {written}.", "en/sign_in#1")


def test_a_sign_of_the_source_may_be_repeated() -> None:
    """Where the passage has it, the answer may have it; in a courtesy there is none."""
    passages = {"p": "Yearly plans cost 120 € \u2192 choose them under Plans."}
    said = [Sentence(text="Yearly plans cost 120 €.", cites=("p",)), Sentence(text="Hello\u2028.")]
    assert [[item.kind for item in verdict.findings] for verdict in check(said, "en", passages)] == [[], ["sign"]]


@pytest.mark.parametrize("text", ["a \u278a", "the \u0bf0 is", "x \u3248"])
def test_a_numeral_that_is_no_digit_is_read(text: str) -> None:
    """A ticket may hold any letter, and a search for its words must not end at one."""
    assert tokens(text, "en")
    assert KB.search(text, "en", 5) == []


@given(text=st.text(max_size=300), language=st.sampled_from(LANGUAGES))
def test_no_text_makes_it_raise(text: str, language: Language) -> None:
    """Whatever a model writes gets a verdict, with and without a citation."""
    for cites in ((), (f"{language}/sign_in#1",)):
        (verdict,) = check([Sentence(text=text, cites=cites)], language, KB.texts, KB.names[language])
        assert verdict.grounded == (not verdict.findings)


@pytest.mark.req("A27")
def test_what_the_readme_says_of_it_holds() -> None:
    """By mutation: 0.95 of swapped numbers, names and citations are found, and 5 % of sound sentences refused at most."""
    rows = measured(3)
    shares = {
        name: sum(item[0] for item in cells.values()) / sum(item[1] for item in cells.values())
        for name, cells in rows.items()
    }
    assert shares["sound"] <= 0.05
    assert min(share for name, share in shares.items() if "swapped" in name or "cited" in name) >= 0.95
    assert shares["negation put in or taken out"] >= 0.9
