"""What is drawn from the code: the README's picture and pages of ``docs/reference``: ``python -m scripts.reference`` writes them anew.

They lie in the checkout, so that they can be read without building anything; a test holds them to the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.reference import audit, cli, codes, picture, policy, settings

__all__ = ["FOLDER", "PAGES", "write"]

FOLDER = Path(__file__).parents[2] / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "picture.svg": picture.picture,
    "reference/audit-event.md": audit.page,
    "reference/cli.md": cli.page,
    "reference/codes.md": codes.page,
    "reference/policy.md": policy.page,
    "reference/settings.md": settings.page,
}


def write(folder: Path = FOLDER) -> None:
    """Writes every page."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
