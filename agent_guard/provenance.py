"""Where the values of a call were seen before, and whether what it returns may be believed. Reads an index, no store.

A record of a system of record counts as trusted only when the user's words, or a record that they led to, lead to it:
a compromised model that browses the CRM does not make its finds trustworthy by looking at them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, get_args, get_origin

from agent_guard.facts import Facts, ValueFact
from agent_guard.gathering.arguments import TOKEN
from agent_guard.gathering.gather import Gathered
from agent_guard.gathering.trail import Seen, Sighting, Trail
from agent_guard.guards.provenance import ADDRESSES, SECRETS
from agent_guard.policy import ToolRule
from agent_guard.text.atoms import words
from agent_guard.text.domains import hosts, refused
from agent_guard.text.hostnames import DOTS
from agent_guard.types import JSON, Origin
from agent_guard.usual import decisions, defaults, free_keys, inside, usually

__all__ = ["HOST", "shown_values", "sightings", "values"]

HOST = "host"
"""First word of the source of values that the host itself vouches for when it opens a thread."""

ITEMS_MAX = 200
"""How many items of a list are judged one by one; the others count as records that nobody asked about."""

_ADDRESS = re.compile(rf"<(?:{'|'.join(sorted(ADDRESSES))})_[0-9]+>")
_AT = re.compile(r"(?<!\s)\s*[\[({<]\s*(?:at|@|собака|małpa)\s*[\])}>]\s*", re.IGNORECASE)
_BRACKET = re.compile(r"[\[({<]")
_DOT = re.compile(r"(?<!\s)\s*[\[({<]\s*(?:dot|\.|точка|kropka)\s*[\])}>]\s*", re.IGNORECASE)
_SIGNS = re.compile(r"[^\w\s.,;:!?'\"()\[\]&–—…«»„”“’<>-]|^\s*[.-]+\w")
"""Signs that are no prose: they make another value of a text."""
_HOLE = "\x1a"
_GLUED = re.compile(rf"\w[.@%+~&=?#/\\*-]*{_HOLE}|{_HOLE}[.@%+~&=?#/\\*-]*\w")
_RUN = re.compile(r"[^\s<>\"'«»()\[\]]+")
_PAGE = re.compile(r"[^/:?#][/?#]+[^/?#]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EVERYDAY = frozenset(
    (
        "write", "mail", "email", "send", "short", "note", "reply", "call", "with", "that", "this", "from", "about",
        "please", "text", "letter", "message", "them", "they", "what", "when", "where", "which", "will", "would",
        "could", "have", "make", "find", "list", "show", "tell", "give", "read", "open",
    )
)  # fmt: skip
"""Words of a request that are nobody's name."""

_CALLED = frozenset(
    ("id", "name", "title", "subject", "number", "code", "label", "email", "phone", "username", "login", "slug")
)
"""Words of a field's name that say that it holds what a record is called."""

_LOOKED_UP = frozenset(("id", "ids", "code", "codes", "key", "uuid", "guid", "nr", "no", "login", "username", "slug"))
"""Last words of an argument's name by which one record is looked up, however short the value is."""

_RELIABLE = frozenset({"user", "trusted"})


def values(gathered: Gathered, facts: Facts, trail: Trail) -> tuple[ValueFact, ...]:
    """The values of a call that could be somebody else's will, and where each was seen."""
    tool, rule = gathered.tool, gathered.policy.tools.get(gathered.call.tool)
    if tool is None or rule is None or gathered.arguments.model is None:
        return ()
    judged = set(rule.origins) | (tool.sensitive if tool.writes else set())
    if not judged and not tool.writes:
        return ()
    found: list[ValueFact] = []
    for name, value in gathered.arguments.masked.items():
        if name in tool.refs and name in judged and value is not None:
            found.append(_named(name, str(value), _record_seen(gathered, facts, trail, name), "text"))
            continue
        whole = inside(gathered.arguments.model, name)
        if name in judged:  # a switch that is turned and a field that is emptied are decisions, and nobody said them
            usual = usually(gathered.arguments.model, name)
            found += [_named(name, shown, {}, "text") for shown in decisions(value, whole, usual)]
        chosen = frozenset(free_keys(whole)) if isinstance(value, (dict, list)) else frozenset()
        for leaf in _leaves(value, keys=chosen):
            found += _leaf(gathered, trail, name, leaf, judged=name in judged)
    for where, text in gathered.text.items():
        found += _rendered(gathered, trail, rule, where, text)
    return tuple(dict.fromkeys(found))


