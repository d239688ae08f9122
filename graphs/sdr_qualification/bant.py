"""BANT is read from a client's own sentences by rules: which letter, which score, which words.

Each letter has an ordered list of rules; the first that matches a sentence gives its score. Before that, clauses that
cannot prove anything are blanked: questions, conditions, the past, other people's affairs. So an unforeseen wording is
missed and stays unknown; it is not guessed. No network, no state, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from graphs.sdr_qualification import bant_en, bant_pl, bant_ru
from graphs.sdr_qualification.horizon import days_until
from graphs.sdr_qualification.rules import BLANK, Cue, Rule, compile_all
from tools.leads import LETTERS, Evidence, Letter, Qualification, own_words, verified

__all__ = ["Said", "qualify"]

MAX_QUOTE = 160
"""Below the 200 of ``Evidence``: a pseudonym in the quote may stand for a longer value."""
MAX_READ = 20_000
"""Characters of one message that are searched for evidence; a chat message that is longer is no chat message."""
SOON_DAYS, HALF_YEAR_DAYS = 45, 183
_LANGUAGES = (bant_en, bant_ru, bant_pl)
_RULES: dict[str, tuple[Rule, ...]] = {
    name: tuple(rule for language in _LANGUAGES for rule in compile_all(language.RULES[name])) for name in LETTERS
}
_ANSWERS: dict[str, tuple[Rule, ...]] = {
    name: tuple(rule for language in _LANGUAGES for rule in compile_all(language.ANSWERS[name])) for name in LETTERS
}
_TRAPS: dict[str, tuple[Rule, ...]] = {
    name: tuple(rule for language in _LANGUAGES for rule in compile_all(language.TRAPS[name])) for name in LETTERS
}
_SUM = tuple(
    compile_all(
        (
            (
                2,
                (
                    r"{money}",
                    r"{number}\b(?! ?(?:people|users|employees|staff|deals|orders|человек|сотруд|польз|за[як]))",
                ),
            ),
        )
    )
)
_INTENT = tuple(rule for language in _LANGUAGES for rule in compile_all(((0, language.INTENT),)))

# Possessive and begun once: a run of marks that ends nothing must not be tried from each of its characters.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'»”’)\]]*+(?=\s|$)|\n")
_ABBREVIATION = re.compile(
    r"(?:\b(?:approx|ca|e\.g|i\.e|mr|mrs|ms|dr|inc|ltd|vs|т\.е|т\.д|т|е|г|тыс|млн|руб|ул|им|ок|прим|tys|np|ok|m\.in|долл)|\b\d)\.$",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,;:—–()](?=\s|$)|(?<=\))|\s-(?=\s)|\s(?=(?:but|however|although|while|но|однако|хотя|ale|jednak)\s)",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^\W*(?:and |so |but |а |и |то есть )?(?:what|which|who|whom|whose|when|where|why|how|is|are|do|does|did|can|could"
    r"|will|would|should|have|has|may|what's|who's|что|какой|какая|какие|какое|каков\w*|сколько|кто|кому|когда|где"
    r"|почему|зачем|как|можно|можете|можем|есть ли|а если|вы|czy|co|ile|jak|kiedy|kto|gdzie|dlaczego)\b",
    re.IGNORECASE,
)
_PSEUDONYM = re.compile(r"<[A-Z]+_\d+>")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One message of the client and the letter they had just been asked about, if any.

    Args:
        id: ``m1``, ``m2``, ...
        text: masked.
    """

    id: str
    text: str
    asked: str | None = None


