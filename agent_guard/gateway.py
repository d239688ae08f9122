"""The gateway: the only way to a tool.

    open     a thread for a subject
    propose  gather, decide, and one transaction: the call's row, its events, the question to a human
    answer   a human's one answer to that question
    execute  gather and decide again, claim in one durable transaction, run, verify, settle in another

A call reads from top to bottom here; what each step needs stands in the module it is imported from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from ulid import ULID

from agent_guard import approvals, calls, meter, threads
from agent_guard.answer import Answered, answer
from agent_guard.approvals import Answer, Approval, Approvals
from agent_guard.audit import Audit, AuditEvent, system_thread
from agent_guard.calls import CallRow
from agent_guard.credentials import Credentials, EnvironmentCredentials, FileCredentials, Keys, MemoryCredentials
from agent_guard.decide import decide
from agent_guard.errors import ConfigError, UnknownThread
from agent_guard.events import decision_json, error_json, event
from agent_guard.execution import Execution
from agent_guard.gather import Gathered, Sources, local, remote
from agent_guard.guarded import GuardedThread
from agent_guard.guards import Guard
from agent_guard.kill_switch import EVERYTHING, KillSwitch
from agent_guard.lint import lint
from agent_guard.masking import Masker
from agent_guard.policy import Policy
from agent_guard.preview import diff, dry_run, markdown, snapshot
from agent_guard.store import Store
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import (
    JSON,
    Clock,
    Code,
    Decision,
    Directory,
    EntityType,
    Party,
    Records,
    Subject,
    ToolCall,
    ToolResult,
    utc_now,
)
from agent_guard.units import parse_duration
from agent_guard.vault import ThreadVault, Vault

__all__ = ["ENVIRONMENTS", "Gateway", "Proposal"]

ENVIRONMENTS = ("dev", "stage", "prod")

_STATE_OF = {"allow": "proposed", "require_approval": "pending", "suggest": "suggested", "deny": "denied"}
_MINT_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What became of a proposed call.

    Args:
        row: the call as it is stored.
        decision: what was decided; for a call that was proposed before, what was decided then.
        approval: the question that waits, or None.
    """

    row: CallRow
    decision: Decision
    approval: Approval | None = None


