"""Minting: what several processes see at once gets one name each, however often others were first."""

from __future__ import annotations

from typing import Any

import pytest

from agent_guard.errors import TextTooLong
from agent_guard.proposal.propose import propose
from agent_guard.proposal.pseudonymise import MINT_TRIES, NEW_MAX, minting
from agent_guard.types import Code
from agent_guard.vault import ThreadVault
from tests.conftest import World

pytestmark = pytest.mark.databases


@pytest.mark.req("B7")
def test_whoever_is_never_first_is_last(world: World) -> None:
    """Where others mint in the same thread each time this one is about to, its turn comes all the same."""
    gateway, other = world.gateway(file=True), world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    rounds: list[str] = []

    def work(vault: ThreadVault) -> str:
        rounds.append(vault.mint("EMAIL", "new@mail.example", "user", "m1").token)
        if len(rounds) <= MINT_TRIES:
            faster = other.vault.of(thread.row)
            assert faster.mint("EMAIL", f"other{len(rounds)}@mail.example", "user").token == rounds[-1]
            with other.store.write(locks=["test"]) as connection:
                faster.flush(connection)
        return rounds[-1]

    made = minting(gateway, thread.row, work)
    assert (made, len(rounds)) == (rounds[-1], MINT_TRIES + 1)
    values = {entry.token: entry.value for entry in thread.vault().entries()}
    assert values[made] == "new@mail.example"
    assert len(set(values.values())) == len(values)


@pytest.mark.req("B6", "B12")
@pytest.mark.parametrize("large", [" ".join, list], ids=["in one text", "in a list"])
def test_a_call_with_too_many_values_takes_nothing_from_the_others(world: World, large: Any) -> None:
    """It is left out and noted; the pseudonyms of the calls around it keep their values, and mean nobody else."""
    thread = world.gateway().open(world.sdr, party=world.anna)
    subjects = (
        "Call alice@one.example",
        large(f"p{n}@mail.example" for n in range(NEW_MAX + 1)),
        "Call bob@two.example",
    )
    raw = [
        {"tool": "crm.create_task", "args": {"deal_id": "42", "subject": subject}, "id": f"c{n}", "reason": "because",
         "problem": None}
        for n, subject in enumerate(subjects)
    ]  # fmt: skip
    _, calls = thread.masked_message("Write to carol@three.example", raw, thread.vault())
    assert [call.problem for call in calls] == [None, Code.ARGUMENTS_TOO_LARGE, None]
    assert calls[1].args == {}
    said = [thread.restore(str(call.args.get("subject")), reader="user") for call in calls]
    assert (said[0], said[2]) == ("Call alice@one.example", "Call bob@two.example")
    assert not any("mail.example" in entry.value for entry in thread.vault().entries())


@pytest.mark.req("B6")
def test_a_claimed_call_shows_no_value(world: World) -> None:
    """What an error report or a debugger prints of it holds pseudonyms only."""
    thread = world.gateway().open(world.sdr, party=world.anna)
    call = thread.masked_call("crm.create_task", {"deal_id": "42", "subject": "Call +48 512 345 678"}, "c1", None)
    made = propose(thread.gateway, thread.row, call, claiming=True)
    assert made.taken is not None
    assert "345 678" in repr(made.taken.gathered.arguments.real)
    for shown in (repr(made), repr(made.taken), repr(made.taken.gathered)):
        assert "345 678" not in shown and "Kowalska" not in shown


@pytest.mark.req("B7")
@pytest.mark.parametrize("crowded", [False, True])
def test_too_many_new_values_leave_none(world: World, crowded: bool) -> None:
    """A text with more new people than are taken at once is refused whole, also in the last try."""
    gateway, other = world.gateway(file=True), world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    before, rounds = len(thread.vault().entries()), 0

    def work(vault: ThreadVault) -> None:
        nonlocal rounds
        rounds += 1
        for n in range(1 if crowded and rounds <= MINT_TRIES else NEW_MAX + 1):
            vault.mint("EMAIL", f"n{rounds}-{n}@mail.example", "user", "m1")
        if crowded and rounds <= MINT_TRIES:
            faster = other.vault.of(thread.row)
            faster.mint("EMAIL", f"other{rounds}@mail.example", "user")
            with other.store.write(locks=["test"]) as connection:
                faster.flush(connection)

    with pytest.raises(TextTooLong):
        minting(gateway, thread.row, work)
    assert len(thread.vault().entries()) == before + (MINT_TRIES if crowded else 0)
