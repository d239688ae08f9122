"""HTML for notebooks: small tables without a script, a style sheet or a link.

Every word of a call, a record or a model is hostile text: it is escaped, and what draws nothing is written out. The
page's own colours are kept, so that it reads on dark and on light.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from agent_guard.text.drawn import cut, plain

__all__ = ["badge", "block", "decision", "fields", "grey", "line", "table", "value"]

MOST = 2000
"""How many characters of one value are shown."""

_COLOURS = {
    "allow": "#2e7d32", "executed": "#2e7d32", "finished": "#2e7d32", "answered": "#2e7d32",
    "require_approval": "#b26a00", "pending": "#b26a00", "asked": "#b26a00", "edited": "#b26a00", "expired": "#b26a00",
    "suggest": "#00838f", "suggested": "#00838f", "duplicate": "#00838f",
    "deny": "#c62828", "denied": "#c62828", "failed": "#c62828", "unknown": "#c62828", "refused": "#c62828",
    "kept": "#2e7d32", "broken": "#c62828",
}  # fmt: skip
_GREY = "#757575"


def value(given: Any, *, most: int = MOST) -> str:
    """A value, escaped: a text as it is, anything else as JSON."""
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=str)
    return escape(cut(plain(text), most))


def badge(word: str) -> str:
    """One word of an outcome in its colour."""
    return f'<b style="color:{_COLOURS.get(word, _GREY)}">{value(word)}</b>'


def line(*parts: str) -> str:
    """Parts that are HTML already, on a line."""
    return f"<div>{' '.join(part for part in parts if part)}</div>"


def grey(text: Any) -> str:
    """A value that matters less."""
    return f'<span style="color:{_GREY}">{value(text)}</span>'


def block(*lines: str, word: str = "") -> str:
    """Lines that are HTML already, with the colour of an outcome beside them."""
    colour = _COLOURS.get(word, _GREY)
    return f'<div style="border-left:3px solid {colour};padding-left:.7em;margin:.3em 0">{"".join(lines)}</div>'


def table(rows: Iterable[Iterable[str]]) -> str:
    """Rows of cells that are HTML already."""
    cell = '<td style="text-align:left;vertical-align:top;padding:.1em .8em .1em 0">{}</td>'
    made = "".join(f"<tr>{''.join(cell.format(item) for item in row)}</tr>" for row in rows)
    return f'<table style="border-collapse:collapse;font-size:90%">{made}</table>'


def fields(known: Mapping[str, Any]) -> str:
    """Names and values, one a line; what there is none of is left out."""
    return table((grey(name), value(item)) for name, item in known.items() if item not in (None, "", [], {}))


def decision(known: Mapping[str, Any]) -> str:
    """A decision as the audit holds it: what, why, by which policy, and which guards were asked."""
    outcome, code = str(known.get("outcome")), known.get("code")
    lines = known.get("guards")
    asked = [item for item in lines if isinstance(item, Mapping)] if isinstance(lines, (list, tuple)) else []
    guards = " ".join(
        grey(item.get("guard"))
        if item.get("outcome") == "allow"
        else f"{value(item.get('guard'))}: {badge(str(item.get('outcome')))} ({value(item.get('code'))})"
        for item in asked
    )
    policy, digest = str(known.get("policy") or ""), str(known.get("policy_hash") or "")
    return block(
        line(badge(outcome), value(code)),
        line(value(known.get("for_human") or "")),
        line(grey("guards"), guards) if asked else "",
        line(grey(f"{policy} {cut(digest, 20)}".strip())),
        word=outcome,
    )
