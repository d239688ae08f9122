"""A notice as Block Kit, made with slack_sdk's own models, which know Slack's limits. Every text is plain text."""

from __future__ import annotations

from typing import Any

from tools.notify.port import Notice

__all__ = ["SECTION_MAX", "blocks"]

TITLE_MAX, SECTION_MAX = 150, 2900
"""Slack takes 150 characters in a header and 3000 in a section (its Block Kit reference)."""


def blocks(notice: Notice) -> list[dict[str, Any]]:
    """A header, the introduction, the lines in sections that are full, and the small print."""
    from slack_sdk.models.blocks import ContextBlock, HeaderBlock, PlainTextObject, SectionBlock

    def plain(text: str) -> PlainTextObject:
        return PlainTextObject(text=text, emoji=False)

    made = [HeaderBlock(text=plain(notice.title[:TITLE_MAX])), SectionBlock(text=plain(notice.intro[:SECTION_MAX]))]
    made += [SectionBlock(text=plain(text)) for text in _sections(notice)]
    made.append(ContextBlock(elements=[plain(notice.note[:SECTION_MAX])]))
    return [block.to_dict() for block in made]


def _sections(notice: Notice) -> list[str]:
    """The lines, as many in one section as it takes."""
    sections: list[str] = []
    for line in notice.lines:
        text = f"{line.about}: {line.says}"[:SECTION_MAX]
        if sections and len(sections[-1]) + 1 + len(text) <= SECTION_MAX:
            sections[-1] += f"\n{text}"
        else:
            sections.append(text)
    return sections
