"""Presidio is the shell: users' recognizers plug in, nothing is downloaded, nothing is imported early."""

import socket
import subprocess
import sys

import pytest

from agent_guard.masking import Masker, MemoryVault


def test_a_users_recognizer_reads_every_language():
    """A recognizer written for English finds its code in a Russian text too; an unknown entity becomes an ID."""
    from presidio_analyzer import Pattern, PatternRecognizer

    badge = PatternRecognizer(supported_entity="BADGE", patterns=[Pattern("badge", r"\bBDG-\d{4}\b", 0.9)])
    masker = Masker(profile="patterns", recognizers=[badge])
    vault = MemoryVault()
    assert masker.mask("Пропуск BDG-1234 выдан, badge BDG-9999", vault, "user") == "Пропуск <ID_1> выдан, badge <ID_2>"


def test_context_words_of_a_users_recognizer_count_without_lemmas():
    """A weak pattern alone is no finding; beside its context word it is."""
    from presidio_analyzer import Pattern, PatternRecognizer

    weak = PatternRecognizer(
        supported_entity="PHONE_NUMBER", patterns=[Pattern("room", r"\b\d{4}\b", 0.1)], context=["extension"]
    )
    masker = Masker(profile="patterns", recognizers=[weak])
    assert masker.spans("deal 1001") == []
    assert [span.type for span in masker.spans("extension 1001")] == ["PHONE"]


@pytest.mark.req("A23")
def test_everything_works_without_a_network(monkeypatch, full):
    """No socket is opened while texts of three languages are analysed, e-mails included."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("masking opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    masker = Masker()
    vault = MemoryVault()
    for text in (
        "I'm Emily Carter, emily@carter.example",
        "Иван Петров, ivan@petrov.test",
        "Jan Kowalski, jan@kowalski.pl",
    ):
        assert "@" not in masker.mask(text, vault, "user")


def test_importing_masking_imports_neither_presidio_nor_a_model():
    """The import is cheap: Presidio, spaCy, numpy and slovnet come with the first text."""
    code = (
        "import sys, agent_guard.masking, agent_guard.masking.tripwire; "
        "print([m for m in ('presidio_analyzer', 'spacy', 'numpy', 'slovnet', 'pycrfsuite') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_presidios_anonymizer_can_use_our_pseudonyms():
    """A Presidio pipeline names values with a thread's vault through one operator."""
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

    from agent_guard.masking.operator import Pseudonymize

    vault = MemoryVault()
    engine = AnonymizerEngine()
    engine.add_anonymizer(Pseudonymize)
    config = {"DEFAULT": OperatorConfig("agent_guard", {"vault": vault, "origin": "party"})}
    done = engine.anonymize("call 415-555-2671", [RecognizerResult("PHONE_NUMBER", 5, 17, 0.9)], config)
    assert done.text == "call <PHONE_1>"
    assert vault.find("<PHONE_1>").origins == ("party",)
    with pytest.raises(ValueError, match="vault"):
        Pseudonymize().validate({})
