"""Audit events of a call, built from what was gathered; every value in them is redacted already."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agent_guard.audit import AuditEvent
from agent_guard.facts import Facts
from agent_guard.gathering.gather import Gathered
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON, Code, Decision

__all__ = ["decided", "decision_json", "error_json", "event", "thread_event"]


def event(kind: str, gathered: Gathered, trace_id: str, known: Facts, /, **more: Any) -> AuditEvent:
    """One event about one call; ``more`` are further fields of :class:`AuditEvent`."""
    tool, thread, call = gathered.tool, gathered.thread, gathered.call
    rule = gathered.policy.tools.get(call.tool)
    return AuditEvent(
        kind=kind,
        timestamp=known.at,
        thread=thread.id,
        tenant=thread.subject.tenant,
        trace_id=trace_id,
        scenario=thread.scenario,
        environment=known.environment,
        actor={
            "user_id": known.subject,
            "tenant": known.tenant,
            "roles": list(known.roles),
            "region": known.region,
        },
        agent=known.agent,
        party=known.party,
        tool=call.tool,
        tool_version=tool.version if tool else None,
        mode=rule.mode_in(known.environment) if rule else None,
        tool_call_id=call.id,
        idempotency_key=gathered.key,
        digest=gathered.digest,
        record_version=known.record_version,
        **more,
    )


def thread_event(
    kind: str, thread: ThreadRow, /, *, at: datetime, environment: str, agent: str, **more: Any
) -> AuditEvent:
    """One event about a thread itself, of which its subject is the actor; ``more`` as in :func:`event`."""
    person = thread.subject
    return AuditEvent(
        kind=kind,
        timestamp=at.isoformat(timespec="milliseconds"),
        thread=thread.id,
        tenant=person.tenant,
        scenario=thread.scenario,
        environment=environment,
        actor={"user_id": person.id, "tenant": person.tenant, "roles": sorted(person.roles)},
        agent=agent,
        party=thread.party,
        **more,
    )


def decided(
    gathered: Gathered,
    trace_id: str,
    facts: Facts,
    decision: Decision,
    change: Mapping[str, JSON] | None = None,
    **more: Any,
) -> list[AuditEvent]:
    """The two events of a new call: what was proposed, and what was decided on which facts.

    Args:
        change: of a suggestion: what it would have changed, masked.
    """
    suggested = decision.outcome == "suggest"
    proposed = event(
        "proposed",
        gathered,
        trace_id,
        facts,
        args_redacted=dict(gathered.arguments.masked),
        reason=gathered.call.reason,
        **more,
    )
    outcome = event(
        "suggested" if suggested else "decided",
        gathered,
        trace_id,
        facts,
        diff=(change or None) if suggested else None,
        facts=facts.as_json(),
        decision=decision_json(decision),
        error=error_json(decision.code),
    )
    return [proposed, outcome]


def decision_json(decision: Decision) -> Mapping[str, JSON]:
    """A decision as the audit holds it."""
    return {
        "allowed": decision.allowed,
        "outcome": decision.outcome,
        "code": str(decision.code),
        "policy": decision.policy,
        "policy_hash": decision.policy_hash,
        "for_human": decision.for_human,
        "guards": [{"guard": item.guard, "outcome": item.outcome, "code": str(item.code)} for item in decision.guards],
    }


def error_json(code: Code, detail: str | None = None) -> Mapping[str, JSON] | None:
    """``{class, code, detail}``, or None for a code that is no error."""
    if code.error_class is None:
        return None
    return {"class": code.error_class, "code": str(code), "detail": detail}
