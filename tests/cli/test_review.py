"""``agent-guard approvals`` at a terminal: what is shown, what the keys do, and that no text steers the terminal."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import select
import signal
import sqlite3
import stat
import subprocess
import sys
import termios
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from rich.console import Console
from typer.testing import Result

from agent_guard.approvals import Approval
from agent_guard.cli import review, show
from agent_guard.cli.editor import as_yaml, from_yaml, in_editor
from agent_guard.cli.output import line
from agent_guard.cli.plain import plain, words
from agent_guard.cli.question import question, time_left, values
from agent_guard.cli.resuming import gone_on
from agent_guard.errors import AgentGuardError, ConfigError
from agent_guard.proposal.viewing import masked_in
from agent_guard.session import Reply
from tests.cli.commands import invoke, rows

NOW_MS = 1_767_612_004_000
KEYS = "q quit: "
SECRETS = ("Emily", "Carter", "415", "northwind")


@pytest.fixture(autouse=True)
def _at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner's streams count as a terminal."""
    monkeypatch.setattr("agent_guard.cli.approvals.terminal", lambda: None)


def walked(*keys: str, by: str = "boss", command: tuple[str, ...] = ()) -> Result:
    """The review with these lines typed."""
    return invoke("approvals", *command, "--as", by, input="".join(f"{key}\n" for key in keys))


def kinds() -> list[str]:
    """The kinds of all events of the current folder, in order."""
    return [row["kind"] for row in rows(invoke("audit", "show", "--last", "100", "--json"))]


def subjects(folder: Path) -> list[str]:
    """The tasks in the CRM, by their subjects."""
    with closing(sqlite3.connect(folder / "crm.db")) as crm:
        return [row[0] for row in crm.execute("SELECT subject FROM tasks")]


def edits(monkeypatch: pytest.MonkeyPatch, *changes: Any) -> list[str]:
    """An editor that makes one change after another; what it was given."""
    given: list[str] = []
    left = list(changes)

    def edited(text: str) -> str:
        given.append(text)
        change = left.pop(0)
        if isinstance(change, Exception):
            raise change
        return str(change(text))

    monkeypatch.setattr(review, "in_editor", edited)
    return given


# ---- the walk


@pytest.mark.req("A4", "A12")
def test_a_question_is_shown_and_approved(folder: Path) -> None:
    """Tool, effect, record, diff, arguments with their origins, the time left: then one key, and the task is made."""
    done = walked("a")
    for shown in ("crm.create_task", "(draft)", "u-reed of demo", "in 23 h 5", "deal:1001", "AI-Agent", "before",
                  "customer's", "<PERSON_1>", "manager, but not by u-reed"):  # fmt: skip
        assert shown in done.stdout, shown
    assert "recorded: approve by boss" in done.stdout
    assert "is delivered" in done.stdout
    assert len(subjects(folder)) == 1
    assert kinds()[-3:] == ["answered", "started", "finished"]
    assert not [value for value in SECRETS if value in done.output]
    assert "Nothing waits for you." in walked("a").stdout


@pytest.mark.parametrize("command", [(), ("review",)])
def test_a_walk_without_an_answer_changes_nothing(folder: Path, command: tuple[str, ...]) -> None:
    """Skip, quit, the end of the input and keys that there are not: the question waits, and nothing is recorded."""
    before = kinds()
    for keys in (["s"], ["q"], [], ["x", "", "approve it", "q"], ["r"], ["n", "", "q"]):
        assert walked(*keys, command=command).exit_code == 0
    assert kinds() == before
    assert len(rows(invoke("approvals", "list", "--json"))) == 1


@pytest.mark.parametrize(
    ("keys", "word", "message"),
    [
        (["r", "Ask emily.carter@northwind.example first"], "reject", "first"),
        (["r", ""], "reject", None),
        (["n", "Call them on Monday"], "respond", "Call them on Monday"),
    ],
)
def test_other_answers_reach_the_model_masked(folder: Path, keys: list[str], word: str, message: str | None) -> None:
    """A rejection and an answer in words are recorded with their message, masked; nothing is made."""
    done = walked(*keys)
    assert f"recorded: {word} by boss" in done.stdout
    (event,) = [row for row in rows(invoke("audit", "show", "--json")) if row["kind"] == "answered"]
    assert event["note"] == word
    assert (message in event["reason"]) if message else (event["reason"] is None)
    assert "northwind" not in str(event["reason"])
    assert subjects(folder) == []


