"""Agents: added to an environment, known by their name in every record, and revoked alone, at once and for good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent_guard.audit import Audit
from agent_guard.cli.storage import keys_of
from agent_guard.credentials import FileCredentials, MemoryCredentials, Secrets, key_variables
from agent_guard.errors import ConfigError, StoreError
from agent_guard.gateway import Gateway
from agent_guard.graph.wire import wire_name
from agent_guard.nodes import guarded_agent
from agent_guard.operations import agents, enrolment
from agent_guard.operations.button import set_flag
from agent_guard.operations.scopes import agent_flags, revocation, revoked
from agent_guard.session import Session
from agent_guard.settings import Settings
from agent_guard.store import Store
from agent_guard.testing import ScriptedModel, call
from agent_guard.tool import tool
from agent_guard.types import Code
from tests.conftest import Note, NoteSent, World

pytestmark = pytest.mark.databases

ROOT = Path(__file__).parents[2]
TASK = {"deal_id": "42", "subject": "Call"}
ASK = {"crm.create_task": {"mode": "approve"}}
HELD = {"dev": {"sdr": {"crm_token": "sdr-value"}, "bot": {"crm_token": "bot-value"}}}


def add(gateway: Gateway, name: str, environment: str = "dev") -> None:
    """Adds an agent to the database of a gateway."""
    enrolment.add(
        gateway.store, gateway.audit, name, environment=environment, reason="new", by="ops", now=gateway.now()
    )


def revoke(gateway: Gateway, name: str, environment: str = "dev") -> None:
    """Revokes one."""
    enrolment.revoke(
        gateway.store, gateway.audit, name, environment=environment, reason="leaked", by="ops", now=gateway.now()
    )


def run(gateway: Gateway, world: World, subject: str = "Call") -> Any:
    """One call of a new conversation."""
    thread = gateway.open(world.sdr, party=world.anna)
    return thread.invoke("crm.create_task", {"deal_id": "42", "subject": subject})


@pytest.fixture(name="base")
def _base(world: World) -> Gateway:
    """A gateway of the default agent on the shared database, to which two agents were added."""
    gateway = world.gateway(file=True)
    for name in ("sdr", "bot"):
        add(gateway, name)
    return gateway


# ---- who an agent is


@pytest.mark.req("A2")
@pytest.mark.parametrize("environment", ["dev", "stage", "prod"])
def test_a_gateway_is_only_built_for_an_agent_of_its_environment(world: World, environment: str) -> None:
    """An agent that nobody added to exactly this environment is refused, and the default one needs no adding."""
    options: dict[str, Any] = {"file": True, "credentials": MemoryCredentials(), "environment": environment}
    base = world.gateway(**options)
    assert base.agent == "default"
    for other in {"dev", "stage", "prod"} - {environment}:
        add(base, "sdr", other)
    with pytest.raises(ConfigError, match=f"there is no agent 'sdr' in {environment}; add it .* agents add sdr"):
        world.gateway(agent="sdr", **options)
    add(base, "sdr", environment)
    assert world.gateway(agent="sdr", **options).agent == "sdr"


@pytest.mark.req("A2")
def test_a_database_in_memory_has_the_default_agent_alone(world: World) -> None:
    """Nobody can have been added to a database that was just made."""
    with pytest.raises(ConfigError, match="there is no agent 'sdr'"):
        world.gateway(agent="sdr")


@pytest.mark.req("A2", "A5", "B8")
def test_the_record_names_the_agent_of_every_call(world: World, base: Gateway) -> None:
    """Events of a conversation, of an answer and the decision's facts carry the agent of the gateway that wrote them."""
    gateway = world.gateway(world.policy(ASK), file=True, agent="sdr")
    thread = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    asked = thread.invoke("crm.create_task", TASK)
    assert thread.resume(asked.approval_id, "approve", by=world.boss).status == "executed"
    thread.invoke("crm.create_task", TASK | {"subject": "B"})
    gateway.step(thread.row)
    events = [event.data for event in gateway.audit.events(thread="t1")]
    assert {event["kind"] for event in events} >= {"opened", "proposed", "asked", "answered", "finished", "expired"}
    assert {event["agent"] for event in events} == {"sdr"}
    assert {event["facts"]["agent"] for event in events if event["facts"]} == {"sdr"}


