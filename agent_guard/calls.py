"""One table and one state machine: the row here, not a checkpoint, makes a call happen once (law L5).

    proposed -> denied | suggested | pending | claimed | expired
    pending  -> approved | rejected | expired
    approved -> claimed | denied | expired
    claimed  -> done | failed | unknown
    unknown  -> done | failed

``proposed`` is a call that may run without a human; ``unknown`` is left only when the system of record or a person has
said what became of the call. Every move is a compare-and-set on the state it leaves, so a
worker that comes late changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.query import Asked, Command, Query
from agent_guard.store import metadata
from agent_guard.types import JSON, Code

__all__ = [
    "CALLS",
    "CallRow",
    "State",
    "by_id",
    "find",
    "insert",
    "move",
    "pending",
    "row_of",
    "twin",
    "unfinished",
]

State = Literal[
    "proposed",
    "denied",
    "suggested",
    "pending",
    "approved",
    "rejected",
    "expired",
    "claimed",
    "done",
    "failed",
    "unknown",
]

MOVES: Mapping[State, frozenset[State]] = {
    "proposed": frozenset({"claimed", "denied", "suggested", "pending", "expired"}),
    "pending": frozenset({"approved", "rejected", "expired"}),
    "approved": frozenset({"claimed", "denied", "expired"}),
    "claimed": frozenset({"done", "failed", "unknown"}),
    "unknown": frozenset({"done", "failed"}),
}

_NEVER_MS = 2**62  # later than any call


class _Columns(TypedColumns):
    trace_id = Column(sa.String(26), primary_key=True)
    thread = Column(sa.String(100), nullable=False)
    call_id = Column(sa.String(200), nullable=False)
    digest = Column(sa.String(71), nullable=False)
    same = Column(sa.String(71), nullable=False)
    tenant = Column(sa.String(100), nullable=False)
    tool = Column(sa.String(100), nullable=False)
    args = Column(sa.Text, nullable=False)
    reason = Column(sa.Text, nullable=True)
    state = Column(sa.String(20), nullable=False)
    code = Column(sa.String(40), nullable=False)
    for_model = Column(sa.Text, nullable=False)
    for_human = Column(sa.Text, nullable=False)
    policy_hash = Column(sa.String(71), nullable=False)
    record_version = Column(sa.Text, nullable=False)
    key = Column(sa.String(64), nullable=True)
    held_key = Column(sa.String(64), nullable=True)
    approval_id = Column(sa.String(40), nullable=True)
    created = Column(sa.BigInteger, nullable=False)
    claimed = Column(sa.BigInteger, nullable=True)
    lease = Column(sa.BigInteger, nullable=True)
    settled = Column(sa.BigInteger, nullable=True)
    reference = Column(sa.String(200), nullable=True)
    result = Column(sa.Text, nullable=True)
    plan = Column(sa.Integer, nullable=True)
    step = Column(sa.String(40), nullable=True)
    unasked = Column(sa.Boolean, nullable=True)
    flag = Column(sa.String(200), nullable=True)


CALLS = sa.Table(
    "calls",
    metadata,
    _Columns,
    sa.UniqueConstraint("thread", "call_id", "digest"),
    # the constraint itself stops two workers that claim one intent; a released key is NULL and stops nobody
    sa.UniqueConstraint("tenant", "held_key"),
)
sa.Index("calls_thread", CALLS.c.thread, CALLS.c.created)
_RAN = CALLS.c.flag.is_not(None)  # a call that never ran costs nothing here
sa.Index("calls_ran", CALLS.c.flag, CALLS.c.settled, sqlite_where=_RAN, postgresql_where=_RAN)


@dataclass(frozen=True, kw_only=True)
class CallRow:
    """One call as it is stored; ``args`` and ``result`` hold pseudonyms.

    Args:
        same: digest of tool and arguments alone: equal calls of a thread have the same.
        code, for_model, for_human: why it is in its state, as the model and a human are told.
        key: the idempotency key, or None for a read.
        plan, step: the plan's place in the trail and the step of it that this call is, or None.
        unasked: whether the plan left a value of it open that no human was asked about.
        flag: of a call that ran: the flag that is pressed when calls like it keep failing.
        created, claimed, lease, settled: milliseconds since 1970.
    """

    trace_id: str
    thread: str
    call_id: str
    digest: str
    same: str
    tenant: str
    tool: str
    args: Mapping[str, JSON]
    reason: str | None
    state: State
    code: Code
    for_model: str
    for_human: str
    policy_hash: str
    record_version: str
    key: str | None
    approval_id: str | None
    created: int
    plan: int | None = None
    step: str | None = None
    unasked: bool | None = None
    claimed: int | None = None
    lease: int | None = None
    settled: int | None = None
    flag: str | None = None
    reference: str | None = None
    result: JSON = None


HOLDING = ("proposed", "pending", "approved", "claimed", "done", "unknown")
"""States in which a call holds its step of the plan."""

_BY_ID = Query(sa.select(CALLS).where(CALLS.c.trace_id == sa.bindparam("trace")))
_FIND = Query(sa.select(CALLS).where(CALLS.c.thread == sa.bindparam("thread"), CALLS.c.call_id == sa.bindparam("call")))
"""Not ordered: for the order SQLite would read the whole thread by its other index."""
_RECENT = Query(
    sa.select(CALLS.c.same, CALLS.c.state, CALLS.c.key)
    .where(
        CALLS.c.thread == sa.bindparam("thread"),
        sa.tuple_(CALLS.c.created, CALLS.c.trace_id) < sa.tuple_(sa.bindparam("created"), sa.bindparam("trace")),
    )
    .order_by(CALLS.c.created.desc(), CALLS.c.trace_id.desc())
    .limit(sa.bindparam("most"))
)
_OF_PLAN = Query(
    sa.select(CALLS.c.step, CALLS.c.tool, CALLS.c.result, CALLS.c.unasked, CALLS.c.key)
    .where(
        CALLS.c.thread == sa.bindparam("thread"),
        CALLS.c.plan == sa.bindparam("plan"),
        CALLS.c.trace_id != sa.bindparam("but"),
        sa.or_(
            *(CALLS.c.state == state for state in ("proposed", "pending", "approved", "claimed", "done", "unknown"))
        ),
    )
    .order_by(CALLS.c.created, CALLS.c.trace_id)
)
_EARLIER = Query(
    sa.select(CALLS.c.args)
    .where(
        CALLS.c.thread == sa.bindparam("thread"),
        CALLS.c.tool == sa.bindparam("tool"),
        CALLS.c.state == "done",
        CALLS.c.settled > sa.bindparam("since"),
        CALLS.c.settled <= sa.bindparam("until"),
    )
    .order_by(CALLS.c.created.desc())
)
_HELD = Query(sa.select(CALLS).where(CALLS.c.tenant == sa.bindparam("tenant"), CALLS.c.held_key == sa.bindparam("k")))
_PENDING = Query(sa.select(CALLS).where(CALLS.c.thread == sa.bindparam("thread"), CALLS.c.state == "pending"))
_INSERT = Command(CALLS.insert())
_OPEN = Query(
    sa.select(CALLS).where(
        CALLS.c.thread == sa.bindparam("thread"), sa.or_(CALLS.c.state == "pending", CALLS.c.state == "approved")
    )
)
_RELEASE = Command(CALLS.update().where(CALLS.c.trace_id == sa.bindparam("trace")).values(held_key=sa.null()))


def insert(connection: sa.Connection, row: CallRow) -> None:
    """Stores a new call; one that is claimed takes its key."""
    values: dict[str, Any] = {name: getattr(row, name) for name in CallRow.__dataclass_fields__}
    held = _held(connection, row) if row.state == "claimed" else None
    values |= {"args": json.dumps(row.args, ensure_ascii=False), "result": None, "held_key": held}
    _INSERT.many(connection, [values])


def _held(connection: sa.Connection, row: CallRow) -> str | None:
    """The key that a call takes, which a call before it may have held until its window was over."""
    if row.key is None:
        return None
    stale = holder(row.tenant, row.key).first(connection)
    if stale is not None and stale.state == "done":  # running or unknown: the constraint refuses
        _RELEASE.run(connection, {"trace": stale.trace_id})
    return row.key


def holder(tenant: str, key: str) -> Asked:
    """Asks which call holds a key."""
    return _HELD.asked({"tenant": tenant, "k": key})


def named(thread: str, call_id: str) -> Asked:
    """Asks for all calls that carried an id."""
    return _FIND.asked({"thread": thread, "call": call_id})


def newest(thread: str, most: int, before: tuple[int, str] = (_NEVER_MS, "")) -> Asked:
    """Asks what the newest calls were.

    Args:
        before: leave out those from this moment and trace on.
    """
    return _RECENT.asked({"thread": thread, "most": most, "created": before[0], "trace": before[1]})


def by_id(connection: sa.Connection, trace_id: str) -> CallRow | None:
    """The call of this trace, or None."""
    return row_of(_BY_ID.first(connection, {"trace": trace_id}))


def find(connection: sa.Connection, thread: str, call_id: str) -> list[CallRow]:
    """All calls that carried this id, the newest first: the same id may have been proposed with other arguments."""
    rows = named(thread, call_id).all(connection)
    found = [row for item in rows if (row := row_of(item)) is not None]
    return sorted(found, key=lambda row: (row.created, row.trace_id), reverse=True)


def pending(connection: sa.Connection, thread: str) -> list[CallRow]:
    """The calls of a thread that wait for an answer; at most one unless a process died between two."""
    rows = _PENDING.all(connection, {"thread": thread})
    return [row for item in rows if (row := row_of(item)) is not None]


def unfinished(connection: sa.Connection, thread: str) -> list[CallRow]:
    """The calls of a thread that wait for an answer, or were approved and never run."""
    rows = _OPEN.all(connection, {"thread": thread})
    return [row for item in rows if (row := row_of(item)) is not None]


@dataclass(frozen=True, kw_only=True)
class Past:
    """An earlier call as the loop detector looks at it; ``changed`` where it changed something."""

    same: str
    changed: bool


def recent(connection: sa.Connection, thread: str, *, most: int, but: str | None) -> list[Past]:
    """The calls directly before this one, the newest first.

    Args:
        but: the trace of the call itself where it is stored already; without one every stored call was before it.
    """
    itself = by_id(connection, but) if but else None
    asked = newest(thread, most, (itself.created, itself.trace_id)) if itself else newest(thread, most)
    return [Past(same=row.same, changed=row.state == "done" and row.key is not None) for row in asked.all(connection)]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A call that has taken a step of the plan, and what it returned, if it has.

    Args:
        unasked: it ran with values that the plan left open, and nobody was asked.
        made: its tool changes something.
    """

    step: str
    tool: str
    result: JSON
    unasked: bool
    made: bool


