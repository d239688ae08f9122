"""The gateway itself: what is refused when it is built, who a thread belongs to, and what a proposal leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from agent_guard.calls import CALLS
from agent_guard.credentials import VARIABLE, MemoryCredentials
from agent_guard.errors import ConfigError, StoreError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.guards import Guard
from agent_guard.policy import Policy
from agent_guard.tool import tool
from agent_guard.types import Code, Objection, Party, Subject, ToolCall, ToolResult
from tests.conftest import World

pytestmark = pytest.mark.databases

# ---- built or refused


class Anything(BaseModel):
    text: str


class Reasoned(BaseModel):
    reason: str = Field(max_length=10)


def _free(args: Anything) -> Anything:
    """Takes any text."""
    return args


def _reasoned(args: Reasoned) -> Reasoned:
    """Takes the plan step's word."""
    return args


FREE = tool(name="x.free", effect="write", timeout_s=1)(_free)
REASONED = tool(name="x.reasoned", effect="write", timeout_s=1)(_reasoned)


def only(name: str, **rule: Any) -> Policy:
    """A policy that names one tool."""
    rules = {name: {"roles": ["sdr"], "mode": "execute"} | rule}
    return Policy.model_validate({"version": 1, "name": "p", "tools": rules})


@pytest.mark.req("A1", "B3", "B12", "B18")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"environment": "production"}, "none of dev, stage, prod"),
        ({"tools": [World.read_deal, World.read_deal]}, "the same name"),
        ({"policies": only("crm.read_deal")}, "named by no policy"),
        ({"tools": [World.read_deal]}, "names the tool"),
        ({"resources": {}}, "'desk'"),
        ({"records": None}, "records"),
        ({"tools": [FREE], "policies": only("x.free")}, "any length"),
        ({"tools": [REASONED], "policies": only("x.reasoned")}, "'reason'"),
        ({"tools": [World.read_deal], "policies": only("crm.read_deal", fields=["iban"])}, "fields names 'iban'"),
        ({"tools": [World.read_deal], "policies": only("crm.read_deal", bind={"owner": "party"})}, "bind names"),
        (
            {"tools": [World.read_deal], "policies": only("crm.read_deal", where={"required": ["owner"]})},
            "where.required names 'owner'",
        ),
        (
            {"tools": [World.read_deal], "policies": only("crm.read_deal", not_after={"due": "30d"})},
            "not_after names 'due'",
        ),
        ({"url": "oracle://x"}, "not supported"),
        ({"url": "not a url"}, "not a database url"),
    ],
)
def test_contradictions_are_refused_when_it_is_built(world: World, change: dict[str, Any], words: str) -> None:
    """Tools, policies and resources that contradict each other never make a gateway."""
    with pytest.raises(ConfigError, match=words):
        world.gateway(**change)


def test_a_bounded_text_is_accepted_through_the_policy(world: World) -> None:
    """Text of any length is accepted where the policy's ``where`` bounds it."""
    bounded = only("x.free", where={"properties": {"text": {"maxLength": 5}}})
    thread = world.gateway(bounded, tools=[FREE], records=None).open(world.sdr)
    assert thread.invoke("x.free", {"text": "short"}).status == "executed"
    assert thread.invoke("x.free", {"text": "longer"}).code is Code.ARGUMENT_NOT_PERMITTED


def test_without_records_a_write_runs_and_is_recorded_as_not_verified(world: World) -> None:
    """A gateway without a system of record says in the audit that nothing was read back."""
    policy = only("messages.send")
    thread = world.gateway(policy, tools=[world.send_note], records=None).open(world.sdr)
    assert thread.invoke("messages.send", {"text": "Hello"}).status == "executed"
    finished = thread.gateway.audit.events(thread=thread.id)[-1].data
    assert (finished["kind"], finished["result_meta"]["verified"]) == ("finished", False)


@pytest.mark.req("A2", "B10")
def test_outside_dev_the_master_key_comes_from_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway of ``prod`` with a database file has no key of its own making."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=VARIABLE):
        world.gateway(file=True, environment="prod")
    monkeypatch.setenv(VARIABLE, "QUFB" * 11)
    with pytest.raises(ConfigError, match="32 bytes"):
        world.gateway(file=True, environment="prod")


