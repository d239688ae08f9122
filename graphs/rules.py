"""A chat model that decides by rules: the embedded default of a scenario, without a network, a key or a download."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from graphs.turn import Turn

__all__ = ["RulePlanner", "Step", "proposes"]

Step = Callable[[Turn, frozenset[str]], AIMessage]
"""One step: the conversation and the names of the tools that are offered -> what the model says and calls."""

_CHARS_PER_TOKEN = 4


class RulePlanner(BaseChatModel):
    """The same messages, the same answer. ``usage_metadata`` is an estimate, one token for four characters.

    Args:
        model_name: for records.
        step: pure.
    """

    model_name: str
    step: Step

    @property
    def _llm_type(self) -> str:
        return "rule-planner"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offers tools, in any form LangChain knows; a tool that is not offered is never called.

        Raises:
            ValueError: ``tool_choice`` asks for more than "auto" or "none": this model cannot be forced to call.
        """
        if tool_choice not in (None, "auto", "none"):
            raise ValueError(f"{self.model_name} chooses its calls itself; {tool_choice!r} is not supported")
        schemas = [convert_to_openai_tool(tool) for tool in tools if tool_choice != "none"]
        return super().bind(tools=schemas, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        tools = kwargs.get("tools") or ()
        message = self.step(Turn(messages), frozenset(tool["function"]["name"] for tool in tools))
        read = sum(len(item.text) for item in messages) + len(json.dumps(list(tools)))
        written = len(message.text) + sum(len(json.dumps(call["args"])) for call in message.tool_calls)
        into, out = -(-read // _CHARS_PER_TOKEN), -(-written // _CHARS_PER_TOKEN)
        usage = UsageMetadata(input_tokens=into, output_tokens=out, total_tokens=into + out)
        message = message.model_copy(
            update={"usage_metadata": usage, "response_metadata": {"model_name": self.model_name}}
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def proposes(turn: Turn, tool: str, why: str, **args: Any) -> AIMessage:
    """A message that says why and calls one tool."""
    reason = f"Because {why}."
    call = tool_call(name=tool, args={"reason": reason, **args}, id=turn.fresh_id())
    return AIMessage(f"Plan: 1. call {tool}, because {why}. 2. tell the user what was found.", tool_calls=[call])
