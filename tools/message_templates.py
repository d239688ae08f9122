"""The messages that may be sent: YAML files, one a template, with their variables' types and a text for each language.

    id: follow_up
    channel: email
    variables: {name: name, day: day}           # name: a person's; day: a date, written as the language writes it
    texts:
      en: {subject: Our conversation, body: "Hello {name}, we will call you on {day}."}

A text is filled by replacing ``{name}`` and ``{day}`` and nothing else: no format language, no attribute, no code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent_guard.errors import ConfigError
from tools.grounding.language import Language

__all__ = ["Template", "Templates", "Variable"]

Variable = Literal["name", "day"]

_HOLE = re.compile(r"\{([^{}]*)\}")
_MONTHS: Mapping[Language, str] = {
    "en": "January February March April May June July August September October November December",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
}


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Closed):
    """One language's text."""

    subject: Annotated[str, Field(min_length=1, max_length=150, pattern=r"^[^\r\n]*$")]
    body: Annotated[str, Field(min_length=1, max_length=4000)]


class Template(_Closed):
    """One message that may be sent."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    channel: Literal["email"]
    variables: dict[Variable, Variable] = Field(default_factory=dict)
    texts: dict[Language, Text]

    @model_validator(mode="after")
    def _holes_are_variables(self) -> Template:
        for language, text in self.texts.items():
            found = set(_HOLE.findall(text.subject + text.body))
            if found != set(self.variables):
                raise ValueError(f"texts.{language} uses {sorted(found)}, and variables names {sorted(self.variables)}")
        return self

    def filled(self, language: Language, name: str | None, day: date | None) -> tuple[str, str]:
        """Subject and body. What is not given stays away; the caller has looked that nothing is missing.

        Raises:
            KeyError: there is no text in this language.
        """
        values = {"name": name or "", "day": written(day, language) if day else ""}
        text = self.texts[language]
        return tuple(_HOLE.sub(lambda hole: values[hole[1]], part) for part in (text.subject, text.body))  # type: ignore[return-value]


def written(day: date, language: Language) -> str:
    """A date as the language writes it: ``2 March 2026``."""
    return f"{day.day} {_MONTHS[language].split()[day.month - 1]} {day.year}"


class Templates(Mapping[str, Template]):
    """All templates, by id."""

    def __init__(self, templates: Mapping[str, Template]) -> None:
        self._templates = dict(templates)

    @classmethod
    def load(cls, folder: Path) -> Templates:
        """Reads ``folder/*.yaml``.

        Raises:
            ConfigError: no templates, or a file that is none; it names the file and what is wrong with it.
        """
        found: dict[str, Template] = {}
        for path in sorted(folder.glob("*.yaml")):
            try:
                template = Template.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
            except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
                raise ConfigError(f"{path} is no template: {error}") from None
            if template.id != path.stem:
                raise ConfigError(f"{path} holds the template {template.id!r}; a file is called as its template")
            found[template.id] = template
        if not found:
            raise ConfigError(f"{folder} has no templates; put them there as YAML files")
        return cls(found)

    def __getitem__(self, key: str) -> Template:
        return self._templates[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._templates)

    def __len__(self) -> int:
        return len(self._templates)