class Gateway:
    """Decides every call, asks a human where the policy says so, executes once and records.

    Args:
        tools: contracts; each must be named by a policy.
        policies: one policy, or scenario name -> policy.
        url: the guard's database, e.g. ``"sqlite:///guard.db"``; created when empty.
        environment: ``dev``, ``stage`` or ``prod``; a tool's mode may differ by it.
        resources: what tools ask for by parameter name, e.g. ``{"crm": crm}``.
        records: the system of record behind ``refs``; without it a policy that needs one is refused.
        directory: asked for roles and region at every decision; without it the roles given at ``open`` count.
        credentials: the master key; by default ``AGENT_GUARD_MASTER_KEY``, and in ``dev`` a key file beside the
            database that is made on first use.
        masker: finds personal data; by default English, Russian and Polish.
        extra_guards: asked after the built-in ones; they can only tighten.
        clock, ids: the time and new ULIDs, for tests.

    Raises:
        ConfigError: tools and policies contradict each other, or a key is missing.
        StoreError: the database cannot be opened or is of another revision.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        policies: Policy | Mapping[str, Policy],
        *,
        url: str,
        environment: str = "prod",
        resources: Mapping[str, Any] | None = None,
        records: Records | None = None,
        directory: Directory | None = None,
        credentials: Credentials | None = None,
        masker: Masker | None = None,
        extra_guards: Sequence[Guard] = (),
        clock: Clock | None = None,
        ids: Callable[[], str] | None = None,
    ) -> None:
        if environment not in ENVIRONMENTS:
            raise ConfigError(f"environment {environment!r} is none of {', '.join(ENVIRONMENTS)}")
        self.tools = {tool.name: tool for tool in tools}
        if len(self.tools) != len(tools):
            raise ConfigError("two tools have the same name")
        self.policies: dict[str | None, Policy] = (
            {None: policies} if isinstance(policies, Policy) else dict(policies.items())
        )
        self.resources = dict(resources or {})
        lint(self.tools, list(self.policies.values()), resources=self.resources, has_records=records is not None)
        self.environment = environment
        self.extra_guards = tuple(extra_guards)
        self.clock = clock or utc_now
        self._ids = ids or (lambda: str(ULID()))
        self.store = Store(url)
        keys = Keys((credentials or self._default_credentials()).master_key())
        self.store.open()
        self.masker = masker or Masker()
        self.sources = Sources(
            environment=environment, masker=self.masker, keys=keys, records=records, directory=directory
        )
        self.vault = Vault(self.store, keys)
        self.audit = Audit(self.store, keys)
        self.approvals = Approvals(self.store)
        self.kill_switch = KillSwitch(self.store)
        self.execution = Execution(self)

    def _default_credentials(self) -> Credentials:
        if self.store.path is None:
            return MemoryCredentials()
        if self.environment == "dev":
            return FileCredentials(f"{self.store.path}.key", create=True)
        return EnvironmentCredentials()

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
        trusted: Mapping[EntityType, Sequence[str]] | None = None,
    ) -> GuardedThread:
        """Opens a conversation, or the stored one of this id if it is the same subject's.

        Args:
            thread_id: a new id by default.
            user_text: the subject's own words; masked and remembered.
            scope: the tools this thread may use, fixed now, before any outside text is read.
            party: the customer the conversation is about.
            trusted: values of systems of record by entity type, e.g. ``{"EMAIL": ["a@b.example"]}``.

        Raises:
            ConfigError: no policy for the scenario, a scope outside it, or the id belongs to another conversation.
            StoreError: the database cannot be used.
        """
        policy = self.policy_of(scenario)
        unknown = sorted((scope or set()) - set(policy.tools))
        if unknown:
            raise ConfigError(f"scope names {unknown[0]!r}, which the policy {policy.name!r} does not")
        row = ThreadRow(
            id=thread_id or self._ids(),
            subject=subject,
            party=party.id if party else None,
            refs=dict(party.refs) if party else {},
            scenario=scenario,
            scope=None if scope is None else tuple(sorted(scope)),
        )
        with self.store.write() as connection:
            stored = threads.find(connection, row.id)
            if stored is None:
                threads.insert(connection, row, now_ms=self.now_ms())
                self.audit.append(connection, [self._opened(row)], now_ms=self.now_ms())
            elif (stored.subject.id, stored.subject.tenant) != (subject.id, subject.tenant) or (
                (stored.party, stored.scenario, stored.scope) != (row.party, row.scenario, row.scope)
            ):
                raise ConfigError(f"the thread {row.id!r} belongs to another conversation; choose another id")
            row = stored or row
            vault = self.vault.read(connection, row)
            for source, known in (("party", party.known if party else {}), ("trusted", trusted or {})):
                for type_, values in known.items():
                    for value in values:
                        self._learn(vault, type_, value, source)
            text = None if user_text is None else self.masker.mask(user_text, vault, "user", source="user")
            vault.flush(connection)
        return GuardedThread(self, row, text=text)

    def thread(self, thread_id: str) -> GuardedThread:
        """The stored conversation of this id.

        Raises:
            UnknownThread: there is none.
        """
        with self.store.read() as connection:
            row = threads.find(connection, thread_id)
        if row is None:
            raise UnknownThread(f"there is no thread {thread_id!r}; open it with Session.start or Gateway.open")
        return GuardedThread(self, row)

    def policy_of(self, scenario: str | None) -> Policy:
        """The policy of a scenario.

        Raises:
            ConfigError: there is none; the message names those there are.
        """
        if scenario in self.policies:
            return self.policies[scenario]
        if scenario is None and len(self.policies) == 1:
            return next(iter(self.policies.values()))
        if None in self.policies:
            return self.policies[None]
        known = ", ".join(sorted(str(name) for name in self.policies))
        raise ConfigError(f"there is no policy for the scenario {scenario!r}; the gateway has: {known}")

    def _learn(self, vault: ThreadVault, type_: EntityType, value: str, source: str) -> None:
        if not any(entry.type == type_ and entry.value == value for entry in vault.entries()):
            vault.mint(type_, value, "trusted", source)

    def _opened(self, row: ThreadRow) -> AuditEvent:
        return AuditEvent(
            kind="opened",
            timestamp=self.clock().isoformat(timespec="milliseconds"),
            thread=row.id,
            tenant=row.subject.tenant,
            scenario=row.scenario,
            environment=self.environment,
            actor={"user_id": row.subject.id, "tenant": row.subject.tenant, "roles": sorted(row.subject.roles)},
            party=row.party,
        )

    # ---- a call

    def gather(self, thread: ThreadRow, call: ToolCall, vault: ThreadVault) -> Gathered:
        """Asks everything outside the guard's database; see :func:`agent_guard.gather.remote`."""
        return remote(
            call, self.tools.get(call.tool), self.policy_of(thread.scenario), thread, vault, self.sources, self.clock()
        )

    def decide(
        self, gathered: Gathered, connection: sa.Connection, trace_id: str | None = None
    ) -> tuple[Any, Decision]:
        """Completes the facts in this transaction and decides; returns both."""
        facts = local(connection, gathered, now_ms=self.now_ms(), trace_id=trace_id)
        return facts, decide(gathered.call, gathered.tool, gathered.policy, facts, self.extra_guards)

    def propose(self, thread: ThreadRow, call: ToolCall) -> Proposal:
        """Decides a call and stores it; the same call proposed again is answered from its row.

        Args:
            call: with masked arguments.

        Raises:
            StoreError: the database cannot be used; nothing was decided.
        """
        for left in reversed(range(_MINT_TRIES)):
            vault = self.vault.of(thread)
            gathered = self.gather(thread, call, vault)
            shown = self._shown(gathered, vault)
            try:
                with self.store.write() as connection:
                    stored = self._stored(connection, gathered)
                    return stored or self._decide_and_store(connection, gathered, vault, shown)
            except IntegrityError:
                if not left:  # another process kept minting the same pseudonym
                    raise
        raise AssertionError("unreachable")

    def _stored(self, connection: sa.Connection, gathered: Gathered) -> Proposal | None:
        for row in calls.find(connection, gathered.thread.id, gathered.call.id):
            settled = row.same == gathered.same and row.state in ("claimed", "done", "failed", "unknown")
            if row.digest == gathered.digest or settled:
                approval = approvals.find(connection, row.approval_id) if row.approval_id else None
                return Proposal(row=row, decision=_recorded(row, gathered.policy), approval=approval)
        return None

    def _decide_and_store(
        self, connection: sa.Connection, gathered: Gathered, vault: ThreadVault, shown: Mapping[str, JSON] | None
    ) -> Proposal:
        trace_id, now = self._ids(), self.now_ms()
        facts, decision = self.decide(gathered, connection)
        events = [
            event(
                "proposed",
                gathered,
                trace_id,
                facts,
                args_redacted=dict(gathered.arguments.masked),
                reason=gathered.call.reason,
            ),
            event(
                "suggested" if decision.outcome == "suggest" else "decided",
                gathered,
                trace_id,
                facts,
                facts=facts.as_json(),
                decision=decision_json(decision),
                error=error_json(decision.code),
            ),
        ]
        row = self.row(gathered, trace_id, _STATE_OF[decision.outcome], decision)
        approval = None
        if decision.outcome == "require_approval":
            events += self._replace_pending(connection, gathered, facts)
            approval = self.question(gathered, trace_id, shown or {}, now)
            row = replace(row, approval_id=approval.id)
            approvals.insert(connection, approval)
            events.append(event("asked", gathered, trace_id, facts, approval_id=approval.id))
        calls.insert(connection, row)
        meter.take(connection, [f"attempts|{gathered.thread.id}"], now_ms=now, trace_id=trace_id)
        vault.flush(connection)
        self.audit.append(connection, events, now_ms=now)
        return Proposal(row=row, decision=decision, approval=approval)

    def row(self, gathered: Gathered, trace_id: str, state: Any, decision: Decision) -> CallRow:
        """A new row for a gathered call."""
        return CallRow(
            trace_id=trace_id,
            thread=gathered.thread.id,
            call_id=gathered.call.id,
            digest=gathered.digest,
            same=gathered.same,
            tenant=gathered.thread.subject.tenant,
            tool=gathered.call.tool,
            args=gathered.arguments.masked,
            reason=gathered.call.reason,
            state=state,
            code=decision.code,
            for_model=decision.for_model,
            for_human=decision.for_human,
            policy_hash=gathered.policy.hash,
            record_version=gathered.facts.record_version,
            key=gathered.key,
            approval_id=None,
            created=self.now_ms(),
        )

    def question(self, gathered: Gathered, trace_id: str, shown: Mapping[str, JSON], now: int) -> Approval:
        """A new question about a gathered call, as the policy words it."""
        approvers = gathered.policy.tools[gathered.call.tool].approvers
        if approvers is None:  # only an extra guard asks where the policy names nobody
            raise ConfigError(
                f"a guard asks for approval of {gathered.call.tool!r}, and the policy {gathered.policy.name!r} names "
                "no approvers for it; add them"
            )
        return Approval(
            id=f"apr_{self._ids()}",
            trace_id=trace_id,
            thread=gathered.thread.id,
            tenant=gathered.thread.subject.tenant,
            requester=gathered.thread.subject.id,
            tool=gathered.call.tool,
            digest=gathered.digest,
            roles=tuple(approvers.roles),
            not_requester=approvers.not_requester,
            shown=shown,
            created=now,
            expires=now + int(parse_duration(approvers.expires).total_seconds() * 1000),
        )

    def _shown(self, gathered: Gathered, vault: ThreadVault) -> dict[str, JSON] | None:
        """What a human would be shown, or None where nobody will be asked. Reads the CRM, so no transaction is open."""
        tool, facts = gathered.tool, gathered.facts
        rule = gathered.policy.tools.get(gathered.call.tool)
        if tool is None or rule is None or facts.problems or rule.approvers is None:
            return None
        predicted = dry_run(gathered, self.resources)
        before = gathered.descriptions.get(tool.changes) if tool.changes else None
        source = "dry run"
        change = (
            diff(snapshot(before, self.masker, vault, source), snapshot(predicted, self.masker, vault, source))
            if predicted
            else {}
        )
        shown: dict[str, JSON] = {
            "tool": tool.name,
            "effect": tool.effect,
            "args": dict(gathered.arguments.masked),
            "args_schema": tool.args_model.model_json_schema(),
            "reason": gathered.call.reason,
            "requested_by": facts.subject,
            "records": [
                {"argument": name, "ref": record.ref, "name": record.name, "version": record.version}
                for name, record in facts.records.items()
            ],
            "diff": change,
            "provenance": [{"argument": name, "origins": list(found)} for name, found in facts.origins.items()],
        }
        return shown | {"description": markdown(shown)}

    def _replace_pending(self, connection: sa.Connection, gathered: Gathered, facts: Any) -> list[AuditEvent]:
        waiting = calls.pending(connection, gathered.thread.id)
        return [self.cancel(connection, row, gathered.thread, facts.at) for row in waiting]

    def cancel(self, connection: sa.Connection, row: CallRow, thread: ThreadRow, at: str) -> AuditEvent:
        """Ends a pending call that a newer message replaced; its question can no longer be answered."""
        calls.move(connection, row, "expired", code=Code.CANCELLED)
        if row.approval_id:
            approvals.close(connection, row.approval_id, now_ms=self.now_ms())
        threads.set_replaced(connection, thread.id, True)
        return AuditEvent(
            kind="expired",
            timestamp=at,
            thread=thread.id,
            tenant=thread.subject.tenant,
            trace_id=row.trace_id,
            tool=row.tool,
            tool_call_id=row.call_id,
            approval_id=row.approval_id,
            error=error_json(Code.CANCELLED),
        )

    def answer(
        self,
        approval_id: str,
        word: Answer,
        *,
        by: Subject,
        args: Mapping[str, JSON] | None = None,
        message: str | None = None,
    ) -> Answered:
        """Records a human's answer once; see :func:`agent_guard.answer.answer`."""
        return answer(self, approval_id, word, by=by, args=args, message=message)

    def execute(self, thread: ThreadRow, call: ToolCall) -> ToolResult:
        """Runs a proposed call if it still may; see :class:`agent_guard.execution.Execution`."""
        return self.execution(thread, call)

    # ---- around it

    def step(self, thread: ThreadRow) -> bool:
        """Counts one model call of a thread; false when the thread has used its steps. A question that still waits
        is ended: a newer message took its place.
        """
        most = self.policy_of(thread.scenario).limits.steps_per_thread
        key = f"steps|{thread.id}"
        with self.store.write() as connection:
            waiting = calls.pending(connection, thread.id)
            now = self.clock().isoformat(timespec="milliseconds")
            events = [self.cancel(connection, row, thread, now) for row in waiting]
            self.audit.append(connection, events, now_ms=self.now_ms())
            if meter.reached(connection, key, most, now_ms=self.now_ms(), window_s=None):
                return False
            meter.take(connection, [key], now_ms=self.now_ms(), trace_id="")
        return True

    def press(self, scope: str = EVERYTHING, *, reason: str, by: str, tenant: str = "-") -> None:
        """Presses the red button for a scope: ``*``, ``tenant:x``, ``scenario:x``, ``tool:x`` or ``agent:x``."""
        self._switch(scope, pressed=True, reason=reason, by=by, tenant=tenant)

    def revive(self, scope: str = EVERYTHING, *, reason: str, by: str, tenant: str = "-") -> None:
        """Releases what :meth:`press` pressed."""
        self._switch(scope, pressed=False, reason=reason, by=by, tenant=tenant)

    def _switch(self, scope: str, *, pressed: bool, reason: str, by: str, tenant: str) -> None:
        if scope != EVERYTHING and scope.partition(":")[0] not in ("tenant", "scenario", "tool", "agent"):
            raise ConfigError(f"{scope!r} is no scope; write *, tenant:x, scenario:x, tool:x or agent:x")
        with self.store.write(durable=True) as connection:
            self.kill_switch.set(connection, scope, pressed=pressed, reason=reason, by=by, at_ms=self.now_ms())
            happened = AuditEvent(
                kind="killed" if pressed else "revived",
                timestamp=self.clock().isoformat(timespec="milliseconds"),
                thread=system_thread(tenant),
                tenant=tenant,
                environment=self.environment,
                actor={"user_id": by},
                reason=reason,
                note=scope,
            )
            self.audit.append(connection, [happened], now_ms=self.now_ms())

    def now(self) -> datetime:
        """The gateway's clock."""
        return self.clock()

    def now_ms(self) -> int:
        """The gateway's clock in milliseconds since 1970."""
        return int(self.clock().timestamp() * 1000)

    def new_id(self) -> str:
        """A new ULID."""
        return self._ids()

    def close(self) -> None:
        """Closes the database."""
        self.store.close()


def _recorded(row: CallRow, policy: Policy) -> Decision:
    """The decision of a call that was proposed before, as far as its row tells it; the audit has the whole."""
    outcome = {
        "proposed": "allow",
        "claimed": "allow",
        "done": "allow",
        "failed": "allow",
        "unknown": "allow",
        "pending": "require_approval",
        "approved": "require_approval",
        "suggested": "suggest",
    }.get(row.state, "deny")
    return Decision(
        outcome=outcome,  # type: ignore[arg-type]
        code=row.code,
        for_model=row.for_model,
        for_human=row.for_human,
        policy=policy.name,
        policy_hash=row.policy_hash,
    )
