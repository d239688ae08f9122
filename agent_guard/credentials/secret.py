"""A value that must not be seen by accident: not in a text, a log, a JSON document, a pickle or a comparison's time."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

__all__ = ["Secret"]


class Secret:
    """One secret. ``reveal()`` is the only way to its value; call it where the value leaves, and keep it nowhere.

    Args:
        name: may be shown.
        value: never shown; not empty.

    Raises:
        ValueError: the value is empty; the message holds the name.
    """

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        if not value:
            raise ValueError(f"the secret {name} is empty")
        self.name: Final = name
        self._value: Final = value

    def reveal(self) -> str:
        """The value, raw."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        """Equal to a secret of the same value, in a time that does not tell where they differ; to nothing else."""
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (item.reveal().encode("utf-8", "surrogatepass") for item in (self, other))
        return hmac.compare_digest(mine, theirs)

    __hash__ = None  # type: ignore[assignment]  # a table of hashes would compare in a time that tells

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{self!r} is neither copied nor pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{self!r} is neither copied nor pickled")
