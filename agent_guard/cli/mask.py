"""``agent-guard mask``: a text or a record with pseudonyms for its values, and a score on labelled texts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from agent_guard.cli.output import ConfigOption, JsonOption, console, errors, line, settings_of
from agent_guard.cli.plain import words
from agent_guard.errors import ConfigError
from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.explain import in_record, in_text
from agent_guard.masking.masker import PROFILES
from agent_guard.masking.scoring import TYPES, Score, read_rows, score
from agent_guard.masking.tokens import defuse
from agent_guard.types import JSON

__all__ = ["app"]

INPUT_MAX = 2_000_000
"""Longest input, in characters."""

_PATH = re.compile(r"\S+\.(?:txt|md|csv|json|jsonl|ya?ml|log|eml|html?)", re.IGNORECASE)
"""What is meant as a file, whether or not it is there."""


class _TextFirst(TyperGroup):
    """Anything but the name of a command is what is to be masked."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["text", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_TextFirst,
    help="Masks a text or a record: agent-guard mask [TEXT | FILE | -]; or scores masking: agent-guard mask eval SET.",
)

ProfileOption = Annotated[str | None, typer.Option("--profile", help="full, recall or patterns; by default as set.")]
LanguagesOption = Annotated[str | None, typer.Option("--languages", help="en,ru,pl; by default as set.")]


@app.command("text")
def text_(
    given: Annotated[
        str, typer.Argument(metavar="[TEXT|FILE|-]", help="What is masked; - or nothing: what is piped in.")
    ] = "-",
    json_in: Annotated[bool, typer.Option("--json-in", help="It is JSON: masked by its fields' names.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="What was found where, and why.")] = False,
    values: Annotated[bool, typer.Option("--values", help="With --explain: the raw values too.")] = False,
    profile: ProfileOption = None,
    languages: LanguagesOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prints it with a pseudonym for each personal value. Nothing is stored, so nothing can be restored; the values
    themselves are printed with --values alone.
    """
    if values and not explain:
        raise ConfigError("--values belongs to --explain")
    raw = _read(given)
    masker, vault = _masker(config, profile, languages), MemoryVault()
    masked: JSON
    with _loading():
        if json_in:
            record = _parsed(raw)
            masked = masker.mask_record(record, {}, vault, "user")
            found = list(in_record(masker, record, masked)) if explain else []
        else:
            raw = defuse(raw)
            masked = masker.mask(raw, vault, "user")
            found = in_text(masker, raw) if explain else []
    if as_json:
        told = [item.as_json(values=values) for item in found]
        line({"masked": masked} | ({"found": told} if explain else {}))
        return
    typer.echo(json.dumps(masked, ensure_ascii=False, indent=1) if json_in else masked)
    for item in found:
        value = f" {item.value!r}" if values else ""
        errors.print(words(f"{item.where:12} {item.token:16}{value} {item.why}"), soft_wrap=True)


@app.command("eval")
def eval_(
    labelled: Annotated[Path, typer.Argument(metavar="SET", help="A labelled set (JSON Lines), or a folder of them.")],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="The first texts of each set alone.")] = None,
    profile: ProfileOption = None,
    languages: LanguagesOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Scores masking on labelled texts of your own: of each type the share that was found, the share of what was found
    that is right, and the share that is hidden, by whatever type. A set has lines of
    {"text", "entities": [{"start", "end", "type"}], "lang"}; nothing of it is printed.
    """
    files = sorted(labelled.glob("*.jsonl")) if labelled.is_dir() else [labelled]
    if not files:
        raise ConfigError(f"{labelled} holds no *.jsonl")
    sets = {file.stem: read_rows(file)[:limit] for file in files}
    masker = _masker(config, profile, languages)
    with _loading():
        masker.warm()

    def predict(text: str, language: str) -> list[tuple[int, int, str]]:
        known = language if language in masker.languages else None
        return [(span.start, span.end, span.type) for span in masker.spans(text, known)]

    if not as_json:
        console.print(f"{'set':28} {'type':9} {'n':>6} recall precision hidden")
    for name, rows in sets.items():
        scores, _ = score(rows, predict)
        for kind in TYPES:
            if kind in scores:
                _tell(name, kind, scores[kind], as_json)


def _tell(name: str, kind: str, found: Score, as_json: bool) -> None:
    if as_json:
        line({"set": name, "type": kind} | asdict(found))
        return
    figures = f"{found.recall:6.3f} {found.precision:9.3f} {found.hidden:6.3f}"
    console.print(words(f"{name:28} {kind:9} {found.gold:6} {figures}"), soft_wrap=True)


def _masker(config: Path | None, profile: str | None, languages: str | None) -> Masker:
    given: dict[str, Any] = {}
    if profile is not None:
        if profile not in PROFILES:
            raise ConfigError(f"unknown masking profile {profile!r}; use {', '.join(PROFILES)}")
        given["profile"] = profile
    if languages is not None:
        given["languages"] = tuple(item.strip() for item in languages.split(","))
    settings = settings_of(config).masking.model_copy(update=given)
    return settings.masker()


@contextmanager
def _loading() -> Iterator[None]:
    """A sign of life while models load: a second or two."""
    with errors.status("Loading the masking models ..."):
        yield


def _read(given: str) -> str:
    """The text itself, a file's, or what is piped in.

    Raises:
        ConfigError: a file or standard input that is no UTF-8 text, too much of it, or none.
    """
    try:
        if given == "-":
            if sys.stdin.isatty():
                raise ConfigError("give a text, a file, or pipe something in: agent-guard mask TEXT | FILE | -")
            text = sys.stdin.buffer.read(4 * INPUT_MAX + 1).decode("utf-8")
        else:
            if not _is_file(given) and _PATH.fullmatch(given):
                raise ConfigError(f"there is no file {given!r}; check the path, or pipe in what is no path")
            text = Path(given).read_text(encoding="utf-8") if _is_file(given) else given
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the input cannot be read: {type(error).__name__}; it must be UTF-8 text") from None
    if len(text) > INPUT_MAX:
        raise ConfigError(f"the input is longer than {INPUT_MAX} characters; mask it in parts")
    return text


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # too long for a name, or NUL in it
        return False


def _parsed(raw: str) -> JSON:
    try:
        parsed: JSON = json.loads(raw)
    except (ValueError, RecursionError) as error:
        where = f" near line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"the input is no JSON{where}") from None
    return parsed
