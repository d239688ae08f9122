"""A policy's text with other modes in it and nothing else changed: comments, order and layout stay as they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from agent_guard.errors import ConfigError
from agent_guard.policies.house import ENVIRONMENTS
from agent_guard.policy import Policy
from agent_guard.text.yaml_lines import node_of
from agent_guard.types import Mode

__all__ = ["Cell", "patched", "write_whole"]

Cell = tuple[str, str]
"""A tool and an environment."""


def patched(text: str, modes: Mapping[Cell, Mode], *, source: str, folder: Path | None = None) -> str:
    """The text of a policy that gives these tools these modes in these environments.

    Args:
        text: of a policy that can be read.
        source: its file, for errors.
        folder: where its files of stop-words lie, as :meth:`Policy.parse` takes it.

    Raises:
        ConfigError: the policy cannot be read, gives a tool no mode in the environment, or says its mode in a way that
            also says something else, such as an anchor; then it must be changed by hand.
    """
    policy = Policy.parse(text, source=source, folder=folder)
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    wanted = policy.model_dump(mode="json", by_alias=True)
    edits: list[tuple[int, int, str]] = []
    for name in dict.fromkeys(tool for tool, _ in modes):
        changes = {place: mode for (tool, place), mode in modes.items() if tool == name}
        rule = policy.tools.get(name)
        missing = [place for place in changes if rule is None or rule.mode_in(place) is None]
        if rule is None or missing:
            raise ConfigError(f"policy {source}: gives {name} no mode in {missing[0]}, so there is none to change")
        edits += _edits(tree, name, changes)
        known: dict[str, Mode | None] = {place: rule.mode_in(place) for place in ENVIRONMENTS}
        known.update(changes)
        wanted["tools"][name]["mode"] = {place: mode for place, mode in known.items() if mode is not None}
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    try:
        made = Policy.parse(text, source=source, folder=folder).model_dump(mode="json", by_alias=True)
    except ConfigError:
        made = {}
    for rules in (made, wanted):
        for rule_data in rules.get("tools", {}).values():
            rule_data["mode"] = _short(rule_data["mode"])
    if made != wanted:
        names = ", ".join(sorted({tool for tool, _ in modes}))
        raise ConfigError(
            f"policy {source}: the mode of {names} cannot be changed alone (it has an anchor or is an alias, or the "
            "entry lacks what the new mode needs); change it by hand"
        )
    return text


def _edits(tree: yaml.Node | None, tool: str, changes: Mapping[str, Mode]) -> Iterable[tuple[int, int, str]]:
    """Which characters become which words."""
    node = node_of(tree, ("tools", tool, "mode"))
    if isinstance(node, yaml.MappingNode):
        for place, mode in changes.items():
            value = node_of(node, (place,))
            if value is not None:
                yield value.start_mark.index, value.end_mark.index, mode
    elif isinstance(node, yaml.ScalarNode):
        every: dict[str, str] = {place: changes.get(place, node.value) for place in ENVIRONMENTS}
        same = len(set(every.values())) == 1
        listed = ", ".join(f"{place}: {mode}" for place, mode in every.items())
        yield node.start_mark.index, node.end_mark.index, every[ENVIRONMENTS[0]] if same else f"{{{listed}}}"


def _short(mode: object) -> object:
    """A mode that is the same everywhere as one word, however it is written."""
    if isinstance(mode, Mapping) and set(mode) == set(ENVIRONMENTS) and len(set(mode.values())) == 1:
        return next(iter(mode.values()))
    return dict(mode) if isinstance(mode, Mapping) else mode


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that whoever looks finds the old one or the new one, and never a half of it.

    Raises:
        ConfigError: it cannot be written; nothing was changed.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
