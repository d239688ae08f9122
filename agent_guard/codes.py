"""The closed words for why a call was decided or ended so, and the class of error each belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

__all__ = ["Code", "ErrorClass"]

ErrorClass = Literal[
    "validation", "authorisation", "limit", "approval", "tool", "integration", "timeout", "unknown_outcome", "internal"
]
"""The closed taxonomy of errors in the audit (requirement B14)."""


class Code(StrEnum):
    """Why a call was decided or ended so. Closed: metrics, tests and prompts key on it; names are only added."""

    ALLOWED = "allowed"
    APPROVAL_REQUIRED = "approval_required"
    SUGGESTED = "suggested"

    ARGUMENTS_MALFORMED = "arguments_malformed"
    ARGUMENTS_TOO_LARGE = "arguments_too_large"
    ARGUMENTS_INVALID = "arguments_invalid"
    ARGUMENT_UNKNOWN = "argument_unknown"
    ARGUMENT_NOT_PERMITTED = "argument_not_permitted"
    PSEUDONYM_UNKNOWN = "pseudonym_unknown"
    PSEUDONYM_NOT_PERMITTED = "pseudonym_not_permitted"
    REASON_MISSING = "reason_missing"

    KILLED = "killed"
    TOOL_UNKNOWN = "tool_unknown"
    TOOL_NOT_PERMITTED = "tool_not_permitted"
    OUT_OF_SCOPE = "out_of_scope"
    ERASED = "erased"
    ROLE = "role"
    HOUSE_RULE = "house_rule"
    RECORD_NOT_FOUND = "record_not_found"
    REGION = "region"
    BINDING = "binding"

    VALUE_ORIGIN = "value_origin"
    VALUE_INVENTED = "value_invented"
    VALUE_SECRET = "value_secret"  # noqa: S105 - a word for why, not a password
    PLAN_OUTSIDE = "plan_outside"
    PLAN_VALUES = "plan_values"
    PLAN_REFUSED = "plan_refused"
    STOP_WORD = "stop_word"
    DOMAIN = "domain"
    RENDER_FAILED = "render_failed"
    REQUIRES = "requires"
    NOT_AFTER = "not_after"

    DUPLICATE = "duplicate"
    IN_PROGRESS = "in_progress"
    LOOP = "loop"
    LIMIT_ACTIONS = "limit_actions"
    LIMIT_ATTEMPTS = "limit_attempts"
    LIMIT_STEPS = "limit_steps"
    LIMIT_RATE = "limit_rate"
    LIMIT_TOTAL = "limit_total"
    LIMIT_TOKENS = "limit_tokens"
    LIMIT_CONTACTS = "limit_contacts"

    APPROVAL_PENDING = "approval_pending"
    APPROVAL_UNKNOWN = "approval_unknown"
    APPROVAL_USED = "approval_used"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_CHANGED = "approval_changed"
    APPROVAL_UNSEEN = "approval_unseen"
    APPROVER_UNKNOWN = "approver_unknown"
    APPROVER_NOT_PERMITTED = "approver_not_permitted"
    ANSWER_UNREADABLE = "answer_unreadable"
    REJECTED = "rejected"
    REJECTED_TWICE = "rejected_twice"
    EDITED = "edited"
    CANCELLED = "cancelled"

    TOOL_REJECTED = "tool_rejected"
    TOOL_UNAVAILABLE = "tool_unavailable"
    TOOL_FAILED = "tool_failed"
    TIMEOUT = "timeout"
    RESULT_INVALID = "result_invalid"
    POST_CHECK_FAILED = "post_check_failed"
    NOT_EXECUTED = "not_executed"
    CALLER_GONE = "caller_gone"
    OUTCOME_UNKNOWN = "outcome_unknown"
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL = "internal"

    @property
    def stops(self) -> bool:
        """Whether the agent must stop and a human be called (law L9)."""
        return self in _STOPS

    @property
    def error_class(self) -> ErrorClass | None:
        """The class of the taxonomy, or None for a code that is no error."""
        return _CLASSES.get(self)


_STOPS = frozenset(
    {
        Code.KILLED, Code.LOOP, Code.LIMIT_ATTEMPTS, Code.LIMIT_STEPS, Code.LIMIT_TOKENS, Code.OUTCOME_UNKNOWN,
        Code.PLAN_REFUSED, Code.REJECTED_TWICE, Code.ERASED,
        Code.IN_PROGRESS,
        Code.STORE_UNAVAILABLE, Code.INTERNAL, Code.POST_CHECK_FAILED, Code.TIMEOUT, Code.RESULT_INVALID,
    }
)  # fmt: skip

_BY_CLASS: Mapping[ErrorClass, tuple[Code, ...]] = {
    "validation": (
        Code.ARGUMENTS_MALFORMED, Code.ARGUMENTS_TOO_LARGE, Code.ARGUMENTS_INVALID, Code.ARGUMENT_UNKNOWN,
        Code.ARGUMENT_NOT_PERMITTED, Code.PSEUDONYM_UNKNOWN, Code.PSEUDONYM_NOT_PERMITTED, Code.REASON_MISSING,
        Code.TOOL_UNKNOWN, Code.STOP_WORD, Code.DOMAIN, Code.NOT_AFTER, Code.PLAN_REFUSED,
    ),
    "authorisation": (
        Code.KILLED, Code.TOOL_NOT_PERMITTED, Code.OUT_OF_SCOPE, Code.ERASED, Code.ROLE, Code.HOUSE_RULE,
        Code.RECORD_NOT_FOUND, Code.REGION,
        Code.BINDING, Code.VALUE_ORIGIN, Code.VALUE_INVENTED, Code.VALUE_SECRET, Code.PLAN_OUTSIDE, Code.PLAN_VALUES,
        Code.REQUIRES,
    ),
    "limit": (
        Code.DUPLICATE, Code.LOOP, Code.LIMIT_ACTIONS, Code.LIMIT_ATTEMPTS, Code.LIMIT_STEPS, Code.LIMIT_RATE,
        Code.LIMIT_TOTAL, Code.LIMIT_TOKENS, Code.LIMIT_CONTACTS,
    ),
    "approval": (
        Code.APPROVAL_PENDING, Code.APPROVAL_UNKNOWN, Code.APPROVAL_USED, Code.APPROVAL_EXPIRED,
        Code.APPROVAL_CHANGED, Code.APPROVAL_UNSEEN,
        Code.APPROVER_UNKNOWN, Code.APPROVER_NOT_PERMITTED, Code.ANSWER_UNREADABLE,
        Code.REJECTED, Code.REJECTED_TWICE, Code.EDITED, Code.CANCELLED,
    ),
    "tool": (Code.RENDER_FAILED, Code.TOOL_REJECTED, Code.TOOL_FAILED, Code.RESULT_INVALID, Code.POST_CHECK_FAILED),
    "integration": (Code.TOOL_UNAVAILABLE, Code.NOT_EXECUTED),
    "timeout": (Code.TIMEOUT, Code.CALLER_GONE),
    "unknown_outcome": (Code.OUTCOME_UNKNOWN, Code.IN_PROGRESS),
    "internal": (Code.STORE_UNAVAILABLE, Code.INTERNAL),
}  # fmt: skip
_CLASSES: dict[Code, ErrorClass] = {code: name for name, codes in _BY_CLASS.items() for code in codes}
