"""Taking a plan: masked, checked against the user's own words, kept with the thread, recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from agent_guard.audit import AuditEvent
from agent_guard.core import Core
from agent_guard.errors import PlanError
from agent_guard.gathering.arguments import TOKEN, screen
from agent_guard.gathering.trail import append_plan
from agent_guard.masking.tripwire import leaks
from agent_guard.plan import Plan
from agent_guard.plan.check import check
from agent_guard.proposal.pseudonymise import masked_value, minting
from agent_guard.recording.events import thread_event
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON
from agent_guard.vault import ThreadVault

__all__ = ["adopt"]

TOO_LATE = "text of outsiders was read since the user spoke; a plan is made before that"

_WRITTEN = frozenset({"lit", "const", "tmpl", "has"})
"""The words of the format after which the planner's own values stand."""


def adopt(core: Core, thread: ThreadRow, plan: Plan | Mapping[str, Any]) -> Plan:
    """Checks a plan and keeps it; every later call of the thread is held against it.

    Args:
        plan: raw or masked; its offsets count in the user's newest words, masked.

    Raises:
        PlanError: it is not of the format, it says something that the user did not, or outsiders have spoken since the
            user did, so that no plan can be believed any more. Nothing is kept.
        StoreError: the database cannot be used; nothing is kept.
    """
    given = plan.model_dump(mode="json") if isinstance(plan, Plan) else plan
    if screen(given) is not None:
        raise PlanError(["it cannot be read as JSON data of this size"])
    try:
        Plan.model_validate(given)
    except ValidationError as error:
        found = [_sentence(item) for item in error.errors(include_input=False, include_url=False)]
        raise PlanError(_unsaid(core, found, core.vault.of(thread))) from None
    with core.store.read() as connection:
        trail = core.trail(connection, thread)
        said, outside = trail.user_text, trail.outside
    if said is None:
        raise PlanError(["the user has said nothing yet that a plan could follow"])
    if outside:
        raise PlanError([TOO_LATE])
    _, text = said

    def work(vault: ThreadVault) -> Plan:
        masked = Plan.model_validate(_masked(core, given, vault))
        problems = check(
            masked,
            core.masker.mask_known(text, vault),
            core.tools,
            core.policy_of(thread.scenario),
            environment=core.environment,
            scope=thread.scope,
            reveal=lambda value: TOKEN.sub(
                lambda found: entry.value if (entry := vault.find(found[0])) else found[0], value
            ),
        )
        if problems:
            raise PlanError(_unsaid(core, problems, vault))
        if any(leaks(name.replace("_", " "), vault) for name in _names(given)):
            raise PlanError(["a name in it, of a field or a part, is somebody's data"])
        return masked

    def keep(connection: Any, masked: Plan) -> None:
        if core.trail(connection, thread).outside:  # somebody spoke in between
            raise PlanError([TOO_LATE])
        append_plan(connection, thread.id, masked)
        core.audit.append(connection, [_planned(core, thread, masked)], now_ms=core.now_ms())

    return minting(core, thread, work, keep=keep)


def _unsaid(core: Core, problems: Sequence[str], vault: ThreadVault) -> list[str]:
    """The problems without the values that a planner may have put where a name belongs; nothing of it is stored."""
    return [core.masker.mask(problem, vault, "invented", source="plan") for problem in problems]


def _names(node: JSON) -> Iterator[str]:
    """Names and paths in a plan, which are stored as they are."""
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from _names(item)
    elif isinstance(node, Mapping):
        for key, item in node.items():
            yield key
            if key in ("field", "by", "step", "over", "id", "tool", "type") and isinstance(item, str):
                yield item
            yield from _names(item)


def _masked(core: Core, given: Mapping[str, Any], vault: ThreadVault) -> dict[str, Any]:
    steps = []
    for step in given["steps"]:
        tool = core.tools.get(step["tool"])
        args = {name: _source(core, tool, name, item, vault) for name, item in step.get("args", {}).items()}
        steps.append({**step, "args": args})
    return {**given, "steps": steps}


def _source(core: Core, tool: Tool | None, name: str, node: JSON, vault: ThreadVault) -> JSON:
    """A source with pseudonyms for the values that the planner wrote into it."""
    if isinstance(node, list):
        return [_source(core, tool, name, item, vault) for item in node]
    if not isinstance(node, Mapping):
        return node
    return {key: _part(core, tool, name, key, item, vault) for key, item in node.items()}


def _part(core: Core, tool: Tool | None, name: str, key: str, item: JSON, vault: ThreadVault) -> JSON:
    if key == "where" and isinstance(item, Mapping):  # the names of fields are the contract's
        return {
            path: _source(core, tool, name, value, vault)
            if isinstance(value, Mapping)
            else masked_value(core, tool, name, value, vault)
            for path, value in item.items()
        }
    if key in _WRITTEN:
        return masked_value(core, tool, name, item, vault)
    return _source(core, tool, name, item, vault)


def _planned(core: Core, thread: ThreadRow, plan: Plan) -> AuditEvent:
    return thread_event(
        "planned",
        thread,
        at=core.now(),
        environment=core.environment,
        agent=core.agent,
        digest=plan.digest,
        args_redacted=plan.model_dump(mode="json"),
    )


def _sentence(item: Any) -> str:
    return f"{'.'.join(str(part) for part in item['loc']) or 'plan'}: {item['msg']}"
