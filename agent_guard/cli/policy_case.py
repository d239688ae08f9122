"""The call that ``policy explain`` is asked about: one that might be made, or one that was recorded. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_guard.audit import Audit
from agent_guard.cli.output import identity, opened
from agent_guard.cli.storage import keys_of, store_of
from agent_guard.errors import ConfigError
from agent_guard.facts import Facts
from agent_guard.policy import Policy
from agent_guard.scenario import Scenario, load_app
from agent_guard.settings import Settings
from agent_guard.tool import Tool
from agent_guard.types import JSON, ToolCall

if TYPE_CHECKING:
    from agent_guard.app import Application
    from agent_guard.guards import Guard
    from agent_guard.threads import ThreadRow

__all__ = ["Given", "Wanted", "proposed", "recorded"]

UNSTORED = "policy-explain"
"""Name of the conversation that is looked at where none is stored; it is never written."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A call as it was typed; ``args`` are raw."""

    tool: str
    args: Mapping[str, JSON]
    thread: str | None
    party: str | None
    scenario: str | None


@dataclass(frozen=True, kw_only=True)
class Given:
    """What ``explain`` takes, and what should be said beside it."""

    call: ToolCall
    tool: Tool | None
    policy: Policy
    facts: Facts
    extra_guards: Sequence[Guard] = ()
    note: str = ""


def proposed(settings: Settings, wanted: Wanted, *, pretend: str | None, quiet: bool) -> Given:
    """Gathers the facts of a call as ``GuardedThread.check`` does; no row, no event and no pseudonym is kept.

    Raises:
        ConfigError: nobody may be acted as, or it is not clear which scenario is meant.
        UnknownThread: there is no such conversation.
        StoreError: the database is not there or cannot be read.
    """
    from agent_guard.proposal.pseudonymise import masked_call

    if wanted.thread is not None:
        with store_of(settings):  # a conversation is looked for in a database that is there
            pass
    with opened(_without_new_files(settings), quiet=quiet) as application:
        gateway = application.gateway
        row = gateway.thread_row(wanted.thread) if wanted.thread else _row(application, settings, wanted, pretend)
        vault = gateway.vault.of(row)
        call = masked_call(gateway, row, wanted.tool, wanted.args, "explain", None, vault)
        gathered = gateway.gather(row, call, vault)
        with gateway.store.read() as connection:
            facts, _ = gateway.decide(gathered, connection)
        return Given(
            call=gathered.call,
            tool=gathered.tool,
            policy=gathered.policy,
            facts=facts,
            extra_guards=gateway.extra_guards,
        )


def _row(application: Application, settings: Settings, wanted: Wanted, pretend: str | None) -> ThreadRow:
    from agent_guard.threads import ThreadRow

    scenario = wanted.scenario or _scenario(application.scenarios, application.gateway.policies, wanted.tool)
    application.scenario(scenario)
    return ThreadRow(id=UNSTORED, subject=identity(settings, pretend), party=wanted.party, scenario=scenario)


def _scenario(scenarios: Mapping[str, Scenario], policies: Mapping[str | None, Policy], tool: str) -> str:
    """The scenario that is meant: the only one, or the only one whose policy names the tool."""
    naming = [name for name in scenarios if tool in policies[name].tools]
    if len(naming or scenarios) == 1:
        return (naming or list(scenarios))[0]
    why = "is named by the policies of several scenarios" if naming else "is named by no scenario's policy"
    raise ConfigError(f"{tool!r} {why}; say which one with --scenario: {', '.join(naming or scenarios)}")


def recorded(settings: Settings, trace: str) -> Given:
    """A decision from the record: the proposed call and the newest facts that it was decided on.

    Raises:
        ConfigError: no such trace, no decision in it, or facts of another release.
    """
    with store_of(settings) as store:
        events = Audit(store, keys_of(settings, store)).events()
    mine = [event.data for event in events if (event.data.get("trace_id") or "").endswith(trace)]
    first = next((data for data in mine if data["kind"] == "proposed"), None)
    decided = next((data for data in reversed(mine) if data.get("facts") and data.get("decision")), None)
    if len({data["trace_id"] for data in mine}) > 1:
        raise ConfigError(f"several traces end with {trace!r}; give more of it")
    if first is None or decided is None:
        raise ConfigError(f"no recorded decision has the trace {trace!r}; see: agent-guard audit show")
    try:
        facts = Facts.from_json(decided["facts"])
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"the facts of {trace!r} were recorded by another release: {error}") from None
    scenarios = load_app(settings.app)
    name = _known(scenarios, facts.scenario)
    policy = Policy.load(scenarios[name].policy)
    tools = {tool.name: tool for item in scenarios.values() for tool in item.tools}
    call = ToolCall(
        id=str(first["tool_call_id"]),
        tool=str(first["tool"]),
        args=first["args_redacted"] or {},
        thread=facts.thread,
        reason=first["reason"],
    )
    same = decided["decision"]["policy_hash"] == policy.hash
    note = "" if same else "The policy has changed since: told of the recorded facts by the policy as it is now."
    return Given(call=call, tool=tools.get(call.tool), policy=policy, facts=facts, note=note)


def _known(scenarios: Mapping[str, Scenario], wanted: str | None) -> str:
    if wanted in scenarios:
        return str(wanted)
    if wanted is None and len(scenarios) == 1:
        return next(iter(scenarios))
    raise ConfigError(
        f"there is no scenario {wanted!r}, whose decision it was; there is: {', '.join(sorted(scenarios))}"
    )


def _without_new_files(settings: Settings) -> Settings:
    """The same settings, with databases in memory where their files are not there: looking makes none."""
    urls = {key: str(getattr(settings, key)) for key in ("database", "systems")}
    missing = [
        key
        for key, url in urls.items()
        if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file()
    ]
    return settings.model_copy(update=dict.fromkeys(missing, "sqlite://"))