def qualify(messages: Sequence[Said], today: date) -> Qualification:
    """Reads all four letters from everything the client said.

    The latest message that speaks of a letter counts, because people correct themselves; of need the strongest does,
    because a problem once told is not untold. Within a message the same holds for its sentences.

    Args:
        messages: of the client, the oldest first.
        today: what "next month" is counted from.
    """
    found: dict[str, Letter] = {}
    for said in messages:
        for sentence in _sentences(own_words(said.text)[:MAX_READ]):
            for name in LETTERS:
                cue = _read(name, sentence, said.asked, today)
                before = found.get(name)
                if cue is None or (name == "need" and before is not None and before.score >= cue.score):
                    continue
                evidence = Evidence(message_id=said.id, quote=_quote(sentence, cue))
                found[name] = Letter(score=cue.score, evidence=evidence)
    return verified(Qualification(**found), {said.id: said.text for said in messages})


def _sentences(text: str) -> Iterator[str]:
    """Sentences that state something, with their punctuation; of a question only what precedes its last clause."""
    start = 0
    for end in [*_ends(text), len(text)]:
        sentence, start = text[start:end].strip(), end
        if not any(char.isalnum() for char in sentence):
            continue
        if "?" in sentence[-4:]:
            last = max((cut.start() for cut in _CLAUSE_END.finditer(sentence)), default=0)
            if last == 0 or _ASKS.match(sentence):
                continue
            sentence = sentence[:last].rstrip()
        yield sentence


def _ends(text: str) -> Iterator[int]:
    for match in _SENTENCE_END.finditer(text):
        before = text[max(0, match.start() - 12) : match.start() + 1]
        if match.group() != "." or not _ABBREVIATION.search(before) or text[match.end() :][:1] in ("", "\n"):
            yield match.end()


def _read(name: str, sentence: str, asked: str | None, today: date) -> Cue | None:
    """What one sentence says of one letter."""
    text = _PSEUDONYM.sub(lambda match: "X" * len(match.group()), sentence)
    text = _without_traps(name, text)
    if asked == name:
        bare = _first(_ANSWERS[name], text)
        if bare is not None:
            return bare
    cue = _first(_RULES[name], text)
    if cue is None and name == asked == "budget":
        return _first(_SUM, text)
    if cue is None and name == "timeline" and (asked == name or _first(_INTENT, text)):
        return _dated(text, today)
    return cue


def _first(rules: Sequence[Rule], text: str) -> Cue | None:
    for rule in rules:
        match = rule.pattern.search(text)
        if match:
            return Cue(score=rule.score, start=match.start(), end=match.end())
    return None


def _dated(text: str, today: date) -> Cue | None:
    named = days_until(text, today)
    if named is None:
        return None
    score = 3 if named.days <= SOON_DAYS else 2 if named.days <= HALF_YEAR_DAYS else 1
    return Cue(score=score, start=named.start, end=named.end)


def _clauses(sentence: str) -> Iterator[tuple[int, int]]:
    start = 0
    for cut in _CLAUSE_END.finditer(sentence):
        yield start, cut.end()
        start = cut.end()
    yield start, len(sentence)


def _without_traps(name: str, sentence: str) -> str:
    """Blanks the clauses that prove nothing for this letter; the offsets stay."""
    kept = []
    for start, end in _clauses(sentence):
        clause = sentence[start:end]
        trapped = any(rule.pattern.search(clause) for rule in _TRAPS[name])
        kept.append(BLANK * len(clause) if trapped else clause)
    return "".join(kept)


def _quote(sentence: str, cue: Cue) -> str:
    """The sentence; where it is too long the clause, and where that is too long the words around the cue."""
    if len(sentence) <= MAX_QUOTE:
        return sentence
    for start, end in _clauses(sentence):
        if start <= cue.start and cue.end <= end and end - start <= MAX_QUOTE:
            return sentence[start:end].strip()
    start = max(0, min(cue.start - 40, len(sentence) - MAX_QUOTE))
    window = sentence[start : start + MAX_QUOTE]
    first, last = window.find(" "), window.rfind(" ")
    head = first + 1 if start and 0 <= first < cue.start - start else 0
    tail = last if start + MAX_QUOTE < len(sentence) and last + start >= cue.end else len(window)
    return window[head:tail].strip()
