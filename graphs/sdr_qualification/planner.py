"""The embedded chat model of this scenario qualifies a lead by rules, without a network, a key or a download.

It is a real default, not a script: it reads the conversation, asks for what is missing and hands over to a human. It
is also a limited one: its word lists miss wordings that a large model would understand, and a missed letter stays
unknown. Nothing that a text says can make it do more than read one deal and propose one task on it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from graphs.sdr_qualification.phrases import ACKNOWLEDGED, CLOSINGS, QUESTIONS
from graphs.sdr_qualification.reading import Context, Reading
from tools.leads import MAX_QUESTIONS, asks_for_human, grade, missing, one_question, opted_out

__all__ = ["CREATE_TASK", "READ_DEAL", "SdrPlanner", "planner"]

READ_DEAL = "crm__read_deal"
CREATE_TASK = "crm__create_task"
_CHARS_PER_TOKEN = 4
_DONE = ("executed", "duplicate")


class SdrPlanner(BaseChatModel):
    """Decides the next step of a qualification from the messages alone: the same messages, the same answer.

    The system message must end with ``Context:`` and a JSON block that has ``refs.deal_id`` and ``now``; without it
    nothing is called and nothing is asked. ``usage_metadata`` is an estimate, one token for four characters.
    """

    model_name: str = "sdr-planner-1"

    @property
    def _llm_type(self) -> str:
        return "sdr-planner"

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
            raise ValueError(f"SdrPlanner chooses its calls itself; tool_choice={tool_choice!r} is not supported")
        schemas = [convert_to_openai_tool(tool) for tool in tools if tool_choice != "none"]
        return super().bind(tools=schemas, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages, stop, kwargs.get("tools") or ()))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._answer(messages, stop, kwargs.get("tools") or ())):
            if run_manager and isinstance(chunk.message.content, str):
                run_manager.on_llm_new_token(chunk.message.content, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._answer(messages, stop, kwargs.get("tools") or ())):
            if run_manager and isinstance(chunk.message.content, str):
                await run_manager.on_llm_new_token(chunk.message.content, chunk=chunk)
            yield chunk

    def _answer(
        self, messages: Sequence[BaseMessage], stop: Sequence[str] | None, tools: Sequence[dict[str, Any]]
    ) -> AIMessage:
        reading = Reading(messages)
        message = _next(reading, frozenset(tool["function"]["name"] for tool in tools))
        text = str(message.text)
        for word in stop or ():
            text = text.partition(word)[0]
        spoken = sum(isinstance(earlier, AIMessage) for earlier in messages)
        read = sum(len(earlier.text) for earlier in messages) + len(json.dumps(list(tools)))
        written = len(text) + sum(len(json.dumps(call["args"], ensure_ascii=False)) for call in message.tool_calls)
        return AIMessage(
            content=text,
            tool_calls=message.tool_calls,
            id=reading.fresh_id("sdr", spoken),
            usage_metadata=_usage(read, written),
            response_metadata={
                "model_name": self.model_name,
                "finish_reason": "tool_calls" if message.tool_calls else "stop",
            },
        )


def planner() -> SdrPlanner:
    """The model."""
    return SdrPlanner()


def _usage(read: int, written: int) -> UsageMetadata:
    into, out = -(-read // _CHARS_PER_TOKEN), -(-written // _CHARS_PER_TOKEN)
    return UsageMetadata(input_tokens=into, output_tokens=out, total_tokens=into + out)


def _next(reading: Reading, tools: frozenset[str]) -> AIMessage:
    """One step. The order of the cases is the behaviour."""
    closings, context = CLOSINGS[reading.language], reading.context
    if opted_out(reading.last):
        return AIMessage(closings["opt_out"])
    if context is None:
        return AIMessage(closings["lost"])
    task = reading.result(CREATE_TASK)
    wants_human = asks_for_human(reading.last)
    if task is not None:
        if task["status"] not in _DONE:
            return AIMessage(closings["informed"])
        return AIMessage(closings["later" if not reading.answers_tool else "human" if wants_human else "called"])
    if READ_DEAL in tools and reading.result(READ_DEAL) is None:
        return _read_deal(reading, context)
    letter = _letter_to_ask(reading)
    if letter is None or wants_human:
        return _create_task(reading, context, wants_human) if CREATE_TASK in tools else AIMessage(closings["informed"])
    return AIMessage(_question(reading, letter))


def _letter_to_ask(reading: Reading) -> str | None:
    """The first unknown letter that still has a wording left, or None where it is time for a human."""
    if len(reading.asked) >= MAX_QUESTIONS:
        return None
    wordings = QUESTIONS[reading.language]
    return next(
        (name for name in missing(reading.qualification) if reading.asked.count(name) < len(wordings[name])), None
    )


def _question(reading: Reading, letter: str) -> str:
    acknowledged = ACKNOWLEDGED[reading.language][reading.mood]
    question = QUESTIONS[reading.language][letter][reading.asked.count(letter)]
    return one_question(f"{acknowledged[len(reading.asked) % len(acknowledged)]} {question}")


def _read_deal(reading: Reading, context: Context) -> AIMessage:
    reason = "Because I must know what the deal is about before I ask the client anything."
    plan = (
        "Plan: 1. read the deal, because its stage and title say what the client already talked about. "
        "2. ask for what is missing of budget, authority, need and timeline, one question a turn."
    )
    return _call(reading, READ_DEAL, {"deal_id": context.deal_id, "reason": reason}, plan)


def _create_task(reading: Reading, context: Context, wants_human: bool) -> AIMessage:
    unknown = missing(reading.qualification)
    if wants_human:
        why = "the client asked for a person"
    elif not unknown:
        why = "all four letters are known"
    else:
        why = f"{' and '.join(unknown)} stayed unknown after {len(reading.asked)} questions"
    graded = grade(reading.qualification)
    about = "asked for a person" if wants_human else "lead not graded" if graded == "unknown" else f"{graded} lead"
    left = f", unknown: {', '.join(unknown)}" if unknown else ", all four answers known"
    args = {
        "deal_id": context.deal_id,
        "kind": "call",
        "subject": f"Call {reading.person or 'the client'}: {about}{left}",
        "due": context.next_working_day.isoformat(),
        "qualification": {n: v.model_dump(mode="json") for n, v in reading.qualification.letters().items()},
        "reason": f"Because {why}, a manager should call and check the qualification.",
    }
    plan = f'Plan: 1. create the draft task "Call" for a manager, because {why}. 2. tell the client what comes next.'
    return _call(reading, CREATE_TASK, args, plan)


def _call(reading: Reading, name: str, args: dict[str, Any], plan: str) -> AIMessage:
    earlier = sum(len(message.tool_calls) for message in reading.messages if isinstance(message, AIMessage))
    return AIMessage(plan, tool_calls=[tool_call(name=name, args=args, id=reading.fresh_id("call", earlier))])


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """The message word by word, then each call's arguments in pieces, then the estimate of tokens."""
    words = message.text.split(" ")
    for number, word in enumerate(words):
        content = word if number == len(words) - 1 else f"{word} "
        yield ChatGenerationChunk(message=AIMessageChunk(content=content, id=message.id))
    for index, call in enumerate(message.tool_calls):
        text = json.dumps(call["args"], ensure_ascii=False)
        for start in range(0, len(text), 64):
            first = start == 0
            piece = tool_call_chunk(
                name=call["name"] if first else None,
                args=text[start : start + 64],
                id=call["id"] if first else None,
                index=index,
            )
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece], id=message.id))
    last = AIMessageChunk(
        content="",
        id=message.id,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
    yield ChatGenerationChunk(
        message=last, generation_info={"finish_reason": message.response_metadata["finish_reason"]}
    )
