"""Days and moments as a model writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tools.booking import WhichSlots
from tools.messages import SendTemplate
from tools.written import written_day, written_moment


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    "wrong",
    [0, 1.5, None, True, "", "soon", "2026-3-4", "2026-02-30", "2026-11-24T10:00:00", "0001-01-01", "9999-12-31"],
)
def test_a_day_is_written_in_one_form(wrong: object) -> None:
    """Numbers, times, days that do not exist, and years that no zone could tell are no day."""
    with pytest.raises(ValueError):
        written_day(wrong)
    assert written_day("2026-11-24") == written_day(date(2026, 11, 24)) == date(2026, 11, 24)


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    "wrong", [0, 1.5, None, True, "", "soon", "2026-02-30T10:00:00+01:00", "0001-01-01T00:00:00+14:00", "9999-12-31"]
)
def test_a_moment_is_written_in_one_form(wrong: object) -> None:
    """Numbers, moments that do not exist, and years that no zone could tell are no moment."""
    with pytest.raises(ValueError):
        written_moment(wrong)
    moment = datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert written_moment("2026-11-24T10:00:00+01:00") == written_moment(moment) == moment


@pytest.mark.req("B3")
def test_a_day_that_may_be_left_out_may_be_null() -> None:
    """A model that writes null for what it leaves out has left it out."""
    assert WhichSlots(calendar_id="u-reed", contact_id="2001", first_day=None).first_day is None
    sent = {"contact_id": "2001", "template_id": "thank_you", "language": "en", "day": None}
    assert SendTemplate.model_validate(sent).day is None
