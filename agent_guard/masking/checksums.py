"""Check digits of the numbers that name a person, a company, an account or a card. All functions take bare digits."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["IBAN_LENGTHS", "bin_kz", "iban", "iin", "inn", "luhn", "nip", "pesel", "polish_id_card", "regon", "snils"]

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
"""Length of an IBAN by country (SWIFT IBAN registry)."""


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_date(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def luhn(digits: str) -> bool:
    """Payment cards (ISO/IEC 7812-1, annex B). A run of one repeated digit is refused."""
    if len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit)
        if place % 2:
            number = number * 2 - 9 if number > 4 else number * 2
        total += number
    return total % 10 == 0


def iban(compact: str) -> bool:
    """International bank account numbers: the country's length and ISO 7064 MOD 97-10 (ISO 13616)."""
    if IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact.isalnum():
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def _kz_check(digits: str) -> bool:
    rest = _weighted(digits[:11], range(1, 12)) % 11
    if rest == 10:
        rest = _weighted(digits[:11], (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return rest == int(digits[11])


def iin(digits: str) -> bool:
    """Kazakhstan's individual number: YYMMDD, century and sex 0-6, check digit modulo 11 in two rounds."""
    return (
        len(digits) == 12
        and _is_date(int(digits[2:4]), int(digits[4:6]))
        and digits[6] in "0123456"
        and _kz_check(digits)
    )


def bin_kz(digits: str) -> bool:
    """Kazakhstan's business number: YYMM, kind 4-6, branch 0-4, the same check digit as the IIN."""
    return (
        len(digits) == 12
        and 1 <= int(digits[2:4]) <= 12
        and digits[4] in "456"
        and digits[5] in "01234"
        and _kz_check(digits)
    )


def pesel(digits: str) -> bool:
    """Poland's PESEL: a date with the century in the month, weights 1 3 7 9 (Dz.U. 2010 nr 217 poz. 1427)."""
    if len(digits) != 11 or not _is_date(int(digits[2:4]) % 20, int(digits[4:6])):
        return False
    return _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def nip(digits: str) -> bool:
    """Poland's tax number: weights 6 5 7 2 3 4 5 6 7 modulo 11, never 10."""
    return (
        len(digits) == 10
        and digits[0] != "0"
        and _weighted(digits[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(digits[9])
    )


def regon(digits: str) -> bool:
    """Poland's business register number, 9 or 14 digits, modulo 11 with 10 read as 0."""
    if len(digits) == 14:
        long = _weighted(digits[:13], (2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8)) % 11 % 10
        return regon(digits[:9]) and long == int(digits[13])
    return len(digits) == 9 and _weighted(digits[:8], (8, 9, 2, 3, 4, 5, 6, 7)) % 11 % 10 == int(digits[8])


def inn(digits: str) -> bool:
    """Russia's tax number, 10 digits (company) or 12 (person), modulo 11 modulo 10."""
    if len(digits) == 10:
        return _weighted(digits[:9], (2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10 == int(digits[9])
    if len(digits) != 12:
        return False
    first = _weighted(digits[:10], (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = _weighted(digits[:11], (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return digits[10:] == f"{first}{second}"


def snils(digits: str) -> bool:
    """Russia's insurance number: weights 9 to 1 modulo 101, 100 read as 0."""
    return len(digits) == 11 and _weighted(digits[:9], range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def polish_id_card(compact: str) -> bool:
    """Poland's identity card: three letters and six digits, weights 7 3 1 9 7 3 1 7 3 modulo 10."""
    if len(compact) != 9 or not compact[:3].isalpha() or not compact[3:].isdecimal():
        return False
    values = [int(char, 36) for char in compact]
    return sum(value * weight for value, weight in zip(values, (7, 3, 1, 9, 7, 3, 1, 7, 3), strict=True)) % 10 == 0
