"""Texts in, pseudonyms out, and back."""

from itertools import pairwise

import pytest

from agent_guard.errors import ConfigError
from agent_guard.masking import Masker, MemoryVault
from agent_guard.types import Span


@pytest.mark.req("A23", "B6")
def test_a_value_becomes_a_typed_pseudonym_and_comes_back(patterns, vault):
    """Masking hides the value, restoring gives it back."""
    text = "Write to anna@mail.example or +48 601 234 567."
    masked = patterns.mask(text, vault, "user")
    assert masked == "Write to <EMAIL_1> or <PHONE_1>."
    assert patterns.restore(masked, vault) == text


def test_one_value_keeps_one_pseudonym_through_the_thread(patterns, vault):
    """Another notation in a later message is the same pseudonym, and its origins add up."""
    patterns.mask("+7 701 555 33 22", vault, "user", "message 1")
    assert patterns.mask("call 8 (701) 555-33-22", vault, "untrusted", "ticket 7") == "call <PHONE_1>"
    entry = vault.find("<PHONE_1>")
    assert entry.value == "+7 701 555 33 22"
    assert entry.origins == ("user", "untrusted")
    assert vault.sources["<PHONE_1>"] == ["message 1", "ticket 7"]


@pytest.mark.req("A23")
@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("emily carter wrote", "<PERSON_1> wrote"),
        ("EMILY CARTER's boss", "<PERSON_1>'s boss"),
        ("Ask Emily, then Carter", "Ask <PERSON_1>, then <PERSON_1>"),
        ("письмо от Ивана Петрова", "письмо от <PERSON_2>"),
        ("ивану петрову", "<PERSON_2>"),
        ("Иваном доволен", "<PERSON_2> доволен"),
        ("Ив\u200bан Пeтpов", "<PERSON_2>"),
        ("номер 7015553322 и 8-701-555-33-22", "номер <PHONE_1> и <PHONE_1>"),
        ("a@b.test and A@B.TEST", "<EMAIL_1> and <EMAIL_1>"),
        ("id 880512-400150", "id <ID_1>"),
    ],
)
def test_what_the_vault_knows_is_found_without_recognizers(patterns, vault, text, masked):
    """Known people and numbers are hidden in any spelling, also where no model would see a name."""
    vault.mint("PERSON", "Emily Carter", "trusted")
    vault.mint("PERSON", "Иван Петров", "trusted")
    vault.mint("PHONE", "+7 701 555 33 22", "trusted")
    vault.mint("EMAIL", "a@b.test", "trusted")
    vault.mint("ID", "880512400150", "trusted")
    assert patterns.mask(text, vault, "party") == masked


@pytest.mark.parametrize("text", ["Will you come in may?", "I will mark it", "the rose is red"])
def test_everyday_words_are_not_taken_for_known_people(patterns, vault, text):
    """A customer called Will Rose does not hide the verb and the flower."""
    for name in ("Will Rose", "Mark May"):
        vault.mint("PERSON", name, "trusted")
    assert patterns.mask(text, vault, "user") == text


def test_an_unknown_pseudonym_is_left_and_never_minted(patterns, vault):
    """Text that only looks like a pseudonym gains no value."""
    assert patterns.mask("send it to <PERSON_99>", vault, "untrusted") == "send it to <PERSON_99>"
    assert vault.find("<PERSON_99>") is None
    assert list(vault.entries()) == []


def test_a_number_inside_a_forged_pseudonym_is_still_hidden(patterns, vault):
    """A phone does not pass because it is dressed as a pseudonym."""
    assert "77015553322" not in patterns.mask("<PHONE_77015553322>", vault, "untrusted")


def test_masking_twice_changes_nothing(patterns, vault):
    """A masked text is its own mask."""
    once = patterns.mask("anna@mail.example, +48 601 234 567, 4111 1111 1111 1111", vault, "user")
    assert patterns.mask(once, vault, "trusted") == once
    assert len(vault.entries()) == 3


def test_neighbours_are_never_joined(patterns, vault):
    """Two values of one type side by side are two pseudonyms, also beside an existing one."""
    masked = patterns.mask("a@b.test c@d.test <EMAIL_7> e@f.test", vault, "user")
    assert masked == "<EMAIL_1> <EMAIL_2> <EMAIL_7> <EMAIL_3>"


def test_a_short_form_waits_for_the_full_name_of_the_same_text(full, vault):
    """Anna before Anna Kowalska in one message is one person."""
    masked = full.mask("Hi, it's Anna. My name is Anna Kowalska.", vault, "party")
    assert masked == "Hi, it's <PERSON_1>. My name is <PERSON_1>."
    assert vault.find("<PERSON_1>").value == "Anna Kowalska"


def test_restore_asks_for_each_entry(patterns, vault):
    """What is not allowed stays a pseudonym."""
    masked = patterns.mask("a@b.test +48 601 234 567", vault, "user")
    assert patterns.restore(masked, vault, lambda entry: entry.type == "EMAIL") == "a@b.test <PHONE_1>"


