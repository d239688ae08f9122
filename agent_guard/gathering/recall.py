"""The second half of ``gather``: what the guard itself remembers of a thread, read inside the transaction that will
write the decision, so that what was counted is what is claimed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from agent_guard import approvals, calls, meter
from agent_guard.databases.query import Asked, Query
from agent_guard.facts import Facts, LimitFact, OpenFact, PlanFact, Problem, Twin
from agent_guard.gathering.gather import Gathered, kill_scopes
from agent_guard.gathering.limits import Bound, attempts
from agent_guard.gathering.trail import Trail
from agent_guard.guards.loops import REJECTIONS_MAX
from agent_guard.kill_switch import FLAGS, covering
from agent_guard.plan.match import Unmatched, match
from agent_guard.policy import Requires
from agent_guard.provenance import values
from agent_guard.threads import THREADS
from agent_guard.types import JSON, Code
from agent_guard.units import parse_duration, sha256
from agent_guard.usual import defaults

__all__ = ["among", "asked", "missing", "recall"]

_COUNTED = 100
"""The largest rate whose places are counted: that reads each place inside the window, a bare yes or no reads two."""


_FLAGS_AND_ERASED = Query(
    FLAGS.add_columns(
        sa.select(THREADS.c.erased).where(THREADS.c.id == sa.bindparam("thread")).scalar_subquery().label("erased")
    )
)
"""The flags, beside each when the thread's customer was erased. Where there is no row, everything counts as pressed."""


def asked(gathered: Gathered, trail: Trail, *, stored: bool) -> list[Asked]:
    """What :func:`recall` asks of nearly every call, to be read ahead; the rest depends on what is found.

    Args:
        trail: the thread's, as this process has it: where others have written more, some is asked once more.
        stored: the call is stored already.
    """
    thread = gathered.thread
    found = [
        trail.asked(thread.id),
        _FLAGS_AND_ERASED.asked({"thread": thread.id}),
        meter.asked({item.key for item in _bounds(gathered, stored=stored)}),
        approvals.answered(thread.id, said=trail.said, most=REJECTIONS_MAX),
    ]
    if not stored:
        found.append(calls.newest(thread.id, _near(gathered)))
    if gathered.key is not None:
        found.append(calls.holder(thread.subject.tenant, gathered.key))
    return found


def recall(
    connection: sa.Connection,
    gathered: Gathered,
    *,
    now_ms: int,
    trace_id: str | None,
    trail: Trail,
    untrusted: Mapping[str, Collection[str]],
) -> Facts:
    """Completes the facts from the guard's own tables, inside the caller's transaction.

    Args:
        trace_id: the call itself where it is stored already; it is no twin and no repetition of itself.
        trail: what the thread has seen, as it is stored now.
        untrusted: tool -> fields of its result that outsiders wrote.
    """
    tool, thread = gathered.tool, gathered.thread
    twin = None
    if tool is not None and gathered.key is not None:
        since = None if tool.key_window is None else now_ms - int(tool.key_window.total_seconds() * 1000)
        row = calls.twin(connection, thread.subject.tenant, gathered.key, since_ms=since, but=trace_id)
        twin = Twin(state=row.state, trace_id=row.trace_id, reference=row.reference) if row else None
    history = _history(connection, gathered, trace_id)
    flags = _FLAGS_AND_ERASED.all(connection, {"thread": thread.id})
    return replace(
        gathered.facts,
        pressed=covering(flags, kill_scopes(gathered)),
        erased=any(row.erased is not None for row in flags),
        plan=_planned(connection, gathered, trail, trace_id, untrusted),
        temporal=(*gathered.facts.temporal, *_missing(connection, gathered, now_ms)),
        twin=twin,
        limits=tuple(_limits(connection, gathered, now_ms, stored=trace_id is not None)),
        same_calls=_run(history, gathered.same),
        cycles=_cycles([item.same for item in history], gathered.same),
        idle=_idle(history, gathered.same),
        rejections=approvals.rejected_in_a_row(connection, thread.id, said=trail.said, most=REJECTIONS_MAX),
        values=values(gathered, gathered.facts, trail),
    )


def _history(connection: sa.Connection, gathered: Gathered, trace_id: str | None) -> list[calls.Past]:
    """The calls before this one, as far as the loop guard looks; further back only while nothing was changed."""
    loops, thread = gathered.policy.loops, gathered.thread.id
    near, far = _near(gathered), loops.same_call * loops.cycle
    found = calls.recent(connection, thread, most=near, but=trace_id)
    if far <= near or len(found) < near or any(item.changed for item in found):
        return found
    return calls.recent(connection, thread, most=far, but=trace_id)


def _near(gathered: Gathered) -> int:
    loops = gathered.policy.loops
    return max(4 * loops.cycle, loops.same_call)


