"""The gateway: the only way to a tool.

    open     a thread for a subject
    propose  gather, decide, and one transaction: the call's row, its events, the question to a human
    answer   a human's one answer to that question
    execute  gather and decide again, claim in one durable transaction, run, verify, settle in another

A call reads from top to bottom here; what each step needs stands in the module it is imported from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_guard import approvals, calls, meter, threads
from agent_guard.approvals import Answer
from agent_guard.audit import AuditEvent
from agent_guard.core import ENVIRONMENTS, Core
from agent_guard.databases.locks import chain_lock, meter_lock
from agent_guard.errors import ApprovalError, ConfigError
from agent_guard.execution.execute import execute, executing
from agent_guard.execution.reconcile import Word, reconciling, resolve
from agent_guard.execution.undoing import UNDO, Inverse, carried, derive
from agent_guard.gathering.limits import token_keys
from agent_guard.guarded import GuardedThread
from agent_guard.kill_switch import EVERYTHING
from agent_guard.opening import begin, is_stored, open_thread, scoped, thread_of
from agent_guard.operations.button import set_flag
from agent_guard.proposal.answer import Answered, answer
from agent_guard.proposal.judging import judge
from agent_guard.proposal.propose import Proposal, cancel, propose
from agent_guard.proposal.reveal import reveal
from agent_guard.runtime.waits import adrive, aside, drive, twin
from agent_guard.suggestions import Suggestion, Verdict
from agent_guard.threads import ThreadRow
from agent_guard.types import JSON, Code, Origin, Party, Subject, ToolCall, ToolResult

__all__ = ["ENVIRONMENTS", "Gateway", "Proposal"]


class Gateway(Core):
    """Decides every call, asks a human where the policy says so, executes once and records.

    Args:
        tools: contracts; each must be named by a policy.
        policies: one policy, or scenario name -> policy.
        url: the guard's database, e.g. ``"sqlite:///guard.db"``; created when empty.
        environment: ``dev``, ``stage`` or ``prod``; a tool's mode may differ by it.
        agent: the technical identity of this gateway's calls: its secrets, its flag, its name in the record. Any but
            ``default`` must have been added to this environment; a revoked one can run nothing.
        resources: what tools ask for by parameter name, e.g. ``{"crm": crm}``.
        records: the system of record behind ``refs``; without it a policy that needs one is refused.
        directory: asked for roles and region at every decision; without it the roles given at ``open`` count.
        credentials: the master key and the agent's secrets; by default variables, and in ``dev`` the master key is a
            file beside the database that is made on first use.
        masker: finds personal data; by default English, Russian and Polish.
        region: where this gateway's database lies; a policy that names regions
            keeps records from a gateway elsewhere.
        extra_guards: asked after the built-in ones; they can only tighten.
        notify: told of every new question, once it is stored and beside the call; see
            :mod:`agent_guard.notifications.notify`. What a receiver does not take waits in the database for
            :meth:`notify_waiting`.
        alerts: who tells the operators; by default the log. May be shared by gateways.
        subscribers: told of each event that this gateway records, once it is committed and beside the call; see
            :mod:`agent_guard.subscribers`.
        clock, ids: the time, in UTC, and new ULIDs, for tests.

    Raises:
        ConfigError: tools and policies contradict each other, a key is missing, or nobody added the agent.
        StoreError: the database cannot be opened or is of another revision.
    """

    # ---- threads

    def open(
        self,
        subject: Subject,
        *,
        thread_id: str | None = None,
        scenario: str | None = None,
        user_text: str | None = None,
        scope: set[str] | None = None,
        party: Party | None = None,
        trusted: Mapping[str, Collection[str]] | None = None,
    ) -> GuardedThread:
        """Opens a conversation, or the stored one of this id if it is the same subject's.

        Args:
            thread_id: a new id by default.
            user_text: the subject's own words; masked and remembered.
            scope: the tools this thread may use, fixed now, before any outside text is read.
            party: the customer the conversation is about.
            trusted: values of systems of record by entity type in any case, e.g. ``{"email": {"a@b.example"}}``.

        Raises:
            ConfigError: no policy for the scenario, a scope outside it, or the id belongs to another conversation.
            ErasedThread: it is stored, and the data of its customer was erased.
            StoreError: the database cannot be used.
        """
        row = thread_of(self, subject, thread_id=thread_id, scenario=scenario, scope=scope, party=party)
        guarded = GuardedThread(self, open_thread(self, row, party=party, trusted=trusted))
        if user_text is not None:
            guarded.text = guarded.observe(user_text, origin="user", source="user")
        return guarded

    aopen = twin(open)  # noqa: A003 - the method above

    def begin(
        self,
        subject: Subject,
        text: str,
        *,
        origin: Origin,
        thread_id: str | None = None,
        scenario: str | None = None,
        scope: set[str] | None = None,
        party: Party | None = None,
    ) -> tuple[GuardedThread, str, str] | None:
        """Opens a new conversation with its first message, as :meth:`open` and ``GuardedThread.hear``, in one
        transaction. Returns the masked text and its id as well; None where a conversation of this id is stored.

        Raises:
            ConfigError: as :meth:`open`.
            TextTooLong: as ``GuardedThread.observe``; no conversation is opened.
            StoreError: the database cannot be used; nothing is kept.
        """
        row = thread_of(self, subject, thread_id=thread_id, scenario=scenario, scope=scope, party=party)
        if thread_id is not None and is_stored(self, thread_id):
            return None
        heard = begin(self, row, text, origin=origin, party=party)
        return None if heard is None else (self.thread(row.id), *heard)

    abegin = twin(begin)

    def thread(self, thread_id: str) -> GuardedThread:
        """The stored conversation of this id.

        Raises:
            UnknownThread: there is none.
        """
        return GuardedThread(self, self.thread_row(thread_id))

    athread = twin(thread)

    def send_on(
        self,
        thread: ThreadRow,
        scenario: str,
        *,
        scope: Collection[str] | None,
        record: Callable[[ThreadRow], AuditEvent],
    ) -> ThreadRow:
        """Sends a thread that stands at a front desk into a scenario, for good, and returns it as it is stored then.
        One that was sent on before, by whomever, stays where it is.

        Args:
            scope: the tools that it may use there; None is the scenario's whole policy.
            record: makes the event of it, which is stored with it.

        Raises:
            ConfigError: no policy for the scenario, a scope outside it, or a thread whose policy names a tool or that
                was opened with a scope of its own: what was opened in a scenario stays there, and no scope is widened.
            StoreError: the database cannot be used; the thread stays at the desk.
        """
        policy = self.policy_of(scenario)
        with self.store.write(locks=[chain_lock(thread.id)]) as connection:
            stored = threads.find(connection, thread.id) or thread
            if stored.via is not None:
                return stored
            if not self.at_desk(stored) or stored.scope is not None or not policy.tools:
                raise ConfigError(f"a thread of {stored.scenario!r} cannot be sent into {scenario!r}")
            moved = replace(stored, scenario=scenario, scope=scoped(scope, policy), via=stored.scenario)
            threads.send_on(connection, moved)
            self.audit.append(connection, [record(moved)], now_ms=self.now_ms())
        return moved

    # ---- a call

    def propose(self, thread: ThreadRow, call: ToolCall, along: Sequence[ToolCall] = ()) -> Proposal:
        """Decides a call and stores it; see :func:`agent_guard.proposal.propose.propose`."""
        return propose(self, thread, call, along)

    apropose = twin(propose)

    def answer(
        self,
        approval_id: str,
        word: Answer,
        *,
        by: Subject,
        args: Mapping[str, JSON] | None = None,
        message: str | None = None,
        taken: bool = False,
    ) -> Answered:
        """Records a human's answer once; see :func:`agent_guard.proposal.answer.answer`."""
        return answer(self, approval_id, word, by=by, args=args, message=message, taken=taken)

    aanswer = twin(answer)

    def reveal(self, approval_id: str, *, by: Subject) -> Mapping[str, str]:
        """The values behind the pseudonyms of a question, for a person who may answer it: pseudonym -> value. Raw, for
        their eyes alone; that they saw them is in the record first. See :func:`agent_guard.proposal.reveal.reveal`.

        Raises:
            ApprovalError: there is no such question, or the person may not answer it.
            StoreError: the database cannot be used; nothing is shown.
        """
        approval = self.approvals.get(approval_id)
        if approval is None:
            raise ApprovalError(f"there is no approval {approval_id!r}", code=Code.APPROVAL_UNKNOWN)
        return reveal(self, approval, by=by)

    areveal = twin(reveal)

    def was_claimed(self, thread: ThreadRow, call: ToolCall) -> bool:
        """Whether this call has run, is running, or may have: executing it again then answers and runs nothing."""
        with self.store.read() as connection:
            rows = calls.find(connection, thread.id, call.id)
        return any(row.args == call.args and row.state in ("claimed", "done", "failed", "unknown") for row in rows)

    def execute(self, thread: ThreadRow, call: ToolCall) -> ToolResult:
        """Runs a proposed call if it still may; see :func:`agent_guard.execution.execute.execute`."""
        return execute(self, thread, call)

    async def aexecute(self, thread: ThreadRow, call: ToolCall) -> ToolResult:
        """:meth:`execute`, from an event loop, which it never blocks. A caller that is cancelled cuts the tool; the
        call is settled before CancelledError goes on, a write that was cut as unknown.
        """
        return await adrive(executing(self, thread, call))

    def reconcile(self, trace_id: str) -> ToolResult:
        """Asks the system of record what became of a call whose outcome nobody knows; see
        :func:`agent_guard.execution.reconcile.reconciling`. Nothing runs twice.
        """
        return drive(reconciling(self, trace_id))

    async def areconcile(self, trace_id: str) -> ToolResult:
        """:meth:`reconcile`, from an event loop, which it never blocks."""
        return await adrive(reconciling(self, trace_id))

    def resolve(
        self, trace_id: str, word: Word, *, by: Subject, reason: str, reference: str | None = None
    ) -> ToolResult:
        """Records what a person found out about such a call; see :func:`agent_guard.execution.reconcile.resolve`."""
        return resolve(self, trace_id, word, by=by, reason=reason, reference=reference)

    aresolve = twin(resolve)

    def judge(self, trace_id: str, verdict: Verdict, *, by: Subject, reason: str | None = None) -> Suggestion:
        """Records whether a person would have approved a suggestion, once; see
        :func:`agent_guard.proposal.judging.judge`. The suggestions themselves are read by ``gateway.suggestions``.
        """
        return judge(self, trace_id, verdict, by=by, reason=reason)

    ajudge = twin(judge)

    def undo(self, trace_id: str, *, by: Subject, reason: str | None = None) -> ToolResult:
        """Proposes the call that turns a finished call back, in a thread of its own, as the person who asks for it. It
        is decided as any other call, and runs at once only where the policy lets it run unasked.

        Args:
            by: the person, authenticated by the host.
            reason: masked before it is stored.

        Raises:
            CannotUndo: nothing can be proposed; the message says why.
            UnknownCall: no call of the person's tenant has this trace.
            StoreError: the database cannot be used; nothing ran.
        """
        thread, given = self._undoing(trace_id, by, reason)
        return thread.invoke(**given)

    async def aundo(self, trace_id: str, *, by: Subject, reason: str | None = None) -> ToolResult:
        """:meth:`undo`, from an event loop, which it never blocks."""
        thread, given = await aside(self._undoing, trace_id, by, reason)
        return await thread.ainvoke(**given)

    def undo_of(self, trace_id: str, *, by: Subject) -> Inverse:
        """What :meth:`undo` would propose; nothing is kept. Raises as it does."""
        return derive(self, trace_id, by=by)

    def _undoing(self, trace_id: str, by: Subject, reason: str | None) -> tuple[GuardedThread, dict[str, Any]]:
        inverse = derive(self, trace_id, by=by)
        old = self.thread_row(inverse.of.thread)
        party = None if old.party is None else Party(id=old.party, refs=old.refs)
        id_ = f"{UNDO}{self.new_id()}"
        thread = self.open(by, thread_id=id_, scenario=old.scenario, scope={inverse.tool}, party=party)
        args = carried(self, inverse, thread.row, by=by)
        words = f"Undo of {trace_id}{f': {reason}' if reason else '.'}"
        return thread, {"tool": inverse.tool, "args": args, "call_id": f"{UNDO}{trace_id}", "reason": words}

    # ---- around it

    def step(self, thread: ThreadRow, *, model_region: str | None = None) -> Code | None:
        """Counts one model call of a thread, or says why there may be none: its steps or its tokens are used, the
        model's endpoint lies where the policy lets no data go, or the data of its customer was erased. A call that
        still waits for its answer, or was approved and never run, is ended: a newer message took its place.
        """
        policy = self.policy_of(thread.scenario)
        if policy.model_regions and model_region not in policy.model_regions:
            return Code.REGION
        most, key = policy.limits.steps_per_thread, f"steps|{thread.id}"
        budgets = zip(
            token_keys(thread, self.clock().date().isoformat()),
            (policy.limits.tokens_per_thread, policy.limits.tokens_per_day_per_tenant),
            strict=True,
        )
        with self.store.write(locks=[chain_lock(thread.id)]) as connection:
            if threads.erased(connection, thread.id) is not None:
                return Code.ERASED
            waiting = calls.unfinished(connection, thread.id)
            now = self.clock().isoformat(timespec="milliseconds")
            events = [cancel(self, connection, row, thread, now) for row in waiting]
            self.audit.append(connection, events, now_ms=self.now_ms())
            approvals.uncover(connection, thread.id)
            if meter.reached(connection, key, most, now_ms=self.now_ms(), window_s=None):
                return Code.LIMIT_STEPS
            for tokens, count in budgets:
                if count and meter.reached(connection, tokens, count, now_ms=self.now_ms(), window_s=None):
                    return Code.LIMIT_TOKENS
            meter.take(connection, {key: 1}, now_ms=self.now_ms(), trace_id="")
        return None

    def spend(self, thread: ThreadRow, tokens: int) -> None:
        """Counts the tokens that a model call took against the thread and against its tenant's day (UTC)."""
        limits = self.policy_of(thread.scenario).limits
        if tokens < 1 or (limits.tokens_per_thread is None and limits.tokens_per_day_per_tenant is None):
            return
        keys = token_keys(thread, self.clock().date().isoformat())
        with self.store.write(locks=[meter_lock(key) for key in keys]) as connection:
            meter.take(connection, dict.fromkeys(keys, tokens), now_ms=self.now_ms(), trace_id="")

    def press(self, scope: str = EVERYTHING, *, reason: str, by: str, tenant: str = "-") -> None:
        """Presses the red button for a scope: ``*``, ``tenant:x``, ``scenario:x``, ``tool:x`` or ``agent:x``."""
        self._switch(scope, pressed=True, reason=reason, by=by, tenant=tenant)

    apress = twin(press)

    def revive(self, scope: str = EVERYTHING, *, reason: str, by: str, tenant: str = "-") -> None:
        """Releases what :meth:`press` pressed.

        Raises:
            ConfigError: the scope covers nothing here, or is an agent that was revoked: that is for good.
        """
        self._switch(scope, pressed=False, reason=reason, by=by, tenant=tenant)

    arevive = twin(revive)

    def _switch(self, scope: str, *, pressed: bool, reason: str, by: str, tenant: str) -> None:
        kind, _, name = scope.partition(":")
        scenarios = [str(item) for item in self.policies if item]
        known = {"tool": sorted(self.tools), "scenario": scenarios}
        free = kind == "scenario" and None in self.policies  # one policy serves threads of any scenario
        if kind in known and name not in known[kind] and not free:
            there = ", ".join(known[kind]) or "none"
            raise ConfigError(f"{scope!r} covers nothing here, so nothing was switched; there is: {there}")
        set_flag(
            self.store,
            self.audit,
            scope,
            pressed=pressed,
            reason=reason,
            by=by,
            environment=self.environment,
            now=self.clock(),
            tenant=tenant,
            alerts=self.alerts,
        )
