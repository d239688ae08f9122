"""Durations, canonical JSON and text that can be stored."""

from __future__ import annotations

from datetime import timedelta

import pytest
import rfc8785
from hypothesis import given, strategies as st

from agent_guard.units import canonical, parse_duration, sha256, storable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1s", timedelta(seconds=1)),
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("999999s", timedelta(seconds=999_999)),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text, expected):
    """Seconds, minutes, hours and days are read."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "-1s",
        "+1s",
        "1",
        "h",
        "1 h",
        " 1h",
        "1h ",
        "1h\n",
        "1.5h",
        "1H",
        "1w",
        "01h",
        "1h30m",
        "٣h",
        "1000000s",
    ],
)
def test_anything_else_is_no_duration(text):
    """A zero, a fraction, a sum, a space or another unit is refused with the form that is expected."""
    with pytest.raises(ValueError, match="24h"):
        parse_duration(text)


@given(JSON)
def test_equal_data_are_equal_bytes(value):
    """Canonical JSON does not depend on the order in which keys were written."""

    def turned(item):
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(list(item))}
        return [turned(part) for part in item] if isinstance(item, list) else item

    assert canonical(value) == canonical(turned(value))
    assert sha256(value) == sha256(turned(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), {"a": [2**60]}, "\ud800"])
def test_what_the_rfc_does_not_know_is_refused(value):
    """NaN, infinities, large integers and lone surrogates have no canonical form."""
    with pytest.raises(ValueError):
        canonical(value)


def test_a_digest_names_its_algorithm():
    """A digest is the algorithm and 64 hex digits, and is the known one of the empty object."""
    assert sha256({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(JSON)
def test_the_short_way_writes_what_the_rfc_writes(value):
    """Data without fractions and odd keys are written by Python's own writer, to the same bytes."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("Łódź\n🚚\t", "Łódź\n🚚\t"), ("a\0b", "a\ufffdb"), ("a\ud83d", "a?"), ("", "")],
)
def test_a_text_can_be_stored_anywhere(text, kept):
    """NUL and half of a character are replaced, once and for all; everything else stays."""
    assert storable(text) == kept
    assert storable(kept) == kept
