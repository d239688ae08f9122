"""The written form of pseudonyms: what models make of it is read, and what others type is made harmless."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from agent_guard.masking.tokens import PSEUDONYM, defuse, mend

pytestmark = pytest.mark.req("A23", "B16")

KNOWN = {"<PERSON_1>", "<EMAIL_2>", "<ID_1>", "<PHONE_12>"}

MANGLED = [
    ("PERSON_1", "<PERSON_1>"),
    ("&lt;PERSON_1&gt;", "<PERSON_1>"),
    ("[PERSON 1]", "<PERSON_1>"),
    ("[PERSON_1]", "<PERSON_1>"),
    ("(PERSON-1)", "<PERSON_1>"),
    ("{EMAIL_2}", "<EMAIL_2>"),
    ("{{EMAIL_2}}", "{<EMAIL_2>}"),
    ("<person_1>", "<PERSON_1>"),
    ("<Person 1>", "<PERSON_1>"),
    ("<PERSON1>", "<PERSON_1>"),
    ("< PERSON_1 >", "<PERSON_1>"),
    ("<<PERSON_1>>", "<PERSON_1>"),
    (r"\<PERSON\_1\>", "<PERSON_1>"),
    (r"PERSON\_1", "<PERSON_1>"),
    ("PERSON_01", "<PERSON_1>"),
    ("PERSON_1у", "<PERSON_1>у"),
    ("PERSON_1's deal", "<PERSON_1>'s deal"),
    ("[ID_1]", "<ID_1>"),
    ("PHONE_12, EMAIL_2", "<PHONE_12>, <EMAIL_2>"),
]


@pytest.mark.parametrize(("said", "meant"), MANGLED)
def test_what_models_make_of_a_pseudonym_is_read(said: str, meant: str) -> None:
    """Each known way to mangle one means the one that the thread has."""
    assert mend(f"Call {said} now", KNOWN.__contains__) == f"Call {meant} now"


@pytest.mark.parametrize(("said", "meant"), MANGLED)
def test_nobody_outside_can_type_what_would_be_read(said: str, meant: str) -> None:
    """A form that is read from a model is made harmless where a customer or a record writes it."""
    assert mend(defuse(f"Call {said} now"), KNOWN.__contains__) == defuse(f"Call {said} now")
    assert meant not in mend(defuse(said), KNOWN.__contains__)


@pytest.mark.parametrize(
    "said",
    [
        "<PERSON_1>", "PERSON_7", "[PERSON 7]", "person_1", "(person 1)", "(id 1)", "ID 1", "[ID 1]", "PERSON_12",
        "PERSON_1b", "MY_PERSON_1", "‹PERSON_1›", "PERSON 1", "PHONE_1", "phone 12",
    ],
)  # fmt: skip
def test_what_means_nobody_is_left_as_it_is(said: str) -> None:
    """A number that the thread has not, and words that people say, are no pseudonyms."""
    assert mend(f"Call {said} now", KNOWN.__contains__) == f"Call {said} now"


@given(st.text(alphabet="<>[](){}&lt;gt\\_- PERSONIDEMAIL019‹›x", max_size=60))
def test_whatever_is_typed_stays_harmless(text: str) -> None:
    """Nothing that was made harmless can be read as a pseudonym, and making it harmless twice changes nothing."""
    safe = defuse(text)
    assert not PSEUDONYM.search(safe)
    assert mend(safe, lambda _: True) == safe
    assert defuse(safe) == safe
