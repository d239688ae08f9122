"""What this scenario is about, and invented data to start with."""

from __future__ import annotations

from agent_guard.types import Speaker

from desk.crm import Record
from desk.people import CUSTOMERS, USER

__all__ = ["ABOUT", "FIELDS", "MADE", "NAME", "PROMPT", "RECORDS", "SPEAKER"]

NAME = "booking"
ABOUT = ("contact_id", "contact")
"""The argument that names the record a conversation is about, and its kind."""

MADE = "booking"
"""The kind of what the agent makes."""

SPEAKER: Speaker = "party"
"""Whose words a conversation's lines are: the customer's."""

PROMPT = (
    "A customer wants to meet. Look which times are free, offer them, and book the one they choose. Give a reason with "
    "every call. Personal data are pseudonyms such as <PERSON_1>: use them as they are."
)

FIELDS = {
    "contact": {"name": "PERSON", "email": "EMAIL"},
    "slot": {"start": "plain"},
    "booking": {"slot_id": "plain", "contact_id": "plain"},
}

RECORDS = [
    *CUSTOMERS,
    *(
        Record(
            kind="slot", id=str(number), party=None, responsible=USER.id, region=USER.region, name=start,
            data={"start": start},
        )
        for number, start in enumerate(("2030-01-07 10:00", "2030-01-07 11:00", "2030-01-08 15:00"), 1)
    ),
]  # fmt: skip
