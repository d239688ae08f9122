"""The guard's database and keys for commands that need no gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent_guard.credentials import Credentials, Keys, default_credentials
from agent_guard.errors import StoreError
from agent_guard.settings import Settings
from agent_guard.store import Store

__all__ = ["credentials_of", "keys_of", "store_of"]


@contextmanager
def store_of(settings: Settings, *, create: bool = False) -> Iterator[Store]:
    """The existing database of these settings; nothing is created unless ``create`` says so.

    Raises:
        StoreError: there is none, or it cannot be used.
    """
    store = Store(settings.database)
    try:
        if create and store.path is not None:
            store.path.parent.mkdir(parents=True, exist_ok=True)
        elif not create and store.found() is None:
            where = store.path or store.name
            raise StoreError(f"there is no database {where} yet; run 'agent-guard demo' or 'agent-guard run' first")
        store.open()
        yield store
    finally:
        store.close()


def keys_of(settings: Settings, store: Store) -> Keys:
    """The keys as the gateway of these settings would take them."""
    return Keys.of(credentials_of(settings, store), settings.environment)


def credentials_of(settings: Settings, store: Store) -> Credentials:
    """Where the gateway of these settings takes its keys from."""
    return settings.credentials() or default_credentials(settings.environment, store.key_file)
