"""``agent-guard mask``: no raw value comes out unless it is asked for, and a labelled set is scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_guard.errors import ConfigError
from tests.cli.commands import invoke, rows

pytestmark = pytest.mark.req("A23")

TEXT = "Mail anna@kowalska.example or call +48 512 345 678."
QUICK = ("--profile", "patterns")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_text_a_file_and_a_pipe(tmp_path: Path) -> None:
    """Wherever the text stands, it comes out masked, and nothing else with it."""
    (tmp_path / "note.txt").write_text(TEXT, encoding="utf-8")
    for words, options in (([TEXT], {}), (["note.txt"], {}), (["-"], {"input": TEXT}), ([], {"input": TEXT})):
        done = invoke("mask", *words, *QUICK, **options)
        assert done.stdout == "Mail <EMAIL_1> or call <PHONE_1>.\n"
        assert done.stderr == ""


def test_names_are_found_by_default() -> None:
    """The profile is ``full`` unless the settings say something else."""
    assert invoke("mask", "Dear Anna Kowalska, hello.").stdout == "Dear <PERSON_1>, hello.\n"


def test_the_settings_count_and_the_options_win(tmp_path: Path) -> None:
    """``masking`` of guard.yaml is taken; ``--profile`` and ``--languages`` stand over it."""
    (tmp_path / "guard.yaml").write_text("masking: {profile: patterns, languages: [en]}\n", encoding="utf-8")
    assert "Anna Kowalska" in invoke("mask", "Dear Anna Kowalska, hello.").stdout
    assert "<PERSON_1>" in invoke("mask", "Dear Anna Kowalska, hello.", "--profile", "recall").stdout
    with pytest.raises(ConfigError, match="unknown language 'xx'"):
        invoke("mask", "x", "--languages", "en,xx")
    with pytest.raises(ConfigError, match="unknown masking profile 'all'; use full, recall, patterns"):
        invoke("mask", "x", "--profile", "all")
    (tmp_path / "guard.yaml").write_text("masking: {profile: all}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"guard.yaml: masking.profile"):
        invoke("mask", "x")


def test_a_record_is_masked_by_its_fields() -> None:
    """JSON in, JSON out, of the same shape."""
    record = {"client": {"name": "Anna", "note": TEXT, "age": 40}, "ids": [7, None]}
    done = invoke("mask", json.dumps(record), "--json-in", *QUICK)
    assert json.loads(done.stdout) == {
        "client": {"name": "<PERSON_1>", "note": "Mail <EMAIL_1> or call <PHONE_1>.", "age": 40}, "ids": [7, None]
    }  # fmt: skip


def test_the_explanation_tells_where_and_why_and_no_value() -> None:
    """Places, pseudonyms, rules; the values only where they are asked for."""
    (told,) = rows(invoke("mask", TEXT, "--explain", "--json", *QUICK))
    assert told["masked"] == "Mail <EMAIL_1> or call <PHONE_1>."
    assert [(item["where"], item["token"]) for item in told["found"]] == [("5-26", "<EMAIL_1>"), ("35-50", "<PHONE_1>")]
    assert "rule email" in told["found"][0]["why"]
    assert "kowalska" not in json.dumps(told) and "512" not in json.dumps(told)
    (told,) = rows(invoke("mask", TEXT, "--explain", "--json", "--values", *QUICK))
    assert [item["value"] for item in told["found"]] == ["anna@kowalska.example", "+48 512 345 678"]
    done = invoke("mask", TEXT, "--explain", *QUICK)
    assert done.stdout == "Mail <EMAIL_1> or call <PHONE_1>.\n"
    assert "<PHONE_1>" in done.stderr and "kowalska" not in done.stderr
    with pytest.raises(ConfigError, match="--values belongs to --explain"):
        invoke("mask", TEXT, "--values", *QUICK)


def test_a_record_is_explained_by_field() -> None:
    """A telling name explains its value; a text is explained by what was found in it."""
    record = {"client": {"phone": 48512345678, "notes": ["Hi", TEXT]}}
    (told,) = rows(invoke("mask", json.dumps(record), "--json-in", "--explain", "--json", *QUICK))
    first, *others = told["found"]
    assert (first["where"], first["why"]) == ("client.phone", "the field's name: phone")
    assert [item["where"] for item in others] == ["client.notes[1]:5-26", "client.notes[1]:35-50"]


def test_companies_are_told_and_left() -> None:
    """What is found and not hidden is in the explanation, so that nobody wonders."""
    (told,) = rows(invoke("mask", "We work for Siemens AG in Berlin.", "--explain", "--json"))
    assert "Siemens" in told["masked"]
    assert "(ORG)" in [item["token"] for item in told["found"]]


def test_a_typed_pseudonym_is_harmless() -> None:
    """What looks like one of ours in the input cannot be taken for one that was made now."""
    assert invoke("mask", f"<EMAIL_1> {TEXT}", *QUICK).stdout.startswith("‹EMAIL_1› Mail <EMAIL_1>")


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["--json-in", "{"], {}, "no JSON near line 1"),
        (["-"], {"input": b"\xff\xfe"}, "must be UTF-8 text"),
        (["letter.txt"], {}, "there is no file 'letter.txt'"),
        (["eval", "nothing.jsonl"], {}, "nothing.jsonl cannot be read: No such file"),
        (["eval", "."], {}, r"holds no \*.jsonl"),
    ],
)
def test_bad_input_is_told(words: list[str], options: dict[str, bytes], message: str) -> None:
    """It names what was wrong."""
    with pytest.raises(ConfigError, match=message):
        invoke("mask", *words, **options)


# ---- eval


def test_a_labelled_set_is_scored(tmp_path: Path) -> None:
    """Recall, precision and the hidden share of each type, of a file or of every file in a folder."""
    row = {"text": TEXT, "lang": "en", "entities": [{"start": 5, "end": 26, "type": "EMAIL"}]}
    missed = {
        "text": "Our fax is one two three.",
        "lang": "en",
        "entities": [{"start": 11, "end": 24, "type": "PHONE"}],
    }
    (tmp_path / "mine.jsonl").write_text(f"{json.dumps(row)}\n\n{json.dumps(missed)}\n", encoding="utf-8")
    for given in ("mine.jsonl", "."):
        found = {item["type"]: item for item in rows(invoke("mask", "eval", given, "--json", *QUICK))}
        assert {name: found["EMAIL"][name] for name in ("set", "gold", "recall", "precision", "hidden")} == {
            "set": "mine", "gold": 1, "recall": 1.0, "precision": 1.0, "hidden": 1.0
        }  # fmt: skip
        assert (found["PHONE"]["recall"], found["PHONE"]["precision"]) == (0.0, 0.0)
    table = invoke("mask", "eval", "mine.jsonl", "--limit", "1", *QUICK).stdout
    assert "EMAIL" in table and "PHONE" not in table and "kowalska" not in table


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{}", "line 2: text"),
        ("Anna Kowalska", "line 2: the line"),
        (
            '{"text": "ab", "lang": "en", "entities": [{"start": 1, "end": 3, "type": "PERSON"}]}',
            "does not lie in the text",
        ),
        ('{"text": "ab", "lang": "en", "entities": [{"start": "x", "end": 3, "type": "PERSON"}]}', "entities.0.start"),
    ],
)
def test_a_broken_line_of_a_set_is_named_and_not_repeated(tmp_path: Path, line: str, message: str) -> None:
    """The file and the line are told, nothing that stands there."""
    good = '{"text": "Hi", "lang": "en", "entities": []}'
    (tmp_path / "bad.jsonl").write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        invoke("mask", "eval", "bad.jsonl", *QUICK)
    assert "Anna" not in str(caught.value)
