"""``gather``: all the reading that a decision needs (law L3), in two halves.

``remote`` asks the directory and the system of record, with no transaction open. ``local`` reads the guard's own
tables inside the transaction that will write the decision, so that what was counted is what is claimed.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256 as _sha256

import sqlalchemy as sa

from agent_guard import calls, meter
from agent_guard.arguments import TOKEN, Arguments, read, screen, tokens
from agent_guard.credentials import Keys
from agent_guard.errors import ToolError
from agent_guard.facts import Facts, LimitFact, Problem, RecordFact, Twin
from agent_guard.kill_switch import covering
from agent_guard.masking import Masker
from agent_guard.policy import Policy, RateLimit
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, Description, Directory, Origin, Pseudonyms, Records, Ref, ToolCall
from agent_guard.units import canonical, sha256

__all__ = ["AGENT", "Gathered", "Sources", "kill_scopes", "limit_keys", "local", "remote"]

AGENT = "default"
"""The technical identity of the agent; one until agents have credentials of their own."""

_NO_ARGUMENTS = Arguments(masked={}, real={}, model=None, problems=())


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where facts come from outside the guard's database."""

    environment: str
    masker: Masker
    keys: Keys
    records: Records | None
    directory: Directory | None


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """A call with everything known of it so far. Raw values are in ``arguments.real`` and ``descriptions`` alone.

    Args:
        descriptions: argument -> the record it names, as it is now.
        same: digest of tool and arguments; equal calls of a thread have the same.
        digest: digest of exactly what would run; an approval is bound to it.
        key: the idempotency key, or None for a read.
    """

    call: ToolCall
    tool: Tool | None
    policy: Policy
    thread: ThreadRow
    arguments: Arguments
    descriptions: Mapping[str, Description]
    facts: Facts
    same: str
    digest: str
    key: str | None


def remote(
    call: ToolCall,
    tool: Tool | None,
    policy: Policy,
    thread: ThreadRow,
    vault: Pseudonyms,
    sources: Sources,
    now: datetime,
) -> Gathered:
    """Reads the arguments by the contract, the subject's rights and the records that are named.

    A directory or system of record that does not answer becomes a problem of the call, which is then denied.
    """
    arguments, problems = _arguments(call, tool, policy, vault)
    descriptions: dict[str, Description] = {}
    records: dict[str, RecordFact] = {}
    if tool is not None and arguments.model is not None and sources.records is not None:
        for name, kind in tool.refs.items():
            ref = Ref(kind=kind, id=str(arguments.real[name]))
            if arguments.real[name] is None:
                continue
            try:
                found = sources.records.describe(ref)
            except Exception as error:  # an adapter may fail in any way; whatever it is, the record is not known then
                word = error.code if isinstance(error, ToolError) else type(error).__name__
                problems.append(_silent(name, f"the system of record does not answer ({word})"))
                continue
            if found is not None:
                descriptions[name] = found
            shown = Ref(kind=kind, id=str(arguments.masked[name]))  # an id may be somebody's address
            records[name] = _record(shown, found, sources.masker, vault)
    roles, region, found_person = _rights(thread, sources, problems)
    version = "|".join(f"{item.ref}@{item.version}" for item in records.values())
    facts = Facts(
        at=now.isoformat(timespec="milliseconds"),
        environment=sources.environment,
        thread=thread.id,
        scenario=thread.scenario,
        tenant=thread.subject.tenant,
        subject=thread.subject.id,
        agent=AGENT,
        known=tool is not None,
        person_found=found_person,
        roles=roles,
        region=region,
        party=thread.party,
        scope=thread.scope,
        problems=tuple(problems),
        records=records,
        record_version=version,
        origins=_origins(arguments, vault),
    )
    same = sha256({"tool": call.tool, "args": dict(arguments.masked)})
    digest = sha256(
        {
            "tool": call.tool,
            "tool_version": tool.version if tool else None,
            "args": dict(arguments.masked),
            "call": call.id,
            "thread": thread.id,
            "record_version": version,
            "policy": policy.hash,
        }
    )
    key = _key(call, tool, arguments, thread, sources.keys)
    return Gathered(
        call=call,
        tool=tool,
        policy=policy,
        thread=thread,
        arguments=arguments,
        descriptions=descriptions,
        facts=facts,
        same=same,
        digest=digest,
        key=key,
    )


