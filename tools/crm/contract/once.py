"""Law 1: a key makes one record, whoever repeats it and whenever, after a restart as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent_guard.types import Ref
from tools.crm.contract.given import DEAL, DRAFT, OTHER_BODIES, Store, described, open_tasks, refused
from tools.crm.contract.under_test import UnderTest

__all__ = ["Once"]


class Once(UnderTest):
    """One key, one task."""

    def test_a_repeat_is_replayed(self, crm: Store) -> None:
        """The same key with the same body gives the same task and makes no second one."""
        first, again = crm.create_task(DRAFT, "k1"), crm.create_task(replace(DRAFT), "k1")
        assert (first.outcome, again.outcome) == ("created", "replayed")
        assert (first.ref, first.version) == (again.ref, again.version)
        assert open_tasks(crm) == 1

    def test_a_repeat_after_an_edit_of_the_deal_is_replayed(self, crm: Store) -> None:
        """That a person changed the deal meanwhile makes no second task."""
        first = crm.create_task(DRAFT, "k1")
        self.edit_deal(crm)
        again = crm.create_task(DRAFT, "k1")
        assert (again.ref, again.outcome, open_tasks(crm)) == (first.ref, "replayed", 1)

    @pytest.mark.parametrize("changed", OTHER_BODIES)
    def test_a_key_stands_for_one_body(self, crm: Store, changed: str) -> None:
        """The same key with any other field is rejected, and the first task stays as it was."""
        first = crm.create_task(DRAFT, "k1")
        before = crm.describe(first.ref)
        assert refused(lambda: crm.create_task(OTHER_BODIES[changed], "k1")) == "key_reused"
        assert crm.describe(first.ref) == before
        assert (open_tasks(crm), open_tasks(crm, "1002")) == (1, 0)

    def test_another_key_is_another_task(self, crm: Store) -> None:
        """Two keys make two tasks, even of one body: what a duplicate is, is not the CRM's to guess."""
        assert crm.create_task(DRAFT, "k1").ref != crm.create_task(DRAFT, "k2").ref
        assert open_tasks(crm) == 2

    def test_a_rejected_write_leaves_its_key_free(self, crm: Store) -> None:
        """A task on a deal that is not there is rejected, and its key may be used afterwards."""
        assert refused(lambda: crm.create_task(replace(DRAFT, deal_id="999999"), "k1")) == "not_found"
        assert crm.find_by_key("task", "k1") is None
        assert crm.create_task(DRAFT, "k1").outcome == "created"

    def test_a_key_is_visible_ascii(self, crm: Store) -> None:
        """A key that some CRM could not store is rejected at once; the longest and the oddest are taken."""
        for key in ("", " ", "a b", "ключ", "k\n", "k" * 201, "k\ud800"):
            assert refused(lambda key=key: crm.create_task(DRAFT, key)) == "invalid"  # type: ignore[misc]
        assert open_tasks(crm) == 0
        for key in ("k" * 200, "".join(map(chr, range(0x21, 0x7F)))):
            made = crm.create_task(DRAFT, key).ref
            assert crm.find_by_key("task", key) == made
        assert open_tasks(crm) == 2

    def test_keys_are_told_apart_to_the_letter(self, crm: Store) -> None:
        """Keys that differ in case, or by a wild card of some database, are different keys."""
        keys = ("key", "KEY", "k%y", "k_y", "key'", "key--")
        made = {crm.create_task(DRAFT, key).ref for key in keys}
        assert len(made) == len(keys) == open_tasks(crm)
        assert {crm.find_by_key("task", key) for key in keys} == made

    def test_a_key_finds_its_record(self, crm: Store) -> None:
        """``find_by_key`` gives the task written under a key, and nothing for another key or kind."""
        made = crm.create_task(DRAFT, "k1").ref
        assert crm.find_by_key("task", "k1") == made
        assert crm.find_by_key("task", "k2") is None
        assert crm.find_by_key("deal", "k1") is None
        assert refused(lambda: crm.find_by_key("task", "no key")) == "invalid"

    def test_a_restart_forgets_nothing(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """After a restart the same key is replayed, and refused for another body."""
        first = crm.create_task(DRAFT, "k1")
        crm.close()
        restarted = open_store()
        try:
            assert restarted.create_task(DRAFT, "k1") == replace(first, outcome="replayed")
            assert refused(lambda: restarted.create_task(OTHER_BODIES["due"], "k1")) == "key_reused"
            assert restarted.find_by_key("task", "k1") == first.ref
        finally:
            restarted.close()

    def test_a_restart_changes_no_record(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """Deals, contacts and tasks are described after a restart as before, versions included: approvals stay good."""
        refs = [DEAL, Ref(kind="contact", id="2001"), crm.create_task(DRAFT, "k1").ref]
        before = [described(crm, ref) for ref in refs]
        crm.close()
        restarted = open_store()
        try:
            assert [described(restarted, ref) for ref in refs] == before
        finally:
            restarted.close()
