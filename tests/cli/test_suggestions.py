"""``agent-guard suggestions``: list, show, judge and report, on databases of their own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_guard.cli import app
from agent_guard.errors import ApprovalError, ConfigError
from agent_guard.policy import Policy
from agent_guard.store import Store
from agent_guard.suggestions import Suggestion, Suggestions, insert
from tests.cli.commands import CONFIG, SAMPLES

pytestmark = pytest.mark.req("B9")

APP = "app: tests.cli.suggesting:SCENARIOS\n"
SHIPPED = Path(__file__).parents[2] / "graphs" / "sdr_qualification" / "policy.yaml"
RAW = ("Emily", "Carter", "4155552671", "415 555")
TOOL = "crm.create_task"


def invoke(*words: str, code: int = 0) -> Result:
    """One command; an expected error is raised as what it is."""
    done = CliRunner().invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def rows(*words: str) -> list[dict[str, Any]]:
    """What a command prints with --json."""
    return [json.loads(line) for line in invoke(*words, "--json").stdout.splitlines()]


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a conversation ended in a suggestion."""
    folder = tmp_path_factory.mktemp("suggested")
    policy = SHIPPED.read_text(encoding="utf-8").replace("mode: approve", "mode: suggest    # until we trust it")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "guard.yaml").write_text(CONFIG + APP, encoding="utf-8")
        for name in ("policy.yaml", "twin.yaml"):
            (folder / name).write_text(policy, encoding="utf-8")
        invoke("run", "sdr_qualification", "--input", str(SAMPLES / "en_personal_data.jsonl"), "--json")
    return folder


@pytest.fixture(name="folder")
def _folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judged(count: int, verdict: str = "approve", **changes: Any) -> None:
    """More suggestions like the one there is, judged so."""
    store = Store("sqlite:///guard.db")
    store.open()
    (first,) = Suggestions(store).list(last=1)
    with store.write(locks=["test"]) as connection:
        for n in range(count):
            given: dict[str, Any] = {
                "trace_id": f"{verdict[0].upper()}{len(changes)}{n:020}",
                "verdict": verdict,
                "judged_by": "boss",
                "judged": first.created,
                "reason": "Wrong day" if verdict == "reject" else None,
            }
            insert(connection, replace(first, **given | changes))
    store.close()


def one() -> dict[str, Any]:
    """The only suggestion there is."""
    (found,) = rows("suggestions", "list", "--all")
    return found


# ---- looking at them


@pytest.mark.req("A2")
def test_a_suggestion_is_listed_and_shown(folder: Path) -> None:
    """What would have run, for whom and what it would have made, for people and as JSON; pseudonyms only."""
    found = one()
    assert (found["tool"], found["environment"], found["requester"], found["verdict"]) == (TOOL, "dev", "u-reed", None)
    assert found["shown"]["diff"]["after"]["status"] == "draft"
    assert rows("suggestions", "show", found["trace_id"]) == [found]
    assert rows("suggestions", "show", found["trace_id"][-6:].lower()) == [found]
    listed = invoke("suggestions", "list").stdout
    assert all(words in listed for words in (found["trace_id"][-8:], TOOL, "dev", "u-reed", "open"))
    seen = invoke("suggestions", "show", found["trace_id"]).stdout
    for words in ("u-reed of demo", "before", "after", "draft", "AI-Agent", "suggestions judge", "<PERSON_1>"):
        assert words in seen, words
    assert not [value for value in RAW if value in seen + listed + json.dumps(found)]


def test_suggestions_are_listed_by_what_they_are(folder: Path) -> None:
    """By tool, tenant and time; those that were judged only with --all, and a sentence where there is none."""
    for words, count in (
        (["--tool", TOOL], 1), (["--tool", "crm.read_deal"], 0), (["--tenant", "demo"], 1), (["--tenant", "x"], 0),
        (["--since", "1h"], 1), (["--until", "1h"], 0), (["--since", "2999-01-01"], 0), (["--last", "1"], 1),
    ):  # fmt: skip
        assert len(rows("suggestions", "list", *words)) == count, words
    invoke("suggestions", "judge", one()["trace_id"], "approve", "--as", "boss", "--json")
    assert rows("suggestions", "list") == []
    assert "No suggestion is left" in invoke("suggestions", "list").stdout
    assert "would approve" in invoke("suggestions", "list", "--all").stdout
    assert "no such suggestion" in invoke("suggestions", "list", "--all", "--tool", "x").stdout
    for trace in ("nothing", "x"):
        with pytest.raises(ConfigError, match="suggestions list --all"):
            invoke("suggestions", "show", trace)
    judged(1)
    judged(1, "reject")
    with pytest.raises(ConfigError, match="2 suggestions end in"):
        invoke("suggestions", "show", "0000000")


