"""One thing that ``policy check`` has to say, and the closed set of what it may be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import yaml

from agent_guard.errors import ConfigError
from agent_guard.text.yaml_lines import line_of, lines_of

__all__ = ["Finding", "Level", "Rule", "Source"]

Level = Literal["error", "warning"]
"""An ``error`` is a policy that does not do what it says; a ``warning`` is a choice that somebody should confirm."""


class Rule(StrEnum):
    """What a finding is about. Closed: names are only added."""

    TOOL_UNKNOWN = "tool_unknown"
    TOOL_WITHOUT_POLICY = "tool_without_policy"
    NAME_UNKNOWN = "name_unknown"
    ENTRIES_SWAPPED = "entries_swapped"

    NEVER_ALLOWS = "never_allows"
    NEVER_FIRES = "never_fires"
    VALUE_REFUSED = "value_refused"
    SAYS_NOTHING = "says_nothing"
    LIMIT_UNREACHABLE = "limit_unreachable"
    MODE_MISSING = "mode_missing"

    REQUIRES_UNKNOWN = "requires_unknown"
    REQUIRES_IMPOSSIBLE = "requires_impossible"
    REQUIRES_CYCLE = "requires_cycle"

    INVERTED = "inverted"
    SENSITIVE_OPEN = "sensitive_open"
    LOOKS_SENSITIVE = "looks_sensitive"
    NOBODY_TO_ASK = "nobody_to_ask"

    APPROVER_UNKNOWN = "approver_unknown"
    APPROVER_ALONE = "approver_alone"
    APPROVER_IS_REQUESTER = "approver_is_requester"
    APPROVAL_LASTS = "approval_lasts"
    ROLE_UNKNOWN = "role_unknown"
    ROLES_ALIKE = "roles_alike"

    RUNS_UNASKED = "runs_unasked"
    GOES_ANYWHERE = "goes_anywhere"
    UNBOUND = "unbound"
    NO_KEY = "no_key"
    REGION_WITHOUT_RECORD = "region_without_record"
    NO_STOP_WORDS = "no_stop_words"
    ARGS_OPEN = "args_open"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding.

    Args:
        where: the policy, the line where it was read from a file, and the path of the key, e.g.
            ``"policy.yaml:12: tools.crm.read_deal.limits"``.
        hint: what to do about it.
    """

    level: Level
    rule: Rule
    where: str
    message: str
    hint: str


Path_ = tuple[Hashable, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """The file of a policy, and the line of each of its keys."""

    file: str
    lines: Mapping[Path_, int] = field(repr=False)

    @classmethod
    def read(cls, path: str | Path) -> Source:
        """Reads the lines of a policy file that ``Policy.load`` has accepted.

        Raises:
            ConfigError: it cannot be read any more.
        """
        try:
            lines = lines_of(yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"policy {path}: cannot be read: {error}") from None
        return cls(file=str(path), lines=lines)

    def line(self, path: Path_) -> int:
        """The line of a key, or of the nearest one above it."""
        return line_of(self.lines, path)
