"""Where keys and secrets come from when nobody says."""

from __future__ import annotations

from pathlib import Path

from agent_guard.credentials.environment import EnvironmentCredentials
from agent_guard.credentials.file import FileCredentials
from agent_guard.credentials.memory import MemoryCredentials
from agent_guard.credentials.port import Credentials
from agent_guard.credentials.split import SplitCredentials

__all__ = ["default_credentials"]


def default_credentials(environment: str, database: Path | None) -> Credentials:
    """Variables; but in ``dev`` the master key is a file beside the database that is made on first use.

    Args:
        database: the guard's database, or None for one in memory, whose key lives as long as it does.
    """
    secrets = EnvironmentCredentials()
    if database is None:
        return SplitCredentials(key=MemoryCredentials(), secrets=secrets)
    if environment == "dev":
        return SplitCredentials(key=FileCredentials(f"{database}.key", create=True), secrets=secrets)
    return secrets
