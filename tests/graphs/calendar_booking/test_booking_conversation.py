"""The reader of recorded bookings refuses what it does not understand, with file, line and remedy."""

from __future__ import annotations

import io

import pytest

from agent_guard.errors import ConfigError
from graphs.calendar_booking.conversation import read_booking

HEADER = '{"deal_id": "1001", "zone": "Europe/Warsaw", "language": "en"}'
LINE = '{"at": "2026-11-20T09:00:00+00:00", "text": "Hello"}'


@pytest.mark.req("A28")
@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([], "line 1"),
        ([HEADER], "line 2"),
        ([HEADER.replace("Europe/Warsaw", "UTC+1"), LINE], "line 1: zone"),
        ([HEADER.replace("Europe/Warsaw", "Europe/Atlantis"), LINE], "line 1: zone"),
        ([HEADER.replace("1001", "../1"), LINE], "line 1: deal_id"),
        ([HEADER.replace('"en"', '"de"'), LINE], "line 1: language"),
        ([HEADER, LINE.replace("Hello", " ")], "line 2: text"),
        ([HEADER, LINE.replace("+00:00", "")], "line 2: at"),
        ([HEADER, "{broken"], "line 2"),
    ],
)
def test_a_broken_line_is_named(lines: list[str], where: str) -> None:
    """Every wrong line is refused with its number and the field."""
    with pytest.raises(ConfigError, match=where):
        read_booking(io.BytesIO("\n".join(lines).encode()))


@pytest.mark.req("A28")
def test_a_booking_is_read_in_order() -> None:
    """Header and texts are told as they stand."""
    booking = read_booking(io.BytesIO("\n".join([HEADER, LINE, LINE.replace("Hello", "Again")]).encode()))
    assert (booking.deal_id, booking.zone, booking.texts) == ("1001", "Europe/Warsaw", ("Hello", "Again"))
    assert booking.expect.ends == "nothing"
