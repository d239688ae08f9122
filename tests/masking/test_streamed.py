"""Restoring a text that comes in pieces: the same as the whole text at once, and never half a pseudonym."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from agent_guard.errors import StoreError
from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.streamed import Streamed
from agent_guard.masking.tokens import PSEUDONYM
from agent_guard.types import ENTITY_TYPES

pytestmark = pytest.mark.req("A23")

MASKER = Masker(profile="patterns")
VAULT = MemoryVault()
VAULT.mint("PERSON", "Anna <Kowalska>", "user")
VAULT.mint("PHONE", "+48 512 345 678", "user")


def restore(text: str) -> str:
    return MASKER.restore(text, VAULT)


PIECES = st.one_of(
    st.sampled_from(
        ["<PERSON_1>", "<PHONE_1>", "<PERSON_2>", "<PERSON_1234567>", "<", "<<", "<PER", "<PERSON_", "<b>"]
    ),
    st.sampled_from([f"<{name}_" for name in ENTITY_TYPES]),
    st.text(st.sampled_from("<>_1PERSON ,<"), max_size=8),
    st.text(max_size=8),
)


@given(st.lists(PIECES, max_size=8).map("".join), st.data())
@example("<PERSON_1", None)
@example("Hi <<PERSON_1>>, <PERSON_1", None)
def test_any_chunking_gives_the_same_text(text: str, data: st.DataObject | None) -> None:
    """However the text is cut, what was given out is in all the whole text restored at once."""
    places = sorted(data.draw(st.sets(st.integers(0, len(text))))) if data else range(len(text) + 1)
    chunks = [text[a:b] for a, b in pairwise([0, *places, len(text)])]
    streamed = Streamed(restore)
    given_out = [streamed.feed(chunk) for chunk in chunks] + [streamed.end()]
    assert "".join(given_out) == restore(text)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_no_pseudonym_is_split(text: str) -> None:
    """Unrestored, each pseudonym stands whole in one of the parts that are given out, and little is held back."""
    streamed, parts = Streamed(lambda part: part), []
    for letter in text:
        parts.append(streamed.feed(letter))
        assert len(streamed.held) <= len("<LOCATION_999999")
    parts.append(streamed.end())
    assert sum(len(PSEUDONYM.findall(part)) for part in parts) == len(PSEUDONYM.findall(text))


def test_text_without_brackets_is_not_held_back() -> None:
    """A word is given out when it comes, and so is a bracket that begins nothing."""
    streamed = Streamed(restore)
    assert [streamed.feed(piece) for piece in ("Dear ", "2 < 3", " <PERSON", "_1", ">!", " <b")] == [
        "Dear ", "2 < 3", " ", "", "Anna <Kowalska>!", " <b"
    ]  # fmt: skip
    assert streamed.end() == ""


def test_a_value_that_cannot_be_read_ends_the_text() -> None:
    """Where the vault fails, nothing of the piece is given out."""

    def fails(_: str) -> str:
        raise StoreError("gone")

    streamed = Streamed(fails)
    with pytest.raises(StoreError):
        streamed.feed("Dear <PERSON_1>")
    assert streamed.held == ""
