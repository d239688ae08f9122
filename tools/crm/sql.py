"""The embedded CRM keeps the port's laws in one SQL database of its own: SQLite in WAL mode, or PostgreSQL.

A write is one transaction that begins with ``BEGIN IMMEDIATE`` on SQLite, and the unique key behind ``create_task``
makes it happen once, whoever else writes at that moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, MetaData, bindparam, exists, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.types import Clock, Description, EntityType, Ref, utc_now
from tools.crm.engine import WRITE, open_engine
from tools.crm.port import (
    AGENT_SOURCE,
    CRM,
    INVALID,
    KEY_REUSED,
    NOT_FOUND,
    OUTCOME_UNKNOWN,
    UNAVAILABLE,
    Activity,
    DealSummary,
    TaskDraft,
    WriteResult,
    check_key,
)
from tools.crm.records import DESCRIBE, NAMED
from tools.crm.tables import activities, contacts, deals, metadata, staff, tasks
from tools.crm.upsert import insert_into

__all__ = ["SqlCRM", "known"]

MAX_ACTIVITIES = 10

_ALONE_S = 60
"""How long one waits for another process that makes tables and fills them, in seconds."""

_ID = re.compile(r"[1-9][0-9]{0,17}")  # one way to write each number: keys are made of it
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

_DEAL = (
    select(deals.c.title, deals.c.stage, deals.c.amount, deals.c.currency, staff.c.name, deals.c.stage_since)
    .join(staff, staff.c.id == deals.c.owner_id)
    .where(deals.c.id == bindparam("id"))
)
_DEAL_EXISTS = select(exists().where(deals.c.id == bindparam("id")))
_LATEST = (
    select(activities.c.kind, activities.c.at, activities.c.summary)
    .where(activities.c.deal_id == bindparam("id"))
    .order_by(activities.c.at.desc(), activities.c.id.desc())
    .limit(bindparam("limit"))
)
_TASK_OF_KEY = select(tasks.c.id, tasks.c.body, tasks.c.version).where(tasks.c.key == bindparam("key"))
_PERSON = select(
    contacts.c.name, contacts.c.phone, contacts.c.phone_typed, contacts.c.email, contacts.c.national_id
).where(contacts.c.id == bindparam("id"))


class SqlCRM:
    """A CRM in one SQL database. Every method may be called from any thread; see ``CRM`` for their laws.

    Args:
        url: ``sqlite:///file.db``, ``sqlite://`` (in memory, for this object only) or a PostgreSQL address. The
            database holds nothing else.
        clock: the present; ages are counted to it.
        wait_s: how long a call waits for a busy database, and again for a free connection, in seconds. Twice this
            must stay below the time-out of every tool, so that the answer is a certain one.

    Raises:
        ConfigError: the url is not one of these.
    """

    def __init__(self, url: str, *, clock: Clock = utc_now, wait_s: float = 2.0) -> None:
        self.clock = clock
        self.engine = open_engine(url, wait_s)

    def create(self) -> None:
        """Makes the tables when the database is empty, and nothing when they are there. Several may do so at once.

        Raises:
            ConfigError: the database holds other tables: it belongs to something else.
            ToolUnavailable: the database cannot be written.
        """
        with self.writing() as connection:
            _first(connection, "tables")
            found, ours = set(inspect(connection).get_table_names()), set(metadata.tables)
            if found and not ours <= found:
                raise ConfigError("this database is not a CRM's: it holds other tables; give the CRM one of its own")
            if not found:
                metadata.create_all(connection, checkfirst=False)

    def add_tables(self, tables: MetaData) -> None:
        """Makes tables of the host's own beside the CRM's, where they are missing. Several may do so at once.

        Raises:
            ToolUnavailable: the database cannot be written.
        """
        with self.writing() as connection:
            _first(connection, "tables")
            tables.create_all(connection)

    def close(self) -> None:
        """Closes every connection; the object may be used again and then opens new ones."""
        self.engine.dispose()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it lasts nobody else is in here, of all processes on one PostgreSQL: for a host that looks whether
        something is there and then makes it. SQLite has one writer anyway, whose transactions each look for themselves.

        Raises:
            ToolUnavailable: the database cannot be asked, or somebody else was in here for a minute.
        """
        if self.engine.dialect.name == "sqlite":
            yield
            return
        with self.reading() as connection:
            _first(connection, "world")
            yield

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the data, for the host's own queries; not part of the port.

        Raises:
            ToolUnavailable: the database cannot be read.
        """
        try:
            with self.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise ToolUnavailable(f"the CRM's database cannot be read: {_cause(error)}", code=UNAVAILABLE) from None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, for the host's own edits; not part of the port.

        Raises:
            ToolUnavailable: it failed before the commit; nothing was written.
            OutcomeUnknown: the commit failed; it may have been written.
        """
        committing = False
        try:
            with self.engine.connect().execution_options(**{WRITE: True}) as connection, connection.begin() as changes:
                yield connection
                committing = True
                try:
                    changes.commit()
                except BaseException:
                    # The driver may still be inside the transaction: the next user of this connection must not be.
                    connection.invalidate()
                    raise
        except SQLAlchemyError as error:
            cause = _cause(error)
            if committing:
                raise OutcomeUnknown(f"the CRM's commit was not confirmed: {cause}", code=OUTCOME_UNKNOWN) from None
            raise ToolUnavailable(
                f"the CRM's database cannot be written: {cause}; look whether its file and folder may be written, or "
                "whether its server answers",
                code=UNAVAILABLE,
            ) from None

    def deal(self, deal_id: str) -> DealSummary:
        """Reads one deal's summary; see ``CRM.deal``."""
        with self.reading() as connection:
            row = connection.execute(_DEAL, {"id": _checked(deal_id)}).one_or_none()
        if row is None:
            raise _no_deal()
        title, stage, amount, currency, owner_name, stage_since = row
        return DealSummary(
            id=deal_id,
            title=title,
            stage=stage,
            amount=amount,
            currency=currency,
            owner_name=owner_name,
            stage_since=stage_since,
            as_of=self.clock(),
        )

    def activities(self, deal_id: str, limit: int = 3) -> tuple[Activity, ...]:
        """Reads the latest activities; see ``CRM.activities``."""
        if not 1 <= limit <= MAX_ACTIVITIES:
            raise ToolRejected(f"limit is 1 to {MAX_ACTIVITIES}", code=INVALID)
        with self.reading() as connection:
            rows = connection.execute(_LATEST, {"id": _checked(deal_id), "limit": limit}).all()
        return tuple(Activity(kind=kind, at=at, summary=summary) for kind, at, summary in rows)

    def create_task(self, draft: TaskDraft, key: str) -> WriteResult:
        """Makes a draft task, once per key; see ``CRM.create_task``."""
        check_key(key)
        body = draft.digest()
        insert = (
            insert_into(self.engine, tasks)
            .values(
                deal_id=_checked(draft.deal_id),
                kind=draft.kind,
                subject=draft.subject,
                due=draft.due,
                status="draft",
                source=AGENT_SOURCE,
                qualification=None if draft.qualification is None else dict(draft.qualification),
                key=key,
                body=body,
                created_at=self.clock(),
            )
            .on_conflict_do_nothing(index_elements=[tasks.c.key])
            .returning(tasks.c.id, tasks.c.version)
        )
        with self.writing() as connection:
            if not connection.scalar(_DEAL_EXISTS, {"id": draft.deal_id}):
                raise _no_deal()
            made = connection.execute(insert).one_or_none()
            if made is not None:
                return WriteResult(ref=_task(made.id), outcome="created", version=str(made.version))
            first_id, first_body, version = connection.execute(_TASK_OF_KEY, {"key": key}).one()
        if first_body != body:
            raise ToolRejected("this key already stands for another task", code=KEY_REUSED)
        return WriteResult(ref=_task(first_id), outcome="replayed", version=str(version))

    def describe(self, ref: Ref) -> Description | None:
        """Describes a record; see ``CRM.describe``."""
        describe = DESCRIBE.get(ref.kind)
        if describe is None or not (_WORD if ref.kind in NAMED else _ID).fullmatch(ref.id):
            return None
        with self.reading() as connection:
            return describe(connection, ref.id)

    def find_by_key(self, kind: str, key: str) -> Ref | None:
        """The task written under ``key``; see ``CRM.find_by_key``."""
        check_key(key)
        if kind != "task":
            return None
        with self.reading() as connection:
            row = connection.execute(_TASK_OF_KEY, {"key": key}).one_or_none()
        return None if row is None else _task(row.id)


