"""The arithmetic of slots: half-open intervals, wall clocks that jump and repeat, notice, horizon, buffer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from tools.slots import GRID, Hours, Interval, NoSuchTime, blocked, free, instant, offered, open_on

pytestmark = pytest.mark.req("A19", "A28")

ZONES = (
    "Europe/Warsaw", "America/New_York", "Asia/Almaty", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns",
    "Pacific/Kiritimati", "Africa/Casablanca", "Pacific/Apia", "UTC",
)  # fmt: skip
HALF = timedelta(minutes=30)
DAY = timedelta(days=1)

days = st.dates(date(2026, 1, 1), date(2028, 12, 31))
# every day with a change of a clock is as likely as all others together
changing = st.sampled_from(
    [
        ("Europe/Warsaw", date(2026, 3, 29)), ("Europe/Warsaw", date(2026, 10, 25)),
        ("America/New_York", date(2026, 3, 8)), ("America/New_York", date(2026, 11, 1)),
        ("Australia/Lord_Howe", date(2026, 4, 5)), ("Australia/Lord_Howe", date(2026, 10, 4)),
        ("Africa/Casablanca", date(2026, 2, 15)), ("Africa/Casablanca", date(2026, 3, 22)),
        ("America/St_Johns", date(2026, 3, 8)), ("America/St_Johns", date(2026, 11, 1)),
    ]
)  # fmt: skip
places = st.one_of(st.tuples(st.sampled_from(ZONES), days), changing)


@st.composite
def hours(draw: st.DrawFn, zone: str) -> Hours:
    opens = draw(st.integers(0, 95)) * 15
    closes = draw(st.integers(opens // 15 + 1, 96)) * 15
    return Hours(
        zone=zone,
        opens=opens,
        closes=closes,
        weekdays=frozenset(range(7)),
        step=GRID * draw(st.integers(1, 4)),
        buffer=timedelta(minutes=draw(st.sampled_from((0, 5, 15)))),
        notice=timedelta(0),
        horizon=timedelta(days=60),
    )


def utc(day: date, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), place=places)
def test_a_day_is_open_exactly_when_its_wall_clock_says_so(data: st.DataObject, place: tuple[str, date]) -> None:
    """Quarter by quarter, an instant is open exactly when the zone's wall clock shows a time within the hours."""
    zone, day = place
    rule = data.draw(hours(zone))
    pieces, there = open_on(rule, day), ZoneInfo(zone)
    at = utc(day) - timedelta(hours=15)
    while at < utc(day) + timedelta(hours=40):
        wall = at.astimezone(there)
        shown = wall.date() == day and rule.opens <= wall.hour * 60 + wall.minute < rule.closes
        assert any(piece.start <= at < piece.end for piece in pieces) is shown, wall
        at += GRID


@settings(max_examples=150, deadline=None)
@given(data=st.data(), place=places)
def test_every_free_slot_keeps_every_rule(data: st.DataObject, place: tuple[str, date]) -> None:
    """A slot lies in the open time as a whole, on the grid, in the window, and away from what is taken by the buffer."""
    zone, day = place
    rule = data.draw(hours(zone))
    length = GRID * data.draw(st.integers(1, 6))
    window = Interval(start=utc(day), end=utc(day) + DAY)
    starts = data.draw(st.lists(st.integers(-8, 104), max_size=8))
    busy = [Interval(start=utc(day) + GRID * n, end=utc(day) + GRID * (n + 2)) for n in starts]
    now = utc(day) - DAY
    slots = list(free(rule, busy, now=now, length=length, window=window))
    there = ZoneInfo(zone)
    assert slots == sorted(set(slots))
    for slot in slots:
        assert slot.end - slot.start == length
        assert slot.start.timestamp() % GRID.total_seconds() == 0
        assert window.start <= slot.start and slot.end <= window.end
        assert not blocked(rule, busy, slot)
        assert offered(rule, slot, now=now), "what is offered in a window is offered alone"
        at = slot.start
        while at < slot.end:
            wall = at.astimezone(there)
            assert rule.opens <= wall.hour * 60 + wall.minute < rule.closes
            at += GRID


@settings(max_examples=200, deadline=None)
@given(place=places, quarter=st.integers(0, 95))
def test_a_written_time_is_one_instant_or_none(place: tuple[str, date], quarter: int) -> None:
    """A wall time with the offset the zone has then gives that instant back; any other offset is refused."""
    zone, day = place
    at = utc(day) + GRID * quarter
    wall = at.astimezone(ZoneInfo(zone))
    assert instant(datetime.fromisoformat(wall.isoformat()), zone) == at
    other = wall.replace(tzinfo=None).isoformat() + "+05:37"
    with pytest.raises(NoSuchTime):
        instant(datetime.fromisoformat(other), zone)


