"""Where a conversation begins: whom it is about is looked up by the host, never taken from the client's word."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from agent_guard.serving.identity import Caller
from agent_guard.serving.refused import Refused
from agent_guard.types import Party, Subject

__all__ = ["NewThread", "Receive", "receive_staff"]


@dataclass(frozen=True, kw_only=True)
class NewThread:
    """How a thread is opened at the gateway; the fields are those of ``Gateway.open``."""

    subject: Subject
    scenario: str | None = None
    party: Party | None = None
    scope: Collection[str] | None = None


Receive = Callable[[Caller, str, Mapping[str, str], str], NewThread]
"""Says how the thread of a first message is opened: ``(caller, graph, about, text)``. ``about`` is what the client says
of it, e.g. ``{"deal_id": "42"}``: the host looks it up in its systems, asks whether the caller may, and raises
:class:`Refused` where not. ``text`` is raw. It is asked in a thread, so it may block.
"""


def receive_staff(caller: Caller, graph: str, about: Mapping[str, str], text: str) -> NewThread:
    """A caller's own thread about no customer, in the scenario that is called as the graph is.

    Raises:
        Refused: the client names somebody, or the caller brings the words of others.
    """
    del text
    if about:
        raise Refused(422, "about_unknown", "this graph is about no record; leave 'about' away")
    if caller.speaker != "user":
        raise Refused(403, "speaker", "this graph listens to its own users only")
    return NewThread(subject=caller.subject, scenario=graph)
