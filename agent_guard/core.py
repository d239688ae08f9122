"""The parts of a gateway that its verbs share: contracts, policies, ports, stores, and how a call is looked at.

``propose``, ``answer`` and ``execution`` stand on this; ``Gateway`` is this with the verbs as methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Self

import sqlalchemy as sa
from ulid import ULID

from agent_guard import calls, threads
from agent_guard.approvals import Approvals
from agent_guard.audit import Audit
from agent_guard.credentials import Credentials, Keys, Secrets, default_credentials
from agent_guard.databases.query import Asked, ahead
from agent_guard.decide import answerable, decide
from agent_guard.errors import ConfigError, StoreError, UnknownThread
from agent_guard.facts import Facts
from agent_guard.gathering.gather import Gathered, Sources, remote
from agent_guard.gathering.recall import asked, recall
from agent_guard.gathering.rendering import render
from agent_guard.gathering.trail import Trail, Trails
from agent_guard.guards import GUARDS, Guard
from agent_guard.kill_switch import KillSwitch
from agent_guard.lint import lint
from agent_guard.masking import Masker
from agent_guard.notifications.alerts import STORE_UNREACHABLE, Alert, Alerts, Severity
from agent_guard.notifications.nonces import StoredNonces
from agent_guard.notifications.notices import Notices
from agent_guard.notifications.notify import Notifier
from agent_guard.operations import agents, oldest_key
from agent_guard.operations.scopes import DEFAULT_AGENT
from agent_guard.policy import Policy
from agent_guard.recording.enacting import enact
from agent_guard.runtime.watch import Watch
from agent_guard.store import Store
from agent_guard.subscribers.hub import Subscriber, Subscribers
from agent_guard.suggestions import Suggestions
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import Clock, Decision, Directory, Records, ToolCall, utc_now
from agent_guard.vault import ThreadVault, Vault

__all__ = ["ENVIRONMENTS", "Core"]

ENVIRONMENTS = ("dev", "stage", "prod")
ROWS_MAX = 1024
"""How many threads are remembered at a time."""

UNREACHABLE = "The guard's database cannot be used, so calls are refused. The log says why."


class Core:
    """See :class:`agent_guard.gateway.Gateway`, whose constructor this is."""

    def __init__(
        self,
        tools: Sequence[Tool],
        policies: Policy | Mapping[str, Policy],
        *,
        url: str,
        environment: str = "prod",
        agent: str = DEFAULT_AGENT,
        region: str | None = None,
        resources: Mapping[str, Any] | None = None,
        records: Records | None = None,
        directory: Directory | None = None,
        credentials: Credentials | None = None,
        masker: Masker | None = None,
        extra_guards: Sequence[Guard] = (),
        notify: Sequence[Notifier] = (),
        alerts: Alerts | None = None,
        subscribers: Sequence[Subscriber] = (),
        clock: Clock | None = None,
        ids: Callable[[], str] | None = None,
    ) -> None:
        if environment not in ENVIRONMENTS:
            raise ConfigError(f"environment {environment!r} is none of {', '.join(ENVIRONMENTS)}")
        _check_kinds(tools, policies, extra_guards)
        self.tools = {tool.name: tool for tool in tools}
        if len(self.tools) != len(tools):
            raise ConfigError("two tools have the same name")
        self.policies: dict[str | None, Policy] = (
            {None: policies} if isinstance(policies, Policy) else dict(policies.items())
        )
        self.resources = dict(resources or {})
        lint(self.tools, list(self.policies.values()), resources=self.resources, has_records=records is not None)
        self.environment = environment
        self.agent = agent
        self.extra_guards = tuple(extra_guards)
        self.clock = _in_utc(clock) if clock else utc_now
        self._ids = ids or (lambda: str(ULID()))
        self.alerts = alerts or Alerts(clock=self.clock)
        self.subscribers = Subscribers(subscribers)
        self.store = Store(url)
        self.notices = Notices(self.store, notify, clock=self.clock, alerts=self.alerts)
        self.nonces = StoredNonces(self.store)
        self._credentials = credentials or default_credentials(environment, self.store.key_file)
        keys = Keys.of(self._credentials, environment)
        self.masker = masker or Masker()
        self.store.open()
        self._check_agent()
        self._check_keys(keys)
        self.sources = Sources(
            environment=environment,
            agent=agent,
            masker=self.masker,
            keys=keys,
            records=records,
            directory=directory,
            region=region,
        )
        self.vault = Vault(self.store, keys)
        self.audit = Audit(self.store, keys, told=self.subscribers.written if self.subscribers else None)
        self._enact()
        self.approvals = Approvals(self.store)
        self.suggestions = Suggestions(self.store)
        self.kill_switch = KillSwitch(self.store)
        self.watch = Watch(self.kill_switch.flags)
        self._rows: dict[str, ThreadRow] = {}
        self._trails = Trails()
        self._untrusted = {tool.name: tool.untrusted for tool in tools}

    def _check_agent(self) -> None:
        """Refuses an agent that nobody added. One that was revoked is let in, and every call of it is denied: its
        conversations can still be read, and its questions answered.
        """
        if self.agent == DEFAULT_AGENT:
            return
        try:
            with self.store.read() as connection:
                if agents.find(connection, self.agent, self.environment) is not None:
                    return
        except BaseException:
            self.store.close()  # nobody else will
            raise
        self.store.close()
        raise ConfigError(
            f"there is no agent {self.agent!r} in {self.environment}; add it to the database {self.store.name} with: "
            f"agent-guard agents add {self.agent} --reason ..."
        )

    def _check_keys(self, keys: Keys) -> None:
        """Refuses master keys without the one that stored idempotency keys come from."""
        try:
            oldest_key.check(self.store, keys, self.environment)
        except BaseException:
            self.store.close()  # nobody else will
            raise

    def _enact(self) -> None:
        """Keeps the texts of the policies, so that what they decide can be decided again, and records a change."""
        here = self.policies.values()
        try:
            enact(self.store, self.audit, here, environment=self.environment, agent=self.agent, now=self.now())
        except BaseException:
            self.store.close()  # nobody else will
            raise

    def secrets(self) -> Secrets:
        """The secrets of this gateway's agent, for one call."""
        return Secrets(self._credentials, environment=self.environment, agent=self.agent)

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

    def thread_row(self, thread_id: str, *, fresh: bool = False) -> ThreadRow:
        """The stored thread of this id. What a thread is opened with never changes, so it is remembered, unless it
        stands at a front desk.

        Args:
            fresh: read it again, for ``heard`` and ``replaced``, which do change.

        Raises:
            UnknownThread: there is none.
        """
        if not fresh and thread_id in self._rows:
            return self._rows[thread_id]
        with self.store.read() as connection:
            row = threads.find(connection, thread_id)
        if row is None:
            raise UnknownThread(f"there is no thread {thread_id!r}; open it with Session.start or Gateway.open")
        return self.remembered(row)

    def remembered(self, row: ThreadRow) -> ThreadRow:
        """A stored thread, which is not read again."""
        if not self.at_desk(row):
            if len(self._rows) >= ROWS_MAX:
                self._rows.clear()
            self._rows[row.id] = row
        return row

    def at_desk(self, row: ThreadRow) -> bool:
        """Whether a thread stands at a front desk: its policy permits nothing, and it may be sent on once."""
        policy = self.policies.get(row.scenario, self.policies.get(None))
        return policy is not None and not policy.tools

    def trail(self, connection: sa.Connection, thread: ThreadRow) -> Trail:
        """What a thread has seen and planned, as it is stored now."""
        return self._trails.of(connection, thread.id)

    def ahead_of_decision(self, connection: sa.Connection, gathered: Gathered, *, stored: bool) -> None:
        """Reads in one round trip what deciding this call will ask; see ``agent_guard.databases.query.ahead``.

        Args:
            stored: the call was decided before.
        """
        thread = gathered.thread.id

        def questions() -> list[Asked]:
            trail = self._trails.kept(thread)
            calls_and_chain = [calls.named(thread, gathered.call.id), self.audit.head(thread)]
            return calls_and_chain + asked(gathered, trail, stored=stored)

        ahead(connection, questions)

    def ahead_of_record(self, connection: sa.Connection, thread: str) -> None:
        """The same for what comes to a thread's trail and its chain."""
        ahead(connection, lambda: [self._trails.kept(thread).asked(thread), self.audit.head(thread)])

    def gather(self, thread: ThreadRow, call: ToolCall, vault: ThreadVault) -> Gathered:
        """Asks everything outside the guard's database; see :func:`agent_guard.gathering.gather.remote`."""
        gathered = remote(
            call, self.tools.get(call.tool), self.policy_of(thread.scenario), thread, vault, self.sources, self.clock()
        )
        if gathered.tool is None or gathered.tool.render is None:
            return gathered
        return render(gathered, self.resources, self.secrets(), self.masker, self.sources.keys, vault)

    def decide(
        self,
        gathered: Gathered,
        connection: sa.Connection,
        trace_id: str | None = None,
        *,
        trail: Trail | None = None,
    ) -> tuple[Facts, Decision]:
        """Completes the facts in this transaction and decides; returns both.

        Args:
            trail: the thread's, where it was just read in this transaction.
        """
        trail = trail or self.trail(connection, gathered.thread)
        facts = recall(
            connection, gathered, now_ms=self.now_ms(), trace_id=trace_id, trail=trail, untrusted=self._untrusted
        )
        decision = decide(gathered.call, gathered.tool, gathered.policy, facts, self.extra_guards)
        return facts, answerable(decision, gathered.call, gathered.policy)

    def now(self) -> datetime:
        """The gateway's clock."""
        return self.clock()

    def now_ms(self) -> int:
        """The gateway's clock in milliseconds since 1970."""
        return int(self.clock().timestamp() * 1000)

    def new_id(self) -> str:
        """A new ULID."""
        return self._ids()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def alert(self, kind: str, severity: Severity, scope: str, text: str, *, ends: str | None = None) -> None:
        """Tells the operators; see :class:`agent_guard.notifications.alerts.Alert`. Never raises and never waits."""
        self.alerts.send(Alert(kind=kind, severity=severity, scope=scope, text=text, at=self.clock(), ends=ends))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Tells the operators where the database cannot be used inside; the error goes on."""
        try:
            yield
        except StoreError:
            self.alert(STORE_UNREACHABLE, "critical", "database", UNREACHABLE)
            raise

    def notify_waiting(self, *, most: int = 100) -> int:
        """Sends the notices that no process has delivered; see ``Notices.deliver_waiting``."""
        return self.notices.deliver_waiting(most=most)

    def close(self) -> None:
        """Sends what waits to be sent, for some seconds at most, and closes the database."""
        self.watch.close()
        self.notices.close()
        self.subscribers.close()
        self.alerts.drain()
        self.store.close()


def _in_utc(clock: Clock) -> Clock:
    """Refuses a clock of another zone: days are counted and events are written in UTC."""
    if clock().utcoffset() != timedelta(0):
        raise ConfigError("the clock gives times of another zone than UTC, or of none; give one of aware times in UTC")
    return clock


def _check_kinds(tools: object, policies: object, extra_guards: object) -> None:
    """Refuses what is easily passed by mistake, with the word for what was meant."""
    for item in tools if isinstance(tools, (list, tuple)) else ():
        if not isinstance(item, Tool):
            name = getattr(item, "__name__", type(item).__name__)
            raise ConfigError(f"{name} is no tool; decorate it with @tool(...)")
    if not isinstance(policies, (Policy, Mapping)):
        raise ConfigError(f"policies is a {type(policies).__name__}; pass one Policy, or {{scenario: Policy}}")
    taken = {guard.name for guard in GUARDS}
    for guard in extra_guards if isinstance(extra_guards, (list, tuple)) else ():
        if not isinstance(guard, Guard):
            name = getattr(guard, "__name__", type(guard).__name__)
            raise ConfigError(f"extra_guards holds {name}, which is no Guard; write Guard({name!r}, {name})")
        if guard.name in taken:
            raise ConfigError(f"two guards are called {guard.name!r}; rename yours")
        taken.add(guard.name)
