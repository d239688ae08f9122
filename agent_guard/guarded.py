"""One conversation at the gateway, without LangGraph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import sqlalchemy as sa

from agent_guard import approvals, calls, threads
from agent_guard.approvals import Answer, Approval
from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import ApprovalError, ConfigError, ErasedThread, TextTooLong
from agent_guard.execution.execute import executing, running
from agent_guard.gathering import trail
from agent_guard.gathering.trail import Sighting, Trail
from agent_guard.guards.loops import REJECTIONS_MAX
from agent_guard.masking.streamed import Streamed
from agent_guard.masking.tokens import PSEUDONYM, defuse, mend
from agent_guard.plan import Plan
from agent_guard.plan.adopt import adopt
from agent_guard.policy import Policy
from agent_guard.proposal.answer import answer
from agent_guard.proposal.propose import Proposal, propose
from agent_guard.proposal.pseudonymise import CHECKED, masked_call, minting
from agent_guard.runtime.waits import Waits, adrive, drive, twin
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, Decision, Entry, Origin, Subject, ToolCall, ToolResult
from agent_guard.units import storable
from agent_guard.vault import ThreadVault

__all__ = ["TEXT_MAX", "GuardedThread", "rejection", "settled", "taken"]

TEXT_MAX = 20_000
"""Longest text that a conversation takes at once, in characters."""


class GuardedThread:
    """A thread of a gateway; made by ``Gateway.open`` and ``Gateway.thread``.

    Args:
        row: the thread as it is stored.
    ``text`` holds the subject's words it was just opened with, masked.
    """

    def __init__(self, gateway: Core, row: ThreadRow) -> None:
        self.gateway = gateway
        self.row = row
        self.text: str | None = None

    @property
    def id(self) -> str:
        """The thread's id."""
        return self.row.id

    @property
    def subject(self) -> Subject:
        """The requester, as the thread was opened."""
        return self.row.subject

    @property
    def policy(self) -> Policy:
        """The policy of the thread's scenario."""
        return self.gateway.policy_of(self.row.scenario)

    def permitted(self) -> list[Tool]:
        """The tools a model may see in this thread: named by the policy, in this environment and in scope."""
        return [
            self.gateway.tools[name]
            for name, rule in self.policy.tools.items()
            if rule.mode_in(self.gateway.environment) is not None and (self.row.scope is None or name in self.row.scope)
        ]

    def check(self, tool: str, args: Mapping[str, JSON], *, reason: str | None = None) -> Decision:
        """Decides a call and does nothing: no row, no event, no pseudonym is kept.

        Raises:
            StoreError: the database cannot be read.
        """
        vault = self.vault()
        call = masked_call(self.gateway, self.row, tool, args, CHECKED, reason, vault)
        gathered = self.gateway.gather(self.row, call, vault)
        with self.gateway.store.read() as connection:
            return self.gateway.decide(gathered, connection)[1]

    acheck = twin(check)

    def invoke(
        self,
        tool: str,
        args: Mapping[str, JSON],
        *,
        call_id: str | None = None,
        reason: str | None = None,
        along: Sequence[Mapping[str, Any]] = (),
    ) -> ToolResult:
        """Decides a call and runs it where nothing objects; otherwise says what became of it.

        Args:
            args: raw or masked.
            call_id: the caller's own id; the same id with the same arguments is the same call.
            along: the calls that the same message announces, ``{"tool", "args", "call_id"}`` each: where this one is
                asked about, those that are planned and would be asked about too are shown with it, once.

        Raises:
            StoreError: the database cannot be used; nothing ran.
        """
        return drive(self._invoking(tool, args, call_id, reason, along))

    async def ainvoke(
        self,
        tool: str,
        args: Mapping[str, JSON],
        *,
        call_id: str | None = None,
        reason: str | None = None,
        along: Sequence[Mapping[str, Any]] = (),
    ) -> ToolResult:
        """:meth:`invoke`, from an event loop, which it never blocks. A caller that is cancelled cuts the tool; the call
        is settled before CancelledError goes on, a write that was cut as unknown.
        """
        return await adrive(self._invoking(tool, args, call_id, reason, along))

    def _invoking(
        self,
        tool: str,
        args: Mapping[str, JSON],
        call_id: str | None,
        reason: str | None,
        along: Sequence[Mapping[str, Any]],
    ) -> Waits[ToolResult]:
        call, vault = self._masked(tool, args, call_id or None, reason)
        others = [self._masked(item["tool"], item["args"], item["call_id"], None)[0] for item in along]
        known = None if others else vault  # they may have made pseudonyms of their own
        proposal = propose(self.gateway, self.row, call, others, claiming=True, vault=known)
        if proposal.taken is not None:
            return (yield from running(self.gateway, proposal.taken))
        if proposal.row.state in ("denied", "suggested", "pending", "rejected", "expired"):
            return settled(self.gateway, proposal, call)
        return (yield from executing(self.gateway, self.row, call))

    def resume(
        self,
        approval_id: str,
        word: Answer,
        *,
        by: Subject,
        args: Mapping[str, JSON] | None = None,
        message: str | None = None,
    ) -> ToolResult:
        """Records a human's answer and does what it says.

        Raises:
            ApprovalError: the answer was refused; the question stays as it was.
        """
        return drive(self._resuming(approval_id, word, by, args, message))

    async def aresume(
        self,
        approval_id: str,
        word: Answer,
        *,
        by: Subject,
        args: Mapping[str, JSON] | None = None,
        message: str | None = None,
    ) -> ToolResult:
        """:meth:`resume`, from an event loop, as :meth:`ainvoke`."""
        return await adrive(self._resuming(approval_id, word, by, args, message))

    def _resuming(
        self,
        approval_id: str,
        word: Answer,
        by: Subject,
        args: Mapping[str, JSON] | None,
        message: str | None,
    ) -> Waits[ToolResult]:
        asked = self.gateway.approvals.get(approval_id)
        if asked is not None and asked.thread != self.id:
            raise ApprovalError(f"this thread has no approval {approval_id!r}", code=Code.APPROVAL_UNKNOWN)
        answered = answer(self.gateway, approval_id, word, by=by, args=args, message=message, taken=True)
        with self.gateway.store.read() as connection:
            row = calls.by_id(connection, answered.approval.trace_id)
        call = answered.call
        if call is None and row is not None:
            call = ToolCall(id=row.call_id, tool=row.tool, args=row.args, thread=self.id, reason=row.reason)
        if call is None:
            raise AssertionError("an approval without a call")
        proposal = propose(self.gateway, self.row, call) if answered.call else None
        if proposal and proposal.row.state in ("denied", "suggested", "pending"):
            return settled(self.gateway, proposal, call)
        if word in ("approve", "edit"):
            return (yield from executing(self.gateway, self.row, call))
        code, words = rejection(self.gateway, answered.approval)
        return ToolResult(
            status="denied",
            code=code,
            content=words,
            tool=call.tool,
            call_id=call.id,
            trace_id=answered.approval.trace_id,
            approval_id=approval_id,
        )

    def observe(self, text: str, *, origin: Origin, source: str = "", masked: bool = False, once: bool = False) -> str:
        """Masks a text that this thread sees, and remembers where its values came from.

        Args:
            origin: whose words they are.
            source: where the text stands, e.g. ``"ticket 7"``; must hold no personal data.
            masked: the host masked the text before, so its pseudonyms are this thread's; in a raw text they were typed
                by somebody and are made harmless.
            once: the same text from the same source is the same sight of it, not another.

        Raises:
            ConfigError: there is no such origin.
            TextTooLong: more than ``TEXT_MAX`` characters, or more than ``NEW_MAX`` people and values at once; nothing
                is kept of it.
        """
        _check_origin(origin)
        text, source = taken(text) if masked else defuse(taken(text)), storable(source[:200])

        def keep(connection: sa.Connection, seen: str) -> None:
            sighting = Sighting(origin=origin, source=source, text=seen)
            again = once and self.gateway.trail(connection, self.row).has(sighting)
            if origin != "invented" and not again:
                trail.append(connection, self.id, [sighting])

        return minting(
            self.gateway,
            self.row,
            lambda vault: self.gateway.masker.mask(text, vault, origin, source=source),
            keep=keep,
        )

    aobserve = twin(observe)

    def user_texts(self) -> list[str]:
        """The subject's own words, masked by what is known now, the newest last; at most the last ten messages."""
        vault = self.vault()
        return [self.gateway.masker.mask_known(text, vault) for text in self._trail().texts("user")[-10:]]

    @property
    def planned(self) -> Plan | None:
        """The plan that calls are held against, or None."""
        return self._trail().plan

    @property
    def needs_plan(self) -> bool:
        """Whether the policy wants a plan and there is none yet for the subject's newest words."""
        trail = self._trail()
        newest = trail.user_text[0] if trail.user_text else 0
        return self.policy.plan is not None and (trail.plan is None or trail.plan_n < newest)

    def _trail(self) -> Trail:
        with self.gateway.store.read() as connection:
            return self.gateway.trail(connection, self.row)

    def plan(self, plan: Plan | Mapping[str, Any]) -> Plan:
        """States what is going to be done, before any outside text is read. From now on a call that is no step of it is
        denied, and what it leaves open is asked about. Returns the plan as it is kept, masked.

        Args:
            plan: its offsets count in :attr:`text`, the subject's masked words.

        Raises:
            PlanError: it cannot be followed; ``problems`` says why. Nothing is kept.
            StoreError: the database cannot be used; nothing is kept.
        """
        return adopt(self.gateway, self.row, plan)

    aplan = twin(plan)

    def hear(self, text: str, *, origin: Origin) -> tuple[str, str]:
        """As :meth:`observe`, for the next message of the thread; returns the masked text and its id, ``m1``...

        Raises:
            ConfigError: there is no such origin.
            ErasedThread: the data of the thread's customer was erased; nothing is kept of the text.
        """
        _check_origin(origin)
        said = defuse(taken(text))
        with self.gateway.store.read() as connection:
            number = threads.next_message(connection, self.id)
            vault = self.gateway.vault.read(connection, self.row, keep=True)
        source = f"m{number}"

        def keep(connection: sa.Connection, seen: str) -> None:
            self._refuse_erased(connection)
            if not threads.heard(connection, self.id, number):
                raise _Overtaken
            trail.append(connection, self.id, [Sighting(origin=origin, source=source, text=seen)])

        with suppress(_Overtaken):
            masker = self.gateway.masker
            return minting(
                self.gateway, self.row, lambda vault: masker.mask(said, vault, origin, source), vault=vault, keep=keep
            ), source
        # somebody spoke in the same moment: this message takes its number first, which nobody can take from it
        with self.gateway.store.write(locks=[chain_lock(self.id)]) as connection:
            self._refuse_erased(connection)
            source = f"m{threads.hear(connection, self.id)}"
        return self.observe(text, origin=origin, source=source), source

    ahear = twin(hear)

    def _refuse_erased(self, connection: sa.Connection) -> None:
        if threads.erased(connection, self.id) is not None:
            raise ErasedThread(f"the data of the customer of thread {self.id!r} was erased; open a new conversation")

    def restore(self, text: str, *, reader: Origin | None) -> str:
        """Puts values back for a reader: the subject may read all of them, the customer its own words alone, and
        anybody else (None) nothing. Where the customer's data was erased, pseudonyms stay and are marked so.
        """
        return self.restorer(reader=reader)(text)

    arestore = twin(restore)

    def restorer(self, *, reader: Origin | None) -> Callable[[str], str]:
        """:meth:`restore` for several texts of one moment: the pseudonyms are read once, where the first one stands."""
        vault: ThreadVault | None = None

        def may_read(entry: Entry) -> bool:
            return reader == "user" or reader in entry.origins

        def restore(text: str) -> str:
            nonlocal vault
            if reader is None or "<" not in text:
                return text
            vault = vault or self.vault()
            if vault.erased:
                return PSEUDONYM.sub(lambda found: f"{found[0]} (erased)", text)
            return self.gateway.masker.restore(text, vault, may_read)

        return restore

    def restoring(self, *, reader: Origin | None) -> Streamed:
        """:meth:`restore` for a text that comes in pieces: give each to ``feed`` and show what it returns, then what
        ``end`` returns. No pseudonym is ever given out in halves, however the pieces are cut.
        """
        return Streamed(partial(self.restore, reader=reader))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls that ran, in order: tool, normalised arguments, result and reference; pseudonyms only."""
        with self.gateway.store.read() as connection:
            rows = calls.executed(connection, self.id)
        return [
            {"id": row.call_id, "tool": row.tool, "args": dict(row.args), "result": row.result, "ref": row.reference}
            for row in rows
        ]

    def vault(self) -> ThreadVault:
        """The thread's pseudonyms as they are stored now."""
        return self.gateway.vault.of(self.row)

    def masked_call(self, tool: str, args: Any, call_id: str, reason: str | None) -> ToolCall:
        """A call whose arguments and reason are masked, its new pseudonyms stored."""
        return self._masked(tool, args, call_id, reason)[0]

    def _masked(self, tool: str, args: Any, call_id: str | None, reason: str | None) -> tuple[ToolCall, ThreadVault]:
        """A masked call, and the pseudonyms that it was masked with."""
        return minting(
            self.gateway,
            self.row,
            lambda vault: (masked_call(self.gateway, self.row, tool, args, call_id, reason, vault), vault),
        )

    def masked_message(
        self, text: str, raw: Sequence[Mapping[str, Any]], vault: ThreadVault
    ) -> tuple[str, list[ToolCall]]:
        """A model's message in one transaction: its text and its calls (id, tool, args, reason, problem), masked.

        Args:
            vault: the thread's pseudonyms as the model's view was made with them.
        """

        def work(vault: ThreadVault) -> tuple[str, list[ToolCall]]:
            said = mend(storable(text[:TEXT_MAX]), vault.find)
            masked = self.gateway.masker.mask(said, vault, "invented", source="model")
            made = [
                masked_call(self.gateway, self.row, item["tool"], item["args"], item["id"], item["reason"], vault)
                for item in raw
            ]
            return masked, [
                replace(call, problem=item["problem"] or call.problem) for call, item in zip(made, raw, strict=True)
            ]

        return minting(self.gateway, self.row, work, vault=vault)


