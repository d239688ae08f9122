"""The question to a human and its one answer, bound to the digest of exactly what would run (law L6).

An answer is recorded once, by compare-and-set on the unanswered row, and used once, in the transaction that claims
the call. ``resumed`` says that whoever lets the thread go on knows of the answer, or of the question's end: until then
it is a worker's to carry out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.query import Asked, Command, Query
from agent_guard.store import Store, metadata
from agent_guard.types import JSON

__all__ = [
    "ANSWERS",
    "APPROVALS",
    "Answer",
    "Approval",
    "Approvals",
    "answer",
    "answered",
    "close",
    "covering",
    "covers",
    "due",
    "ended",
    "find",
    "insert",
    "mark_notified",
    "newest",
    "rejected_in_a_row",
    "resumed",
    "uncover",
    "untold",
    "use",
    "waiting",
]

Answer = Literal["approve", "edit", "reject", "respond"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)


_LATER = 2**62  # than any answer


class _Columns(TypedColumns):
    id = Column(sa.String(40), primary_key=True)
    trace_id = Column(sa.String(26), nullable=False)
    thread = Column(sa.String(100), nullable=False)
    tenant = Column(sa.String(100), nullable=False)
    requester = Column(sa.String(100), nullable=False)
    tool = Column(sa.String(100), nullable=False)
    digest = Column(sa.String(71), nullable=False)
    roles = Column(sa.Text, nullable=False)
    not_requester = Column(sa.Boolean, nullable=False)
    shown = Column(sa.Text, nullable=False)
    created = Column(sa.BigInteger, nullable=False)
    expires = Column(sa.BigInteger, nullable=False)
    answer = Column(sa.String(20), nullable=True)
    answered_by = Column(sa.String(100), nullable=True)
    answered = Column(sa.BigInteger, nullable=True)
    message = Column(sa.Text, nullable=True)
    edited_call = Column(sa.Text, nullable=True)
    used = Column(sa.BigInteger, nullable=True)
    covers = Column(sa.Text, nullable=False)
    plan = Column(sa.Integer, nullable=True)
    said = Column(sa.Integer, nullable=True)
    resumed = Column(sa.BigInteger, nullable=True)
    notified = Column(sa.BigInteger, nullable=True)


APPROVALS = sa.Table("approvals", metadata, _Columns)
sa.Index("approvals_open", APPROVALS.c.tenant, APPROVALS.c.answer)
sa.Index("approvals_thread", APPROVALS.c.thread)
sa.Index("approvals_due", APPROVALS.c.resumed, APPROVALS.c.expires)
sa.Index("approvals_untold", APPROVALS.c.expires)

_INSERT = Command(APPROVALS.insert())
_FIND = Query(sa.select(APPROVALS).where(APPROVALS.c.id == sa.bindparam("approval")))
_WAITING = Query(
    sa.select(APPROVALS).where(
        APPROVALS.c.thread == sa.bindparam("thread"),
        APPROVALS.c.answer.is_(None),
        APPROVALS.c.expires > sa.bindparam("now"),
    )
)

_APPROVED = Query(
    sa.select(APPROVALS).where(
        APPROVALS.c.thread == sa.bindparam("thread"),
        APPROVALS.c.plan == sa.bindparam("plan"),
        APPROVALS.c.answer == "approve",
        APPROVALS.c.expires > sa.bindparam("now"),
    )
)


_ANSWERED = Query(
    sa.select(APPROVALS.c.answer)
    .where(
        APPROVALS.c.thread == sa.bindparam("thread"),
        APPROVALS.c.said == sa.bindparam("said"),
        APPROVALS.c.answered <= sa.bindparam("until"),
    )
    .order_by(APPROVALS.c.answered.desc(), APPROVALS.c.id.desc())
    .limit(sa.bindparam("most"))
)

_ENDED = sa.and_(
    APPROVALS.c.resumed.is_(None),
    sa.or_(APPROVALS.c.answer.is_not(None), APPROVALS.c.expires <= sa.bindparam("now")),
)
_DUE = Query(
    sa.select(APPROVALS.c.thread, APPROVALS.c.answered, APPROVALS.c.expires).where(_ENDED).order_by(APPROVALS.c.expires)
)
_OF = APPROVALS.c.thread == sa.bindparam("of")
_ENDED_OF = Query(sa.select(APPROVALS).where(_OF, _ENDED))
_RESUMED = Command(APPROVALS.update().where(_OF, _ENDED).values(resumed=sa.bindparam("now")))

_UNTOLD = Query(
    sa.select(APPROVALS)
    .where(
        APPROVALS.c.expires > sa.bindparam("now"),
        APPROVALS.c.answer.is_(None),
        APPROVALS.c.notified.is_(None),
        APPROVALS.c.created <= sa.bindparam("before"),
    )
    .order_by(APPROVALS.c.created, APPROVALS.c.id)
    .limit(sa.bindparam("most"))
)
_NOTIFIED = (
    APPROVALS.update()
    .where(APPROVALS.c.id == sa.bindparam("approval"), APPROVALS.c.notified.is_(None))
    .values(notified=sa.bindparam("now"))
)

_UNCOVER = Command(APPROVALS.update().where(_OF, APPROVALS.c.plan.is_not(None)).values(plan=None))

_ANSWER = Command(
    APPROVALS.update()
    .where(APPROVALS.c.id == sa.bindparam("approval"), APPROVALS.c.answer.is_(None))
    .values(
        answer=sa.bindparam("word"),
        answered_by=sa.bindparam("by"),
        answered=sa.bindparam("now"),
        message=sa.bindparam("words"),
        edited_call=sa.bindparam("edited"),
        resumed=sa.bindparam("taken"),
    )
)

_USE = Command(
    APPROVALS.update()
    .where(
        APPROVALS.c.id == sa.bindparam("approval"),
        APPROVALS.c.answer == "approve",
        APPROVALS.c.digest == sa.bindparam("of"),
        APPROVALS.c.expires > sa.bindparam("now"),
        APPROVALS.c.used.is_(None),
    )
    .values(used=sa.bindparam("now"))
)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One question as it is stored; all text is masked.

    Args:
        shown: what the human is shown: tool, args, reason, description, diff, effect.
        roles: who may answer; ``not_requester`` leaves out the subject of the thread.
        created, expires, answered, used: milliseconds since 1970.
        resumed: since when somebody lets the thread go on after it, in milliseconds since 1970, or None.
        notified: when every notifier had taken its notice, in milliseconds since 1970, or None.
        edited_call: after ``edit``: the new call, ``{"id", "args"}``.
        covers: digests of further calls of the same plan that were shown with it; an ``approve`` holds for them too.
        plan: the plan's place in the trail, where it covers any.
        said: the place in the trail of the subject's newest words when it was asked; 0 where there were none.
    """

    id: str
    trace_id: str
    thread: str
    tenant: str
    requester: str
    tool: str
    digest: str
    roles: tuple[str, ...]
    not_requester: bool
    shown: Mapping[str, JSON] = field(repr=False)
    created: int
    expires: int
    answer: Answer | None = None
    answered_by: str | None = None
    answered: int | None = None
    message: str | None = None
    edited_call: Mapping[str, JSON] | None = None
    used: int | None = None
    covers: tuple[str, ...] = ()
    plan: int | None = None
    said: int | None = None
    resumed: int | None = None
    notified: int | None = None

    @property
    def expires_at(self) -> str:
        """When the question ends: ISO 8601, UTC."""
        return datetime.fromtimestamp(self.expires / 1000, UTC).isoformat(timespec="seconds")


