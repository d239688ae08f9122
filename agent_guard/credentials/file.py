"""Keys and secrets in files that only their owner may touch."""

from __future__ import annotations

import os
import secrets as random
import stat
from pathlib import Path
from typing import Any

import yaml

from agent_guard.credentials.key import HOW, decoded, encoded, new_key
from agent_guard.credentials.port import Place
from agent_guard.credentials.secret import Secret
from agent_guard.errors import ConfigError

__all__ = ["FileCredentials"]

MADE = "# made by agent_guard for development; other environments refuse it"
"""A line of a key file that nobody asked for."""


class FileCredentials:
    """Takes the master key from a file, 32 bytes in base64, and secrets from YAML.

    Args:
        path: of the key; refused when others than its owner may read it. Keys that were used before may follow on
            lines of their own; a line that begins with ``#`` is none.
        create: make the file with a new key where there is none; for development. Any other environment refuses a file
            that was made so.
        secrets: a file ``{environment: {agent: {name: value}}}``, or a folder with ``<environment>.yaml`` of
            ``{agent: {name: value}}``, so that one machine has the file of one environment only. Read at every lookup;
            refused when others than their owner have any right to the file or the folder.
    """

    def __init__(
        self, path: str | Path | None = None, *, create: bool = False, secrets: str | Path | None = None
    ) -> None:
        self._path = None if path is None else Path(path)
        self._create = create
        self._secrets = None if secrets is None else Path(secrets)

    def master_key(self, environment: str | None = None) -> bytes:
        """See :class:`agent_guard.credentials.Credentials`; the file is the one environment's that names it."""
        return self._keys(environment)[0]

    def former_keys(self, environment: str | None = None) -> tuple[bytes, ...]:
        """The keys on the lines after the master key's."""
        return self._keys(environment)[1:]

    def renew(self, environment: str | None = None) -> None:
        """Writes a new master key before the present one, which becomes a former one. The file is replaced whole: a
        crash leaves the one or the other.

        Raises:
            ConfigError: the file cannot be read or replaced, or another process is just doing it.
        """
        self._keys(environment)  # it is sound, and of this environment
        path = self._named().resolve()  # a link stays one
        draft = path.with_name(f"{path.name}.new")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(encoded(new_key()) + path.read_bytes())  # read now: the draft keeps all others out
                file.flush()
                os.fsync(handle)
                if os.name == "posix":
                    whose = path.stat()
                    os.fchown(handle, whose.st_uid, whose.st_gid)
            draft.replace(path)
            _flushed(path.parent)
        except FileExistsError:
            raise ConfigError(
                f"{draft} is there: another process is changing the key, or died of it; where none is, remove it"
            ) from None
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ConfigError(f"the key file {path} cannot be replaced: {error.strerror}") from None

    def _named(self) -> Path:
        if self._path is None:
            raise ConfigError("no key file is named; pass its path")
        return self._path

    def _keys(self, environment: str | None) -> tuple[bytes, ...]:
        path = self._named()
        if self._create:
            _make(path)
        try:
            if _open_to_others(path.stat().st_mode):
                raise ConfigError(f"the key file {path} can be read by others; run: chmod 600 {path}")
            held = [path.read_text(encoding="ascii")]
        except (OSError, UnicodeDecodeError):
            held = []
        if not held:
            raise ConfigError(f"the key file {path} cannot be read; {HOW} > {path}")
        if MADE in held[0] and environment not in (None, "dev"):
            held.clear()
            raise ConfigError(
                f"the key file {path} was made for development, and this is {environment}; {HOW} > a file of its own"
            )
        held = ["\n".join(line for line in held.pop().splitlines() if not line.startswith("#"))]
        return decoded(held.pop(), f"the key file {path}")  # popped: a tracer may show the variables of a frame

    def secret(self, name: str, *, environment: str, agent: str) -> Secret:
        """See :class:`agent_guard.credentials.Credentials`."""
        place = Place(environment=environment, agent=agent, name=name)
        if self._secrets is None:
            raise ConfigError(f"there is no {place}; no file of secrets is named")
        file, keys = self._secrets, [environment, agent, name]
        folder = _folder_mode(file)
        if folder is not None:
            _owners_alone(file, folder, "700")
            file, keys = file / f"{environment}.yaml", keys[1:]
        return place.filled(_found(_loaded(file), keys), f"write it into {file}")


def _folder_mode(path: Path) -> int | None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return None  # opening it tells why
    return mode if stat.S_ISDIR(mode) else None


def _found(data: Any, keys: list[str]) -> object:
    """What stands under the keys, one below the other; None where there is nothing."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _loaded(file: Path) -> object:
    """The data of a file; None where there is no file."""
    try:
        with file.open(encoding="utf-8") as opened:
            _owners_alone(file, os.fstat(opened.fileno()).st_mode, "600")
            return _parsed(file, [opened.read()])
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is no text"
    raise ConfigError(f"the file of secrets {file} cannot be read: {words}")


def _parsed(file: Path, texts: list[str]) -> object:
    """The data of a text; the parser's own words are dropped, because they quote the file."""
    try:
        return yaml.safe_load(texts.pop())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark else ""
    raise ConfigError(f"the file of secrets {file} is no YAML{where}")


def _owners_alone(path: Path, mode: int, rights: str) -> None:
    if _open_to_others(mode):
        raise ConfigError(f"{path} holds secrets and is open to others; run: chmod {rights} {path}")


def _open_to_others(mode: int) -> bool:
    return os.name == "posix" and bool(mode & 0o077)


def _flushed(folder: Path) -> None:
    """Has the names in a folder on disk: what is written under a new key must not outlive it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def _make(path: Path) -> None:
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{random.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(encoded(new_key()) + MADE.encode() + b"\n")
        os.link(draft, path)  # whole or not at all, and never over another key
    except FileExistsError:
        return  # another process was first
    except OSError as error:
        raise ConfigError(f"the key file {path} cannot be made: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
