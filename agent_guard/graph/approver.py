"""Who answers a question that reaches a graph: an authenticated person, never whoever happens to resume it (law L6)."""

from __future__ import annotations

from typing import Any

from agent_guard.approvals import Approval
from agent_guard.graph.interrupts import Unreadable
from agent_guard.proposal.answerer import ANONYMOUS
from agent_guard.types import Subject

__all__ = ["approver_of", "subject_of"]


def approver_of(approval: Approval, user: Any, named: Subject | None, *, anonymous: bool) -> Subject:
    """The server's user, else the one whom the host named, else nobody in particular where that is allowed.

    Args:
        user: the user that a LangGraph server authenticated, or None.
        named: the approver in the run's context, set by the host.

    Raises:
        Unreadable: nobody is known, or the server's user has no usable identity; the question is asked again.
    """
    if user is not None:
        try:
            return subject_of(user, tenant="-")
        except (TypeError, ValueError):
            raise Unreadable("the server's user has no usable identity, tenant and roles") from None
    if isinstance(named, Subject):
        return named
    if anonymous:
        return Subject(id=ANONYMOUS, tenant=approval.tenant, roles=approval.roles)
    raise Unreadable("nobody is known to answer: the host must pass the approver in the run's context")


def subject_of(user: Any, *, tenant: str) -> Subject:
    """The person whom a LangGraph server authenticated.

    Args:
        user: what the server's auth handler gave: ``identity``, and ``tenant``, ``roles`` and ``region`` as items.
        tenant: of a user that names none.

    Raises:
        TypeError, ValueError, AttributeError: the user has no usable identity, tenant or roles.
    """
    roles = _of(user, "roles") or ()
    return Subject(id=user.identity, tenant=_of(user, "tenant") or tenant, roles=roles, region=_of(user, "region"))


def _of(user: Any, name: str) -> Any:
    """A field that the server's auth handler put on its user, or None."""
    try:
        return user[name]
    except KeyError:
        return None