@pytest.mark.req("A12", "B5")
def test_the_requester_is_told_why_somebody_else_must_answer(folder: Path) -> None:
    """Whoever asked sees the question where their roles would do, may not answer it, and may not see its values."""
    config = (folder / "guard.yaml").read_text(encoding="utf-8").replace("roles: [sdr]", "roles: [sdr, manager]")
    (folder / "guard.yaml").write_text(config, encoding="utf-8")
    before = kinds()
    done = walked("a", "v", "r", "no", "q", by="rep")
    assert done.stdout.count("u-reed asked for this call, and the policy wants another person to answer") == 4
    assert kinds() == [*before, "refused", "refused"]
    assert not [value for value in SECRETS if value in done.output]


@pytest.mark.req("B5")
def test_questions_for_other_roles_and_companies_are_not_shown(folder: Path) -> None:
    """A person sees the questions of their company that their roles may answer, also by id."""
    with (folder / "guard.yaml").open("a", encoding="utf-8") as config:
        config.write("  far: {id: boss, tenant: other, roles: [manager]}\n  sdr: {id: x, tenant: demo, roles: [sdr]}\n")
    (waiting,) = rows(invoke("approvals", "list", "--json"))
    for who in ("far", "sdr"):
        assert "Nothing waits for you." in walked("a", by=who).stdout
    with pytest.raises(ConfigError, match="there is no approval"):
        walked("a", by="far", command=("review", waiting["id"]))
    assert "may not answer" in walked("a", "q", by="sdr", command=("review", waiting["id"])).stdout
    assert subjects(folder) == []


def test_one_question_is_named_by_its_id(folder: Path) -> None:
    """``review ID`` shows that one; one that waits no more is told with its answer."""
    (waiting,) = rows(invoke("approvals", "list", "--json"))
    assert "recorded: approve" in walked("a", command=("review", waiting["id"])).stdout
    with pytest.raises(ConfigError, match="was answered: approve by boss"):
        walked("a", command=("review", waiting["id"]))


