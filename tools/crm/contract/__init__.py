"""The CRM port's laws as one abstract suite: a CRM is one when a subclass of :class:`CRMContract` passes.

For the tests of an adapter (it needs pytest, and nothing else of this project's tests)::

    class TestMyCrm(CRMContract):
        @pytest.fixture
        def open_store(self): ...
        @pytest.fixture
        def down(self): ...
        def edit_deal(self, crm): ...

Fill a test account of your CRM with ``ANCHORS`` and let its clock stand at ``NOW`` (:func:`fixed_clock`). In the file
``conftest.py`` call ``pytest.register_assert_rewrite("tools.crm.contract")``, so that a failure shows its values.

One file for each of the port's laws; ``under_test`` is what a subclass gives, ``given`` what is written and asked.
"""

from __future__ import annotations

from tools.crm.contract.at_once import AtOnce
from tools.crm.contract.drafts import Drafts
from tools.crm.contract.given import DEAL, DRAFT, NOW, Store, described, fixed_clock, open_tasks
from tools.crm.contract.once import Once
from tools.crm.contract.outcomes import Outcomes
from tools.crm.contract.records import Records
from tools.crm.contract.versions import Versions

__all__ = ["DEAL", "DRAFT", "NOW", "CRMContract", "Store", "described", "fixed_clock", "open_tasks"]


class CRMContract(Once, AtOnce, Outcomes, Drafts, Versions, Records):
    """Subclass it, say how to open the CRM, how a person edits a deal in it, and how it looks when it is down."""
