"""The doubles and checks for users' own tests work, and the check can fail."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent_guard.testing import FixedClock, FunctionModel, ScriptedModel, assert_no_personal_data, call

VALUES = ["Anna Kowalska", "+48 512 345 678", "Иван Петров", "Żółć"]


# ---- the search for personal data


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "written",
    [
        lambda value: value.encode(),
        lambda value: value.upper().encode(),
        lambda value: value.encode("utf-16-le"),
        lambda value: b"x" + value.encode("utf-16-le"),
        lambda value: value.encode("utf-16-be"),
        lambda value: json.dumps({"name": value}).encode(),
        lambda value: b"\x00\xff\xfe\\q\\x\\" + value.encode() + b"\\u12",
        lambda value: b'{"a": "\\q"}' + json.dumps(value).encode(),
    ],
    ids=["utf-8", "upper", "utf-16", "utf-16 odd", "utf-16-be", "json", "in noise", "json in noise"],
)
def test_a_value_is_found_however_it_is_written(tmp_path: Path, value: str, written: object) -> None:
    """A raw value in a file fails the check, in every way in which programs write it."""
    (tmp_path / "state.db").write_bytes(written(value))  # type: ignore[operator]
    with pytest.raises(AssertionError, match=r"state\.db") as found:
        assert_no_personal_data(tmp_path, VALUES)
    assert value not in str(found.value), "the error must not repeat what it found"


def test_clean_files_pass(tmp_path: Path) -> None:
    """Pseudonyms, backslashes and binary noise are no finding."""
    (tmp_path / "a.txt").write_text("<PERSON_1> at C:\\new\\users \\q \\x1", encoding="utf-8")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)) * 10)
    assert_no_personal_data(tmp_path, VALUES)
    assert_no_personal_data([tmp_path / "a.txt", tmp_path / "b.bin"], VALUES)


def test_every_file_below_a_folder_is_read(tmp_path: Path) -> None:
    """Folders in folders, hidden files and write-ahead logs count."""
    hidden = tmp_path / "a" / ".b" / "state.db-wal"
    hidden.parent.mkdir(parents=True)
    hidden.write_text("Anna Kowalska", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"state\.db-wal"):
        assert_no_personal_data(tmp_path, VALUES)
    with pytest.raises(AssertionError):
        assert_no_personal_data([tmp_path / "a", tmp_path], VALUES)


def test_a_value_in_a_database_is_found(tmp_path: Path) -> None:
    """A row of SQLite, also one that is still in the write-ahead log."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x TEXT)")
        connection.execute("INSERT INTO t VALUES ('call Anna Kowalska')")
        connection.commit()
        with pytest.raises(AssertionError):
            assert_no_personal_data(tmp_path, VALUES)


@pytest.mark.parametrize("where", [[], ["missing.db"]])
def test_nothing_to_look_at_is_no_proof(tmp_path: Path, where: list[str]) -> None:
    """A check of no file at all fails: a typing error in a path must not pass for cleanliness."""
    with pytest.raises((AssertionError, FileNotFoundError)):
        assert_no_personal_data([tmp_path / name for name in where], VALUES)


# ---- the clock


def test_a_fixed_clock_moves_when_it_is_told_to() -> None:
    """Time stands, and goes forward by what is asked."""
    clock = FixedClock()
    assert clock() == clock() == datetime(2026, 1, 5, 11, 20, 4, tzinfo=UTC)
    clock.forward(hours=1, seconds=1)
    assert clock() == datetime(2026, 1, 5, 12, 20, 5, tzinfo=UTC)
    assert FixedClock(datetime(2030, 1, 1, tzinfo=UTC))() - clock() > timedelta(days=1)


def test_a_fixed_clock_has_a_zone() -> None:
    """Without one it is refused with what to write, not by the first event that is recorded."""
    with pytest.raises(ValueError, match="tzinfo=UTC"):
        FixedClock(datetime(2030, 1, 1))


# ---- the model


def test_a_scripted_model_says_its_turns_in_order() -> None:
    """Texts, messages and functions of what it heard; afterwards it is done."""
    model = ScriptedModel("one", AIMessage("two"), lambda heard: AIMessage(f"heard {len(heard)}"))
    said = [model.invoke([HumanMessage("a"), HumanMessage("b")]).text for _ in range(4)]
    assert said == ["one", "two", "heard 2", "Done."]
    assert [len(heard) for heard in model.heard] == [2, 2, 2, 2]


def test_a_scripted_model_keeps_the_tools_it_was_given() -> None:
    """A test may look at what the model was told of."""
    model = ScriptedModel("one")
    assert model.bind_tools([{"name": "x"}]).invoke("hi").text == "one"
    assert model.tools == [{"name": "x"}]


def test_a_turn_said_twice_is_two_messages() -> None:
    """The same scripted message is a new one each time: what a graph does to the first does not reach the second."""
    turn = AIMessage("again")
    model = ScriptedModel(turn, turn)
    first, second = model.invoke("hi"), model.invoke("hi")
    assert first is not second
    assert turn.id is None


async def test_a_scripted_model_works_in_a_loop() -> None:
    """``ainvoke`` and ``astream`` say the next turn too."""
    model = ScriptedModel("one", "two")
    assert (await model.ainvoke("hi")).text == "one"
    assert "".join([part.text async for part in model.astream("hi")]) == "two"


def test_a_call_is_a_message_with_one_tool_call() -> None:
    """``call`` writes the plan and the reason as the plan step wants them."""
    message = call("crm.read_deal", "She asked.", deal_id="42")
    (made,) = message.tool_calls
    assert (made["name"], made["args"]) == ("crm__read_deal", {"reason": "She asked.", "deal_id": "42"})
    assert call("crm.read_deal", id="c9").tool_calls[0]["id"] == "c9"
    assert "She asked." in message.text


# ---- a model that is a function


def test_a_function_model_forgets_nothing_because_it_keeps_nothing() -> None:
    """The same messages have the same answer, from this object and from a new one, with tools bound or without."""

    def step(messages: Sequence[BaseMessage]) -> AIMessage | str:
        asked = call("crm.read_deal", "To know.", id=f"c{len(messages)}", deal_id="1")
        return "Done." if isinstance(messages[-1], ToolMessage) else asked

    first, other = FunctionModel(step), FunctionModel(step)
    asked, answered = [HumanMessage("hi")], [HumanMessage("hi"), ToolMessage("{}", tool_call_id="c1")]
    assert [first.invoke(asked).tool_calls for _ in range(2)] == [other.bind_tools([{}]).invoke(asked).tool_calls] * 2
    assert first.invoke(asked).tool_calls[0]["id"] == "c1"
    assert (first.invoke(answered).text, first.invoke(answered).tool_calls) == ("Done.", [])


def test_a_function_models_message_is_its_own() -> None:
    """What a graph writes into an answer does not reach the function's own message."""
    kept = AIMessage("hello")
    said = FunctionModel(lambda _: kept).invoke("hi")
    said.id = "changed"
    assert kept.id is None
