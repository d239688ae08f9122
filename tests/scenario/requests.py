"""Running a recorded request of a member of staff through its scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_guard.app import Application
from agent_guard.session import Reply
from agent_guard.testing import ScriptedModel

ROOT = Path(__file__).parents[2]


def samples(scenario: str) -> list[Path]:
    """The shipped requests."""
    return sorted((ROOT / "graphs" / scenario / "samples").glob("*.jsonl"))


def walk(application: Application, scenario: str, sample: Path, model: ScriptedModel | None = None) -> Reply:
    """Says every line of a request; returns where the thread stands at the end."""
    opening = application.scenario(scenario).read(sample, application.worlds[scenario])
    session, reply = application.session(scenario, model=model), None
    for text in opening.lines:
        reply = (
            session.start(text, opening.subject, speaker=opening.speaker, scenario=scenario)
            if reply is None
            else session.send(reply.thread_id, text, speaker=opening.speaker, by=opening.subject)
        )
    assert reply is not None
    return reply


def posted(application: Application) -> list[str]:
    """Every notice to colleagues so far."""
    return list(application.worlds["forgotten_deal"].resources["channel"].texts())


def crm_rows(application: Application) -> dict[str, list[Any]]:
    """Everything in the CRM's own tables."""
    from tools.crm.tables import metadata

    with application.worlds["forgotten_deal"].resources["crm"].reading() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select())] for name, table in metadata.tables.items()
        }


def codes(session_messages: list[Any]) -> list[str]:
    """What each call was answered with."""
    import json

    return [json.loads(item.text)["code"] for item in session_messages if item.type == "tool"]
