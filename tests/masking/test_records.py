"""Records: the name of a field is the first evidence."""

import pytest

from agent_guard.masking.records import sensitive_type
from agent_guard.masking.tokens import mend


@pytest.mark.req("A21", "A23", "B6")
def test_each_rule_of_a_field(patterns, vault):
    """plain passes, text is analysed, drop removes, a type tokenises the whole value."""
    record = {"title": "a@b.test", "note": "write to a@b.test", "secret": "x", "who": "the blue one"}
    fields = {"title": "plain", "note": "text", "secret": "drop", "who": "PERSON"}
    assert patterns.mask_record(record, fields, vault, "trusted") == {
        "title": "a@b.test", "note": "write to <EMAIL_1>", "who": "<PERSON_1>",
    }  # fmt: skip


def test_an_unnamed_field_is_judged_by_its_name(patterns, vault):
    """Telling names hide texts and numbers whole; other texts are analysed, other scalars pass."""
    record = {
        "clientPhone": 77015553322,
        "iin": "880512400150",
        "comment": "mail a@b.test",
        "amount": 20000,
        "won": True,
        "x": None,
    }
    assert patterns.mask_record(record, {}, vault, "trusted") == {
        "clientPhone": "<PHONE_1>", "iin": "<ID_1>", "comment": "mail <EMAIL_1>", "amount": 20000, "won": True, "x": None,
    }  # fmt: skip


def test_nested_records_and_lists_keep_their_shape(patterns, vault):
    """Paths name nested fields, list places are not part of a path, and what stands under `address` is personal."""
    record = {
        "contact": {"phones": ["+48 601 234 567"], "id": 7},
        "items": [{"label": "a@b.test"}],
        "address": {"line": "Main 5", "zip": 12345},
    }
    fields = {"contact.phones": "PHONE", "contact.id": "plain", "items.label": "EMAIL"}
    assert patterns.mask_record(record, fields, vault, "trusted") == {
        "contact": {"phones": ["<PHONE_1>"], "id": 7}, "items": [{"label": "<EMAIL_1>"}],
        "address": {"line": "<LOCATION_1>", "zip": "<LOCATION_2>"},
    }  # fmt: skip


def test_a_record_and_a_text_share_pseudonyms(patterns, vault):
    """The customer of the card is the customer of the letter."""
    patterns.mask_record({"name": "Emily Carter"}, {}, vault, "trusted")
    assert patterns.mask("emily carter called", vault, "party") == "<PERSON_1> called"
    assert vault.find("<PERSON_1>").origins == ("trusted", "party")


@pytest.mark.req("A11")
@pytest.mark.parametrize("key", ["<EMAIL_1>", "EMAIL_1", "[EMAIL 1]", "email <EMAIL-1> of", "&lt;email_1&gt;"])
def test_a_pseudonym_typed_as_a_key_is_nobodys(patterns, vault, key):
    """Custom fields and mappings have outsiders' words for keys; what was typed there names nobody, as in a value."""
    patterns.mask("ceo@firm.test", vault, "trusted")
    for record in ({key: 1}, {"by": [{key: {"x": 2}}]}):
        masked = str(patterns.mask_record(record, {}, vault, "untrusted"))
        assert "‹EMAIL_1›" in masked and mend(masked, vault.find) == masked and "<EMAIL_1>" not in masked


def test_an_unknown_rule_is_refused(patterns, vault):
    """A typing error in a field policy does not become plain text."""
    with pytest.raises(ValueError, match="telephone"):
        patterns.mask_record({"x": "y"}, {"x": "telephone"}, vault, "trusted")


@pytest.mark.parametrize(
    ("key", "type"),
    [
        ("name", "PERSON"), ("first_name", "PERSON"), ("lastName", "PERSON"), ("ФИО", "PERSON"), ("фамилия", "PERSON"), ("nazwisko", "PERSON"),
        ("phone", "PHONE"), ("mobilePhone", "PHONE"), ("phone_number", "PHONE"), ("phone2", "PHONE"), ("Телефон", "PHONE"), ("nr_telefonu", None),
        ("email", "EMAIL"), ("client-email", "EMAIL"), ("почта", "EMAIL"), ("e_mail", "EMAIL"),
        ("iin", "ID"), ("ИИН", "ID"), ("PESEL", "ID"), ("date_of_birth", "ID"), ("паспорт", "ID"),
        ("address", "LOCATION"), ("home_address", "LOCATION"), ("адрес", "LOCATION"), ("kod_pocztowy", "LOCATION"),
        ("iban", "IBAN"), ("card_number", "CARD"), ("password", "SECRET"), ("apiKey", "SECRET"), ("ip_address", "IP"),
        ("company_name", None), ("product_name", None), ("stage", None), ("title", None), ("amount", None), ("deal_id", None),
        ("token_count", None), ("file_name", None), ("status", None), ("created_at", None),
    ],
)  # fmt: skip
def test_what_a_key_promises(key, type):
    """English, Russian and Polish names of fields tell what they hold; names of things do not."""
    assert sensitive_type(key) == type
