"""Where customers are, in the embedded CRM's database, as the host was told."""

from __future__ import annotations

from sqlalchemy import select

from tools.calendars.tables import zones
from tools.crm.sql import SqlCRM
from tools.crm.upsert import insert_into
from tools.slots import zone_of

__all__ = ["SqlZones"]


class SqlZones:
    """Where customers are; :meth:`SqlCalendar.create` makes the table."""

    def __init__(self, crm: SqlCRM) -> None:
        self._crm = crm

    def put(self, contact_id: str, zone: str) -> None:
        """Keeps a customer's zone, for the host.

        Raises:
            ValueError: there is no such zone.
        """
        zone_of(zone)
        insert_zone = insert_into(self._crm.engine, zones).values(contact_id=contact_id, zone=zone)
        with self._crm.writing() as connection:
            connection.execute(
                insert_zone.on_conflict_do_update(index_elements=[zones.c.contact_id], set_={"zone": zone})
            )

    def zone_of(self, contact_id: str) -> str | None:
        """The zone of a customer, or None where nobody told."""
        with self._crm.reading() as connection:
            return connection.scalar(select(zones.c.zone).where(zones.c.contact_id == contact_id))
