"""Days and moments as a model writes them: texts of one form. Left to itself pydantic also takes seconds since 1970.

Both are for a ``BeforeValidator``. A year far away is a slip of the pen, and at the ends of the calendar there are days
that have no midnight in some zone.
"""

from __future__ import annotations

import re
from datetime import date, datetime

__all__ = ["written_day", "written_moment"]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1900, 2200)


def written_day(value: object) -> date:
    """A day as ``YYYY-MM-DD``, or a date; nothing else.

    Raises:
        ValueError: it is anything else, there is no such day, or its year is not in 1900 to 2199.
    """
    if isinstance(value, str) and _DAY.fullmatch(value):
        value = date.fromisoformat(value)
    if type(value) is date and value.year in _YEARS:
        return value
    raise ValueError("write the day as YYYY-MM-DD, of a year in 1900 to 2199")


def written_moment(value: object) -> datetime:
    """A moment as ISO 8601 writes it, or a datetime; nothing else. Whether it has an offset is not looked at.

    Raises:
        ValueError: it is anything else, there is no such moment, or its year is not in 1900 to 2199.
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.year in _YEARS:
        return value
    raise ValueError("write the time with its offset, e.g. 2026-11-24T10:00:00+01:00, of a year in 1900 to 2199")
