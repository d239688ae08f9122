"""AgentDojo's tools as LangChain's, converted by ``Tool.from_langchain``: the same arguments, the same answers.

The contracts of this bench are written by hand, because they split an answer into what may be trusted and what may not;
here it is shown that the conversion alone changes nothing of what a tool takes, does and gives back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from agentdojo.functions_runtime import FunctionsRuntime
from langchain_core.tools import InjectedToolArg, StructuredTool, ToolException
from pydantic import create_model
from pydantic_core import to_jsonable_python

from agent_guard.errors import ToolRejected
from agent_guard.tool import Tool
from benchmarks.attack.contracts import BODY_MAX, TABLE
from benchmarks.attack.suites import SUITES, load, world

__all__ = ["differences"]


def differences() -> Iterator[str]:
    """Where a converted tool is not the tool itself, one sentence each."""
    for name in SUITES:
        suite = load(name)
        made = {function.name: _converted(function, TABLE[name][function.name].effect) for function in suite.tools}
        for function in suite.tools:
            shown = set(made[function.name].args_schema.get("properties", {}))
            if shown != set(function.parameters.model_json_schema().get("properties", {})):
                yield f"{name} {function.name}: other arguments: {sorted(shown)}"
        for user in sorted(suite.user_tasks):
            yield from _compared(name, user, made)


def _converted(function: Any, effect: str) -> Tool:
    """A tool that finds its environment in the resource ``state``, as LangGraph would inject it."""

    def call(state: Any, **args: Any) -> Any:
        result, error = state["runtime"].run_function(state["environment"], function.name, to_jsonable_python(args))
        if error:
            raise ToolException(error)
        return result

    tool = StructuredTool(
        name=function.name, description=function.description, args_schema=_with_state(function.parameters), func=call
    )
    return Tool.from_langchain(
        tool,
        effect=effect,  # type: ignore[arg-type]
        timeout_s=10,
        text_limit=BODY_MAX,
        inject={"state": "state"},
        rejections=(ToolException,),
    )


def _with_state(parameters: Any) -> Any:
    return create_model(parameters.__name__, __base__=parameters, state=(Annotated[Any, InjectedToolArg], ...))


def _compared(name: str, user: str, made: dict[str, Tool]) -> Iterator[str]:
    """The calls of a task's own solution, one after another, each way in an environment of its own."""
    place = world(name, user)
    runtime, mine, theirs = FunctionsRuntime(load(name).tools), place.fresh(), place.fresh()
    for call in place.calls:
        args = to_jsonable_python(dict(call.args))
        result, error = runtime.run_function(mine, call.function, args)
        tool = made[call.function]
        try:
            model = tool.args_model.model_validate_json(json.dumps(args))
            given = tool.run(model, state={"runtime": runtime, "environment": theirs}).output
        except ToolRejected:
            if not error:
                yield f"{name} {user}: {call.function} refuses what the tool takes"
            continue
        if error or _told_of(result) != _told_of(given):
            yield f"{name} {user}: {call.function} gives another answer"
    if _told_of(mine) != _told_of(theirs):
        yield f"{name} {user}: the environments differ in the end"


def _told_of(value: Any) -> str:
    """A value as text, without the moment at which it was made: AgentDojo stamps mails and files with the clock."""
    text = json.dumps(to_jsonable_python(value, fallback=str), sort_keys=True)
    return re.sub(rf"{datetime.now().astimezone().date().isoformat()}[T ][0-9:.]+", "(now)", text)
