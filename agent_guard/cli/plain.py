"""Text of a model, a customer or a record for a terminal: it can draw, and do nothing else
(``agent_guard.text.drawn``), and nothing is ever read as rich's own markup.
"""

from __future__ import annotations

import json

from rich.text import Text

from agent_guard.text.drawn import draws, plain
from agent_guard.types import JSON

__all__ = ["draws", "plain", "shown", "words"]


def words(text: object, style: str = "", *, lines: bool = False) -> Text:
    """The text for rich: no markup, no control characters."""
    return Text(plain(text, lines=lines), style=style)


def shown(value: JSON) -> str:
    """A value of an argument or a field as a person reads it: a text as it is, anything else as JSON."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
