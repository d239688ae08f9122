"""One change to a sound sentence that makes it say what its passage does not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from tools.grounding.language import LIMITS, Language
from tools.grounding.tokens import Token, tokens
from tools.knowledge_base import KnowledgeBase

__all__ = ["MUTATIONS", "Mutation"]

Mutation = Callable[[str, Sequence[str], Language, KnowledgeBase, random.Random], tuple[str, Sequence[str]] | None]
"""Text, citations, language, base, dice -> the changed text and citations, or None where there is nothing to change."""

_VERBS: Mapping[Language, str] = {
    "en": "works needs means stays costs arrives ends takes answers receive save find choose open",
    "ru": "можно может возможен действует работает принимается хранятся отправляется отправятся придут придёт "
    "срабатывает выберите напишите откройте показывается повторяется означает нужен стоит экономите вступает "
    "получает лежат доступны выдаст длится выйдите находятся отвечает заблокирована",
    "pl": "można może mogą jest są działa wymaga kosztuje otrzymuje oznacza trwa leżą wrócą zostało zostaną odpowiada "
    "wynosi lepiej wybrać napisać otworzyć",
}


def _any(words: str) -> str:
    return rf"\b({'|'.join(words.split())})\b"


_DENYING: Mapping[Language, Sequence[tuple[str, str]]] = {
    "en": [
        (r"\bcan\b(?! not)", "cannot"),
        (r"\b(is|are|was|were)\b(?! not)", r"\1 not"),
        (_any(_VERBS["en"]), r"not \1"),
    ],
    "ru": [(f"(?<!не ){_any(_VERBS['ru'])}", r"не \1")],
    "pl": [(f"(?<!nie ){_any(_VERBS['pl'])}", r"nie \1")],
}

_TAKEN_OUT: Mapping[Language, Mapping[str, str]] = {
    "en": {"cannot": "can", "not": "", "never": "always"},
    "ru": {"нельзя": "можно", "не": ""},
    "pl": {"nie": ""},
}


def number_swap(
    text: str, cites: Sequence[str], language: Language, base: KnowledgeBase, dice: random.Random
) -> tuple[str, Sequence[str]] | None:
    """Another number, in half of the cases one that stands elsewhere in the base."""
    found = [token for token in tokens(text, language) if token.kind == "number"]
    if not found:
        return None
    old = dice.choice(found)
    others = _all(base, language, lambda token: token.kind == "number")
    new = dice.choice([item for item in others if item not in text]) if dice.random() < 0.5 else _other(old, dice)
    return text.replace(old.text, new, 1), cites


def _other(old: Token, dice: random.Random) -> str:
    digits = re.sub(r"\D", "", old.text) or "0"
    return str(int(digits) + dice.choice([1, 2, 5, 10, int(digits) + 1]))


def name_swap(
    text: str, cites: Sequence[str], language: Language, base: KnowledgeBase, dice: random.Random
) -> tuple[str, Sequence[str]] | None:
    """Another name, code or address, taken from the base."""
    found = [token for token in tokens(text, language) if token.named or token.kind in ("code", "address")]
    if not found:
        return None
    old = dice.choice(found)
    kind = old.kind
    others = _all(base, language, lambda token: token.kind == kind and (token.named or kind != "word"))
    fitting = [item for item in others if not tokens(item, language)[0].same & old.same and item not in text]
    return (text.replace(old.text, dice.choice(fitting), 1), cites) if fitting else None


def negation(
    text: str, cites: Sequence[str], language: Language, _base: KnowledgeBase, dice: random.Random
) -> tuple[str, Sequence[str]] | None:
    """A "not" put in, or the one that stands there taken out."""
    held = [word for word in _TAKEN_OUT[language] if re.search(rf"\b{word}\b", text.casefold())]
    if held:
        word = dice.choice(held)
        return re.sub(rf"\b{word}\b", _TAKEN_OUT[language][word], text, count=1, flags=re.IGNORECASE).replace(
            "  ", " "
        ), cites
    for pattern, denied in _DENYING[language]:
        changed = re.sub(pattern, denied, text, count=1, flags=re.IGNORECASE)
        if changed != text:
            return changed, cites
    return None


def condition(
    text: str, cites: Sequence[str], language: Language, _base: KnowledgeBase, _dice: random.Random
) -> tuple[str, Sequence[str]] | None:
    """The "only" or the clause with "if" left out."""
    for word in sorted(LIMITS[language], key=len):
        clause = re.search(rf",? \b{word}\b.*$", text, re.IGNORECASE)
        if word in ("if", "unless", "если", "jeśli", "jeżeli") and clause and clause.start() > 10:
            return text[: clause.start()] + ".", cites
        changed = re.sub(rf"\b{word}\b ?", "", text, count=1, flags=re.IGNORECASE)
        if changed != text and word in ("only", "только", "tylko"):
            return changed, cites
    return None


def foreign_citation(
    text: str, cites: Sequence[str], language: Language, base: KnowledgeBase, dice: random.Random
) -> tuple[str, Sequence[str]] | None:
    """A passage of another article cited instead."""
    article = cites[0].partition("#")[0]
    others = [
        name for name, item in base.passages.items() if item.language == language and not name.startswith(article)
    ]
    return text, [dice.choice(others)]


def citation_left_out(
    text: str, _cites: Sequence[str], _language: Language, _base: KnowledgeBase, _dice: random.Random
) -> tuple[str, Sequence[str]] | None:
    """Nothing cited."""
    return text, []


def _all(base: KnowledgeBase, language: Language, wanted: Callable[[Token], bool]) -> list[str]:
    texts = [item.text for item in base.passages.values() if item.language == language]
    return sorted({token.text for text in texts for token in tokens(text, language) if wanted(token)})


MUTATIONS: Mapping[str, Mutation] = {
    "number swapped": number_swap,
    "name, code or address swapped": name_swap,
    "negation put in or taken out": negation,
    "condition left out": condition,
    "passage of another article cited": foreign_citation,
    "nothing cited": citation_left_out,
}
