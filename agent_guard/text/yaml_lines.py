"""Where in a YAML file a key stands: its line, for errors that name it, and its node, to change what stands there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import yaml

__all__ = ["Lines", "line_of", "lines_of", "node_of"]

Lines = dict[tuple[Hashable, ...], int]
"""Path of a key or an item -> its line, from 1."""


def lines_of(root: yaml.Node | None) -> Lines:
    """The line of every key and item.

    Raises:
        yaml.MarkedYAMLError: a key that is written twice, of which YAML would keep the last in silence, or that is not
            one word.
    """
    lines: Lines = {}
    _note(root, (), lines)
    return lines


def line_of(lines: Mapping[tuple[Hashable, ...], int], path: Sequence[Hashable]) -> int:
    """The line of a key, or of the nearest one above it."""
    known = tuple(path)
    while known and known not in lines:
        known = known[:-1]
    return lines.get(known, 1)


def node_of(root: yaml.Node | None, path: Sequence[Hashable]) -> yaml.Node | None:
    """The value of a key, or None where there is none. What an alias stands for is the node of its anchor."""
    node = root
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == part), None)
    return node


def _note(node: yaml.Node | None, path: tuple[Hashable, ...], lines: Lines) -> None:
    if node is None:
        return
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be one word", problem_mark=key.start_mark)
            here = (*path, key.value)
            if here in lines:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is written twice", problem_mark=key.start_mark)
            lines[here] = key.start_mark.line + 1
            _note(value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note(value, (*path, index), lines)
