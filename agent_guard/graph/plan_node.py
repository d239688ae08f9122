"""Making the plan: the model is asked for it in a context of its own, before it is shown anything but the user's words.

The prompt holds the user's text, the contracts of the tools and nothing else, so what outsiders wrote cannot reach the
plan. A plan that cannot be followed goes back with what is wrong with it, twice at most; then a person is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from agent_guard.codes import Code
from agent_guard.errors import PlanError
from agent_guard.graph.asking import Ask, Asks
from agent_guard.guarded import TEXT_MAX, GuardedThread
from agent_guard.masking.tripwire import leaks
from agent_guard.plan import Plan
from agent_guard.types import JSON

__all__ = ["CORRECTIONS", "make_plan"]

CORRECTIONS = 2
"""How often a plan goes back to the model with what is wrong with it."""

PROMPT = """You plan what an assistant will do with tools for the user. You are shown the user's words and the tools; \
you will see nothing else before the plan is fixed, and no call outside it will be let through.

Write one step for each call, in order. `evidence` is the clause of the user's newest message that asks for it, as \
[start, end) character offsets. Give every argument a source:
- {"lit": value, "span": [start, end]} when the user wrote it (a day or a time may be written differently);
- {"rec": {"step": id, "field": path, "where": {field: value}}} when it is a field of the one record that an earlier \
step returns; `where` selects that record by fields beside it;
- {"sel": {"op": "argmax", "over": id, "by": path, "field": path}} for the record with the largest (`argmin`: \
smallest) value of a field;
- {"expr": {"op": "sub", "of": [source, source]}} for arithmetic (add, sub, mul, div), and \
{"tmpl": "Dinner at {name}", "with": {"name": source}} for a text made of such values;
- {"const": value} when you write it now; never for a recipient, an address or an amount;
- {"extract": {"step": id}} when it must be read out of text that outsiders wrote; a person will be asked;
- {"late": {"max": characters}} when it can only be written later; a person will be asked.
`times` says how often a step may run. When nothing needs a tool, give no steps."""


def make_plan(
    model: BaseChatModel, thread: GuardedThread, *, step: Callable[[], Code | None], spend: Callable[[Any], None]
) -> Asks[Code | None]:
    """Asks for a plan and keeps it; returns why the run must stop, or None. Yields where it asks the model.

    Args:
        step: counts one model call, or says why there may be none.
        spend: is told each answer, to count its tokens.
    """
    said = thread.user_texts()
    if not said:
        return Code.PLAN_REFUSED  # nobody who may instruct has said anything
    vault = thread.vault()
    if any(leaks(text, vault) for text in said):
        return Code.INTERNAL
    planner = model.with_structured_output(Plan, include_raw=True)
    asked: list[BaseMessage] = [SystemMessage(f"{PROMPT}\n\nTools:\n{json.dumps(_tools(thread), ensure_ascii=False)}")]
    asked += [HumanMessage(text) for text in said]
    for _ in range(1 + CORRECTIONS):
        refused = step()
        if refused is not None:
            return refused
        unseen: RunnableConfig = {"callbacks": []}
        answer: Any = yield Ask(
            now=partial(planner.invoke, asked, unseen), later=partial(planner.ainvoke, asked, unseen)
        )
        spend(answer["raw"])
        try:
            thread.plan(_plan(answer, said[-1]))
        except PlanError as error:
            wrong = thread.observe("\n".join(error.problems[:20]), origin="invented", source="plan", masked=True)
            tried = thread.observe(_words(answer["raw"])[:TEXT_MAX], origin="invented", source="plan", masked=True)
            asked += [AIMessage(tried), HumanMessage(f"This plan cannot be followed:\n{wrong}")]
            continue
        return None
    return Code.PLAN_REFUSED


def _tools(thread: GuardedThread) -> list[dict[str, JSON]]:
    return [
        {
            "name": tool.name,
            "what": tool.description,
            "effect": tool.effect,
            "arguments": dict(tool.args_schema),
            "returns": dict(tool.result_model.model_json_schema()),
            "written_by_outsiders": sorted(tool.untrusted),
        }
        for tool in thread.permitted()
    ]


def _plan(answer: Any, text: str) -> Plan:
    if answer["parsing_error"] is not None or not isinstance(answer["parsed"], Plan):
        error = answer["parsing_error"]
        raise PlanError([f"it is not of the format: {type(error).__name__ if error else 'no plan was given'}"])
    data = answer["parsed"].model_dump(mode="json")
    return Plan.model_validate(_placed(data, text))


def _placed(node: JSON, text: str) -> JSON:
    """Models count letters badly: a value that stands in the text once is where it stands."""
    if isinstance(node, list):
        return [_placed(item, text) for item in node]
    if not isinstance(node, dict):
        return node
    if "lit" in node and isinstance(node["lit"], str) and node["lit"] and text.count(node["lit"]) == 1:
        start = text.index(node["lit"])
        return {**node, "span": [start, start + len(node["lit"])]}
    return {key: _placed(item, text) for key, item in node.items()}


def _words(message: AIMessage) -> str:
    calls: Sequence[Any] = message.tool_calls
    return json.dumps([call["args"] for call in calls], ensure_ascii=False) if calls else message.text