def local(connection: sa.Connection, gathered: Gathered, *, now_ms: int, trace_id: str | None) -> Facts:
    """Completes the facts from the guard's own tables, inside the caller's transaction.

    Args:
        trace_id: the call itself where it is stored already; it is no twin and no repetition of itself.
    """
    tool, policy, thread = gathered.tool, gathered.policy, gathered.thread
    twin = None
    if tool is not None and gathered.key is not None:
        since = None if tool.key_window is None else now_ms - int(tool.key_window.total_seconds() * 1000)
        row = calls.twin(connection, thread.subject.tenant, gathered.key, since_ms=since, but=trace_id)
        twin = Twin(state=row.state, trace_id=row.trace_id, reference=row.reference) if row else None
    limits = [
        LimitFact(
            limit=text,
            code=code,
            count=count,
            reached=meter.reached(connection, key, count, now_ms=now_ms, window_s=window),
        )
        for text, code, key, count, window in _limits(gathered, stored=trace_id is not None)
    ]
    return replace(
        gathered.facts,
        pressed=covering(connection, kill_scopes(gathered)),
        twin=twin,
        limits=tuple(limits),
        same_calls=calls.run_length(connection, thread.id, gathered.same, most=policy.loops.same_call, but=trace_id),
    )


def kill_scopes(gathered: Gathered) -> list[str]:
    """The kill flags that cover a call, besides the one for everything."""
    thread = gathered.thread
    scopes = [f"tenant:{thread.subject.tenant}", f"tool:{gathered.call.tool}", f"agent:{AGENT}"]
    return scopes + ([f"scenario:{thread.scenario}"] if thread.scenario else [])


def limit_keys(gathered: Gathered) -> list[str]:
    """The meters on which an executed call takes a place."""
    return [key for _, code, key, _, _ in _limits(gathered, stored=True) if code is not Code.LIMIT_ATTEMPTS]


def _limits(gathered: Gathered, *, stored: bool) -> list[tuple[str, Code, str, int, float | None]]:
    """(text, code, meter key, count, window in seconds) of every limit on this call."""
    limits, thread, tool = gathered.policy.limits, gathered.thread, gathered.tool
    found: list[tuple[str, Code, str, int, float | None]] = []
    if not stored:  # a stored call has taken its attempt
        found.append(_per_thread("attempts", Code.LIMIT_ATTEMPTS, limits.attempts_per_thread, thread))
    found.append(_per_thread("actions", Code.LIMIT_ACTIONS, limits.actions_per_thread, thread))
    rule = gathered.policy.tools.get(tool.name) if tool else None
    if tool is None or rule is None:
        return found
    for rate in rule.rates:
        key = f"{rate.scope}|{tool.name}|{_whose(rate, thread)}"
        found.append((rate.text, Code.LIMIT_RATE, key, rate.count, rate.window_s))
    return found


def _per_thread(name: str, code: Code, count: int, thread: ThreadRow) -> tuple[str, Code, str, int, float | None]:
    return f"{count} {name} a thread", code, f"{name}|{thread.id}", count, None


def _whose(rate: RateLimit, thread: ThreadRow) -> str:
    tenant = thread.subject.tenant
    match rate.scope:
        case "thread":
            return thread.id
        case "subject":
            return f"{tenant}|{thread.subject.id}"
        case "party":
            return f"{tenant}|{thread.party or thread.id}"
        case "tenant":
            return tenant
        case _:
            return "all"


