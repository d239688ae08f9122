"""Whom a conversation on the server is about: the client names a deal or a ticket, and the systems say whose it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent_guard.app import Application
from agent_guard.serving.identity import Caller
from agent_guard.serving.opening import NewThread, Receive, receive_staff
from agent_guard.serving.refused import Refused
from agent_guard.types import Description, Party, Ref, Subject
from graphs import TENANT
from tools.crm.sql import known

__all__ = ["reception"]

_KINDS = {"deal_id": "deal", "ticket_id": "ticket"}
_ABOUT = {
    "sdr_qualification": {"deal_id"},
    "calendar_booking": {"deal_id"},
    "support_draft": {"ticket_id"},
    "front_desk": {"deal_id", "ticket_id"},
}
"""What a graph is about; the front desk also takes a request about nobody."""


def reception(application: Callable[[], Application]) -> Receive:
    """How threads of the reference application are opened.

    A member of staff opens those of its own deals, and of tickets of its region. A channel, which brings a customer's
    words, opens them for the deal's owner.
    """

    def receive(caller: Caller, graph: str, about: Mapping[str, str], text: str) -> NewThread:
        kinds = _ABOUT.get(graph, set())
        if caller.subject.tenant != TENANT:
            raise Refused(404, "about_unknown", "there is no such record")
        if not kinds or (graph == "front_desk" and not about):
            return receive_staff(caller, graph, about, text)
        if len(about) != 1 or not about.keys() <= kinds:
            words = " or ".join(f"{{'{name}': '...'}}" for name in sorted(kinds))
            raise Refused(422, "about_missing", f"say whom the conversation is about: metadata.about is {words}")
        ((name, id_),) = about.items()
        record = _record(application(), _KINDS[name], id_)
        owner = caller.subject if caller.speaker == "user" else None
        if record is None or record.party is None or not (_may(owner, record) if owner else record.responsible):
            raise Refused(404, "about_unknown", "there is no such record")
        subject = owner or Subject(id=str(record.responsible), tenant=TENANT, roles={"sdr"}, region=record.region)
        contact = record.party.partition(":")[2]
        refs = {name: id_}
        if graph in ("calendar_booking", "front_desk") and record.responsible is not None:
            refs |= {"calendar_id": record.responsible, "contact_id": contact}
        data = known(application().worlds["sdr_qualification"].resources["crm"], contact)
        return NewThread(subject=subject, scenario=graph, party=Party(id=record.party, refs=refs, known=data))

    return receive


def _record(app: Application, kind: str, id_: str) -> Description | None:
    resources = app.worlds["sdr_qualification"].resources
    found: Description | None = resources["crm" if kind == "deal" else "helpdesk"].describe(Ref(kind=kind, id=id_))
    return found


def _may(caller: Subject, record: Description) -> bool:
    """Whether a member of staff may talk about a record: it is its own, or nobody's and of its region."""
    mine = record.responsible in (None, caller.id)
    return mine and record.region in (None, caller.region)
