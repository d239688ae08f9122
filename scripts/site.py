"""Check the built site: no page makes its reader's browser ask another host for anything.

python scripts/site.py site
"""

import re
import sys
from pathlib import Path

LOADS = re.compile(
    r"""<(?:script|img|iframe|source|audio|video)\b[^>]*\bsrc\s*=\s*["']?(?P<src>(?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["']?(?:stylesheet|preload|preconnect|icon))[^>]*\bhref\s*=\s*["']?(?P<href>(?:https?:)?//[^"'\s>]+)""",
    re.IGNORECASE,
)


# the theme draws what has this class with code that it asks another host for
DRAWN = re.compile(r"""<\w+\b[^>]*\bclass\s*=\s*["']?mermaid\b""", re.IGNORECASE)


def foreign(page: str) -> list[str]:
    """The addresses that a browser asks by itself when it shows this page, and what makes the theme's code ask."""
    found = [match["src"] or match["href"] for match in LOADS.finditer(page)]
    return [*found, *(match[0] for match in DRAWN.finditer(page))]


def main(folder: Path) -> None:
    pages = sorted(folder.rglob("*.html"))
    if len(pages) < 30:
        sys.exit(f"{folder}: {len(pages)} pages, which is not the whole site")
    found = [f"{page}: {address}" for page in pages for address in foreign(page.read_text(encoding="utf-8"))]
    if found:
        sys.exit("\n".join(["a page loads something of another host:", *found]))
    print(f"{folder}: {len(pages)} pages, nothing of another host")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