def _limits(connection: sa.Connection, gathered: Gathered, now_ms: int, *, stored: bool) -> list[LimitFact]:
    found, bounds = [], _bounds(gathered, stored=stored)
    newest = meter.newest(connection, {item.key for item in bounds})
    for item in bounds:
        used, last = None, newest[item.key]
        if item.code is Code.LIMIT_RATE and item.most > _COUNTED:
            full = meter.reached(connection, item.key, item.most, now_ms=now_ms, window_s=item.window_s, last=last)
        else:
            used = meter.used(connection, item.key, now_ms=now_ms, window_s=item.window_s, last=last)
            full = item.takes < 0 or used + item.takes > item.most
        found.append(LimitFact(limit=item.text, code=item.code, count=item.most, reached=full, used=used))
    return found


def _bounds(gathered: Gathered, *, stored: bool) -> Sequence[Bound]:
    """Every limit on a call; one that is stored has taken its attempt."""
    return gathered.bounds if stored else (attempts(gathered.policy, gathered.thread), *gathered.bounds)


def _planned(
    connection: sa.Connection,
    gathered: Gathered,
    trail: Trail,
    trace_id: str | None,
    untrusted: Mapping[str, Collection[str]],
) -> PlanFact | None:
    tool = gathered.tool
    if trail.plan is None or tool is None:
        return None
    used: dict[str, int] = {}
    results: dict[str, list[JSON]] = {}
    doubtful: set[str] = set()
    unseen: list[JSON] = []
    for row in calls.of_plan(connection, gathered.thread.id, trail.plan_n, but=trace_id):
        used[row.step] = used.get(row.step, 0) + 1
        if row.unasked:
            doubtful.add(row.step)
        if isinstance(row.result, Mapping):
            outside = untrusted.get(row.tool, ())
            believed = {name: value for name, value in row.result.items() if name not in outside}
            results.setdefault(row.step, []).append(believed)
            if row.unasked and row.made:
                unseen.append(believed)
    found = match(
        trail.plan,
        tool.name,
        gathered.arguments.masked,
        defaults(tool.args_model),
        sensitive=(tool.sensitive | _named_origins(gathered)) - tool.closed,
        used=used,
        results=results,
        reveal=gathered.reveal,
        doubtful=doubtful,
        unseen=unseen,
        typed=gathered.arguments.model,
    )
    if isinstance(found, Unmatched):
        return PlanFact(step=None, why=found.why, outside_read=trail.outside_ever)
    left = tuple(OpenFact(argument=item.argument, kind=item.kind) for item in found.open)
    return PlanFact(step=found.step, open=left, outside_read=trail.outside_ever)


def _named_origins(gathered: Gathered) -> frozenset[str]:
    rule = gathered.policy.tools.get(gathered.call.tool)
    return frozenset(rule.origins) if rule else frozenset()


def _missing(connection: sa.Connection, gathered: Gathered, now_ms: int) -> list[Problem]:
    """What the policy wants to have happened before and has not."""
    rule = gathered.policy.tools.get(gathered.call.tool)
    wanted = rule.requires if rule and gathered.tool else []
    return [missing(item) for item in wanted if not _happened(connection, gathered, item, now_ms)]


def missing(wanted: Requires) -> Problem:
    """What is said of a call that must have run before and has not."""
    alike = f" with the same {wanted.same}" if wanted.same else ""
    return Problem(code=Code.REQUIRES, path=wanted.tool, message=f"must have run in the last {wanted.within}{alike}")


def _happened(connection: sa.Connection, gathered: Gathered, wanted: Requires, now_ms: int) -> bool:
    since = now_ms - int(parse_duration(wanted.within).total_seconds() * 1000)
    ran = calls.earlier(connection, gathered.thread.id, wanted.tool, since_ms=since)
    return among(wanted, gathered.arguments.masked, ran)


def among(wanted: Requires, args: Mapping[str, JSON], ran: Iterable[Mapping[str, JSON]]) -> bool:
    """Whether a call that must have run before is one of those that ran.

    Args:
        args: of the call that requires it, masked.
        ran: the arguments of each that ran in time, masked.
    """
    value = args.get(wanted.same) if wanted.same is not None else None
    for earlier in ran:
        if wanted.same is None:
            return True
        if value is not None and sha256(earlier.get(wanted.same)) == sha256(value):
            return True
    return False


def _run(history: Sequence[calls.Past], same: str) -> int:
    count = 0
    for item in history:
        if item.same != same:
            break
        count += 1
    return count


def _cycles(history: Sequence[str], same: str) -> int:
    """How often the last two to four calls came in turn, where this call would begin them once more."""
    most = 0
    for period in (2, 3, 4):
        turn = history[:period]
        if len(turn) < period or turn[-1] != same or len(set(turn)) == 1:
            continue
        rounds = 1
        while history[rounds * period : (rounds + 1) * period] == turn:
            rounds += 1
        most = max(most, rounds)
    return most


def _idle(history: Sequence[calls.Past], same: str) -> int:
    count = 0
    for item in history:
        if item.changed:
            break
        count += item.same == same
    return count