class _Overtaken(Exception):
    """Another message of the thread took the number."""


def _check_origin(origin: Origin) -> None:
    """Refuses a word that no rule knows: what is kept under it would count for nothing, for good."""
    if origin not in get_args(Origin):
        raise ConfigError(f"{str(origin)[:40]!r} is no origin; give one of {', '.join(get_args(Origin))}")


def taken(text: str) -> str:
    """A text that a conversation takes at once, as it may be stored.

    Raises:
        TextTooLong: it has more than ``TEXT_MAX`` characters.
        TypeError: it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"a conversation takes a text, not {type(text).__name__}")
    if len(text) > TEXT_MAX:
        raise TextTooLong(f"the text has {len(text)} characters; at most {TEXT_MAX} are taken at once")
    return storable(text)


def settled(core: Core, proposal: Proposal, call: ToolCall) -> ToolResult:
    """The result of a proposal that nothing runs after: denied, suggested, pending or a duplicate."""
    row, decision = proposal.row, proposal.decision
    if row.code is Code.DUPLICATE:
        with core.store.read() as connection:
            held = calls.twin(connection, row.tenant, row.key or "", since_ms=None, but=row.trace_id)
        return ToolResult(
            status="duplicate",
            code=Code.DUPLICATE,
            content=held.result if held and held.thread == row.thread else None,  # another thread's pseudonyms
            tool=call.tool,
            call_id=call.id,
            trace_id=row.trace_id,
            reference=held.reference if held else None,
            decision=decision,
        )
    status = row.state if row.state in ("suggested", "pending") else "denied"
    return ToolResult(
        status=status,
        code=row.code,
        content=row.for_model,
        tool=call.tool,
        call_id=call.id,
        trace_id=row.trace_id,
        approval_id=row.approval_id if row.state == "pending" else None,
        decision=decision,
    )


def rejection(core: Core, approval: Approval) -> tuple[Code, str]:
    """What the model is told when a human did not approve; the second rejection in a row ends the run.

    Args:
        approval: with its answer.
    """
    if approval.answer == "respond":
        return Code.REJECTED, f"A person answered instead: {approval.message or ''}".strip()
    words = f" They say: {approval.message}" if approval.message else ""
    words = f"A person rejected this.{words} Do not propose it again."
    if approval.said is None:
        return Code.REJECTED, words
    with core.store.read() as connection:
        row = approvals.rejected_in_a_row(
            connection, approval.thread, said=approval.said, most=REJECTIONS_MAX, until_ms=approval.answered or 0
        )
    if row < REJECTIONS_MAX:
        return Code.REJECTED, words
    return Code.REJECTED_TWICE, f"{words} It is the second rejection in a row: stop until the user says something new."
