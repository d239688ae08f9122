"""Values that their own form gives away."""

import pytest

from agent_guard.masking import checksums


def found(masker, text):
    return [(text[span.start : span.end], span.type) for span in masker.spans(text)]


@pytest.mark.req("A23", "B6")
@pytest.mark.parametrize(
    ("text", "value", "type"),
    [
        ("write to anna.kowalska+crm@mail.example please", "anna.kowalska+crm@mail.example", "EMAIL"),
        ("почта иван@почта.рф, жду", "иван@почта.рф", "EMAIL"),
        ("host a@b.test.", "a@b.test", "EMAIL"),
        ("an\u200bna@ma\u200bil.example", "an\u200bna@ma\u200bil.example", "EMAIL"),
        ("john dot smith at example dot com", "john dot smith at example dot com", "EMAIL"),
        ("иван собака почта точка рф", "иван собака почта точка рф", "EMAIL"),
        ("call +7 701 555 33 22 now", "+7 701 555 33 22", "PHONE"),
        ("тел 87015553322", "87015553322", "PHONE"),
        ("наберите 8 (701) 555-33-22", "8 (701) 555-33-22", "PHONE"),
        ("звоните 8-705-597-01-92", "8-705-597-01-92", "PHONE"),
        ("proszę dzwonić 601 234 567", "601 234 567", "PHONE"),
        ("biuro (22) 123 45 67", "(22) 123 45 67", "PHONE"),
        ("tel. T37 410 190", "T37 410 190", "PHONE"),
        ("+48 5O1 6l2 334", "+48 5O1 6l2 334", "PHONE"),
        ("+4B 501 612 334", "+4B 501 612 334", "PHONE"),
        ("komórka do Anny Nowak: 5O1612334", "5O1612334", "PHONE"),
        ("w pracy 22 5O1 23 45", "22 5O1 23 45", "PHONE"),
        ("numer telefonu 601234567", "601234567", "PHONE"),
        ("0048 601 234 567", "0048 601 234 567", "PHONE"),
        ("ring (415) 555-2671 x123", "(415) 555-2671 x123", "PHONE"),
        ("at 415-555-2671 today", "415-555-2671", "PHONE"),
        ("London 020 7946 0958", "020 7946 0958", "PHONE"),
        ("mobile 07911 123456", "07911 123456", "PHONE"),
        ("full width +７ ７０１ ５５５ ３３ ２２", "+７ ７０１ ５５５ ３３ ２２", "PHONE"),
        ("recording_77015553322.wav", "77015553322", "PHONE"),
        ("card 4111 1111 1111 1111 thanks", "4111 1111 1111 1111", "CARD"),
        ("карта 4111 1111 1111 1112", "4111 1111 1111 1112", "CARD"),
        ("to KZ86 125K ZT50 0410 0100 today", "KZ86 125K ZT50 0410 0100", "IBAN"),
        ("na PL61109010140000071219812874 dziś", "PL61109010140000071219812874", "IBAN"),
        ("konto 61 1090 1014 0000 0712 1981 2874", "61 1090 1014 0000 0712 1981 2874", "IBAN"),
        ("880512400150", "880512400150", "ID"),
        ("ИИН 880512 400157", "880512 400157", "ID"),
        ("Её ИИН: 000714600018.", "000714600018", "ID"),
        ("ИИН 001223500112, паспорта нет", "001223500112", "ID"),
        ("44051401359", "44051401359", "ID"),
        ("PESEL: 44051401358", "44051401358", "ID"),
        ("526-10-40-828", "526-10-40-828", "ID"),
        ("NIP 5261040828", "5261040828", "ID"),
        ("REGON 123456785", "123456785", "ID"),
        ("СНИЛС 112-233-445 95", "112-233-445 95", "ID"),
        ("SSN 219-09-9999", "219-09-9999", "ID"),
        ("My driver's license number is 6940579", "6940579", "ID"),
        ("driver's licence F162823540116", "F162823540116", "ID"),
        ("Patient ID: 987654321, Name", "987654321", "ID"),
        ("the last bill for cc 503802053770", "503802053770", "CARD"),
        ("Desk: 5403926876", "5403926876", "PHONE"),
        ("NINO AB 12 34 56 C", "AB 12 34 56 C", "ID"),
        ("paszport AB1234567", "AB1234567", "ID"),
        ("DOB: 1990-05-12", "1990-05-12", "ID"),
        ("дата рождения 12.05.1990 г.", "12.05.1990", "ID"),
        ("from 203.0.113.7 at noon", "203.0.113.7", "IP"),
        ("from 2001:db8::1 at noon", "2001:db8::1", "IP"),
        ("see https://user:pw@crm.example/x", "https://user:pw@crm.example/x", "URL"),
        ("see https://crm.example/u?phone=%2B14155552671 ok", "https://crm.example/u?phone=%2B14155552671", "URL"),
        ("key sk-abcdefghijklmnop1234", "sk-abcdefghijklmnop1234", "SECRET"),
        ("ghp_abcdefghijklmnopqrstuvwxyz012345", "ghp_abcdefghijklmnopqrstuvwxyz012345", "SECRET"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "SECRET"),
        ("jwt eyJhbGciOi.eyJzdWIiOi.abc-def", "eyJhbGciOi.eyJzdWIiOi.abc-def", "SECRET"),
        ("password: hunter2!", "hunter2!", "SECRET"),
        ("пароль: зима2026", "зима2026", "SECRET"),
        ("lives at 12 High Street, Leeds.", "12 High Street, Leeds", "LOCATION"),
        ("адрес: г. Алматы, ул. Абая, д. 10, кв. 5", "г. Алматы, ул. Абая, д. 10, кв. 5", "LOCATION"),
        ("ul. Długa 5/12, 00-238 Warszawa", "ul. Długa 5/12, 00-238 Warszawa", "LOCATION"),
    ],
)
def test_a_form_is_found_whole(patterns, text, value, type):
    """Each form is found with its exact borders and type."""
    assert (value, type) in found(patterns, text)