def test_dev_makes_a_key_file_that_only_its_owner_reads(world: World) -> None:
    """In ``dev`` the key lies beside the database or in the guard's own folder, and the next gateway reads it."""
    first = world.gateway(file=True)
    key = world.database.key_file
    assert key.stat().st_mode & 0o777 == 0o600
    opened = first.open(world.sdr, user_text="Write to anna@kowalska.example", thread_id="t1")
    assert opened.text == "Write to <EMAIL_1>"
    again = world.gateway(file=True).thread("t1")
    assert again.restore("<EMAIL_1>", reader="user") == "anna@kowalska.example"


def test_another_master_key_does_not_open_the_vault(world: World) -> None:
    """A database and the wrong key are an error, never an empty vault."""
    world.gateway(file=True).open(world.sdr, user_text="Write to anna@kowalska.example", thread_id="t1")
    with pytest.raises(ConfigError, match="master key"):
        world.gateway(file=True, credentials=MemoryCredentials())


@pytest.mark.parametrize(
    ("path", "words"), [("missing/guard.db", "folder"), ("folder", "unable to open|cannot be used")]
)
def test_an_unusable_database_is_named(world: World, path: str, words: str) -> None:
    """A database that cannot be opened is refused with its name and what to do."""
    (world.folder / "folder").mkdir()
    with pytest.raises(StoreError, match=words):
        world.gateway(url=f"sqlite:///{world.folder}/{path}", credentials=MemoryCredentials())


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=5))])
def test_a_clock_of_another_zone_is_refused(world: World, zone: timezone | None) -> None:
    """Days are counted and events are written in UTC; a clock that tells anything else is named at the start."""
    with pytest.raises(ConfigError, match="the clock gives times of another zone"):
        world.gateway(clock=lambda: datetime(2026, 1, 5, tzinfo=zone))


# ---- threads


def test_a_thread_is_opened_again_by_its_subject(world: World) -> None:
    """The same id, subject, party and scope is the same conversation."""
    gateway = world.gateway()
    first = gateway.open(world.sdr, thread_id="t1", party=world.anna, scope={"crm.read_deal"})
    again = gateway.open(world.sdr, thread_id="t1", party=world.anna, scope={"crm.read_deal"})
    assert again.row.id == first.row.id
    assert world.kinds(first) == ["opened"]
    assert len(first.vault().entries()) == 3, "the party's own data is learnt once"


@pytest.mark.req("A5")
def test_no_thread_stands_in_the_systems_chain(world: World) -> None:
    """There the record keeps what belongs to no conversation; a host that passes such an id on is told."""
    with pytest.raises(ConfigError, match="does not begin with system/"):
        world.gateway().open(world.sdr, thread_id="system/acme")


@pytest.mark.req("B5")
@pytest.mark.parametrize(
    "change",
    [
        {"subject": Subject(id="u2", tenant="acme", roles={"sdr"}, region="kz")},
        {"subject": Subject(id="u1", tenant="other", roles={"sdr"}, region="kz")},
        {"scope": None},
        {"scope": {"crm.read_deal", "crm.create_task"}},
        {"party": None},
        {"party": Party(id="contact:18")},
    ],
)
def test_a_thread_is_nobody_elses(world: World, change: dict[str, Any]) -> None:
    """A stored id with another subject, tenant, customer or scope is refused, and nothing is widened."""
    gateway = world.gateway()
    given: dict[str, Any] = {"subject": world.sdr, "party": world.anna, "scope": {"crm.read_deal"}}
    gateway.open(thread_id="t1", **given)
    with pytest.raises(ConfigError, match="belongs to another conversation"):
        gateway.open(thread_id="t1", **(given | change))
    assert gateway.thread("t1").row.scope == ("crm.read_deal",)


