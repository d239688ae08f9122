"""Several systems of record as one: the kind of a record says which system describes it."""

from __future__ import annotations

from collections.abc import Mapping

from agent_guard.types import Description, Records, Ref

__all__ = ["RecordsByKind"]


class RecordsByKind:
    """Asks the system that has a kind of record, and the first one for all other kinds.

    Args:
        otherwise: describes every kind that is not named.
        systems: kind -> the system that has it.
    """

    def __init__(self, otherwise: Records, systems: Mapping[str, Records]) -> None:
        self._otherwise = otherwise
        self._systems = dict(systems)

    def describe(self, ref: Ref) -> Description | None:
        """Describes a record, or None where its system has none.

        Raises:
            ToolUnavailable: that system cannot be asked.
        """
        return self._systems.get(ref.kind, self._otherwise).describe(ref)


_port: type[Records] = RecordsByKind
"""Checked by the type checker: it is one."""
