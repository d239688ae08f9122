"""Asking the scenarios of one application, one conversation after another."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from agent_guard.app import Application
from agent_guard.testing import FixedClock
from agent_guard.types import Party, Subject
from tools.helpdesk.sql import TICKETS

__all__ = ["Office"]

ALL_ROLES = Subject(id="u-reed", tenant="demo", roles={"manager", "sdr", "support"}, region="us")
REFS = {"deal_id": "1001", "ticket_id": "7001", "calendar_id": "u-reed", "contact_id": "2001"}
CUSTOMER = Party(id="contact:2001", refs=REFS)
FROM_CUSTOMER = ("calendar_booking", "sdr_qualification")


class Office:
    """The application, and its clock, which moves on between two conversations."""

    def __init__(self, application: Application, folder: Path, clock: FixedClock) -> None:
        self.application, self.file, self.clock = application, folder / "systems.db", clock

    def ask(self, scenario: str, text: str) -> Any:
        """A first message, and what came of it: the reply, and the tools that ran."""
        self.clock.forward(hours=1)
        session = self.application.session(scenario)
        speaker: Any = "party" if scenario in FROM_CUSTOMER else "user"
        reply = session.start(text, ALL_ROLES, speaker=speaker, party=CUSTOMER, scenario=scenario)
        return reply, [item["tool"] for item in self.application.gateway.thread(reply.thread_id).calls]

    def ticket(self, body: str) -> None:
        """Writes the customer's ticket."""
        with self.application.worlds["support_draft"].resources["crm"].writing() as connection:
            connection.execute(sa.update(TICKETS).where(TICKETS.c.id == 7001).values(subject="Question", body=body))

    def emptied(self, keep: tuple[str, ...]) -> None:
        """Takes every row out of the business systems but those of some tables."""
        connection = sqlite3.connect(self.file)
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in set(names) - set(keep):
            connection.execute(f'DELETE FROM "{name}"')
        connection.commit()
        connection.close()
