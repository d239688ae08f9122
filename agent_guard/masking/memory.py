"""A vault that lives in this process only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent_guard.types import EntityType, Entry, Origin

__all__ = ["MemoryVault"]


class MemoryVault:
    """Keeps one thread's pseudonyms in memory, for tests, evaluation and notebooks; nothing is encrypted or stored.

    Not safe for several threads of execution at once.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._counts: dict[EntityType, int] = {}
        self.sources: dict[str, list[str]] = {}
        self._sightings: dict[str, list[tuple[Origin, str]]] = {}

    def entries(self) -> Sequence[Entry]:
        """Every entry, the oldest first."""
        return tuple(self._entries.values())

    def find(self, token: str) -> Entry | None:
        """The entry of ``token`` (with its angle brackets), or None."""
        return self._entries.get(token)

    def mint(self, type: EntityType, value: str, origin: Origin, source: str = "") -> Entry:
        """Makes the next pseudonym of its type."""
        count = self._counts.get(type, 0) + 1
        self._counts[type] = count
        entry = Entry(token=f"<{type}_{count}>", type=type, value=value, origins=(origin,))
        self._entries[entry.token] = entry
        self.sources[entry.token] = [source]
        self._sightings[entry.token] = [(origin, source)]
        return entry

    def sightings(self, token: str) -> Sequence[tuple[Origin, str]]:
        """Origin and source of each time the value was seen."""
        return tuple(self._sightings.get(token, ()))

    def saw(self, token: str, origin: Origin, source: str = "") -> None:
        """Notes one more sight of a value.

        Raises:
            KeyError: no such pseudonym was minted here.
        """
        entry = self._entries[token]
        if origin not in entry.origins:
            self._entries[token] = replace(entry, origins=(*entry.origins, origin))
        self.sources[token].append(source)
        self._sightings[token].append((origin, source))
