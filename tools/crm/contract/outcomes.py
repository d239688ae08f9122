"""Laws 2 and 6: three outcomes, and errors that repeat nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent_guard.errors import ToolRejected, ToolUnavailable
from tools.crm.contract.given import DEAL, DRAFT, OTHER_BODIES, Store
from tools.crm.contract.under_test import UnderTest
from tools.crm.port import CRM

__all__ = ["Outcomes"]


class Outcomes(UnderTest):
    """What a CRM says when it cannot, or will not."""

    def test_a_crm_that_is_down_is_unavailable(self, down: CRM) -> None:
        """Every method of a CRM that cannot be asked says so, with no value of the call in the message."""
        asked: list[Callable[[], object]] = [
            lambda: down.deal("1001"),
            lambda: down.activities("1001"),
            lambda: down.create_task(DRAFT, "k1"),
            lambda: down.describe(DEAL),
            lambda: down.find_by_key("task", "k1"),
        ]
        for ask in asked:
            with pytest.raises(ToolUnavailable) as failed:
                ask()
            assert failed.value.code == "unavailable"
            assert failed.value.__suppress_context__
            for value in ("1001", "k1", "Price"):
                assert value not in str(failed.value)

    def test_a_refusal_repeats_nothing(self, crm: Store) -> None:
        """The message of a refusal holds no id, no key and no word of the task: it may stand in a log."""
        crm.create_task(DRAFT, "secret-key")
        for act in (
            lambda: crm.create_task(OTHER_BODIES["subject"], "secret-key"),
            lambda: crm.create_task(replace(DRAFT, deal_id="999999"), "k2"),
            lambda: crm.deal("999999"),
        ):
            with pytest.raises(ToolRejected) as caught:
                act()
            assert not [word for word in ("secret-key", "999999", "Price", "1001") if word in str(caught.value)]
