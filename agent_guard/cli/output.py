"""What all commands share: their options, and two ways to print, for people and as one JSON object a line."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from agent_guard.errors import ConfigError
from agent_guard.settings import NO_FILE, Settings, load_settings
from agent_guard.types import Subject

if TYPE_CHECKING:
    from agent_guard.app import Application
    from agent_guard.masking import Masker

__all__ = [
    "AppOption",
    "AsOption",
    "ConfigOption",
    "FailOn",
    "JsonOption",
    "console",
    "fail",
    "identity",
    "line",
    "opened",
    "privacy_officer",
    "settings_of",
]

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="guard.yaml; by default the one in this folder.")]
AppOption = Annotated[str | None, typer.Option("--app", help="module:attribute of the scenarios.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
AsOption = Annotated[str | None, typer.Option("--as", help="Act as this entry of 'people'; environment dev only.")]


class FailOn(StrEnum):
    """What ends a comparison of policies with exit code 1."""

    WIDER = "wider"


def settings_of(config: Path | None, app: str | None = None) -> Settings:
    """The settings of a command."""
    settings = load_settings(config)
    return settings.model_copy(update={"app": app}) if app else settings


def identity(settings: Settings, pretend: str | None) -> Subject:
    """Who types: the operating system's user as ``people`` maps it."""
    return settings.person(getpass.getuser(), pretend=pretend)


def privacy_officer(settings: Settings, pretend: str | None, tenant: str | None) -> Subject:
    """Who types, where that is a person who may work on a party's data."""
    return settings.privacy_officer(getpass.getuser(), pretend=pretend, tenant=tenant)


@contextmanager
def opened(settings: Settings, *, masker: Masker | None = None, quiet: bool = False) -> Iterator[Application]:
    """The application of these settings; the masking models are loaded with a sign of life."""
    from agent_guard.app import Application

    masker = masker or settings.masking.masker()
    if quiet:
        masker.warm()
    else:
        with errors.status("Loading the masking models ..."):
            masker.warm()
    try:
        application = Application(settings, masker=masker)
    except ConfigError as error:
        if settings.source != NO_FILE:
            raise
        raise ConfigError(
            f"{error}\n(No guard.yaml and no .agent_guard/guard.yaml in this folder: is it the right one? "
            f"The environment is {settings.environment}, by a variable or by default.)"
        ) from None
    try:
        yield application
    finally:
        application.close()


def line(data: Mapping[str, Any]) -> None:
    """Prints one JSON object on a line of its own; what draws nothing is written out, so that no terminal obeys it."""
    text = json.dumps(data, ensure_ascii=False, default=str)
    typer.echo("".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text))


def fail(error: Exception) -> None:
    """Prints an expected error on standard error."""
    typer.echo(f"agent-guard: {error}", err=True)
