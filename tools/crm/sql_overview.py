"""The embedded CRM's aggregates: keyset pages, and one look into an index for each deal.

The last touch of a deal is the largest ``at`` of its activities that no agent did and that lie not in the future; the
index ``activities_touch`` answers it without reading the history. Whether a deal is fresh is asked first, because most
of the work is then saved: a million deals take about a second and a half on SQLite (``benchmarks/stale.py``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, literal, select

from agent_guard.errors import ToolRejected
from tools.crm.accounts_sql import account_facts
from tools.crm.overview import (
    CLOSED_STAGES,
    PAGE_MAX,
    AccountPage,
    Bucket,
    IdleDeal,
    IdlePage,
    Overview,
    StaleRule,
)
from tools.crm.port import INVALID
from tools.crm.records import OWNER_OF_ACCOUNT
from tools.crm.sql import SqlCRM
from tools.crm.tables import activities, companies, deals, staff

__all__ = ["SqlOverview", "idle_query"]

Rows = Select[*tuple[Any, ...]]


class SqlOverview:
    """Aggregates of one embedded CRM; see :class:`Overview` for what each method gives.

    Args:
        crm: its engine, its waits and its clock are used.
    """

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def now(self) -> datetime:
        """The CRM's clock."""
        return self._crm.clock()

    def owners(self) -> tuple[tuple[str, str, int], ...]:
        """Everybody who owns a deal."""
        count = func.count().label("owned")
        query = (
            select(staff.c.id, staff.c.region, count)
            .join(deals, deals.c.owner_id == staff.c.id)
            .group_by(staff.c.id, staff.c.region)
            .order_by(staff.c.id)
        )
        with self._crm.reading() as connection:
            return tuple((row.id, row.region, row.owned) for row in connection.execute(query))

    def idle(
        self, rule: StaleRule, *, region: str, owner_id: str | None = None, after: str | None = None, limit: int = 100
    ) -> IdlePage:
        """One page of deals that are not fresh."""
        _check_limit(limit)
        query = idle_query(rule, self.now()).where(deals.c.region == region).order_by(deals.c.id).limit(limit + 1)
        if owner_id is not None:
            query = query.where(deals.c.owner_id == owner_id)
        if after is not None:
            query = query.where(deals.c.id > after)
        found = self._idle(query)
        return IdlePage(deals=found[:limit], after=found[limit - 1].id if len(found) > limit else None)

    def idle_of(self, rule: StaleRule, deal_ids: tuple[str, ...]) -> tuple[IdleDeal, ...]:
        """Those of these deals that are not fresh."""
        return self._idle(idle_query(rule, self.now()).where(deals.c.id.in_(deal_ids)).order_by(deals.c.id))

    def accounts(
        self,
        *,
        region: str,
        account_id: str | None = None,
        owner_id: str | None = None,
        after: str | None = None,
        limit: int = 20,
    ) -> AccountPage:
        """One page of accounts."""
        _check_limit(limit)
        query = select(companies).where(companies.c.region == region).order_by(companies.c.id).limit(limit + 1)
        if account_id is not None:
            query = query.where(companies.c.id == account_id)
        else:
            query = query.where(
                exists().where(deals.c.company_id == companies.c.id, deals.c.stage.not_in(CLOSED_STAGES))
            )
        if owner_id is not None:
            query = query.where(OWNER_OF_ACCOUNT.in_([owner_id]))
        if after is not None:
            query = query.where(companies.c.id > after)
        with self._crm.reading() as connection:
            rows = connection.execute(query).all()
            found = account_facts(connection, rows[:limit], self.now())
        return AccountPage(accounts=found, after=rows[limit - 1].id if len(rows) > limit else None)

    def _idle(self, query: Rows) -> tuple[IdleDeal, ...]:
        now = self.now()
        with self._crm.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(
            IdleDeal(
                id=row.id,
                owner_id=row.owner_id,
                stage=row.stage,
                bucket=_bucket(row.last_touch, planned=bool(row.planned)),
                idle_days=None if row.last_touch is None else max(0, (now - row.last_touch).days),
                amount=row.amount,
                currency=row.currency,
            )
            for row in rows
        )


def idle_query(rule: StaleRule, now: datetime) -> Rows:
    """Open deals without a touch since their stage's limit, with the last touch and whether something is planned."""
    is_touch = and_(activities.c.deal_id == deals.c.id, activities.c.by_agent == false(), activities.c.at <= now)
    last = select(func.max(activities.c.at)).where(is_touch).scalar_subquery()
    ahead = and_(
        activities.c.deal_id == deals.c.id,
        activities.c.by_agent == false(),
        activities.c.at > now,
        activities.c.at <= now + timedelta(days=rule.planned_within),
    )
    planned: ColumnElement[bool] = exists().where(ahead) if rule.planned_within else literal(value=False)
    query = select(
        deals.c.id,
        deals.c.owner_id,
        deals.c.stage,
        deals.c.amount,
        deals.c.currency,
        last.label("last_touch"),
        planned.label("planned"),
    )
    fresh = exists().where(is_touch, activities.c.at > _since(rule, now))
    return query.where(deals.c.stage.not_in(CLOSED_STAGES), ~fresh)


def _since(rule: StaleRule, now: datetime) -> ColumnElement[datetime]:
    """The moment before which the last touch of a deal is too old, by its stage."""
    usual = literal(now - rule.limit(""), activities.c.at.type)
    if not rule.stages:
        return usual
    at = {stage: literal(now - rule.limit(stage), activities.c.at.type) for stage in sorted(rule.stages)}
    return case(at, value=deals.c.stage, else_=usual)


def _bucket(last_touch: datetime | None, *, planned: bool) -> Bucket:
    if planned:
        return "planned"
    return "unknown" if last_touch is None else "stale"


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE_MAX:
        raise ToolRejected(f"limit is 1 to {PAGE_MAX}", code=INVALID)


_port: type[Overview] = SqlOverview
"""Checked by the type checker: it is one."""
