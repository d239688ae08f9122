"""``agent-guard vault``: a person whose role the settings name erases and holds; scripts can tell what became of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_guard.errors import AgentGuardError, ConfigError
from tests.cli.commands import CONFIG, invoke, rows

PARTY = ("--party", "contact:1")
ERASE = ("vault", "erase", *PARTY, "--reason", "asked for it", "--as", "dpo")
HOLD = ("--reason", "a suit", "--as", "dpo")


@pytest.fixture(name="office")
def _office(folder: Path) -> Path:
    """The folder of a paused conversation, with somebody who may erase."""
    text = CONFIG + "  dpo: {id: dpo, tenant: demo, roles: [privacy]}\nprivacy_roles: [privacy]\n"
    (folder / "guard.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(name="party")
def _party(office: Path) -> str:
    """The customer of the paused conversation."""
    (found,) = {row["party"] for row in rows(invoke("audit", "show", "--json")) if row["party"]}
    return str(found)


@pytest.mark.req("A23")
def test_a_party_is_erased_and_the_record_holds(office: Path, party: str) -> None:
    """It is counted, erased and recorded, the second time is said to be one, and ``audit verify`` finds nothing."""
    words = ("vault", "erase", "--party", party, "--reason", "asked for it", "--as", "dpo")
    (counted,) = rows(invoke(*words, "--dry-run", "--json"))
    assert (counted["dry_run"], counted["threads"], counted["ended"]) == (True, 1, 1) and counted["values"] > 0
    (done,) = rows(invoke(*words, "--yes", "--json"))
    assert (done["values"], done["scrubbed"], done["already"]) == (counted["values"], True, None)
    again = invoke(*words)
    assert again.exit_code == 0 and "was erased already" in again.stdout
    assert invoke("audit", "verify").exit_code == 0
    last = rows(invoke("audit", "show", "--json"))[-1]
    assert (last["kind"], last["actor"]["user_id"], last["reason"]) == ("erased", "dpo", "asked for it")
    assert rows(invoke("approvals", "list", "--json")) == []


@pytest.mark.req("A23")
def test_it_is_confirmed(office: Path, party: str) -> None:
    """Nothing is erased until the party's id is typed; an empty line or the end of input is no."""
    words = ("vault", "erase", "--party", party, "--reason", "asked for it", "--as", "dpo")
    for typed in ("", "\n", "yes\n"):
        with pytest.raises(ConfigError, match="nothing was erased"):
            invoke(*words, input=typed)
    assert rows(invoke(*words, "--dry-run", "--json"))[0]["threads"] == 1
    done = invoke(*words, input=f"{party}\n")
    assert f"{party} is erased: 1 conversations" in done.stdout


@pytest.mark.req("A23")
def test_a_hold_forbids_it_until_it_is_released(office: Path, party: str) -> None:
    """The exit code is 3 and the hold is named; the list shows what is in force."""
    words = ("vault", "erase", "--party", party, "--reason", "asked for it", "--as", "dpo", "--yes")
    invoke("vault", "hold", "--party", party, "--name", "case 7", *HOLD)
    held = invoke(*words)
    assert held.exit_code == 3 and "legal hold 'case 7'" in held.stderr
    (row,) = rows(invoke("vault", "holds", "--as", "dpo", "--json"))
    assert (row["party"], row["name"], row["reason"], row["placed_by"]) == (party, "case 7", "a suit", "dpo")
    assert "case 7" in invoke("vault", "holds", "--as", "dpo").stdout
    invoke("vault", "release", "--party", party, "--name", "case 7", *HOLD)
    assert invoke("vault", "holds", "--as", "dpo").stdout == "Nothing is held.\n"
    assert invoke(*words).exit_code == 0


@pytest.mark.req("A23", "A1")
def test_whoever_has_no_such_role_may_do_nothing(office: Path, party: str) -> None:
    """A manager may not, nobody may where no role is named, and nobody may for another tenant."""
    words = ("vault", "erase", "--party", party, "--reason", "x", "--yes", "--as")
    with pytest.raises(ConfigError, match=r"'boss' may not do this.*privacy"):
        invoke(*words, "boss")
    with pytest.raises(ConfigError, match="may not do this for 'other'"):
        invoke(*words, "dpo", "--tenant", "other")
    text = (office / "guard.yaml").read_text(encoding="utf-8").replace("privacy_roles: [privacy]\n", "")
    (office / "guard.yaml").write_text(text, encoding="utf-8")
    for command in (words, ("vault", "hold", *PARTY, "--reason", "x", "--as"), ("vault", "holds", "--as")):
        with pytest.raises(ConfigError, match="none; set 'privacy_roles'"):
            invoke(*command, "dpo")


