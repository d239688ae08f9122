"""Who is the same: one key for every spelling of a value, and the rule for persons.

A split identity (two pseudonyms for one person) is a nuisance; a merged one (one pseudonym for two) sends a letter to
the wrong customer. So two names are one person only when every part of the shorter has its own counterpart in the
longer, when no part says another sex, and, for shorter forms, when nobody else in the thread fits as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from agent_guard.masking import inflection
from agent_guard.masking.fold import INVISIBLE, fold, fold_letters
from agent_guard.masking.phones import phone_key
from agent_guard.masking.tokens import PSEUDONYM
from agent_guard.types import EntityType, Entry, Origin, Pseudonyms

__all__ = ["Name", "Part", "clean_value", "compare", "find_same", "name_words", "parse_name", "token_for", "value_key"]

# The English possessive ends a word.
NAME_WORD = re.compile(r"[^\W\d_]+(?:['’-](?![sS]\b)[^\W\d_]+)*")

_TITLES = frozenset(
    {"dr", "madam", "miss", "mr", "mrs", "ms", "mx", "p", "pan", "pana", "panem", "pani", "panią", "panu",
     "prof", "sir", "г-жа", "г-н", "господин", "госпожа", "миссис", "мистер"}
)  # fmt: skip
_FORM_TYPES: frozenset[EntityType] = frozenset({"PHONE", "EMAIL", "ID", "CARD", "IBAN", "IP"})
_POSSESSIVE = re.compile(r"['’][sS]\b")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Part:
    """One word of a name.

    Args:
        surface: case, accents and ё folded.
        bases: what its dictionary form may be; two parts match when these meet.
        sex: ``m`` or ``f`` where the form decides between two different names (Александр, Александра), ``?`` where
            it cannot tell, empty where there is nothing to decide.
        initial: one letter standing for a word.
    """

    surface: str
    bases: frozenset[str]
    sex: str
    initial: bool


Name = tuple[Part, ...]


def fold_word(word: str) -> str:
    """Folds case, accents, ё and the Polish ł; й stays, it ends words of its own."""
    lowered = word.casefold().replace("ё", "е").replace("ł", "l").replace("’", "'")
    if lowered.isascii():
        return lowered
    kept = []
    for char in lowered:
        plain = unicodedata.normalize("NFD", char)[0]
        kept.append(plain if plain.isascii() else char)
    return "".join(kept)


def name_words(text: str) -> list[str]:
    """The words of a name in order, without titles and the English possessive."""
    words = NAME_WORD.findall(_POSSESSIVE.sub("", text))
    return [word for word in words if word.casefold() not in _TITLES]


@lru_cache(maxsize=4096)
def _part(word: str, oblique: str) -> Part:
    surface = fold_word(word)
    bases, sex = inflection.bases(word.casefold().replace("ё", "е"), surface, oblique)
    return Part(surface=surface, bases=bases, sex=sex, initial=len(surface) == 1)


@lru_cache(maxsize=4096)
def parse_name(text: str) -> Name:
    """Reads a name into its parts; empty where the text holds no word but titles."""
    words = name_words(fold_letters(INVISIBLE.sub("", unicodedata.normalize("NFC", text))))
    oblique = inflection.oblique(tuple(word.casefold() for word in words))
    return tuple(_part(word, oblique) for word in words)


@lru_cache(maxsize=4096)
def _surfaces(text: str) -> tuple[str, ...]:
    return tuple(part.surface for part in parse_name(text))


def _parts_match(left: Part, right: Part) -> bool:
    if left.surface == right.surface:
        return True
    if left.bases.isdisjoint(right.bases):
        return False
    return left.sex == right.sex != "?"


def _sexes_differ(pairs: Iterable[tuple[Part, Part]]) -> bool:
    """Саша Петров and Саша Петрова: the first names stand in one case, so the endings of the surnames mean sex."""
    pairs = list(pairs)
    if not any(left.surface == right.surface for left, right in pairs):
        return False
    for left, right in pairs:
        if left.surface != right.surface:
            first, second = inflection.surname_sexes(left.surface), inflection.surname_sexes(right.surface)
            if (first == "m" and "f" in second) or (second == "m" and "f" in first):
                return True
    return False


def compare(left: Name, right: Name) -> str | None:
    """Returns ``full`` for names equal but for case and order, ``part`` when one is a short form, else None."""
    shorter, longer = sorted((left, right), key=len)
    if not shorter:
        return None
    free = list(longer)
    pairs: list[tuple[Part, Part]] = []
    initials = 0
    for part in sorted(shorter, key=lambda part: part.initial):
        for other in free:
            if not part.initial and not other.initial and _parts_match(part, other):
                break
            if (part.initial or other.initial) and pairs and part.surface[0] == other.surface[0]:
                initials += part.surface != other.surface
                break
        else:
            return None
        free.remove(other)
        pairs.append((part, other))
    if all(part.initial for part, _ in pairs) or _sexes_differ(pairs):
        return None
    return "full" if len(left) == len(right) and not initials else "part"


@lru_cache(maxsize=32_768)
def _kind(left: str, right: str) -> str | None:
    return compare(parse_name(left), parse_name(right))


def _find_person(value: str, entries: Sequence[Entry]) -> Entry | None:
    name = parse_name(value)
    if not name:
        wanted = _SPACES.sub(" ", value.strip()).casefold()
        return next((entry for entry in entries if _SPACES.sub(" ", entry.value.strip()).casefold() == wanted), None)
    if not all(item.initial for item in name):  # said before in these very words: most of what a conversation repeats
        said = _surfaces(value)
        for entry in entries:
            if _surfaces(entry.value) == said:
                return entry
    full: list[Entry] = []
    part: list[Entry] = []
    for entry in entries:
        kind = _kind(value, entry.value)
        if kind == "full":
            full.append(entry)
        elif kind == "part" and len(parse_name(entry.value)) >= len(name):
            # The other way round the stored value would be shorter than what was said, and restoring would lose a part.
            part.append(entry)
    if full:
        return full[0] if len(full) == 1 else None
    return part[0] if len(part) == 1 else None


@lru_cache(maxsize=4096)
def value_key(type: EntityType, value: str) -> str:
    """Returns what all notations of one value share; for every type but PERSON."""
    folded = fold(value).text
    if type == "PHONE":
        return phone_key(folded)
    if type == "EMAIL":
        return _email_key(folded)
    if type in ("ID", "CARD", "IBAN"):
        compact = "".join(char for char in folded if char.isalnum()).upper()
        return "PL" + compact if type == "IBAN" and len(compact) == 26 and compact.isdecimal() else compact
    if type in ("SECRET", "URL"):
        return folded.strip()
    return " ".join(inflection.place_base(fold_word(word)) for word in re.findall(r"\w+", folded))


def _email_key(address: str) -> str:
    local, _, domain = address.replace(" ", "").casefold().rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):
            domain = domain.encode("idna").decode("ascii")
    return f"{local}@{domain}"


def find_same(type: EntityType, value: str, entries: Iterable[Entry]) -> Entry | None:
    """Finds the entry that stands for this very value, or None where there is none or more than one could."""
    peers = [entry for entry in entries if entry.type == type]
    if type == "PERSON":
        return _find_person(value, peers)
    key = value_key(type, value)
    exact = next((entry for entry in peers if value_key(type, entry.value) == key), None)
    if exact or type != "PHONE" or fold(value).text.strip().startswith(("+", "00")):
        return exact
    return _find_phone(key, peers)


def _find_phone(key: str, entries: Sequence[Entry]) -> Entry | None:
    """A number without its country may be read as another's: the last nine digits decide, if they are unique."""
    number, _, extension = key.partition("x")
    if len(number) < 10:
        return None
    close = []
    for entry in entries:
        other, _, other_extension = value_key("PHONE", entry.value).partition("x")
        if other[-9:] == number[-9:] and extension == other_extension:
            close.append(entry)
    return close[0] if len(close) == 1 else None


def clean_value(type: EntityType, value: str) -> str:
    """What the vault keeps: no invisible characters, and plain digits and letters where a form is made of them."""
    if type in _FORM_TYPES:
        return fold(value).text.strip()
    return INVISIBLE.sub("", value).strip()


def _written_alike(value: str, known: Sequence[Entry]) -> Entry | None:
    """An address or number that is known under another type: what it is called elsewhere makes it no other."""
    return next((entry for entry in known if entry.type in _FORM_TYPES and entry.value == value), None)


def token_for(type: EntityType, raw: str, vault: Pseudonyms, origin: Origin, source: str) -> str:
    """Returns the pseudonym of a value: the one it has, noted as seen once more, or a new one.

    Raises:
        StoreError: the vault cannot be read or written.
    """
    if PSEUDONYM.fullmatch(raw.strip()):
        return raw
    value = clean_value(type, raw) or raw
    known = vault.entries()
    same = find_same(type, value, known) or _written_alike(value, known)
    if same:
        # a customer who says one part of a name has not said the whole of it, and is not to be told it
        if origin != "party" or type != "PERSON" or len(parse_name(value)) >= len(parse_name(same.value)):
            vault.saw(same.token, origin, source)
        return same.token
    return vault.mint(type, value, origin, source).token
