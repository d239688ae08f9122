"""The worker: carries out what was answered elsewhere, ends what nobody answered, and looks after what was left undone.

A round is one look at the guard's database. Several workers may run at once: a thread is held by one of them at a time,
and the calls' rows, not the worker, see to it that nothing happens twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from agent_guard import ledger
from agent_guard.approvals import Approval
from agent_guard.calls import CallRow
from agent_guard.errors import AgentGuardError, ConfigError, StoreError, UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.session import Reply, Session
from agent_guard.types import JSON
from agent_guard.work import turns
from agent_guard.work.leases import Lease

__all__ = ["PUT_ASIDE", "Done", "Kind", "Sessions", "Worker"]

PUT_ASIDE = "thread_put_aside"
"""Kind of the alert about a thread that nobody lets go on any more."""

Kind = Literal["resumed", "failed", "put_aside", "reconciled", "notified", "tidied"]

REST_S, REST_MAX_S = 30.0, 3600.0
"""How long a call that stays unknown rests before it is looked up again, in seconds; doubled each time."""

TIDY_S = 60.0
"""How often what has run out in the systems is ended, in seconds at least."""

Sessions = Callable[[str | None], Session | None]
"""The session in which threads go on that were opened in a scenario, or None where they are somebody else's. Raises
ConfigError where nobody can let such a thread go on."""

log = logging.getLogger("agent_guard")


@dataclass(frozen=True, kw_only=True)
class Done:
    """One thing that a worker did; ids and masked words only.

    Args:
        kind: ``resumed``: the thread stands where it should; ``failed``: it is tried again after a pause;
            ``put_aside``: it is left to a person; ``reconciled``: a call whose outcome nobody knew is settled;
            ``notified``: notices of questions were sent; ``tidied``: what had run out in the systems was ended.
        thread: its id; None where it is about no thread.
        questions: the approvals that were carried out: id -> the answer, or ``expired``. Empty where the thread was
            taken up after the process that carried them out had died.
        status: where the thread stands, as in :class:`~agent_guard.session.Reply`.
        asks: id of the question that it waits for now, or None.
        call: the call that was settled, by its trace.
        words: why it failed, or what was done.
    """

    kind: Kind
    thread: str | None = None
    questions: Mapping[str, str] | None = None
    status: str | None = None
    asks: str | None = None
    call: str | None = None
    words: str | None = None

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON; what there is nothing to say of is left out."""
        fields = {"kind": self.kind, "thread": self.thread, "questions": dict(self.questions or {}) or None}
        fields |= {"status": self.status, "asks": self.asks, "call": self.call, "words": self.words}
        return {name: value for name, value in fields.items() if value is not None}