def test_a_slip_of_the_keyboard_is_said(office: Path) -> None:
    """A party that is not there is named with what to do."""
    with pytest.raises(AgentGuardError, match="nothing of a party 'contact:1'"):
        invoke(*ERASE, "--yes")


@pytest.mark.req("A23")
def test_one_conversation_is_erased(office: Path, party: str) -> None:
    """It is named by its id, which is typed to confirm it; the party is told to have others under its key."""
    (thread,) = {row["thread"] for row in rows(invoke("audit", "show", "--json")) if row["party"]}
    words = ("vault", "erase", "--thread", thread, "--reason", "asked for it", "--as", "dpo")
    with pytest.raises(ConfigError, match="nothing was erased"):
        invoke(*words, input=f"{party}\n")
    done = invoke(*words, input=f"{thread}\n")
    assert f"{thread} is erased: 1 conversations" in done.stdout and f"The key of {party} stays" in done.stdout
    assert invoke("audit", "verify").exit_code == 0
    with pytest.raises(ConfigError, match="a party or a thread, one of them"):
        invoke(*words, "--party", party)


# ---- the master key


@pytest.mark.req("B10", "A23")
def test_the_master_key_is_changed(office: Path) -> None:
    """The file gets a new key before the old one, the paused conversation is answered under it, and it is recorded."""
    before = (office / "guard.db.key").read_text(encoding="ascii")
    (counted,) = rows(invoke("vault", "rotate", "--reason", "yearly", "--dry-run", "--json"))
    assert counted["dry_run"] and counted["renewed"] == 0  # with the present key there is nothing to do
    told = invoke("vault", "rotate", "--reason", "yearly", "--dry-run").stdout
    assert "No new master key waits" in told and f"{counted['keys']} data keys are wrapped anew" in told
    assert (office / "guard.db.key").read_text(encoding="ascii") == before
    done = invoke("vault", "rotate", "--reason", "yearly")
    assert f"{counted['keys']} of {counted['keys']} data keys are wrapped anew" in done.stdout
    after = (office / "guard.db.key").read_text(encoding="ascii")
    assert after.endswith(before) and after != before
    (waits,) = rows(invoke("approvals", "list", "--json"))
    answered = invoke("approvals", "approve", waits["id"], "--as", "boss")
    assert answered.exit_code == 0
    last = [row for row in rows(invoke("audit", "show", "--json")) if row["kind"] == "rotated"]
    assert [row["reason"] for row in last] == ["yearly"]
    assert invoke("audit", "verify").exit_code == 0