class Approvals:
    """Reads the questions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, approval_id: str) -> Approval | None:
        """The question of this id, or None."""
        with self._store.read() as connection:
            return find(connection, approval_id)

    def waiting(self, thread: str, *, now_ms: int) -> Approval | None:
        """The question that a thread waits for, or None."""
        with self._store.read() as connection:
            return waiting(connection, thread, now_ms=now_ms)

    def list(self, *, tenant: str | None = None, now_ms: int | None = None) -> list[Approval]:
        """Questions that wait for an answer, the oldest first.

        Args:
            tenant: only this tenant's.
            now_ms: leave out what has expired by then.
        """
        query = sa.select(APPROVALS).where(APPROVALS.c.answer.is_(None)).order_by(APPROVALS.c.created, APPROVALS.c.id)
        if tenant is not None:
            query = query.where(APPROVALS.c.tenant == tenant)
        if now_ms is not None:
            query = query.where(APPROVALS.c.expires > now_ms)
        with self._store.read() as connection:
            return [_row(item) for item in connection.execute(query)]


def insert(connection: sa.Connection, approval: Approval) -> None:
    """Stores a new question."""
    values: dict[str, Any] = {name: getattr(approval, name) for name in Approval.__dataclass_fields__}
    values |= {
        "roles": json.dumps(approval.roles),
        "shown": json.dumps(approval.shown, ensure_ascii=False),
        "edited_call": None,
        "covers": json.dumps(approval.covers),
    }
    _INSERT.run(connection, values)


def find(connection: sa.Connection, approval_id: str) -> Approval | None:
    """The question of this id, inside the caller's transaction."""
    item = _FIND.first(connection, {"approval": approval_id})
    return None if item is None else _row(item)


def newest(connection: sa.Connection, thread: str) -> Approval | None:
    """The question of a thread that was asked last, or None."""
    asked = sa.select(APPROVALS).where(APPROVALS.c.thread == thread)
    item = connection.execute(asked.order_by(APPROVALS.c.created.desc(), APPROVALS.c.id.desc()).limit(1)).first()
    return None if item is None else _row(item)


def waiting(connection: sa.Connection, thread: str, *, now_ms: int) -> Approval | None:
    """The question that a thread waits for, or None, inside the caller's transaction."""
    item = _WAITING.first(connection, {"thread": thread, "now": now_ms})
    return None if item is None else _row(item)