@pytest.mark.req("A2")
@pytest.mark.parametrize("name", ["", "SDR", "a b", "a/b", "агент", "-a", "x" * 101, "a\n"])
def test_a_name_that_is_none_is_refused(base: Gateway, name: str) -> None:
    """A name is short, lower-case and holds no slash, which would make it another agent's flag."""
    with pytest.raises(ConfigError, match="is no agent's name"):
        add(base, name)


@pytest.mark.req("A2")
@pytest.mark.parametrize(("name", "message"), [("sdr", "is there already"), ("default", "from the beginning")])
def test_a_name_is_given_once(base: Gateway, name: str, message: str) -> None:
    """Neither another agent's name nor the default one's can be added."""
    with pytest.raises(ConfigError, match=message):
        add(base, name)


@pytest.mark.req("A2", "B10")
@pytest.mark.parametrize(("name", "fine"), [("sdr-2", False), ("sdr.2", False), ("sdr2", True), ("default-2", False)])
def test_two_agents_never_share_a_variable(base: Gateway, name: str, fine: bool) -> None:
    """A name whose variables could be another agent's of the environment is refused; elsewhere it may be given."""
    if not fine:
        with pytest.raises(ConfigError, match="could not be told from those of"):
            add(base, name)
    else:
        add(base, name)
    if not name.startswith("default"):
        add(base, name, "stage")


@pytest.mark.req("A5")
@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_change_needs_a_reason(base: Gateway, reason: str) -> None:
    """Adding and revoking say why, in a sentence."""
    given: dict[str, Any] = {"environment": "dev", "reason": reason, "by": "ops", "now": base.now()}
    for change in (enrolment.add, enrolment.revoke):
        with pytest.raises(ConfigError, match="give a reason"):
            change(base.store, base.audit, "x", **given)


@pytest.mark.req("A5", "B8")
def test_adding_and_revoking_are_recorded(base: Gateway) -> None:
    """The system's chain says who added and revoked whom, where and why, and holds."""
    revoke(base, "sdr")
    events = [event.data for event in base.audit.events(thread="system/-")]
    assert [(event["kind"], event["agent"], event["environment"]) for event in events] == [
        ("agent_added", "sdr", "dev"),
        ("agent_added", "bot", "dev"),
        ("agent_revoked", "sdr", "dev"),
    ]
    assert (events[2]["actor"], events[2]["reason"]) == ({"user_id": "ops"}, "leaked")
    assert list(base.audit.broken("system/-")) == []
    with base.store.read() as connection:
        row = agents.find(connection, "sdr", "dev")
    assert row is not None
    assert (row.created_by, row.revoked_by, row.reason) == ("ops", "ops", "leaked")


# ---- revocation


@pytest.mark.req("A2", "B11")
def test_a_revoked_agent_stops_at_once_and_nothing_else_does(world: World, base: Gateway) -> None:
    """A running gateway of the revoked agent runs nothing more; other agents, environments and the CRM go on."""
    add(base, "sdr", "stage")
    sdr, bot = (world.gateway(file=True, agent=name) for name in ("sdr", "bot"))
    stage = world.gateway(file=True, agent="sdr", environment="stage", credentials=world.key())
    assert run(sdr, world, "A").status == "executed"
    revoke(base, "sdr")
    stopped = run(sdr, world, "B")
    assert (stopped.status, stopped.code, stopped.stop) == ("denied", Code.KILLED, True)
    for gateway, subject in ((bot, "C"), (stage, "D"), (base, "E")):
        assert run(gateway, world, subject).status == "executed"
    assert len(world.desk.effects) == 4


@pytest.mark.req("A2", "A5")
def test_a_refusal_says_that_the_agent_was_revoked(world: World, base: Gateway) -> None:
    """The record and a person are told that it was a revocation; the model is told to stop."""
    sdr = world.gateway(file=True, agent="sdr")
    thread = sdr.open(world.sdr, party=world.anna)
    revoke(base, "sdr")
    decision = thread.check("crm.create_task", TASK)
    assert "The agent sdr was revoked in dev." in decision.for_human
    assert "revoked" not in decision.for_model


