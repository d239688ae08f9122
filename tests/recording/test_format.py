"""The format of an event: what the product writes fits the published schema, and the schema says what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from agent_guard.audit import AuditEvent
from agent_guard.codes import ErrorClass
from agent_guard.errors import ApprovalError, OutcomeUnknown, ToolRejected
from agent_guard.gateway import Gateway
from agent_guard.operations import enrolment
from agent_guard.operations.button import set_flag
from agent_guard.privacy import holds
from agent_guard.privacy.erasure import erase
from agent_guard.proposal.reveal import reveal
from agent_guard.recording.format import FIRST_FIELDS, KINDS, check_event, json_schema
from tests.conftest import World
from tests.execution.test_reconcile import look

TASK = {"deal_id": "42", "subject": "Call Anna Kowalska"}
STAGE = {"deal_id": "42", "stage": "won"}
ELSEWHERE = {"routed", "planned", "escalated", "found", "retained", "rotated"}
"""Kinds whose own tests write them; every append of the whole suite is checked against the format."""

RESERVED = {"policy_changed"}
"""Kinds that nothing writes yet."""


def errors(data: Any) -> list[str]:
    """What the published schema finds wrong."""
    return [f"{list(item.path)}: {item.message}" for item in Draft202012Validator(json_schema()).iter_errors(data)]


def refusing(error: BaseException):
    """A hook that raises."""

    def hook() -> None:
        raise error

    return hook


def a_day(world: World) -> Gateway:
    """A gateway at which almost everything has happened once."""
    policy = world.policy({"messages.send": {"mode": "suggest"}})
    tools = [world.read_deal, replace(world.create_task, lookup=look), world.set_stage, world.send_note]
    gateway = world.gateway(policy, tools=tools)
    thread = gateway.open(world.sdr, party=world.anna, thread_id="t1")
    thread.invoke("crm.read_deal", {"deal_id": "42"})
    thread.invoke("crm.create_task", TASK)
    thread.invoke("crm.create_task", TASK)
    noted = thread.invoke("messages.send", {"text": "Hello"})
    gateway.judge(str(noted.trace_id), "approve", by=world.boss)
    world.desk.before = refusing(ToolRejected(code="closed"))
    thread.invoke("crm.create_task", TASK | {"subject": "Fails"})
    world.desk.before, world.desk.after = (lambda: None), refusing(OutcomeUnknown(code="reset"))
    lost = thread.invoke("crm.create_task", TASK | {"subject": "Lost"})
    world.desk.after = lambda: None
    world.clock.forward(seconds=60)
    gateway.reconcile(str(lost.trace_id))
    asked = gateway.open(world.sdr, party=world.anna, thread_id="t2")
    first = asked.invoke("crm.set_stage", STAGE)
    reveal(gateway, gateway.approvals.get(first.approval_id), by=world.boss)
    with pytest.raises(ApprovalError):
        asked.resume(first.approval_id, "approve", by=world.sdr)
    asked.resume(first.approval_id, "edit", by=world.boss, args=STAGE | {"stage": "lost"})
    second = gateway.open(world.sdr, party=world.anna, thread_id="t3")
    second.invoke("crm.set_stage", STAGE, call_id="a")
    gateway.step(second.row)
    third = second.invoke("crm.set_stage", STAGE, call_id="b")
    second.resume(third.approval_id, "approve", by=world.boss)
    common = {"by": "boss", "environment": "dev", "now": world.clock()}
    for pressed in (True, False):
        set_flag(gateway.store, gateway.audit, "tool:crm.set_stage", pressed=pressed, reason="drill", **common)
    enrolment.add(gateway.store, gateway.audit, "sdr", reason="new", **common)
    enrolment.revoke(gateway.store, gateway.audit, "sdr", reason="over", **common)
    party = {"tenant": "acme", "party": "contact:17", "reason": "asked for"}
    holds.place(gateway.store, gateway.audit, name="suit", **party, **common)
    holds.release(gateway.store, gateway.audit, name="suit", **party, **common)
    erase(gateway.store, gateway.audit, gateway.sources.keys, **party, **common)
    return gateway


@pytest.mark.databases
@pytest.mark.req("A5", "B8")
def test_every_event_that_the_product_writes_fits_the_published_schema(world: World) -> None:
    """Events of every kind, as they are read back from the database, hold nothing that the schema does not say."""
    events = a_day(world).audit.events()
    assert set(KINDS) - {event.data["kind"] for event in events} == ELSEWHERE | RESERVED
    for event in events:
        assert errors(dict(event.data)) == [], event.data["kind"]


@pytest.mark.databases
@pytest.mark.req("A5", "A31")
def test_what_belongs_to_no_conversation_is_in_the_chain_of_the_system(world: World) -> None:
    """The button and the agents are recorded in the system's own chain, whole like any other."""
    gateway = a_day(world)
    system = [event.data["kind"] for event in gateway.audit.events(thread="system/-")]
    assert system == ["killed", "revived", "agent_added", "agent_revoked"]
    assert list(gateway.audit.broken("system/-")) == []


def written(**options: Any) -> dict[str, Any]:
    """An event as it goes into the database."""
    event = AuditEvent(
        kind="proposed", timestamp="2026-01-05T11:20:04.000+00:00", thread="t1", tenant="acme", **options
    )
    return {**vars(event), "v": 1, "key": "0123456789abcdef", "seq": 1, "at": 5, "prev_hash": "0" * 64}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "vanished"}, {"v": 2}, {"seq": 0}, {"at": "now"}, {"key": "short"}, {"tenant": None}, {"thread": ""},
        {"timestamp": "2026-01-05 11:20:04"}, {"timestamp": "2026-01-05T11:20:04"}, {"mode": "delete"},
        {"actor": {}}, {"actor": {"user_id": "u1", "name": "Anna"}}, {"actor": {"user_id": "u1", "roles": "a"}},
        {"error": {"class": "limit", "code": "loop"}}, {"diff": {"before": {}}}, {"facts": []}, {"more": 1},
        {"decision": {"allowed": True}}, {"result_meta": {"latency_ms": -1}}, {"result_meta": {"attempts": "2"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_schema_refuses_is_refused_on_the_way_in(wrong: dict[str, Any]) -> None:
    """The published schema and the check agree, on what is right and on what is wrong."""
    assert errors(written()) == []
    check_event(written())
    data = written() | wrong
    assert errors(data)
    with pytest.raises(ValueError, match="vanished" if "kind" in wrong else next(iter(wrong))):
        check_event(data)


def test_an_older_event_fits_the_schema() -> None:
    """What was written before keys had names is an event of version 1 as well."""
    old = {name: value for name, value in written().items() if name not in ("key", "at")}
    assert errors(old) == []
    assert old.keys() == FIRST_FIELDS


def test_the_schema_is_a_schema() -> None:
    """It is valid by its own rules, and closed: every field and every class of error is named in it."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(written())
    assert set(schema["$defs"]["_Error"]["properties"]["class"]["enum"]) == set(get_args(ErrorClass))
    assert set(schema["properties"]["kind"]["enum"]) == set(KINDS)


@pytest.mark.parametrize("field", sorted(FIRST_FIELDS))
def test_every_field_is_required(field: str) -> None:
    """A field that is empty is null, and never missing."""
    data = {name: value for name, value in written().items() if name != field}
    assert errors(data)
    with pytest.raises(ValueError, match=field):
        check_event(data)