@pytest.mark.req("A20")
def test_a_first_message_opens_no_thread_that_is_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a new id begins a conversation, also where somebody opens it while the text is masked; nothing of the text
    is kept then.
    """
    gateway = world.gateway()
    begun = gateway.begin(world.sdr, "Call me.", origin="user", thread_id="t1", party=world.anna)
    assert begun is not None
    assert (begun[0].row, begun[1:]) == (gateway.thread_row("t1", fresh=True), ("Call me.", "m1"))
    stored = world.dump(gateway)
    assert gateway.begin(world.sdr, "And write.", origin="user", thread_id="t1", party=world.anna) is None
    assert world.dump(gateway) == stored
    real = world.masker.mask

    def mask(*given: Any, **options: Any) -> str:
        monkeypatch.undo()
        gateway.open(world.sdr, thread_id="t2", party=world.anna)
        stored.update(world.dump(gateway))
        return real(*given, **options)

    monkeypatch.setattr(world.masker, "mask", mask)
    assert gateway.begin(world.sdr, "Call new@mail.example.", origin="user", thread_id="t2", party=world.anna) is None
    assert world.dump(gateway) == stored
    many = Party(id="contact:18", known={"EMAIL": [f"a{n}@mail.example" for n in range(250)]})
    assert gateway.begin(world.sdr, "Hello.", origin="party", party=many) is not None, "what the host knows is not new"
    with pytest.raises(ConfigError, match="1 to 100 letters"):
        gateway.begin(world.sdr, "Call me.", origin="user", thread_id="a b")


def test_the_stored_roles_are_those_of_the_opening(world: World) -> None:
    """Opening a thread again with more roles gives it none: the roles of the first opening count."""
    gateway = world.gateway()
    weak = Subject(id="u1", tenant="acme", roles={"intern"}, region="kz")
    gateway.open(weak, thread_id="t1", party=world.anna)
    again = gateway.open(world.sdr, thread_id="t1", party=world.anna)
    assert again.invoke("crm.read_deal", {"deal_id": "42"}).code is Code.ROLE


def test_a_scope_outside_the_policy_is_refused(world: World) -> None:
    """A scope is a part of the policy, never more."""
    with pytest.raises(ConfigError, match=r"'crm\.delete'"):
        world.gateway().open(world.sdr, scope={"crm.delete"})


def test_an_unknown_thread_is_an_error(world: World) -> None:
    """A thread that was never opened has no rights at all."""
    with pytest.raises(UnknownThread, match="t9"):
        world.gateway().thread("t9")


def test_each_scenario_has_its_policy(world: World) -> None:
    """A gateway of several policies takes the scenario's, and refuses a scenario that has none."""
    policies = {"sales": world.policy(), "care": only("crm.read_deal")}
    gateway = world.gateway(policies=policies)
    assert len(gateway.open(world.sdr, scenario="sales").permitted()) == 4
    assert [item.name for item in gateway.open(world.sdr, scenario="care").permitted()] == ["crm.read_deal"]
    for scenario in (None, "other"):
        with pytest.raises(ConfigError, match="care, sales"):
            gateway.open(world.sdr, scenario=scenario)


@pytest.mark.req("A1")
def test_a_tool_of_another_scenario_is_denied(world: World) -> None:
    """A corridor ends at its policy: what another scenario may do is not permitted here."""
    gateway = world.gateway(policies={"sales": world.policy(), "care": only("crm.read_deal")})
    thread = gateway.open(world.sdr, scenario="care", party=world.anna)
    result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"})
    assert (result.status, result.code) == ("denied", Code.TOOL_NOT_PERMITTED)
    assert world.desk.effects == []


# ---- proposals


def call(id: str = "c1", tool: str = "crm.create_task", **args: Any) -> ToolCall:
    """A proposal in thread ``t1``."""
    return ToolCall(id=id, tool=tool, args=args or {"deal_id": "42", "subject": "Call"}, thread="t1")


def opened(world: World, **options: Any) -> tuple[Gateway, Any]:
    """A gateway with thread ``t1``."""
    gateway = world.gateway(**options)
    return gateway, gateway.open(world.sdr, thread_id="t1", party=world.anna).row


@pytest.mark.req("A6", "B7")
def test_the_same_call_proposed_twice_is_one_row(world: World) -> None:
    """Proposing is idempotent by thread, call id and digest: no second row, event or attempt."""
    gateway, thread = opened(world)
    first = gateway.propose(thread, call())
    before = world.dump(gateway)
    again = gateway.propose(thread, call())
    assert again.row.trace_id == first.row.trace_id
    assert world.dump(gateway) == before


def test_the_same_question_is_asked_once(world: World) -> None:
    """A pending call proposed again keeps its one question."""
    gateway, thread = opened(world)
    stage = call(tool="crm.set_stage", deal_id="42", stage="won")
    first = gateway.propose(thread, stage)
    again = gateway.propose(thread, stage)
    assert first.approval is not None
    assert again.approval == first.approval
    assert again.decision.outcome == "require_approval"
    assert len(world.rows(gateway, "approvals")) == 1


def test_the_same_id_with_other_arguments_is_another_call(world: World) -> None:
    """A call id does not carry a decision over to other arguments."""
    gateway, thread = opened(world)
    first = gateway.propose(thread, call())
    second = gateway.propose(thread, call(deal_id="43", subject="Call"))
    assert first.row.trace_id != second.row.trace_id
    assert (first.row.state, second.row.state, second.row.code) == ("proposed", "denied", Code.BINDING)
    assert len(world.rows(gateway, "calls")) == 2


