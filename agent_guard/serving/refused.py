"""A request that is not let through, and what the client is told."""

from __future__ import annotations

from agent_guard.errors import (
    AgentGuardError,
    ApprovalError,
    ConfigError,
    ErasedThread,
    NewerRelease,
    PendingApproval,
    StoreError,
    TextTooLong,
    UnknownThread,
)
from agent_guard.types import Code

__all__ = ["Refused", "refused"]


class Refused(Exception):
    """The answer to a request that goes no further.

    Args:
        status: of HTTP.
        code: a word for programs.
        detail: what was wrong and what to do, for people; holds no value of the request.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


_STATUS: tuple[tuple[type[AgentGuardError], int, str], ...] = (
    (UnknownThread, 404, "thread_unknown"),
    (PendingApproval, 409, "approval_pending"),
    (NewerRelease, 409, "newer_release"),
    (ErasedThread, 410, "erased"),
    (TextTooLong, 413, "text_too_long"),
    (StoreError, 503, "store_unavailable"),
    (ConfigError, 422, "refused"),
)

_ANSWERS = {
    Code.APPROVAL_UNKNOWN: 404,
    Code.APPROVAL_USED: 409,
    Code.APPROVAL_EXPIRED: 409,
    Code.ANSWER_UNREADABLE: 422,
}


def refused(error: Exception) -> Refused:
    """An error as a client is told of it; one whose words may name values, or what only operators know, says less."""
    if isinstance(error, ApprovalError):
        status = _ANSWERS.get(Code(error.code), 403) if error.code in list(Code) else 403
        return Refused(status, error.code, str(error))
    for kind, status, code in _STATUS:
        if isinstance(error, StoreError) and kind is StoreError:
            return Refused(status, code, "the guard's database cannot be used, so nothing was done; try again later")
        if isinstance(error, kind):
            return Refused(status, code, str(error))
    return Refused(500, "internal", "the guard failed, and nothing was done")