class Worker:
    """Looks after the threads of one gateway.

    Args:
        sessions: where threads of a scenario go on.
        tidy: ends what has run out in the systems and returns how much; see ``World.tidy``. One that fails is logged
            and stops nothing else.
    """

    def __init__(self, gateway: Gateway, sessions: Sessions, *, tidy: Callable[[], int] = lambda: 0) -> None:
        self._gateway = gateway
        self._sessions = sessions
        self._tidy, self._tidy_from_ms = tidy, 0
        self._resting: dict[str, tuple[float, int]] = {}

    def round(self, *, stop: Callable[[], bool] = lambda: False) -> Iterator[Done]:
        """Does everything that is due now, one thing after another, and tells of each.

        Args:
            stop: asked before each thing; what is not begun then is left to the next round.

        Raises:
            StoreError: a database cannot be used; everything that is due stays due.
        """
        # first what became of calls: a thread that goes on after it can tell its model
        for row in self._unsettled():
            if stop():
                return
            settled = self._reconcile(row)
            if settled is not None:
                yield settled
        broken: StoreError | None = None
        for thread in turns.due(self._gateway):
            if stop():
                return
            try:
                done = self._thread(thread)
            except StoreError as error:  # perhaps of the checkpoints, perhaps of this thread's alone
                broken = error
                break
            if done is not None:
                yield done
        if not stop() and (sent := self._gateway.notify_waiting()):
            yield Done(kind="notified", words=f"{sent} questions")
        if not stop() and (ended := self._tidied()):
            yield Done(kind="tidied", words=f"{ended} ended")
        if broken is not None:
            raise broken

    def undone(self) -> list[str]:
        """Threads of these sessions that are still to go on: not begun, tried in vain, or put aside; without those
        that a living process lets go on.

        Raises:
            StoreError: the database cannot be read.
        """
        return [thread for thread in turns.undone(self._gateway) if self._is_ours(thread)]

    def retry(self) -> int:
        """Takes the threads that were put aside up again in the next round, and returns how many.

        Raises:
            StoreError: the database cannot be used.
        """
        ours = [lease for lease in turns.aside(self._gateway) if self._is_ours(lease.thread)]
        return sum(turns.retry(self._gateway, lease) for lease in ours)

    def _unsettled(self) -> list[CallRow]:
        """The calls whose outcome nobody knows and of which this gateway can learn it, without those that rest."""
        now = self._gateway.now_ms()
        with self._gateway.store.read() as connection:
            rows = ledger.unsettled(connection, now_ms=now)
        open_ = {row.trace_id for row in rows}
        self._resting = {trace: rest for trace, rest in self._resting.items() if trace in open_}
        return [row for row in rows if self._can_learn(row) and self._resting.get(row.trace_id, (0, 0))[1] <= now]

    def _can_learn(self, row: CallRow) -> bool:
        tool = self._gateway.tools.get(row.tool)
        # a claim of a dead process is told to be unknown, whatever the tool can say
        return tool is not None and (row.state == "claimed" or tool.lookup is not None or not tool.writes)

    def _reconcile(self, row: CallRow) -> Done | None:
        """Asks what became of a call; None where it stays unknown."""
        try:
            result = self._gateway.reconcile(row.trace_id)
        except StoreError:
            raise
        except Exception as error:  # one call that cannot be looked up must not stop the others
            log.error("call %s: could not be reconciled: %s", row.trace_id, _why(error))  # noqa: TRY400
            status = "unknown"
        else:
            status = result.status
        if status == "unknown":
            rest = min(2 * self._resting.get(row.trace_id, (REST_S / 2, 0))[0], REST_MAX_S)
            self._resting[row.trace_id] = (rest, self._gateway.now_ms() + int(rest * 1000))
            return None
        return Done(kind="reconciled", thread=row.thread, call=row.trace_id, status=status, words=row.tool)

    def _tidied(self) -> int:
        now = self._gateway.now_ms()
        if now < self._tidy_from_ms:
            return 0
        self._tidy_from_ms = now + int(TIDY_S * 1000)
        try:
            return self._tidy()
        except Exception as error:  # whatever an adapter does; its words could hold a value, and nothing depends on it
            log.warning("what has run out was not ended: %s", getattr(error, "code", type(error).__name__))
            return 0

    def _thread(self, thread: str) -> Done | None:
        """Lets one thread go on; None where there is nothing to do for this worker."""
        if not self._is_ours(thread):
            return None
        lease, questions = turns.left(self._gateway, thread)
        if lease is not None and lease.tries >= turns.TRIES:  # the process of the last try died
            return self._aside(lease, "the process that let it go on died")
        try:
            reply = self._take_up(thread)
        except StoreError:
            raise
        except Exception as error:  # a graph may fail in any way, and must not stop the other threads
            return self._failed(thread, questions, error)
        if reply is None:
            return None
        return Done(
            kind="resumed",
            thread=thread,
            questions={item.id: item.answer or "expired" for item in questions},
            status=reply.status,
            asks=reply.pending.id if reply.pending else None,
            words=None if reply.code is None else str(reply.code),
        )

    def _take_up(self, thread: str) -> Reply | None:
        try:
            session = self._sessions(self._gateway.thread_row(thread).graph)
        except AgentGuardError:
            with turns.turn(self._gateway, thread, again=False):
                raise  # a try in vain like any other
        if session is None:
            raise AssertionError("a thread of somebody else")
        return session.take_up(thread, again=False)

    def _failed(self, thread: str, questions: list[Approval], error: Exception) -> Done | None:
        why = _why(error)
        log.error("thread %s: could not go on: %s", thread, why)
        lease, _ = turns.left(self._gateway, thread)
        if lease is not None and lease.tries >= turns.TRIES:
            return self._aside(lease, why)
        return Done(
            kind="failed",
            thread=thread,
            questions={item.id: item.answer or "expired" for item in questions},
            words=why,
        )

    def _aside(self, lease: Lease, why: str) -> Done | None:
        if not turns.put_aside(self._gateway, lease, why=why):
            return None  # another worker did
        words = f"put aside after {lease.tries} tries: {why}"
        log.critical("thread %s: %s", lease.thread, words)
        self._gateway.alert(
            PUT_ASIDE,
            "critical",
            f"thread:{lease.thread}",
            f"The thread {lease.thread} was {words}. When the cause is gone: agent-guard work --retry",
        )
        return Done(kind="put_aside", thread=lease.thread, words=words)

    def _is_ours(self, thread: str) -> bool:
        """Whether these sessions can let a thread go on, or should be able to."""
        if turns.elsewhere(self._gateway, thread):
            return False
        try:
            return self._sessions(self._gateway.thread_row(thread).graph) is not None
        except (ConfigError, UnknownThread):
            return True  # nobody can: that is told as a failure


def _why(error: Exception) -> str:
    """Why a thread could not go on, in words that hold no value: our own, or the kind of the exception."""
    return str(error) if isinstance(error, AgentGuardError) else type(error).__name__
