"""What a model is shown: every text is looked at by the tripwire, and none twice in one call."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from agent_guard.graph import model_turn
from agent_guard.graph.model_turn import Tripwire
from tests.conftest import World

pytestmark = pytest.mark.req("A23", "B6")

CALL = {"name": "crm__create_task", "args": {"subject": ["Call +48 512 345 678"]}, "id": "c1", "type": "tool_call"}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (HumanMessage("I am <PERSON_1>."), None),
        (HumanMessage("I am Anna Kowalska."), "a raw PERSON (known)"),
        (AIMessage("", tool_calls=[CALL]), "a raw PHONE (known)"),
        (SystemMessage("You are Anna, an assistant."), None),
        (SystemMessage("You work for Anna Kowalska."), "a raw PERSON (known)"),
    ],
)
def test_the_tripwire_finds_what_the_thread_knows(world: World, message: Any, found: str | None) -> None:
    """Texts and arguments are looked at; half a name in the host's own prompt is a word of it."""
    tripwire = Tripwire(world.thread().vault())
    assert tripwire.leak([HumanMessage("Hello."), message]) == found
    assert tripwire.leak([message]) == found, "what was seen before is not forgotten"


def test_a_text_is_looked_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a text is about to be sent in one model call, it is searched once; another text is searched too."""
    looked: list[str] = []
    real = model_turn.leaks
    monkeypatch.setattr(model_turn, "leaks", lambda text, vault: looked.append(text) or real(text, vault))
    tripwire = Tripwire(world.thread().vault())
    for _ in range(3):
        assert tripwire.leak([SystemMessage("Be kind."), HumanMessage("Hello.")]) is None
    assert tripwire.leak([HumanMessage("Hello, Anna Kowalska.")]) == "a raw PERSON (known)"
    assert looked == ["Be kind.", "Hello.", "Hello, Anna Kowalska."]