@pytest.mark.parametrize(
    "text",
    [
        "deal 1001 is worth 20 000",
        "1 200 000 ₸ and 123 456 789 zł",
        "on 2026-11-21 10:30, or 21.11.2026 at 09:15:00",
        "order 123 456 789 and invoice 415-555-2671",
        "заказ № 123 456 789, договор 601 234 567",
        "zamówienie nr 601 234 567",
        "version 1.2.3.4 and host 127.0.0.1",
        "https://docs.example.com/articles/42?page=2",
        "password reset was requested",
        "4111 1111 1111 1112",
        "880512400157",
        "meet at noon at the office",
        "stage 3 of 5, 10-12 people, 50/50",
        "deal ID 987654321, task id 4711 and client 1234567",
        "INV-2026-00123 of 2026/11/20",
        "+20 000 USD",
    ],
)
def test_business_numbers_are_left_alone(patterns, text):
    """Amounts, dates, deal and order numbers, versions and plain links are no personal data."""
    assert found(patterns, text) == []


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (checksums.luhn, "4111111111111111", "4111111111111112"),
        (checksums.iban, "PL61109010140000071219812874", "PL61109010140000071219812875"),
        (checksums.iin, "880512400150", "880512400157"),
        (checksums.pesel, "44051401359", "44051401358"),
        (checksums.nip, "5261040828", "5261040827"),
        (checksums.regon, "123456785", "123456786"),
        (checksums.regon, "12345678512347", "12345678512348"),
        (checksums.inn, "7707083893", "7707083894"),
        (checksums.inn, "500100732259", "500100732258"),
        (checksums.snils, "11223344595", "11223344596"),
        (checksums.polish_id_card, "ABA300000", "ABA300001"),
    ],
)
def test_a_check_digit_decides(check, right, wrong):
    """Each checksum accepts a published example and refuses it with one digit changed."""
    assert check(right)
    assert not check(wrong)


def test_a_run_of_one_digit_is_no_card():
    """0000 0000 0000 0000 satisfies Luhn and is still refused."""
    assert not checksums.luhn("0" * 16)


@pytest.mark.parametrize(
    "text",
    ["kod ABS123B45", "zamówienie 50l 234 567", "Iso 123 Bob", "lis 501 234 zł", "model SB1234567", "klucz 5O1A23B45"],
)
def test_codes_are_no_mistyped_phones(patterns, text):
    """Look-alike letters make no telephone number out of an order, a code or words."""
    assert [kind for _, kind in found(patterns, text) if kind == "PHONE"] == []
