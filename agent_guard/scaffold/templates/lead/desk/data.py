"""What this scenario is about, and invented data to start with."""

from __future__ import annotations

from agent_guard.types import Speaker

from desk.crm import Record
from desk.people import CUSTOMERS, USER

__all__ = ["ABOUT", "FIELDS", "MADE", "NAME", "PROMPT", "RECORDS", "SPEAKER"]

NAME = "lead"
ABOUT = ("deal_id", "deal")
"""The argument that names the record a conversation is about, and its kind."""

MADE = "task"
"""The kind of what the agent makes."""

SPEAKER: Speaker = "party"
"""Whose words a conversation's lines are: the customer's."""

PROMPT = (
    "A customer writes about a deal. Read the deal, then draft one task for its owner that says what the customer "
    "wants. Give a reason with every call. Personal data are pseudonyms such as <PERSON_1>: use them as they are."
)

FIELDS = {
    "contact": {"name": "PERSON", "email": "EMAIL"},
    "deal": {"title": "text", "stage": "plain", "amount": "plain"},
    "task": {"subject": "text"},
}

RECORDS = [
    *CUSTOMERS,
    Record(
        kind="deal", id="1", party="contact:1", responsible=USER.id, region=USER.region, name="Forty trackers",
        data={"title": "Forty trackers", "stage": "offer sent", "amount": 4800},
    ),
    Record(
        kind="deal", id="2", party="contact:2", responsible=USER.id, region=USER.region, name="Cold rooms",
        data={"title": "Cold rooms", "stage": "new", "amount": 900},
    ),
]  # fmt: skip
