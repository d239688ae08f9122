"""A LangChain tool as a contract of ours: whatever is a ``BaseTool``, those of MCP servers included.

The args model is the one that LangChain shows a model, so that what LangGraph would inject is no argument. The function
hands plain JSON data over, and gives back plain JSON data in one field, ``output``.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Union

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool
from langchain_core.tools.base import get_all_basemodel_annotations
from langsmith import tracing_context
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_jsonable_python

from agent_guard.errors import ConfigError, ToolRejected
from agent_guard.integrations.json_models import ITEMS_MOST, json_model, wordless

__all__ = ["Output", "contract_of"]

_ALONE: RunnableConfig = {"callbacks": []}
"""Without the callbacks of the run: a tracer would be given the raw arguments."""


class Output(BaseModel):
    """What a LangChain tool returned, as JSON data."""

    output: Any = None


def contract_of(
    tool: object,
    *,
    name: str | None,
    description: str | None,
    text_limit: int | None,
    inject: Mapping[str, str],
    rejections: tuple[type[Exception], ...],
) -> dict[str, Any]:
    """The fields of a contract that a LangChain tool fills itself: see :meth:`agent_guard.tool.Tool.from_langchain`.

    Raises:
        ConfigError: it is no LangChain tool, or has an argument that nobody can fill or read.
    """
    if not isinstance(tool, BaseTool):
        raise ConfigError(f"{type(tool).__name__} is no LangChain tool; decorate the function with agent_guard.tool")
    label = name or tool.name
    injected = _injected(tool)
    call_id = next((arg for arg, kind in injected.items() if _is_call_id(kind)), None)
    for arg in inject:
        if arg not in injected:
            raise ConfigError(f"tool {label!r}: inject names {arg!r}, which LangGraph injects nothing into")
    needed = _needed(tool, injected)
    for arg in needed:
        if arg not in inject and arg != call_id:
            raise ConfigError(
                f"tool {label!r}: {arg!r} is injected by LangGraph, and a gateway has no graph's state; name a "
                f"resource of the gateway for it: inject={{{arg!r}: ...}}"
            )
    # errors are ours to judge: as a text they would look like a result
    quiet = tool.model_copy(update={"handle_tool_error": False, "handle_validation_error": False})
    return {
        "name": label,
        "run": _runner(quiet, inject, call_id, rejections),
        "args_model": _args_model(tool, label, bool(injected), text_limit),
        "result_model": Output,
        "description": description or tool.description,
    }


def _injected(tool: BaseTool) -> dict[str, Any]:
    """The arguments that LangGraph would fill, and their types."""
    if isinstance(tool.args_schema, dict):
        return {}
    shown = typing.cast("type[BaseModel]", tool.tool_call_schema).model_fields
    every: dict[str, Any] = {**get_all_basemodel_annotations(tool.get_input_schema())}
    hidden = {name: kind for name, kind in every.items() if name not in shown}
    if isinstance(tool, StructuredTool):  # a runtime or a state may be a parameter that no schema names
        function = tool.func or tool.coroutine
        hints = typing.get_type_hints(function, include_extras=True) if function else {}
        given = inspect.signature(function).parameters if function else {}
        extra = {name: hints.get(name) for name in given if name not in shown and name not in ("callbacks", "config")}
        kept = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        hidden |= {name: kind for name, kind in extra.items() if given[name].kind not in kept}
    return hidden


def _needed(tool: BaseTool, injected: Mapping[str, Any]) -> list[str]:
    """The injected arguments that have no default."""
    model: Any = tool.get_input_schema()
    fields = {} if isinstance(tool.args_schema, dict) else model.model_fields
    function = (tool.func or tool.coroutine) if isinstance(tool, StructuredTool) else None
    given = inspect.signature(function).parameters if function else {}
    return [
        name
        for name in injected
        if (name in given and given[name].default is inspect.Parameter.empty)
        or (name not in given and name in fields and fields[name].is_required())
    ]


def _is_call_id(kind: Any) -> bool:
    return any(
        item is InjectedToolCallId or isinstance(item, InjectedToolCallId) for item in getattr(kind, "__metadata__", ())
    )


def _runner(
    tool: BaseTool, inject: Mapping[str, str], call_id: str | None, rejections: tuple[type[Exception], ...]
) -> Callable[..., Any]:
    """The contract's function. Its parameters are the resources that fill the injected arguments."""

    def given(args: BaseModel, filled: Mapping[str, Any]) -> Any:
        data = args.model_dump(mode="json", round_trip=True) | {arg: filled[name] for arg, name in inject.items()}
        if call_id is None:
            return data
        key = filled["idempotency_key"]  # the same for a call that is tried again; a read may have none
        return {"name": tool.name, "args": data, "id": key or tool.name, "type": "tool_call"}

    def run(args: BaseModel, **filled: Any) -> Output:
        try:
            with tracing_context(enabled=False):
                return Output(output=_plain(tool.invoke(given(args, filled), config=_ALONE)))
        except rejections as error:
            raise ToolRejected("the tool refused it", code=type(error).__name__) from None

    async def arun(args: BaseModel, **filled: Any) -> Output:
        try:
            with tracing_context(enabled=False):
                return Output(output=_plain(await tool.ainvoke(given(args, filled), config=_ALONE)))
        except rejections as error:
            raise ToolRejected("the tool refused it", code=type(error).__name__) from None

    function: Callable[..., Any] = arun if _is_async(tool) else run
    names = [*dict.fromkeys(inject.values()), *(["idempotency_key"] if call_id else [])]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in ("args", *names)])
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _is_async(tool: BaseTool) -> bool:
    """Whether it can be awaited by code of its own; then a time-out really cuts it."""
    if isinstance(tool, StructuredTool):
        return tool.coroutine is not None
    coroutine = getattr(tool, "coroutine", None)
    return coroutine is not None or (type(tool)._arun is not BaseTool._arun and not hasattr(tool, "func"))  # noqa: SLF001


