"""Every policy that this database was ever opened with, by its hash: a decision in the record names the policy by its
hash alone, and is reached again with that policy and no other.

What is kept is exactly what the hash is made of, so nobody can change a kept policy without its showing. It names the
stop-words by a digest of their lists; the lists themselves are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import Column, TypedColumns

from agent_guard.databases.locks import POLICIES as LOCK
from agent_guard.errors import ConfigError
from agent_guard.policy import Policy
from agent_guard.store import Store, metadata
from agent_guard.units import canonical

__all__ = ["POLICIES", "KnownPolicy", "Rulebook"]


class _Columns(TypedColumns):
    hash = Column(sa.String(71), primary_key=True)
    name = Column(sa.String(100), nullable=False)
    rules = Column(sa.LargeBinary, nullable=False)
    added = Column(sa.BigInteger, nullable=False)


POLICIES = sa.Table("policies", metadata, _Columns)


@dataclass(frozen=True, kw_only=True)
class KnownPolicy:
    """A policy that decided once, found by its hash.

    Args:
        policy: its rules, without the stop-words: what they found stands in the facts of each call.
        stop_words: the digest of its lists, or None where it has none.
    """

    hash: str
    policy: Policy
    stop_words: str | None


class Rulebook:
    """The policies by hash.

    Args:
        given: policies from elsewhere, such as files of releases that kept none.
    """

    def __init__(self, store: Store, given: Iterable[Policy] = ()) -> None:
        self._store = store
        self._found: dict[str, KnownPolicy | str] = {}
        for policy in given:
            self._found[policy.hash] = known(policy)

    def keep(self, policies: Iterable[Policy], *, now_ms: int) -> None:
        """Keeps the policies that are not there yet.

        Raises:
            StoreError: the database cannot be used; none was kept.
        """
        wanted = {policy.hash: policy for policy in policies}
        query = sa.select(POLICIES.c.hash).where(POLICIES.c.hash.in_(wanted))
        with self._store.read() as connection:
            there = set(connection.scalars(query))
        if there >= wanted.keys():
            return
        with self._store.write(locks=[LOCK]) as connection:
            there = set(connection.scalars(query))
            for name, policy in wanted.items():
                if name not in there:
                    row = {"hash": name, "name": policy.name, "rules": canonical(policy.rules), "added": now_ms}
                    connection.execute(POLICIES.insert().values(row))

    def find(self, hash: str) -> KnownPolicy | str:
        """The policy of this hash, or a sentence that says why there is none.

        Raises:
            StoreError: the database cannot be read.
        """
        if hash not in self._found:
            with self._store.read() as connection:
                rules = connection.execute(sa.select(POLICIES.c.rules).where(POLICIES.c.hash == hash)).scalar()
            self._found[hash] = _read(hash, rules)
        return self._found[hash]


def known(policy: Policy) -> KnownPolicy:
    """A policy that is at hand whole."""
    return KnownPolicy(hash=policy.hash, policy=policy, stop_words=policy.rules.get("stop_words"))


def _read(hash: str, rules: bytes | None) -> KnownPolicy | str:
    if rules is None:
        return f"the policy {hash} is not kept in this database; give its file with --policy"
    if f"sha256:{sha256(rules).hexdigest()}" != hash:
        return f"the policy kept as {hash} was changed; give its file with --policy"
    data = json.loads(rules)
    stop_words = data.pop("stop_words", None)
    try:
        policy = Policy.model_validate(data)
    except (ValidationError, ConfigError):
        return f"the policy {hash} was kept by another release, which has other rules"
    return KnownPolicy(hash=hash, policy=policy, stop_words=stop_words)
