"""The subscribers that come with it: what they tell, in which words, and what they leave out."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry, generate_latest
from ulid import ULID

from agent_guard.errors import ConfigError, OutcomeUnknown
from agent_guard.settings import load_settings
from agent_guard.subscribers import prometheus
from agent_guard.subscribers.log import LogSubscriber
from agent_guard.subscribers.opentelemetry import OpenTelemetrySubscriber
from agent_guard.subscribers.prometheus import PrometheusSubscriber
from tests.conftest import World
from tests.record import event

TASK = {"deal_id": "42", "subject": "Call <PERSON_1>"}
STAGE = {"deal_id": "42", "stage": "won"}


class Telling:
    """All three at one gateway, and what they told."""

    def __init__(self, world: World, **options: Any) -> None:
        self.records: list[logging.LogRecord] = []
        logger, handler = logging.Logger("lines"), logging.Handler()  # noqa: LOG001 - of this test alone
        handler.emit = self.records.append  # type: ignore[method-assign]
        logger.addHandler(handler)
        self.registry = CollectorRegistry()
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        subscribers = [LogSubscriber(logger), PrometheusSubscriber(self.registry), OpenTelemetrySubscriber(provider)]
        ids = iter(ULID.from_timestamp(world.clock().timestamp() + n / 1000) for n in range(10_000))
        self.gateway = world.gateway(subscribers=subscribers, ids=lambda: str(next(ids)), **options)

    def end(self) -> None:
        self.gateway.subscribers.close()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(item.getMessage()) for item in self.records]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def spans(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())


@pytest.fixture(name="telling")
def _telling(world: World) -> Iterator[Telling]:
    """A conversation in which a call ran, one was denied, one was approved after a minute, and one is unknown."""
    made = Telling(world)
    thread = made.gateway.open(world.sdr, party=world.anna)
    thread.invoke("crm.create_task", TASK)
    thread.invoke("crm.delete_everything", {})
    asked = thread.invoke("crm.set_stage", STAGE)
    world.clock.forward(seconds=60)
    thread.resume(str(asked.approval_id), "approve", by=world.boss)
    world.desk.after = lambda: (_ for _ in ()).throw(OutcomeUnknown(code="reset"))
    thread.invoke("crm.create_task", TASK | {"subject": "Lost"})
    made.end()
    yield made


@pytest.mark.req("B8")
def test_a_log_has_one_line_of_json_for_each_event(telling: Telling) -> None:
    """Its fields are words of closed sets, numbers, and ids of the guard's own; a failure is a warning."""
    lines = telling.lines()
    assert [item["kind"] for item in lines] == [item.data["kind"] for item in telling.gateway.audit.events()]
    started, finished = lines[3], lines[4]
    assert (started["kind"], finished["kind"]) == ("started", "finished")
    assert finished == {
        "timestamp": "2026-01-05T11:20:04.000+00:00", "kind": "finished", "tool": "crm.create_task",
        "environment": "dev", "trace_id": started["trace_id"], "thread": started["thread"],
        "latency_ms": finished["latency_ms"], "attempts": 1,
    }  # fmt: skip
    (denied,) = [item for item in lines if item.get("outcome") == "deny"]
    assert (denied["tool"], denied["code"], denied["error"]) == ("other", "tool_unknown", "validation")
    (answered,) = [item for item in lines if item["kind"] == "answered"]
    assert (answered["answer"], round(answered["waited_s"])) == ("approve", 60)
    levels = {item.levelno for item in telling.records if '"kind":"unknown"' in item.getMessage()}
    assert levels == {logging.WARNING}


@pytest.mark.req("B14")
def test_metrics_count_and_measure(telling: Telling) -> None:
    """Decisions, calls and answers by tool and word; a tool that a model made up is one series with all others."""
    dev = {"environment": "dev"}
    task, stage = {"tool": "crm.create_task"} | dev, {"tool": "crm.set_stage"} | dev
    assert telling.metric("agent_guard_events_total", kind="proposed", **dev) == 4
    assert telling.metric("agent_guard_decisions_total", outcome="allow", code="allowed", **task) == 2
    assert (
        telling.metric("agent_guard_decisions_total", outcome="require_approval", code="approval_required", **stage)
        == 1
    )
    assert telling.metric("agent_guard_decisions_total", tool="other", outcome="deny", code="tool_unknown", **dev) == 1
    assert telling.metric("agent_guard_calls_total", outcome="finished", code="allowed", **task) == 1
    assert telling.metric("agent_guard_calls_total", outcome="unknown", code="outcome_unknown", **task) == 1
    assert telling.metric("agent_guard_call_seconds_count", **task) == 2
    assert telling.metric("agent_guard_approval_wait_seconds_bucket", outcome="approve", le="10.0", **stage) == 0
    assert telling.metric("agent_guard_approval_wait_seconds_bucket", outcome="approve", le="300.0", **stage) == 1
    labels = {name for metric in telling.registry.collect() for item in metric.samples for name in item.labels}
    assert labels == {"kind", "environment", "tool", "outcome", "code", "le"}


