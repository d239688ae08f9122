"""What is put before a person: a call as it is shown, what it would change, and the question or the suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent_guard.approvals import Approval
from agent_guard.calls import CallRow
from agent_guard.core import Core
from agent_guard.facts import Facts
from agent_guard.gathering.gather import Gathered
from agent_guard.gathering.preview import diff, dry_run, markdown, snapshot
from agent_guard.provenance import shown_values
from agent_guard.suggestions import Suggestion
from agent_guard.types import JSON, ToolCall
from agent_guard.units import parse_duration
from agent_guard.vault import ThreadVault

__all__ = ["Preview", "preview_of", "question", "shown_of", "suggestion"]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a human will be shown besides the call: what it would change, and the calls of the same plan that an
    approval of it holds for as well.
    """

    change: Mapping[str, JSON] = field(default_factory=dict)
    covered: tuple[tuple[Gathered, Facts, Mapping[str, JSON]], ...] = ()


def preview_of(core: Core, gathered: Gathered, vault: ThreadVault, along: Sequence[ToolCall]) -> Preview:
    """Empty where nobody will be asked or judge. Reads the CRM, so no transaction is open, and only for a call that
    would be put before a person if it were decided now.
    """
    tool, rule = gathered.tool, gathered.policy.tools.get(gathered.call.tool)
    if tool is None or rule is None or not (tool.dry_run or along):
        return Preview()
    suggested = rule.mode_in(core.environment) == "suggest" or bool(core.extra_guards)
    if rule.approvers is None and not suggested:
        return Preview()
    with core.store.read() as connection:
        facts, decision = core.decide(gathered, connection)
    if decision.outcome == "suggest":
        return Preview(change=_change(core, gathered, vault))
    if decision.outcome != "require_approval":
        return Preview()
    planned = facts.plan is not None and facts.plan.step is not None
    covered = tuple(_covered(core, gathered, vault, along)) if planned else ()
    return Preview(change=_change(core, gathered, vault), covered=covered)


def _change(core: Core, gathered: Gathered, vault: ThreadVault) -> dict[str, JSON]:
    """What a call would change, by the tool's dry run; empty where it has none, or it fails."""
    tool = gathered.tool
    predicted = dry_run(gathered, core.resources, core.secrets())
    if tool is None or predicted is None:
        return {}
    before = gathered.descriptions.get(tool.changes) if tool.changes else None
    source = "dry run"
    return diff(snapshot(before, core.masker, vault, source), snapshot(predicted, core.masker, vault, source))


def _covered(
    core: Core, asked: Gathered, vault: ThreadVault, along: Sequence[ToolCall]
) -> Iterator[tuple[Gathered, Facts, Mapping[str, JSON]]]:
    """The calls of the same message that are planned, would be asked about, and may be answered by the same people."""
    approvers = asked.policy.tools[asked.call.tool].approvers
    for call in along:
        if call.problem is not None or call.id == asked.call.id:
            continue
        gathered = core.gather(asked.thread, call, vault)
        rule = gathered.policy.tools.get(call.tool)
        if rule is None or rule.approvers != approvers:
            continue
        with core.store.read() as connection:
            facts, decision = core.decide(gathered, connection)
        if decision.outcome == "require_approval" and facts.plan is not None and facts.plan.step is not None:
            yield gathered, facts, _change(core, gathered, vault)


def shown_of(gathered: Gathered, facts: Facts, preview: Preview | None = None) -> dict[str, JSON]:
    """What a human is shown; pseudonyms only."""
    preview = preview or Preview()
    shown = _one(gathered, facts) | {
        "args_schema": dict(gathered.tool.args_schema) if gathered.tool else {},
        "reason": gathered.call.reason,
        "requested_by": facts.subject,
        "diff": dict(preview.change),
        "also": [_one(other, found) | {"diff": dict(change)} for other, found, change in preview.covered],
    }
    return shown | {"description": markdown(shown)}


def _one(gathered: Gathered, facts: Facts) -> dict[str, JSON]:
    """One call as it is shown: what, on which records, where its values come from, what the plan left open."""
    return {
        "tool": gathered.call.tool,
        "effect": gathered.tool.effect if gathered.tool else None,
        "args": dict(gathered.arguments.masked),
        "text": dict(gathered.text),
        "records": [
            {"argument": name, "ref": record.ref, "name": record.name, "version": record.version}
            for name, record in facts.records.items()
        ],
        "provenance": [{"argument": name, "origins": list(found)} for name, found in facts.origins.items()],
        "values": shown_values(facts.values),
        "open": [{"argument": item.argument, "why": item.kind} for item in (facts.plan.open if facts.plan else ())],
    }


def question(
    core: Core, gathered: Gathered, trace_id: str, shown: Mapping[str, JSON], now: int, *, said: int
) -> Approval:
    """A new question about a gathered call, as the policy words it.

    Args:
        said: the place in the trail of the subject's newest words.
    """
    approvers = gathered.policy.tools[gathered.call.tool].approvers
    if approvers is None:  # decided against where the facts were completed
        raise AssertionError("a question that nobody may answer")
    return Approval(
        id=f"apr_{core.new_id()}",
        trace_id=trace_id,
        thread=gathered.thread.id,
        tenant=gathered.thread.subject.tenant,
        requester=gathered.thread.subject.id,
        tool=gathered.call.tool,
        digest=gathered.digest,
        roles=tuple(approvers.roles),
        not_requester=approvers.not_requester,
        shown={**shown, "environment": core.environment},
        created=now,
        expires=now + int(parse_duration(approvers.expires).total_seconds() * 1000),
        said=said,
    )


_NOT_JUDGED = ("args_schema", "description")
"""Of what an approver is shown: what nobody edits, and the same once more as Markdown."""


def suggestion(gathered: Gathered, facts: Facts, row: CallRow, shown: Mapping[str, JSON]) -> Suggestion:
    """A new suggestion of a gathered call, for whoever judges it."""
    tool, policy = gathered.tool, gathered.policy
    if tool is None:  # denied long before
        raise AssertionError("a suggestion of no tool")
    return Suggestion(
        trace_id=row.trace_id,
        thread=row.thread,
        tenant=row.tenant,
        scenario=gathered.thread.scenario,
        environment=facts.environment,
        requester=gathered.thread.subject.id,
        tool=row.tool,
        tool_version=tool.version,
        policy_hash=policy.hash,
        rule_hash=policy.hash_of(row.tool),
        digest=row.digest,
        shown={name: item for name, item in shown.items() if name not in _NOT_JUDGED},
        created=row.created,
    )
