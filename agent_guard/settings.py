"""One configuration: ``guard.yaml``, and ``AGENT_GUARD_*`` variables that win over it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_guard.credentials import (
    Credentials,
    EnvironmentCredentials,
    FileCredentials,
    KeyringCredentials,
    SplitCredentials,
    key_variables,
)
from agent_guard.errors import ConfigError
from agent_guard.folder import FOLDER
from agent_guard.masking.masker import Masker, Profile
from agent_guard.masking.routing import LANGUAGES
from agent_guard.notifications.hooks import Hooks
from agent_guard.operations.scopes import DEFAULT_AGENT
from agent_guard.types import Speaker, Subject

__all__ = ["FOLDER", "NO_FILE", "Masking", "Person", "Settings", "load_settings"]

NO_FILE = "defaults"
"""``Settings.source`` where no file was read."""

_FILES = (Path("guard.yaml"), FOLDER / "guard.yaml")
_PREFIX = "AGENT_GUARD_"
_FROM_VARIABLES = (
    "database", "checkpoints", "systems", "environment", "agent", "app", "master_key_file", "secrets_file", "keyring",
    "identify",
)  # fmt: skip


class Person(BaseModel):
    """Who an operating-system user is to the guard.

    Args:
        speaker: whose words it brings to a server; ``party`` or ``outside`` for the technical identity of a channel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    tenant: Annotated[str, Field(min_length=1)]
    roles: frozenset[str]
    region: str | None = None
    speaker: Speaker = "user"

    def subject(self) -> Subject:
        """The person as a subject."""
        return Subject(id=self.id, tenant=self.tenant, roles=self.roles, region=self.region)


