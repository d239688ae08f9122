"""Who calls: what the host makes of a request's headers, and what a LangGraph server carries of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from agent_guard.errors import ConfigError
from agent_guard.graph.approver import subject_of
from agent_guard.serving.refused import Refused
from agent_guard.settings import Settings
from agent_guard.types import Speaker, Subject

__all__ = ["Caller", "Identify", "caller_of", "identify_of", "people", "user_of"]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever sends a request, authenticated.

    Args:
        subject: a person of the tenant, or the technical identity of a channel.
        speaker: whose words this caller brings. ``user``: its own, in its own threads. ``party`` or ``outside``: those
            of others, as a chat widget's or a mailbox's backend does, in every thread of the tenant.
    """

    subject: Subject
    speaker: Speaker = "user"


Identify = Callable[[Mapping[str, str]], Caller | None]
"""Makes the caller of a request's headers, whose names are in lower case; None where they prove nothing. It is asked in
a thread, so it may block. It is the host's own: what it believes, everything after it believes."""

_SPEAKERS: tuple[Speaker, ...] = ("user", "party", "outside")


def people(settings: Settings) -> Identify:
    """Takes ``Authorization: Bearer NAME`` for the entry NAME of ``people``, without any proof; in ``dev`` only.

    Raises:
        ConfigError: the environment is another.
    """
    if settings.environment != "dev":
        raise ConfigError(
            f"in {settings.environment} nobody is believed by name: set 'identify' in guard.yaml (or "
            "AGENT_GUARD_IDENTIFY) to module:attribute of a function that makes the caller of a request's headers"
        )

    def by_name(headers: Mapping[str, str]) -> Caller | None:
        scheme, _, name = headers.get("authorization", "").partition(" ")
        person = settings.people.get(name.strip()) if scheme.lower() == "bearer" else None
        return None if person is None else Caller(subject=person.subject(), speaker=person.speaker)

    return by_name


def identify_of(settings: Settings) -> Identify:
    """What the settings name, else :func:`people`.

    Raises:
        ConfigError: it cannot be loaded, or nothing is named outside ``dev``.
    """
    if settings.identify is None:
        return people(settings)
    module, _, attribute = settings.identify.partition(":")
    try:
        found: Identify = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"identify: {settings.identify!r} cannot be loaded: {error}") from None
    return found


def user_of(caller: Caller) -> dict[str, Any]:
    """The caller as the server's auth handler hands it on. It is stored with each run, so it holds no credential."""
    subject = caller.subject
    return {
        "identity": subject.id,
        "tenant": subject.tenant,
        "roles": sorted(subject.roles),
        "region": subject.region,
        "speaker": caller.speaker,
    }


def caller_of(user: Any) -> Caller:
    """The caller of a user that the server authenticated: ours, or that of any handler that gives the same fields.

    Raises:
        Refused: there is none, or it names no tenant.
    """
    try:
        speaker = user["speaker"]
    except (KeyError, TypeError, AttributeError):
        speaker = "user"
    try:
        subject = subject_of(user, tenant="")
    except (TypeError, ValueError, AttributeError):
        raise Refused(401, "unauthenticated", "nobody is known to ask: send the credentials of a person") from None
    if speaker not in _SPEAKERS:
        raise Refused(401, "unauthenticated", "the server's auth names a speaker that there is not")
    return Caller(subject=subject, speaker=speaker)
