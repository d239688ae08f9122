"""Unseen characters, look-alikes, and the one form of texts that look the same."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from agent_guard.text.spelling import (
    in_cyrillic,
    in_latin,
    invisible,
    lookalike,
    seen,
    skeleton,
    unpiled,
    without_accents,
)

ALPHABETS = {
    "Russian": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Belarusian": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "Kazakh": "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя",
    "Polish": "aąbcćdeęfghijklłmnńoópqrsśtuvwxyzźż",
    "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "digits": "0123456789",
}
TEXTS = st.text() | st.text(
    alphabet="аaАAοОHНhнTτ0Oо \u200b\u200d\u0301\u0336\ufe0f-—«\"'’ёйiIlİıßﬁ" + "".join(ALPHABETS.values())
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a\u200bb", "U+200B ZERO WIDTH SPACE"),
        ("soft\u00adhyphen", "U+00AD SOFT HYPHEN"),
        ("\ufeffstart", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("pay \u202etxt.exe", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("a\u2066b", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("a\u200eb", "U+200E LEFT-TO-RIGHT MARK"),
        ("hidden\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\U0001f3f4\U000e0061\U000e007f", "U+E0061 TAG LATIN SMALL LETTER A"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\u115f", "U+115F HANGUL CHOSEONG FILLER"),
        ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
        ("a\u034fb", "U+034F COMBINING GRAPHEME JOINER"),
        ("a\u2028b", "U+2028 LINE SEPARATOR"),
        ("a\x00", "U+0000 CONTROL CHARACTER"),
        ("a\x1b[0m", "U+001B CONTROL CHARACTER"),
        ("a\x0bb", "U+000B CONTROL CHARACTER"),
        ("a\x7f", "U+007F CONTROL CHARACTER"),
        ("a\u0085b", "U+0085 CONTROL CHARACTER"),
        ("a\ud800", "U+D800 SURROGATE"),
        ("\U000e0fff", "U+E0FFF UNASSIGNED"),
        ("word\u200dword", "U+200D ZERO WIDTH JOINER"),
        ("😀\u200dword", "U+200D ZERO WIDTH JOINER"),
        ("word\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("❤\ufe0f\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("😀\U000e0100", "U+E0100 VARIATION SELECTOR-17"),
        ("5\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
        ("a\u200b\u202e", "U+200B ZERO WIDTH SPACE"),
    ],
)
@pytest.mark.req("B12")
def test_a_character_that_nobody_sees_is_named(text, named):
    """The first character that shows nothing is named by code point and name."""
    assert invisible(text) == named


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Dzień dobry,\r\n\tproszę o fakturę — „pilne”.",
        "Здравствуйте! Счёт № 5, 10\u00a0000\u202f₽ « ёлка »",
        "Сәлеметсіз бе, құжат дайын",
        "❤️ ☎️ ©️ 1️⃣ #️⃣ ✔︎",
        "👨‍👩‍👧 👩🏽‍💻 ❤️‍🔥 🏳️‍🌈 🇵🇱 🇰🇿",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f plays today",
        "e\u0301 and за\u0301мок",
        "全角　スペース",
    ],
)
@pytest.mark.req("B12")
def test_business_texts_hold_nothing_unseen(text):
    """Line ends, tabs, wide and no-break spaces, accents, emoji sequences and flags are seen."""
    assert invisible(text) is None


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_letters_of_one_alphabet_stay_apart(alphabet):
    """No two letters of an alphabet share a skeleton, in either case; case itself does not count."""
    letters = ALPHABETS[alphabet]
    assert len({skeleton(letter) for letter in letters}) == len(letters)
    assert [letter for letter in letters if skeleton(letter.upper()) != skeleton(letter)] == []


def test_a_digit_is_no_letter():
    """Digits never fold with letters, however alike they are."""
    for digit, letters in {"0": "oоοО", "1": "lIі", "3": "зЗ", "4": "ч", "6": "б", "5": "sѕ"}.items():
        assert all(skeleton(digit) != skeleton(letter) for letter in letters)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("apple.com", "аррӏе.com"),
        ("PayPal", "РауРаl"),
        ("microsoft", "mісrоѕоft"),
        ("google", "gοοgle"),
        ("google", "ɡooɡle"),
        ("facebook", "faceьook"),
        ("nato", "ΝATΟ"),
        ("hello", "Нello"),
        ("НАША фирма", "HAША  фирма"),
        ("город", "rород"),
        ("МОСКВА", "MOCKBA"),
        ("Ёлка", "Ëлка"),
        ("їжа", "ïжa"),
        ("замок", "за\u0301мок"),
        ("guarantee", "g\u0336u\u0336arantee"),
        ("free", "ｆｒｅｅ"),
        ("free", "𝐟𝓻𝖊𝚎"),
        ("free", "🅵🅡🅔🅔"),
        ("free", "ꜰʀᴇᴇ"),
        ("free", "f\u200br\u00ad\u2060e\U000e0020e"),
        ("acme.example", "acme。example"),
        ("a-b", "a\u2011b"),
        ("a - b", "a — b"),
        ("say 'no'", "say ’no‘"),
        ('"no"', "«no»"),
        ("a b", " a\u00a0\n\t b "),
        ("Straße", "STRASSE"),
        ("file", "ﬁle"),
        ("naïve", "nai\u0308ve"),
        ("Call Anna", "call  ANNA"),
    ],
)
@pytest.mark.req("B12")
def test_texts_that_look_the_same_have_one_skeleton(one, other):
    """Look-alike letters, widths, marks, dashes, quotes, spaces, case and unseen characters fold."""
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("й", "и"),
        ("ё", "е"),
        ("ł", "l"),
        ("ą", "a"),
        ("қ", "к"),
        ("ү", "у"),
        ("һ", "н"),
        ("ө", "о"),
        ("ı̇x", "lx"),
        ("modern", "modem"),
        ("O5", "05"),
        ("5 µm", "5 mm"),
        ("5 Ω", "5 w"),
        ("a b", "ab"),
        ("Anna", "Anno"),
        ("10", "1O"),
        ("re-sign", "resign"),
    ],
)
def test_texts_that_look_different_keep_their_own(one, other):
    """Letters with marks, digits, units and spaces keep texts apart."""
    assert skeleton(one) != skeleton(other)


@given(TEXTS)
def test_the_skeleton_of_a_skeleton_is_itself(text):
    """Folding twice changes nothing, and nothing unseen is left of what a skeleton drops."""
    form = skeleton(text)
    assert skeleton(form) == form
    assert "\u200b" not in form and "  " not in form and form == form.strip()


@given(TEXTS, st.sampled_from("\u200b\u00ad\u2060\u202e\ufeff"), st.integers(0, 50))
def test_an_unseen_character_changes_no_skeleton(text, char, at):
    """A zero width character put between words' letters leaves the skeleton as it is."""
    word = f"x{''.join(part for part in text if part.isascii())}x"
    at = 1 + at % len(word)
    assert skeleton(word[:at] + char + word[at:]) == skeleton(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("аcme.example", "acme.example"),
        ("acme\u200b.example", "acme.example"),
        ("acme.exаmple", "acme.example"),
        ("ACME.example", None),
        ("ａcme.example", None),
        ("acme.example", None),
        ("acne.example", None),
        ("other.example", None),
        ("оther.test", "other.test"),
        ("", None),
    ],
)
@pytest.mark.req("B13")
def test_a_lookalike_of_a_known_item_is_told(text, expected):
    """A text that looks like a known item and is none, up to NFKC and case, is told with the item."""
    assert lookalike(text, ["acme.example", "other.test"]) == expected


