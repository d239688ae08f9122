"""Every sentence of a draft against the passages that it cites: six layers, each a reason that a person can follow.

    signs       it has no picture, no disguised letter and nothing unseen that the other layers would read over
    form        it cites a passage that exists, or is one of a few courtesies
    atoms       its numbers, addresses, codes and names stand in what it cites, a number beside what it counts
    quotes      what it puts in quotation marks stands there to the letter
    support     its words are those of the passage, in any form
    polarity    it denies what the passage denies, and keeps an "only" or "if" that bounds it

No layer understands anything. What they find is measured by mutation (``python -m benchmarks.groundedness``): sound
sentences in which one number, name, negation, condition or citation was changed. What they miss stands there too: a
sentence in other words than its passage is refused, and one in the passage's words that turns its sense without a
negation passes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tools.grounding.language import CONDITIONS, COURTESIES, EMPTY, LIMITS, NEGATIONS, POINTING, Language
from tools.grounding.tokens import Token, clauses, quotes, sentences, tokens, unquoted

__all__ = ["Finding", "Kind", "Sentence", "Verdict", "check"]

Kind = Literal[
    "sign",
    "citation_missing",
    "citation_unknown",
    "number",
    "number_elsewhere",
    "address",
    "code",
    "name",
    "quote",
    "unsupported",
    "negation",
    "condition",
]

SUPPORT_MIN = 0.4
"""The share of a sentence's words that must stand in what it cites."""

ADDED = 3
"""So many words in a row that no source has are more than another way to say it."""

NEARLY = 0.6
"""A part of a source bears a text too where it has this much of what the best part has."""

