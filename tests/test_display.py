"""Decisions, results, events and timelines as a notebook and a terminal show them; hostile words only draw."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from agent_guard.audit import AuditEvent, StoredEvent
from agent_guard.decide import decide
from agent_guard.display import Timeline, markup, timeline, view
from agent_guard.text.drawn import draws
from agent_guard.types import Code, Decision, GuardTrace, ToolResult
from tests.conftest import World
from tests.record import Record, event
from tests.samples import call, contract, facts, opened, policy

EVIL = "<script>alert(1)</script>\x1b[2J\u202e[bold red]x[/]\r\n&\"'"
"""A tag, an escape sequence, a turned line, rich's markup, an overwritten line and quotes."""


class _Page(HTMLParser):
    """Collects the tags, the attributes and the text of a piece of HTML; every tag that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def whole(self) -> bool:
        return not self._open


def page(thing: Any) -> _Page:
    """A thing as a notebook gets it."""
    made = _Page()
    made.feed(thing._repr_html_())
    made.close()
    assert made.whole()
    assert set(made.tags) <= {"div", "b", "span", "table", "tr", "td"}
    assert made.attributes <= {"style"}
    return made


def printed(thing: Any, *, colours: bool = False) -> str:
    """A thing as a terminal gets it."""
    console = Console(
        file=io.StringIO(), width=300, force_terminal=colours, color_system="standard" if colours else None
    )
    console.print(thing)
    return console.file.getvalue()


def decision(**options: Any) -> Decision:
    known = {
        "outcome": "deny", "code": Code.ROLE, "for_model": "No.", "for_human": "u1 may not do this.", "policy": "desk.v1",
        "policy_hash": "sha256:" + "a" * 64,
        "guards": (
            GuardTrace(guard="scope", outcome="allow", code=Code.ALLOWED),
            GuardTrace(guard="access", outcome="deny", code=Code.ROLE),
        ),
    }  # fmt: skip
    return Decision(**(known | options))


def result(**options: Any) -> ToolResult:
    known = {"status": "executed", "code": Code.ALLOWED, "content": {"task_id": "9"}, "tool": "crm.create_task",
             "call_id": "c1", "trace_id": "01T", "reference": "task:9"}  # fmt: skip
    return ToolResult(**(known | options))


# ---- what is shown


def test_a_decision_shows_what_why_by_which_policy_and_who_was_asked() -> None:
    """In a notebook, on a terminal and as text; the guard that objected with its code."""
    for shown in (page(decision()).text, printed(view(decision())), str(view(decision()))):
        for words in ("deny", "role", "u1 may not do this.", "scope", "access", "desk.v1", "sha256:aaaaaaaaaaaa…"):
            assert words in shown
    made = decide(call(), contract(), policy(), facts(problems=()))
    assert made.code in page(made).text and made.code in str(view(made))


def test_a_result_shows_what_became_of_the_call() -> None:
    """Status, tool, what came back, the record that was made, and the decision where there is one."""
    for shown in (page(result()).text, printed(view(result())), str(view(result()))):
        assert all(words in shown for words in ("executed", "crm.create_task", '{"task_id": "9"}', "task:9", "01T"))
    denied = result(status="denied", code=Code.ROLE, content="No.", reference=None, decision=decision())
    for shown in (page(denied).text, printed(view(denied)), str(view(denied))):
        assert "denied" in shown and "u1 may not do this." in shown and "reference" not in shown


@pytest.mark.databases
@pytest.mark.req("A5")
def test_the_life_of_a_call_is_a_timeline(world: World) -> None:
    """Every event of a trace on a line, with the time since the first, who it was and what happened."""
    gateway = world.gateway()
    thread = gateway.open(world.sdr, party=world.anna)
    asked = thread.invoke("crm.set_stage", {"deal_id": "42", "stage": "won"}, reason="They signed.")
    world.clock.forward(seconds=90)
    thread.resume(asked.approval_id, "approve", by=world.boss)
    shown = timeline(gateway.audit.events(trace_id=asked.trace_id))
    kinds = [item.kind for item in shown.moments]
    assert kinds == ["proposed", "decided", "asked", "answered", "started", "finished"]
    assert [item.when for item in shown.moments] == ["+0.0 s"] * 3 + ["+90.0 s"] * 3
    assert shown.moments[3].who == "m7" and shown.title == f"crm.set_stage {asked.trace_id}"
    for text in (page(shown).text, printed(shown), str(shown)):
        for words in (
            '{"deal_id": "42", "stage": "won"}',
            "require_approval (approval_required)",
            "They signed.",
            "+90.0 s",
        ):
            assert words in text
    whole = timeline(gateway.audit.events(thread=thread.id))
    assert (whole.title, whole.moments[0].kind) == (f"thread {thread.id}", "opened")
    for item in gateway.audit.events():
        assert item.data["kind"] in page(item).text and item.data["kind"] in str(view(item))


def test_an_event_shows_its_fields(world: World) -> None:
    """One that is about to be written, and one that was read."""
    known = event(
        "failed", error={"class": "tool", "code": "timeout", "detail": "slow"}, tool="crm.read", trace_id="01T"
    )
    for shown in (page(known).text, str(view(known))):
        assert all(words in shown for words in ("failed", "crm.read", "timeout", "slow", "01T"))
    assert "args_redacted" not in page(known).text


def test_a_clock_that_went_back_and_a_time_that_is_none_are_shown_as_they_are() -> None:
    """A negative time, and none."""
    times = ("2026-01-05T11:20:04.000+00:00", "2026-01-05T11:20:01.500+00:00", "soon", "2026-01-05T11:20:01")
    shown = timeline([event("opened", timestamp=at) for at in times])
    assert [item.when for item in shown.moments] == ["+0.0 s", "-2.5 s", "", ""]
    assert timeline([]) == Timeline(title="no events", moments=())
    assert timeline([event(), event(thread="t2")]).title == "2 events"


# ---- hostile words


def hostile(words: str) -> list[Any]:
    """Everything that can be shown, with these words wherever words can stand."""
    told = event(
        "answered", thread=words, tool=words, trace_id=words, approver=words, reason=words, note=words, timestamp=words,
        args_redacted={words: words}, error={"class": words, "code": words, "detail": words}, diff={"after": {words: words}},
        decision={"outcome": words, "code": words, "for_human": words, "policy": words, "guards": [{"guard": words, "outcome": words}]},
        result_meta={"latency_ms": words, "reference": words}, actor={"user_id": words},
    )  # fmt: skip
    found = decision(for_human=words, policy=words, policy_hash=words, guards=(GuardTrace(guard=words, outcome="deny", code=Code.ROLE),))  # fmt: skip
    came = result(content={words: [words]}, tool=words, trace_id=words, reference=words, decision=found)
    return [timeline([told]), view(told), view(found), view(came), view(result(content=words, approval_id=words))]


@pytest.mark.req("A4")
@pytest.mark.parametrize("shown", hostile(EVIL))
def test_hostile_words_only_draw(shown: Any) -> None:
    """No tag of theirs is a tag, no markup of theirs is markup, and no control character reaches the screen."""
    made = page(shown)
    assert "script" not in made.tags and "<script>alert(1)</script>" in made.text
    for text in (made.text, printed(shown), str(shown)):
        assert all(draws(letter) or letter == "\n" for letter in text)
        assert "\\x1b[2J\\u202e[bold red]x[/]\\r\\n" in text.replace("\\\\", "\\") or "[bold red]x[/]" in text
    assert "\x1b[2J" not in printed(shown, colours=True) and "\u202e" not in printed(shown, colours=True)


@given(st.text(max_size=30))
def test_whatever_the_words_the_page_is_whole(words: str) -> None:
    """Any text at all leaves only the tags of ours, each closed, and only what draws."""
    for shown in hostile(words):
        assert all(map(draws, page(shown).text))
        assert all(draws(letter) or letter == "\n" for letter in str(shown) + printed(shown))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8))  # fmt: skip
def test_a_damaged_event_is_shown_whatever_it_holds(value: Any) -> None:
    """Fields of another kind than the format's end nothing."""
    names = {name: value for name in vars(event())}
    row = {"id": 1, "thread": "t1", "seq": 1, "at": 1, "hash": "", "body": b"", "damaged": True}
    stored = StoredEvent(**row, data=names)
    page(stored)
    assert str(view(stored)) and str(timeline([stored])) and page(timeline([stored]))


def test_a_row_that_is_no_event_is_shown_as_damaged() -> None:
    """What was written over it, if it can be read at all, and that it is damaged."""
    with opened() as store:
        record = Record(store)
        record.write("t1", ["decided"])
        record.set("t1", 1, body=b"<b>\x1b")
        (row,) = record.rows()
        found = StoredEvent.of(type("Row", (), row))
    assert "damaged" in page(found).text and "decided" in str(view(found))


def test_a_long_value_is_cut() -> None:
    """A page of text does not fill the screen."""
    assert len(str(view(result(content="x" * 10_000)))) < 600
    assert len(page(result(content="x" * 10_000)).text) < markup.MOST + 200


def test_an_audit_event_is_for_both_forms() -> None:
    """``view`` takes what is about to be written as well."""
    known = AuditEvent(kind="opened", timestamp="2026-01-05T11:20:04+00:00", thread="t1", tenant="acme")
    assert "opened" in page(view(known)).text and "opened" in printed(view(known))
