"""Arguments of a proposal: screened, validated against the contract, defaults filled, nothing unknown let through."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, get_args

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from agent_guard.facts import Problem
from agent_guard.gathering.where import failures
from agent_guard.policy import ToolRule
from agent_guard.text.spelling import invisible
from agent_guard.tool import Tool
from agent_guard.types import ENTITY_TYPES, JSON, Code, Entry

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "TOKEN",
    "Arguments",
    "has_audience",
    "read",
    "screen",
    "strings",
    "tokens",
]

MAX_BYTES = 64 * 1024
"""Largest arguments that are looked at, as JSON text in UTF-8; a larger proposal is denied unread."""

MAX_DEPTH = 32
"""Deepest nesting that is looked at."""

_MAX_INT = 2**53 - 1  # RFC 8785 and every JavaScript client end here

TOKEN = re.compile(rf"<(?:{'|'.join(ENTITY_TYPES)})_[1-9][0-9]{{0,5}}>")
"""A pseudonym."""

DERIVED = "(derived)"
"""Stands for a text that a contract made of personal values."""

_TELLING = 5
"""Digits from which a number that stands in a personal value counts as made of it."""

_LETTERS = re.compile(r"[^\W\d_]{3}")
_NO_DIGIT = re.compile(r"\D")
_HALF = re.compile("[\ud800-\udfff]")
"""Half a character, which no encoding can store."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments after the contract has read them.

    Args:
        masked: defaults filled, pseudonyms kept; what is stored, shown and digested.
        real: what would run: JSON with the values of ``unmask`` arguments restored. Raw.
        model: ``real`` as the tool's args model, or None where there are problems.
    """

    masked: Mapping[str, JSON]
    real: Mapping[str, JSON] = field(repr=False)
    model: BaseModel | None = field(repr=False)
    problems: tuple[Problem, ...]

    @cached_property
    def tokens(self) -> Mapping[str, Sequence[str]]:
        """Argument -> the pseudonyms in it, where there are any."""
        return {name: found for name, value in self.masked.items() if (found := tokens(value))}


def screen(args: Any) -> Code | None:
    """Tells whether arguments are too large, too deep or no JSON at all; never raises and never recurses."""
    if not isinstance(args, Mapping):
        return Code.ARGUMENTS_MALFORMED
    size = 2
    stack: list[tuple[Any, int]] = [(args, 1)]
    while stack:
        value, depth = stack.pop()
        if depth > MAX_DEPTH:
            return Code.ARGUMENTS_TOO_LARGE
        children: Sequence[Any] = ()
        if isinstance(value, str):
            if len(value) > MAX_BYTES:
                return Code.ARGUMENTS_TOO_LARGE
            if value.isascii():
                size += len(value) + 2
            elif _HALF.search(value):
                return Code.ARGUMENTS_MALFORMED
            else:
                size += len(value.encode()) + 2
        elif value is None or isinstance(value, bool):
            size += 4
        elif isinstance(value, int):
            size += 8
            if abs(value) > _MAX_INT:
                return Code.ARGUMENTS_MALFORMED
        elif isinstance(value, float):
            size += 8
            if not math.isfinite(value):
                return Code.ARGUMENTS_MALFORMED
        elif isinstance(value, (list, tuple)):
            children = value
        elif isinstance(value, Mapping):
            children = [*value.keys(), *value.values()]
            if not all(isinstance(key, str) for key in value):
                return Code.ARGUMENTS_MALFORMED
        else:
            return Code.ARGUMENTS_MALFORMED
        size += 2 * len(children)
        if size > MAX_BYTES:
            return Code.ARGUMENTS_TOO_LARGE
        stack += [(child, depth + 1) for child in children]
    return None


def tokens(value: JSON) -> list[str]:
    """Every pseudonym in JSON data, keys included."""
    if isinstance(value, str):
        return TOKEN.findall(value) if "<" in value else []
    if isinstance(value, Mapping):
        return [token for item in (*value, *value.values()) for token in tokens(item)]
    if isinstance(value, (list, tuple)):
        return [token for item in value for token in tokens(item)]
    return []


def read(
    tool: Tool,
    rule: ToolRule | None,
    args: Mapping[str, JSON],
    find: Callable[[str], Entry | None],
) -> Arguments:
    """Reads screened, masked arguments by the tool's contract and the policy's ``where``.

    Args:
        find: the thread's pseudonyms.
    """
    named = {name: found for name, item in args.items() if (found := [*tokens(name), *tokens(item)])}
    problems = [*_invisible(args), *_kinds(tool, args), *_pseudonyms(tool, named, find)]
    real = {name: _restore(item, find) if name in tool.unmask else item for name, item in args.items()}
    try:
        text = orjson.dumps(real)
        model = tool.args_model.model_validate_json(text, strict=True)
        dumped = model.model_dump(mode="json", round_trip=True)
        unnamed = list(_unnamed(tool.args_model, text))
    except ValidationError as error:
        problems += [_problem(item) for item in error.errors(include_input=False, include_context=False)]
        return Arguments(masked=dict(args), real=real, model=None, problems=tuple(problems))
    except Exception:  # a validator that breaks; its words may repeat the value
        problems.append(Problem(code=Code.ARGUMENTS_INVALID, path="(all)", message="are not valid"))
        return Arguments(masked=dict(args), real=real, model=None, problems=tuple(problems))
    unknown = [
        Problem(code=Code.ARGUMENT_UNKNOWN, path=path, message="the tool has no such argument")
        for path in _unknown(real, model, "")
    ]
    problems += unknown or unnamed
    if rule is not None:
        problems += [
            Problem(code=Code.ARGUMENT_NOT_PERMITTED, path=name, message=f"the policy's {keyword} does not hold")
            for name, keyword in failures(rule.where, dumped)
        ]
        problems += [
            Problem(code=Code.ARGUMENT_NOT_PERMITTED, path=name, message="the policy does not let you set it")
            for name in args
            if rule.args is not None and name not in rule.args and name in tool.arguments
        ]
    masked = _hidden(dumped, args, named, find, _words(tool.args_model)) if named else dumped
    return Arguments(masked=masked, real=dumped, model=None if problems else model, problems=tuple(problems))


def has_audience(tool: Tool, arguments: Arguments) -> bool:
    """Whether anybody but the subject would see what a call does. Nobody does only where each argument of the
    contract's ``audience`` is empty as the args model has it, as it would run and as it is shown; one that cannot be
    read has somebody in it.
    """
    unread = object()
    return not tool.audience or any(
        not _empty(value)
        for name in tool.audience
        for value in (
            getattr(arguments.model, name, unread),
            arguments.real.get(name, unread),
            arguments.masked.get(name, unread),
        )
    )


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, (str, list, tuple, dict)) and len(value) == 0)


def _invisible(args: Mapping[str, JSON]) -> Iterator[Problem]:
    for name, item in args.items():
        unseen = next(filter(None, map(invisible, strings(item))), None)
        if unseen:
            yield Problem(
                code=Code.ARGUMENTS_INVALID, path=name, message=f"holds a character that nobody sees ({unseen})"
            )


def _kinds(tool: Tool, args: Mapping[str, JSON]) -> Iterator[Problem]:
    for name, kind in tool.kinds.items():
        if any(not re.fullmatch(rf"<{kind}_[1-9][0-9]*>", text) for text in strings(args.get(name))):
            yield Problem(code=Code.ARGUMENTS_INVALID, path=name, message=f"must be one {kind} and nothing else")


def _pseudonyms(
    tool: Tool, named: Mapping[str, Sequence[str]], find: Callable[[str], Entry | None]
) -> Iterator[Problem]:
    for name in named:
        for token in dict.fromkeys(named[name]) if name in tool.arguments else ():
            if find(token) is None:
                yield Problem(
                    code=Code.PSEUDONYM_UNKNOWN, path=name, message=f"{token} stands for nothing in this conversation"
                )
            elif name not in tool.unmask:
                yield Problem(
                    code=Code.PSEUDONYM_NOT_PERMITTED, path=name, message="personal data is not accepted here"
                )


def _restore(value: JSON, find: Callable[[str], Entry | None]) -> JSON:
    if isinstance(value, str):
        return TOKEN.sub(lambda match: entry.value if (entry := find(match[0])) else match[0], value)
    if isinstance(value, Mapping):
        return {key: _restore(item, find) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_restore(item, find) for item in value]
    return value


def _hidden(
    dumped: JSON,
    args: Mapping[str, JSON],
    named: Mapping[str, Sequence[str]],
    find: Callable[[str], Entry | None],
    words: frozenset[str],
) -> JSON:
    """The normalised arguments with pseudonyms wherever the contract put a value: in its place, moved, copied into
    another text, or changed beyond recognition, which is shown as ``(derived)``: it follows from what is shown.

    Args:
        named: argument -> the pseudonyms in it.
        words: texts of the contract itself, casefolded: defaults and closed words are nobody's data.
    """
    proposed = {str(_restore(text, find)): text for text in strings(args)}
    values = {entry.value: token for found in named.values() for token in found if (entry := find(token))}
    longest = sorted(values, key=len, reverse=True)

    def leaf(text: str, place: JSON) -> str:
        if text in proposed:
            return proposed[text]
        if isinstance(place, str) and TOKEN.search(place):
            return place
        hidden = text
        for value in longest:
            hidden = re.sub(re.escape(value), values[value], hidden, flags=re.IGNORECASE)
        if not values or hidden != text or not _LETTERS.search(text):
            return hidden
        known = words | {item.casefold() for item in proposed}
        return text if text.casefold() in known else DERIVED

    def walk(value: JSON, place: JSON) -> JSON:
        if isinstance(value, str):
            return leaf(value, place)
        if isinstance(value, Mapping):
            at = place if isinstance(place, Mapping) else {}
            return {key: walk(item, at.get(key)) for key, item in value.items()}
        if isinstance(value, list):
            same = isinstance(place, (list, tuple)) and len(place) == len(value)
            return [walk(item, place[index] if same else None) for index, item in enumerate(value)]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if isinstance(place, str) and TOKEN.search(place):
                return place
            digits = _NO_DIGIT.sub("", str(value))
            made = len(digits) >= _TELLING and any(digits in _NO_DIGIT.sub("", item) for item in values)
            return DERIVED if made else value
        return value

    return walk(dumped, args)


def strings(value: JSON) -> Iterator[str]:
    """Yields every text in JSON data, without the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from strings(item)