def test_an_item_itself_is_no_lookalike_of_its_twin():
    """Where two known items look alike, each is itself."""
    known = ["acme", "аcme"]
    assert lookalike("acme", known) is None
    assert lookalike("аcme", iter(known)) is None
    assert lookalike("аcmе", known) == "acme"


@given(TEXTS)
def test_what_is_seen_leads_back(text):
    """Each character that is read has a place in the text, in order; nothing raises."""
    read = seen(text)
    assert len(read.text) == len(read.starts) == len(read.ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(read.starts, read.ends, strict=True))
    assert list(read.starts) == sorted(read.starts)
    invisible(text)
    lookalike(text, [text[::-1], "a"])


@pytest.mark.parametrize(
    ("word", "latin", "cyrillic"),
    [
        ("frее", "free", "frее"),
        ("гаpaнтuя", "гаpaнтuя", "гарантия"),
        ("rарантия", "rарантия", "гарантия"),
        ("class", "class", "class"),
        ("сука", "cyka", "сука"),
        ("cyka", "cyka", "сука"),
        ("құжат", "құжат", "құжат"),
        ("100", "100", "100"),
        ("", "", ""),
    ],
)
def test_a_word_is_read_in_one_script(word, latin, cyrillic):
    """A word whose every letter has a twin in the other script can be read there; another stays as it is."""
    assert in_latin(word) == latin
    assert in_cyrillic(word) == cyrillic


def test_accents_are_dropped_but_for_a_languages_letters():
    """Accents go, the letters to keep stay, and so does every other script."""
    assert without_accents("gwáráncję ёй", keep="ę") == "gwarancję ёй"
    assert without_accents("plain") == "plain"


def test_a_pile_of_marks_is_cut():
    """A letter keeps thirty marks at most, so that normalising takes time in proportion to the text."""
    assert unpiled("a" + "\u0301\u0316" * 1000 + "b") == "a" + "\u0301\u0316" * 15 + "b"
    assert unpiled("a" + "\u0301" * 30) == "a" + "\u0301" * 30
    assert skeleton("a" + "\u0301\u0316" * 50_000) == skeleton("a" + "\u0301\u200b\u0316" * 50_000)
    assert seen("a" + "\u0316\u0301" * 50_000).text == "á"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_the_short_way_for_ascii_is_the_long_way(text):
    """A text of printable ASCII folds as it does in company of a letter that forces the long way."""
    assert skeleton(text + " ż").removesuffix("ż").strip() == skeleton(text)
