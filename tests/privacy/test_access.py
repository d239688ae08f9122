"""A request for access: all of the party's record, its own values in clear, nobody else's."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from agent_guard.auditing.export import export, lines
from agent_guard.auditing.selection import Selection, find
from agent_guard.auditing.verify import verify
from agent_guard.errors import ConfigError
from agent_guard.gateway import Gateway
from agent_guard.privacy.access import opened
from agent_guard.privacy.erasure import erase
from agent_guard.proposal.reveal import reveal
from agent_guard.types import Party
from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("A23", "A5")]

STAGE = {"deal_id": "42", "stage": "won"}
BORIS = Party(id="contact:18", refs={"deal_id": "43"}, known={"PERSON": ["Boris Sidorow"]})


def restoring(gateway: Gateway, **options: Any) -> Any:
    given = {"tenant": "acme", "party": "contact:17", "by": "dpo", "reason": "a letter", "environment": "dev"}
    return opened(gateway.store, gateway.audit, gateway.sources.keys, **(given | options), now=gateway.clock())


def talked(world: World, **options: Any) -> Gateway:
    """Anna's conversation, in which she names somebody else and a question is answered; Boris's; one about nobody."""
    gateway = world.gateway(**options)
    anna = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    anna.hear("I am Anna Kowalska, my boss is at boss@elsewhere.example, +48 600 700 800.", origin="party")
    anna.invoke("crm.create_task", {"deal_id": "42", "subject": "Call Anna Kowalska and boss@elsewhere.example"})
    asked = anna.invoke("crm.set_stage", STAGE)
    reveal(gateway, gateway.approvals.get(str(asked.approval_id)), by=world.boss)
    anna.resume(str(asked.approval_id), "reject", by=world.boss, message="Ask Anna Kowalska first")
    boris = gateway.open(world.sdr, party=BORIS, thread_id="t2")
    boris.invoke("crm.create_task", {"deal_id": "43", "subject": "Boris Sidorow wants an offer"})
    gateway.open(world.sdr, thread_id="t3", user_text="Anna Kowalska called")
    gateway.open(world.stranger, party=world.anna, thread_id="t4")
    return gateway


def test_every_event_of_the_party_s_conversations_is_found(world: World) -> None:
    """Answers, looks at values and cancelled questions too, which do not name the party themselves."""
    gateway = talked(world)
    again = gateway.thread("t1")
    again.invoke("crm.set_stage", STAGE | {"stage": "lost"})
    gateway.step(again.row)  # cancels it
    mine = [event.seq for event in gateway.audit.events(thread="t1")]
    found = list(find(gateway.store, Selection(party="contact:17", tenant="acme")))
    assert [event.seq for event in found] == mine
    assert {event.thread for event in found} == {"t1"}
    silent = {event.data["kind"] for event in found if event.data["party"] is None}
    assert silent >= {"answered", "viewed", "expired"}
    assert {event.thread for event in find(gateway.store, Selection(party="contact:17"))} == {"t1", "t4"}
    only = list(find(gateway.store, Selection(party="contact:17", tenant="acme", actor="m7")))
    assert {event.data["kind"] for event in only} == {"viewed", "answered"}


def test_the_party_s_own_values_come_back_and_nobody_else_s(world: World) -> None:
    """What the host gave as the party's own; whom it spoke of, and every other conversation, stay pseudonyms."""
    gateway = talked(world)
    change = restoring(gateway)
    selection = Selection(party="contact:17", tenant="acme")
    text = b"".join(line for _, line in lines(gateway.store, selection, change=change)).decode()
    rows = [json.loads(line) for line in text.splitlines()]
    subjects = [row["args_redacted"]["subject"] for row in rows if (row["args_redacted"] or {}).get("subject")]
    assert subjects == ["Call Anna Kowalska and <EMAIL_2>"]
    assert [row["reason"] for row in rows if row["kind"] == "answered"] == ["Ask Anna Kowalska first"]
    assert "boss@" not in text and "600 700" not in text and "Boris" not in text
    assert all(row["restored"] for row in rows if "Anna" in json.dumps(row))
    everything = b"".join(line for _, line in lines(gateway.store, change=change)).decode()
    assert "Boris" not in everything
    assert {json.loads(line)["thread"] for line in everything.splitlines() if '"restored"' in line} == {"t1"}


def test_who_looked_is_recorded_first(world: World) -> None:
    """The event is there before a value is read, with who and why; a look without a reason is refused."""
    gateway = talked(world)
    restoring(gateway)
    (told,) = gateway.audit.events(thread="system/acme")
    data = told.data
    assert (data["kind"], data["approver"], data["party"], data["reason"], data["note"]) == (
        "viewed", "dpo", "contact:17", "a letter", "access",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="give a reason"):
        restoring(gateway, reason=" ")
    assert verify(gateway.store, gateway.sources.keys).status == "whole"


def test_after_an_erasure_there_is_nothing_to_put_back(world: World) -> None:
    """The export has the pseudonyms, and the erasure itself."""
    gateway = talked(world)
    erase(
        gateway.store, gateway.audit, gateway.sources.keys, tenant="acme", party="contact:17", reason="asked", by="dpo", environment="dev",
        now=gateway.clock(),
    )  # fmt: skip
    selection = Selection(party="contact:17", tenant="acme")
    text = b"".join(line for _, line in lines(gateway.store, selection, change=restoring(gateway))).decode()
    assert "Anna" not in text and "<PERSON_1>" in text and '"restored"' not in text
    assert [json.loads(line)["kind"] for line in text.splitlines()][-2:] == ["erased", "viewed"]


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_the_file_is_this_user_s_alone(world: World, tmp_path: Path, format: Any) -> None:
    """Mode 0600 from its first byte, whatever the mask is; also where an interrupted one was readable."""
    gateway = talked(world)
    selection = Selection(party="contact:17", tenant="acme")
    seen: list[int] = []

    def looked(event: Any) -> Any:
        (draft,) = tmp_path.glob(".access.*.part")
        seen.append(stat.S_IMODE(draft.stat().st_mode))
        return change(event)

    change, mask = restoring(gateway), os.umask(0)
    try:
        export(gateway.store, tmp_path / f"access.{format}", selection, format=format, change=looked)
        export(gateway.store, tmp_path / f"plain.{format}", selection, format=format)
    finally:
        os.umask(mask)
    assert set(seen) == {0o600}
    assert stat.S_IMODE((tmp_path / f"access.{format}").stat().st_mode) == 0o600
    assert b"Anna Kowalska" in (tmp_path / f"access.{format}").read_bytes()
    assert b"Anna" not in (tmp_path / f"plain.{format}").read_bytes()


def test_an_interrupted_one_is_not_gone_on_with_as_another(world: World, tmp_path: Path) -> None:
    """A plain export does not go on behind restored lines, nor the other way round."""
    gateway = talked(world)
    selection = Selection(party="contact:17", tenant="acme")

    def broken(event: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(gateway.store, tmp_path / "a.jsonl", selection, change=broken)
    assert not (tmp_path / "a.jsonl").exists()
    with pytest.raises(ConfigError, match="no interrupted export"):
        export(gateway.store, tmp_path / "a.jsonl", selection, resume=True)
    export(gateway.store, tmp_path / "a.jsonl", selection, resume=True, change=restoring(gateway))
    assert "Anna" in (tmp_path / "a.jsonl").read_text(encoding="utf-8")
