"""The contract of a tool: one function with an args model and a result model, and everything a gateway must know of it.

A contract gives no permission: a policy that names the tool does.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Any, get_args

from pydantic import BaseModel, RootModel, TypeAdapter
from pydantic.fields import FieldInfo

from agent_guard.errors import ConfigError
from agent_guard.types import ENTITY_TYPES, JSON, Change, Effect, EntityType
from agent_guard.units import parse_duration

__all__ = ["FIELD_CLASSES", "MAX_TIMEOUT_S", "Tool", "tool"]

MAX_TIMEOUT_S = 10.0
"""Longest time a tool may take, in seconds (requirement A20)."""

RETRIES_MOST = 5
"""How often a tool may be tried again at most."""

FIELD_CLASSES = ("plain", "text", "drop", *ENTITY_TYPES)
"""What may be said of a result field: shown as it is, analysed as text, never shown, or personal data of a type."""

RESERVED = ("idempotency_key", "rendered", "secrets", "subject")
"""Parameters that the gateway fills itself; a resource cannot have these names."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool's contract. Build it with :func:`tool`; a wrong contract is refused there and then.

    Args:
        name: lower-case words joined by ``_`` and ``.``, e.g. ``"crm.create_task"``.
        run: the function; called by the gateway alone.
        args_model: what the model may propose; closed, whatever its own ``extra`` says.
        result_model: what the tool returns.
        effect: what it does to the world.
        timeout_s: 0 < t <= 10. A write that takes longer is *unknown*, not failed.
        description: what the model is told.
        version: of the contract; part of the digest.
        key: argument names that make two calls the same intent. Without it a call is the same by thread and id only.
        key_window: how long an equal intent counts as a duplicate; None is for ever.
        refs: argument name -> kind of the record it names; resolved through ``Records.describe``.
        changes: the argument among ``refs`` whose record the tool changes, or None where it makes a new one.
        result_refs: result field -> kind of the record that was made; read back after the write.
        sets: argument -> field of the record (of ``Description.snapshot``) that it sets, for those that set one. By
            default every argument sets the field of its own name. What is read back after a write is compared with it.
        sensitive: arguments whose origin matters (recipients, amounts, links).
        audience: of a tool that sends or writes: the arguments that name who else will see what it does, e.g.
            ``("participants",)`` of a calendar event. While all of them are empty (``None``, ``""``, ``[]`` or ``{}``,
            as the args model reads them) a call reaches nobody but the subject and can be thrown away again, and the
            plan and provenance judge it as a draft; addresses, links and secrets in it are judged as they always are,
            and limits, kill flags and the record go by ``effect``. Each of them must be sensitive. Leave it out where
            others see a call whatever its arguments say.
        kinds: argument -> the one kind of personal value that it holds, e.g. ``{"to": "EMAIL"}``: each of its texts
            must be one pseudonym of that kind, so that a name never passes for an address.
        unmask: arguments whose pseudonyms become values again for the length of the call.
        untrusted: result fields whose text was written by outsiders.
        result_fields: result field, or a dotted path in one, -> one of ``FIELD_CLASSES``. Text that is not named is
            analysed.
        ids: field of the result, at any depth -> kind of the record whose id it holds, e.g. ``{"id": "event"}``: the 42
            of an event is then no contact's.
        post_check: ``(args, result, description after) -> None or the problem in one word``.
        dry_run: ``(args, *resources) -> Description`` of the record as it would be; shown to the approver.
        render: of a tool that writes: ``(args, *resources) -> str`` or ``{part: str}``, the text that would leave. It
            is asked before each decision, changes nothing, and gives the same text for the same data; what it gives is
            judged by stop-words, domains and provenance, shown to the approver, and handed to the function as
            ``rendered``, which sends that and nothing else. Where it fails, or takes longer than ``timeout_s``, the
            call is denied. It takes no parameter that the function itself does not take.
        lookup: of a tool that writes: ``(args, *resources) -> result or None``, asked with ``idempotency_key`` what
            became of the call that ran with this key. It gives the result of that call, or None where the system of
            record is sure that it never happened; it raises ``OutcomeUnknown`` or ``ToolUnavailable`` where it cannot
            tell. It changes nothing, and takes no resource that the function itself does not take.
        undo: of a tool that writes: ``(change) -> (tool's name, args) or None``, a pure function of
            :class:`agent_guard.types.Change`: the call that turns this change back, in the same pseudonyms. It is only
            ever proposed, when a person asks for it; None where there is no way back.
        retries: how often it may be tried again within ``timeout_s``, 0 to 5: a read whose system did not answer, and
            any tool that raised ``ToolUnavailable``, because then nothing was sent. Nothing else is ever tried again.
    """

    name: str
    run: Callable[..., Any]
    args_model: type[BaseModel]
    result_model: type[BaseModel]
    effect: Effect
    timeout_s: float
    description: str
    version: str = "1"
    key: tuple[str, ...] = ()
    key_window: timedelta | None = timedelta(hours=24)
    refs: Mapping[str, str] = field(default_factory=dict)
    changes: str | None = None
    result_refs: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, str] | None = None
    sensitive: frozenset[str] = frozenset()
    audience: tuple[str, ...] = ()
    kinds: Mapping[str, EntityType] = field(default_factory=dict)
    unmask: frozenset[str] = frozenset()
    untrusted: frozenset[str] = frozenset()
    result_fields: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    post_check: Callable[..., str | None] | None = None
    dry_run: Callable[..., Any] | None = None
    render: Callable[..., Any] | None = None
    lookup: Callable[..., Any] | None = None
    undo: Callable[[Change], tuple[str, Mapping[str, JSON]] | None] | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ConfigError(f"tool {self.name!r}: {problem}")

    def _problem(self) -> str | None:
        if not _NAME.fullmatch(str(self.name)):
            return "the name must be lower-case words joined by '_' and '.', e.g. 'crm.create_task'"
        models: tuple[tuple[str, Any], ...] = (("args", self.args_model), ("result", self.result_model))
        for label, model in models:
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                return f"it has no {label} model; annotate it with a subclass of pydantic.BaseModel"
        if self.effect not in get_args(Effect):
            return f"effect {self.effect!r} is none of {', '.join(get_args(Effect))}"
        if isinstance(self.timeout_s, bool) or not isinstance(self.timeout_s, (int, float)):
            return "it has no timeout_s; give seconds between 0 and 10"
        if not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            return f"timeout_s is {self.timeout_s}; give seconds between 0 and 10"
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or not 0 <= self.retries <= RETRIES_MOST:
            return f"retries is {self.retries!r}; give 0 to {RETRIES_MOST}"
        if not self.description:
            return "it has no description; write a docstring, it is what the model is told"
        schema = self.args_schema
        if issubclass(self.args_model, RootModel):
            return "its args model is a root model; write a model whose fields are the arguments"
        if schema != self.args_model.model_json_schema(by_alias=False):
            return "its args model has an alias; call the field as the model is to call it"
        if '"uniqueItems": true' in json.dumps(schema):
            return "its args model has a set, which has no order to approve; write a list"
        return self._unknown_field()

    def _unknown_field(self) -> str | None:
        arguments, results = self.args_model.model_fields, self.result_model.model_fields
        named = {
            "key": (self.key, arguments),
            "refs": (self.refs, arguments),
            "changes": ((self.changes,) if self.changes else (), self.refs),
            "sensitive": (self.sensitive, arguments),
            "audience": (self.audience, arguments),
            "kinds": (self.kinds, self.unmask),
            "unmask": (self.unmask, arguments),
            "untrusted": (self.untrusted, results),
            "result_fields": (self.result_fields, results),
            "result_refs": (self.result_refs, results),
            "sets": (self.sets or (), arguments),
        }
        for parameter, (names, known) in named.items():
            for name in names:
                if parameter == "kinds" and name in arguments and name not in self.unmask:
                    return f"kinds names {name!r}, which is not in unmask ({', '.join(sorted(self.unmask)) or 'empty'})"
                if name.split(".")[0] not in known:
                    return f"{parameter} names {name!r}, which is not among: {', '.join(known) or 'none'}"
        for name, kind in self.kinds.items():
            if kind not in ENTITY_TYPES:
                return f"kinds[{name!r}] is {kind!r}, none of {', '.join(ENTITY_TYPES)}"
        for name, field_class in self.result_fields.items():
            if field_class not in FIELD_CLASSES:
                return f"result_fields[{name!r}] is {field_class!r}, none of {', '.join(FIELD_CLASSES)}"
        return self._wrong_audience() or self._wrong_render() or self._wrong_lookup()

    def _wrong_render(self) -> str | None:
        if self.render is None:
            missing = "rendered" in self.parameters
            return "it takes 'rendered' and has no render; write the function that gives the text" if missing else None
        if not self.writes:
            return "render is for tools that write; what a read asks for stands in its arguments, leave it out"
        known = [name for name in self.parameters if name != "rendered"]
        unknown = [name for name in parameters_of(self.render) if name not in known]
        return f"render asks for {unknown[0]!r}, which the function itself does not take" if unknown else None

    def _wrong_lookup(self) -> str | None:
        if self.undo is not None and not self.writes:
            return "undo is for tools that write; what a read did need not be undone, leave it out"
        if self.lookup is None:
            return None
        if not self.writes:
            return "lookup is for tools that write; what a read did need not be looked up, leave it out"
        known = {*RESERVED, *self.parameters} - {"rendered"}
        unknown = [name for name in parameters_of(self.lookup) if name not in known]
        return f"lookup asks for {unknown[0]!r}, which the function itself does not take" if unknown else None

    def _wrong_audience(self) -> str | None:
        """What is wrong with ``audience``: it relaxes, so whatever could make it mean something else is refused."""
        if self.audience and self.effect not in ("send", "write"):
            return f"audience is for effect 'send' or 'write', and this is {self.effect!r}; leave it out"
        if self.audience and self.changes is not None:
            return f"audience is for what is made anew; who sees the {self.changes!r} that is changed stands in no call"
        for name in self.audience:
            if name not in self.sensitive:
                return f"audience names {name!r}, which says who receives something; name it in sensitive too"
            if not any(_takes(self.args_model.model_fields[name], nothing) for nothing in ("null", '""', "[]", "{}")):
                return f"audience names {name!r}, which is never empty: somebody else sees every call; leave it out"
        return None

    @classmethod
    def from_langchain(
        cls,
        tool: object,
        *,
        effect: Effect,
        timeout_s: float,
        name: str | None = None,
        description: str | None = None,
        text_limit: int | None = None,
        untrusted_output: bool = True,
        inject: Mapping[str, str] | None = None,
        rejections: tuple[type[Exception], ...] = (),
        key_window: str = "24h",
        **contract: Any,
    ) -> Tool:
        """The contract of a LangChain tool: any ``BaseTool``, async-only ones and those of MCP servers included.

        The model is shown the arguments that LangChain would show it; they are handed over as plain JSON data. What the
        tool returns is the one result field ``output``. A tool with a coroutine is awaited, so that a time-out cuts it.

        Args:
            tool: the LangChain tool; it is copied, and its ``handle_tool_error`` does not apply: an error is no result.
            name: by default the tool's own, where it has the form of one of ours.
            description: by default the tool's own.
            text_limit: the most letters of every text argument that the tool does not bound itself. A list or a dict of
                texts that the tool does not bound has at most 100 items then. Without it a tool that takes text of any
                length, or any number of texts, is refused by the gateway.
            untrusted_output: what it returns was written by outsiders; False for a system of record.
            inject: argument that LangGraph would inject (state, store, runtime) -> the gateway's resource that is given
                instead. The id of the call is filled with the idempotency key.
            rejections: what the tool raises when it said no and changed nothing. Any other error of a tool that writes
                leaves the call *unknown*.
            key_window, contract: as in :func:`tool`.

        Raises:
            ConfigError: it is no LangChain tool, the contract is wrong, or an argument can be neither read nor filled.
        """
        from agent_guard.integrations.foreign import contract_of

        fields = contract_of(
            tool,
            name=name,
            description=description,
            text_limit=text_limit,
            inject=inject or {},
            rejections=rejections,
        )
        untrusted = contract.pop("untrusted", frozenset({"output"}) if untrusted_output else frozenset())
        options = _contract(fields["name"], contract | {"untrusted": untrusted}, key_window)
        return cls(effect=effect, timeout_s=timeout_s, **fields, **options)

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of the resources the function asks for, in the order of its parameters."""
        return tuple(name for name in self.parameters if name not in RESERVED)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters after the first; a signature takes as long to read as a row."""
        return parameters_of(self.run)

    @cached_property
    def arguments(self) -> frozenset[str]:
        """Names of the arguments, as the args model has them."""
        return frozenset(self.args_model.model_fields)

    @cached_property
    def args_schema(self) -> Mapping[str, Any]:
        """The JSON Schema of the arguments; made once, because the model and every approver are shown it."""
        return self.args_model.model_json_schema()

    @cached_property
    def closed(self) -> frozenset[str]:
        """Arguments that take a few words or yes and no only."""
        schema = self.args_schema
        definitions = schema.get("$defs", {})
        parts = {
            name: definitions[part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part
            for name, part in schema.get("properties", {}).items()
        }
        return frozenset(
            name for name, part in parts.items() if part.keys() & {"enum", "const"} or part.get("type") == "boolean"
        )

    @property
    def writes(self) -> bool:
        """Whether a call can change anything, or fetch anything from outside."""
        return self.effect != "read"


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of all parameters of a tool's function after the first, which is the arguments."""
    return tuple(inspect.signature(function).parameters)[1:]


def _takes(field: FieldInfo, written: str) -> bool:
    """Whether a field of the args model takes a value, written as JSON."""
    try:
        TypeAdapter(field.rebuild_annotation()).validate_json(written, strict=True)
    except Exception:  # a validator that needs its neighbours may break in any way; then nothing is known to fit
        return False
    return True


def tool(
    *,
    name: str,
    effect: Effect,
    timeout_s: float,
    key_window: str = "24h",
    description: str | None = None,
    **contract: Any,
) -> Callable[[Callable[..., Any]], Tool]:
    """Makes a :class:`Tool` of ``function(args: ArgsModel, *resources) -> ResultModel``, sync or async.

    The other parameters are looked up by name among the gateway's ``resources``; ``idempotency_key`` (text),
    ``subject`` (:class:`Subject`), ``secrets`` (:class:`agent_guard.credentials.Secrets`) and ``rendered`` (what the
    contract's ``render`` gave) are filled by the gateway.

    Args:
        key_window: a duration such as ``"24h"``, or ``"forever"``.
        description: what the model is told; by default the docstring's first paragraph.
        contract: the other fields of :class:`Tool`.

    Raises:
        ConfigError: the contract is incomplete or contradicts the models; the message names the tool and the field.
    """

    def build(function: Callable[..., Any]) -> Tool:
        try:
            hints = typing.get_type_hints(function)
        except NameError as error:
            raise ConfigError(f"tool {name!r}: {error}") from error
        options = _contract(name, contract, key_window)
        first = next(iter(inspect.signature(function).parameters), "")
        doc = inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        return Tool(
            name=name,
            run=function,
            args_model=hints.get(first, type(None)),
            result_model=hints.get("return", type(None)),
            effect=effect,
            timeout_s=timeout_s,
            description=description or doc,
            **options,
        )

    return build


def _contract(name: str, contract: Mapping[str, Any], key_window: str) -> dict[str, Any]:
    """The fields of a contract as they were written, in the types that :class:`Tool` has."""
    options = dict(contract)
    try:
        options["key_window"] = None if key_window == "forever" else parse_duration(key_window)
    except ValueError as error:
        raise ConfigError(f"tool {name!r}: {error}") from error
    for option in options:
        if option not in Tool.__dataclass_fields__:
            near = get_close_matches(option, Tool.__dataclass_fields__, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"tool {name!r}: there is no {option!r}{hint}")
    for option in ("sensitive", "unmask", "untrusted", "key", "audience"):
        if isinstance(options.get(option), str):
            raise ConfigError(f"tool {name!r}: {option} is the text {options[option]!r}; write names in brackets")
    for option in ("sensitive", "unmask", "untrusted"):
        if option in options:
            options[option] = frozenset(options[option])
    for option in ("key", "audience"):
        if option in options:
            options[option] = tuple(options[option])
    return options
