"""The application on databases of one test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_guard import Reply, Session, Subject
from agent_guard.app import Application
from agent_guard.masking import Masker
from agent_guard.scenario import Opening
from agent_guard.settings import Settings
from langchain_core.language_models import BaseChatModel

from desk import SCENARIOS
from desk.crm import Crm
from desk.data import ABOUT, NAME
from desk.people import USER

__all__ = ["BOSS", "REP", "Desk"]

BOSS = Subject(id="u-boss", tenant="acme", roles={"manager"})
REP = USER


class Desk:
    """An opened application, and one conversation with it."""

    def __init__(self, folder: Path, masker: Masker) -> None:
        guard = folder / "guard"
        self._folder = folder
        self._application = Application(
            Settings(
                environment="dev",
                app="desk:SCENARIOS",
                database=f"sqlite:///{guard}/guard.db",
                checkpoints=f"sqlite:///{guard}/threads.db",
                systems=f"sqlite:///{folder}/crm.db",
            ),
            masker=masker,
        )
        self.crm: Crm = self._application.worlds[NAME].resources["crm"]

    def say(self, text: str, *, about: str = "1", model: BaseChatModel | None = None) -> tuple[Session, Reply]:
        """Starts a conversation, as ``agent-guard run`` does; with the planner unless a model is given."""
        session = self._application.session(NAME, model=model)
        opening = self._opening(text, about)
        reply = session.start(
            opening.lines[0], opening.subject, speaker=opening.speaker, party=opening.party, scenario=NAME
        )
        return session, reply

    def _opening(self, text: str, about: str) -> Opening:
        path = self._folder / "conversation.jsonl"
        path.write_text(json_lines({ABOUT[0]: about}, {"text": text}), encoding="utf-8")
        return SCENARIOS[NAME].read(path, self._application.worlds[NAME])

    def codes(self, reply: Reply) -> list[str]:
        """The codes of every decision of a conversation, in order."""
        events = self._application.gateway.audit.events(thread=reply.thread_id)
        return [str(event.data["decision"]["code"]) for event in events if event.data["kind"] == "decided"]

    def close(self) -> None:
        """Closes every database."""
        self._application.close()


def json_lines(*items: dict[str, str]) -> str:
    """One JSON object a line."""
    return "\n".join(json.dumps(item) for item in items)


@pytest.fixture(scope="session", name="masker")
def _masker() -> Masker:
    """Loaded once: its models take some seconds."""
    return Masker()


@pytest.fixture(name="desk")
def _desk(tmp_path: Path, masker: Masker) -> Iterator[Desk]:
    opened = Desk(tmp_path, masker)
    yield opened
    opened.close()
