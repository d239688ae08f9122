"""Names and places, language by language; own sentences."""

import pytest


def persons(masker, text, lang=None):
    return [text[span.start : span.end] for span in masker.spans(text, lang) if span.type == "PERSON"]


@pytest.mark.req("A23")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Emily Carter and I need an invoice.", ["Emily Carter"]),
        ("my name is emily carter", ["emily carter"]),
        ("Best regards,\nThomas Whitfield\nAccount Manager", ["Thomas Whitfield"]),
        ("Please call Priya Raman back before noon.", ["Priya Raman"]),
        ("Meeting with Zbigniew Wolski and Laura Hughes on Friday", ["Zbigniew Wolski", "Laura Hughes"]),
        ("Contact: O'Neill, Siobhan", None),
        ("Меня зовут Айгерим Сатыбалдиева.", ["Айгерим Сатыбалдиева"]),
        ("меня зовут айгерим сатыбалдиева", ["айгерим сатыбалдиева"]),
        ("Передайте Ивану Петрову, что договор готов.", ["Ивану Петрову"]),
        ("ИВАН ПЕТРОВ просил перезвонить", ["ИВАН ПЕТРОВ"]),
        ("Ивaн Пeтров просил перезвонить", ["Ивaн Пeтров"]),
        ("С уважением,\nОльга Смирнова", ["Ольга Смирнова"]),
        ("Кеше Нұрсұлтан Әбішұлы келді, Айгүл Серікқызы да болды.", ["Нұрсұлтан Әбішұлы", "Айгүл Серікқызы"]),
        ("Nazywam się Agnieszka Wójcik.", ["Agnieszka Wójcik"]),
        ("nazywam się agnieszka wójcik", ["agnieszka wójcik"]),
        ("Proszę oddzwonić do Piotra Zielińskiego w piątek", ["Piotra Zielińskiego"]),
        ("Pozdrawiam,\nMarek Lis", ["Marek Lis"]),
    ],
)
def test_a_name_is_found(full, text, expected):
    """Introductions, signatures, running text, capitals, lower case after a cue, mixed alphabets."""
    if expected is None:
        assert persons(full, text)
    else:
        assert persons(full, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Hi team, the proposal is ready.",
        "Dear Customer, your order has been shipped.",
        "The Sales Manager moved the deal to Closed Won on Monday.",
        "Next Steps: Send Proposal, Schedule Demo, Get Approval",
        "May I ask when the invoice will arrive?",
        "Уважаемые коллеги, добрый день!",
        "Здравствуйте, когда придёт заказ?",
        "Dzień dobry, proszę o fakturę za marzec.",
        "No letters since March, 3 overdue tasks, activity is falling.",
    ],
)
def test_business_language_holds_no_name(full, text):
    """Salutations to nobody, roles, stages and headings are not people."""
    assert persons(full, text) == []


def test_every_line_is_read_in_its_own_language(full, vault):
    """A Russian signature under an English letter is not lost."""
    masked = full.mask("Please send the contract.\nС уважением,\nИван Петров", vault, "party")
    assert "Петров" not in masked


def test_a_pseudonym_is_not_read_as_a_name(full, vault):
    """Existing pseudonyms are no findings, and names beside them stay apart."""
    vault.mint("PERSON", "Emily Carter", "user")
    masked = full.mask("Please call <PERSON_1> and Laura Hughes.", vault, "user")
    assert masked == "Please call <PERSON_1> and <PERSON_2>."
    assert full.spans("Ask <PERSON_1> today.") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Офис находится в Алматы.", "Алматы"),
        ("Our office is in London.", "London"),
        ("Send it to 45 Oak Avenue, Boston.", "45 Oak Avenue, Boston"),
    ],
)
def test_places_are_found(full, text, place):
    """Towns by the models, addresses by grammar."""
    assert place in [text[span.start : span.end] for span in full.spans(text) if span.type == "LOCATION"]


def test_threads_share_one_masker(full):
    """Sixteen threads get what one gets, in every language."""
    from concurrent.futures import ThreadPoolExecutor

    texts = [
        f"{name} wrote. {russian} ответил."
        for name in ("Emily Carter", "Laura Hughes")
        for russian in ("Иван Петров", "Анна Белова")
    ] * 8
    alone = [full.spans(text) for text in texts]
    full._cache.clear()
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(full.spans, texts)) == alone


def test_the_fast_decoder_finds_the_best_path():
    """Our replacement of slovnet's decoder returns the path with the highest sum, checked by trying all."""
    from itertools import pairwise, product

    import numpy as np

    from agent_guard.masking.names_ru import _Viterbi

    numbers = np.random.default_rng(7)
    transitions, emissions = numbers.normal(size=(3, 3)), numbers.normal(size=(2, 5, 3))
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2])
    for place, (rows, length) in enumerate(zip(emissions, (5, 3), strict=True)):

        def worth(path, rows=rows):
            return sum(rows[i, tag] for i, tag in enumerate(path)) + sum(transitions[a, b] for a, b in pairwise(path))

        best = max(product(range(3), repeat=length), key=worth)
        assert _Viterbi(transitions).decode(emissions, mask)[place] == list(best)
