"""The company that works under load: five tools over a system of record on disk, and a policy with one rule of each kind.

What is done is a line of a file, which every process appends to and nothing ever changes: the system of record refuses no
repetition, so that whatever happens twice is seen.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel, Field

from agent_guard.gateway import Gateway
from agent_guard.masking import Masker
from agent_guard.nodes import guarded_agent
from agent_guard.policy import Policy
from agent_guard.session import Session
from agent_guard.testing import FixedClock, ScriptedModel, call
from agent_guard.tool import tool
from agent_guard.types import Description, Party, Ref, Subject

__all__ = ["ANNA", "BOSSES", "CANARIES", "LIMITS", "SELLERS", "SWITCHED", "Company", "Place", "opened"]

TENANT = "acme"
SELLERS = [Subject(id=f"u{n}", tenant=TENANT, roles={"sales"}) for n in range(3)]
BOSSES = [Subject(id=f"m{n}", tenant=TENANT, roles={"manager"}) for n in range(2)]
ANNA = Party(
    id="contact:1",
    known={"PERSON": ["Zdzisława Kanarkowa"], "PHONE": ["+48 512 345 678"], "EMAIL": ["z@kanarkowa.example"]},
)
CANARIES = ("kanarkowa", "zdzisław", "512 345 678", "512345678", "secret.example")
"""What must stand nowhere but in the system of record, in any case of letters."""

LIMITS = {"sends": 12, "money": 40}
"""How many mails a day, and how much money a day, all workers together may send and spend."""

SWITCHED = "crm.create_task"
"""The tool that is switched off for a while."""


class Draft(BaseModel):
    deal_id: Annotated[str, Field(max_length=20)]
    subject: Annotated[str, Field(max_length=100)]


class Mail(BaseModel):
    text: Annotated[str, Field(max_length=200)]


class Spend(BaseModel):
    amount: Annotated[int, Field(ge=1, le=20)]
    note: Annotated[str, Field(max_length=40)]


class Agree(BaseModel):
    deal_id: Annotated[str, Field(max_length=20)]
    note: Annotated[str, Field(max_length=60)]


class Fine(BaseModel):
    ok: bool = True


def _tool(name: str, effect: Any, does: str, *, key: tuple[str, ...] = (), **options: Any) -> Any:
    """A tool that writes one line: its name, its key and on whose behalf."""

    def made(run: Any) -> Any:
        run.__doc__ = does
        return tool(name=name, effect=effect, timeout_s=5, key=key, **options)(run)

    return made


@_tool(SWITCHED, "draft", "Drafts a task.", key=("deal_id", "subject"), refs={"deal_id": "deal"}, unmask={"subject"})
def create_task(args: Draft, desk: Any, idempotency_key: str, subject: Subject) -> Fine:
    desk.do(SWITCHED, idempotency_key, subject, subject_line=args.subject)
    return Fine()


@_tool("mail.send", "send", "Sends a mail.", unmask={"text"})
def send_mail(args: Mail, desk: Any, idempotency_key: str, subject: Subject) -> Fine:
    desk.do("mail.send", idempotency_key, subject)
    return Fine()


@_tool("pay.spend", "write", "Spends money.", key=("note",))
def spend(args: Spend, desk: Any, idempotency_key: str, subject: Subject) -> Fine:
    desk.do("pay.spend", idempotency_key, subject, amount=args.amount)
    return Fine()


@_tool("deal.agree", "write", "Agrees on something.", key=("deal_id", "note"), refs={"deal_id": "deal"})
def agree(args: Agree, desk: Any, idempotency_key: str, subject: Subject) -> Fine:
    desk.do("deal.agree", idempotency_key, subject)
    return Fine()


@_tool("deal.read", "read", "Reads a deal.", refs={"deal_id": "deal"})
def read_deal(args: Draft) -> Fine:
    return Fine()


def policy() -> Policy:
    """One rule of each kind: a limit, a total, an approval, the customer's own records."""
    rule = {"roles": ["sales"], "mode": "execute"}
    approvers = {"roles": ["manager"], "not_requester": True, "expires": "24h"}
    tools = {
        SWITCHED: rule,
        "mail.send": rule | {"limits": [f"{LIMITS['sends']}/day/tenant"]},
        "pay.spend": rule | {"totals": [{"arg": "amount", "max": LIMITS["money"], "per": "day/tenant"}]},
        "deal.agree": rule | {"mode": "approve", "approvers": approvers},
        "deal.read": rule,
    }
    limits = {"actions_per_thread": 1000, "attempts_per_thread": 10_000, "steps_per_thread": 1000}
    loops = {"same_call": 100, "cycle": 100}
    return Policy.model_validate({"version": 1, "name": "load.v1", "limits": limits, "loops": loops, "tools": tools})


class Desk:
    """The system of record: a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def describe(self, ref: Ref) -> Description | None:
        """Port ``Records``."""
        return Description(version="1", party=ANNA.id, name=ANNA.known["PERSON"][0])

    def do(self, name: str, key: str, by: Subject, **more: Any) -> None:
        """One effect."""
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, json.dumps({"tool": name, "key": key, "by": by.id, **more}).encode() + b"\n")
        os.close(handle)

    @property
    def effects(self) -> list[dict[str, Any]]:
        """Everything that was done, in order."""
        return [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []


class _Key:
    def master_key(self, environment: str | None = None) -> bytes:
        return b"l" * 32

    def secret(self, name: str, *, environment: str, agent: str) -> Any:
        raise AssertionError(name)


@dataclass(frozen=True)
class Place:
    """Where a company keeps its things; picklable.

    Args:
        folder: of the system of record and the workers' signs of life.
        url: of the one database of the guard and the checkpoints.
    """

    folder: str
    url: str


def asks(messages: Sequence[BaseMessage]) -> AIMessage:
    """A model that proposes what the user named, and otherwise has done."""
    if not isinstance(messages[-1], HumanMessage):
        return AIMessage("Done.")
    note = re.findall(r"note-[0-9-]+", messages[-1].text)[0]
    return call("deal.agree", "The user asked for it.", id=note, deal_id="7", note=note)


class Company:
    """One process of it.

    Args:
        later_s: how far its clock is ahead, so that the claims of the dead are over.
    """

    def __init__(self, place: Place, *, later_s: float = 0) -> None:
        self.desk = Desk(Path(place.folder) / "desk.jsonl")
        clock = FixedClock()
        clock.forward(seconds=later_s)
        self.gateway = Gateway(
            [create_task, send_mail, spend, agree, read_deal],
            policy(),
            url=place.url,
            environment="dev",
            resources={"desk": self.desk},
            records=self.desk,
            credentials=_Key(),
            masker=Masker(profile="patterns"),
            clock=clock,
        )
        graph = guarded_agent(ScriptedModel(*[asks] * 10_000), self.gateway)
        checkpoints = place.url if place.url.startswith("postgres") else f"sqlite:///{place.folder}/threads.db"
        self.session = Session(graph, self.gateway, checkpointer=checkpoints)

    def close(self) -> None:
        """Closes the databases."""
        self.session.close()
        self.gateway.close()


@contextmanager
def opened(place: Place, **options: Any) -> Iterator[Company]:
    """A company that is closed at the end, unless its process is not there any more."""
    made = Company(place, **options)
    try:
        yield made
    finally:
        made.close()
