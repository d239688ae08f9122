"""The laws of the house, asked of what is left: the databases and the system of record, not of what anybody said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from agent_guard.auditing.replay import replay
from agent_guard.auditing.verify import verify
from agent_guard.recording.rulebook import Rulebook
from tests.load.company import BOSSES, CANARIES, LIMITS, Company, Place, opened
from tests.load.work import LATER_S, Told

__all__ = ["broken"]


def broken(place: Place, told: Told) -> list[str]:
    """What does not hold, one sentence each; nothing where all of it does."""
    with opened(place, later_s=LATER_S) as company:
        return [
            *_calls(company, told),
            *_limits(company),
            *_approvals(company),
            *_record(company),
            *_values(place, company),
        ]


def rows(company: Company, table: str) -> list[dict[str, Any]]:
    """One table of the guard."""
    with company.gateway.store.read() as connection:
        return [dict(row._mapping) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]


def _calls(company: Company, told: Told) -> Iterator[str]:
    """L1, L2, L5, L9: what happened was claimed, once; what was denied or switched off did not; nothing is forgotten."""
    effects, calls = company.desk.effects, rows(company, "calls")
    often = {key: n for key, n in Counter(item["key"] for item in effects).items() if n > 1}
    if often:
        yield f"L5: {len(often)} keys have several effects"
    states = {state: {row["key"] for row in calls if row["state"] == state} for state in ("done", "unknown")}
    made = {item["key"] for item in effects}
    if made - states["done"] - states["unknown"]:
        yield "L1: an effect belongs to no call that ran"
    acting = [row for row in calls if row["state"] == "done" and row["tool"] != "deal.read"]
    if len({row["key"] for row in acting}) != len(acting) or {row["key"] for row in acting} - made:
        yield "L5: a call is done, and its effect is not there or is another call's"
    open_ = Counter(row["state"] for row in calls if row["state"] in ("proposed", "pending", "approved", "claimed"))
    if open_:
        yield f"L5: calls are left open: {dict(open_)}"
    if sum(row["state"] == "unknown" for row in calls) > 1:
        yield "L5: more calls are unknown than one process that died can leave"
    if any(row["state"] != "denied" for row in calls if row["tool"] == "deal.drop"):
        yield "L2: a tool that nobody permitted was not denied"
    if told.off[0] != told.off[1]:
        yield f"L9: {told.off[1] - told.off[0]} drafts were made while the tool was switched off"
    if told.ran - {row["trace_id"] for row in calls if row["state"] == "done"}:
        yield "L5: a worker was told of a call that ran, and it is not done"
    if told.begun - {(row["thread"], row["call_id"]) for row in calls}:
        yield "L5: a call is forgotten"
    if told.asked - {row["thread"] for row in rows(company, "approvals")}:
        yield "L6: a question is forgotten"
    if told.left["undone"]:
        yield f"L5: {told.left['undone']} threads cannot go on"


def _limits(company: Company) -> Iterator[str]:
    sends = sum(item["tool"] == "mail.send" for item in company.desk.effects)
    money = sum(item.get("amount", 0) for item in company.desk.effects)
    if sends > LIMITS["sends"] or money > LIMITS["money"]:
        yield f"limits: {sends} mails were sent and {money} spent, of {LIMITS}"


def _approvals(company: Company) -> Iterator[str]:
    """L6: what ran after a question is what its one answer, by a manager, was given for."""
    calls = {row["trace_id"]: row for row in rows(company, "calls")}
    ran = {item["key"] for item in company.desk.effects if item["tool"] == "deal.agree"}
    asked = {row["trace_id"]: row for row in rows(company, "approvals")}
    for row in calls.values():
        if row["tool"] == "deal.agree" and row["key"] in ran and row["state"] in ("done", "unknown"):
            found = asked.get(row["trace_id"])
            if (
                found is None
                or found["answer"] != "approve"
                or found["used"] is None
                or found["digest"] != row["digest"]
            ):
                yield f"L6: {row['call_id']} ran without an approval of exactly it"
            elif found["answered_by"] not in {boss.id for boss in BOSSES} or found["answered_by"] == found["requester"]:
                yield f"L6: {row['call_id']} was approved by {found['answered_by']}"
    for found in asked.values():
        state = calls[found["trace_id"]]["state"]
        if found["answer"] is None and state == "pending":
            yield f"L6: {found['id']} waits, and nobody can see it"
        if found["answer"] == "reject" and state != "rejected":
            yield f"L6: {found['id']} was rejected, and its call is {state}"


def _record(company: Company) -> Iterator[str]:
    """L3, L5: every chain is whole and sealed, every decision is reached again, every run is written down."""
    gateway = company.gateway
    report = verify(gateway.store, gateway.sources.keys)
    if report.status != "whole" or report.unsealed or report.proven is None:
        yield f"record: {report.status}, {report.unsealed} events unsealed, {[flaw.words for flaw in report.flaws][:3]}"
    again = replay(gateway.store, gateway.sources.keys, gateway.tools, Rulebook(gateway.store))
    if again.status != "agrees" or not again.decisions:
        yield f"L3: of {again.decisions} decisions {again.differing} differ, {again.undecided} are undecided"
    kinds = Counter(event.data["kind"] for event in gateway.audit.events())
    states = Counter(row["state"] for row in rows(company, "calls"))
    if kinds["finished"] != states["done"] or kinds["unknown"] < states["unknown"]:
        yield f"record: {kinds['finished']} calls finished, {states['done']} are done"


def _values(place: Place, company: Company) -> Iterator[str]:
    """L4, L7: no raw value in any table, of the guard or of LangGraph's checkpoints."""
    urls = {place.url} | (set() if place.url.startswith("postgres") else {f"sqlite:///{place.folder}/threads.db"})
    for url in urls:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            for table in sa.inspect(connection).get_table_names():
                text = "\n".join(
                    _text(cell) for row in connection.exec_driver_sql(f"SELECT * FROM {table}") for cell in row
                )
                found = [canary for canary in CANARIES if canary in text.casefold()]
                if found:
                    yield f"L4: the table {table} holds {len(found)} raw values"
        engine.dispose()
    if not any(CANARIES[0] in json.dumps(item, ensure_ascii=False).casefold() for item in company.desk.effects):
        yield "the canaries never reached the system of record: this proves nothing of L4"


def _text(cell: Any) -> str:
    if isinstance(cell, (bytes, memoryview)):
        raw = bytes(cell)
        return raw.decode("utf-8", "replace") + json.dumps(raw.decode("latin-1"))
    return str(cell) + (json.dumps(cell, ensure_ascii=False) if isinstance(cell, (dict, list)) else "")
