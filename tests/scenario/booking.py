"""One client's conversation about a meeting, as the shipped ones go, and what the calendar shows of it."""

from __future__ import annotations

from typing import Any

from agent_guard.app import Application
from agent_guard.session import Reply, Session
from agent_guard.testing import ScriptedModel
from agent_guard.types import Subject
from graphs.calendar_booking.conversation import read_booking
from tests.scenario.requests import samples

__all__ = ["NAME", "SAMPLES", "Talk"]

NAME = "calendar_booking"
SAMPLES = samples(NAME)


class Talk:
    """One conversation with a client."""

    def __init__(self, application: Application, sample: str, model: ScriptedModel | None = None) -> None:
        path = next(path for path in SAMPLES if path.stem == sample)
        self.application, self.booking = application, read_booking(path)
        self.opening = application.scenario(NAME).read(path, application.worlds[NAME])
        self.session: Session = application.session(NAME, model=model)
        self.reply: Reply | None = None

    def say(self, text: str) -> Reply:
        """Says one thing as the client."""
        opening = self.opening
        if self.reply is None:
            self.reply = self.session.start(text, opening.subject, speaker="party", party=opening.party, scenario=NAME)
        else:
            self.reply = self.session.send(self.reply.thread_id, text, speaker="party", by=opening.subject)
        return self.reply

    def answer(self, word: str, by: Subject) -> Reply:
        """Answers the question that waits."""
        assert self.reply is not None and self.reply.pending is not None
        self.reply = self.session.resume(self.reply.pending.id, word, by=by)
        return self.reply

    def calls(self) -> list[str]:
        """The tools that ran."""
        assert self.reply is not None
        return [item["tool"] for item in self.application.gateway.thread(self.reply.thread_id).calls]

    def messages(self) -> list[Any]:
        """The thread's messages."""
        assert self.reply is not None
        return list(
            self.session.graph.get_state({"configurable": {"thread_id": self.reply.thread_id}}).values["messages"]
        )