def test_what_a_terminal_would_obey_is_written_out(folder: Path) -> None:
    """An escape sequence or a bidi mark in what was suggested, or in a reason, is drawn as text."""
    evil = "\x1b[2Jgone\u202e"
    shown = one()["shown"]
    shown = shown | {
        "reason": evil,
        "args": shown["args"] | {"subject": evil},
        "diff": {"before": None, "after": {evil: evil}},
    }
    judged(1, "reject", shown=shown, reason=evil, requester=evil, created=0)
    (bad,) = (item for item in rows("suggestions", "list", "--all") if item["verdict"])
    for words in (["show", bad["trace_id"]], ["list", "--all"], ["report"]):
        for seen in (invoke("suggestions", *words).stdout, invoke("suggestions", *words, "--json").stdout):
            assert "\x1b[2J" not in seen and "\u202e" not in seen and "gone" in seen


# ---- judging them


def test_a_suggestion_is_judged(folder: Path) -> None:
    """Once, with the person and the reason; the record tells of it and no task was made."""
    trace = one()["trace_id"]
    done = invoke("suggestions", "judge", trace[-8:], "reject", "--reason", "Emily Carter said no", "--as", "boss")
    assert "boss would reject" in done.stdout
    found = one()
    assert (found["verdict"], found["judged_by"]) == ("reject", "boss")
    assert "<PERSON_1>" in found["reason"] and not [value for value in RAW if value in found["reason"]]
    with pytest.raises(ApprovalError, match="judged already: reject by boss"):
        invoke("suggestions", "judge", trace, "approve", "--as", "boss")
    (event,) = rows("audit", "search", "--kind", "judged")
    assert (event["note"], event["approver"], event["trace_id"]) == ("reject", "boss", trace)
    seen = invoke("suggestions", "show", trace).stdout
    assert "would reject by boss: " in seen and "suggestions judge" not in seen
    (life,) = rows("calls", "show", trace)
    assert life["call"]["state"] == "suggested"


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (["maybe", "--as", "boss"], ConfigError, "write approve or reject"),
        (["reject", "--as", "boss"], ConfigError, "say with --reason"),
        (["reject", "--reason", " ", "--as", "boss"], ConfigError, "say with --reason"),
        (["approve", "--as", "rep"], ApprovalError, "may not answer"),
        (["approve", "--as", "nobody"], ConfigError, "nobody"),
    ],
    ids=["word", "no reason", "empty", "requester", "stranger"],
)
def test_a_verdict_that_cannot_count_is_refused(
    folder: Path, words: list[str], error: type[Exception], told: str
) -> None:
    """A wrong word, no reason, no right: the message says what to do, and the suggestion stays open."""
    with pytest.raises(error, match=told):
        invoke("suggestions", "judge", one()["trace_id"], *words)
    assert one()["verdict"] is None


# ---- what they have earned


def test_the_report_says_what_a_tool_has_earned(folder: Path) -> None:
    """Counts, agreement, interval, times, policies, reasons and advice, for people and as JSON."""
    judged(70)
    judged(2, "reject")
    (told,) = rows("suggestions", "report")
    assert (told["tool"], told["environment"], told["scenario"], told["mode"]) == (
        TOOL, "dev", "sdr_qualification", "suggest",
    )  # fmt: skip
    assert (told["judged"], told["agreed"], told["open"], told["advice"]) == (72, 70, 1, "approve")
    assert told["interval"]["low"] == pytest.approx(0.9043, abs=1e-4) and told["reasons"] == ["Wrong day"] * 2
    assert told["policies"] == [Policy.load("policy.yaml").hash] and told["first"] == told["last"]
    seen = invoke("suggestions", "report").stdout
    for words in ("70 of 72 would approve", "97.2%", "Wrong day", "has earned approve", "open      1", "mode suggest"):
        assert words in seen, words
    assert rows("suggestions", "report", "--tool", "crm.read_deal") == []
    assert rows("suggestions", "report", "--tenant", "other") == rows("suggestions", "report", "--until", "1h") == []
    assert rows("suggestions", "report", "--scenario", "twin") == []
    assert "no suggestion to report" in invoke("suggestions", "report", "--scenario", "twin").stdout
    for words, advice in (
        (["--enough", "73"], "wait"), (["--approve-from", "0.91"], "stay"), (["--execute-from", "0.9"], "execute"),
        (["--confidence", "0.5", "--execute-from", "0.95"], "execute"), (["--share", "0.99"], "wait"),
        (["--since", "1h"], "approve"),
    ):  # fmt: skip
        assert rows("suggestions", "report", *words)[0]["advice"] == advice, words
    with pytest.raises(ConfigError, match="confidence is 95"):
        invoke("suggestions", "report", "--confidence", "95")
    with pytest.raises(ConfigError, match="there is no scenario 'x'; there is: sdr_qualification, twin"):
        invoke("suggestions", "report", "--scenario", "x")


