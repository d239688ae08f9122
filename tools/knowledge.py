"""Searching the knowledge base gives passages with the ids that an answer cites. They are the company's own words."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent_guard.tool import tool
from tools.grounding.language import Language
from tools.knowledge_base import TEXT_MAX, TITLE_MAX, KnowledgeBase

__all__ = ["CiteId", "Found", "FoundPassage", "Search", "search_knowledge"]

PASSAGES_MAX = 5
CITE = r"(en|ru|pl)/[a-z0-9_]{1,60}#[0-9]{1,3}"

CiteId = Annotated[str, Field(max_length=70, pattern=f"^{CITE}$", description="a passage's id, as the search gave it")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Search(_Closed):
    """What to look for. It leaves nowhere: the knowledge base is the application's own."""

    query: Annotated[str, Field(min_length=1, max_length=300, description="the customer's problem in a few words")]
    language: Annotated[Language, Field(description="the language to answer in")]


class FoundPassage(_Closed):
    """One paragraph of an article."""

    id: CiteId
    title: Annotated[str, Field(max_length=TITLE_MAX)]
    text: Annotated[str, Field(max_length=TEXT_MAX)]


class Found(_Closed):
    """The passages that share words with the query, the best first; none where the knowledge base has nothing."""

    passages: Annotated[tuple[FoundPassage, ...], Field(max_length=PASSAGES_MAX)]


@tool(
    name="knowledge.search",
    effect="read",
    timeout_s=5,
    result_fields={"passages.id": "plain", "passages.title": "text", "passages.text": "text"},
)
def search_knowledge(args: Search, knowledge: KnowledgeBase, *, idempotency_key: str = "") -> Found:  # noqa: ARG001  as every tool is called
    """Searches the help articles in one language; gives up to five passages with the ids to cite.

    Args:
        args: what to look for.
        knowledge: the articles.
        idempotency_key: not used; a read may be repeated.
    """
    found = knowledge.search(args.query, args.language, PASSAGES_MAX)
    return Found(passages=tuple(FoundPassage(id=item.id, title=item.title, text=item.text) for item in found))
