"""The claim of a call that a person approved: it is on disk before the tool runs, whatever door leads to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("B7", "A6")]


def settings_before_the_run(world: World, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each write asked of the disk, up to the moment in which the tool runs."""
    write, asked = gateway.store.write, []
    monkeypatch.setattr(gateway.store, "write", lambda **given: asked.append(given.get("durable")) or write(**given))
    world.desk.before = lambda: asked.append("it runs")
    return asked


@pytest.mark.parametrize("door", ["resume", "execute"])
def test_the_claim_of_an_approved_call_is_durable(world: World, monkeypatch: pytest.MonkeyPatch, door: str) -> None:
    """The last transaction before the tool runs is flushed; a claim that is forgotten is a call done twice."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    args = {"deal_id": "42", "stage": "won"}
    question = thread.invoke("crm.set_stage", args, call_id="c1").approval_id
    assert question is not None
    if door == "execute":
        gateway.answer(question, "approve", by=world.boss)
    asked = settings_before_the_run(world, gateway, monkeypatch)
    if door == "execute":
        call = thread.masked_call("crm.set_stage", args, "c1", None)
        assert gateway.execute(thread.row, call).status == "executed"
    else:
        assert thread.resume(question, "approve", by=world.boss).status == "executed"
    assert asked[asked.index("it runs") - 1] is True
