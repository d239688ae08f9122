"""A small company that never changes, so that a thread which an old release paused finds the same one today.

``python -m tests.paused.world FOLDER`` pauses two threads with the release that runs it and writes the databases there as
SQL: ``guard.sql`` and ``threads.sql``. Each release is given a folder of its own here, once.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from langchain.agents import create_agent
from pydantic import BaseModel, Field

from agent_guard.gateway import Gateway
from agent_guard.integrations import GuardMiddleware, protect
from agent_guard.masking import Masker
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Session
from agent_guard.testing import FixedClock, ScriptedModel, call
from agent_guard.tool import tool
from agent_guard.types import Description, Party, Ref, Subject

__all__ = ["AGENT", "BOSS", "GRAPH", "SELLER", "Office", "opened"]

SELLER = Subject(id="u1", tenant="acme", roles={"sales"}, region="eu")
BOSS = Subject(id="m1", tenant="acme", roles={"manager"})
ANNA = Party(id="contact:1", known={"PERSON": ["Anna Kowalska"]})
GRAPH, AGENT = "paused-graph", "paused-agent"
"""The threads: of the guarded graph, and of LangChain's agent behind the middleware."""

POLICY = """
version: 1
name: paused.v1
tools:
  deal.move:
    roles: [sales]
    mode: approve
    approvers: {roles: [manager], not_requester: true, expires: 24h}
"""


class Move(BaseModel):
    deal_id: Annotated[str, Field(max_length=20)]
    stage: Literal["new", "won", "lost"]
    note: Annotated[str, Field(max_length=100)]


class Moved(BaseModel):
    ok: bool = True


@tool(
    name="deal.move", effect="write", timeout_s=5, key=("deal_id", "stage"), refs={"deal_id": "deal"}, unmask={"note"}
)
def move_deal(args: Move, done: list[Any]) -> Moved:
    """Moves a deal."""
    done.append((args.deal_id, args.stage, args.note))
    return Moved()


class _Records:
    def describe(self, ref: Ref) -> Description | None:
        return Description(version="1", party="contact:1", region="eu", name=f"Deal {ref.id}")


class _Key:
    def master_key(self, environment: str | None = None) -> bytes:
        return b"p" * 32

    def secret(self, name: str, *, environment: str, agent: str) -> Any:
        raise AssertionError(name)


class Office:
    """A gateway and the two sessions over the databases of a folder; ``done`` is what happened to deals."""

    def __init__(self, folder: Path, *turns: Any) -> None:
        self.done: list[Any] = []
        self.clock = FixedClock()
        self.gateway = Gateway(
            [move_deal],
            Policy.parse(POLICY),
            url=f"sqlite:///{folder}/guard.db",
            environment="dev",
            resources={"done": self.done},
            records=_Records(),
            credentials=_Key(),
            masker=Masker(profile="patterns"),
            clock=self.clock,
        )
        url = f"sqlite:///{folder}/threads.db"
        self.graph = Session(guarded_agent(ScriptedModel(*turns), self.gateway), self.gateway, checkpointer=url)
        agent = create_agent(
            ScriptedModel(*turns), [], middleware=[GuardMiddleware(self.gateway)], context_schema=GuardContext
        )
        self.agent = protect(agent, self.gateway, checkpointer=url)

    def session(self, thread: str) -> Session:
        """The one whose thread it is."""
        return self.graph if thread == GRAPH else self.agent

    def close(self) -> None:
        """Closes the databases."""
        self.graph.close()
        self.agent.close()
        self.gateway.close()


@contextmanager
def opened(folder: Path, *turns: Any) -> Iterator[Office]:
    """An office that is closed at the end."""
    office = Office(folder, *turns)
    try:
        yield office
    finally:
        office.close()


def write(into: Path) -> None:
    """Pauses both threads, after a call that was rejected, and writes the databases."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, thread in enumerate((GRAPH, AGENT)):
            deal = str(41 + number)
            turns = [
                call(
                    "deal.move", "Because the user asked.", id=f"c{n}", deal_id=deal, stage=stage, note="For <PERSON_1>"
                )
                for n, stage in enumerate(("lost", "won"))
            ]
            with opened(Path(folder), *turns) as office:
                session = office.session(thread)
                said = f"Anna Kowalska buys: move deal {deal}."
                first = session.start(said, SELLER, speaker="user", thread_id=thread, party=ANNA)
                assert first.pending is not None
                reply = session.resume(first.pending.id, "reject", by=BOSS, message="They said won, not lost.")
                assert reply.status == "pending"
        for name in ("guard", "threads"):
            with closing(sqlite3.connect(f"{folder}/{name}.db")) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                lines = "".join(f"{line}\n" for line in connection.iterdump())
            (into / f"{name}.sql").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
