"""Fills an empty embedded CRM with very many invented deals, for scans and benchmarks: 1,000 to 1,000,000.

The same seed and moment give the same rows. Planted on purpose: last touches on both sides of 14 days, one second
before and after it among them; deals that only an agent touched lately; next steps in the future, near and far; deals
that nobody ever touched; contacts who are there twice under other spellings; and activities at the hours that a change
of the clocks takes away or gives twice. Written in blocks, so that its size does not decide how much memory it takes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from sqlalchemy import insert, select

from agent_guard.errors import ConfigError
from tools.crm import tables
from tools.crm.people import invent, respell
from tools.crm.sql import SqlCRM

__all__ = ["DST", "FEWEST", "MOST", "OWNER_DEALS", "fill"]

FEWEST, MOST = 1_000, 1_000_000
OWNER_DEALS = 2_000
"""How many deals one member of staff owns."""

BLOCK = 20_000
_PEOPLE = 500
_FIRST = 1_000_000
_AGENTS, _TWIN = 8, 10
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_REGIONS = ("us", "kz", "pl")
_CURRENCIES = {"us": "USD", "kz": "KZT", "pl": "PLN"}
_STAGES = ("qualification", "qualification", "proposal", "negotiation", "won", "lost")
_SEGMENTS = ("enterprise", "standard", "standard", "small")

DST = (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
"""Moments around the changes of the clocks in Europe in 2026: the hour that is missing, and one that comes twice."""


def fill(
    crm: SqlCRM, *, deals: int, now: datetime, seed: int = 7, told: Callable[[int], object] = lambda _: None
) -> None:
    """Fills it.

    Args:
        crm: created and empty.
        deals: 1,000 to 1,000,000.
        now: aware; ages are counted back from it.
        seed: of the generator.
        told: is told how many deals are written, now and then.

    Raises:
        ConfigError: the number is out of range, ``now`` is naive, or the CRM holds something.
        ToolUnavailable: the database cannot be written.
    """
    if now.tzinfo is None or not FEWEST <= deals <= MOST:
        raise ConfigError(f"deals is {FEWEST} to {MOST}, and now is an aware time")
    with crm.reading() as connection:
        if connection.execute(select(tables.staff.c.id).limit(1)).first() is not None:
            raise ConfigError("this CRM holds something already; fill an empty one")
    rng = random.Random(seed)  # noqa: S311  invented people are no secret
    people = {region: _people(rng, region) for region in _REGIONS}
    owners = -(-deals // OWNER_DEALS)
    with crm.writing() as connection:
        connection.execute(insert(tables.staff), [_owner(n) for n in range(owners)])
    made = 0
    numbers = iter(range(deals))
    while block := list(islice(numbers, BLOCK)):
        rows = {name: list(_rows(rng, name, block, now, people, owners)) for name in ("companies", "contacts", "deals")}
        touches = [row for n in block for row in _touches(rng, n, now)]
        late = [{"deal_id": str(_FIRST + n), "due": (now - 3 * _DAY).date()} for n in block if n % 11 == 0]
        with crm.writing() as connection:
            for name, some in rows.items():
                if some:
                    connection.execute(insert(tables.metadata.tables[name]), some)
            connection.execute(insert(tables.activities), touches)
            connection.execute(insert(tables.follow_ups), late)
        made += len(block)
        told(made)


def _people(rng: random.Random, region: str) -> list[Any]:
    """Invented people of a region; every tenth is the one before under another spelling."""
    taken: set[str] = set()
    made: list[Any] = []
    for n in range(_PEOPLE):
        twin = made[-1] if n % _TWIN == _TWIN - 1 else None
        made.append(respell(rng, region, twin) if twin else invent(rng, region, taken))
    return made


def _region(n: int, owners: int) -> str:
    return _REGIONS[_owner_of(n, owners) % len(_REGIONS)]


def _owner_of(n: int, owners: int) -> int:
    return n % owners


def _owner(n: int) -> dict[str, Any]:
    return {"id": f"g-{n:04d}", "name": f"Owner {n}", "region": _REGIONS[n % len(_REGIONS)]}


def _rows(
    rng: random.Random, table: str, block: list[int], now: datetime, people: dict[str, list[Any]], owners: int
) -> Iterator[dict[str, Any]]:
    """The rows of one table for these deals: three deals a company and contact of one owner."""
    for n in block:
        region, owner = _region(n, owners), f"g-{_owner_of(n, owners):04d}"
        account = str(_FIRST + n - n // owners % 3 * owners)  # of the first of up to three deals of this owner
        first = account == str(_FIRST + n)
        if table == "companies" and first:
            segment = _SEGMENTS[n % len(_SEGMENTS)]
            yield {"id": account, "name": f"Company {n}", "region": region, "segment": segment}
        elif table == "contacts" and first:
            person = people[region][n // owners // 3 % _PEOPLE]
            yield {
                "id": account, "name": person.name, "phone": person.phone, "phone_typed": person.phone_typed,
                "email": person.email, "language": "en", "region": region, "owner_id": owner, "company_id": account,
            }  # fmt: skip
        elif table == "deals":
            since = now - timedelta(hours=rng.randrange(24, 24 * 120))
            yield {
                "id": str(_FIRST + n), "title": "Rollout", "stage": _STAGES[n // owners % len(_STAGES)],
                "stage_since": since, "amount": Decimal(rng.randrange(1, 90) * 1000), "currency": _CURRENCIES[region],
                "owner_id": owner, "contact_id": account, "company_id": account, "region": region,
                "created_at": since, "updated_at": since,
            }  # fmt: skip


def _touches(rng: random.Random, n: int, now: datetime) -> Iterator[dict[str, Any]]:
    """The activities of one deal, by its number."""
    silence = (
        14 * _DAY - _SECOND,
        14 * _DAY + _SECOND,
        timedelta(hours=rng.randrange(1, 13 * 24)),
        timedelta(hours=rng.randrange(15 * 24, 90 * 24)),
    )[n % 4]
    ages = [] if n % 97 == 0 else [silence + timedelta(hours=30 * nth) for nth in range(1 + n % 4)]
    for nth, age in enumerate(ages):
        yield _activity(n, now - age, inbound=n % 5 == 2 and nth == 0)
    if n % _AGENTS == 3:
        yield _activity(n, now - timedelta(hours=1), by_agent=True)
    if n % 16 == 7:
        yield _activity(n, now + timedelta(days=3 if n % 32 == 7 else 40))
    if n % 1000 == 1:
        yield from (_activity(n, moment) for moment in DST)


def _activity(n: int, at: datetime, *, by_agent: bool = False, inbound: bool = False) -> dict[str, Any]:
    return {
        "deal_id": str(_FIRST + n), "kind": "call", "at": at, "summary": "Discussed the price.", "by_agent": by_agent,
        "inbound": inbound,
    }  # fmt: skip