def test_restore_value_walks_json_and_leaves_keys(patterns, vault):
    """Every string of nested data is restored; keys, numbers and unknown pseudonyms are not touched."""
    vault.mint("EMAIL", "a@b.test", "user")
    data = {"<EMAIL_1>": ["to <EMAIL_1>", 1, None, {"x": ("<EMAIL_1>", "<EMAIL_2>")}]}
    assert patterns.restore_value(data, vault) == {
        "<EMAIL_1>": ["to a@b.test", 1, None, {"x": ["a@b.test", "<EMAIL_2>"]}]
    }


def test_companies_are_reported_and_left_in_text(full, vault):
    """spans names an organisation, mask leaves it: sales work needs companies."""
    text = "Договор с компанией ООО «Ромашка» подписан."
    assert any(span.type == "ORG" for span in full.spans(text, "ru"))
    assert full.mask(text, vault, "user") == text


def test_spans_are_sorted_and_do_not_overlap(full):
    """The result is one row of half-open ranges."""
    text = "Emily Carter, emily@x.test, +1 415 555 2671, 12 High Street, Leeds, card 4111111111111111"
    spans = full.spans(text)
    assert all(isinstance(span, Span) and span.start < span.end for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))


@pytest.mark.parametrize(
    "arguments", [{"languages": ("en", "de")}, {"languages": ()}, {"languages": "en"}, {"profile": "fast"}]
)
def test_a_wrong_setting_is_refused_at_construction(arguments):
    """Unknown languages and profiles never become a masker that finds nothing."""
    with pytest.raises(ConfigError):
        Masker(**arguments)


def test_a_language_the_masker_was_not_built_for_is_refused():
    """A text is never analysed with an engine that is not there."""
    with pytest.raises(ConfigError, match="ru"):
        Masker(languages=("en",), profile="patterns").spans("текст", "ru")


@pytest.mark.parametrize(
    ("language", "package"), [("ru", "slovnet"), ("en", "pycrfsuite"), ("ru", "pycrfsuite"), ("pl", "pycrfsuite")]
)
def test_a_missing_package_names_the_extra(monkeypatch, language, package):
    """The error says what to install."""
    from agent_guard.masking import names

    real = names.find_spec
    monkeypatch.setattr(names, "find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(ConfigError, match=rf"langgraph-agent-guard\[{language}\]"):
        Masker(languages=(language,))
    Masker(languages=(language,), profile="patterns")


def test_a_changed_model_file_is_refused(tmp_path):
    """A model is opened only when its SHA-256 is the tested one."""
    from agent_guard.masking.weights import verified

    (tmp_path / "model").write_bytes(b"other")
    with pytest.raises(ConfigError, match="sha256"):
        verified(tmp_path / "model", "0" * 64)
    with pytest.raises(ConfigError, match="cannot be read"):
        verified(tmp_path / "none", "0" * 64)


def test_one_masker_serves_many_vaults(patterns):
    """Nothing of one thread shows in another."""
    one, other = MemoryVault(), MemoryVault()
    patterns.mask("a@b.test", one, "user")
    assert patterns.mask("c@d.test", other, "user") == "<EMAIL_1>"
    assert other.find("<EMAIL_1>").value == "c@d.test"


def test_a_value_ends_where_it_ends_beside_a_pseudonym(patterns, vault):
    """A password keeps its last sign as part of the hidden value also where the text holds pseudonyms."""
    vault.mint("PERSON", "Emily Carter", "user")
    assert patterns.mask("<PERSON_1> has password: hunter2!", vault, "user") == "<PERSON_1> has password: <SECRET_1>"


def test_values_learnt_later_are_hidden_in_earlier_texts(patterns, vault):
    """mask_known looks for the vault's values only and mints nothing."""
    vault.mint("PERSON", "Emily Carter", "trusted")
    assert patterns.mask_known("EMILY CARTER and x@y.test", vault) == "<PERSON_1> and x@y.test"
    assert len(vault.entries()) == 1


@pytest.mark.req("A23")
@pytest.mark.parametrize(
    ("known", "text", "masked"),
    [
        ([("PERSON", "Anna Kowalska"), ("ID", "anna")], "Ask Anna Kowalska.", "Ask <PERSON_1>."),
        ([("LOCATION", "12 Main Street"), ("SECRET", "Main")], "To 12 Main Street, please", "To <LOCATION_1>, please"),
        ([("PERSON", "Mehmet Aydın")], "Ask Aydın.", "Ask <PERSON_1>."),
        ([("PERSON", "Mary O'Brien")], "Ask O’Brien.", "Ask <PERSON_1>."),
        ([("PERSON", "Tran Hieu")], "Ask Trần Hiếu.", "Ask <PERSON_1>."),
    ],
)
def test_a_known_value_is_found_whole_and_in_any_spelling(patterns, vault, known, text, masked):
    """A short value that stands in a longer one cuts nothing off it; accents and signs are no other letters."""
    for kind, value in known:
        vault.mint(kind, value, "trusted")
    assert patterns.mask(text, vault, "user") == masked