def test_a_question_that_was_answered_meanwhile_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two managers at once: the slower one is told, and the answer of the quicker one stands."""
    asked = review.Review._ask

    def slowly(self: Any, offered: str) -> Any:
        self._gateway.answer(self._gateway.approvals.list()[0].id, "reject", by=self._by)
        monkeypatch.setattr(review.Review, "_ask", asked)
        return asked(self, offered)

    monkeypatch.setattr(review.Review, "_ask", slowly)
    done = walked("a", "q")
    assert "answered already: reject by boss" in done.stdout
    assert "That was all." in done.stdout
    assert subjects(folder) == []


# ---- values


@pytest.mark.req("A23", "B6")
def test_values_are_shown_on_a_key_and_that_is_recorded_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``v`` shows what is masked to a person who may answer; the record names who, when and which, and no value."""
    done = walked("v", "q")
    assert "Emily Carter" in done.stdout.split(KEYS)[1]
    assert "Emily" not in done.stdout.split(KEYS)[0]
    (event,) = [row for row in rows(invoke("audit", "show", "--json")) if row["kind"] == "viewed"]
    assert (event["approver"], event["note"], event["tool"]) == ("boss", "<PERSON_1>", "crm.create_task")
    assert "Emily" not in str(event)
    monkeypatch.setattr("agent_guard.audit.Audit.append", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        walked("v", "q")


def test_a_secret_is_shown_to_nobody(world: Any) -> None:
    """A secret that somebody typed is not among the values, whoever looks."""
    thread = world.thread(world.policy({"messages.send": {"mode": "approve"}}))
    gateway, vault = thread.gateway, thread.vault()
    secret, address = vault.mint("SECRET", "hunter2", "user").token, vault.mint("EMAIL", "a@b.example", "user").token
    with gateway.store.write(locks=["test"]) as connection:
        vault.flush(connection)
    asked = thread.invoke("messages.send", {"text": "Hello"})
    approval = gateway.approvals.get(asked.approval_id)
    approval = Approval(**{**vars(approval), "shown": {**approval.shown, "reason": f"{secret} {address}"}})
    assert masked_in(approval) == [secret, address]
    assert review.reveal(gateway, approval, by=world.boss) == {address: "a@b.example"}


# ---- edits


@pytest.mark.req("A12")
def test_an_edit_is_made_in_the_persons_editor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments stand there as YAML; what is wrong is shown and asked again; the edited call is what runs."""
    given = edits(
        monkeypatch,
        lambda text: text.replace("Call <PERSON_1>", "Call {curly} <PERSON_1>"),
        lambda text: text.replace("Call {curly} <PERSON_1>", "Call Emily Carter today"),
    )
    done = walked("e", "a", "e", "a")
    assert "# The arguments of crm.create_task" in given[0] and "deal_id: '1001'" in given[0]
    assert "pattern" in done.stdout, "what was wrong"
    assert given[1].count("# NOT ACCEPTED: ") == 1 and "Call {curly} <PERSON_1>" in given[1]
    assert "recorded: edit by boss" in done.stdout
    (subject,) = subjects(folder)
    assert subject.startswith("Call Emily Carter today")
    assert "Emily" not in invoke("audit", "show", "--json").stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text, "nothing was changed"),
        (lambda text: "deal_id: [", "line 1: "),
        (lambda text: text + "deal_id: '2'\n", "is written twice"),
        (lambda text: text + "cc: me\n", "cc: the tool has no such argument"),
        (lambda text: text.replace("due: '20", "due: 'tomorrow 20"), "due: "),
        (lambda text: "1: x\n", "cannot be read"),
        (lambda text: "- a\n", "name: value"),
        (ConfigError("there is no editor; set EDITOR"), "set EDITOR"),
    ],
    ids=["unchanged", "no yaml", "twice", "unknown", "invalid", "keys", "no mapping", "no editor"],
)
def test_a_bad_edit_is_told_and_answers_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: Any, told: str
) -> None:
    """Whatever is wrong with an edit is said; the person may leave it, and the question waits as before."""
    edits(monkeypatch, change)
    before = kinds()
    asks_again = told not in ("nothing was changed", "set EDITOR")
    done = walked("e", *(["a", "s"] if asks_again else []), "q")
    assert told in " ".join(done.stdout.split())
    assert kinds() == before
    assert subjects(folder) == []


def test_arguments_come_back_from_yaml_as_they_were() -> None:
    """Words that YAML takes for something else, dates, texts of several lines and characters that draw nothing."""
    args = {
        "a": "no", "b": "2026-01-05", "c": "one\ntwo\n", "d": None, "e": "1e3", "f": [1, 2.5, True, {"g": "~"}],
        "h": "\x1b[2J\u202e", "i": "Позвонить", "j": "", "k": {}, "l": "#", "m": "a\xa0b",
    }  # fmt: skip
    text = as_yaml(args)
    assert from_yaml(text) == args
    assert "\x1b" not in text and "\u202e" not in text and "Позвонить" in text


def test_the_editor_has_a_file_of_its_own_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else may read it, and nothing of it is left, whatever the editor leaves beside it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    script = tmp_path / "editor.sh"
    script.write_text('#!/bin/sh\nstat -c %a "$1" "$(dirname "$1")" > "$0.modes"\necho more >> "$1"\ncp "$1" "$1~"\n')
    script.chmod(stat.S_IRWXU)
    monkeypatch.setenv("VISUAL", f"sh {script}")
    assert in_editor("a: 1\n") == "a: 1\nmore\n"
    assert (tmp_path / "editor.sh.modes").read_text().split() == ["600", "700"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["editor.sh", "editor.sh.modes"]
    for command, told in (("false", "ended with code 1"), ("no-such-editor-here", "cannot be run"), ("'", "cannot be")):
        monkeypatch.setenv("VISUAL", command)
        with pytest.raises(ConfigError, match=told):
            in_editor("a: 1\n")
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="set EDITOR"):
        in_editor("a: 1\n")


# ---- text that would steer the terminal

HOSTILE = {
    "clears the screen": "\x1b[2J\x1b[H",
    "colours": "\x1b[32mapproved\x1b[0m",
    "a link": "\x1b]8;;https://evil.example\x1b\\bank\x1b]8;;\x1b\\",
    "the clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "an old control": "\x9b31m",
    "overwrites the line": "evil\rgood",
    "rubs out": "evil\b\b\b\bgood",
    "turns the line around": "\u202eelbasrever\u202c",
    "isolates": "\u2067abc\u2069",
    "a mark nobody sees": "a\u200bb\u2060c\ufeff\u3164",
    "tags": "ok\U000e0041\U000e0042",
    "another line end": "one\u2028two\u0085three",
    "half a letter": "\ud83d",
    "markup": "[bold red]approve[/bold red] [link=https://evil.example]x[/link]",
    "broken markup": "[/] [/nothing] [",
    "an emoji code": ":warning: x",
}


def hostile(text: str) -> Approval:
    """A question with this text in every place that a model, a customer or a record can fill."""
    call = {
        "tool": text, "effect": text, "args": {"subject": text, text: {"deep": text}},
        "records": [{"argument": "deal_id", "ref": text, "name": text, "version": text}],
        "provenance": [{"argument": "subject", "origins": [text]}],
        "values": [{"argument": text, "value": text, "origins": ["untrusted", text], "sources": [text]}],
        "open": [{"argument": text, "why": text}], "diff": {"before": {text: text}, "after": {text: text}},
        "text": {"text." + text: text}, "news": {text: text},
    }  # fmt: skip
    shown = call | {"reason": text, "requested_by": text, "also": [call], "description": text}
    return Approval(
        id="apr_1", trace_id="T", thread="t1", tenant=text, requester=text, tool=text, digest="sha256:d",
        roles=(text,), not_requester=True, shown=shown, created=NOW_MS, expires=NOW_MS + 1000,
    )  # fmt: skip


def printed(*what: Any) -> str:
    """What a terminal would be sent, without rich's own colours."""
    console = Console(file=io.StringIO(), width=100, highlight=False, color_system=None, force_terminal=False)
    for item in what:
        console.print(item)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.req("B12")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_steers_the_terminal(text: str) -> None:
    """Every character that a terminal gets draws something; markup is text, and nothing is lost of it."""
    approval = hostile(text)
    reply = Reply(thread_id=text, status=text, text=text, masked=text, reason=text)
    out = printed(
        question(approval, now_ms=NOW_MS), values({text: text}), gone_on(approval, reply, None),
        gone_on(approval, None, text), words(text), words(review._commented(approval, text), lines=True),
    )  # fmt: skip
    assert [letter for letter in out if not letter.isprintable() and letter != "\n"] == []
    out.encode("utf-8")
    seen = "".join(out.split())
    drawn = "".join(plain(text).split())
    assert seen.count(drawn) >= 10, "shown, not swallowed"


@pytest.mark.req("B12")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_machine_readable_output_steers_no_terminal_either(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A JSON line is read back as it was, and holds no character that draws nothing."""
    import json

    line({"text": text, text: [text]})
    out = capsys.readouterr().out
    assert [letter for letter in out[:-1] if not letter.isprintable()] == []
    assert json.loads(out) == {"text": text, text: [text]}


@pytest.mark.parametrize("text", ["Привіт, Łódź", "日本", "e\u0301", "price: 5 €"])
def test_letters_of_any_language_stay(text: str) -> None:
    """What draws is left as it is."""
    assert plain(text) == text
    assert plain(f"{text}\n{text}", lines=True) == f"{text}\n{text}"
    assert plain("a\u00a0b") == "a b"


@pytest.mark.req("A12")
def test_everything_that_one_answer_covers_is_shown() -> None:
    """What the plan left open, the other calls, the text that would leave and whatever a later release adds."""
    approval = hostile("x")
    shown = {
        **approval.shown, "args": {}, "news": {"fresh": "unheard of"}, "text": {"text.body": "Dear <PERSON_1>"},
        "open": [{"argument": "body", "why": "late"}],
        "also": [{"tool": "mail.send", "effect": "send", "args": {"to": "<EMAIL_1>"}, "diff": {}}],
        "values": [{"argument": "to", "value": "<EMAIL_1>", "origins": ["untrusted"], "sources": ["ticket 7"]}],
    }  # fmt: skip
    approval = Approval(**{**vars(approval), "shown": shown})
    out = printed(question(approval, now_ms=NOW_MS))
    for part in ("unheard of", "Dear <PERSON_1>", "(body)", "body: written after the plan", "With it, as planned:",
                 "mail.send", "text of outsiders", "ticket 7", "masked    <EMAIL_1> <PERSON_1>"):  # fmt: skip
        assert part in out, part


@pytest.mark.parametrize(
    ("left_ms", "words_"),
    [(0, "expired"), (999, "expired"), (59_000, "in 59 s"), (61_000, "in 1 min 1 s"), (3_600_000, "in 1 h"),
     (90_061_000, "in 1 d 1 h")],
)  # fmt: skip
def test_the_time_left_is_said_in_words(left_ms: int, words_: str) -> None:
    """Two units at most."""
    approval = Approval(**{**vars(hostile("x")), "expires": NOW_MS + left_ms})
    assert time_left(approval, now_ms=NOW_MS).startswith(words_)


# ---- terminals, and what is none


def test_without_a_terminal_it_says_what_to_use_instead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe or a script is refused before anything is opened, with the commands that work there."""
    monkeypatch.setattr("agent_guard.cli.approvals.terminal", review.terminal)
    for command in ([], ["review"], ["review", "apr_x"]):
        with pytest.raises(ConfigError, match=r"needs a terminal.*approvals list.*approve"):
            invoke("approvals", *command, "--as", "boss", input="a\n")


def test_options_come_after_the_command(folder: Path) -> None:
    """An option before a command would be forgotten, so it is refused."""
    with pytest.raises(AgentGuardError, match="after the command: agent-guard approvals list"):
        invoke("approvals", "--as", "boss", "list")


def _at_terminal() -> None:
    """Ctrl-C is the terminal's doing, also where the tests themselves run in the background and ignore it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A process at a real pseudo-terminal."""

    def __init__(self, folder: Path, *command: str, **environment: str) -> None:
        here, there = pty.openpty()
        self._fd = here
        self._said = ""
        given = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent_guard.cli", *command],
            cwd=folder, env=given, stdin=there, stdout=there, stderr=there, start_new_session=True,
            preexec_fn=_at_terminal,
        )  # fmt: skip
        os.close(there)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._fd)

    def until(self, text: str | None) -> str:
        """Everything that is printed up to this text, or to the end."""
        began, deadline = len(self._said), time.monotonic() + 120
        while text is None or text not in self._said[began:]:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} does not come; so far: {self._said[began:]}")
            if not select.select([self._fd], [], [], 1)[0]:
                continue
            try:
                chunk = os.read(self._fd, 65536)
            except OSError:  # Linux says so at the end
                chunk = b""
            if not chunk:
                assert text is None, f"it ended without {text!r}: {self._said[began:]}"
                break
            self._said += chunk.decode("utf-8", "replace")
        return self._said[began:]

    def type(self, keys: str) -> None:
        """Types."""
        os.write(self._fd, keys.encode())

    def code(self) -> int:
        """The exit code."""
        return self.process.wait(60)


