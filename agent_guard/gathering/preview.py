"""What a human is shown before, and an auditor after: the record's fields, masked, and what changes in them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from agent_guard.credentials import Secrets
from agent_guard.gathering.arguments import TOKEN
from agent_guard.gathering.gather import Gathered
from agent_guard.masking import Masker
from agent_guard.runtime.run import within
from agent_guard.tool import RESERVED, Tool
from agent_guard.types import JSON, Description, Pseudonyms

__all__ = ["diff", "dry_run", "markdown", "snapshot"]


def snapshot(found: Description | None, masker: Masker, vault: Pseudonyms, source: str) -> dict[str, JSON] | None:
    """The fields of a record, masked by their classes; None where there is no record."""
    if found is None:
        return None
    numbers = [name for name, value in found.snapshot.items() if type(value) in (int, float)]
    classes = dict.fromkeys(numbers, "ID") | dict(found.fields)  # a number that nobody vouches for may be a telephone
    return dict(masker.mask_record(dict(found.snapshot), classes, vault, "trusted", source=source))


def diff(before: Mapping[str, JSON] | None, after: Mapping[str, JSON] | None) -> dict[str, JSON]:
    """``{"before", "after"}`` with the fields that differ alone; a record that is made or gone is shown whole."""
    if before is None or after is None:
        return {"before": before and dict(before), "after": after and dict(after)}
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "before": {name: before.get(name) for name in changed},
        "after": {name: after.get(name) for name in changed},
    }


def dry_run(gathered: Gathered, resources: Mapping[str, Any], secrets: Secrets) -> Description | None:
    """What the tool says the record would become, or None where it has no dry run or the dry run fails: the human
    then sees the arguments alone.
    """
    tool, model = gathered.tool, gathered.arguments.model
    if tool is None or tool.dry_run is None or model is None:
        return None
    reserved = {"idempotency_key": "dry-run", "subject": gathered.thread.subject, "secrets": secrets}
    reserved["rendered"] = gathered.rendered
    names = _parameters(tool)
    try:
        given = {name: reserved[name] if name in reserved else resources[name] for name in names}
        job = partial(tool.dry_run, model, **given)
        found = within(tool.timeout_s, job, f"dry run of {tool.name}")
    except Exception:  # a preview decides nothing; its failure is shown as a missing one
        return None
    finally:
        secrets.close()
    return found if isinstance(found, Description) else None


def _parameters(tool: Tool) -> list[str]:
    names = list(inspect.signature(tool.dry_run).parameters)[1:] if tool.dry_run else []
    return [name for name in names if name in RESERVED or name in tool.parameters]


def markdown(shown: Mapping[str, Any]) -> str:
    """The question as a person reads it, in any client that renders Markdown."""
    lines = [f"**{shown['tool']}** ({shown['effect']}) for {shown['requested_by']}", ""]
    if shown.get("reason"):
        lines += [f"Reason given: {_cell(shown['reason'])}", ""]
    for record in shown.get("records", []):
        name = f": {record['name']}" if record.get("name") else ""
        lines.append(f"- record {record['ref']}{name}")
    change = shown.get("diff") or {}
    after = change.get("after") or {}
    lines += _changes(change)
    rest = {name: value for name, value in shown["args"].items() if after.get(name) != value}
    if rest:
        lines += ["", "| argument | value |", "|---|---|"]
        lines += [f"| {path} | {_cell(value)} |" for path, value in _leaves(rest, "")]
    lines += _said(shown)
    lines += _doubts(shown)
    for other in shown.get("also", []):
        lines += ["", f"With it, as planned: **{other['tool']}** ({other['effect']})", ""]
        lines += ["| argument | value |", "|---|---|"]
        lines += [f"| {path} | {_cell(value)} |" for path, value in _leaves(other["args"], "")]
        lines += _changes(other.get("diff") or {})
        lines += _said(other)
        lines += _doubts(other)
    return "\n".join(lines)


def _changes(change: Mapping[str, Any]) -> list[str]:
    if not change:
        return []
    before, after = change.get("before") or {}, change.get("after") or {}
    rows = [f"| {name} | {_cell(before.get(name))} | {_cell(after.get(name))} |" for name in {**before, **after}]
    return ["", "| field | before | after |", "|---|---|---|", *rows]


def _said(shown: Mapping[str, Any]) -> list[str]:
    """The text that would leave, word for word but for its pseudonyms."""
    lines = []
    for where, text in (shown.get("text") or {}).items():
        part = where.partition(".")[2]
        lines += ["", f"Would send ({part}):" if part else "Would send:", ""]
        lines += [f"> {_cell(line)}" for line in text.splitlines() or [""]]
    return lines


_WHY = {
    "extract": "read out of text of outsiders",
    "late": "written after the plan",
    "undetermined": "one of several records",
}


def _doubts(shown: Mapping[str, Any]) -> list[str]:
    """Where the values come from that need a look, and what the plan left open."""
    lines = [
        f"- {item['argument']} = {_cell(item['value'])}: "
        f"{', '.join(item['origins'])} ({_cell(', '.join(item['sources']))})"
        for item in shown.get("values", [])
    ]
    lines += [f"- {item['argument']}: {_WHY.get(item['why'], item['why'])}" for item in shown.get("open", [])]
    return ["", *lines] if lines else []


_TAG = re.compile(rf"<(?!{TOKEN.pattern[1:]})")
"""What could begin a tag; a pseudonym begins none."""


def _leaves(value: JSON, path: str) -> Iterator[tuple[str, JSON]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else name)
    else:
        yield path, value


def _cell(value: JSON) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    plain = "".join(letter if letter.isprintable() else " " for letter in text)  # no marks that turn a line around
    marked = "".join(f"\\{letter}" if letter in "|[]!`*" else letter for letter in plain)
    return _TAG.sub("&lt;", marked)
