"""Arguments that look as if their value mattered, and that neither the contract nor the policy looks at.

One of the published policies for a calendar checks the event's id, and not the participants who are added to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, get_args

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policies.shapes import Shape, leaves

__all__ = ["Kind", "kind_of", "looks", "watched"]

Kind = Literal["recipient", "address", "link", "amount", "account", "secret"]

_LISTED = """
recipient: recipient recipients participant participants attendee attendees invitee invitees guest guests cc bcc
recipient: receiver receivers addressee addressees payee beneficiary member members subscriber subscribers
address: email emails mail phone phones msisdn address addresses mobile fax telegram whatsapp
link: url urls uri href webhook link links endpoint callback hostname website
amount: amount amounts price prices sum total totals discount fee refund payment salary
account: iban bic swift
secret: password passwd pwd secret secrets credential credentials passphrase otp
trailing: id ids list name names value eur usd gbp kzt pln rub cents minor
"""
_WORDS: dict[str, str] = {
    word: kind for kind, _, words in (row.partition(": ") for row in _LISTED.split("\n")) for word in words.split()
}
_WHOLE: dict[str, Kind] = {
    "to": "recipient", "send_to": "recipient", "notify": "recipient", "api_key": "secret", "apikey": "secret",
    "access_token": "secret", "token": "secret", "pin": "secret", "account_number": "account",
    "bank_account": "account", "card_number": "account", "host": "link", "domain": "link",
}  # fmt: skip
_FORMATS: dict[str, Kind] = {
    "email": "address", "idn-email": "address", "name-email": "address", "phone": "address", "uri": "link",
    "uri-reference": "link", "iri": "link", "hostname": "link", "password": "secret",
}  # fmt: skip
_SAYS: dict[Kind, str] = {
    "recipient": "says who receives something", "address": "is an address", "link": "is a link",
    "amount": "is an amount of money", "account": "is an account", "secret": "is a secret",
}  # fmt: skip
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DIGITS = re.compile(r"\d+$")


def looks(entry: Entry) -> Iterator[Finding]:
    """Reports each argument once, by the first value in it that looks sensitive."""
    reported: set[str] = set()
    for path, shape in leaves(entry.tool.args_model):
        argument, kind = path[0], kind_of(path, shape)
        if kind is None or argument in reported or watched(entry, argument, kind):
            continue
        reported.add(argument)
        says = f"{'.'.join(path)} {_SAYS[kind]} and nothing says where its value may come from"
        hint = f"mark it sensitive in the contract, or write from: {{{argument}: [user, trusted]}}, bind or where"
        report = entry.error if entry.tool.writes else entry.warning
        yield report(Rule.LOOKS_SENSITIVE, says=says, hint=hint)


def watched(entry: Entry, argument: str, kind: Kind) -> bool:
    """Whether the contract or the policy looks at what the argument's value is; its length alone is no look."""
    rule, tool = entry.rule, entry.tool
    where = rule.where.properties.get(argument)
    values = where and (where.enum is not None or where.const is not None or where.pattern is not None)
    capped = kind == "amount" and ((where and where.maximum is not None) or argument in [t.arg for t in rule.totals])
    domains = kind in ("address", "link", "recipient") and rule.domains is not None
    return bool(
        argument in tool.sensitive or argument in tool.refs or argument in rule.origins or values or capped or domains
    )


def kind_of(path: tuple[str, ...], shape: Shape) -> Kind | None:
    """What a value looks like by its format and name, or None. A closed word, a flag or a date is none of these."""
    if "enum" in shape or "const" in shape or shape.get("type") in ("boolean", "null"):
        return None
    found = _FORMATS.get(str(shape.get("format")))
    if found or "format" in shape:
        return found
    for depth, name in enumerate(reversed(path)):
        kind = _named(name)
        if kind == "amount" and (depth or shape.get("type") not in ("integer", "number", "string")):
            continue
        if kind is not None and (kind == "amount" or shape.get("type") not in ("integer", "number")):
            return kind
    return None


def _named(name: str) -> Kind | None:
    """What the last telling word of a name says."""
    spaced = _DIGITS.sub("", _CAMEL.sub("_", name)).lower().strip("_")
    if spaced in _WHOLE:
        return _WHOLE[spaced]
    words = spaced.split("_")
    while len(words) > 1 and _WORDS.get(words[-1]) == "trailing":
        words.pop()
    kind = _WORDS.get(words[-1])
    return next((known for known in get_args(Kind) if known == kind), None)
