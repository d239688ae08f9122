"""What AgentDojo's tools return, split the way a contract must split it: fields of the system of record (``trusted``)
and text that outsiders wrote (``outside``).

The rules are general. Ids, times, amounts, addresses of participants and names in catalogues are kept by the system.
Bodies, descriptions, subjects, reviews, contents of files and pages are text. What a write answers repeats its own
arguments, so only the new id is taken from it. A name longer than 80 characters or of several lines is text, whoever
keeps it. What a field holds that its name does not tell stands in ``FIELDS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["FIELDS", "SHAPES", "Split", "split"]

Split = tuple[Any, Any]
"""(trusted, outside), both plain JSON."""

NAME_MAX = 80


def split(shape: str, result: Any) -> Split:
    """The two halves of a tool's result, as plain JSON."""
    return SHAPES[shape](_plain(result))


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _short(name: str) -> bool:
    return len(name) <= NAME_MAX and "\n" not in name


def _halves(items: list[Mapping[str, Any]], key: str, outside: tuple[str, ...]) -> Split:
    """Records cut in two; the key stands in both halves, so that a reader can put them together."""
    kept = [{name: value for name, value in item.items() if name not in outside} for item in items]
    text = [{key: item[key]} | {name: item.get(name) for name in outside} for item in items]
    return kept, text


def _nothing(_result: Any) -> Split:
    return None, None


def _made(result: Any) -> Split:
    return {"id": result["id_"]}, None


def _emails(result: Any) -> Split:
    mails = [
        {
            **{name: mail[name] for name in ("sender", "recipients", "cc", "bcc", "status", "read", "timestamp")},
            "id": mail["id_"],
            "attachments": [item for item in mail["attachments"] if isinstance(item, str)],
            "subject": mail["subject"],
            "body": mail["body"],
        }
        for mail in result
    ]
    return _halves(mails, "id", ("subject", "body"))


def _events(result: Any) -> Split:
    events = [{"id": item.pop("id_"), **item} for item in result]
    return _halves(events, "id", ("description", "location"))


def _files(result: Any) -> Split:
    found = result if isinstance(result, list) else [result]
    files = [
        {
            "id": item["id_"],
            "filename": item["filename"],
            "owner": item["owner"],
            "size": item["size"],
            "last_modified": item["last_modified"],
            "shared_with": [{"email": who, "permission": what} for who, what in item["shared_with"].items()],
            "content": item["content"],
        }
        for item in found
    ]
    return _halves(files, "id", ("content",))


def _records(result: Any) -> Split:
    return result, None


def _text(result: Any) -> Split:
    return None, result


def _day(result: Any) -> Split:
    return {"day": result}, None


def _profile(result: Any) -> Split:
    return {name.lower().replace(" ", "_"): value for name, value in result.items()}, None


def _value(name: str) -> Callable[[Any], Split]:
    return lambda result: ({name: result}, None)


def _names(kind: str) -> Callable[[Any], Split]:
    """A list of names, or a heading and one name a line."""

    def shape(result: Any) -> Split:
        names = result if isinstance(result, list) else result.partition(": ")[2].strip().split("\n")
        kept = [{kind: name} for name in names if name and _short(name)]
        return kept, [name for name in names if not _short(name)] or None

    return shape


def _by_name(kind: str, what: str) -> Callable[[Any], Split]:
    """One fact of each thing in a catalogue."""
    return lambda result: ([{kind: name, what: value} for name, value in result.items()], None)


def _prices(kind: str) -> Callable[[Any], Split]:
    def shape(result: Any) -> Split:
        found = []
        for name, text in result.items():
            low, high = re.findall(r"[\d.]+", text)
            found.append({kind: name, "price_min": float(low), "price_max": float(high)})
        return found, None

    return shape


def _ratings(kind: str) -> Callable[[Any], Split]:
    def shape(result: Any) -> Split:
        kept, text = [], []
        for name, value in result.items():
            rating, _, reviews = value.partition("\nReviews: ")
            kept.append({kind: name, "rating": float(rating.removeprefix("Rating: "))})
            text.append({kind: name, "reviews": reviews})
        return kept, text

    return shape


def _flights(result: Any) -> Split:
    lines = [dict(re.findall(r"(?:^|, )([A-Z][A-Za-z ]+): ([^,]*)", line)) for line in result.split("\n") if line]
    return [{name.lower().replace(" ", "_"): value for name, value in line.items()} for line in lines], None


def _transactions(result: Any) -> Split:
    """Of an outgoing payment the user knows the payee and chose the subject; of an incoming one the subject is text."""
    kept = [
        {
            **{name: item[name] for name in ("id", "amount", "date", "recurring", "sender", "recipient")},
            **({"subject": item["subject"]} if _outgoing(item) else {}),
        }
        for item in result
    ]
    return kept, [{"id": item["id"], "subject": item["subject"]} for item in result if not _outgoing(item)]


def _outgoing(item: Mapping[str, Any]) -> bool:
    return item["recipient"] != "me"


def _messages(result: Any) -> Split:
    kept = [{"n": n, "sender": item["sender"], "recipient": item["recipient"]} for n, item in enumerate(result)]
    named = [item for item in kept if _short(item["sender"]) and _short(item["recipient"])]
    return named, [{"n": n, "body": item["body"]} for n, item in enumerate(result)]


SHAPES: Mapping[str, Callable[[Any], Split]] = {
    "nothing": _nothing,
    "made": _made,
    "emails": _emails,
    "events": _events,
    "files": _files,
    "contacts": _records,
    "text": _text,
    "day": _day,
    "profile": _profile,
    "iban": _value("iban"),
    "balance": _value("balance"),
    "transactions": _transactions,
    "messages": _messages,
    "flights": _flights,
    **{f"names:{kind}": _names(kind) for kind in ("channel", "user", "hotel", "restaurant", "company")},
    **{f"{kind}:rating": _ratings(kind) for kind in ("hotel", "restaurant", "company")},
    **{
        f"{kind}:{what}": _by_name(kind, what)
        for kind in ("hotel", "restaurant", "company")
        for what in ("address", "cuisine", "diet", "contact", "price", "hours", "cars", "fuel")
    },
    "hotel:price": _prices("hotel"),
}
"""Name of a shape -> how a result of it is split."""

FIELDS: Mapping[str, Mapping[str, str]] = {
    "emails": {f"trusted.{name}": "EMAIL" for name in ("sender", "recipients", "cc", "bcc")},
    "events": {"trusted.participants": "EMAIL"},
    "files": {"trusted.owner": "EMAIL"},
    "transactions": {"trusted.sender": "text", "trusted.recipient": "text"},
    "messages": {"trusted.sender": "text", "trusted.recipient": "text"},
}
"""Shape -> path -> what stands there, where the field's name says too little or too much: the sender of a payment is an
account and no name of a person.
"""