def test_defaults_are_filled_before_the_digest(world: World) -> None:
    """A default that is left out and one that is written are the same call."""
    gateway, thread = opened(world)
    first = gateway.propose(thread, call())
    again = gateway.propose(thread, call(deal_id="42", subject="Call", urgent=False))
    assert again.row.trace_id == first.row.trace_id


@pytest.mark.req("A12")
def test_a_changed_record_makes_another_question(world: World) -> None:
    """The digest holds the record's version: after a change the same call is asked anew, the old question ends."""
    gateway, thread = opened(world)
    stage = call(tool="crm.set_stage", deal_id="42", stage="won")
    first = gateway.propose(thread, stage)
    world.desk.change("42", "lost")
    second = gateway.propose(thread, stage)
    assert first.approval is not None and second.approval is not None
    assert first.approval.digest != second.approval.digest
    assert [row["state"] for row in world.rows(gateway, "calls")] == ["expired", "pending"]
    assert [item.id for item in gateway.approvals.list(now_ms=gateway.now_ms())] == [second.approval.id]


@pytest.mark.req("A12")
def test_a_thread_has_one_question_at_most(world: World) -> None:
    """A newer question replaces the pending one, which can no longer be answered."""
    gateway, thread = opened(world)
    for id, stage in (("c1", "won"), ("c2", "lost")):
        gateway.propose(thread, call(id, "crm.set_stage", deal_id="42", stage=stage))
    waiting = gateway.approvals.list(now_ms=gateway.now_ms())
    assert [item.shown["args"]["stage"] for item in waiting] == ["lost"]
    assert world.rows(gateway, "threads")[0]["replaced"]


def test_the_question_shows_the_change_and_no_value(world: World) -> None:
    """What a human is shown: masked arguments, the record by its pseudonym, before and after, and where values came from."""
    gateway, thread = opened(world)
    asked = gateway.propose(thread, call(tool="crm.set_stage", deal_id="42", stage="won")).approval
    assert asked is not None
    assert asked.shown["diff"] == {"before": {"stage": "new"}, "after": {"stage": "won"}}
    assert asked.shown["records"] == [{"argument": "deal_id", "ref": "deal:42", "name": "<PERSON_1>", "version": "v1"}]
    assert "| stage | new | won |" in asked.shown["description"]
    assert (asked.requester, asked.tenant, asked.roles, asked.not_requester) == ("u1", "acme", ("manager",), True)
    assert asked.expires - asked.created == 24 * 3600 * 1000


@pytest.mark.req("A23")
def test_a_name_that_no_recognizer_finds_is_masked_all_the_same(world: World) -> None:
    """A record's display name is a pseudonym in the question and the record, whatever the recognizers see in it."""
    world.desk.deals["42"] = replace(world.desk.deals["42"], name="Zofia Malinowska")
    gateway, thread = opened(world)
    asked = gateway.propose(thread, call(tool="crm.set_stage", deal_id="42", stage="won")).approval
    assert asked is not None
    assert asked.shown["records"][0]["name"] == "<ORG_1>"
    assert "Malinowska" not in str(world.dump(gateway))


def test_a_title_is_shown_as_its_field_is(world: World) -> None:
    """A display name that stands in a plain field of the record is no person's name."""
    world.desk.deals["42"] = replace(world.desk.deals["42"], name="Trucks")
    gateway, thread = opened(world)
    asked = gateway.propose(thread, call(tool="crm.set_stage", deal_id="42", stage="won")).approval
    assert asked is not None
    assert asked.shown["records"][0]["name"] == "Trucks"


@pytest.mark.req("B3")
def test_an_extra_guard_can_tighten(world: World) -> None:
    """An extra guard's objection counts like a built-in one's, and stands in the record."""
    never = Objection(outcome="deny", code=Code.INTERNAL, for_model="No.", for_human="Never.")
    guard = Guard("never", lambda call, tool, policy, facts: never)
    gateway, thread = opened(world, extra_guards=[guard])
    proposal = gateway.propose(thread, call())
    assert proposal.row.state == "denied"
    assert [item.guard for item in proposal.decision.guards][-1] == "never"


