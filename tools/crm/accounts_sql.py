"""What the embedded CRM knows of accounts: four queries for a page, whatever its length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, false, func, select

from tools.crm.overview import CLOSED_STAGES, AccountFacts
from tools.crm.tables import activities, contacts, deals, follow_ups

__all__ = ["WINDOW", "account_facts"]

WINDOW = timedelta(days=30)
"""Over which touches are counted, and compared with those of as many days before."""


def account_facts(connection: Connection, companies: Sequence[Any], now: datetime) -> tuple[AccountFacts, ...]:
    """The facts of these companies, in their order.

    Args:
        companies: rows of the table, with ``id``, ``name``, ``region`` and ``segment``.
    """
    ids = [row.id for row in companies]
    owned = _by(connection, _deals(ids))
    people = {row.company_id: row.known for row in connection.execute(_contacts(ids))}
    open_ids = [deal.id for rows in owned.values() for deal in rows if deal.stage not in CLOSED_STAGES]
    touched = {row.deal_id: row for row in connection.execute(_touches(open_ids, now))}
    promised = {row.deal_id: row for row in connection.execute(_promised(open_ids, now))}
    return tuple(_facts(row, owned[row.id], people.get(row.id, 0), touched, promised, now) for row in companies)


def _by(connection: Connection, query: Any) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.company_id].append(row)
    return found


def _deals(ids: Sequence[str]) -> Any:
    return (
        select(deals.c.id, deals.c.company_id, deals.c.stage, deals.c.stage_since, deals.c.owner_id)
        .where(deals.c.company_id.in_(ids))
        .order_by(deals.c.company_id, deals.c.stage_since.desc(), deals.c.id)
    )


def _contacts(ids: Sequence[str]) -> Any:
    # two spellings of one person are one person: the same number, or the same address
    known = func.count(func.distinct(func.coalesce(contacts.c.phone, contacts.c.email, contacts.c.id)))
    return (
        select(contacts.c.company_id, known.label("known"))
        .where(contacts.c.company_id.in_(ids))
        .group_by(contacts.c.company_id)
    )


def _touches(ids: Sequence[str], now: datetime) -> Any:
    """For each deal: its last touch, now and as it stood a window ago, and how many there were in each window."""
    at = activities.c.at

    def latest(condition: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.max(case((condition, at)))

    def count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.sum(case((condition, 1), else_=0))

    columns = {
        "last": latest(at <= now),
        "last_before": latest(at <= now - WINDOW),
        "inbound": latest((at <= now) & activities.c.inbound),
        "answered": latest((at <= now) & ~activities.c.inbound),
        "recent": count((at > now - WINDOW) & (at <= now)),
        "earlier": count((at > now - 2 * WINDOW) & (at <= now - WINDOW)),
        "ahead": count(at > now),
    }
    return (
        select(activities.c.deal_id, *(column.label(name) for name, column in columns.items()))
        .where(activities.c.deal_id.in_(ids), activities.c.by_agent == false())
        .group_by(activities.c.deal_id)
    )


def _promised(ids: Sequence[str], now: datetime) -> Any:
    late = func.sum(case((follow_ups.c.due < now.date(), 1), else_=0))
    return (
        select(follow_ups.c.deal_id, late.label("late"), func.count().label("open"))
        .where(follow_ups.c.deal_id.in_(ids), follow_ups.c.done == false())
        .group_by(follow_ups.c.deal_id)
    )


def _facts(
    company: Any,
    owned: Sequence[Any],
    known: int,
    touched: Mapping[str, Any],
    promised: Mapping[str, Any],
    now: datetime,
) -> AccountFacts:
    given = {"id": company.id, "name": company.name, "region": company.region, "segment": company.segment}
    open_deals = [deal for deal in owned if deal.stage not in CLOSED_STAGES]
    facts = AccountFacts(
        **given, owner_id=owned[0].owner_id if owned else None, open_deals=len(open_deals), contacts=known
    )
    if not open_deals:
        return facts
    seen = [touched[deal.id] for deal in open_deals if deal.id in touched]
    owed = [promised[deal.id] for deal in open_deals if deal.id in promised]
    last, before = _latest(seen, "last"), _latest(seen, "last_before")
    waiting = [row for row in seen if row.inbound is not None and (row.answered is None or row.inbound > row.answered)]
    oldest = min(waiting, key=lambda row: row.inbound, default=None)
    slowest = min(open_deals, key=lambda deal: deal.stage_since)
    return replace(
        facts,
        last_touch_days=None if last is None else _days(last.last, now),
        last_touch_days_before=None if before is None else _days(before.last_before, now - WINDOW),
        touched_deal=None if last is None else last.deal_id,
        touches=sum(row.recent for row in seen) if seen else None,
        touches_before=sum(row.earlier for row in seen) if seen else None,
        overdue=sum(row.late for row in owed),
        stage_days=_days(slowest.stage_since, now),
        stage_deal=slowest.id,
        unanswered_days=(0 if oldest is None else _days(oldest.inbound, now)) if seen else None,
        unanswered_deal=None if oldest is None else oldest.deal_id,
        next_step=any(row.ahead for row in seen) or any(row.open > row.late for row in owed),
    )


def _latest(rows: Sequence[Any], name: str) -> Any:
    """The row with the largest moment, or None where none has one."""
    dated = [row for row in rows if getattr(row, name) is not None]
    return max(dated, key=lambda row: getattr(row, name), default=None)


def _days(since: datetime, until: datetime) -> int:
    return max(0, (until - since).days)
