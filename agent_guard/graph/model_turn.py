"""One turn of a model: what it is shown, masked, and what it said, made safe to store.

The same for the nodes of a guarded graph and for the middleware of somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage

from agent_guard.errors import ConfigError
from agent_guard.gateway import Gateway
from agent_guard.graph.asking import Asks
from agent_guard.graph.plan_node import make_plan
from agent_guard.graph.wire import answered, hide, is_masked, proposals, schema, spent, texts, view, wire_name
from agent_guard.guarded import GuardedThread
from agent_guard.masking.tripwire import leaks
from agent_guard.tool import Tool
from agent_guard.types import Code, Origin, Span, ToolCall
from agent_guard.vault import ThreadVault

__all__ = ["WORDS", "ModelTurn", "Said", "Shown", "Stop", "Tripwire", "check_region"]

WORDS = {
    Code.LIMIT_STEPS: "the thread has used its steps",
    Code.LIMIT_TOKENS: "the thread, or its tenant today, has used its tokens",
    Code.PLAN_REFUSED: "no plan could be made of what the user said",
    Code.REGION: "the policy lets no data go to where the model lies",
    Code.ERASED: "the data of the conversation's customer was erased",
}
"""Why there is no further turn of a thread."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Why a person must take over."""

    code: Code
    reason: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the model is sent.

    Args:
        messages: the system message first; masked copies.
        tools: the schemas of the tools in scope.
        known: the conversation as it is known now, without the system message.
        changed: those of ``known`` that must be stored anew: something in them has become known since.
        tripwire: what has looked at ``messages``.
    """

    messages: list[BaseMessage]
    tools: list[dict[str, Any]]
    known: list[AnyMessage]
    changed: list[AnyMessage]
    vault: ThreadVault
    tripwire: Tripwire


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the model said, masked.

    Args:
        message: as it may be stored.
        calls: what it proposes, in order.
    """

    message: AIMessage
    calls: list[ToolCall]


def check_region(gateway: Gateway, model_region: str | None) -> None:
    """Refuses a model where no policy of the gateway lets data go.

    Raises:
        ConfigError: names the regions where data may go.
    """
    regions = [policy.model_regions for policy in gateway.policies.values()]
    if all(item and model_region not in item for item in regions):
        raise ConfigError(
            f"the model lies in {model_region or 'no known region'}, and the policy lets data go to "
            f"{', '.join(sorted(set().union(*regions)))} only; give model_region=... or another model"
        )


class Tripwire:
    """The last look at what is sent in one model call. A text is looked at once, however often it is about to be sent.

    Args:
        vault: the thread's pseudonyms, which the call does not add to.
    """

    def __init__(self, vault: ThreadVault) -> None:
        self.vault = vault
        self._found: dict[str, list[Span]] = {}

    def found(self, text: str) -> list[Span]:
        """The proven personal values of a text."""
        if text not in self._found:
            self._found[text] = leaks(text, self.vault)
        return self._found[text]

    def leak(self, shown: Sequence[BaseMessage]) -> str | None:
        """What it finds in messages: its kind and its source, never the value; or None."""
        found = []
        for message in shown:
            spans = [span for text in texts([message]) for span in self.found(text)]
            # the prompt is the host's own text: a word of it that is also part of somebody's name is no leak
            found += [span for span in spans if message.type != "system" or span.type != "PERSON" or span.score >= 1.0]
        return f"a raw {found[0].type} ({found[0].source})" if found else None