@pytest.mark.req("B10")
def test_a_key_in_a_variable_is_changed_by_a_person(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says where to put the new one, and does the rest once it is there."""
    keys = [line for line in (office / "guard.db.key").read_text(encoding="ascii").splitlines() if line[0] != "#"]
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY", keys[0])
    with pytest.raises(ConfigError, match="put a new one before it, with a comma between"):
        invoke("vault", "rotate", "--reason", "yearly")
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY", f"{'n' * 43}=,{keys[0]}")
    (done,) = rows(invoke("vault", "rotate", "--reason", "yearly", "--json"))
    assert done["renewed"] == done["keys"] > 0
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY", keys[0])
    with pytest.raises(AgentGuardError, match="master key"):
        invoke("vault", "rotate", "--reason", "yearly")


@pytest.mark.req("A10", "B10")
def test_the_oldest_key_is_named_and_missed(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rotation in which the former key was dropped, every command that would go on without it says which one it
    is; it is given up only when its successor's name is typed.
    """
    lines = (office / "guard.db.key").read_text(encoding="ascii").splitlines()
    old = next(line for line in lines if line[0] != "#")
    new = f"{'n' * 43}="
    (before,) = rows(invoke("vault", "keys", "--json"))
    assert before["given"] == [before["needed"]] and before["trouble"] is None
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY", f"{new},{old}")
    invoke("vault", "rotate", "--reason", "yearly")
    told = invoke("vault", "keys").stdout.splitlines()
    assert [line.endswith("idempotency keys come from it") for line in told] == [False, True]
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY", new)
    missed = invoke("vault", "keys")
    assert missed.exit_code == 1 and f"{before['needed']}, which is not among those given" in missed.stderr
    with pytest.raises(ConfigError, match="not among those given"):
        invoke("vault", "rotate", "--reason", "yearly")
    with pytest.raises(ConfigError, match="not among those given"):
        invoke("approvals", "approve", "x", "--as", "boss")
    (counted,) = rows(invoke("vault", "adopt", "--reason", "lost", "--dry-run", "--json"))
    assert (counted["before"], counted["dry_run"]) == (before["needed"], True)
    for typed in ("", "yes\n", f"{before['needed']}\n"):
        with pytest.raises(ConfigError, match="nothing was changed"):
            invoke("vault", "adopt", "--reason", "lost", input=typed)
    done = invoke("vault", "adopt", "--reason", "lost", input=f"{counted['after']}\n")
    assert f"come from the master key {counted['after']}. {counted['forgotten']} calls" in done.stdout
    assert "already" in invoke("vault", "adopt", "--reason", "lost").stdout
    assert invoke("vault", "keys").exit_code == 0


# ---- the record of a party


@pytest.mark.req("A23", "A5")
def test_a_request_for_access_is_answered_with_a_file(office: Path, party: str) -> None:
    """The party's own values are in it and in no other export; who made it is in the record; nothing prints them."""
    words = ("audit", "export", "--party", party)
    plain = invoke(*words).stdout
    done = invoke(*words, "--restore", "--out", "access.jsonl", "--reason", "a letter", "--as", "dpo")
    text = (office / "access.jsonl").read_text(encoding="utf-8")
    assert '"restored":true' in text and '"restored"' not in plain
    assert (office / "access.jsonl").stat().st_mode & 0o777 == 0o600
    last = rows(invoke("audit", "show", "--json"))[-1]
    assert (last["kind"], last["approver"], last["party"], last["reason"]) == ("viewed", "dpo", party, "a letter")
    assert "events are in access.jsonl" in done.stdout
    invoke("vault", "erase", "--party", party, "--reason", "asked", "--as", "dpo", "--yes")
    invoke(*words, "--restore", "--out", "after.jsonl", "--reason", "a letter", "--as", "dpo")
    assert '"restored"' not in (office / "after.jsonl").read_text(encoding="utf-8")
    assert invoke("audit", "verify").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--restore", "--as", "dpo"), "--restore needs --party and --out"),
        (("--restore", "--party", "x", "--as", "dpo"), "--restore needs --party and --out"),
        (("--restore", "--party", "x", "--out", "a.jsonl", "--reason", "x", "--as", "boss"), "'boss' may not do this"),
        (("--restore", "--party", "x", "--out", "a.jsonl", "--as", "dpo"), "give a reason"),
        (("--restore", "--party", "x", "--out", "guard.yaml", "--reason", "x", "--as", "dpo"), "guard.yaml exists"),
    ],
)
def test_a_file_that_may_not_be_made_is_not(office: Path, words: tuple[str, ...], message: str) -> None:
    """Neither a file nor an event is left."""
    before = len(rows(invoke("audit", "show", "--json", "--last", "500")))
    with pytest.raises(ConfigError, match=message):
        invoke("audit", "export", *words)
    assert not (office / "a.jsonl").exists()
    assert len(rows(invoke("audit", "show", "--json", "--last", "500"))) == before


@pytest.mark.req("A5", "A23")
def test_the_record_is_cut_by_kind(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By --keep or by guard.yaml; a hold is named; what is left verifies; a damaged chain gives exit code 2."""
    from datetime import timedelta

    from agent_guard.cli import audit_retain, vault
    from agent_guard.types import utc_now

    with pytest.raises(ConfigError, match="say how long to keep"):
        invoke("audit", "retain", "--as", "dpo")
    with pytest.raises(ConfigError, match=r"--keep 'decided' is not KIND=DAYS"):
        invoke("audit", "retain", "--keep", "decided", "--as", "dpo")
    with pytest.raises(ConfigError, match="'boss' may not do this"):
        invoke("audit", "retain", "--keep", "*=30", "--as", "boss")
    assert rows(invoke("audit", "retain", "--keep", "*=30", "--as", "dpo", "--json"))[0]["events"] == 0
    later = utc_now() + timedelta(days=100)
    for module in (audit_retain, vault):
        monkeypatch.setattr(module, "utc_now", lambda: later)
    (counted,) = rows(invoke("audit", "retain", "--keep", "*=30d", "--dry-run", "--as", "dpo", "--json"))
    assert counted["dry_run"] and counted["events"] > 0 and counted["open"] > 0
    with (office / "guard.yaml").open("a", encoding="utf-8") as file:
        file.write('retention: {"*": 30, decided: 3650}\n')
    done = invoke("audit", "retain", "--as", "dpo")
    assert f"events removed, in {counted['chains']} chains" in done.stdout
    report = rows(invoke("audit", "verify", "--json"))[0]
    assert report["status"] == "whole" and report["removed"]["events"] > 0
    assert "removed by retention, as is signed" in invoke("audit", "verify").stdout
    import sqlite3

    with sqlite3.connect(office / "guard.db") as database:
        database.execute("UPDATE audit SET body = '{}' WHERE id = (SELECT max(id) FROM audit)")
    database.close()
    monkeypatch.setattr(audit_retain, "utc_now", lambda: later + timedelta(days=100))
    assert invoke("audit", "retain", "--as", "dpo").exit_code == 2
    assert invoke("audit", "verify").exit_code == 1
