"""Where keys and secrets come from when nobody says."""

from __future__ import annotations

from pathlib import Path

from agent_guard.credentials.environment import EnvironmentCredentials
from agent_guard.credentials.file import FileCredentials
from agent_guard.credentials.memory import MemoryCredentials
from agent_guard.credentials.port import Credentials
from agent_guard.credentials.split import SplitCredentials
from agent_guard.folder import FOLDER

__all__ = ["default_credentials"]


def default_credentials(environment: str, key_file: Path | None) -> Credentials:
    """Variables; but in ``dev`` the master key is a file that is made on first use: beside a database that is a file,
    in ``.agent_guard/`` for one on a server.

    Args:
        key_file: of the guard's database, or None for one in memory, whose key lives as long as it does.
    """
    secrets = EnvironmentCredentials()
    if key_file is None:
        return SplitCredentials(key=MemoryCredentials(), secrets=secrets)
    if environment == "dev":
        if key_file.parent == FOLDER:
            FOLDER.mkdir(exist_ok=True)  # a database's own folder is not made in silence; this one is the guard's
        return SplitCredentials(key=FileCredentials(key_file, create=True), secrets=secrets)
    return secrets
