"""The report as Markdown and as one HTML file with charts: inline SVG, no script, nothing fetched from anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType

from agent_guard.types import JSON
from graphs.account_health.cards import cards_of_calls
from graphs.account_health.words import COLOURS, MEASURES, SAID, TRENDS, fact
from graphs.sdr_qualification.phrases import Language
from tools.health import Scorecard

__all__ = ["html", "html_of_calls", "markdown", "markdown_of_calls"]

_FILL: Mapping[str, str] = MappingProxyType(
    {"green": "#2e7d32", "yellow": "#b26a00", "red": "#c62828", "unknown": "#616161"}
)
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd}"
    "h2{margin-top:2rem}"
)
_WIDE = 200


def markdown(language: Language, found: Sequence[Scorecard]) -> str:
    """The report; a table for each account, the worst account first."""
    said = SAID[language]
    parts = [f"# {said['title']}"]
    head = said["columns"].split("|")
    for card in found:
        parts += [f"## {_one_line(card.account.name)} (account:{card.account.id})", _sentence(language, card)]
        rows = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(_row(language, card))]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def html(language: Language, found: Sequence[Scorecard]) -> str:
    """The same as one HTML file: a bar of the score for each account, and one for each measure."""
    said, head = SAID[language], SAID[language]["columns"].split("|")
    body = [f"<h1>{escape(said['title'])}</h1>"]
    for card in found:
        body.append(f"<h2>{escape(card.account.name)} <small>account:{escape(card.account.id)}</small></h2>")
        body.append(f"<p>{_bar(card.score, card.colour)} {escape(_sentence(language, card))}</p>")
        rows = [
            f"<tr><td>{escape(MEASURES[language][item.name][0])}</td>"
            f"<td>{_bar(item.score, _shade(item.score))}</td>"
            f"<td>{escape(fact(language, item))}</td><td>{escape(item.ref)}</td></tr>"
            for item in card.measures
        ]
        titles = "".join(f"<th>{escape(title)}</th>" for title in head)
        body.append(f"<table><tr>{titles}</tr>{''.join(rows)}</table>")
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{escape(said["title"])}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def markdown_of_calls(calls: Sequence[Mapping[str, JSON]]) -> str:
    """The report on everything that a thread has read; empty where it has read nothing."""
    found = cards_of_calls(calls)
    return markdown("en", found) if found else ""


def html_of_calls(calls: Sequence[Mapping[str, JSON]]) -> str:
    """As :func:`markdown_of_calls`."""
    found = cards_of_calls(calls)
    return html("en", found) if found else ""


def _one_line(name: str) -> str:
    """A name as it can stand in a heading, whatever somebody wrote into it."""
    return " ".join(re.sub(r"[|#*`\[\]]", " ", name).split())


def _sentence(language: Language, card: Scorecard) -> str:
    form = SAID[language]["no_score" if card.colour == "unknown" else "score"]
    return form.format(
        score=card.score,
        colour=COLOURS[language][card.colour],
        trend=TRENDS[language][card.trend],
        known=card.known,
        all=len(card.measures),
        share=round(100 * card.coverage),
    )


def _row(language: Language, card: Scorecard) -> list[str]:
    names, missing = MEASURES[language], SAID[language]["missing"]
    rows = []
    for item in card.measures:
        score = missing if item.score is None else str(item.score)
        rows.append(f"| {names[item.name][0]} | {score} | {fact(language, item)} | {item.ref} |")
    return rows


def _shade(score: int | None) -> str:
    return "unknown" if score is None else "red" if score < 40 else "yellow" if score < 70 else "green"


def _bar(score: int | None, colour: str) -> str:
    """A bar of a score, 0 to 100; what is missing is an empty bar with a dashed border, never a full one."""
    label = "?" if score is None else str(score)
    dash = ' stroke-dasharray="4 3"' if score is None else ""
    filled = f'<rect width="{score * _WIDE // 100}" height="14" fill="{_FILL[colour]}"/>' if score else ""
    return (
        f'<svg role="img" aria-label="{label}" width="{_WIDE + 40}" height="16">{filled}'
        f'<rect x=".5" y=".5" width="{_WIDE - 1}" height="13" fill="none" stroke="#999"{dash}/>'
        f'<text x="{_WIDE + 6}" y="12" font-size="12">{label}</text></svg>'
    )
