"""The policy: versioned data that says who may do what, where, how often, in which mode and with which approver.

Format 1 is closed: an unknown key is refused, and so is a rule that this release does not enforce yet. Nothing is a
permission by being absent: a tool that is not named is denied, and ``roles`` and ``mode`` have no default.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from agent_guard.errors import ConfigError
from agent_guard.text import stop_words
from agent_guard.text.domains import check_entry
from agent_guard.text.stop_words import StopList
from agent_guard.text.yaml_lines import line_of, lines_of
from agent_guard.types import JSON, Mode, Origin
from agent_guard.units import parse_duration, sha256

__all__ = ["Approvers", "Limits", "Loops", "Policy", "RateLimit", "ToolRule", "Where", "WhereRule"]

_RATE = re.compile(
    r"(?P<count>[1-9][0-9]{0,6})/(?P<unit>second|minute|hour|day)/(?P<scope>thread|subject|tenant|party|tool)"
)
_MESSAGES = {
    "extra_forbidden": "no such key in format 1",
    "missing": "is required",
    "model_type": "a policy is a mapping with version, name and tools",
}
_PER = re.compile(r"(?:second|minute|hour|day)/(?:thread|subject|tenant|party|tool)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNIT_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False)


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _pattern(text: str) -> str:
    if not (text.startswith("^") and text.endswith("$")):
        raise ValueError("a pattern is written ^...$: it must match the whole value")
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


def _rate(text: str) -> str:
    if not _RATE.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a limit; write N/second|minute|hour|day/thread|subject|tenant|party|tool, "
            "e.g. '3/minute/subject'"
        )
    return text


def _cap(text: str) -> str:
    found = _RATE.fullmatch(text)
    if not found or found["scope"] != "party":
        raise ValueError(f"{text!r} is not a contact cap; write N/second|minute|hour|day/party, e.g. '3/day/party'")
    return text


def _per(text: str) -> str:
    if text != "thread" and not _PER.fullmatch(text):
        raise ValueError(f"{text!r} is not 'thread' nor second|minute|hour|day/thread|subject|tenant|party|tool")
    return text


def _domain(text: str) -> str:
    problem = check_entry(text)
    if problem:
        raise ValueError(f"{text!r} cannot be an allowed domain: {problem}")
    return text


def _latest(value: JSON) -> JSON:
    if isinstance(value, datetime):
        raise ValueError(f"{value} is a moment; give a day, such as 2026-12-31")  # noqa: TRY004 - pydantic's word
    if isinstance(value, date):  # YAML reads an unquoted date as one
        return value.isoformat()
    text = str(value)
    if _DATE.fullmatch(text):
        date.fromisoformat(text)
    else:
        parse_duration(text)
    return text


Duration = Annotated[str, AfterValidator(_duration)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class RateLimit:
    """One limit read from its text: at most ``count`` calls in ``window_s`` seconds for each value of ``scope``."""

    def __init__(self, text: str) -> None:
        found = _RATE.fullmatch(text)
        if not found:
            raise ValueError(_rate(text))
        self.text = text
        self.count = int(found["count"])
        self.window_s = _UNIT_S[found["unit"]]
        self.scope: str = found["scope"]


class Limits(_Closed):
    """Bounds of one thread; the defaults hold where a policy says nothing (requirement A3)."""

    actions_per_thread: int = Field(default=5, ge=1, le=1000)
    steps_per_thread: int = Field(default=12, ge=1, le=1000)
    attempts_per_thread: int = Field(default=20, ge=1, le=10_000)
    tokens_per_thread: int | None = Field(default=None, ge=1)
    tokens_per_day_per_tenant: int | None = Field(default=None, ge=1)


class Loops(_Closed):
    """When going round in circles is stopped (requirement A22).

    Args:
        same_call: how often the same call may come in a row.
        cycle: how often two to four calls may come in turn. The same call that comes ``same_call * cycle`` times while
            nothing is changed is stopped as well.
    """

    same_call: int = Field(default=2, ge=1, le=100)
    cycle: int = Field(default=3, ge=1, le=100)


class PlanRule(_Closed):
    """A graph makes the model plan first. A call outside the plan is denied; ``ask`` offers a draft to a person."""

    outside: Literal["deny", "ask"] = "deny"


class WhereRule(_Closed):
    """What one argument must be: the closed list of JSON Schema keywords that a policy may use."""

    type: Literal["string", "integer", "number", "boolean", "array", "object"] | None = None
    enum: list[JSON] | None = None
    const: JSON = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = Field(default=None, alias="minLength", ge=0)
    max_length: int | None = Field(default=None, alias="maxLength", ge=0)
    max_items: int | None = Field(default=None, alias="maxItems", ge=0)
    pattern: Annotated[str, AfterValidator(_pattern)] | None = None


class Where(_Closed):
    """Rules on the arguments, evaluated on the values that would run."""

    properties: dict[Name, WhereRule] = Field(default_factory=dict)
    required: list[Name] = Field(default_factory=list)


class Approvers(_Closed):
    """Who may answer, and until when.

    Args:
        review: with ``raw`` whoever approves or edits must have looked at the values behind the pseudonyms before, and
            the record must say so; a rejection needs no look.
    """

    roles: list[Name] = Field(min_length=1)
    not_requester: bool = False
    expires: Duration = "24h"
    review: Literal["masked", "raw"] = "masked"


class Requires(_Closed):
    """A call that must have run before, in the same thread.

    Args:
        within: how long ago at most.
        same: an argument that had the same value there.
    """

    tool: Name
    within: Duration
    same: Name | None = None


class Total(_Closed):
    """The most that one argument's amounts may add up to.

    Args:
        per: ``thread``, or a rolling window and whose: ``minute|hour|day/thread|subject|tenant|party|tool``.
    """

    arg: Name
    max: int | float = Field(ge=0, le=10**12)
    per: Annotated[str, AfterValidator(_per)]

    @property
    def window_s(self) -> float | None:
        """The window in seconds, or None for the whole thread."""
        return None if self.per == "thread" else _UNIT_S[self.per.split("/")[0]]

    @property
    def scope(self) -> str:
        """Whose amounts are added up."""
        return self.per.split("/")[-1]


class ToolRule(_Closed):
    """The permission for one tool.

    Args:
        args: the arguments that the model may set; without it all of the contract's, those included that the tool
            grows after the policy was written.
        origins: written ``from``: argument -> where its values may have been seen.
        domains: the hosts that an address or URL in the arguments may name; ``.acme.example`` includes those below.
        not_after: argument -> the latest day, ``2026-12-31``, or how far ahead of now, ``30d``.
    """

    roles: list[Name] = Field(min_length=1)
    mode: Mode | dict[Literal["dev", "stage", "prod"], Mode]
    region: Literal["own"] | list[Name] | None = None
    args: list[Name] | None = None
    fields: list[Name] | None = None
    where: Where = Field(default_factory=Where)
    bind: dict[Name, Literal["party", "subject", "region"]] = Field(default_factory=dict)
    limits: list[Annotated[str, AfterValidator(_rate)]] = Field(default_factory=list)
    approvers: Approvers | None = None
    origins: dict[Name, list[Origin]] = Field(default_factory=dict, alias="from")
    domains: list[Annotated[str, AfterValidator(_domain)]] | None = None
    requires: list[Requires] = Field(default_factory=list)
    totals: list[Total] = Field(default_factory=list)
    not_after: dict[Name, Annotated[JSON, AfterValidator(_latest)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _approve_names_approvers(self) -> ToolRule:
        modes = self.mode.values() if isinstance(self.mode, dict) else (self.mode,)
        if "approve" in modes and self.approvers is None:
            raise ValueError("mode 'approve' needs 'approvers' with the roles that may answer")
        return self

    def mode_in(self, environment: str) -> Mode | None:
        """The mode in this environment, or None where the policy gives none: then the tool is denied there."""
        return self.mode.get(environment) if isinstance(self.mode, dict) else self.mode  # type: ignore[call-overload]

    @cached_property
    def rates(self) -> tuple[RateLimit, ...]:
        """The limits, read."""
        return tuple(RateLimit(text) for text in self.limits)


class Policy(_Closed):
    """One scenario's policy; load it with :meth:`load` or :meth:`parse`.

    Args:
        contact_caps: how often one customer may be contacted, e.g. ``["1/hour/party", "3/day/party"]``. Every call that
            sends and has run counts, whatever its tool, conversation, user and policy. The customer is whoever the
            records that the call names belong to, else the conversation's; without one, the conversation counts alone.
        tools: who may do what. ``{}`` permits nothing: the policy of a front desk, whose threads may be sent on.
    """

    version: Annotated[int, Field(ge=1, le=1)]
    name: Name
    limits: Limits = Field(default_factory=Limits)
    loops: Loops = Field(default_factory=Loops)
    stop_words: list[Name] = Field(default_factory=list)
    plan: PlanRule | None = None
    model_regions: list[Name] = Field(default_factory=list)
    contact_caps: list[Annotated[str, AfterValidator(_cap)]] = Field(default_factory=list)
    tools: dict[Name, ToolRule]
    _folder: Path | None = PrivateAttr(default=None)

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Reads a policy file.

        Raises:
            ConfigError: no such file, not UTF-8, not YAML, an unknown key, a wrong value or a rule that is not
                enforced yet; the message gives file and line.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"policy {path}: cannot be read: {error}") from None
        return cls.parse(text, source=str(path), folder=Path(path).parent)

    @classmethod
    def parse(cls, text: str, *, source: str = "<text>", folder: Path | None = None) -> Policy:
        """Reads a policy from YAML text. Raises as :meth:`load`.

        Args:
            source: named in errors.
            folder: where the stop-words' files lie; without it the built-in lists are meant.
        """
        try:
            lines = lines_of(yaml.compose(text, Loader=yaml.SafeLoader))
            data = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(f"policy {source}, line {line}: not YAML: {error.problem}") from None
        except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date that does not exist
            raise ConfigError(f"policy {source}: not YAML: {error}") from None
        try:
            policy = cls.model_validate(data)
        except ValidationError as error:
            found = [
                _sentence(source, lines, problem["loc"], _MESSAGES.get(problem["type"], problem["msg"]))
                for problem in error.errors()
            ]
            raise ConfigError("\n".join(found)) from None
        policy = policy.beside(folder)
        try:
            _ = policy.hash
        except ConfigError as error:
            raise ConfigError(_sentence(source, lines, ("stop_words",), str(error))) from None
        except ValueError as error:  # every decision records the digest, so a policy without one decides nothing
            raise ConfigError(f"policy {source}: a value has no canonical form: {error}") from None
        return policy

    def beside(self, folder: Path | None) -> Policy:
        """The same policy, whose files of stop-words lie in ``folder``."""
        self._folder = folder
        return self

    @cached_property
    def caps(self) -> tuple[RateLimit, ...]:
        """The contact caps, read."""
        return tuple(RateLimit(text) for text in self.contact_caps)

    @cached_property
    def stop_lists(self) -> tuple[StopList, ...]:
        """The stop-words, read from files beside the policy or from the built-in lists.

        Raises:
            ConfigError: there is no such list.
        """
        return stop_words.load(self.stop_words, self._folder)

    @cached_property
    def hash(self) -> str:
        """Digest of the rules and of the stop-words, whatever the files' layout; every decision records it."""
        return sha256(self.rules)

    @cached_property
    def rules(self) -> Mapping[str, JSON]:
        """The rules as plain JSON, with the digest of the stop-words in the place of their files' names.

        Raises:
            ConfigError: there is no such list.
        """
        rules = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {**rules, "stop_words": stop_words.digest(self.stop_lists)} if self.stop_words else rules

    def hash_of(self, tool: str) -> str:
        """Digest of the rules that hold for one tool, but for its mode: its entry, and what holds for all tools. The
        policy's name, and what it says of other tools, are no part of it.

        Raises:
            KeyError: the policy does not name the tool.
        """
        shape: dict[str, Any] = {"mode": "json", "by_alias": True, "exclude_none": True}
        rules = self.model_dump(**shape, exclude={"name", "tools"})
        if self.stop_words:
            rules |= {"stop_words": stop_words.digest(self.stop_lists)}
        return sha256({**rules, "tool": self.tools[tool].model_dump(**shape, exclude={"mode"})})


def _sentence(source: str, lines: Mapping[tuple[Hashable, ...], int], loc: Sequence[Any], message: str) -> str:
    path = tuple(part for part in loc if not str(part).startswith(("function-", "literal[", "dict[", "list[")))
    where = ".".join(str(part) for part in path) or "the whole file"
    return f"policy {source}, line {line_of(lines, path)}: {where}: {message}"
