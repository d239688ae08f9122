"""Whose thread a run is about: what the host says of the run, and the thread that its config names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent_guard.errors import UnknownThread
from agent_guard.gateway import Gateway
from agent_guard.graph.state import GuardContext
from agent_guard.guarded import GuardedThread

__all__ = ["context_of", "thread_of"]

NOTHING = GuardContext()


def context_of(given: Any) -> GuardContext:
    """What the host says of a run: the run's context, or the field ``guard`` of a context of the host's own."""
    if isinstance(given, GuardContext):
        return given
    inner = given.get("guard") if isinstance(given, Mapping) else getattr(given, "guard", None)
    return inner if isinstance(inner, GuardContext) else NOTHING


def thread_of(gateway: Gateway, config: Mapping[str, Any], context: GuardContext) -> GuardedThread:
    """The thread that a run's config names; opened where the host names its subject and it is not stored yet.

    Raises:
        UnknownThread: the run has no thread id, or nobody opened the thread.
        ConfigError: the thread belongs to another subject, tenant, customer or scenario.
        StoreError: the database cannot be used.
    """
    thread_id = (config.get("configurable") or {}).get("thread_id")
    if not thread_id:
        raise UnknownThread("the run has no thread_id; give it config={'configurable': {'thread_id': ...}}")
    if context.subject is None:
        return gateway.thread(str(thread_id))
    try:
        known = gateway.thread(str(thread_id))
    except UnknownThread:
        known = None
    asked = (context.subject.id, context.subject.tenant, context.party.id if context.party else None)
    if known is not None and asked == (known.subject.id, known.subject.tenant, known.row.party):
        return known
    return gateway.open(
        context.subject,
        thread_id=str(thread_id),
        scenario=context.scenario,
        party=context.party,
        scope=None if context.scope is None else set(context.scope),
    )
