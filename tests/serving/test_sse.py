"""Events are read however their bytes come, and come out as they went in."""

from __future__ import annotations

from hypothesis import given, strategies as st

from agent_guard.serving.sse import Event, Events

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
EVENTS = st.lists(
    st.one_of(
        st.builds(lambda text: Event(comment=text.strip()), WORDS),
        st.builds(
            lambda name, data, id_: Event(name=name.strip(), data=data, id=id_),
            WORDS,
            st.recursive(st.none() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3)),
            st.none() | st.just("1-0"),
        ),
    ),
    max_size=5,
)


@given(
    events=EVENTS,
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=30),
    ends=st.sampled_from([b"\r\n", b"\n", b"\r"]),
)
def test_read_however_they_are_cut(events: list[Event], cuts: list[int], ends: bytes) -> None:
    """Whatever the pieces and the ends of lines, the events are the same."""
    raw, read, found, at = b"".join(map(bytes, events)).replace(b"\r\n", ends), Events(), [], 0
    while at < len(raw):
        step = cuts[at % len(cuts)]
        found += read.feed(raw[at : at + step])
        at += step
    found += read.feed(b"\n") if ends == b"\r" else []  # a lone CR at the end may be half of one
    assert found == events


def test_what_is_no_json_stays_text() -> None:
    """It is masked, and goes on as it is."""
    assert list(Events().feed(b"event: x\ndata: a\ndata: b\n\n")) == [Event(name="x", data="a\nb")]