def test_what_was_said_under_other_rules_is_told_apart(folder: Path) -> None:
    """A changed entry starts the count again, and the report says so."""
    judged(30)
    text = Path("policy.yaml").read_text(encoding="utf-8")
    Path("policy.yaml").write_text(text.replace("maxLength: 120", "maxLength: 100"), encoding="utf-8")
    (told,) = rows("suggestions", "report")
    assert (told["judged"], told["older"]["judged"], told["advice"]) == (0, 30, "wait")
    assert "30 judged (30 would approve), 1 open: under other rules" in invoke("suggestions", "report").stdout


def test_a_patch_is_a_policy_that_diff_calls_wider(folder: Path) -> None:
    """The file beside the policy differs in the one mode that was earned; the policy itself is as it was."""
    judged(100)
    before = Path("policy.yaml").read_bytes()
    seen = invoke("suggestions", "report", "--patch", "new.yaml").stdout
    assert "agent-guard policy diff policy.yaml new.yaml" in seen
    assert Path("policy.yaml").read_bytes() == before
    words = b"mode: {dev: execute, stage: suggest, prod: suggest}    # until we trust it"
    assert Path("new.yaml").read_bytes() == before.replace(b"mode: suggest    # until we trust it", words)
    changes = rows("policy", "diff", "policy.yaml", "new.yaml")
    assert {(item["tool"], item["environment"], item["aspect"], item["direction"]) for item in changes} == {
        (TOOL, "dev", "mode", "wider")
    }
    invoke("policy", "diff", "policy.yaml", "new.yaml", "--fail-on", "wider", code=1)
    assert sorted(item.name for item in Path().glob("*.yaml")) == ["guard.yaml", "new.yaml", "policy.yaml", "twin.yaml"]
    assert not list(Path().glob(".*.part"))


def test_a_patch_goes_nowhere_else(folder: Path) -> None:
    """No policy in use is written over, by any name of it; two policies at once, or none, make no file."""
    assert "no file was written" in invoke("suggestions", "report", "--patch", "new.yaml").stdout
    judged(100)
    Path("link.yaml").symlink_to("policy.yaml")
    before = Path("policy.yaml").read_bytes()
    for name in ("policy.yaml", "./twin.yaml", "link.yaml"):
        with pytest.raises(ConfigError, match="policy in use"):
            invoke("suggestions", "report", "--patch", name)
    with pytest.raises(ConfigError, match="cannot be written"):
        invoke("suggestions", "report", "--patch", "nowhere/new.yaml")
    judged(100, scenario="twin")
    with pytest.raises(ConfigError, match="--scenario: sdr_qualification, twin"):
        invoke("suggestions", "report", "--patch", "new.yaml")
    assert (Path("policy.yaml").read_bytes(), Path("new.yaml").exists()) == (before, False)
    invoke("suggestions", "report", "--patch", "new.yaml", "--scenario", "twin", "--json")
    assert Policy.load("new.yaml").tools[TOOL].mode_in("dev") == "execute"


def test_stop_words_beside_the_policy_bind_the_patch_to_that_folder(folder: Path) -> None:
    """A patch that could not be read where it shall lie is not written there, and the error says where it can."""
    text = Path("policy.yaml").read_text(encoding="utf-8").replace("tools:\n", "stop_words: [house.txt]\ntools:\n")
    Path("policy.yaml").write_text(text, encoding="utf-8")
    Path("house.txt").write_text("refund\n", encoding="utf-8")
    Path("other").mkdir()
    judged(100, rule_hash=Policy.load("policy.yaml").hash_of(TOOL))
    with pytest.raises(ConfigError, match="put it beside the policy"):
        invoke("suggestions", "report", "--patch", "other/new.yaml")
    assert not list(Path("other").iterdir())
    invoke("suggestions", "report", "--patch", "new.yaml")
    assert Policy.load("new.yaml").tools[TOOL].mode_in("dev") == "execute"


def test_the_one_suggestion_is_what_the_gateway_stored(folder: Path) -> None:
    """Its hashes are those of the policy in the folder, so that a verdict on it counts."""
    found, policy = one(), Policy.load("policy.yaml")
    assert (found["policy_hash"], found["rule_hash"]) == (policy.hash, policy.hash_of(TOOL))
    assert Suggestion(**found).scenario == "sdr_qualification"
