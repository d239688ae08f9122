"""Walking over results: objects, paths and texts in plain JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent_guard.text.atoms import day_of, plain, time_of
from benchmarks.attack.planner.values import JSON

__all__ = ["alike", "at", "is_id", "nodes", "paths", "texts"]


def is_id(path: str) -> bool:
    """Whether a field or argument numbers a record."""
    return path.rsplit(".", 1)[-1].rsplit("_", 1)[-1] in ("id", "n")


def nodes(value: JSON) -> Iterator[Mapping[str, JSON]]:
    if isinstance(value, Mapping):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from nodes(item)


def at(value: JSON, path: Sequence[str]) -> Iterator[Mapping[str, JSON]]:
    """The objects at a path; lists are looked through."""
    if isinstance(value, list):
        for item in value:
            yield from at(item, path)
    elif isinstance(value, Mapping) and not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from at(value[path[0]], path[1:])


def paths(value: JSON, path: str, wanted: JSON) -> Iterator[str]:
    """Dotted paths, list places left out, at which something equal to the wanted value stands."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}"
            if alike(item, wanted):
                yield here
            yield from paths(item, here, wanted)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, path, wanted)


def alike(left: JSON, right: JSON) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or left in ([], ""):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return sorted(map(str, left)) == sorted(map(str, right))
    if isinstance(left, str) and isinstance(right, str):
        same_moment = day_of(left) is not None and day_of(left) == day_of(right) and time_of(left) == time_of(right)
        return same_moment or plain(left).split() == plain(right).split()
    return bool(left == right)


def texts(value: JSON) -> Iterator[str]:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
