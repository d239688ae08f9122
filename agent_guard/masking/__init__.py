"""Masking: personal data is found, named by pseudonyms, and given back where it may be.

`Masker` does the work, `MemoryVault` keeps pseudonyms in memory, `tripwire.leaks` is the last look before a model call.
Importing this package imports neither Presidio nor a model.
"""

from __future__ import annotations

from agent_guard.masking.masker import Masker
from agent_guard.masking.memory import MemoryVault

__all__ = ["Masker", "MemoryVault"]
