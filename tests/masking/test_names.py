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
        ("Nobody saw Ravindra leave.", ["Ravindra"]),
        ("ok. Of course, Sarah! I would not miss it.", ["Sarah"]),
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
        ("Wczoraj rozmawiałam z Bronisławą Szczygielską o umowie.", ["Bronisławą Szczygielską"]),
        ("Faktura dla Gniewomira Pietraszko czeka w biurze.", ["Gniewomira Pietraszko"]),
        ("Paczke odebral Grzegorz Brzeczyszczykiewicz.", ["Grzegorz Brzeczyszczykiewicz"]),
        ("Kasiu, czy Tomek oddał klucze?", ["Kasiu", "Tomek"]),
        ("Umowę podpisał Mike Thompson z Londynu.", ["Mike Thompson"]),
        ("Бұл туралы Ерболат Досаевқа хабарладық.", ["Ерболат Досаевқа"]),
        ("Пожалуйста, перезвоните Гүлнәр Әбенова до обеда.", ["Гүлнәр Әбенова"]),
        ("Заказ так и не доставили. Никто мне не отвечает. Қарлығаш ждёт.", ["Қарлығаш"]),
        ("Иван Петров, kontakt.ivan.petrov@example.org", ["Иван Петров"]),
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
        "Thanks, Team! Sure, Monday.",
        "Please call me back, or call me later today.",
        "Dear Customer, your order has been shipped.",
        "The Sales Manager moved the deal to Closed Won on Monday.",
        "Next Steps: Send Proposal, Schedule Demo, Get Approval",
        "May I ask when the invoice will arrive?",
        "Уважаемые коллеги, добрый день!",
        "Здравствуйте, когда придёт заказ?",
        "Dzień dobry, proszę o fakturę za marzec.",
        "Szefie, raport HR jest gotowy. Student: kiedy egzamin?",
        "Spotkanie przy ul. Jana Kochanowskiego 12 w piątek.",
        "Zamówienie złożyła firma Kowalski-Nowak Sp. k., NIP w załączniku.",
        "Құрметті әріптестер, тапсырыс қашан келеді?",
        "Договор с ООО «Захаров и партнёры» подписан.",
        "Счёт выставила Захарова Лтд за май.",
        "пишите на kontakt.biuro@example.org",
        "Dom stoi przy ulicy gen. Tadeusza Rozwadowskiego.",
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
        ("Przeprowadziłam się do Bydgoszczy.", "Bydgoszczy"),
        ("Biuro jest przy ul. Długiej w centrum.", "ul. Długiej"),
        ("Wysiadam na os. Słonecznym.", "os. Słonecznym"),
        ("Remont trwa na ulicy ks. Piotra Skargi.", "ks. Piotra Skargi"),
        ("Paczka na ul. gen. Andersa 12/3.", "ul. gen. Andersa 12/3"),
        ("Склад в городе Балхаш закрыт.", "Балхаш"),
        ("Склад в г. Балхаш закрыт.", "г. Балхаш"),
        ("Біз Алматыдан Шымкентке көштік, өтініш өзгерді.", "Шымкентке"),
    ],
)
def test_places_are_found(full, text, place):
    """Towns by the models, addresses by grammar."""
    assert place in [text[span.start : span.end] for span in full.spans(text) if span.type == "LOCATION"]


def test_threads_share_one_masker(full):
    """Sixteen threads get what one gets, in every language."""
    from concurrent.futures import ThreadPoolExecutor

    texts = [
        f"{name} wrote.\n{russian} ответил.\nProszę oddzwonić do pani Zofii Wrony z {russian[:2]}."
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


def test_a_name_the_polish_model_doubts_is_left(full, monkeypatch):
    """A person is kept only where the model is surer than the threshold."""
    from agent_guard.masking import names_pl

    text = "Rozmawiałam z Bronisławą Szczygielską."
    finder = full._names._polish
    assert any(span.type == "PERSON" for span in finder.find(text))
    monkeypatch.setattr(names_pl, "_SURE", 1.1)
    assert not any(span.source == "crf" and span.type == "PERSON" for span in finder.find(text))


def test_polish_names_without_morfeusz(monkeypatch):
    """Where morfeusz2 has no package, the light rules read Polish and a warning says so; elsewhere it is an error."""
    from agent_guard.errors import ConfigError
    from agent_guard.masking import Masker, names

    real = names.find_spec
    monkeypatch.setattr(names, "find_spec", lambda name: None if name == "morfeusz2" else real(name))
    monkeypatch.setattr(names.platform, "system", lambda: "Linux")
    monkeypatch.setattr(names.platform, "machine", lambda: "aarch64")
    with pytest.warns(RuntimeWarning, match="light rules"):
        light = Masker(languages=("pl",))
    assert persons(light, "Wczoraj dzwonił Piotr Zieliński.") == ["Piotr Zieliński"]
    monkeypatch.setattr(names.platform, "machine", lambda: "x86_64")
    with pytest.raises(ConfigError, match=r"langgraph-agent-guard\[pl\]"):
        Masker(languages=("pl",))
