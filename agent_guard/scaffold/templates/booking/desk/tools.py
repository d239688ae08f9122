"""The contracts. A contract gives no permission: ``policy.yaml`` does."""

from __future__ import annotations

from typing import Annotated

from agent_guard import tool
from agent_guard.types import Ref
from pydantic import BaseModel, Field

from desk.crm import Crm

__all__ = ["TOOLS"]

Id = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]


class FreeSlots(BaseModel):
    """How many the model may ask for."""

    limit: Annotated[int, Field(ge=1, le=5)] = 3


class Slot(BaseModel):
    """One time, in the office's zone."""

    id: str
    start: str


class Slots(BaseModel):
    """Times that nobody has booked."""

    slots: list[Slot]


class NewBooking(BaseModel):
    """What the model may propose: one time for one customer."""

    contact_id: Id
    slot_id: Id


class Booked(BaseModel):
    """The booking that was made."""

    booking_id: str


@tool(
    name="calendar.free_slots",
    effect="read",
    timeout_s=5,
    ids={"id": "slot"},
    result_fields={"slots.id": "plain", "slots.start": "plain"},
)
def free_slots(args: FreeSlots, crm: Crm) -> Slots:
    """Gives the next free times."""
    taken = {booking["slot_id"] for booking in crm.all("booking")}
    free = [Slot(id=slot["id"], start=slot["start"]) for slot in crm.all("slot") if slot["id"] not in taken]
    return Slots(slots=free[: args.limit])


def _made(args: NewBooking, crm: Crm) -> Booked | None:
    """What became of a call whose answer got lost."""
    found = crm.find("booking", f"slot-{args.slot_id}")
    mine = found is not None and crm.get("booking", found)["contact_id"] == args.contact_id
    return Booked(booking_id=found) if found is not None and mine else None


@tool(
    name="calendar.book",
    effect="write",
    timeout_s=5,
    key=("contact_id", "slot_id"),
    refs={"contact_id": "contact", "slot_id": "slot"},
    result_refs={"booking_id": "booking"},
    result_fields={"booking_id": "plain"},
    lookup=_made,
)
def book(args: NewBooking, crm: Crm) -> Booked:
    """Books a free time for a customer."""
    customer, data = Ref(kind="contact", id=args.contact_id), {"slot_id": args.slot_id, "contact_id": args.contact_id}
    # the key is the time's: whoever comes second is refused by the CRM, whatever was free when it was offered
    return Booked(booking_id=crm.add("booking", "booking", data, of=customer, key=f"slot-{args.slot_id}"))


TOOLS = (free_slots, book)