def answer(
    connection: sa.Connection,
    approval_id: str,
    word: Answer,
    *,
    by: str,
    now_ms: int,
    message: str | None,
    edited_call: Mapping[str, JSON] | None = None,
    taken: bool = False,
) -> bool:
    """Records the answer if there is none yet; false tells that somebody else was first.

    Args:
        taken: whoever gives the answer lets the thread go on, so that no worker has to.
    """
    given = {
        "approval": approval_id,
        "word": word,
        "by": by,
        "now": now_ms,
        "words": message,
        "edited": None if edited_call is None else json.dumps(edited_call, ensure_ascii=False),
        "taken": now_ms if taken else None,
    }
    return _ANSWER.run(connection, given) == 1


def due(connection: sa.Connection, *, now_ms: int) -> dict[str, int]:
    """Threads with a question that was answered or has expired, and that nobody let go on since: when that was."""
    found: dict[str, int] = {}
    for row in _DUE.all(connection, {"now": now_ms}):
        since = row.expires if row.answered is None else row.answered
        found[row.thread] = min(since, found.get(row.thread, since))
    return found


def ended(connection: sa.Connection, thread: str, *, now_ms: int) -> list[Approval]:
    """The questions of a thread that were answered or have expired, and after which nobody let it go on."""
    return [_row(item) for item in _ENDED_OF.all(connection, {"of": thread, "now": now_ms})]


def resumed(connection: sa.Connection, thread: str, *, now_ms: int) -> None:
    """Notes that somebody lets the thread go on after all its questions that were answered or have expired."""
    _RESUMED.run(connection, {"of": thread, "now": now_ms})


def use(connection: sa.Connection, approval_id: str, *, digest: str, now_ms: int) -> bool:
    """Uses an ``approve`` for this digest once; false where it was used, has expired or binds something else."""
    return _USE.run(connection, {"approval": approval_id, "of": digest, "now": now_ms}) == 1


def covers(connection: sa.Connection, approval_id: str, *, digest: str, now_ms: int) -> bool:
    """Whether an approved question, not expired, was shown with exactly this call. The call's own row sees to it that
    the call runs once.
    """
    approval = find(connection, approval_id)
    return (
        approval is not None
        and approval.answer == "approve"
        and approval.plan is not None
        and approval.expires > now_ms
        and digest in approval.covers
    )


def answered(thread: str, *, said: int, most: int, until_ms: int = _LATER) -> Asked:
    """Asks for the newest answers to a thread's questions; the arguments are those of :func:`rejected_in_a_row`."""
    return _ANSWERED.asked({"thread": thread, "said": said, "until": until_ms, "most": most})


def rejected_in_a_row(connection: sa.Connection, thread: str, *, said: int, most: int, until_ms: int = _LATER) -> int:
    """How many of the newest answers to a thread's questions are rejections. Whatever else a person answered, an edit
    and words included, ends the row.

    Args:
        said: the place of the subject's words under which the questions were asked.
        most: how many answers are looked at.
        until_ms: leave out what was answered later.
    """
    rows = answered(thread, said=said, most=most, until_ms=until_ms).all(connection)
    return next((n for n, row in enumerate(rows) if row.answer != "reject"), len(rows))


def untold(connection: sa.Connection, *, now_ms: int, before_ms: int, most: int) -> list[Approval]:
    """Questions that wait for an answer and whose notice nobody delivered, the oldest first.

    Args:
        before_ms: leave out what was asked later: its own process may be delivering it.
        most: how many at most.
    """
    rows = _UNTOLD.all(connection, {"now": now_ms, "before": before_ms, "most": most})
    return [_row(item) for item in rows]


def mark_notified(connection: sa.Connection, approval_id: str, *, now_ms: int) -> None:
    """Notes that a question's notice was delivered; the first time counts."""
    connection.execute(_NOTIFIED, {"approval": approval_id, "now": now_ms})


def uncover(connection: sa.Connection, thread: str) -> None:
    """Ends what approved questions cover: a newer message took the place of the one that announced the calls."""
    _UNCOVER.run(connection, {"of": thread})


def close(connection: sa.Connection, approval_id: str, *, now_ms: int) -> None:
    """Ends a question whose place something newer took: nobody can answer it, and no thread waits for it."""
    connection.execute(
        APPROVALS.update().where(APPROVALS.c.id == approval_id, APPROVALS.c.answer.is_(None)).values(expires=now_ms)
    )
    connection.execute(APPROVALS.update().where(APPROVALS.c.id == approval_id).values(resumed=now_ms))


def covering(connection: sa.Connection, thread: str, digest: str, *, plan: int, now_ms: int) -> Approval | None:
    """The approved question of this plan, not expired, that was shown with exactly this call, or None."""
    for item in _APPROVED.all(connection, {"thread": thread, "plan": plan, "now": now_ms}):
        approval = _row(item)
        if digest in approval.covers:
            return approval
    return None


def _row(item: Any) -> Approval:
    values = {name: getattr(item, name) for name in Approval.__dataclass_fields__}
    values["covers"] = tuple(json.loads(item.covers))
    values["roles"] = tuple(json.loads(item.roles))
    values["shown"] = json.loads(item.shown)
    values["edited_call"] = None if item.edited_call is None else json.loads(item.edited_call)
    return Approval(**values)