COVERED = 0.7
"""How much of a bounded statement a draft must repeat before its leaving out the bound counts."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence of a draft.

    Args:
        cites: the passages it rests on, e.g. ``("en/invoices#3",)``.
    """

    text: str
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that its sources do not bear out; ``detail`` is the piece of the draft, or of the source."""

    kind: Kind
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found in one sentence; nothing means grounded.

    Args:
        support: the share of its words that stand in what it cites, 0 to 1.
    """

    sentence: Sentence
    findings: tuple[Finding, ...]
    support: float

    @property
    def grounded(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def check(
    draft: Sequence[Sentence], language: Language, passages: Mapping[str, str], names: Iterable[str] = ()
) -> list[Verdict]:
    """Judges each sentence by itself.

    Args:
        passages: id -> text; of all that may be cited.
        names: what is a name even where it begins a sentence, in small letters.
    """
    known = frozenset(names)
    try:
        return [_verdict(sentence, language, passages, known) for sentence in draft]
    finally:
        tokens.cache_clear()  # a draft may name somebody: it is kept for no longer than this


def _verdict(sentence: Sentence, language: Language, passages: Mapping[str, str], names: frozenset[str]) -> Verdict:
    if _plain(sentence.text).strip(" .,!") in COURTESIES[language]:
        return Verdict(sentence=sentence, findings=tuple(_signs(sentence.text, "")), support=1.0)
    unknown = [cite for cite in sentence.cites if cite not in passages]
    if unknown or not sentence.cites:
        kind: Kind = "citation_unknown" if unknown else "citation_missing"
        return Verdict(sentence=sentence, findings=(Finding(kind=kind, detail=", ".join(unknown)),), support=0.0)
    said = tokens(sentence.text, language)
    source = "\n".join(passages[cite] for cite in sentence.cites)
    read = tokens(source, language)
    support = _support(said, read, language)
    findings = [
        *_signs(sentence.text, source),
        *_atoms(said, read, names, language),
        *_placed(sentence.text, source, language),
        *_quoted(sentence.text, source),
        *([Finding(kind="unsupported", detail=f"{support:.0%}")] if support < SUPPORT_MIN else []),
        *_added(said, read, language),
        *_polarity(sentence.text, source, language),
        *_bounded(sentence.text, source, language),
    ]
    return Verdict(sentence=sentence, findings=tuple(findings), support=support)


def _signs(text: str, source: str) -> Iterator[Finding]:
    """Signs that no other layer reads, so that nothing can be written in them: of a text in Latin or Cyrillic letters
    everything but letters, digits, punctuation and the space must stand in the source.
    """
    there = set(unicodedata.normalize("NFKC", source))
    for sign in dict.fromkeys(unicodedata.normalize("NFKC", text)):
        letter = sign.isalpha() and unicodedata.name(sign, "").startswith(("LATIN ", "CYRILLIC "))
        if not (letter or sign.isdecimal() or sign == " " or unicodedata.category(sign)[0] == "P" or sign in there):
            yield Finding(kind="sign", detail=f"U+{ord(sign):04X}")


def _atoms(
    said: Sequence[Token], read: Sequence[Token], names: frozenset[str], language: Language
) -> Iterator[Finding]:
    """Numbers, addresses, codes and names that the source does not have; a name only where it is one there too."""
    there = {key for token in read for key in token.same}
    named = {key for token in read if token.named or token.first for key in token.same}
    for token in said:
        if token.kind != "word":
            if not token.same & there:
                yield Finding(kind=token.kind, detail=token.text)
        elif token.named or (token.first and token.text.casefold() in names):
            if not token.same & named and token.text.casefold() not in EMPTY[language]:
                yield Finding(kind="name", detail=token.text)
        elif any(key.isdecimal() for key in token.same) and not token.same & there:
            yield Finding(kind="number", detail=token.text)


def _placed(text: str, source: str, language: Language) -> Iterator[Finding]:
    """Numbers and codes that the source has elsewhere: in a sentence that bears something else, or beside another word.

    A number is looked for where its sentence, or else its clause, is borne; a code where its sentence is.
    """
    parts = _joined(sentences(source), language)
    said = tokens(text, language)
    whole = _read(_borne(said, parts, language), language)
    for clause in _clauses(text, language):
        near = tokens(clause, language)
        beside = [*whole, *_read(_borne(near, parts, language), language)]
        for place, token in enumerate(near):
            if token.kind == "code" and not _holds(whole, token):
                yield Finding(kind="number_elsewhere", detail=token.text)
            elif token.kind == "number" and not _fits(near, place, beside, language):
                yield Finding(kind="number_elsewhere", detail=" ".join(item.text for item in near[place : place + 2]))


def _fits(said: Sequence[Token], place: int, read: Sequence[Token], language: Language) -> bool:
    """Whether a number stands in the source beside what it stands beside here: a name before, a word after it."""
    places = [at for at, item in enumerate(read) if item.same & said[place].same]
    before = [said[place - 1]] if place and said[place - 1].named else []
    after = [item for item in said[place + 1 : place + 3] if _says(item, language)][:1]
    return bool(places) and all(
        not _holds(read, word) or any(_holds(read[max(0, at - 2) : at + reach], word) for at in places)
        for words, reach in ((before, 0), (after, 4))
        for word in words
    )


def _read(parts: Sequence[str], language: Language) -> list[Token]:
    return [token for part in parts for token in tokens(part, language)]


def _joined(parts: Sequence[str], language: Language) -> list[str]:
    """Sentences of a source; one that begins by pointing back belongs to the one before it."""
    found: list[str] = []
    for part in parts:
        opening = [token.text.casefold() for token in tokens(part, language)[:3]]
        if found and any(word in POINTING[language] for word in opening):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return found


def _holds(read: Sequence[Token], wanted: Token) -> bool:
    return any(wanted.same & item.same for item in read)


def _quoted(text: str, source: str) -> Iterator[Finding]:
    labels = {_plain(quote) for quote in quotes(source)}
    there = _plain(source)
    for quote in quotes(text):
        plain = _plain(quote).strip(" .,")
        if plain not in labels and (labels or plain not in there):
            yield Finding(kind="quote", detail=quote)


def _support(said: Sequence[Token], read: Sequence[Token], language: Language) -> float:
    """The share of what a text says that stands in another one; 1 where it says nothing."""
    content = [token for token in said if _says(token, language)]
    there = {key for token in read for key in token.same}
    return sum(bool(token.same & there) for token in content) / len(content) if content else 1.0


def _added(said: Sequence[Token], read: Sequence[Token], language: Language) -> Iterator[Finding]:
    """Words in a row of which the source has none: a sentence that says something more, however well it begins."""
    there = {key for token in read for key in token.same}
    run: list[str] = []
    for token in said:
        if not _says(token, language):
            continue
        run = [] if token.same & there else [*run, token.text]
        if len(run) == ADDED:
            yield Finding(kind="unsupported", detail=" ".join(run))


def _borne(said: Sequence[Token], parts: Sequence[str], language: Language) -> list[str]:
    """The parts of a source that bear what is said, the best first: those nearly as good as the best."""
    shares = [(_support(said, tokens(part, language), language), part) for part in parts]
    shares.sort(key=lambda item: -item[0])
    return [part for share, part in shares if share > 0 and share >= NEARLY * shares[0][0]]


def _polarity(text: str, source: str, language: Language) -> Iterator[Finding]:
    """A "not" that stands on one side alone, word by word: what is denied here is denied there, and the reverse."""
    denied, said = _denials(text, language)
    denied_there, said_there = _denials(source, language)
    for token in denied:
        if _holds(denied_there, token):
            continue
        if _holds(said_there, token) or not denied_there:
            yield Finding(kind="negation", detail=f"its source does not deny {token.text}")
    for token in said:
        if _holds(denied_there, token) and not _holds(said_there, token):
            yield Finding(kind="negation", detail=f"its source denies {token.text}")


def _denials(text: str, language: Language) -> tuple[list[Token], list[Token]]:
    """What a text denies, and what else it says: a "not" denies the next word that says something, or the last one."""
    denied: list[Token] = []
    others: list[Token] = []
    for clause in clauses(unquoted(text)):
        found = tokens(clause, language)
        says = [place for place, token in enumerate(found) if _says(token, language)]
        hit: set[int] = set()
        for place, token in enumerate(found):
            if _denies(token.text.casefold(), language) and says:
                hit.add(next((at for at in says if at > place), says[-1]))
        denied += [found[at] for at in says if at in hit]
        others += [found[at] for at in says if at not in hit]
    return denied, others


def _clauses(text: str, language: Language) -> list[str]:
    """Clauses that say at least two things; a smaller one belongs to the one before it."""
    found: list[str] = []
    for part in clauses(text):
        small = sum(_says(token, language) for token in tokens(part, language)) < 2
        if found and small:
            found[-1] += f", {part}"
        else:
            found.append(part)
    return found


def _bounded(text: str, source: str, language: Language) -> Iterator[Finding]:
    """An "only" or "if" of the source that the draft leaves out, although it says nearly all the rest."""
    borne = _borne(tokens(text, language), sentences(source), language)
    if not borne or _has(text, language, _bounds) or not _has(borne[0], language, _bounds):
        return
    rest = [part for part in _clauses(borne[0], language) if not _has(part, language, _if)] or [borne[0]]
    covered = max(_support(tokens(part, language), tokens(text, language), language) for part in rest)
    if covered >= COVERED:
        yield Finding(kind="condition", detail=borne[0][:200])


def _has(text: str, language: Language, what: Callable[[str, Language], bool]) -> bool:
    return any(what(token.text.casefold(), language) for token in tokens(unquoted(text), language))


def _denies(word: str, language: Language) -> bool:
    return word in NEGATIONS[language] or word.endswith(("n't", "n’t"))


def _bounds(word: str, language: Language) -> bool:
    return word in LIMITS[language]


def _if(word: str, language: Language) -> bool:
    return word in CONDITIONS[language]


def _says(token: Token, language: Language) -> bool:
    """Whether a word says something that a paraphrase must keep."""
    return token.kind == "word" and token.text.casefold() not in EMPTY[language]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