@pytest.mark.parametrize("offset", ["+01:00", "+02:00"])
def test_a_time_in_the_hole_does_not_exist(offset: str) -> None:
    """The clock of Warsaw goes from 02:00 to 03:00 on 29 March 2026: 02:30 is no time, with either offset."""
    with pytest.raises(NoSuchTime) as refused:
        instant(datetime.fromisoformat(f"2026-03-29T02:30:00{offset}"), "Europe/Warsaw")
    assert refused.value.code == "dst_gap"


def test_the_offset_decides_which_of_two() -> None:
    """02:30 comes twice in Warsaw on 25 October 2026; each of them is offered once, an hour apart."""
    first = instant(datetime.fromisoformat("2026-10-25T02:30:00+02:00"), "Europe/Warsaw")
    second = instant(datetime.fromisoformat("2026-10-25T02:30:00+01:00"), "Europe/Warsaw")
    assert second - first == timedelta(hours=1)
    night = Hours(zone="Europe/Warsaw", opens=60, closes=240, weekdays=frozenset({6}), notice=timedelta(0))
    window = Interval(start=first - DAY, end=first + DAY)
    slots = [slot.start for slot in free(night, (), now=first - DAY, length=HALF, window=window)]
    assert slots.count(first) == slots.count(second) == 1
    assert len(slots) == 8, "01:00 to 04:00 lasts four hours that night"


def test_an_office_that_opens_in_the_hole_opens_when_the_clock_has_jumped() -> None:
    """Hours from 02:30 to 05:00 begin at 03:00 of the new time, and the slots with them."""
    night = Hours(zone="Europe/Warsaw", opens=150, closes=300, weekdays=frozenset({6}))
    [piece] = open_on(night, date(2026, 3, 29))
    assert piece.start.astimezone(ZoneInfo("Europe/Warsaw")).isoformat() == "2026-03-29T03:00:00+02:00"


def test_a_day_that_a_zone_left_out_offers_nothing() -> None:
    """Apia had no 30 December 2011."""
    assert open_on(Hours(zone="Pacific/Apia", weekdays=frozenset(range(7))), date(2011, 12, 30)) == []


def test_intervals_that_touch_do_not_overlap() -> None:
    """Half-open: one ends where the other begins, and both are free."""
    at = utc(date(2026, 11, 24), 10)
    one, two = Interval(start=at, end=at + HALF), Interval(start=at + HALF, end=at + 2 * HALF)
    assert not one.overlaps(two) and not two.overlaps(one)
    assert not blocked(Hours(zone="UTC"), [one], two)
    assert blocked(Hours(zone="UTC", buffer=timedelta(minutes=1)), [one], two)


def test_notice_and_horizon_are_counted_from_now() -> None:
    """The first slot is no earlier than the notice, the last no later than the horizon, to the second."""
    now = utc(date(2026, 11, 23), 8)
    rule = Hours(zone="UTC", notice=timedelta(hours=2), horizon=timedelta(days=2))
    window = Interval(start=now, end=now + 9 * DAY)
    slots = [slot.start for slot in free(rule, (), now=now, length=HALF, window=window)]
    assert slots[0] == utc(date(2026, 11, 23), 10)
    assert slots[-1] == utc(date(2026, 11, 24), 16, 30)
    late = [slot.start for slot in free(rule, (), now=now + timedelta(seconds=1), length=HALF, window=window)]
    assert late[0] == utc(date(2026, 11, 23), 10, 30)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": "UTC+1"}, {"zone": "+01:00"}, {"zone": "Europe/Atlantis"}, {"zone": "../../etc/passwd"}, {"zone": ""},
        {"opens": 600, "closes": 600}, {"opens": 605}, {"closes": 1500}, {"step": timedelta(minutes=10)},
        {"step": timedelta(0)}, {"buffer": -HALF}, {"horizon": timedelta(0)}, {"weekdays": frozenset({7})},
        {"weekdays": frozenset()},
    ],
)  # fmt: skip
def test_hours_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """A zone that is none, a day that ends before it begins, a step off the grid: each is refused when it is built."""
    with pytest.raises(ValueError):
        Hours(**({"zone": "UTC"} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("naive", ["start", "end"])
def test_an_interval_needs_zones_and_an_order(naive: str) -> None:
    """A time without a zone is refused, and so is an end that is not after the start."""
    at = utc(date(2026, 11, 24))
    given = {"start": at, "end": at + HALF} | {naive: datetime(2026, 11, 24)}
    with pytest.raises(ValueError):
        Interval(**given)
    with pytest.raises(ValueError):
        Interval(start=at, end=at)
    with pytest.raises(ValueError):
        instant(datetime(2026, 11, 24), "UTC")
