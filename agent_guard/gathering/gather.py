"""``gather``: all the reading that a decision needs (law L3), in two halves.

``remote`` asks the directory and the system of record, with no transaction open. The other half is
:func:`agent_guard.gathering.recall.recall`, which reads the guard's own tables.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from hashlib import sha256 as _sha256

from agent_guard.credentials import Keys
from agent_guard.errors import ToolError
from agent_guard.facts import ANOTHER_COMPANY, Facts, Problem, RecordFact
from agent_guard.gathering import limits
from agent_guard.gathering.arguments import TOKEN, Arguments, has_audience, read, screen, strings, tokens
from agent_guard.masking import Masker
from agent_guard.masking.tokens import defuse
from agent_guard.operations.scopes import DEFAULT_AGENT, agent_flags
from agent_guard.policy import Policy, ToolRule
from agent_guard.text import domains, stop_words
from agent_guard.text.atoms import words
from agent_guard.text.spelling import skeleton
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, Description, Directory, Entry, Origin, Pseudonyms, Records, Ref, ToolCall
from agent_guard.units import canonical, parse_duration, sha256

__all__ = ["Gathered", "Sources", "in_time", "kill_scopes", "remote", "unspeakable"]

_PARTED = ("LOCATION", "ORG", "PERSON")
"""Kinds of value that have parts which mean something by themselves."""

_WHOLES_MAX = 50
"""How many values with the same word a value is looked for in."""

_NO_ARGUMENTS = Arguments(masked={}, real={}, model=None, problems=())


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where facts come from outside the guard's database.

    Args:
        region: where that database itself lies, or None where nobody said.
    """

    environment: str
    masker: Masker = field(repr=False)
    keys: Keys = field(repr=False)
    records: Records | None = field(repr=False)
    directory: Directory | None = field(repr=False)
    agent: str = DEFAULT_AGENT
    region: str | None = None


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """A call with everything known of it so far. Raw values are in ``arguments.real`` and ``descriptions`` alone.

    Args:
        descriptions: argument -> the record it names, as it is now.
        sightings: pseudonym in the arguments -> origin and source of each time it was seen.
        reveal: puts values for the pseudonyms in a text; raw, to compare with and never to keep.
        same: digest of tool and arguments; equal calls of a thread have the same.
        key: the idempotency key, or None for a read.
        rendered: the text that the tool would send, as its ``render`` gave it, or None for a tool without; raw.
        text: the same, masked, by where it stands: ``RENDERED`` or a part of it.
        text_mac: a keyed digest of that text, or None; part of the digest.
    """

    call: ToolCall
    tool: Tool | None
    policy: Policy
    thread: ThreadRow
    arguments: Arguments
    descriptions: Mapping[str, Description] = field(repr=False)
    sightings: Mapping[str, Sequence[tuple[Origin, str]]]
    reveal: Callable[[str], str] = field(repr=False)
    facts: Facts
    same: str
    key: str | None
    rendered: str | Mapping[str, str] | None = field(default=None, repr=False)
    text: Mapping[str, str] = field(default_factory=dict)
    text_mac: str | None = None

    @cached_property
    def bounds(self) -> tuple[limits.Bound, ...]:
        """Every limit on the call, once it is proposed."""
        return limits.bounds(self.policy, self.thread, self.tool, self.arguments.real, self.facts)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The meters on which it takes its place when it runs, and how much of each."""
        return limits.places(self.bounds, limits.contacted(self.thread, self.tool, self.facts))

    @cached_property
    def digest(self) -> str:
        """The digest of exactly what would run; an approval is bound to it."""
        return sha256(
            {
                "tool": self.call.tool,
                "tool_version": self.tool.version if self.tool else None,
                "args": dict(self.arguments.masked),
                "call": self.call.id,
                "thread": self.thread.id,
                "record_version": self.facts.record_version,
                "policy": self.policy.hash,
            }
            | ({"text": self.text_mac} if self.text_mac else {})
        )


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
    masked = arguments.masked  # nothing, where the arguments cannot be read at all
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
            shown = Ref(kind=kind, id=str(arguments.masked[name]))  # an id may be somebody's address
            if found is not None and found.tenant not in (None, thread.subject.tenant):
                records[name] = RecordFact(ref=str(shown), found=True, tenant=ANOTHER_COMPANY)
                continue
            if found is not None:
                descriptions[name] = found
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
        agent=sources.agent,
        known=tool is not None,
        person_found=found_person,
        roles=roles,
        region=region,
        party=thread.party,
        scope=thread.scope,
        problems=tuple(problems),
        records=records,
        record_version=version,
        audience=tool is None or has_audience(tool, arguments),
        origins=_origins(arguments, vault),
        given=tuple(name for name in call.args if name in tool.arguments) if tool and masked else (),
        content=tuple(_content(tool, policy, arguments)),
        temporal=tuple(_too_late(tool, policy, arguments, now)),
        store_region=sources.region,
    )
    same = sha256({"tool": call.tool, "args": _normal(dict(arguments.masked))})
    key = _key(call, tool, arguments, thread, sources.keys)
    return Gathered(
        call=call,
        tool=tool,
        policy=policy,
        thread=thread,
        arguments=arguments,
        descriptions=descriptions,
        sightings=_sightings(dict.fromkeys(_tokens(arguments, records)), vault) if arguments.model is not None else {},
        reveal=lambda text: TOKEN.sub(lambda found: entry.value if (entry := vault.find(found[0])) else found[0], text),
        facts=facts,
        same=same,
        key=key,
    )


def kill_scopes(gathered: Gathered) -> list[str]:
    """The kill flags that cover a call, besides the one for everything."""
    thread = gathered.thread
    agent = agent_flags(gathered.facts.environment, gathered.facts.agent)
    scopes = [f"tenant:{thread.subject.tenant}", f"tool:{gathered.call.tool}", *agent]
    return scopes + ([f"scenario:{thread.scenario}"] if thread.scenario else [])


def _arguments(call: ToolCall, tool: Tool | None, policy: Policy, vault: Pseudonyms) -> tuple[Arguments, list[Problem]]:
    put_off = call.problem is Code.APPROVAL_PENDING  # it can be read, and another one is asked about
    unreadable = (None if put_off else call.problem) or screen(call.args)
    if unreadable is not None:
        where, words = _WORDS.get(unreadable, ("(all)", "cannot be read as JSON data"))
        return _NO_ARGUMENTS, [Problem(code=unreadable, path=where, message=words)]
    if tool is None:
        return Arguments(masked=dict(call.args), real={}, model=None, problems=()), []
    arguments = read(tool, policy.tools.get(tool.name), call.args, vault.find)
    waits = [Problem(code=Code.APPROVAL_PENDING, path="(all)", message="another call waits")] if put_off else []
    return arguments, [*arguments.problems, *waits]


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
    known = masker.mask_known(defuse(found.name), vault) if found.name and named is None else ""
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
        tenant=found.tenant,
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
    for name, named in arguments.tokens.items():
        entries = [vault.find(token) for token in named]
        origins = dict.fromkeys(origin for entry in entries if entry for origin in entry.origins)
        if origins:
            found[name] = tuple(origins)
    return found


def _tokens(arguments: Arguments, records: Mapping[str, RecordFact]) -> Iterator[str]:
    for named in arguments.tokens.values():
        yield from named
    for record in records.values():
        yield from tokens(record.name)


def _sightings(found: Iterable[str], vault: Pseudonyms) -> dict[str, list[tuple[Origin, str]]]:
    """Where values were seen, alone or as a part: who said a whole address has said its street."""
    seen = {token: list(vault.sightings(token)) for token in found}
    parts = {token: _parted(vault.find(token)) for token in seen}
    if any(len(part) > 1 for part in parts.values()):  # the others have no part that could stand alone
        wholes: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        for entry in vault.entries():
            for word in dict.fromkeys(_parted(entry)):
                wholes.setdefault(word, []).append((entry.token, _parted(entry)))
        for token, part in parts.items():
            for other, whole in wholes[part[0]][:_WHOLES_MAX] if len(part) > 1 else ():
                starts = range(len(whole) - len(part) + 1)
                if other != token and any(whole[start : start + len(part)] == part for start in starts):
                    seen[token] += vault.sightings(other)
    return seen


def _parted(entry: Entry | None) -> tuple[str, ...]:
    """The words of a value that has parts which mean something by themselves; of any other none."""
    return words(entry.value) if entry is not None and entry.type in _PARTED else ()


def _content(tool: Tool | None, policy: Policy, arguments: Arguments) -> Iterator[Problem]:
    """What may not be said or addressed, looked for in the values that would run."""
    rule = policy.tools.get(tool.name) if tool else None
    if tool is None or rule is None or not (tool.writes or rule.domains is not None):
        return
    yield from unspeakable(policy, rule, arguments.real, arguments.masked)


def unspeakable(
    policy: Policy, rule: ToolRule, real: Mapping[str, JSON], masked: Mapping[str, JSON]
) -> Iterator[Problem]:
    """Stop-words, and hosts outside the allowed domains.

    Args:
        real: where it stands -> what would run or be sent. Raw; nothing of it is told but hosts and listed words.
        masked: the same as it may be told.
    """
    for name, value in real.items():
        for host in domains.refused(value, rule.domains) if rule.domains is not None else ():
            said = host in str(masked.get(name)).casefold()  # else it is a part of what a pseudonym hides
            told = host if said else "an address in it"
            yield Problem(code=Code.DOMAIN, path=name, message=f"{told} is not among the allowed domains")
        for text in strings(value) if policy.stop_words else ():
            for hit in stop_words.found(text, policy.stop_lists):
                words = f"holds {hit.entry!r}, a stop-word ({hit.language})"
                yield Problem(code=Code.STOP_WORD, path=name, message=words)


def _too_late(tool: Tool | None, policy: Policy, arguments: Arguments, now: datetime) -> Iterator[Problem]:
    rule = policy.tools.get(tool.name) if tool else None
    for name, latest in rule.not_after.items() if rule and arguments.model is not None else ():
        if not in_time(arguments.real.get(name), str(latest), now):
            yield Problem(code=Code.NOT_AFTER, path=name, message=f"must be a day, and not after {latest}")


def in_time(value: JSON, latest: str, now: datetime) -> bool:
    """Whether a value is a moment, and not after ``latest``: a day, or how far ahead of now."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return False  # left out, or no moment: absent means denied
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if "-" not in latest:
        return moment <= now + parse_duration(latest)
    return moment.date() <= datetime.fromisoformat(latest).date()


def _key(call: ToolCall, tool: Tool | None, arguments: Arguments, thread: ThreadRow, keys: Keys) -> str | None:
    if tool is None or not tool.writes or arguments.model is None:
        return None
    intent: JSON = (
        {name: _normal(_meant(getattr(arguments.model, name), arguments.real[name])) for name in tool.key}
        if tool.key
        else {"thread": thread.id, "call": call.id}
    )
    text = canonical({"tool": tool.name, "intent": intent})
    return hmac.new(keys.oldest(f"idempotency/{thread.subject.tenant}"), text, _sha256).hexdigest()


def _meant(value: object, written: JSON) -> JSON:
    """A moment and an amount by what they are, however they were written: another zone or more zeros are no other."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return str(value.normalize()) if isinstance(value, Decimal) else written


def _normal(value: JSON) -> JSON:
    """Spelling that makes no other intent: case, width, spaces, letters that look alike, and ``1.0`` for ``1``."""
    if isinstance(value, str):
        return skeleton(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return value
