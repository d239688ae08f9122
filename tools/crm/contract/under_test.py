"""What an adapter's tests say of the CRM that is checked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import pytest

from tools.crm.contract.given import Store
from tools.crm.port import CRM

__all__ = ["UnderTest"]


class UnderTest:
    """Three things that the laws need of a subclass, and the store that they work on."""

    @pytest.fixture
    @abstractmethod
    def open_store(self) -> Callable[[], Store]:
        """Opens the same store again each time, in any process; it holds the anchors and runs on ``fixed_clock``."""

    @pytest.fixture
    @abstractmethod
    def down(self) -> CRM:
        """A CRM that cannot be asked."""

    @abstractmethod
    def edit_deal(self, crm: Store) -> None:
        """A person moves deal 1001 to another stage."""

    @pytest.fixture
    def crm(self, open_store: Callable[[], Store]) -> Iterator[Store]:
        """The store, closed afterwards."""
        opened = open_store()
        yield opened
        opened.close()
