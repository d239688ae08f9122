"""The reader of recorded conversations refuses what it does not understand, with file, line and remedy."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from agent_guard.errors import ConfigError
from graphs.sdr_qualification.conversation import MAX_LINE_BYTES, read
from tests.graphs.sdr_qualification.talk import SAMPLES

pytestmark = pytest.mark.req("A25")

HEADER = '{"deal_id": "1001", "language": "en"}'


def _line(**changed: Any) -> str:
    line = {"speaker": "client", "at": "2026-11-20T09:00:00+00:00", "text": "Hello"} | changed
    return json.dumps({key: value for key, value in line.items() if value is not None})


def _file(tmp_path: Path, *lines: str | bytes) -> Path:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


def test_a_conversation_is_read_in_order(tmp_path: Path) -> None:
    """The client's lines are returned in order; the agent's are checked and skipped."""
    path = _file(tmp_path, HEADER, _line(text="one"), _line(speaker="agent"), _line(text="two"))
    conversation = read(path)
    assert (conversation.deal_id, conversation.language) == ("1001", "en")
    assert [line.text for line in conversation.messages] == ["one", "two"]


@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n", "\r\n"])
def test_a_mark_and_blank_ends_are_tolerated(tmp_path: Path, end: str) -> None:
    """A byte order mark, Windows line ends and blank lines at the end change nothing."""
    path = tmp_path / "talk.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{_line()}{end}".encode())
    assert len(read(path).messages) == 1


def test_a_stream_is_read_like_a_file() -> None:
    """A stream of bytes needs no path."""
    assert len(read(io.BytesIO(f"{HEADER}\n{_line()}".encode())).messages) == 1


@pytest.mark.parametrize(
    ("lines", "number", "word"),
    [
        ((), 1, "empty"),
        (("",), 1, "empty"),
        ((HEADER,), 2, "says nothing"),
        ((HEADER, _line(speaker="agent")), 2, "says nothing"),
        ((_line(),), 1, "deal_id"),
        (('{"deal_id": "1001"}', _line()), 1, "language"),
        (('{"deal_id": "1001", "language": "de"}', _line()), 1, "language"),
        (('{"deal_id": 1001, "language": "en"}', _line()), 1, "deal_id"),
        (('{"deal_id": "../1", "language": "en"}', _line()), 1, "deal_id"),
        (('{"deal_id": "1", "language": "en", "x": 1}', _line()), 1, "x"),
        ((HEADER, HEADER), 2, "speaker"),
        ((HEADER, "{broken"), 2, "not a JSON object"),
        ((HEADER, '"text"'), 2, "the line"),
        ((HEADER, "[" * 100_000), 2, "not a JSON object"),
        ((HEADER, _line(), "null"), 3, "the line"),
        ((HEADER, _line(mood="good")), 2, "mood"),
        ((HEADER, _line(text=None)), 2, "text"),
        ((HEADER, _line(text="")), 2, "text"),
        ((HEADER, _line(text="  ")), 2, "text"),
        ((HEADER, _line(text=5)), 2, "text"),
        ((HEADER, _line(speaker="manager")), 2, "speaker"),
        ((HEADER, _line(at=None)), 2, "at"),
        ((HEADER, _line(at="2026-11-20T09:00:00")), 2, "timezone"),
        ((HEADER, _line(at="yesterday")), 2, "at"),
        ((HEADER, _line(at="2026-11-20T09:00:01+00:00"), _line()), 3, "older"),
        ((HEADER, _line(at="2026-11-20T09:00:01+00:00"), _line(speaker="agent")), 3, "older"),
        ((HEADER, "", _line()), 2, "blank line"),
        ((HEADER, b'{"speaker": "client", "text": "\xff"}'), 2, "UTF-8"),
        ((b"\xff\xfe{}",), 1, "UTF-8"),
        ((HEADER, '{"speaker": "client", "speaker": "agent"}'), 2, "twice"),
        ((HEADER, _line(text="x" * MAX_LINE_BYTES)), 2, "longer"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    tmp_path: Path, lines: tuple[str | bytes, ...], number: int, word: str
) -> None:
    """Nothing is half read: the whole file is refused with its name, the line and what to do."""
    with pytest.raises(ConfigError, match=word) as caught:
        read(_file(tmp_path, *lines))
    assert str(caught.value).startswith(f"talk.jsonl, line {number}: ")
    assert ";" in str(caught.value)


def test_the_text_of_a_wrong_line_is_not_shown(tmp_path: Path) -> None:
    """A message may hold personal data, so the error does not repeat it."""
    for line in (_line(text="<PERSON_1> said", speaker="x"), '{"text": "<PERSON_1> said'):
        with pytest.raises(ConfigError) as caught:
            read(_file(tmp_path, HEADER, line))
        assert "PERSON" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is a mistake of configuration, not a crash."""
    with pytest.raises(ConfigError, match="check the path"):
        read(tmp_path / "none.jsonl")


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.glob("*.jsonl")))
def test_every_sample_is_readable(sample: str) -> None:
    """The samples that come with the scenario pass their own reader."""
    assert read(SAMPLES / sample).messages