@pytest.mark.req("A12")
@pytest.mark.parametrize("kind", ["dumb", "xterm-256color"])
def test_a_person_at_a_real_terminal(folder: Path, kind: str) -> None:
    """A real process at a pseudo-terminal, dumb or not: values on their key, what was typed ahead answers nothing, and
    an approval makes the task.
    """
    with Terminal(folder, "approvals", "--as", "boss", TERM=kind, COLUMNS="100") as terminal:
        terminal.type("a\na\na\n")  # typed ahead, before anything stood there
        first = terminal.until(KEYS)
        assert "crm.create_task" in first and "Emily" not in first
        if kind == "dumb":
            assert "\x1b" not in first
        assert subjects(folder) == []
        terminal.type("v\n")
        assert "Emily Carter" in terminal.until(KEYS)
        assert subjects(folder) == []
        terminal.type("a\n")
        assert "recorded: approve by boss" in terminal.until(None)
        assert terminal.code() == 0
    assert len(subjects(folder)) == 1


def test_ctrl_c_and_the_end_of_the_input_answer_nothing(folder: Path) -> None:
    """Both leave the review; the question waits."""
    for keys, code in (("\x03", 130), ("\x04", 0)):
        with Terminal(folder, "approvals", "review", "--as", "boss", TERM="dumb") as terminal:
            terminal.until(KEYS)
            terminal.type(keys)
            terminal.until(None)
            assert terminal.code() == code
    assert len(rows(invoke("approvals", "list", "--json"))) == 1


