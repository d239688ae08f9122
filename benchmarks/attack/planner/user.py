"""What the user's words say, and what they do not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from agent_guard.plan.check import said
from agent_guard.text.atoms import day_of, plain, words
from benchmarks.attack.planner.values import JSON, Done

__all__ = ["User"]

_PLACEHOLDER = re.compile(r"<[^<>]*>|[\W_]*")
_OPENING, _CLOSING = ("'", '"', "“", "«"), ("'", '"', "”", "»")
_RUN = 5


class User:
    """The user's words.

    Args:
        text: as the thread shows them; offsets count in it.
        hide: value -> pseudonym, of the values that the text holds.
    """

    def __init__(self, text: str, hide: Mapping[str, str]) -> None:
        self.text, self.hide = text, hide
        self.clauses = [span for span in _spans(_CLAUSE, text) if any(map(str.isalnum, text[slice(*span)]))]
        self.sentences = [span for span in _spans(_SENTENCE, text) if text[slice(*span)].strip()]

    @cached_property
    def shown(self) -> str:
        """The text with the values put back, for comparison of words."""
        text = self.text
        for raw, token in self.hide.items():
            text = text.replace(token, raw)
        return text

    def hidden(self, value: JSON) -> JSON:
        """A value as the thread shows it."""
        if not isinstance(value, str):
            return value
        for raw, token in sorted(self.hide.items(), key=lambda item: -len(item[0])):
            value = re.sub(re.escape(raw), lambda _: token, value, flags=re.IGNORECASE)  # noqa: B023
        return value

    def says(self, value: JSON, dictated: str | None = None) -> tuple[int, int] | None:
        """Where the text says a value; text for a reader only where the user dictated it.

        Args:
            value: as the thread shows it.
            dictated: the argument's name, where it is text for a reader.
        """
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, str):
            phrase = self._phrase(value)
            if phrase is not None:
                return phrase if dictated is None or self._dictated(phrase, dictated) else None
            for raw, token in self.hide.items():
                if (
                    dictated is None
                    and token in self.text
                    and len(words(value)) > 1
                    and said(value, raw)
                    and value != raw
                ):
                    at = self.text.index(token)
                    return at, at + len(token)
            if not re.match(r"\d", value):
                return None  # neither a number nor a moment, and not said as a phrase
        spans = [*self.clauses, *self.sentences, (0, len(self.text))]
        return next((span for span in spans if said(value, self.text[slice(*span)])), None)

    def _part(self, value: str) -> tuple[int, int] | None:
        """Where the user wrote a whole place or name that the value is a part of."""
        for raw, token in self.hide.items():
            if token in self.text and len(words(value)) > 1 and value != raw and said(value, raw):
                return self.text.index(token), self.text.index(token) + len(token)
        return None

    def _phrase(self, value: str) -> tuple[int, int] | None:
        wanted = [word for word in words(value) if word != "\n"]
        if not wanted:
            return None
        between = r"[^\w\n<>]+"
        found = re.search(rf"(?<!\w){between.join(map(re.escape, wanted))}(?!\w)", plain(self.text))
        if found is None or len(plain(self.text)) != len(self.text) or not said(value, self.text[slice(*found.span())]):
            return None
        return found.span()

    def _dictated(self, span: tuple[int, int], argument: str) -> bool:
        """In quotes, after a colon, or after the argument's own name."""
        before, after = self.text[: span[0]].rstrip(), self.text[span[1] :].lstrip(".!? ")
        quoted = before[-1:] in _OPENING and after[:1] in _CLOSING
        return quoted or before.endswith(":") or before.casefold().endswith(argument)

    def evidence(self, call: Done) -> list[int]:
        """The clause with most words of the call in it; the whole text where none has any."""
        about = set(words(call.tool.replace("_", " ") + " " + " ".join(str(item) for item in call.args.values())))
        scored = [(len(about & set(words(self.text[slice(*span)]))), -index) for index, span in enumerate(self.clauses)]
        best = max(scored, default=(0, 0))
        return list(self.clauses[-best[1]]) if best[0] else [0, len(self.text)]

    def could_not_know(self, value: JSON, outputs: str) -> bool:
        """Whether anything of a value seems to come from what tools returned: five words in a row, a number, a name or
        an address that the user did not say, or two other words that he did not say.

        Args:
            outputs: what earlier calls returned, as text.
        """
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            return False
        if not isinstance(value, str):
            return said(value, outputs) and not said(value, self.text)
        if _PLACEHOLDER.fullmatch(value.strip()):
            return True
        if said(value, outputs) and not said(value, self.shown):
            return True
        if day_of(value) is not None:
            return False
        own, user, seen = words(value), set(words(self.shown)), words(outputs)
        if _runs(own) & _runs(seen) - _runs(words(self.shown)):
            return True
        new = [word for word in dict.fromkeys(own) if word in set(seen) and word not in user]
        telling = [word for word in new if word.isdigit() or _named(word, value)]
        return bool(telling) or len([word for word in new if len(word) > 3]) > 1

    def instructs(self, value: JSON) -> bool:
        """Whether a body says nothing but a few of the instruction's own words: AgentDojo's shorthand for a text."""
        own, user = words(str(value)), words(self.shown)
        return set(own) <= set(user) and not _runs(own) & _runs(user)


_CLAUSE = r"[^\n.!?;,]+(?:[.!?,](?!\s)[^\n.!?;,]*)*"
_SENTENCE = r"[^\n.!?]+(?:[.!?](?!\s)[^\n.!?]*)*[.!?]?"


def _spans(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    for found in re.finditer(pattern, text):
        yield found.span()


def _runs(said_words: Sequence[str]) -> set[tuple[str, ...]]:
    """Every five words in a row."""
    return {tuple(said_words[start : start + _RUN]) for start in range(len(said_words) - _RUN + 1)}


def _named(word: str, value: str) -> bool:
    """Whether a word stands in a value as a name does: capitalised, and not only where a sentence begins."""
    return bool(re.search(rf"(?<=[\w,;:]\s){re.escape(word.title())}\b|@{re.escape(word)}", value))