def of_plan(connection: sa.Connection, thread: str, plan: int, *, but: str | None) -> list[Taken]:
    """The calls that have taken steps of a plan, in order: those that ran, run, wait or may have run."""
    rows = _OF_PLAN.all(connection, {"thread": thread, "plan": plan, "but": but or ""})
    return [
        Taken(
            step=row.step,
            tool=row.tool,
            result=None if row.result is None else json.loads(row.result),
            unasked=bool(row.unasked),
            made=row.key is not None,
        )
        for row in rows
    ]


def earlier(
    connection: sa.Connection, thread: str, tool: str, *, since_ms: int, until_ms: int = _NEVER_MS
) -> Iterator[Mapping[str, JSON]]:
    """The arguments of this tool's calls that ended well since then, the newest first.

    Args:
        until_ms: leave out what was settled later: as it was at a moment that is over.
    """
    given = {"thread": thread, "tool": tool, "since": since_ms, "until": until_ms}
    for row in _EARLIER.all(connection, given):
        yield json.loads(row.args)


def twin(connection: sa.Connection, tenant: str, key: str, *, since_ms: int | None, but: str | None) -> CallRow | None:
    """The call that holds this key inside its window, or None. A key whose window is over holds nobody up.

    Args:
        since_ms: the start of the window, or None for a key that holds for ever.
        but: a trace to be left out: a call is no duplicate of itself.
    """
    row = row_of(holder(tenant, key).first(connection))
    if row is None or row.trace_id == but:
        return None
    # where the clock was set back in between, a call was settled before it was created: the later time counts
    if row.state == "done" and since_ms is not None and max(row.created, row.settled or 0) <= since_ms:
        return None
    return row


