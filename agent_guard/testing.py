"""Doubles and checks for users' own tests: a scripted model, a clock that stands, and a search for personal data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from agent_guard.graph.wire import wire_name

__all__ = ["FixedClock", "FunctionModel", "ScriptedModel", "assert_no_personal_data", "call"]

Turn = str | AIMessage | Callable[[Sequence[BaseMessage]], AIMessage]


def call(tool: str, reason: str = "Because the test says so.", /, *, id: str | None = None, **args: Any) -> AIMessage:
    """A model's message with one tool call."""
    name = wire_name(tool)
    return AIMessage(
        content=f"I want to call {tool}. {reason}",
        tool_calls=[{"name": name, "args": {"reason": reason, **args}, "id": id or f"{name}-1", "type": "tool_call"}],
    )


class ScriptedModel(BaseChatModel):
    """A chat model that says its turns one after another, whatever it is told.

    Args:
        turns: texts, messages, or functions of the messages it was sent. After the last it says ``"Done."``.
    """

    turns: list[Any]
    _said: int = PrivateAttr(default=0)
    _heard: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _tools: list[Any] = PrivateAttr(default_factory=list)

    def __init__(self, *turns: Turn, **options: Any) -> None:
        super().__init__(turns=list(turns), **options)

    @property
    def heard(self) -> list[list[BaseMessage]]:
        """What the model was sent, one list a call."""
        return self._heard

    @property
    def tools(self) -> list[Any]:
        """The tools that were bound last."""
        return self._tools

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Runnable[Any, AIMessage]:
        """Keeps the tools; the script goes on."""
        self._tools = list(tools)
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        self._heard.append(list(messages))
        turn = self.turns[self._said] if self._said < len(self.turns) else "Done."
        self._said += 1
        said = turn if isinstance(turn, AIMessage) else AIMessage(turn) if isinstance(turn, str) else turn(messages)
        # a copy: the graph gives each message an id, and a script may say the same one twice
        return ChatResult(generations=[ChatGeneration(message=said.model_copy(deep=True))])


class FunctionModel(BaseChatModel):
    """A chat model that is a function of the messages it is sent: the same ones, the same answer, in any process. So a
    thread that another process takes up goes on, which a :class:`ScriptedModel` would begin anew.

    Args:
        step: pure; gives a text, or a message with calls (see :func:`call`; each call of a conversation needs an id of
            its own).
    """

    step: Callable[[Sequence[BaseMessage]], AIMessage | str]

    def __init__(self, step: Callable[[Sequence[BaseMessage]], AIMessage | str], **options: Any) -> None:
        super().__init__(step=step, **options)

    @property
    def _llm_type(self) -> str:
        return "function"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Runnable[Any, AIMessage]:
        """The function decides; what it may call is decided by the gateway."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        said = self.step(messages)
        message = said.model_copy(deep=True) if isinstance(said, AIMessage) else AIMessage(said)
        return ChatResult(generations=[ChatGeneration(message=message)])


class FixedClock:
    """A clock that moves only when it is told to.

    Args:
        start: aware; 2026-01-05 11:20:04 UTC by default.

    Raises:
        ValueError: a start without a zone.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 5, 11, 20, 4, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock tells times with a zone; write e.g. datetime(2026, 1, 5, tzinfo=UTC)")
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        """Moves on by ``timedelta(**delta)``."""
        self.now += timedelta(**delta)


def assert_no_personal_data(where: Path | Iterable[Path], values: Iterable[str]) -> None:
    """Asserts that none of the raw values stands in the files, in UTF-8, UTF-16 or as escaped JSON.

    Args:
        where: a file, a folder, or several of them.
        values: raw values; matched whatever their case.

    Raises:
        AssertionError: names the file and the kind of writing, never the value; also where a folder holds no file.
        FileNotFoundError: a file or folder is not there; names it.
    """
    roots = [where] if isinstance(where, Path) else list(where)
    missing = [root for root in roots if not root.exists()]
    if missing:
        raise FileNotFoundError(f"there is no {missing[0]}")
    files = [
        path for root in roots for path in (sorted(root.rglob("*")) if root.is_dir() else [root]) if path.is_file()
    ]
    if not files:
        raise AssertionError("there is no file to look at")
    wanted = [
        (index, {value.casefold(), json.dumps(value)[1:-1].casefold()}) for index, value in enumerate(values) if value
    ]
    for path in files:
        raw = path.read_bytes()
        texts = {
            "UTF-8": raw.decode("utf-8", "replace").casefold(),
            "UTF-16": "".join(
                part.decode(encoding, "replace").casefold()
                for part in (raw, raw[1:])
                for encoding in ("utf-16-le", "utf-16-be")
            ),
        }
        for encoding, text in texts.items():
            for index, forms in wanted:
                if any(form in text for form in forms):
                    raise AssertionError(f"value {index} of the list stands in {path.name} as {encoding}")
