"""A value planted wherever a value can stand is in no event, no log line, no metric and no span (A23, B6).

Every tool of the application is called with a canary in each of its arguments, one after another and all together: raw
and as a pseudonym, as text, inside a list, as a key. The systems behind the tools answer with canaries, and raise them.
"""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

import tools
from agent_guard.audit import AuditEvent
from agent_guard.errors import ConfigError
from agent_guard.gateway import Gateway
from agent_guard.policy import Policy
from agent_guard.subscribers.log import LogSubscriber
from agent_guard.subscribers.opentelemetry import OpenTelemetrySubscriber
from agent_guard.subscribers.prometheus import PrometheusSubscriber
from agent_guard.tool import RESERVED, Tool
from agent_guard.types import Description, Mode, Party, Ref, Subject
from tests.conftest import World

NAME, MAIL, PHONE, CARD = "Zyxina Kanareykova", "zyx.canary7f3a@leak.example", "+48 512 345 678", "4111 1111 1111 1111"
CANARIES = (NAME, MAIL, PHONE, CARD)
TRACES = ("Zyxin", "Kanareyk", "canary7f3a", "512345678", "512 345 678", "411111111111", "1111 1111")
"""What would give a canary away, however it is written."""
PARTY = Party(id="contact:17", known={"PERSON": [NAME], "EMAIL": [MAIL], "PHONE": [PHONE]})
CLERK = Subject(id="u1", tenant="acme", roles={"clerk", "manager"}, region="kz")


def every_tool() -> list[Tool]:
    """Every contract of the application."""
    found: dict[str, Tool] = {}
    for module in pkgutil.walk_packages(tools.__path__, "tools."):
        for item in vars(importlib.import_module(module.name)).values():
            if isinstance(item, Tool):
                found[item.name] = item
    return [found[name] for name in sorted(found)]


TOOLS = every_tool()


class Spiteful:
    """A system that answers every question with a canary, by raising it."""

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise RuntimeError(f"no such customer: {NAME}, {MAIL}")

        return call

    def describe(self, ref: Ref) -> Description:
        """Every record is there, the party's, and full of canaries."""
        return Description(
            version=f"v-{ref.kind}",
            party=PARTY.id,
            responsible=CLERK.id,
            region=CLERK.region,
            name=NAME,
            snapshot={"title": f"For {NAME}", "phone": PHONE, "note": f"{MAIL} {CARD}"},
            fields={"title": "text", "phone": "PHONE", "note": "text"},
        )


class Ear:
    """Keeps whole events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def on_event(self, event: AuditEvent) -> None:
        self.events.append(event)


def policy(tool: Tool, mode: str) -> Policy:
    """One under which the tool may run, with whatever bounds its contract leaves to the policy."""
    rule: dict[str, Any] = {"roles": ["clerk"], "mode": mode, "approvers": {"roles": ["manager"]}}
    if tool.writes and tool.refs:
        rule["bind"] = dict.fromkeys(tool.refs, "party")
    limits = {"actions_per_thread": 100, "attempts_per_thread": 500, "steps_per_thread": 100}
    return Policy.model_validate(
        {"version": 1, "name": "canary.v1", "limits": limits, "tools": {tool.name: rule}, "loops": {"same_call": 100}}
    )


def planted(tool: Tool) -> Iterator[Mapping[str, Any]]:
    """Arguments with a canary in each field, one after another and in all."""
    names = list(tool.args_model.model_fields)
    every = f"Call {NAME} at {PHONE}, {MAIL}, card {CARD}"
    shapes: list[Any] = [*CANARIES, every, [every], {NAME: MAIL}, "<PERSON_1>", "<EMAIL_1> <PHONE_1>"]
    for name in names:
        yield from ({name: shape} for shape in shapes)
    for shape in shapes:
        yield dict.fromkeys(names, shape)
    yield {NAME: NAME, MAIL: 1}


def sensible(tool: Tool) -> dict[str, Any]:
    """Arguments that the model takes, with a canary wherever a text may be free."""
    made: dict[str, Any] = {}
    for name, field in tool.args_model.model_fields.items():
        if not field.is_required():
            continue
        for value in ("<PERSON_1>", f"Call {NAME}", "42", 1, ["42"], {}):
            try:
                tool.args_model.__pydantic_validator__.validate_assignment(
                    tool.args_model.model_construct(), name, value
                )
            except Exception:
                continue
            made[name] = value
            break
    return made


def test_there_are_tools() -> None:
    """The search finds the application's contracts, so that the next test is about something."""
    assert {"crm.read_deal", "crm.create_task"} <= {tool.name for tool in TOOLS}
    assert all(tool.args_model.model_fields for tool in TOOLS)


@pytest.mark.databases
@pytest.mark.req("A23", "B6", "B14")
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_no_subscriber_is_told_a_canary(tool: Tool, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """In each mode, in every field, raw or masked, denied or run, failing or asked about, restored or not."""
    caplog.set_level(logging.DEBUG)
    kept, exporter, ear = CollectorRegistry(), InMemorySpanExporter(), Ear()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    made = [ear, LogSubscriber(), PrometheusSubscriber(kept), OpenTelemetrySubscriber(provider)]
    for mode in get_args(Mode):
        gateway = gateway_of(world, tool, mode, made)
        thread = gateway.open(CLERK, party=PARTY, user_text=f"Look at {NAME}, {MAIL}, {PHONE}, {CARD} and deal 42.")
        for n, args in enumerate([*planted(tool), sensible(tool)]):
            done = thread.invoke(tool.name, args, call_id=f"call of {NAME} {n}", reason=f"Because {NAME} asked: {MAIL}")
            if done.status == "pending":
                thread.resume(str(done.approval_id), "approve", by=CLERK, message=f"fine, says {NAME}")
        thread.invoke(f"crm.find {NAME}", {"q": MAIL}, call_id=MAIL)
        gateway.close()
    told = {
        "event": "\n".join(json.dumps(vars(event), default=str, ensure_ascii=False) for event in ear.events),
        "log": caplog.text,
        "metric": generate_latest(kept).decode(),
        "span": "\n".join(str(span.to_json()) for span in exporter.get_finished_spans()),
    }
    assert len(ear.events) > 50 and all(len(text) > 1000 for text in told.values())
    for where, text in told.items():
        for trace in TRACES:
            assert trace.lower() not in text.lower(), f"{trace} in a {where}"


def gateway_of(world: World, tool: Tool, mode: str, subscribers: list[Any]) -> Gateway:
    """A gateway for one tool in one mode; bounds that the contract leaves open are added until the gateway has them."""
    rules = policy(tool, mode)
    resources = {name: Spiteful() for name in tool.parameters if name not in RESERVED}
    for _ in range(20):
        try:
            return world.gateway(rules, tools=[tool], resources=resources, records=Spiteful(), subscribers=subscribers)
        except ConfigError as error:
            named = [
                name for name in tool.args_model.model_fields if f"{name!r}" in str(error) or f" {name}" in str(error)
            ]
            if not named:
                raise
            data = rules.model_dump(mode="json", by_alias=True, exclude_none=True)
            where = data["tools"][tool.name].setdefault("where", {"properties": {}})
            where["properties"][named[0]] = {"maxLength": 500}
            rules = Policy.model_validate(data)
    raise AssertionError("no policy could be made")
