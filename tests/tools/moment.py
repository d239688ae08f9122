"""The moment at which all tests of the tools take place: that of the CRM port's laws."""

from __future__ import annotations

from tools.crm.contract import NOW, fixed_clock

__all__ = ["NOW", "fixed_clock"]