def _arguments(call: ToolCall, tool: Tool | None, policy: Policy, vault: Pseudonyms) -> tuple[Arguments, list[Problem]]:
    unreadable = call.problem or screen(call.args)
    if unreadable is not None:
        where, words = _WORDS.get(unreadable, ("(all)", "cannot be read as JSON data"))
        return _NO_ARGUMENTS, [Problem(code=unreadable, path=where, message=words)]
    if tool is None:
        return Arguments(masked=dict(call.args), real={}, model=None, problems=()), []
    arguments = read(tool, policy.tools.get(tool.name), call.args, vault.find)
    return arguments, list(arguments.problems)


_WORDS = {
    Code.ARGUMENTS_TOO_LARGE: ("(all)", "are larger or deeper than any tool takes"),
    Code.REASON_MISSING: ("reason", "is missing: say in one sentence why you call this tool"),
}


def _silent(path: str, message: str) -> Problem:
    return Problem(code=Code.TOOL_UNAVAILABLE, path=path, message=message)


def _record(ref: Ref, found: Description | None, masker: Masker, vault: Pseudonyms) -> RecordFact:
    if found is None:
        return RecordFact(ref=str(ref), found=False)
    # the name is of the class of the field that holds it; one that no field tells of is hidden whole, as an ORG is: the
    # words of a deal's title must not be taken for parts of somebody's name
    named = next((found.fields.get(key) for key, value in found.snapshot.items() if value == found.name), None)
    known = masker.mask_known(found.name, vault) if found.name and named is None else ""
    masked = (
        {"name": known}
        if TOKEN.fullmatch(known)
        else masker.mask_record({"name": found.name}, {"name": named or "ORG"}, vault, "trusted", source=str(ref))
    )
    return RecordFact(
        ref=str(ref),
        found=True,
        version=found.version,
        party=found.party,
        responsible=found.responsible,
        region=found.region,
        name=masked.get("name"),
    )


def _rights(thread: ThreadRow, sources: Sources, problems: list[Problem]) -> tuple[tuple[str, ...], str | None, bool]:
    person = thread.subject
    if sources.directory is not None:
        try:
            found = sources.directory.lookup(person.tenant, person.id)
        except Exception as error:  # a port may fail in any way; whatever it is, nobody has rights then
            problems.append(_silent("subject", f"the directory does not answer ({type(error).__name__})"))
            return (), None, True
        if found is None or (found.tenant, found.id) != (person.tenant, person.id):
            return (), None, False  # nobody, or somebody else, whose rights are not this person's
        person = found
    return tuple(sorted(person.roles)), person.region, True


def _origins(arguments: Arguments, vault: Pseudonyms) -> dict[str, tuple[Origin, ...]]:
    found = {}
    for name, value in arguments.masked.items():
        entries = [vault.find(token) for token in tokens(value)]
        origins = dict.fromkeys(origin for entry in entries if entry for origin in entry.origins)
        if origins:
            found[name] = tuple(origins)
    return found


def _key(call: ToolCall, tool: Tool | None, arguments: Arguments, thread: ThreadRow, keys: Keys) -> str | None:
    if tool is None or not tool.writes or arguments.model is None:
        return None
    intent: JSON = (
        {name: _normal(_meant(getattr(arguments.model, name), arguments.real[name])) for name in tool.key}
        if tool.key
        else {"thread": thread.id, "call": call.id}
    )
    text = canonical({"tool": tool.name, "intent": intent})
    return hmac.new(keys.derive(f"idempotency/{thread.subject.tenant}"), text, _sha256).hexdigest()


def _meant(value: object, written: JSON) -> JSON:
    """A moment and an amount by what they are, however they were written: another zone or more zeros are no other."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return str(value.normalize()) if isinstance(value, Decimal) else written


def _normal(value: JSON) -> JSON:
    """Spelling that does not make another intent: case, width and spaces."""
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return value
