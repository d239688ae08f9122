"""What masking found in a text or a record, where, and why: for the person who tries it out on data of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent_guard.masking.masker import Masker
from agent_guard.masking.memory import MemoryVault
from agent_guard.masking.records import sensitive_type
from agent_guard.masking.tokens import PSEUDONYM
from agent_guard.types import JSON

__all__ = ["Finding", "in_record", "in_text"]

_WHY = {
    "crf": "the name model of the line's language",
    "slovnet": "the model of Russian names",
    "spacy": "the spaCy pipeline",
    "cue": "the words before or around it say that a name stands here",
    "kazakh": "a first name or patronymic of Kazakhstan",
    "polish": "a Polish first name, with the words that follow it",
    "address": "the form of an address",
    "known": "the thread knows this value",
    "phone": "the form of a telephone number, or a word before it",
    "url": "the address of a page tells of a person",
    "email_words": "an e-mail address in words",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One value that masking replaces.

    Args:
        where: place in the text, ``12-25`` in characters, or the path of a field.
        token: its pseudonym; ``(ORG)`` for a company, which is found and left in the text.
        why: which rule or model found it, and how sure it is.
        value: raw.
    """

    where: str
    token: str
    why: str
    value: str = field(repr=False)

    def as_json(self, *, values: bool) -> dict[str, JSON]:
        """Plain JSON, without the value unless it is asked for."""
        told: dict[str, JSON] = {"where": self.where, "token": self.token, "why": self.why}
        return told | ({"value": self.value} if values else {})


def in_text(masker: Masker, text: str, where: str = "") -> list[Finding]:
    """What a masker finds in one text, in order, with the pseudonyms that a new thread would give.

    Args:
        where: put before each place.
    """
    named = masker.named(text, MemoryVault(), "user")
    taken = [(span.start, span.end) for span, _ in named]
    left = [
        (span, f"({span.type})")
        for span in masker.spans(text)
        if not any(start < span.end and span.start < end for start, end in taken)
    ]
    return [
        Finding(
            where=f"{where}{span.start}-{span.end}",
            token=token,
            why=f"{_WHY.get(span.source, f'the rule {span.source}')} ({span.source}, {span.score:.2f})",
            value=text[span.start : span.end],
        )
        for span, token in sorted([*named, *left], key=lambda pair: pair[0].start)
    ]


def in_record(masker: Masker, record: JSON, masked: JSON, path: str = "") -> Iterator[Finding]:
    """What was replaced in a record, field by field.

    Args:
        record: raw.
        masked: the same after ``mask_record`` without rules for its fields.
    """
    if isinstance(record, Mapping) and isinstance(masked, Mapping):
        for (key, item), other in zip(record.items(), masked.values(), strict=False):
            yield from in_record(masker, item, other, f"{path}.{key}" if path else str(key))
    elif isinstance(record, list) and isinstance(masked, list):
        for place, (item, other) in enumerate(zip(record, masked, strict=True)):
            yield from in_record(masker, item, other, f"{path}[{place}]")
    elif record != masked:
        token, value = str(masked), str(record)
        names = [part.partition("[")[0] for part in path.split(".")]
        telling = next((name for name in reversed(names) if sensitive_type(name)), None)
        if telling is not None and PSEUDONYM.fullmatch(token):
            yield Finding(where=path, token=token, why=f"the field's name: {telling}", value=value)
        else:
            yield from in_text(masker, value, where=f"{path}:")