def sightings(gathered: Gathered, facts: Facts, trail: Trail, content: JSON, source: str) -> list[Sighting]:
    """What a result adds to the trail: its fields by the contract's word for them, the items of a list one by one.

    Args:
        content: the visible fields, masked.
    """
    tool = gathered.tool
    if tool is None or not isinstance(content, Mapping):
        return []
    evidence = _evidence(gathered, facts, trail)
    made: list[Sighting] = []
    for name, value in content.items():
        if name in tool.untrusted:  # first of all: a page that was fetched is outside text, whatever its tool does
            made.append(Sighting(origin="untrusted", source=source, text=_text(value)))
        elif tool.writes and (name not in tool.result_refs or _repeats(gathered, value)):  # what it was given
            made.append(Sighting(origin="trusted", source=f"{source} {name}", text=_text(value), linked=False))
        else:
            items = list(_items(_records_in(gathered, name, value, evidence), listed=False))
            named = _named_items(gathered, trail, [item for item, listed in items[:ITEMS_MAX] if listed])
            for index, (item, listed) in enumerate(items):
                alone = not listed or (evidence is True and (len(items) == 1 or bool(tool.refs)))
                led = evidence is not False and (alone or id(item) in named)
                text = _text(item, tool.ids)
                several = evidence is None and len(set(_ADDRESS.findall(text))) > 1  # and nobody says whose
                linked = led and not several and index < ITEMS_MAX
                where = f"{source} {index}" if listed else f"{source} {name}"
                made.append(Sighting(origin="trusted", source=where, text=text, linked=linked))
    return [item for item in made if item.text]


def _records_in(gathered: Gathered, name: str, value: JSON, evidence: bool | None) -> JSON:
    """A field of a result, as a list where it holds records that a list would hold: a dictionary by person, and the
    lines of a text that nobody asked anything of.
    """
    field = gathered.tool.result_model.model_fields.get(name) if gathered.tool else None
    if isinstance(value, Mapping) and field is not None and _is_dictionary(field.annotation):
        rows = {key: item if isinstance(item, Mapping) else {"value": item} for key, item in value.items()}
        return [{"name": key, **row} for key, row in rows.items()]
    if isinstance(value, str) and evidence is None and len(lines := value.splitlines()) > 1:
        return [*lines[:ITEMS_MAX], "\n".join(lines[ITEMS_MAX:])]  # the rest is judged as one, and is never linked
    return value