@pytest.mark.req("B8")
def test_a_span_is_the_life_of_a_call(telling: Telling) -> None:
    """From its proposal to its end, its events on it; named as the conventions have it, with neither arguments nor
    results; what failed is an error.
    """
    spans = telling.spans()
    assert [span.name for span in spans] == [
        "execute_tool crm.create_task", "execute_tool other", "execute_tool crm.set_stage",
        "execute_tool crm.create_task",
    ]  # fmt: skip
    approved, lost = spans[2], spans[3]
    assert [item.name for item in approved.events] == [
        "proposed",
        "decided",
        "asked",
        "answered",
        "started",
        "finished",
    ]
    assert approved.end_time - approved.start_time == 60_000_000_000
    attributes = dict(approved.attributes)
    assert attributes["gen_ai.operation.name"] == "execute_tool"
    assert attributes["gen_ai.tool.name"] == "crm.set_stage"
    assert attributes["agent_guard.approval.answer"] == "approve"
    assert not {name for name in attributes if "argument" in name or "result" in name}
    assert (lost.status.status_code, lost.attributes["error.type"]) == (StatusCode.ERROR, "outcome_unknown")
    assert all(span.parent is None for span in spans)


def test_a_call_that_waits_is_sent_when_the_gateway_closes(world: World) -> None:
    """Its end will be another process's; the two spans have the same trace of the record."""
    made = Telling(world)
    made.gateway.open(world.sdr, party=world.anna).invoke("crm.set_stage", STAGE)
    assert made.spans() == []
    made.end()
    assert [span.attributes["agent_guard.status"] for span in made.spans()] == ["asked"]


def test_what_others_named_is_not_repeated(world: World) -> None:
    """A thread's id of the host's, a tool of the model's and the ids of people are left out."""
    made = Telling(world)
    thread = made.gateway.open(world.sdr, party=world.anna, thread_id="48512345678")
    thread.invoke("crm.call_anna_kowalska", {}, call_id="anna-kowalska")
    made.end()
    told = "\n".join(json.dumps(item) for item in made.lines())
    told += generate_latest(made.registry).decode() + "".join(span.to_json() for span in made.spans())
    for word in ("48512345678", "kowalska", "contact:17", '"u1"', "acme"):
        assert word not in told.lower(), word


def test_the_same_metrics_twice_in_one_registry_are_refused() -> None:
    """With what to do; each registry of its own is fine."""
    kept = CollectorRegistry()
    PrometheusSubscriber(kept)
    with pytest.raises(ConfigError, match="one subscriber a registry"):
        PrometheusSubscriber(kept)
    PrometheusSubscriber(prometheus.registry())


@pytest.mark.parametrize("name", ["prometheus", "opentelemetry"])
def test_a_package_that_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that installs it, when the subscriber is built."""
    package = {"prometheus": "prometheus_client", "opentelemetry": "opentelemetry"}[name]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"langgraph-agent-guard\[{name}\]"):
        {"prometheus": PrometheusSubscriber, "opentelemetry": OpenTelemetrySubscriber}[name]()


def test_nothing_is_imported_before_it_is_used() -> None:
    """Importing the modules of all three loads neither library."""
    code = (
        "import sys, agent_guard.subscribers.log, agent_guard.subscribers.prometheus, agent_guard.notifications.hooks\n"
        "import agent_guard.subscribers.opentelemetry\n"
        "print([name for name in ('prometheus_client', 'opentelemetry') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


# ---- guard.yaml


def settings(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "guard.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, {})


def test_hooks_of_events_name_them(tmp_path: Path) -> None:
    """``hooks.events`` of guard.yaml: each of the three, in order; none by default."""
    text = "hooks: {events: [{log: true}, {prometheus: {}}, {opentelemetry: true}]}"
    made = settings(tmp_path, text).hooks.subscribers(["crm.create_task"])
    assert [type(item).__name__ for item in made] == [
        "LogSubscriber",
        "PrometheusSubscriber",
        "OpenTelemetrySubscriber",
    ]
    assert settings(tmp_path, "environment: dev").hooks.subscribers([]) == []
    made[0].on_event(event(tool="crm.create_task"))


@pytest.mark.parametrize(
    "text", ["{}", "{log: true, opentelemetry: true}", "{prometheus: {port: 0}}", "{statsd: true}", "{log: false}"]
)
def test_a_wrong_hook_is_refused(tmp_path: Path, text: str) -> None:
    """With the name of the key."""
    with pytest.raises(ConfigError, match=r"hooks\.events\.0"):
        settings(tmp_path, f"hooks: {{events: [{text}]}}")


def test_metrics_are_served_and_a_taken_port_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The second process that wants the port says so and goes on."""
    import socket
    from urllib.request import urlopen

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hooks = settings(tmp_path, f"hooks: {{events: [{{prometheus: {{port: {port}}}}}]}}").hooks
    (made,) = hooks.subscribers([])
    made.on_event(event(environment="dev"))
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b'agent_guard_events_total{environment="dev",kind="proposed"} 1.0' in answer.read()
    hooks.subscribers([])
    assert f"port {port} is taken" in caplog.text
