"""The database's server dies at each point of a call's life and comes back: nothing runs twice, nothing is lost that
was said to be kept, and the same process goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_guard.credentials import MemoryCredentials
from agent_guard.errors import StoreError
from agent_guard.masking import Masker
from agent_guard.nodes import guarded_agent
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Code
from tests.conftest import Database, World
from tests.postgres import Server

TASK = {"deal_id": "42", "subject": "Call"}
CREDENTIALS = MemoryCredentials()

pytestmark = pytest.mark.req("A6", "A8", "B7")


@pytest.fixture
def world(tmp_path: Path, quick_masker: Masker, server: Server) -> Iterator[World]:
    """A company whose database lies on a server that may be killed."""
    made = World(tmp_path, quick_masker, Database(tmp_path, server.fresh()))
    yield made
    made.close()


def once(work: Callable[[], object]) -> Callable[..., object]:
    """Does something the first time only."""
    left = [work]
    return lambda *_: left.pop()() if left else None


def test_before_the_claim_nothing_runs(world: World, server: Server) -> None:
    """The call ends as a store error, and runs when it is asked for again."""
    gateway = world.gateway(file=True, credentials=CREDENTIALS)
    thread = gateway.open(world.sdr, party=world.anna)
    kill, describe = once(server.kill), world.desk.describe
    world.desk.describe = lambda ref: (kill(), describe(ref))[1]  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="does not answer"):
        thread.invoke("crm.create_task", TASK, call_id="c1")
    assert world.desk.effects == []
    server.start()
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "executed"
    assert len(world.desk.effects) == 1


def test_between_the_claim_and_the_run_nothing_runs(world: World, server: Server) -> None:
    """Flags that cannot be read count as pressed; the claim stands, and what became of the call is unknown."""
    gateway = world.gateway(file=True, credentials=CREDENTIALS)
    thread = gateway.open(world.sdr, party=world.anna)
    kill, pressed = once(server.kill), gateway.kill_switch.pressed
    gateway.kill_switch.pressed = lambda scopes: (kill(), pressed(scopes))[1]  # type: ignore[method-assign]
    result = thread.invoke("crm.create_task", TASK, call_id="c1")
    assert (result.status, result.code, world.desk.effects) == ("unknown", Code.STORE_UNAVAILABLE, [])
    server.start()
    assert [row["state"] for row in world.rows(gateway, "calls")] == ["claimed"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_while_the_tool_runs_the_claim_is_kept(world: World, server: Server, moment: str) -> None:
    """The outcome is unknown to the caller, the claim outlives the crash, and nobody does it again."""
    gateway = world.gateway(file=True, credentials=CREDENTIALS)
    thread = gateway.open(world.sdr, party=world.anna)
    setattr(world.desk, moment, once(server.kill))
    result = thread.invoke("crm.create_task", TASK, call_id="c1")
    assert (result.status, result.code, result.stop) == ("unknown", Code.STORE_UNAVAILABLE, True)
    assert len(world.desk.effects) == 1
    server.start()
    assert [row["state"] for row in world.rows(gateway, "calls")] == ["claimed"]
    assert thread.invoke("crm.create_task", TASK, call_id="c1").code == Code.IN_PROGRESS
    assert thread.invoke("crm.create_task", TASK, call_id="c2").code in (Code.IN_PROGRESS, Code.DUPLICATE)
    world.clock.forward(minutes=5)
    assert thread.invoke("crm.create_task", TASK, call_id="c1").code == Code.OUTCOME_UNKNOWN
    other = thread.invoke("crm.create_task", TASK | {"subject": "Something else"}, call_id="c3")
    assert other.status == "executed"
    assert len(world.desk.effects) == 2
    assert list(gateway.audit.broken(thread.id)) == []


def test_a_conversation_goes_on_after_the_server_came_back(world: World, server: Server) -> None:
    """Checkpoints on the same server: the message that met the crash is a store error, and the next one is served."""
    gateway = world.gateway(file=True, credentials=CREDENTIALS)
    model = ScriptedModel(call("crm.create_task", **TASK), "Done.", "Here I am.")
    with Session(guarded_agent(model, gateway), gateway, checkpointer=world.database.checkpoints) as session:
        world.desk.after = once(server.kill)
        with pytest.raises(StoreError, match="does not answer"):
            session.start("Remind me", world.sdr, speaker="user", party=world.anna, thread_id="t1")
        assert len(world.desk.effects) == 1
        server.start()
        assert session.start("Hello", world.sdr, speaker="user").status in ("delivered", "escalated")
        assert len(world.desk.effects) == 1