def _is_dictionary(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return kind in (dict, Mapping) or any(map(_is_dictionary, get_args(annotation)))


def _repeats(gathered: Gathered, value: JSON) -> bool:
    """Whether a new record's id is only what the call itself brought."""
    return any(str(value) in str(leaf) for given in gathered.arguments.masked.values() for leaf in _leaves(given))


def _named_items(gathered: Gathered, trail: Trail, items: Sequence[JSON]) -> set[int]:
    """The items of a list that the user's words name, each by something that no other item has."""
    by = [set(_asked_for(gathered, item, trail)) for item in items]
    return {
        id(item)
        for at, item in enumerate(items)
        if any(all(name not in other for n, other in enumerate(by) if n != at) for name in by[at])
    }


def _items(value: JSON, *, listed: bool) -> Iterator[tuple[JSON, bool]]:
    """The pieces of a result that are judged alone: the items of every list in it, and the rest as a whole."""
    if isinstance(value, list):
        for item in value:
            yield from _items(item, listed=True) if isinstance(item, list) else [(item, True)]
    elif isinstance(value, Mapping) and not listed and any(_lists(item) for item in value.values()):
        for item in value.values():
            yield from _items(item, listed=False)
    else:
        yield value, listed


def _lists(value: JSON) -> bool:
    return isinstance(value, list) or (isinstance(value, Mapping) and any(_lists(item) for item in value.values()))


def _evidence(gathered: Gathered, facts: Facts, trail: Trail) -> bool | None:
    """Whether a call was led by what the user said: None where its arguments say nothing at all."""
    tool = gathered.tool
    if tool is None:
        return False
    usual = defaults(tool.args_model)
    led: bool | None = None
    for name, value in gathered.arguments.masked.items():
        if value == usual.get(name) or value in (None, "", []) or name in tool.closed:
            continue
        if name in tool.refs:
            found = [_record_seen(gathered, facts, trail, name)]
        else:  # of a search only words lead anywhere: a page's size or a switch says nothing
            looked_up = _CAMEL.sub("_", name).lower().rsplit("_", 1)[-1] in _LOOKED_UP
            leaves = [leaf for leaf in _leaves(value) if tool.writes or looked_up or _searching(leaf)]
            if not leaves:
                continue
            found = [_seen(gathered, trail, name, leaf) for leaf in leaves]
        if tool.writes:  # what the model wrote itself does not taint what it makes; what outsiders wrote does
            led = led is not False and not any(set(seen) == {"untrusted"} for seen in found)
        else:
            led = led is not False and all(_RELIABLE & set(seen) for seen in found)
    return led


def _asked_for(gathered: Gathered, item: JSON, trail: Trail) -> Iterator[str]:
    """By what the user's own words name one item: a pseudonym in it, or what it is called. Any other word of it may
    stand in the user's text by chance.
    """
    fields = item.items() if isinstance(item, Mapping) else [("name", item)]
    for name, value in fields:
        called = bool(_CALLED & set(name.lower().split("_")))
        for leaf in _leaves(value):
            whole = isinstance(leaf, str) and bool(TOKEN.fullmatch(leaf))
            if (whole or (called and len(str(leaf)) > 2)) and "user" in _seen(gathered, trail, name, leaf):
                yield str(leaf)


def _leaf(gathered: Gathered, trail: Trail, name: str, leaf: Any, *, judged: bool) -> Iterator[ValueFact]:
    if not isinstance(leaf, str):
        if judged:
            yield _named(name, str(leaf), trail.seen(leaf), "number")
        return
    amount = getattr(gathered.arguments.model, name, None)
    if judged and isinstance(amount, Decimal):  # an amount that is written as text
        yield _named(name, leaf, trail.seen(amount), "number")
        return
    found = TOKEN.findall(leaf)
    whole = _said(trail, leaf, _cues(name)) if judged and not TOKEN.fullmatch(leaf) else {}
    if _RELIABLE & set(whole):
        yield _named(name, leaf, whole, "text")
        judged = False  # what it is made of was said together
    for token in dict.fromkeys(found):
        kind = token[1:].rsplit("_", 1)[0]
        if judged or kind in ADDRESSES | SECRETS:
            yield _named(name, token, _token_seen(gathered, trail, token), kind)
    for glued in _glued(leaf, TOKEN if judged else _ADDRESS) if found else ():
        yield _named(name, glued, trail.seen(glued, exact=True), "URL")
    rest = TOKEN.sub(" ", leaf)
    if judged:
        if not found and rest.strip():
            yield _named(name, leaf, whole, "text")
        elif any(letter.isalnum() for letter in rest) or _SIGNS.search(rest):
            yield _named(name, " ".join(rest.split()), _said(trail, rest), "text")
        return
    for link in _links(_spoken(gathered.reveal(_ADDRESS.sub(" ", leaf)))):  # of an address not known for one
        yield _named(name, leaf, trail.seen(link, exact=True), "URL")


def _said(trail: Trail, text: str, cues: Sequence[str] = ()) -> Seen:
    """Where a text was seen. Commas and the like do not count, as between people; other signs make another value of
    it, and so do wide letters: ``blue*`` is not ``blue``.
    """
    bare = TOKEN.sub("", text)
    return trail.seen(text, cues, exact=bool(_SIGNS.search(bare)) or not unicodedata.is_normalized("NFKC", bare))


def _glued(text: str, token: re.Pattern[str]) -> Iterator[str]:
    """Words that a pseudonym is only a part of: ``<EMAIL_1>.it`` is another address than ``<EMAIL_1>``."""
    for run in text.split():
        if _GLUED.search(TOKEN.sub(lambda found: _HOLE if token.fullmatch(found[0]) else found[0], run)):
            yield run


def _links(text: str) -> Iterator[str]:
    """The hosts that a text names, with the page where it names one: anybody may have a page on a known host."""
    pages: dict[str, list[str]] = {}
    runs = _RUN.findall(text.translate(DOTS)) if _PAGE.search(text) else ()
    for run in (found.strip(".,;:!?") for found in runs):
        if _PAGE.search(run) and (named := hosts(run)):
            pages.setdefault(named[0], []).append(run)
    for host in hosts(text):
        yield from pages.get(host, [host])


def _rendered(gathered: Gathered, trail: Trail, rule: ToolRule, where: str, text: str) -> Iterator[ValueFact]:
    """The addresses and secrets in a text that would be sent, without those whose host the policy allows."""
    allowed = rule.domains

    def vouched(address: str, seen: Seen) -> bool:
        return not seen and allowed is not None and bool(hosts(address)) and not refused(address, allowed)

    for token in dict.fromkeys(TOKEN.findall(text)):
        kind, seen = token[1:].rsplit("_", 1)[0], _token_seen(gathered, trail, token)
        if kind in ADDRESSES | SECRETS and not (kind in ("EMAIL", "URL") and vouched(gathered.reveal(token), seen)):
            yield _named(where, token, seen, kind)
    for host in hosts(_spoken(gathered.reveal(_ADDRESS.sub(" ", text)))):
        met = trail.seen(host, exact=True)
        if not vouched(f"https://{host}/", met):
            # it may be made of what pseudonyms hide
            yield _named(where, host if host in text.casefold() else "(an address)", met, "URL")


def _spoken(text: str) -> str:
    """An address as it would be typed: ``eve(at)evil[.]example``."""
    return _DOT.sub(".", _AT.sub("@", text)) if _BRACKET.search(text) else text


def _seen(gathered: Gathered, trail: Trail, name: str, leaf: Any) -> Seen:
    if isinstance(leaf, str) and TOKEN.fullmatch(leaf):
        return _token_seen(gathered, trail, leaf)
    return trail.seen(leaf, _cues(name))


def _telling(text: str) -> bool:
    """Whether words of a text can hardly stand in another by chance: two at least, and not of the everyday ones."""
    found = words(text)
    return len(found) > 1 and any(len(word) > 3 and word not in _EVERYDAY for word in found)


def _searching(leaf: Any) -> bool:
    """Whether a search word says what is looked for."""
    if not isinstance(leaf, str):
        return False
    return bool(TOKEN.search(leaf)) or any(
        (len(word) > 3 and word not in _EVERYDAY) or any(map(str.isdigit, word)) for word in words(leaf)
    )


def _cues(name: str, kind: str = "") -> tuple[str, ...]:
    """The words of an argument's name, and of the kind of record it names."""
    return (*name.split("_"), *kind.split("_"))


def _token_seen(gathered: Gathered, trail: Trail, token: str) -> dict[Origin, str]:
    """Where a pseudonym was seen. Of the vault's word the people's and the host's count; what a system of record said
    counts as the trail has it, which knows whether anybody asked.
    """
    seen: dict[Origin, str] = dict(trail.seen(token))
    value = gathered.reveal(token)
    written = token[1:].rsplit("_", 1)[0] in ADDRESSES | SECRETS
    if written or _telling(value):  # said before anybody knew it for what it is
        for origin, source in trail.seen(value, exact=written).items():
            seen.setdefault(origin, source)
    for origin, source in gathered.sightings.get(token, ()):
        if origin not in ("trusted", "invented") or source.split(" ")[0] == HOST:
            seen.setdefault(origin, source)
    return seen


def _record_seen(gathered: Gathered, facts: Facts, trail: Trail, name: str) -> Seen:
    """Where the record was seen that an id names: the id itself, what a human would call the record, or its being the
    customer's of this thread.
    """
    value, record = gathered.arguments.masked.get(name), facts.records.get(name)
    kind = gathered.tool.refs[name] if gathered.tool else ""
    seen: dict[Origin, str] = dict(trail.seen(str(value), _cues(name, kind)))
    if str(value) in gathered.thread.refs.values():
        seen.setdefault("trusted", HOST)
    if record is not None and record.party is not None and record.party == facts.party:
        seen.setdefault("trusted", "the thread's customer")
    if record is not None and record.name:
        called = _token_seen(gathered, trail, record.name) if TOKEN.fullmatch(record.name) else trail.seen(record.name)
        for origin, source in called.items():
            seen.setdefault(origin, source)
    return seen


def _named(argument: str, shown: str, seen: Seen, kind: str) -> ValueFact:
    return ValueFact(
        argument=argument,
        shown=shown[:200],
        kind=kind,
        origins=tuple(sorted(seen)) or ("invented",),
        sources=tuple(seen[origin] for origin in sorted(seen)),
    )


def _leaves(value: JSON, *, keys: Collection[str] = ()) -> Iterator[Any]:
    """Texts and numbers at the ends; a key too where it may hold an address, or is one of ``keys``."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in keys or TOKEN.search(key):
                yield key
            yield from _leaves(item, keys=keys)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item, keys=keys)
    elif value not in (None, "") and not isinstance(value, bool):
        yield value


def _text(value: JSON, ids: Mapping[str, str] = MappingProxyType({})) -> str:
    """The texts and numbers of a value, one a line; a record's id after the word for its kind, so that the 42 of an
    event is no contact's.
    """
    named = {str(item): ids[key] for node in _objects(value) for key, item in node.items() if key in ids}
    return "\n".join(f"{named[str(leaf)]} {leaf}" if str(leaf) in named else str(leaf) for leaf in _leaves(value))


def _objects(value: JSON) -> Iterator[Mapping[str, JSON]]:
    if isinstance(value, Mapping):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _objects(item)


def shown_values(facts: Sequence[ValueFact]) -> list[dict[str, JSON]]:
    """The values with their origins as a human is shown them."""
    return [
        {"argument": item.argument, "value": item.shown, "origins": list(item.origins), "sources": list(item.sources)}
        for item in facts
    ]
