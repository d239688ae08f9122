"""Where the guard's own files lie unless the configuration says otherwise."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FOLDER"]

FOLDER = Path(".agent_guard")
"""Below the current folder."""
