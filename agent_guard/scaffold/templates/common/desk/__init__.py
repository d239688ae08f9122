"""The application that ``guard.yaml`` names: ``agent-guard`` finds its scenarios in ``SCENARIOS``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

from agent_guard.errors import ConfigError
from agent_guard.scenario import Opening, Scenario, World
from agent_guard.types import Clock, Party, Ref

from desk.crm import Crm
from desk.data import ABOUT, FIELDS, NAME, RECORDS, SPEAKER
from desk.graph import build
from desk.people import USER
from desk.planner import planner
from desk.tools import TOOLS

__all__ = ["SCENARIOS"]

HERE = Path(__file__).parent


def world(url: str, clock: Clock) -> World:
    """Opens what the tools work on, and fills it where it is empty."""
    del clock  # this stand-in stamps nothing
    crm = Crm(url, FIELDS)
    crm.fill(RECORDS)
    return World(resources={"crm": crm}, records=crm, close=lambda: None)


def read(source: Path | BinaryIO, world: World) -> Opening:
    """Reads a recorded conversation: the first line names the record it is about, each other line is a message.

    Raises:
        ConfigError: it is not written so, or there is no such record.
    """
    crm: Crm = world.resources["crm"]
    argument, kind = ABOUT
    try:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source.read().decode("utf-8")
        header, *messages = [json.loads(line) for line in text.splitlines() if line.strip()]
        about, lines = str(header[argument]), [str(message["text"]) for message in messages]
    except (OSError, ValueError, LookupError, TypeError):
        words = f'{{"{argument}": "1"}} on the first line, then {{"text": "..."}} on each'
        raise ConfigError(f"the conversation cannot be read; write {words}") from None
    record = crm.describe(Ref(kind=kind, id=about))
    if record is None or record.party is None:
        raise ConfigError(f"there is no {kind} {about!r}; name one that there is in the first line")
    party = Party(id=record.party, refs={argument: about}, known=crm.known(record.party))
    return Opening(subject=USER, party=party, lines=lines, speaker=SPEAKER)


SCENARIOS = {
    NAME: Scenario(
        name=NAME,
        tools=TOOLS,
        policy=HERE / "policy.yaml",
        graph=build,
        planner=planner,
        world=world,
        read=read,
        samples=HERE / "samples",
    )
}
