"""``agent-guard route``: where a request would go, and by which rule. Nothing is opened, asked or recorded."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from agent_guard.cli.output import AppOption, ConfigOption, JsonOption, console, line, settings_of
from agent_guard.scenario import load_app

__all__ = ["route"]

_COLOURS = {"scenario": "green", "clarify": "yellow", "human": "yellow", "refuse": "red"}


def route(
    text: Annotated[str, typer.Argument(help="The request, as somebody would write it.")],
    asked: Annotated[bool, typer.Option("--asked", help="A clarifying question was asked before.")] = False,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows the corridor of a request: scenario, rule and scope, or the question, or why a person is needed."""
    from agent_guard.front_desk import router_of
    from agent_guard.routed import route_json

    router = router_of(load_app(settings_of(config, app).app))
    found = router.route(text, asked=asked)
    words = router.words(found)
    if as_json:
        line({**route_json(found), "words": words})
        return
    colour = _COLOURS[found.outcome]
    console.print(f"[{colour}]{found.outcome}[/] {found.scenario or ''}".rstrip())
    console.print(f"rule        {escape(found.rule)}")
    console.print(f"confidence  {found.confidence}, language {found.language}")
    if found.scenario:
        console.print(f"scope       {', '.join(sorted(found.scope)) if found.scope else 'the whole policy'}")
        console.print(f"customer    {'needed, authenticated by the host' if found.needs_party else 'not needed'}")
    if words:
        console.print(f"says        {escape(words)}")
