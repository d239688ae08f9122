"""The question as clients of LangGraph show it, and every dialect in which they answer.

Out goes LangChain's ``HITLRequest`` with exactly one action, its arguments under ``args`` (LangChain, agent-chat-ui)
and ``arguments`` (Agent Inbox), and a block of our own. In comes any of the forms below; whatever cannot be read is
asked again, because a bad answer that is raised inside a node stays in the thread for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_guard.approvals import Answer, Approval
from agent_guard.types import JSON

__all__ = ["PAYLOAD_VERSION", "Parsed", "Unreadable", "parse", "payload"]

PAYLOAD_VERSION = 1
"""Of the block ``agent_guard`` in what goes out."""

_PASTED_MAX = 100_000
"""Longest text that is read as JSON, in characters; edited arguments may be 64 KiB."""
_INTERRUPT_ID = re.compile(r"[0-9a-f]{32}")
_APPROVAL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_WORDS: Mapping[str, Answer] = {
    "approve": "approve", "accept": "approve",
    "edit": "edit",
    "reject": "reject", "ignore": "reject",
    "respond": "respond", "response": "reject",
}  # fmt: skip
"""LangChain's words, then Agent Inbox's: what a person types there is the reason of a rejection."""


class Unreadable(Exception):
    """An answer that is none of the dialects; the text says what was expected."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """An answer that could be read.

    Args:
        approval_id: the question it names, or None.
        word: the answer, or None where it was recorded before and only its approval is named.
    """

    approval_id: str | None
    word: Answer | None
    args: Mapping[str, JSON] | None = None
    message: str | None = None


def payload(approval: Approval, *, allow_edit: bool, error: str | None) -> dict[str, JSON]:
    """The interrupt's value; pseudonyms only.

    Args:
        allow_edit: whether this door masks an answer before LangGraph stores it.
        error: what was wrong with the answer before, or None.
    """
    shown = approval.shown
    words = ["approve", "edit", "reject"] if allow_edit else ["approve", "reject"]
    description = shown.get("description", "")
    return {
        "action_requests": [
            {
                "name": approval.tool,
                "args": shown.get("args", {}),
                "arguments": shown.get("args", {}),
                "description": f"{description}\n\n_{error}_" if error else description,
            }
        ],
        "review_configs": [
            {"action_name": approval.tool, "allowed_decisions": words, "args_schema": shown.get("args_schema", {})}
        ],
        "agent_guard": {
            "v": PAYLOAD_VERSION,
            "approval_id": approval.id,
            "digest": approval.digest,
            "expires_at": approval.expires_at,
            "effect": shown.get("effect"),
            "requested_by": approval.requester,
            "diff": _changes(shown.get("diff") or {}),
            "provenance": shown.get("provenance", []),
            "text": shown.get("text", {}),
            "values": shown.get("values", []),
            "also": shown.get("also", []),
            "previous_error": error,
        },
    }


def _changes(diff: Mapping[str, Any]) -> list[dict[str, JSON]]:
    """``{field, before, after}`` for each field that would change."""
    before, after = diff.get("before") or {}, diff.get("after") or {}
    return [{"field": name, "before": before.get(name), "after": after.get(name)} for name in {**before, **after}]


def parse(value: Any, *, tool: str) -> Parsed:
    """Reads an answer in any dialect. JSON that was pasted as text is read as what it says.

    Args:
        tool: the tool that was asked about; an edit cannot change it.

    Raises:
        Unreadable: it is none of them.
    """
    value = _pasted(_unwrapped(_pasted(value)))
    named = _named(value)
    if isinstance(value, Mapping) and "decisions" in value:
        value = value["decisions"]
    if isinstance(value, (list, tuple)):
        if len(value) != 1:
            raise Unreadable(f"one question takes one decision, not {len(value)}")
        value = value[0]
    if not isinstance(value, Mapping):
        raise Unreadable("an answer is an object such as {'type': 'approve'}")
    approval_id = _one_of(named | _named(value))
    kind = value.get("type")
    if kind is None and approval_id is not None:
        return Parsed(approval_id=approval_id, word=None)
    if not isinstance(kind, str) or kind not in _WORDS:
        raise Unreadable(f"an answer's type is one of {', '.join(_WORDS)}")
    word = _WORDS[kind]
    args = _edited(value, tool) if word == "edit" else None
    return Parsed(approval_id=approval_id, word=word, args=args, message=_message(value))


def _pasted(value: Any) -> Any:
    """What a person pasted into a field of LangGraph Studio, where it came as text."""
    if not isinstance(value, str) or len(value) > _PASTED_MAX or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise Unreadable("the text is no JSON; an answer is an object such as {'type': 'approve'}") from None


def _unwrapped(value: Any) -> Any:
    """The answer under an interrupt's id, where a client sent it so."""
    if isinstance(value, Mapping) and len(value) == 1:
        key, inner = next(iter(value.items()))
        if isinstance(key, str) and _INTERRUPT_ID.fullmatch(key):
            return inner
    return value


def _named(value: Any) -> set[str]:
    """The questions that a part of an answer names.

    Raises:
        Unreadable: what stands there is no question's id; it must not be taken for an answer that names none.
    """
    if not isinstance(value, Mapping):
        return set()
    block = value.get("agent_guard") or value.get("agentGuard")
    parts = (value, block if isinstance(block, Mapping) else {})
    found = [part.get(key) for part in parts for key in ("approval_id", "approvalId")]
    if any(id_ is not None and not (isinstance(id_, str) and _APPROVAL_ID.fullmatch(id_)) for id_ in found):
        raise Unreadable("an approval_id is written as it stands in the question")
    return {id_ for id_ in found if id_ is not None}


def _one_of(named: set[str]) -> str | None:
    if len(named) > 1:
        raise Unreadable("an answer names one question, by one approval_id")
    return next(iter(named), None)


def _edited(value: Mapping[str, Any], tool: str) -> Mapping[str, JSON]:
    action = value.get("edited_action") or value.get("editedAction") or value.get("args")
    if not isinstance(action, Mapping):
        raise Unreadable("an edit carries 'edited_action' with 'name' and 'args'")
    name = action.get("name") or action.get("action")
    args = action.get("args")
    if not isinstance(args, Mapping):
        raise Unreadable("an edit carries the new arguments under 'args'")
    if name is not None and name != tool:
        raise Unreadable(f"an edit cannot change the tool; {tool} was asked about")
    return args


def _message(value: Mapping[str, Any]) -> str | None:
    for found in (value.get("message"), value.get("args")):
        if isinstance(found, str) and found:
            return found
    return None