def test_an_extra_guard_that_asks_needs_approvers(world: World) -> None:
    """A question that nobody may answer is a denial: absent means denied."""
    ask = Objection(outcome="require_approval", code=Code.APPROVAL_REQUIRED, for_model="Ask.", for_human="Ask.")
    gateway, thread = opened(world, extra_guards=[Guard("ask", lambda call, tool, policy, facts: ask)])
    proposal = gateway.propose(thread, call(tool="crm.read_deal", deal_id="42"))
    assert (proposal.row.state, proposal.decision.code) == ("denied", Code.APPROVER_UNKNOWN)


@pytest.mark.req("A23", "B5")
@pytest.mark.parametrize(("name", "deal"), [("crm.create_task", "43"), ("crm.read_deal", "44")])
def test_a_denied_record_leaves_no_pseudonym(world: World, name: str, deal: str) -> None:
    """A record that may not be seen gives the thread no capability: its name gets no pseudonym the model could use."""
    gateway, thread = opened(world)
    args = {"deal_id": deal} | ({"subject": "Call"} if name == "crm.create_task" else {})
    assert gateway.propose(thread, call(tool=name, **args)).row.state == "denied"
    values = [entry.value for entry in gateway.vault.of(thread).entries()]
    assert sorted(values) == ["+48 512 345 678", "Anna Kowalska", "anna@kowalska.example"]


@pytest.mark.databases
@pytest.mark.req("B5", "A5")
@pytest.mark.parametrize(
    ("name", "more"),
    [("crm.read_deal", {}), ("crm.create_task", {"subject": "Call"}), ("crm.set_stage", {"stage": "won"})],
)
def test_one_gateway_serves_two_companies(world: World, name: str, more: dict[str, str]) -> None:
    """Where records name a company, each company's users reach its own; of the other's not even the party is recorded."""
    world.desk.deals |= {
        id: replace(world.desk.deals["42"], tenant=tenant, party=f"contact:{tenant}", name=f"Deal of {tenant}")
        for id, tenant in (("42", "acme"), ("43", "globex"))
    }
    whose = {"bind": {"deal_id": "subject"}}
    policy = world.policy({"crm.create_task": whose, "crm.set_stage": whose})
    gateway = world.gateway(policy)
    users = {tenant: Subject(id="u1", tenant=tenant, roles={"sdr"}, region="kz") for tenant in ("acme", "globex")}
    for deal, mine, theirs in (("42", "acme", "globex"), ("43", "globex", "acme")):
        allowed = gateway.open(users[mine], user_text=f"Look at deal {deal}")
        assert allowed.check(name, {"deal_id": deal, **more}).outcome != "deny"
        stranger = gateway.open(users[theirs], user_text=f"Look at deal {deal}")
        missing = stranger.invoke(name, {"deal_id": "999", **more})
        result = stranger.invoke(name, {"deal_id": deal, **more})
        assert (result.status, result.code, result.content) == ("denied", Code.RECORD_NOT_FOUND, missing.content)
        recorded = str([event.body for event in gateway.audit.events(thread=stranger.id)])
        assert mine not in recorded
    assert world.desk.effects == []


@pytest.mark.req("A5", "B8", "B16")
def test_a_proposal_is_recorded_with_its_facts(world: World) -> None:
    """The record of a decision holds who, what, why, by which policy and every guard, and no raw value."""
    gateway, _ = opened(world)
    guarded = gateway.thread("t1")
    guarded.invoke("crm.create_task", {"deal_id": "42", "subject": "Call Anna Kowalska"}, reason="She asked.")
    proposed, decided, started, finished = [item.data for item in gateway.audit.events(thread="t1")][1:]
    assert [item["kind"] for item in (proposed, decided, started, finished)] == [
        "proposed", "decided", "started", "finished",
    ]  # fmt: skip
    assert proposed["args_redacted"] == {"deal_id": "42", "subject": "Call <PERSON_1>", "urgent": False}
    assert proposed["reason"] == "She asked."
    assert decided["actor"] == {"user_id": "u1", "tenant": "acme", "roles": ["sdr"], "region": "kz"}
    assert decided["decision"]["outcome"] == "allow"
    assert len({item["trace_id"] for item in (proposed, decided, started, finished)}) == 1
    assert len(finished["trace_id"]) == 26
    assert list(gateway.audit.broken("t1")) == []
    assert "Kowalska" not in str([item.body for item in gateway.audit.events()])


# ---- the red button


