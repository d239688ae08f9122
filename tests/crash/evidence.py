"""What the guard's tables, the system of record and the audit say of one conversation, held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.crash.desk import MODES
from tests.crash.office import MANAGER, USER, Office

__all__ = ["wrongs"]

HOLDING = ("claimed", "done", "unknown")
"""States of a call whose effect may have happened."""


def wrongs(office: Office, name: str) -> list[str]:
    """What must not be, whenever a process died: nothing where all is well."""
    rows = office.calls(name)
    effects = office.desk.effects(name)
    questions = {row["id"]: row for row in office.rows(f"SELECT * FROM approvals WHERE thread = '{name}'")}
    return [
        *(f"audit: {line}" for line in office.broken(name)),
        *_effects(rows, effects),
        *(line for row in rows if row["claimed"] is not None for line in _allowed(row, questions)),
        *_metered(office, name, rows),
    ]


def _effects(rows: list[dict[str, Any]], effects: list[dict[str, Any]]) -> Iterator[str]:
    """Each effect is that of one call, which took its key, and no two are of the same."""
    done = Counter((one["tool"], one["key"]) for one in effects)
    held = Counter((row["tool"], row["key"]) for row in rows if row["state"] in HOLDING)
    for intent, times in done.items():
        if times > 1:
            yield f"effect: {intent[0]} happened {times} times"
        if held[intent] != 1:
            yield f"effect: {intent[0]} happened and {held[intent]} calls hold its key"
    for row in rows:
        if row["state"] == "done" and row["key"] is not None and not done[row["tool"], row["key"]]:
            yield f"effect: {row['tool']} is done and never happened"
    if any(one["by"] != USER.id for one in effects):
        yield "effect: on behalf of somebody else"


def _allowed(row: dict[str, Any], questions: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A claimed call that a person must be asked about has an answer of its own, given and used before it expired."""
    if MODES[row["tool"]] != "approve":
        if row["approval_id"] is not None:
            yield f"approval: {row['tool']} has one that it does not need"
        return
    found = questions.get(row["approval_id"])
    if found is None or found["answer"] != "approve" or found["answered_by"] != MANAGER.id:
        yield f"approval: {row['tool']} was claimed without one"
    elif (found["trace_id"], found["tool"], found["digest"]) != (row["trace_id"], row["tool"], row["digest"]):
        yield f"approval: {row['tool']} was claimed with that of another call"
    elif found["used"] is None or not found["answered"] <= found["used"] <= min(found["expires"], row["claimed"]):
        yield f"approval: {row['tool']} was claimed with one that is not used, or was not live"


def _metered(office: Office, name: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Each claimed call takes one place of the thread's actions and each stored one of its attempts, and no other."""
    claimed = [row["trace_id"] for row in rows if row["claimed"] is not None]
    for meter, expected in (("actions", claimed), ("attempts", [row["trace_id"] for row in rows])):
        taken = office.rows(f"SELECT n, trace_id FROM meter WHERE key = '{meter}|{name}' ORDER BY n")
        if Counter(row["trace_id"] for row in taken) != Counter(expected):
            yield f"meter: {len(taken)} places of {meter} are taken by {len(expected)} calls"
        if [row["n"] for row in taken] != list(range(1, len(taken) + 1)):
            yield f"meter: the places of {meter} are not one for each call"