@lru_cache(maxsize=256)
def _words(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(text.casefold() for text in strings(model.model_json_schema()))


_KINDS = frozenset(get_args(ErrorType))
_REPEATING = frozenset({"value_error", "assertion_error", "union_tag_invalid", "uuid_parsing", "url_parsing"})


def _problem(item: Any) -> Problem:
    kind, path = item["type"], ".".join(str(part) for part in item["loc"]) or "(all)"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return Problem(code=Code.ARGUMENT_UNKNOWN, path=path, message="the tool has no such argument")
    # a validator's own words may repeat the value; pydantic's do not, but for these
    message = item["msg"] if kind in _KINDS - _REPEATING else "is not valid"
    return Problem(code=Code.ARGUMENTS_INVALID, path=path, message=message)


def _unknown(raw: JSON, model: object, path: str) -> Iterator[str]:
    if isinstance(model, BaseModel) and isinstance(raw, Mapping):
        fields = _fields(type(model))
        for key, item in raw.items():
            if key not in fields:
                yield f"{path}{key}"
            else:
                yield from _unknown(item, getattr(model, fields[key]), f"{path}{key}.")
    elif isinstance(raw, list) and isinstance(model, (list, tuple)) and len(raw) == len(model):
        for index, (item, part) in enumerate(zip(raw, model, strict=True)):
            yield from _unknown(item, part, f"{path}{index}.")
    elif isinstance(raw, Mapping) and isinstance(model, Mapping):
        for key, item in raw.items():
            yield from _unknown(item, model.get(key), f"{path}{key}.")


def _unnamed(model: type[BaseModel], text: bytes) -> Iterator[Problem]:
    """What is wrong where typed dictionaries and data classes are closed as well: they drop keys that they do not name,
    or keep them, and their values do not tell.
    """
    if not _has_dictionaries(model):
        return
    try:
        model.model_validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        yield from map(_problem, error.errors(include_input=False, include_context=False))


@lru_cache(maxsize=256)
def _has_dictionaries(model: type[BaseModel]) -> bool:
    """Whether a typed dictionary or a data class is somewhere in an args model."""
    waiting: list[Any] = [model.__pydantic_core_schema__]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            if part.get("type") in ("typed-dict", "dataclass"):
                return True
            waiting += part.values()
        elif isinstance(part, (list, tuple)):
            waiting += part
    return False


@lru_cache(maxsize=256)
def _fields(model: type[BaseModel]) -> Mapping[str, str]:
    """What a call may name -> the field that it is."""
    fields = {field.alias or name: name for name, field in model.model_fields.items()}
    return fields | {name: name for name in model.model_fields}
