"""Minting: what several processes see at once gets one name each, however often others were first."""

from __future__ import annotations

import pytest

from agent_guard.errors import TextTooLong
from agent_guard.pseudonymise import MINT_TRIES, NEW_MAX, minting
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
