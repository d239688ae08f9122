"""Failures in a row switch a scenario off until a person has looked (A14).

Three calls of one scenario that ran and failed, one after another, press its flag; in a thread without a scenario, the
tool's. What counts is a system that does not work: unreachable, too slow, an answer that nobody can read, an outcome
that nobody knows. A system that says no to the data works, and so does one that does what it is told: both end the row.
A call that the red button stopped never ran and is left out.

The row is counted over all tenants, because the flag covers all of them. After the flag was released, only calls that
ended later count.
"""

from __future__ import annotations

import sqlalchemy as sa

from agent_guard.calls import CALLS
from agent_guard.core import Core
from agent_guard.databases.query import Query
from agent_guard.kill_switch import since
from agent_guard.operations.button import flag_locks, put_flag
from agent_guard.types import Code

__all__ = ["ACTOR", "COUNTED", "IN_A_ROW", "NEWEST", "REASON", "locks", "trip", "words"]

IN_A_ROW = 3
"""How many failures in a row press the flag (requirement A14)."""

ACTOR = "agent_guard"
REASON = "three failures in a row"

COUNTED = frozenset(
    {
        Code.TOOL_UNAVAILABLE,
        Code.TOOL_FAILED,
        Code.TIMEOUT,
        Code.RESULT_INVALID,
        Code.POST_CHECK_FAILED,
        Code.OUTCOME_UNKNOWN,
        Code.NOT_EXECUTED,
    }
)
"""Codes of a call that ran and failed through no fault of its arguments; the last one is of a call of unknown outcome
that turned out not to have happened."""

NEWEST = (
    sa.select(CALLS.c.code)
    .where(
        CALLS.c.flag == sa.bindparam("flag"),
        CALLS.c.settled > sa.bindparam("since"),
        CALLS.c.code != str(Code.KILLED),
    )
    .order_by(CALLS.c.settled.desc(), CALLS.c.trace_id.desc())
    .limit(IN_A_ROW)
)
"""The last calls that ran under a flag; an index answers it."""

_NEWEST = Query(NEWEST)


def locks(code: Code) -> list[str]:
    """What a transaction that settles a call with this code must be alone on, besides the call's thread."""
    return flag_locks() if code in COUNTED else []


def trip(core: Core, connection: sa.Connection, flag: str, code: Code) -> bool:
    """Presses the flag if the call that was just settled is the third failure in a row; says whether it did.

    Args:
        connection: of the transaction that settled the call, which named :func:`locks`.
        flag: of that call.
    """
    released = since(connection, flag) if code in COUNTED else None
    if released is None:  # no failure, or the flag is pressed already
        return False
    codes = [row.code for row in _NEWEST.all(connection, {"flag": flag, "since": released})]
    if len(codes) < IN_A_ROW or any(item not in COUNTED for item in codes):
        return False
    put_flag(
        connection,
        core.kill_switch,
        core.audit,
        flag,
        pressed=True,
        reason=REASON,
        by=ACTOR,
        environment=core.environment,
        now=core.now(),
    )
    return True


def words(flag: str, trace_id: str) -> str:
    """What operators are told when a flag was pressed."""
    kind, _, name = flag.partition(":")
    return (
        f"Switched off after {REASON}; the last is {trace_id}. See agent-guard calls list, and when it works again: "
        f"agent-guard revive --{kind} {name} --reason ..."
    )
