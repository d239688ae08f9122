"""The last look before a model call."""

import pytest

from agent_guard.masking import MemoryVault
from agent_guard.masking.tripwire import leaks


@pytest.fixture
def thread():
    vault = MemoryVault()
    vault.mint("PERSON", "Emily Carter", "trusted")
    vault.mint("PERSON", "Иван Петров", "trusted")
    vault.mint("PERSON", "Will Rose", "trusted")
    vault.mint("PHONE", "+7 701 555 33 22", "trusted")
    vault.mint("LOCATION", "12 High Street", "trusted")
    vault.mint("ID", "880512400150", "trusted")
    vault.mint("ID", "AB-12 CD", "trusted")
    vault.mint("ORG", "Берёзка", "trusted")
    vault.mint("PERSON", "Mehmet Aydın", "trusted")
    vault.mint("PERSON", "Mary O'Brien", "trusted")
    return vault


@pytest.mark.req("A23", "B6")
@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("EMILY CARTER", "PERSON"), ("ask Carter", "PERSON"), ("от Ивана Петрова", "PERSON"), ("Петрову", "PERSON"), ("Will Rose", "PERSON"),
        ("8 (701) 555-33-22", "PHONE"), ("701 555 33 22", "PHONE"), ("at 12 high street", "LOCATION"), ("880512 400150", "ID"),
        ("x@y.test", "EMAIL"), ("4111 1111 1111 1111", "CARD"), ("KZ86 125K ZT50 0410 0100", "IBAN"), ("44051401359", "ID"), ("+48 601 234 567", "PHONE"),
        ("sk-abcdefghijklmnop1234", "SECRET"), ("Em\u200bily Carter", "PERSON"), ("пишет Берёзка", "ORG"), ("see ab-12 cd", "ID"), ("ask Aydın", "PERSON"),
        ("ask O’Brien", "PERSON"),
    ],
)  # fmt: skip
def test_a_raw_value_is_reported(thread, text, type):
    """Values of the vault in any spelling, and forms that prove themselves."""
    assert [span.type for span in leaks(f"Note: {text}.", thread)] == [type]


@pytest.mark.parametrize(
    "text",
    [
        "<PERSON_1> asked <PERSON_2> about deal 1001 on 2026-11-21",
        "I will send a rose to the client",
        "order 1234567890, amount 20 000, version 1.2.3",
        "Клиент <PERSON_2> спросил про срок поставки",
        "",
    ],
)
def test_a_clean_text_passes(thread, text):
    """Pseudonyms, everyday words that are also names, and business numbers are no leak."""
    assert leaks(text, thread) == []


@pytest.mark.req("A23")
def test_masked_text_always_passes(full):
    """The tripwire knows nothing that the masker does not know."""
    vault = MemoryVault()
    text = (
        "Emily Carter (emily@x.test, +1 415 555 2671, 4111 1111 1111 1111)\nИван Петров, ИИН 880512400150, 8 701 555 33 22\n"
        "Agnieszka Wójcik, PESEL 44051401359, konto 61 1090 1014 0000 0712 1981 2874, ul. Długa 5, 00-238 Warszawa"
    )
    masked = full.mask(text, vault, "party")
    assert leaks(text, vault)
    assert leaks(masked, vault) == []
