"""Which policy is in force, in the record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from agent_guard import Gateway
from agent_guard.auditing.verify import verify
from agent_guard.credentials import MemoryCredentials
from agent_guard.masking import Masker
from tests.conftest import Database
from tests.samples import contract, policy

pytestmark = [pytest.mark.req("A5", "A13"), pytest.mark.databases]

PORTS = {
    "credentials": MemoryCredentials(),
    "masker": Masker(profile="patterns"),
    "resources": {"crm": 1},
    "records": object(),
}
STRICT = policy()
LOOSE = STRICT.model_copy(update={"loops": STRICT.loops.model_copy(update={"same_call": 7})})


def test_the_two_policies_differ_in_a_rule_and_share_a_name():
    """What the tests below take for granted."""
    assert STRICT.name == LOOSE.name
    assert STRICT.hash != LOOSE.hash


def opened(database: Database, *policies, environment="dev"):
    """Opens a gateway and returns what its chain of policies says by then: (environment, before, after)."""
    given = policies[0] if len(policies) == 1 else {str(n): item for n, item in enumerate(policies)}
    with Gateway([contract()], given, url=database.shared, environment=environment, **PORTS) as gateway:
        events = [item.data for item in gateway.audit.events(thread="system/-")]
        assert not verify(gateway.store, gateway.sources.keys).flaws
    return [
        (item["environment"], item["diff"]["before"]["policy_hash"], item["diff"]["after"]["policy_hash"])
        for item in events
        if item["kind"] == "policy_changed"
    ]


def test_the_first_policy_is_no_change(database):
    """What was always so is not told, however often it is opened."""
    assert opened(database, STRICT) == []
    assert opened(database, STRICT) == []


def test_other_rules_under_the_same_name_are_told_once(database):
    """The event names both hashes; opening it again says nothing new."""
    opened(database, STRICT)
    changed = [("dev", STRICT.hash, LOOSE.hash)]
    assert opened(database, LOOSE) == changed
    assert opened(database, LOOSE) == changed


def test_a_return_to_older_rules_is_a_change_too(database):
    """Rules that are known already come into force again, and the record says when."""
    for rules in (STRICT, LOOSE):
        opened(database, rules)
    assert opened(database, STRICT) == [("dev", STRICT.hash, LOOSE.hash), ("dev", LOOSE.hash, STRICT.hash)]


def test_each_environment_has_its_own_policy_in_force(database):
    """What changes in one is no change in the other."""
    opened(database, STRICT)
    opened(database, LOOSE)
    assert opened(database, STRICT, environment="stage") == [("dev", STRICT.hash, LOOSE.hash)]
    assert opened(database, LOOSE, environment="stage")[-1] == ("stage", STRICT.hash, LOOSE.hash)


def test_scenarios_whose_policies_share_a_name_are_no_change_of_each_other(database):
    """Two rules of one name in one gateway do not take turns in the record."""
    assert opened(database, STRICT, LOOSE) == []
    assert opened(database, LOOSE, STRICT) == []


def test_processes_that_open_at_once_tell_it_once(database):
    """The second one finds it told."""
    opened(database, STRICT)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: opened(database, LOOSE), range(4)))
    assert opened(database, LOOSE) == [("dev", STRICT.hash, LOOSE.hash)]