@pytest.mark.req("A2")
def test_the_default_agent_can_be_revoked(world: World) -> None:
    """It needs no row to be revoked, and stays so in every later gateway."""
    gateway = world.gateway(file=True)
    revoke(gateway, "default")
    assert run(gateway, world).code == Code.KILLED
    assert run(world.gateway(file=True), world).code == Code.KILLED
    with pytest.raises(ConfigError, match="was revoked in dev before, by ops"):
        revoke(gateway, "default")


@pytest.mark.req("A2")
def test_revoking_nobody_changes_nothing(world: World, base: Gateway) -> None:
    """A typing error in the name, or in the environment, is told; no flag is pressed and nothing is recorded."""
    before = world.dump(base)
    for name, environment in (("sdx", "dev"), ("sdr", "prod")):
        with pytest.raises(ConfigError, match=f"there is no agent '{name}' in {environment}"):
            revoke(base, name, environment)
    assert world.dump(base) == before


@pytest.mark.req("A2")
def test_a_revocation_is_whole_or_not_at_all(base: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row, flag and record are one durable transaction."""
    durable = []
    write = base.store.write
    monkeypatch.setattr(base.store, "write", lambda **options: durable.append(options) or write(**options))
    monkeypatch.setattr(base.audit, "append", lambda *_, **__: (_ for _ in ()).throw(StoreError("full")))
    with pytest.raises(StoreError):
        revoke(base, "sdr")
    assert [options["durable"] for options in durable] == [True]
    assert base.kill_switch.pressed(agent_flags("dev", "sdr")) == ()
    with base.store.read() as connection:
        row = agents.find(connection, "sdr", "dev")
    assert row is not None
    assert row.revoked is None


@pytest.mark.req("A2")
def test_there_is_no_way_back(world: World, base: Gateway) -> None:
    """A revoked agent is neither revived by the button nor added again; another name is the way on."""
    revoke(base, "sdr")
    sdr = world.gateway(file=True, agent="sdr")
    for scope, message in (("agent:sdr", "was revoked in dev by ops"), ("agent:dev/sdr", "covers nothing here")):
        with pytest.raises(ConfigError, match=message):
            sdr.revive(scope, reason="please", by="boss")
    with pytest.raises(ConfigError, match="was revoked, and its name is not given again"):
        add(base, "sdr")
    sdr.revive(reason="everything", by="boss")
    assert run(sdr, world).code == Code.KILLED
    add(base, "seller")
    assert run(world.gateway(file=True, agent="seller"), world).status == "executed"


@pytest.mark.req("A31")
def test_the_button_of_an_agent_is_another_matter(world: World, base: Gateway) -> None:
    """An agent that was only switched off is switched on again; a flag of nobody is refused."""
    sdr = world.gateway(file=True, agent="sdr")
    base.press("agent:sdr", reason="drill", by="m7")
    assert run(sdr, world, "A").code == Code.KILLED
    assert run(base, world, "B").status == "executed"
    sdr.revive("agent:sdr", reason="over", by="m7")
    assert run(sdr, world, "C").status == "executed"
    with pytest.raises(ConfigError, match="there is: bot, default, sdr"):
        base.press("agent:sdx", reason="drill", by="m7")


@pytest.mark.req("A2")
def test_an_agent_revoked_elsewhere_can_be_switched_on_here(world: World, base: Gateway) -> None:
    """The button of one environment is not stuck because of a revocation in another one, which stays."""
    add(base, "sdr", "prod")
    revoke(base, "sdr", "prod")
    base.press("agent:sdr", reason="drill", by="m7")
    base.revive("agent:sdr", reason="over", by="m7")
    assert run(world.gateway(file=True, agent="sdr"), world).status == "executed"
    assert base.kill_switch.pressed(agent_flags("prod", "sdr")) == ("agent:prod/sdr",)
    given: dict[str, Any] = {"pressed": False, "reason": "x", "by": "x", "now": base.now()}
    with pytest.raises(ConfigError, match="revoked in prod"):
        set_flag(base.store, base.audit, "agent:sdr", environment="prod", **given)


@pytest.mark.req("A2", "A12")
def test_an_agent_revoked_after_the_approval_does_not_run(world: World, base: Gateway) -> None:
    """A human's yes to a call is no yes to an agent that is revoked by the time it runs."""
    gateway = world.gateway(world.policy(ASK), file=True, agent="sdr")
    model = ScriptedModel(call("crm.create_task", **TASK), "Done.")
    session = Session(guarded_agent(model, gateway), gateway, checkpointer=world.database.checkpoints)
    asked = session.start("Do it", world.sdr, speaker="user", party=world.anna)
    gateway.answer(asked.pending.id, "approve", by=world.boss)
    revoke(base, "sdr")
    reply = session.resume(asked.pending.id, "approve", by=world.boss)
    assert (reply.status, reply.code, world.desk.effects) == ("escalated", Code.KILLED, [])
    session.close()


@pytest.mark.req("A2", "A8")
def test_an_agent_revoked_after_the_claim_does_not_run(world: World, base: Gateway) -> None:
    """The last look before the run sees a revocation that came between."""
    sdr = world.gateway(file=True, agent="sdr")
    real = sdr.kill_switch.pressed

    def late(scopes: Any) -> Any:
        revoke(base, "sdr")
        return real(scopes)

    sdr.kill_switch.pressed = late  # type: ignore[method-assign]
    done = run(sdr, world)
    assert (done.status, done.code, world.desk.effects) == ("failed", Code.KILLED, [])


PROCESS = """
import sys
from tests.conftest import World

world = World.at(sys.argv[1:])
thread = world.gateway(file=True, agent="sdr").open(world.sdr, party=world.anna)
for line in sys.stdin:
    done = thread.invoke("crm.create_task", {"deal_id": "42", "subject": line.strip()})
    print(done.status, done.code, flush=True)
"""


@pytest.mark.req("A2", "B11")
def test_another_process_sees_a_revocation_at_its_next_call(world: World, base: Gateway) -> None:
    """A process that runs already, on the same database, runs nothing after the revocation was written by this one."""
    other = subprocess.Popen(
        [sys.executable, "-c", PROCESS, *world.home],
        cwd=world.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        told = []
        for subject in ("A", "B", "C"):
            if subject == "C":
                revoke(base, "sdr")
            other.stdin.write(f"{subject}\n")
            other.stdin.flush()
            told.append(other.stdout.readline().strip())
        other.stdin.close()
        assert other.wait(30) == 0
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert told == ["executed allowed", "executed allowed", "denied killed"]
    assert len(world.desk.effects) == 2


@pytest.mark.req("A2")
@pytest.mark.databases("sqlite")
def test_an_agent_costs_no_query_of_its_own(world: World, base: Gateway) -> None:
    """A call of an added agent reads the flags as often as one of the default agent, and never the table of agents."""
    asked: dict[str, list[str]] = {}
    for name in ("default", "sdr"):
        gateway = world.gateway(file=True, agent=name)
        thread = gateway.open(world.sdr, party=world.anna)
        seen = asked.setdefault(name, [])
        database = gateway.store._database
        for connection in (*database._idle, database._writer._connection):
            connection.connection.driver_connection.set_trace_callback(seen.append)
        assert thread.invoke("crm.create_task", TASK | {"subject": name}).status == "executed"
    flags = [sum("switches" in text for text in asked[name]) for name in asked]
    assert flags[0] == flags[1] > 0
    assert not [text for text in asked["sdr"] if "agents" in text]


# ---- flags


@pytest.mark.parametrize(("scope", "expected"), [
    ("agent:dev/sdr", ("dev", "sdr")), ("agent:sdr", None), ("tool:a/b", None), ("*", None), ("agent:", None),
])  # fmt: skip
def test_a_revocations_flag_is_told_from_the_buttons(scope: str, expected: tuple[str, str] | None) -> None:
    """A name holds no slash, so the flag of a revocation is no flag of the button."""
    assert revoked(scope) == expected
    if expected:
        assert revocation(*expected) == scope


# ---- secrets


@tool(name="messages.send", effect="send", timeout_s=2, unmask={"text"})
def send(args: Note, desk: Any, secrets: Secrets) -> NoteSent:
    """Sends a note with the agent's token."""
    desk.do("note", length=len(secrets("crm_token").reveal()), ends=secrets("crm_token").reveal()[:3])
    return NoteSent(text=args.text)


def sender(world: World, agent: str, **options: Any) -> Gateway:
    """A gateway with one tool, which needs a secret."""
    rule = {"roles": ["sdr"], "mode": "execute"}
    data = {"version": 1, "name": "s.v1", "tools": {"messages.send": rule}}
    policy = world.policy().model_validate(data)
    return world.gateway(policy, tools=[send], file=True, agent=agent, **options)


def credentials(world: World) -> Any:
    """The shared database's own key, and two agents' secrets."""
    from agent_guard.credentials import SplitCredentials

    key = FileCredentials(world.database.key_file)
    return SplitCredentials(key=key, secrets=MemoryCredentials(secrets=HELD))


@pytest.mark.req("A2", "B10", "B11")
def test_a_tool_works_with_the_secrets_of_its_gateways_agent(world: World, base: Gateway) -> None:
    """Two agents with the same tool enter the other system each as itself."""
    for name in ("sdr", "bot"):
        gateway = sender(world, name, credentials=credentials(world))
        assert gateway.open(world.sdr).invoke("messages.send", {"text": f"Hi {name}"}).status == "executed"
    assert [item["ends"] for item in world.desk.effects] == ["sdr", "bot"]


@pytest.mark.req("B10", "B11")
def test_without_its_secret_a_tool_does_nothing_and_may_be_tried_again(world: World, base: Gateway) -> None:
    """An agent without the secret fails as not done, and the same call runs once the secret is there."""
    gateway = sender(world, "default", credentials=credentials(world))
    failed = gateway.open(world.sdr).invoke("messages.send", {"text": "Hi"})
    assert (failed.status, failed.code, world.desk.effects) == ("failed", Code.TOOL_UNAVAILABLE, [])
    events = gateway.audit.events(last=1)
    assert events[0].data["error"]["detail"] == "secret_missing"


@pytest.mark.req("A2", "B10")
def test_a_revoked_agent_gets_no_secret(world: World, base: Gateway) -> None:
    """After the revocation no source is asked for the agent's secrets."""
    asked: list[str] = []

    class Counting(MemoryCredentials):
        def master_key(self, environment: str | None = None) -> bytes:
            return FileCredentials(world.database.key_file).master_key()

        def secret(self, name: str, *, environment: str, agent: str) -> Any:
            asked.append(name)
            return super().secret(name, environment=environment, agent=agent)

    gateway = sender(world, "sdr", credentials=Counting(secrets=HELD))
    thread = gateway.open(world.sdr)
    assert thread.invoke("messages.send", {"text": "A"}).status == "executed"
    assert len(asked) == 2
    revoke(base, "sdr")
    assert thread.invoke("messages.send", {"text": "B"}).code == Code.KILLED
    assert len(asked) == 2


@pytest.mark.req("B3", "B10")
@pytest.mark.parametrize("name", ["secrets", "subject", "idempotency_key"])
def test_a_resource_cannot_take_the_gateways_own_names(world: World, name: str) -> None:
    """A resource of a reserved name would never reach a tool, so it is refused."""
    with pytest.raises(ConfigError, match=f"resource name '{name}' is taken"):
        world.gateway(resources={"desk": world.desk, name: object()})


@pytest.mark.req("A2")
def test_a_command_needs_no_gateway_to_revoke(world: World, base: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store and audit are enough, as on the command line: the button must work when a policy cannot be loaded."""
    for name in key_variables("dev"):  # the gateway's key is the file of dev
        monkeypatch.delenv(name, raising=False)
    settings = Settings(database=world.database.shared, environment="dev")
    store = Store(settings.database)
    audit = Audit(store, keys_of(settings, store))
    enrolment.revoke(store, audit, "bot", environment="dev", reason="x", by="ops", now=base.now())
    assert base.kill_switch.pressed(agent_flags("dev", "bot")) == ("agent:dev/bot",)
    assert list(base.audit.broken("system/-")) == []
    store.close()


def test_a_model_is_never_told_of_agents(world: World, base: Gateway) -> None:
    """What a model is sent holds neither the agent's name nor that tools have secrets."""
    gateway = sender(world, "sdr", credentials=credentials(world))
    model = ScriptedModel(AIMessage("Hello."))
    session = Session(guarded_agent(model, gateway), gateway, checkpointer=world.database.checkpoints)
    session.start("Hi", world.sdr, speaker="user")
    session.close()
    sent = repr(model.heard) + repr(model.tools)
    assert wire_name("messages.send") in sent
    assert "crm_token" not in sent
    assert "secrets" not in sent