class ModelTurn:
    """The turns of one model at one gateway.

    Args:
        model_region: where the model's endpoint lies.
        mine: whether a message was masked before it was stored; whatever else there is, is masked now.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        model_region: str | None = None,
        mine: Callable[[BaseMessage], bool] = is_masked,
    ) -> None:
        check_region(gateway, model_region)
        self._gateway = gateway
        self._region = model_region
        self._mine = mine
        self._schemas: dict[str, dict[str, Any]] = {}

    def begin(self, thread: GuardedThread) -> Stop | None:
        """Counts the turn, or says why there may be none. A question that still waits is replaced."""
        refused = self._gateway.step(thread.row, model_region=self._region)
        return None if refused is None else _stop(refused)

    def show(
        self, thread: GuardedThread, messages: Sequence[AnyMessage], model: BaseChatModel, prompt: str
    ) -> Asks[Shown | Stop]:
        """What the model is shown of a conversation. Yields where a plan has to be made first.

        Args:
            prompt: the host's own text; the thread's context is appended to it.
        """
        heard = [self._heard(thread, message) for message in messages]
        if thread.policy.plan is not None and thread.needs_plan:
            refused = yield from self._make_plan(thread, model)
            if refused is not None:
                return _stop(refused)
        vault = thread.vault()
        tripwire = Tripwire(vault)
        known = [self._learnt(message, tripwire) for message in heard]
        changed = [new for new, old in zip(known, heard, strict=True) if new is not old and self._mine(old)]
        shown = view(f"{prompt}\n\nContext:\n```json\n{self._context(thread, vault)}\n```", known)
        found = tripwire.leak(shown)
        if found is not None:
            return Stop(code=Code.INTERNAL, reason=f"the tripwire found {found} in what the model would be sent")
        tools = [self._schema(tool) for tool in thread.permitted()]
        return Shown(messages=shown, tools=tools, known=known, changed=changed, vault=vault, tripwire=tripwire)

    def spend(self, thread: GuardedThread, message: AIMessage, shown: Shown) -> None:
        """Counts the tokens of what the model said."""
        self._gateway.spend(thread.row, spent(message, shown.messages))

    def said(self, thread: GuardedThread, message: AIMessage, vault: ThreadVault) -> Said:
        """Masks the model's words and calls, in one transaction."""
        names = {wire_name(tool.name): tool.name for tool in self._gateway.tools.values()}
        text, calls = thread.masked_message(message.text, list(proposals(message, names)), vault)
        return Said(message=answered(message, text, calls), calls=calls)

    # ---- parts

    def _make_plan(self, thread: GuardedThread, model: BaseChatModel) -> Asks[Code | None]:
        """Has the plan made in a context that holds the user's words alone."""
        return make_plan(
            model,
            thread,
            step=lambda: self._gateway.step(thread.row, model_region=self._region),
            spend=lambda message: self._gateway.spend(thread.row, spent(message, [])),
        )

    def _schema(self, tool: Tool) -> dict[str, Any]:
        if tool.name not in self._schemas:
            self._schemas[tool.name] = schema(tool)
        return self._schemas[tool.name]

    def _learnt(self, message: AnyMessage, tripwire: Tripwire) -> AnyMessage:
        """A message with what has become known since it was masked: a name that was missed in one message and found in
        a later one is masked in both from now on.
        """
        masker, vault = self._gateway.masker, tripwire.vault
        return hide(message, lambda text: masker.mask_known(text, vault) if tripwire.found(text) else text)

    def _context(self, thread: GuardedThread, vault: ThreadVault) -> str:
        context: dict[str, Any] = {"refs": thread.row.refs, "now": self._gateway.now().isoformat(timespec="seconds")}
        if thread.subject.region is not None:  # so that the model can name what it may read
            context["region"] = thread.subject.region
        if thread.policy.plan is not None and (plan := thread.planned) is not None:
            context["plan"] = plan.model_dump(mode="json")
        return self._gateway.masker.mask_known(json.dumps(context, ensure_ascii=False), vault)

    def _heard(self, thread: GuardedThread, message: AnyMessage) -> AnyMessage:
        """A message that no door masked, masked now: the plan is made of it, and the model is shown it so."""
        if self._mine(message):
            return message
        source = f"message {message.id or ''}".strip()
        if message.type == "human":
            # LangChain's summary of a conversation comes as a person's words, and repeats what anybody wrote
            origin: Origin = "untrusted" if "lc_source" in message.additional_kwargs else "user"
            masked = thread.observe(message.text, origin=origin, source=source, masked=True, once=True)
            return message.model_copy(update={"content": masked})
        tool = message.type == "tool"  # outside text: a pseudonym in it was typed by somebody
        plain = message.model_copy(update={"content": message.text, "artifact": None} if tool else {})
        return hide(
            plain, lambda text: thread.observe(text, origin="untrusted", source=source, masked=not tool, once=True)
        )


def _stop(code: Code) -> Stop:
    return Stop(code=code, reason=WORDS.get(code, str(code)))