def _plain(value: Any) -> Any:
    """A tool's answer as JSON data.

    Raises:
        TypeError: it is a command to a graph, which no gateway carries out.
    """
    if isinstance(value, ToolMessage):
        value = value.content
    if type(value).__name__ in ("Command", "Send"):
        raise TypeError("the tool returned a command to a graph")
    data = to_jsonable_python(value, fallback=str)
    if isinstance(data, list) and data and all(isinstance(item, dict) and "type" in item for item in data):
        blocks = [item["text"] if item["type"] == "text" and "text" in item else f"({item['type']})" for item in data]
        return blocks[0] if len(blocks) == 1 else blocks
    return data


# ---- the args model


def _args_model(tool: BaseTool, label: str, has_injected: bool, text_limit: int | None) -> type[BaseModel]:
    if isinstance(tool.args_schema, dict):
        return json_model(tool.args_schema, label, text_limit=text_limit)
    # the tool's own model has its validators; the one without what is injected has lost them
    model: Any = tool.tool_call_schema if has_injected else tool.get_input_schema()
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigError(f"tool {label!r}: its args_schema is no model of pydantic 2; write its contract by hand")
    if has_injected:  # made anew: LangChain's derived model hands the JSON Schema that it keeps on to its subclasses
        fields: Any = {name: (item.annotation, item) for name, item in model.model_fields.items()}
        model = create_model(model.__name__, __config__=ConfigDict(arbitrary_types_allowed=True), **fields)
    return model if text_limit is None else _bounded(model, text_limit, {})


def _bounded(model: type[BaseModel], most: int, made: dict[type, type[BaseModel] | None]) -> type[BaseModel]:
    """The same model with a bound on every text, and every list or dict of texts, that has none; a model that is its
    own part is left as it is.
    """
    if model in made:
        return made[model] or model
    made[model] = None
    fields = {}
    for name, item in model.model_fields.items():
        has = any(hasattr(part, "max_length") for part in item.metadata)
        fields[name] = (_bound(item.annotation, most, made, bounded=has), item)
    if all(kind is model.model_fields[name].annotation for name, (kind, _) in fields.items()):
        made[model] = model
    else:
        made[model] = create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)  # type: ignore[call-overload]
    return made[model] or model


def _bound(kind: Any, most: int, made: dict[type, type[BaseModel] | None], *, bounded: bool = False) -> Any:
    if kind is str:
        return kind if bounded else Annotated[str, Field(max_length=most)]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _bounded(kind, most, made)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is None or origin is typing.Literal:
        return kind
    if origin is Annotated:
        has = any(getattr(part, "max_length", None) is not None for part in inner[1:])
        return Annotated[(_bound(inner[0], most, made, bounded=has), *inner[1:])]
    either = origin in (Union, types.UnionType)
    new = tuple(item if item is ... else _bound(item, most, made, bounded=bounded and either) for item in inner)
    if either:
        return kind if new == inner else Union[new]  # noqa: UP007
    same = kind if new == inner else origin[new]
    counted = bounded or not issubclass(origin, Collection) or (origin is tuple and ... not in inner)
    return same if counted or wordless(kind) else Annotated[same, Field(max_length=ITEMS_MOST)]
