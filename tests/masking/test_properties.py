"""Properties of masking over generated texts."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.fold import fold
from agent_guard.masking.known import Known
from agent_guard.masking.tripwire import leaks
from agent_guard.types import Entry

MASKER = Masker(profile="patterns")
VALUES = [
    "anna@mail.example", "ivan.petrov@x.test", "+7 701 555 33 22", "+48 601 234 567", "4111 1111 1111 1111", "880512400150", "44051401359",
    "KZ86 125K ZT50 0410 0100", "sk-abcdefghijklmnop1234", "203.0.113.7", "12 High Street",
]  # fmt: skip
WORDS = [
    "deal",
    "1001",
    "stage",
    "won",
    "договор",
    "готов",
    "umowa",
    "piątek",
    "20 000",
    "2026-11-21",
    "<PERSON_9>",
    "(",
    ")",
    "\n",
    "№ 5",
    "ok!",
]
MESSAGES = st.lists(
    st.one_of(st.sampled_from(VALUES), st.sampled_from(WORDS), st.text(st.characters(codec="utf-8"), max_size=6)),
    max_size=14,
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.req("A23")
@QUICK
@given(MESSAGES)
def test_mask_then_restore_is_identity(parts):
    """Any Unicode comes back byte for byte, as long as one value has one spelling."""
    text = " | ".join(parts)
    vault = MemoryVault()
    masked = MASKER.mask(text, vault, "user")
    assert MASKER.restore(masked, vault) == text


@pytest.mark.req("A23")
def test_a_value_comes_back_in_plain_writing():
    """Signs that nobody sees and digits of other scripts are no part of a value: a tool is given the plain one, and the
    text around it is what it was.
    """
    vault = MemoryVault()
    masked = MASKER.mask("« an\u200bna@mail.example, +７ ７０１ ５５５ ３３ ２２ »", vault, "user")
    assert MASKER.restore(masked, vault) == "« anna@mail.example, +7 701 555 33 22 »"


@pytest.mark.req("A23", "B6")
@QUICK
@given(MESSAGES)
def test_no_value_of_the_vault_survives(parts):
    """The masked text holds no value that its vault holds, and the tripwire agrees."""
    text = " | ".join(parts)
    vault = MemoryVault()
    masked = MASKER.mask(text, vault, "user")
    assert all(entry.value not in masked for entry in vault.entries() if len(entry.value) > 3)
    assert leaks(masked, vault) == []


@QUICK
@given(MESSAGES)
def test_masking_is_idempotent(parts):
    """A second pass finds nothing new."""
    vault = MemoryVault()
    once = MASKER.mask(" | ".join(parts), vault, "user")
    assert MASKER.mask(once, vault, "user") == once


@QUICK
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_folded_offsets_lead_back(text):
    """Every folded character points at a non-empty piece of the original, in order."""
    folded = fold(text)
    ranges = [folded.original(place, place + 1) for place in range(len(folded.text))]
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert ranges == sorted(ranges)


KEPT = [
    ("PERSON", "Mary O'Brien"), ("PERSON", "Mehmet Aydın"), ("PERSON", "Yıldırım İlker"), ("PERSON", "Tran Hieu"),
    ("PERSON", "Nguyễn Văn"), ("PERSON", "Пётр Семёнов"), ("PERSON", "Jürgen Groß"), ("PERSON", "Łukasz Żak"), ("ORG", "Берёзка"), ("ORG", "A 1"),
    ("LOCATION", "ул. Лётная 5"), ("ID", "AB-12 CD"), ("ID", "ABCD"), ("ID", "880512400150"), ("PHONE", "112 345"),
    ("PHONE", "8 701 555 33 22"), ("PHONE", "+48 601 234 567 x12"), ("CARD", "4111 1111 1111 1111"), ("SECRET", "x1y"),
    ("IBAN", "KZ86 125K ZT50 0410 0100"), ("EMAIL", "anna@mail.example"), ("IP", "203.0.113.7"), ("URL", "ag.example/x"),
]  # fmt: skip
SPELLINGS = (
    str,
    str.upper,
    str.lower,
    str.title,
    lambda text: text.replace(" ", ""),
    lambda text: text.replace(" ", "\n "),
    lambda text: text.replace("i", "\u0131"),
    lambda text: text.replace("i", "\u0130"),
    lambda text: text.replace("'", "’").replace("Tran Hieu", "Trần Hiếu").replace("Nguyễn Văn", "Nguyen Van"),
    lambda text: text.split()[-1],
    lambda text: text.split()[-1].lower(),
)


@pytest.mark.req("A23")
@QUICK
@given(st.lists(st.sampled_from(KEPT), min_size=1, max_size=4), st.sampled_from(SPELLINGS), MESSAGES)
def test_the_quick_no_says_no_of_no_text_that_holds_a_known_value(kept, spelled, parts):
    """What the quick look clears, the search finds nothing in: a value of any type, in any of its spellings."""
    entries = [
        Entry(token=f"<{kind}_{n}>", type=kind, value=value, origins=("user",))
        for n, (kind, value) in enumerate(kept, 1)
    ]
    known = Known(entries)
    text = fold(" ".join([*parts, *(spelled(value) for _, value in kept)])).text
    assert known.may_occur(text) or not known.find(text)
