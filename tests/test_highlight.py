"""Findings are marked where they stand, and a hostile text can only draw."""

from __future__ import annotations

import pytest

from agent_guard.highlight import highlight
from agent_guard.types import EntityType, Span


def span(start: int, end: int, type: EntityType = "PERSON", source: str = "cue") -> Span:
    return Span(start=start, end=end, type=type, score=0.8, source=source)


@pytest.mark.req("A23")
def test_every_finding_is_marked_with_type_and_reason() -> None:
    """In HTML and in plain text, at its place, whatever the order they are given in."""
    shown = highlight("Anna, call 123", [span(11, 14, "PHONE", "phone"), span(0, 4)])
    assert str(shown) == "[Anna|PERSON cue 0.80], call [123|PHONE phone 0.80]"
    html = shown._repr_html_()
    assert html.count("<mark ") == 2
    assert "Anna <small>PERSON cue, 0.80</small></mark>, call <mark" in html
    assert "123 <small>PHONE phone, 0.80</small></mark></div>" in html


def test_a_hostile_text_can_only_draw() -> None:
    """Markup is escaped, what draws nothing is written out, in and around a finding; a line's end stays one."""
    shown = highlight("<img src=x>\x1b[2J\u202e <b>Anna</b>\nEnd", [span(17, 28, source='"><script>')])
    html = shown._repr_html_()
    for word in ("<img", "<b>", "<script>", "\x1b", "\u202e"):
        assert word not in html
    assert "&lt;img src=x&gt;\\x1b[2J\\u202e" in html
    assert "<br>End" in html
    assert "\x1b" not in str(shown)
    assert "\u202e" not in shown.__rich__().plain


def test_a_pointer_shows_no_attribute_of_a_texts_own() -> None:
    """A quotation mark in the recognizer's name ends no attribute."""
    assert 'title="a&quot;b, 0.80"' in highlight("Anna", [span(0, 4, source='a"b')])._repr_html_()


@pytest.mark.parametrize("spans", [[span(0, 3), span(2, 4)], [span(2, 9)], [span(3, 1)], [span(-1, 2)]])
def test_spans_of_another_text_are_refused(spans: list[Span]) -> None:
    """Overlapping ones and ones outside the text would mark something else."""
    with pytest.raises(ValueError, match="not of this text"):
        highlight("Anna", spans)


def test_a_text_without_findings_is_shown_as_it_is() -> None:
    """Nothing is marked, and an empty text is empty."""
    assert str(highlight("hello", [])) == "hello"
    assert "<mark" not in highlight("hello", [])._repr_html_()
    assert str(highlight("", [])) == ""
