"""Who is the same, and who must not be."""

import pytest

from agent_guard.masking import MemoryVault
from agent_guard.masking.identity import compare, find_same, parse_name, value_key


@pytest.mark.req("A23")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Иван Петров", "Ивана Петрова"),
        ("Иван Петров", "Ивану Петрову"),
        ("Иван Петров", "Иваном Петровым"),
        ("Иван Петров", "ИВАН ПЕТРОВ"),
        ("Иван Петров", "Петров Иван"),
        ("Анна Ковалёва", "Анне Ковалевой"),
        ("Павел Ткач", "Павла Ткача"),
        ("Пётр Ильич Лесной", "Петра Ильича Лесного"),
        ("Мария Достоевская", "Марии Достоевской"),
        ("Сергей Кравец", "Сергея Кравца"),
        ("Айгерим Сатыбалдиева", "Айгерим Сатыбалдиевой"),
        ("Нұрлан Әбішұлы", "Нұрланға Әбішұлы"),
        ("Emily Carter", "EMILY CARTER"),
        ("Emily Carter", "Mrs. Emily Carter's"),
        ("José García", "Jose Garcia"),
        ("Jan Kowalski", "Janowi Kowalskiemu"),
        ("Jan Kowalski", "Jana Kowalskiego"),
        ("Marek Nowicki", "Marka Nowickiego"),
        ("Anna Wiśniewska", "Annie Wiśniewskiej"),
    ],
)
def test_one_person_in_many_spellings(first, second):
    """Case endings, letter case, accents, order and titles do not make another person."""
    assert compare(parse_name(first), parse_name(second)) == "full"
    assert compare(parse_name(second), parse_name(first)) == "full"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Александр Петров", "Александра Петрова"),
        ("Евгений Белов", "Евгения Белова"),
        ("Саша Петров", "Саша Петрова"),
        ("Иван Петров", "Мария Петрова"),
        ("Иван Петров", "Иван Сидоров"),
        ("Мария Иванова", "Марина Иванова"),
        ("Paul Carter", "Paula Carter"),
        ("Adrian Nowak", "Adriana Nowak"),
        ("Jan Kowalski", "Anna Kowalska"),
        ("Emily Carter", "Emily Johnson"),
        ("John Smith", "Joan Smith"),
    ],
)
def test_two_people_are_never_merged(first, second):
    """Names that differ by sex or by any part stay two people."""
    assert compare(parse_name(first), parse_name(second)) is None
    assert compare(parse_name(second), parse_name(first)) is None


@pytest.mark.parametrize("short", ["Иван", "Ивану", "Петров", "Петрову", "И. Петров", "Петров И.", "ПЕТРОВ"])
def test_a_short_form_joins_a_unique_full_name(short):
    """A first name, a surname or an initial with the surname is the full name when nobody else fits."""
    vault = MemoryVault()
    entry = vault.mint("PERSON", "Иван Петров", "user")
    vault.mint("PERSON", "Анна Белова", "user")
    assert find_same("PERSON", short, vault.entries()) == entry


def test_an_ambiguous_short_form_joins_nobody():
    """With two Ivans in the thread a lone Ivan is neither of them."""
    vault = MemoryVault()
    vault.mint("PERSON", "Иван Петров", "user")
    vault.mint("PERSON", "Иван Белов", "user")
    assert find_same("PERSON", "Ивану", vault.entries()) is None


def test_a_full_name_does_not_join_a_shorter_entry():
    """Restoring a full name from an entry that holds the first name only would lose the surname."""
    vault = MemoryVault()
    vault.mint("PERSON", "Emily", "user")
    assert find_same("PERSON", "Emily Carter", vault.entries()) is None


@pytest.mark.parametrize(
    ("type", "first", "second"),
    [
        ("PHONE", "+7 701 555 33 22", "8 (701) 555-33-22"),
        ("PHONE", "+7 701 555 33 22", "77015553322"),
        ("PHONE", "+48 601 234 567", "0048601234567"),
        ("PHONE", "+48 601 234 567", "601-234-567"),
        ("PHONE", "+1 415 555 2671", "(415) 555-2671"),
        ("PHONE", "+7 701 555 33 22", "+７ ７０１ ５５５ ３３ ２２"),
        ("EMAIL", "Anna@Mail.example", "anna@mail.EXAMPLE"),
        ("EMAIL", "ivan@почта.рф", "ivan@xn--80a1acny.xn--p1ai"),
        ("IBAN", "PL61109010140000071219812874", "61 1090 1014 0000 0712 1981 2874"),
        ("CARD", "4111-1111-1111-1111", "4111 1111 1111 1111"),
        ("ID", "880512 400150", "880512400150"),
    ],
)
def test_one_value_in_many_notations(type, first, second):
    """Numbers are compared by what they dial or name, e-mails without case."""
    vault = MemoryVault()
    entry = vault.mint(type, first, "user")
    assert find_same(type, second, vault.entries()) == entry


@pytest.mark.parametrize(
    ("type", "first", "second"),
    [
        ("PHONE", "+7 701 555 33 22", "+48 701 555 332"),
        ("PHONE", "+1 415 555 2671 x1", "+1 415 555 2671 x2"),
        ("PHONE", "+7 701 555 33 22", "+7 701 555 33 23"),
        ("EMAIL", "anna@mail.example", "anna@mail.test"),
        ("SECRET", "abcDEF", "abcdef"),
    ],
)
def test_different_values_stay_apart(type, first, second):
    """Another country, extension, digit or domain is another value; secrets are compared as they are."""
    assert value_key(type, first) != value_key(type, second)
    vault = MemoryVault()
    vault.mint(type, first, "user")
    assert find_same(type, second, vault.entries()) is None