class Masking(BaseModel):
    """How personal data is found.

    Args:
        profile: ``full``, ``recall`` or ``patterns``, see :class:`agent_guard.masking.Masker`.
        languages: the languages whose parts are installed.
        spacy: an installed spaCy pipeline, for the profile ``recall``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: Profile = "full"
    languages: tuple[str, ...] = LANGUAGES
    spacy: str | None = None

    def masker(self) -> Masker:
        """The masker of these settings; its models load at the first text of their language.

        Raises:
            ConfigError: an unknown language, or a package or pipeline that is not installed.
        """
        return Masker(self.languages, self.profile, spacy=self.spacy)


class Settings(BaseModel):
    """What a process of the guard needs to know.

    Args:
        database, checkpoints, systems: urls of the guard's database, of LangGraph's checkpoints, and of the systems
            that the application's tools work on.
        environment: ``prod`` unless said otherwise.
        agent: the technical identity of this process's calls; ``agent-guard agents add`` makes one.
        app: ``module:attribute`` of the scenarios.
        people: operating-system user -> person, for answers on the command line.
        master_key_file: where the master key lies, if not in ``AGENT_GUARD_MASTER_KEY[_<ENVIRONMENT>]``.
        secrets_file: a file or folder of the agents' secrets, if they are not in ``AGENT_GUARD_SECRET_*`` variables.
        keyring: the master key and the secrets lie in the operating system's keyring, and nowhere else.
        masking: how personal data is found, by which profile and in which languages.
        hooks: who is told of questions that wait, and of what operators must hear.
        privacy_roles: roles of the people who may erase and hold a party's data, cut the record, and hand a party its
            own data; nobody may where none is named.
        identify: ``module:attribute`` of the function that makes the caller of a LangGraph server's request; in ``dev``
            callers name themselves by an entry of ``people`` where nothing is said.
        retention: kind of event, or ``*`` for every other, -> for how many days ``agent-guard audit retain`` keeps it.
        source: where these settings were read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str = f"sqlite:///{FOLDER}/guard.db"
    checkpoints: str = f"sqlite:///{FOLDER}/threads.db"
    systems: str = f"sqlite:///{FOLDER}/crm.db"
    environment: Literal["dev", "stage", "prod"] = "prod"
    agent: str = DEFAULT_AGENT
    app: str = "graphs:SCENARIOS"
    master_key_file: Path | None = None
    secrets_file: Path | None = None
    keyring: bool = False
    people: dict[str, Person] = Field(default_factory=dict)
    masking: Masking = Field(default_factory=Masking)
    hooks: Hooks = Field(default_factory=Hooks)
    privacy_roles: frozenset[str] = frozenset()
    identify: str | None = None
    retention: dict[str, int] = Field(default_factory=dict)
    source: str = NO_FILE

    def credentials(self) -> Credentials | None:
        """The credentials these settings name, or None for the gateway's own default.

        Raises:
            ConfigError: the settings name a keyring and files, or a file of secrets and no master key.
        """
        if self.keyring:
            if self.master_key_file or self.secrets_file:
                raise ConfigError(f"{self.source}: 'keyring' and files of keys or secrets exclude each other")
            return KeyringCredentials()
        variables = EnvironmentCredentials()
        key: Credentials | None = FileCredentials(self.master_key_file) if self.master_key_file else None
        if any(os.environ.get(name) for name in key_variables(self.environment)):
            key = variables
        if self.secrets_file is None:
            return key and SplitCredentials(key=key, secrets=variables)
        if key is None:
            raise ConfigError(f"{self.source}: with 'secrets_file' name the master key too, e.g. by 'master_key_file'")
        return SplitCredentials(key=key, secrets=FileCredentials(secrets=self.secrets_file))

    def hook_secrets(self) -> Credentials:
        """Where the secrets of the hooks lie: where the tools' do, by default in variables.

        Raises:
            ConfigError: as :meth:`credentials`.
        """
        return self.credentials() or EnvironmentCredentials()

    def person(self, user: str, *, pretend: str | None) -> Subject:
        """Who answers on the command line.

        Args:
            user: the operating system's user.
            pretend: an entry of ``people`` to act as; in ``dev`` only.

        Raises:
            ConfigError: nobody of this name, or pretending outside ``dev``.
        """
        if pretend is not None and self.environment != "dev":
            raise ConfigError(f"--as works in the environment dev only, and this is {self.environment}")
        name = pretend or user
        if name not in self.people:
            known = ", ".join(sorted(self.people)) or "nobody"
            hint = " or use --as" if self.environment == "dev" and self.people else ""
            raise ConfigError(
                f"{name!r} is nobody in {self.source} (there: {known}); add them under 'people' with id, tenant and "
                f"roles{hint}"
            )
        return self.people[name].subject()

    def privacy_officer(self, user: str, *, pretend: str | None, tenant: str | None = None) -> Subject:
        """Who works on a party's data on the command line.

        Args:
            user, pretend: as :meth:`person`.
            tenant: whose party; the person's own tenant where nothing is said.

        Raises:
            ConfigError: nobody of this name, without any of the roles, or of another tenant.
        """
        person = self.person(user, pretend=pretend)
        if self.privacy_roles.isdisjoint(person.roles):
            named = ", ".join(sorted(self.privacy_roles)) or "none; set 'privacy_roles'"
            raise ConfigError(
                f"{person.id!r} may not do this: it needs one of the 'privacy_roles' of {self.source}: {named}"
            )
        if tenant not in (None, person.tenant):
            raise ConfigError(f"{person.id!r} is of the tenant {person.tenant!r} and may not do this for {tenant!r}")
        return person


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the configuration: ``path``, else ``guard.yaml``, else ``.agent_guard/guard.yaml``, else the defaults; then
    ``AGENT_GUARD_DATABASE`` and the like on top.

    Raises:
        ConfigError: a file that cannot be read, an unknown key or a wrong value; names the file and the key.
    """
    environ = os.environ if environ is None else environ
    file = path or next((item for item in _FILES if item.is_file()), None)
    data: dict[str, object] = {}
    if file is not None:
        try:
            loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} cannot be read: {error}; check the path and its rights") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or "it cannot be read"
            raise ConfigError(f"{file}{where}: not YAML: {problem}") from None
        if not isinstance(loaded, dict):
            raise ConfigError(f"{file} is not a mapping of settings")
        data = {**loaded, "source": str(file)}
    for name in _FROM_VARIABLES:
        value = environ.get(_PREFIX + name.upper())
        if value:
            data[name] = value
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        words = "is no setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"{data.get('source', 'the environment')}: {where}: {words}") from None
