"""The embedded model of this scenario: it reads, searches, and answers with the articles' own sentences.

It writes nothing of its own, so its drafts are grounded as long as the check and the articles are. It is a limited one:
what the customer says in other words than the articles it does not find, and then it drafts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import category

from langchain_core.messages import AIMessage

from agent_guard.masking.tokens import PSEUDONYM
from graphs.rules import RulePlanner, proposes
from graphs.sdr_qualification.phrases import Language, language_told
from graphs.support_draft.words import SAID
from graphs.turn import Turn
from tools.grounding.language import EMPTY
from tools.grounding.tokens import sentences, tokens
from tools.leads import own_words

__all__ = ["planner"]

READ, SEARCH, ANSWER = "tickets__read", "knowledge__search", "tickets__answer"
QUERY_MAX, SENTENCES_MAX = 300, 4
SHARED_MIN = 2
"""How many words of a ticket a passage must have before it counts as an answer to it."""

_MARKUP = re.compile(r"<!--.*?-->|<(?![A-Z]+_[0-9]+>)[^>]{0,200}>|[A-Za-z0-9+/=]{40,}", re.DOTALL)


def planner() -> RulePlanner:
    """The model."""
    return RulePlanner(model_name="support-draft-planner-1", step=step)


def step(turn: Turn, offered: frozenset[str]) -> AIMessage:
    """One step. The order of the cases is the behaviour."""
    said = SAID[turn.language]
    ticket_id = (turn.context.get("refs") or {}).get("ticket_id")
    if not isinstance(ticket_id, str) or not {READ, SEARCH, ANSWER} <= offered:
        return AIMessage(said["lost"])
    if not turn.of(READ):
        return proposes(turn, READ, "I must know what the customer asks", ticket_id=ticket_id)
    ticket = turn.of(READ)[-1].data
    if ticket is None:
        return AIMessage(said["failed"])
    if turn.of(ANSWER):
        return AIMessage(said["sent" if turn.of(ANSWER)[-1].status == "executed" else "refused"])
    if ticket["status"] == "answered":
        return AIMessage(said["answered"])
    asked = _asked(ticket)
    language = language_told(asked) or turn.language
    if not turn.of(SEARCH):
        query = " ".join(PSEUDONYM.sub(" ", asked).split())[:QUERY_MAX] or "?"  # nobody is looked for by name
        return proposes(turn, SEARCH, "the articles may answer it", query=query, language=language)
    found = turn.of(SEARCH)[-1].data
    answer = _answer(asked, found["passages"] if found else (), language)
    if not answer:
        return AIMessage(said["none"])
    why = "these passages answer what the customer asks"
    return proposes(turn, ANSWER, why, ticket_id=ticket_id, language=language, sentences=answer)


def _asked(ticket: Mapping[str, Any]) -> str:
    """The customer's own words: without markup, without signs that nobody sees, which no argument may hold, and without
    what they quote or forward.
    """
    text = _MARKUP.sub(" ", f"{ticket['subject']}\n{ticket['body']}")
    seen = (char if char.isprintable() or char == "\n" else "" if category(char) == "Cf" else " " for char in text)
    return own_words("".join(seen))


def _answer(asked: str, passages: Sequence[Mapping[str, Any]], language: Language) -> list[dict[str, Any]]:
    """The sentences of the passage that shares most words with the ticket, cited."""
    wanted = _keys(asked, language)
    shared = [(len(_keys(f"{item['title']} {item['text']}", language) & wanted), item) for item in passages]
    best = max(shared, key=lambda pair: pair[0], default=(0, None))
    if best[1] is None or best[0] < SHARED_MIN:
        return []
    parts = [part.strip() for part in sentences(best[1]["text"])]
    return [{"text": part, "cites": [best[1]["id"]]} for part in parts[:SENTENCES_MAX]]


def _keys(text: str, language: Language) -> set[str]:
    content = (token for token in tokens(text, language) if token.text.casefold() not in EMPTY[language])
    return {min(token.same) for token in content if len(token.text) > 2}