def move(connection: sa.Connection, row: CallRow, to: State, *, code: Code, hold: bool = False, **values: Any) -> bool:
    """Moves a call if it is still in the state that ``row`` shows; false tells that somebody else was first.

    Args:
        hold: take the call's key, releasing one whose window is over.
        values: further columns; ``result`` is plain JSON.

    Raises:
        ValueError: the state machine has no such move.
    """
    if to not in MOVES.get(row.state, frozenset()):
        raise ValueError(f"a call cannot go from {row.state} to {to}")
    if hold:
        values["held_key"] = _held(connection, row)
    if to == "failed":
        values["held_key"] = None
    if "result" in values:
        values["result"] = json.dumps(values["result"], ensure_ascii=False)
    names = tuple(sorted(values))
    given = {f"to_{name}": value for name, value in values.items()}
    given |= {"trace": row.trace_id, "left": row.state, "to": to, "why": str(code)}
    return _moving(names).run(connection, given) == 1


@cache
def _moving(names: tuple[str, ...]) -> Command:
    """The statement that moves a call and sets these further columns; building it costs more than running it."""
    return Command(
        CALLS.update()
        .where(CALLS.c.trace_id == sa.bindparam("trace"), CALLS.c.state == sa.bindparam("left"))
        .values(state=sa.bindparam("to"), code=sa.bindparam("why"), **{n: sa.bindparam(f"to_{n}") for n in names})
    )


def executed(connection: sa.Connection, thread: str) -> Sequence[CallRow]:
    """The thread's calls that ran to their end, in order."""
    rows = connection.execute(
        sa.select(CALLS)
        .where(CALLS.c.thread == thread, CALLS.c.state == "done")
        .order_by(CALLS.c.created, CALLS.c.trace_id)
    ).all()
    return [row for item in rows if (row := row_of(item)) is not None]


def row_of(item: Any) -> CallRow | None:
    """A call as the database holds it, or None for no row."""
    if item is None:
        return None
    values = {name: getattr(item, name) for name in CallRow.__dataclass_fields__}
    values["args"] = json.loads(item.args)
    values["code"] = Code(item.code)
    values["result"] = None if item.result is None else json.loads(item.result)
    return CallRow(**values)
