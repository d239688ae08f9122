"""On whose behalf the agent works, and invented customers to start with."""

from __future__ import annotations

from agent_guard import Subject

from desk.crm import Record

__all__ = ["CUSTOMERS", "USER"]

USER = Subject(id="u-rep", tenant="acme", roles={"agent"}, region="eu")
"""A member of your staff; in earnest whoever your own system has logged in."""

CUSTOMERS = [
    Record(
        kind="contact", id=id, party=f"contact:{id}", responsible=USER.id, region=USER.region, name=name,
        data={"name": name, "email": email},
    )
    for id, name, email in (
        ("1", "Anna Kowalska", "anna@kowalska.example"),
        ("2", "James O'Connor", "james@harbour.example"),
    )
]  # fmt: skip
