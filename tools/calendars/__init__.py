"""Calendars: the port with its laws, the embedded one, and CalDAV."""
