"""What the tools of booking have in common: ids, lengths, the event that a hold is, the client."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_guard.errors import ToolRejected
from agent_guard.types import Description, Ref
from tools.crm.port import CRM, NOT_FOUND

__all__ = ["CalendarId", "Closed", "ContactId", "EventId", "Length", "Moment", "WhichEvent", "contact_of"]

CalendarId = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ContactId = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
EventId = Annotated[
    str,
    Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="as calendar.hold gave it"),
]
Length = Literal[30, 60]
"""Of a meeting, in minutes."""
Moment = Annotated[str, Field(max_length=32)]
"""A time with the client's offset, as ISO 8601 writes it."""


class Closed(BaseModel):
    """Arguments and results that take nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WhichEvent(Closed):
    """The hold that was made before."""

    event_id: EventId


def contact_of(crm: CRM, contact_id: str) -> Description:
    """The client, as the CRM describes them.

    Raises:
        ToolRejected: ``not_found``.
        ToolUnavailable: the CRM cannot be asked.
    """
    found = crm.describe(Ref(kind="contact", id=contact_id))
    if found is None:
        raise ToolRejected("there is no contact of this id", code=NOT_FOUND)
    return found