@pytest.mark.req("B12")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_shown_conversation_steers_no_terminal(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``run``, ``demo`` and ``audit`` print of a model's words, its calls and the record is held to the same."""
    out = io.StringIO()
    console = Console(file=out, width=100, highlight=False, color_system=None, force_terminal=False)
    monkeypatch.setattr(show, "console", console)
    watcher = show.Watcher(SimpleNamespace())  # type: ignore[arg-type]
    watcher.client(text)
    watcher.note(text)
    tool_call = {"name": text, "args": {"a": text}, "id": "c1"}
    event = {"kind": "answered", "approver": text, "note": text, "trace_id": "T", "tool_call_id": "c1"}
    done = {"kind": "finished", "tool": text, "diff": {"after": text}, "result_meta": {"latency_ms": 1}}
    watcher._story(
        [
            SimpleNamespace(type="human", text=text),
            SimpleNamespace(type="ai", text=text, tool_calls=[tool_call]),
            SimpleNamespace(type="tool", text=text),
        ],
        [event, done],
    )
    decision = {"outcome": "deny", "for_human": text, "guards": [{"guard": text, "outcome": "allow"}]}
    console.print(show.decision_line(text, decision))
    stored = SimpleNamespace(
        seq=1, data={"timestamp": "", "kind": text, "tool": text, "trace_id": text, "approver": text, "note": text}
    )
    console.print(show.audit_table([stored]))
    printed_ = out.getvalue()
    assert [letter for letter in printed_ if not letter.isprintable() and letter != "\n"] == []
    assert "".join(plain(text).split()) in "".join(printed_.split())
