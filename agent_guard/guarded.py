"""One conversation at the gateway, without LangGraph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import IntegrityError

from agent_guard import calls, threads
from agent_guard.approvals import Answer
from agent_guard.arguments import screen
from agent_guard.errors import ApprovalError
from agent_guard.policy import Policy
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, Decision, Entry, Origin, Subject, ToolCall, ToolResult
from agent_guard.vault import ThreadVault

if TYPE_CHECKING:
    from agent_guard.gateway import Gateway, Proposal

__all__ = ["GuardedThread", "settled"]

T = TypeVar("T")

MINT_TRIES = 3
ID_MAX = 100
NAME_MAX = 100
REASON_MAX = 300


class GuardedThread:
    """A thread of a gateway; made by ``Gateway.open`` and ``Gateway.thread``.

    Args:
        row: the thread as it is stored.
        text: the subject's words it was opened with, masked.
    """

    def __init__(self, gateway: Gateway, row: ThreadRow, *, text: str | None = None) -> None:
        self.gateway = gateway
        self.row = row
        self.text = text

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
        call = self._call(tool, args, "check", reason, vault)
        gathered = self.gateway.gather(self.row, call, vault)
        with self.gateway.store.read() as connection:
            return self.gateway.decide(gathered, connection)[1]

    def invoke(
        self, tool: str, args: Mapping[str, JSON], *, call_id: str | None = None, reason: str | None = None
    ) -> ToolResult:
        """Decides a call and runs it where nothing objects; otherwise says what became of it.

        Args:
            args: raw or masked.
            call_id: the caller's own id; the same id with the same arguments is the same call.

        Raises:
            StoreError: the database cannot be used; nothing ran.
        """
        call = self.masked_call(tool, args, call_id or self.gateway.new_id(), reason)
        proposal = self.gateway.propose(self.row, call)
        if proposal.row.state in ("denied", "suggested", "pending", "rejected", "expired"):
            return settled(proposal, call, self.gateway)
        return self.gateway.execute(self.row, call)

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
        asked = self.gateway.approvals.get(approval_id)
        if asked is not None and asked.thread != self.id:
            raise ApprovalError(f"this thread has no approval {approval_id!r}", code=Code.APPROVAL_UNKNOWN)
        answered = self.gateway.answer(approval_id, word, by=by, args=args, message=message)
        with self.gateway.store.read() as connection:
            row = calls.by_id(connection, answered.approval.trace_id)
        call = answered.call
        if call is None and row is not None:
            call = ToolCall(id=row.call_id, tool=row.tool, args=row.args, thread=self.id, reason=row.reason)
        if call is None:
            raise AssertionError("an approval without a call")
        proposal = self.gateway.propose(self.row, call) if answered.call else None
        if proposal and proposal.row.state in ("denied", "suggested", "pending"):
            return settled(proposal, call, self.gateway)
        if word in ("approve", "edit"):
            return self.gateway.execute(self.row, call)
        return ToolResult(
            status="denied",
            code=Code.REJECTED,
            content=rejection(answered.word, answered.approval.message),
            tool=call.tool,
            call_id=call.id,
            trace_id=answered.approval.trace_id,
            approval_id=approval_id,
        )

    def observe(self, text: str, *, origin: Origin, source: str = "") -> str:
        """Masks a text that this thread sees, and remembers where its values came from.

        Args:
            origin: whose words they are.
            source: where the text stands, e.g. ``"ticket 7"``; must hold no personal data.
        """
        return self._minting(lambda vault: self.gateway.masker.mask(text, vault, origin, source=source))

    def hear(self, text: str, *, origin: Origin) -> tuple[str, str]:
        """As :meth:`observe`, for the next message of the thread; returns the masked text and its id, ``m1``..."""
        with self.gateway.store.write() as connection:
            message_id = f"m{threads.hear(connection, self.id)}"
        return self.observe(text, origin=origin, source=message_id), message_id

    def restore(self, text: str, *, reader: Origin) -> str:
        """Puts values back for a reader: the subject may read all of them, the customer its own words alone."""

        def may_read(entry: Entry) -> bool:
            return reader == "user" or reader in entry.origins

        return self.gateway.masker.restore(text, self.vault(), may_read)

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
        return self._minting(lambda vault: self._call(tool, args, call_id, reason, vault))

    def masked_message(self, text: str, raw: Sequence[Mapping[str, Any]]) -> tuple[str, list[ToolCall]]:
        """A model's message in one transaction: its text and its calls (id, tool, args, reason, problem), masked."""

        def work(vault: ThreadVault) -> tuple[str, list[ToolCall]]:
            masked = self.gateway.masker.mask(text, vault, "invented", source="model")
            made = [self._call(item["tool"], item["args"], item["id"], item["reason"], vault) for item in raw]
            return masked, [replace(call, problem=item["problem"]) for call, item in zip(made, raw, strict=True)]

        return self._minting(work)

    def _minting(self, work: Callable[[ThreadVault], T]) -> T:
        """Masks with no transaction open and stores the new pseudonyms; done again where another process was first."""
        for left in reversed(range(MINT_TRIES)):
            vault = self.vault()
            done = work(vault)
            if not vault.changed:
                return done
            try:
                with self.gateway.store.write() as connection:
                    vault.flush(connection)
            except IntegrityError:
                if not left:
                    raise
            else:
                return done
        raise AssertionError("unreachable")

    def _call(self, tool: str, args: Any, call_id: str, reason: str | None, vault: ThreadVault) -> ToolCall:
        mask = self.gateway.masker.mask
        problem = screen(args)
        return ToolCall(
            id=_bounded(call_id, ID_MAX),
            tool=_bounded(tool, NAME_MAX),
            args={} if problem else self.masked_args(tool, args, vault, "invented"),
            thread=self.id,
            reason=None if reason is None else mask(_bounded(reason, 2 * REASON_MAX), vault, "invented", source="reason")[:REASON_MAX],
            problem=problem,
        )

    def masked_args(self, tool: str, args: Mapping[str, JSON], vault: ThreadVault, origin: Origin) -> dict[str, JSON]:
        """Arguments with pseudonyms for values. Ids of records, and closed words, are left as they are."""
        found = self.gateway.tools.get(tool)
        plain = set(found.refs) if found else set()
        return {
            self._masked(name, vault, origin): value if name in plain else self._masked(value, vault, origin)
            for name, value in args.items()
        }

    def _masked(self, value: Any, vault: ThreadVault, origin: Origin) -> Any:
        if isinstance(value, str):
            return self.gateway.masker.mask(value, vault, origin, source="argument")
        if isinstance(value, Mapping):
            return {self._masked(key, vault, origin): self._masked(item, vault, origin) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._masked(item, vault, origin) for item in value]
        return value


def settled(proposal: Proposal, call: ToolCall, gateway: Gateway) -> ToolResult:
    """The result of a proposal that nothing runs after: denied, suggested, pending or a duplicate."""
    row, decision = proposal.row, proposal.decision
    if row.code is Code.DUPLICATE:
        with gateway.store.read() as connection:
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


def rejection(word: Answer, message: str | None) -> str:
    """What the model is told when a human did not approve."""
    if word == "respond":
        return f"A person answered instead: {message or ''}".strip()
    words = f" They say: {message}" if message else ""
    return f"A person rejected this.{words} Do not propose it again."


def _bounded(text: object, most: int) -> str:
    """Text of the model as it may be stored: no lone surrogates, no control characters, not longer than ``most``."""
    clean = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join(letter if letter.isprintable() else " " for letter in clean)[:most]