def known(crm: SqlCRM, contact_id: str) -> Mapping[EntityType, list[str]]:
    """A contact's own data by entity type, as ``Party.known`` takes it. Raw: for the host alone, never for a tool.

    Raises:
        ToolRejected: ``not_found``.
        ToolUnavailable: the database cannot be read.
    """
    with crm.reading() as connection:
        row = connection.execute(_PERSON, {"id": contact_id}).one_or_none()
    if row is None:
        raise ToolRejected("there is no contact of this id", code=NOT_FOUND)
    name, phone, phone_typed, email, national_id = row
    values: dict[EntityType, list[str | None]] = {
        "PERSON": [name],
        "PHONE": [phone, phone_typed],
        "EMAIL": [email],
        "ID": [national_id],
    }
    given = {type_: list(dict.fromkeys(filter(None, found))) for type_, found in values.items()}
    return {type_: found for type_, found in given.items() if found}


def _first(connection: Connection, what: str) -> None:
    """Until this transaction ends nobody else gets past this line: two that look at once would both find nothing."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_ALONE_S}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('agent_guard CRM {what}'))")


def _cause(error: SQLAlchemyError) -> str:
    # The type alone: a driver's text repeats values.
    return type(getattr(error, "orig", None) or error).__name__


def _checked(deal_id: str) -> str:
    if not _ID.fullmatch(deal_id):
        raise _no_deal()
    return deal_id


def _no_deal() -> ToolRejected:
    return ToolRejected("there is no deal of this id", code=NOT_FOUND)


def _task(task_id: int) -> Ref:
    return Ref(kind="task", id=str(task_id))


_port: type[CRM] = SqlCRM
"""Checked by the type checker: the embedded CRM is one."""
