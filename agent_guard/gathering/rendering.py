"""What a call would say: a tool's ``render`` is asked for the text that would leave before the call is decided.

The text is looked at as free text of an argument is, a person is shown it, an approval is bound to it, and the tool is
given the very text that was looked at. All of it is judged, the template's own words too: what a template says itself
and what it takes out of a record cannot be told apart afterwards.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

from agent_guard.credentials import Keys, Secrets
from agent_guard.errors import ToolError
from agent_guard.facts import RENDERED, Problem
from agent_guard.gathering.arguments import tokens
from agent_guard.gathering.gather import Gathered, unspeakable
from agent_guard.masking import Masker
from agent_guard.runtime.run import within
from agent_guard.tool import Tool, parameters_of
from agent_guard.types import Code, Pseudonyms
from agent_guard.units import canonical

__all__ = ["RENDERED_MAX", "render"]

RENDERED_MAX = 20_000
"""Longest text that a tool may render, in characters, all its parts together."""

_PART = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


class _Unusable(Exception):
    """What a tool rendered is nothing that could be looked at; the text says in words of ours what it is."""


def render(
    gathered: Gathered,
    resources: Mapping[str, Any],
    secrets: Secrets,
    masker: Masker,
    keys: Keys,
    vault: Pseudonyms,
) -> Gathered:
    """The same call with the text that it would send, where its tool has a ``render`` and the arguments can be read.

    A rendering that fails, takes longer than the tool may, is longer than ``RENDERED_MAX``, holds one of the agent's
    secrets or is no text becomes a problem of the call, which is then denied. No transaction may be open.

    Args:
        secrets: of the gateway's agent, handed out for the length of this function.
        vault: where the text's personal values get their pseudonyms.

    Raises:
        StoreError: the vault cannot be used; the call must then not be decided.
    """
    tool, rule = gathered.tool, gathered.policy.tools.get(gathered.call.tool)
    if tool is None or tool.render is None or rule is None or gathered.arguments.model is None:
        return gathered
    try:
        parts = _asked(gathered, tool, tool.render, resources, secrets)
    except Exception as error:  # a tool's function may fail in any way; what cannot be looked at is not sent
        return _denied(gathered, _why(error, secrets))
    finally:
        secrets.close()
    masked = _masked(parts, masker, vault)
    found = {token: list(vault.sightings(token)) for token in tokens(masked) if token not in gathered.sightings}
    # what a record says is not told to the model, so no host of it is named
    problems = unspeakable(gathered.policy, rule, {_path(name): text for name, text in parts.items()}, {})
    # an approval stays bound to its text while master keys change
    mac = hmac.new(keys.oldest(f"rendered/{gathered.thread.subject.tenant}"), canonical(parts), sha256).hexdigest()
    return replace(
        gathered,
        facts=replace(gathered.facts, content=(*gathered.facts.content, *problems)),
        sightings={**gathered.sightings, **found},
        rendered=parts.get("", parts),
        text={_path(name): text for name, text in masked.items()},
        text_mac=mac,
    )


def _asked(
    gathered: Gathered, tool: Tool, function: Callable[..., Any], resources: Mapping[str, Any], secrets: Secrets
) -> dict[str, str]:
    """The text by its parts, as the tool gives it."""
    reserved = {"idempotency_key": "render", "subject": gathered.thread.subject, "secrets": secrets}
    given = {name: reserved[name] if name in reserved else resources[name] for name in parameters_of(function)}
    job = partial(function, gathered.arguments.model, **given)
    parts = _parts(within(tool.timeout_s, job, f"rendering of {tool.name}"))
    if secrets.told_in(json.dumps(parts, ensure_ascii=False)):
        raise _Unusable("a secret of the agent's stands in it")
    return parts


def _parts(raw: object) -> dict[str, str]:
    """The text by its parts; one that has none is called ``""``."""
    parts = {"": raw} if isinstance(raw, str) else raw
    if not isinstance(parts, Mapping):
        raise _Unusable(f"it is {type(raw).__name__} and no text")
    named: dict[str, str] = {}
    for name, text in parts.items():
        if not isinstance(text, str):
            raise _Unusable(f"a part of it is {type(text).__name__} and no text")
        if not isinstance(name, str) or (parts is raw and not _PART.fullmatch(name)):
            raise _Unusable("a part of it has a name that is no word")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _Unusable("it holds half a character")
        named[name] = text
    if not named:
        raise _Unusable("it has no part")
    if sum(map(len, named.values())) > RENDERED_MAX:
        raise _Unusable(f"it is longer than {RENDERED_MAX} characters")
    return named


def _masked(parts: Mapping[str, str], masker: Masker, vault: Pseudonyms) -> dict[str, str]:
    """The parts with pseudonyms; what looks like one and is none is made harmless."""
    named = {name or "text": text for name, text in parts.items()}
    masked = masker.mask_record(named, dict.fromkeys(named, "text"), vault, "trusted", source="rendered")
    return {name: masked[name or "text"] for name in parts}


def _path(part: str) -> str:
    return f"{RENDERED}.{part}" if part else RENDERED


def _why(error: Exception, secrets: Secrets) -> str:
    if isinstance(error, _Unusable):
        return str(error)
    word = error.code if isinstance(error, ToolError) else type(error).__name__
    return word if _WORD.fullmatch(word) and not secrets.told_in(word) else "tool_error"


def _denied(gathered: Gathered, why: str) -> Gathered:
    words = f"the text that would be sent cannot be rendered ({why})"
    problem = Problem(code=Code.RENDER_FAILED, path=RENDERED, message=words)
    return replace(gathered, facts=replace(gathered.facts, content=(problem, *gathered.facts.content)))
