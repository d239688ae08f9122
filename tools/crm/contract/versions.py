"""Law 4: a version changes whenever its record does, and not with a draft on it."""

from __future__ import annotations

from agent_guard.types import Ref
from tools.crm.anchors import ANCHORS
from tools.crm.contract.given import DEAL, DRAFT, Store, described
from tools.crm.contract.under_test import UnderTest

__all__ = ["Versions"]


class Versions(UnderTest):
    """What approvals are bound to."""

    def test_an_edit_changes_the_version(self, crm: Store) -> None:
        """When a person changes a deal its version changes, and with it every approval that is bound to it."""
        before = described(crm, DEAL)
        self.edit_deal(crm)
        after = described(crm, DEAL)
        assert before.version != after.version
        assert before.snapshot["stage"] != after.snapshot["stage"]

    def test_a_look_changes_no_version(self, crm: Store) -> None:
        """Reading a deal in every way there is leaves it as it was."""
        before = described(crm, DEAL)
        crm.deal("1001")
        crm.activities("1001")
        crm.find_by_key("task", "k1")
        assert described(crm, DEAL) == before

    def test_a_draft_leaves_the_deals_version_alone(self, crm: Store) -> None:
        """A task changes how many open tasks its deal shows, and not the deal's version."""
        before = described(crm, DEAL)
        crm.create_task(DRAFT, "k1")
        after = described(crm, DEAL)
        assert (before.version, before.snapshot["open_tasks"]) == (after.version, 0)
        assert after.snapshot == {**before.snapshot, "open_tasks": 1}

    def test_a_write_touches_its_own_deal_alone(self, crm: Store) -> None:
        """A task and an edit of one deal leave every other deal and every contact as it was."""
        others = [Ref(kind="deal", id=id_) for id_ in ANCHORS if id_ != DEAL.id]
        others += [Ref(kind="contact", id=str(int(id_) + 1000)) for id_ in ANCHORS]
        before = [described(crm, ref) for ref in others]
        crm.create_task(DRAFT, "k1")
        self.edit_deal(crm)
        assert [described(crm, ref) for ref in others] == before
