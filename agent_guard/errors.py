"""Errors: each is named by what its receiver can do next. A denial is a value, never one of these.

AgentGuardError
  ConfigError         refused while an object is built: bad policy, tool without a contract, missing key
  StoreError          a database is locked, read-only, unreachable or of another revision: nothing was decided
  ApprovalError       an answer was refused: unknown, expired, used, foreign or by the wrong person; the question stays
  PendingApproval     a message was sent to a thread that waits for an answer
  UnknownThread       no thread of this id is stored
  NewerRelease        a newer release paused this thread: a process of that release must go on with it; nothing was done
  UnknownCall         no call of this trace is stored
  ErasedThread        the data of this thread's customer was erased; a new conversation may be opened
  Held                a legal hold covers this customer: nothing was erased and nothing was cut
  CannotUndo          a call cannot be undone: nothing says how, or its record was changed since; nothing was proposed
  PlanError           a plan was refused: it is not of the format, or says what the user did not
  MaskingError        a text could not be analysed for personal data, or not in time: it must not be used
  TextTooLong         a text is longer, or holds more people, than a conversation takes at once
  SignatureError      a message was refused: unsigned, signed with another key, too old, or seen before
  ScanStopped         a call of a scan was refused; what was found is logged, and the scan can go on later
  DeliveryError       a notice or an alert did not reach its receiver; it may be sent again
  ToolError           raised by tools and adapters; never shown to the model in its own words
    ToolRejected      the system said no and changed nothing
    ToolUnavailable   the request provably never left: nothing happened
    OutcomeUnknown    the request left and no answer came: it may have happened
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AgentGuardError",
    "ApprovalError",
    "CannotUndo",
    "ConfigError",
    "DeliveryError",
    "ErasedThread",
    "Held",
    "MaskingError",
    "NewerRelease",
    "OutcomeUnknown",
    "PendingApproval",
    "PlanError",
    "ScanStopped",
    "SignatureError",
    "StoreError",
    "TextTooLong",
    "ToolError",
    "ToolRejected",
    "ToolUnavailable",
    "UnknownCall",
    "UnknownThread",
]


class AgentGuardError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(AgentGuardError):
    """Something given at construction is wrong; the message names the file, line or name, and what to do."""


class StoreError(AgentGuardError):
    """The guard's database cannot be used, so nothing is decided and nothing runs."""


class ApprovalError(AgentGuardError):
    """An answer to an approval was refused; ``code`` says why and the question is untouched."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class PendingApproval(AgentGuardError):
    """The thread waits for an answer and takes no new message until it has one."""


class UnknownThread(AgentGuardError):
    """No thread of this id is stored; open it first."""


class NewerRelease(AgentGuardError):
    """A newer release wrote what this process was asked to go on with. Nothing was done; its question stays."""


class UnknownCall(AgentGuardError):
    """No call of this trace is stored, or it is another tenant's; nothing was changed."""


class ErasedThread(AgentGuardError):
    """The data of this thread's customer was erased: it takes no message and runs nothing. Open another thread."""


class Held(AgentGuardError):
    """A legal hold covers this customer, so nothing was erased; the message names the hold and who placed it."""


class CannotUndo(AgentGuardError):
    """A call cannot be undone; the message says why, and holds no value. Nothing was proposed."""


class PlanError(AgentGuardError):
    """A plan that cannot be followed; nothing of it was kept.

    Args:
        problems: what is wrong with it, one sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the plan was refused: " + "; ".join(problems))
        self.problems = tuple(problems)


class MaskingError(AgentGuardError):
    """A text could not be analysed for personal data, or not in time. It must not be used; nothing is told of it."""


class TextTooLong(AgentGuardError):
    """A text is larger than a conversation takes at once; nothing of it was kept. Shorten it, or send it in parts."""


class SignatureError(AgentGuardError):
    """A signed message was refused, and nothing of it may be believed. The message repeats no key and no signature.

    Args:
        code: ``unsigned``, ``signature``, ``old``, ``future`` or ``replayed``.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ScanStopped(AgentGuardError):
    """A read or the message of a scan was refused. What was found is logged; the same scan goes on when run again."""


class DeliveryError(AgentGuardError):
    """A receiver did not take a notice or an alert. It may have arrived all the same, so it keeps its id.

    Args:
        code: a short word for the log, e.g. ``http_503`` or ``timeout``.
        soon: whether it may help to send it again within seconds.
    """

    def __init__(self, message: str, *, code: str, soon: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.soon = soon


class ToolError(AgentGuardError):
    """A tool or adapter failed. ``code`` is a short word for the audit; the message never reaches the model."""

    def __init__(self, message: str = "", *, code: str = "tool_error") -> None:
        super().__init__(message)
        self.code = code


class ToolRejected(ToolError):
    """The system answered no and changed nothing; the model may be told ``code``."""


class ToolUnavailable(ToolError):
    """The request provably never left, so nothing happened and the key is free again."""


class OutcomeUnknown(ToolError):
    """The request left and no readable answer came. The call stays *unknown* and is never repeated by itself."""
