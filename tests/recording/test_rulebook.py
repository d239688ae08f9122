"""The policies by their hash: what a decision of then needs to be reached again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from agent_guard.errors import ConfigError, StoreError
from agent_guard.policy import Policy
from agent_guard.recording.rulebook import KnownPolicy, Rulebook
from agent_guard.store import Store
from tests.conftest import Database, World
from tests.record import Record
from tests.samples import TOOL, opened, policy, rule

pytestmark = pytest.mark.req("A5", "A13")

RICH = policy(
    {
        TOOL: rule(
            mode={"dev": "execute", "prod": "approve"},
            approvers={"roles": ["manager"], "not_requester": True},
            where={"properties": {"subject": {"maxLength": 9, "pattern": "^ä$", "enum": ["ä", 1.5, None]}}},
            totals=[{"arg": "days", "max": 0.1, "per": "day/tenant"}],
            not_after={"due": "2026-12-31"},
            requires=[{"tool": "crm.read", "within": "1h", "same": "deal_id"}],
            **{"from": {"subject": ["user"]}},
        )
    },
    stop_words=["en.txt", "ru.txt"],
    plan={"outside": "ask"},
    contact_caps=["3/day/party"],
)


@pytest.mark.databases
def test_what_is_kept_decides_as_it_did(database: Database) -> None:
    """Every rule comes back as it was, and the stop-words as a digest; a second keeping changes nothing."""
    with opened(database.new()) as store:
        book = Rulebook(store)
        book.keep([RICH, policy()], now_ms=1)
        book.keep([RICH], now_ms=2)
        found = Rulebook(store).find(RICH.hash)
        assert isinstance(found, KnownPolicy)
        assert found.policy == RICH.model_copy(update={"stop_words": []})
        assert (found.hash, found.stop_words) == (RICH.hash, RICH.rules["stop_words"])
        assert [row["added"] for row in Record(store).rows("policies")] == [1, 1]


@pytest.mark.databases
def test_two_processes_keep_one_policy(database: Database) -> None:
    """Both write it, one is first, and neither fails."""
    first = Store(database.shared)
    first.open()
    stores = [first, *(Store(database.shared) for _ in range(3))]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: Rulebook(store).keep([RICH, policy()], now_ms=1), stores))
    assert len(Record(first).rows("policies")) == 2
    for store in stores:
        store.close()


def test_a_gateway_keeps_its_policies(world: World) -> None:
    """Before it decides anything, those of every scenario."""
    one, other = world.policy(), world.policy(name="desk.v2")
    gateway = world.gateway(policies={"sales": one, "service": other})
    assert {row["name"] for row in world.rows(gateway, "policies")} == {"desk.v1", "desk.v2"}


def test_what_is_not_there_or_was_changed_is_a_sentence() -> None:
    """No policy, another text under its hash, and one of a release with other rules: none of them decides."""
    with opened() as store:
        record, book = Record(store), Rulebook(store)
        assert "is not kept" in str(book.find("sha256:none"))
        book.keep([RICH], now_ms=1)
        record.sql("UPDATE policies SET rules = :rules", rules=b"{}")
        assert "was changed" in str(Rulebook(store).find(RICH.hash))
        text = b'{"later": true}'
        name = f"sha256:{sha256(text).hexdigest()}"
        record.sql("UPDATE policies SET rules = :rules, hash = :name", rules=text, name=name)
        assert "by another release" in str(Rulebook(store).find(name))


def test_policies_at_hand_are_found_without_the_database(tmp_path: Path) -> None:
    """A file of then, by its hash; with its own stop-words, which have to be there."""
    (tmp_path / "own.txt").write_text("cheap\n", encoding="utf-8")
    text = f"version: 1\nname: own.v1\nstop_words: [own.txt]\ntools: {{{TOOL}: {{roles: [sales], mode: execute}}}}\n"
    given = Policy.parse(text, folder=tmp_path)
    with opened() as store:
        found = Rulebook(store, [given]).find(given.hash)
    assert isinstance(found, KnownPolicy) and found.policy is given and found.stop_words == given.rules["stop_words"]
    with pytest.raises(ConfigError, match="no such file"):
        Policy.parse(text)


def test_a_database_that_cannot_be_read_is_an_error() -> None:
    """Not a policy that is missing."""
    with opened() as store:
        Record(store).sql("DROP TABLE policies")
        with pytest.raises(StoreError):
            Rulebook(store).find("sha256:none")
        with pytest.raises(StoreError):
            Rulebook(store).keep([RICH], now_ms=1)