@pytest.mark.req("A31")
@pytest.mark.parametrize("scope", ["*", "tenant:acme", "tool:crm.create_task", "agent:default"])
def test_the_red_button_denies_and_releases(world: World, scope: str) -> None:
    """A pressed flag that covers a call denies it; released, the next call runs."""
    thread = world.thread()
    thread.gateway.press(scope, reason="drill", by="m7")
    result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"})
    assert (result.status, result.code, result.stop) == ("denied", Code.KILLED, True)
    thread.gateway.revive(scope, reason="over", by="m7")
    assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"}).status == "executed"
    assert [item.data["kind"] for item in thread.gateway.audit.events(thread="system/-")] == ["killed", "revived"]


@pytest.mark.req("A31")
@pytest.mark.parametrize("scope", ["tenant:other", "tool:crm.read_deal", "scenario:sales"])
def test_the_red_button_stops_what_it_covers_only(world: World, scope: str) -> None:
    """A flag for something else does not stop a call."""
    thread = world.thread()
    thread.gateway.press(scope, reason="drill", by="m7")
    assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"}).status == "executed"


def test_a_scope_that_is_none_is_refused(world: World) -> None:
    """A typing error in the red button's scope is told, not stored."""
    with pytest.raises(ConfigError, match="is no scope"):
        world.gateway().press("tol:crm.create_task", reason="drill", by="m7")


# ---- steps


@pytest.mark.req("A3", "A22")
def test_steps_are_counted_for_the_thread(world: World) -> None:
    """A thread has the steps of its policy, whatever process counts them."""
    limits = {"steps_per_thread": 2, "actions_per_thread": 5, "attempts_per_thread": 5}
    gateway, thread = opened(world, policies=world.policy(limits=limits))
    assert [gateway.step(thread) for _ in range(3)] == [None, None, Code.LIMIT_STEPS]


def test_a_step_ends_the_question_that_waits(world: World) -> None:
    """The model is asked again only after a newer message: what waited is cancelled and recorded."""
    gateway, thread = opened(world)
    gateway.propose(thread, call(tool="crm.set_stage", deal_id="42", stage="won"))
    gateway.step(thread)
    with gateway.store.read() as connection:
        row = connection.execute(CALLS.select()).one()
    assert (row.state, row.code) == ("expired", "cancelled")
    assert world.kinds(gateway.thread("t1"))[-1] == "expired"


# ---- values


def test_a_gateway_knows_nothing_of_another(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two gateways in one process share no thread, no flag and no key."""
    first, second = world.gateway(), world.gateway()
    first.open(world.sdr, thread_id="t1")
    first.press(reason="drill", by="m7")
    with pytest.raises(UnknownThread):
        second.thread("t1")
    thread = second.open(world.sdr, party=world.anna)
    assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"}).status == "executed"


@pytest.mark.parametrize(
    ("status", "code", "stop"),
    [
        ("executed", Code.ALLOWED, False),
        ("denied", Code.ROLE, False),
        ("denied", Code.LOOP, True),
        ("denied", Code.KILLED, True),
        ("duplicate", Code.DUPLICATE, False),
        ("failed", Code.TOOL_REJECTED, False),
        ("failed", Code.TIMEOUT, True),
        ("unknown", Code.ROLE, True),
    ],
)
def test_what_stops_the_agent(status: Any, code: Code, stop: bool) -> None:
    """Unknown outcomes and the codes of the unexpected stop the agent; an ordinary denial does not (A8)."""
    assert ToolResult(status=status, code=code, content="", tool="t", call_id="c").stop is stop


def test_a_closed_gateway_file_can_be_opened_again(world: World, tmp_path: Path) -> None:
    """A thread lives in the database, not in the object."""
    first = world.gateway(file=True)
    first.open(world.sdr, thread_id="t1", party=world.anna)
    first.close()
    second = world.gateway(file=True, tools=[replace(World.read_deal, version="2"), *list(first.tools.values())[1:]])
    assert second.thread("t1").invoke("crm.read_deal", {"deal_id": "42"}).status == "executed"


def test_known_values_may_be_given_in_any_case_and_only_of_known_types(world: World) -> None:
    """Trusted values are taken by entity type in any case; another type, or a text for a list, is refused."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, trusted={"email": {"boss@acme.example"}})
    assert [entry.token for entry in thread.vault().entries()] == ["<EMAIL_1>"]
    for wrong in ({"colour": ["red"]}, {"EMAIL": "boss@acme.example"}):
        with pytest.raises(ConfigError, match="PERSON, PHONE"):
            gateway.open(world.sdr, trusted=wrong)
