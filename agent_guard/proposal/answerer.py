"""Who may answer for a company, and the words of such a person as they are stored: for questions, and for calls whose
outcome nobody knows (laws L4, L6).
"""

from __future__ import annotations

from collections.abc import Collection

from agent_guard.approvals import Approval
from agent_guard.core import Core
from agent_guard.errors import ApprovalError
from agent_guard.types import Code, Subject
from agent_guard.units import storable
from agent_guard.vault import ThreadVault

__all__ = ["ANONYMOUS", "MESSAGE_MAX", "elsewhere", "may_not", "person_of", "words_of"]

ANONYMOUS = "anonymous"
"""The id of nobody in particular, who may answer in ``dev`` where the host allows it."""

MESSAGE_MAX = 2000
"""Longest words a human may add to an answer, in characters."""


def person_of(core: Core, by: Subject) -> Subject | None:
    """Who answers, with the rights of this moment, or None where the directory knows nobody of this id. Asked before
    any transaction: a directory may be slow.

    Raises:
        ApprovalError: the directory does not answer.
    """
    if core.sources.directory is None:
        return by
    try:
        found = core.sources.directory.lookup(by.tenant, by.id)
    except Exception as error:  # a port may fail in any way; whatever it is, nobody may answer then
        words = f"the directory does not answer ({type(error).__name__}); give the answer again later"
        raise ApprovalError(words, code=Code.APPROVER_UNKNOWN) from None
    return found if found and (found.tenant, found.id) == (by.tenant, by.id) else None  # no other's rights


def elsewhere(core: Core, approval: Approval) -> ApprovalError | None:
    """Why nobody may answer a question here: it was asked in another environment, and who somebody is may be pretended
    in ``dev``. None where it was asked here, or by a release that did not keep where.
    """
    asked = approval.shown.get("environment", core.environment)
    if asked == core.environment:
        return None
    words = f"{approval.id} was asked in {asked}, and this is {core.environment}; answer it there"
    return ApprovalError(words, code=Code.APPROVER_NOT_PERMITTED)


def may_not(
    by: Subject, person: Subject | None, *, roles: Collection[str], requester: str | None
) -> ApprovalError | None:
    """Why this person may not answer, or None.

    Args:
        person: of :func:`person_of`.
        roles: one of them is needed.
        requester: who asked for the call, where the policy wants somebody else to answer.
    """
    if person is None or not set(person.roles) & set(roles):
        return ApprovalError(
            f"{by.id} may not answer this; it takes one of the roles {', '.join(roles)}",
            code=Code.APPROVER_NOT_PERMITTED,
        )
    if requester is not None and by.id == requester:
        return ApprovalError(
            f"{by.id} asked for this call, and the policy wants another person to answer",
            code=Code.APPROVER_NOT_PERMITTED,
        )
    return None


def words_of(core: Core, message: str, vault: ThreadVault, source: str) -> str:
    """A human's words as they are stored; cut after they are masked, so that no value is cut in half."""
    # what an approver warns of is not what the user asked for
    return core.masker.mask(storable(message[: 2 * MESSAGE_MAX]), vault, "untrusted", source=source)[:MESSAGE_MAX]
