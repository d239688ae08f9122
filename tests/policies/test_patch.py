"""A patch changes the mode of a cell and nothing else in the file, or says why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agent_guard.errors import ConfigError
from agent_guard.policies.diff import diff
from agent_guard.policies.house import ENVIRONMENTS
from agent_guard.policies.patch import patched, write_whole
from agent_guard.policy import Policy

pytestmark = pytest.mark.req("B9")

HEAD = "# what the desk may do\nversion: 1\nname: desk.v1   # rename me\n"
APPROVERS = "    approvers: {roles: [boss]}\n"


def text(mode: str, head: str = HEAD) -> str:
    """A policy with comments in which two tools have a mode."""
    return (
        f"{head}tools:\n"
        "  crm.read: {roles: [sdr], mode: execute}   # suggest\n"
        "  crm.task:\n"
        "    roles: [sdr]      # suggest, approve or execute\n"
        f"    mode: {mode}     # for now\n"
        f"{APPROVERS}"
        "    limits: [3/minute/subject]\n"
    )


@pytest.mark.parametrize(
    ("mode", "change", "after"),
    [
        ("suggest", {"prod": "approve"}, "{dev: suggest, stage: suggest, prod: approve}"),
        (
            ">-\n      suggest\n    # a block\n    #",
            {"prod": "approve"},
            "{dev: suggest, stage: suggest, prod: approve}    # a block\n    #",
        ),
        ("suggest", {"dev": "execute", "stage": "execute", "prod": "execute"}, "execute"),
        ("'suggest'", {"dev": "approve"}, "{dev: approve, stage: suggest, prod: suggest}"),
        ('"suggest"', {"stage": "approve"}, "{dev: suggest, stage: approve, prod: suggest}"),
        ("{dev: execute, prod: suggest}", {"prod": "approve"}, "{dev: execute, prod: approve}"),
        ("{dev: 'execute', prod: \"suggest\"}", {"prod": "execute"}, "{dev: 'execute', prod: execute}"),
        ("{prod: suggest, dev: suggest}", {"prod": "approve", "dev": "execute"}, "{prod: approve, dev: execute}"),
    ],
)
def test_the_words_of_the_mode_alone_change(mode: str, change: dict[str, Any], after: str) -> None:
    """Comments, order and spaces are as they were, and ``policy diff`` calls it the widening it is, and nothing else."""
    old = text(mode)
    new = patched(old, {("crm.task", place): to for place, to in change.items()}, source="p.yaml")
    assert new == text(after)
    found = diff(Policy.parse(old), Policy.parse(new))
    assert {(item.tool, item.environment, item.aspect, item.direction, item.after) for item in found} == {
        ("crm.task", place, "mode", "wider", to) for place, to in change.items()
    }


def test_a_mapping_over_several_lines_keeps_its_comments() -> None:
    """One environment's word is replaced where it stands."""
    block = "\n      dev: execute     # since May\n      # not yet\n      prod: suggest    # ask again in June"
    old = text("suggest").replace("mode: suggest     # for now", f"mode:{block}")
    new = patched(old, {("crm.task", "prod"): "approve"}, source="p.yaml")
    assert new == old.replace("prod: suggest ", "prod: approve ")


def test_several_tools_change_at_once() -> None:
    """Also one whose entry stands on one line, before the other."""
    old = text("suggest").replace("mode: execute}", "mode: suggest, approvers: {roles: [boss]}}")
    new = patched(old, {("crm.task", "prod"): "approve", ("crm.read", "dev"): "execute"}, source="p.yaml")
    policy = Policy.parse(new)
    assert policy.tools["crm.read"].mode == {"dev": "execute", "stage": "suggest", "prod": "suggest"}
    assert policy.tools["crm.task"].mode_in("prod") == "approve"


@pytest.mark.parametrize("head", ["\ufeff", "---\n", "%YAML 1.1\n---\n", "# Привет 👋\n", "\ufeff# zażółć\n"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_file_may_begin_and_its_lines_end_as_they_like(head: str, ends: str) -> None:
    """A byte order mark, a directive, letters beyond ASCII and Windows' ends of lines move nothing."""
    old = text("suggest", head + HEAD).replace("\n", ends)
    new = patched(old, {("crm.task", "prod"): "approve"}, source="p.yaml")
    words = "mode: {dev: suggest, stage: suggest, prod: approve}     #"
    assert new == old.replace("mode: suggest     #", words)


@pytest.mark.parametrize(
    ("old", "cell", "words"),
    [
        (text("suggest"), ("crm.gone", "prod"), "no mode in prod"),
        (text("{dev: suggest}"), ("crm.task", "prod"), "gives crm.task no mode in prod"),
        (text("&m suggest") + "  crm.more: {roles: [sdr], mode: *m}\n", ("crm.task", "prod"), "by hand"),
        (text("suggest").replace("mode: execute}", "mode: &m suggest}").replace("mode: suggest     #", "mode: *m     #"),
         ("crm.task", "prod"), "by hand"),
        ("version: 1\nname: [", ("crm.task", "prod"), "not YAML"),
        (text("maybe"), ("crm.task", "prod"), "p.yaml, line 8"),
    ],
    ids=["no tool", "no mode", "anchor", "alias", "no yaml", "no policy"],
)  # fmt: skip
def test_what_cannot_be_changed_alone_is_left_to_a_person(old: str, cell: tuple[str, str], words: str) -> None:
    """The error names the file, and what to do; no text comes out that says something else as well."""
    with pytest.raises(ConfigError, match=words):
        patched(old, {cell: "approve"}, source="p.yaml")


def test_a_mode_that_needs_approvers_is_not_written_without_them() -> None:
    """A patched policy is one that can be read."""
    with pytest.raises(ConfigError, match="cannot be changed alone"):
        patched(text("suggest").replace(APPROVERS, ""), {("crm.task", "prod"): "approve"}, source="p.yaml")


@given(
    st.dictionaries(st.sampled_from(ENVIRONMENTS), st.sampled_from(["suggest", "approve", "execute"]), min_size=1),
    st.sampled_from(["suggest", "approve", "execute"]),
    st.booleans(),
)
def test_whatever_is_patched_reads_as_it_was_asked_for(modes: dict[str, Any], to: Any, same: bool) -> None:
    """Every cell but the changed one keeps its mode, however the mode was written."""
    written = "suggest" if same else "{" + ", ".join(f"{place}: {mode}" for place, mode in modes.items()) + "}"
    before = Policy.parse(text(written)).tools["crm.task"]
    place = next(iter(modes))
    after = Policy.parse(patched(text(written), {("crm.task", place): to}, source="p")).tools["crm.task"]
    for other in ENVIRONMENTS:
        assert after.mode_in(other) == (to if other == place else before.mode_in(other))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up leaves the old file as it was, and nothing beside it."""
    target = tmp_path / "new.yaml"
    write_whole(target, "a: 1\r\n")
    assert target.read_bytes() == b"a: 1\r\n"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("agent_guard.policies.patch.os.fsync", full)
        with pytest.raises(ConfigError, match="cannot be written: No space left"):
            write_whole(target, "b: 2\n")
    assert (target.read_bytes(), [item.name for item in tmp_path.iterdir()]) == (b"a: 1\r\n", ["new.yaml"])
    with pytest.raises(ConfigError, match="No such file"):
        write_whole(tmp_path / "nowhere" / "new.yaml", "b: 2\n")
