"""The schema's history and the schema that the code uses are the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import agent_guard.schema  # noqa: F401
from agent_guard.errors import StoreError
from agent_guard.migrations import configuration, upgrade
from agent_guard.store import REVISION, VERSION_TABLE, Store, metadata
from tests.conftest import Database

pytestmark = pytest.mark.databases


@pytest.fixture(name="migrated")
def _migrated(database: Database):
    store = Store(database.empty())
    upgrade(store)
    yield store
    store.close()


@pytest.fixture(name="created")
def _created(database: Database):
    store = Store(database.empty())
    store.open()
    yield store
    store.close()


def _dump(store: Store) -> dict[str, list[str]]:
    with store.read() as connection:
        inspector = sa.inspect(connection)
        return {
            table: [f"{item['name']} {item['type']} {item['nullable']}" for item in inspector.get_columns(table)]
            + sorted(str(item["column_names"]) for item in inspector.get_indexes(table))
            + sorted(str(item["column_names"]) for item in inspector.get_unique_constraints(table))
            + [str(inspector.get_pk_constraint(table)["constrained_columns"])]
            for table in inspector.get_table_names()
        }


def test_the_code_needs_the_newest_migration() -> None:
    """``REVISION`` is the head of the migrations."""
    assert ScriptDirectory.from_config(configuration()).get_heads() == [REVISION]


def test_migrating_an_empty_database_gives_the_tables_of_the_code(migrated: Store) -> None:
    """After all migrations nothing is left to do between the database and the tables of the code."""
    with migrated.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_a_created_database_is_as_a_migrated_one(created: Store, migrated: Store) -> None:
    """Creating the schema at once and migrating step by step lead to the same tables, columns, indexes and first row."""
    assert _dump(created) == _dump(migrated)
    for store in (created, migrated):
        with store.read() as connection:
            assert connection.exec_driver_sql("SELECT scope, pressed FROM switches").all() == [("*", 0)]


def test_upgrading_twice_changes_nothing(migrated: Store) -> None:
    """An upgrade of a current database leaves it as it is."""
    before = _dump(migrated)
    upgrade(migrated)
    assert _dump(migrated) == before


def test_an_unknown_revision_is_refused(migrated: Store) -> None:
    """A database of a newer release is refused and left alone."""
    with migrated.write(locks=["test"]) as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match="cannot be upgraded"):
        upgrade(migrated)
    with pytest.raises(StoreError, match="9999"):
        migrated.open()


def test_a_downgrade_leaves_nothing_and_the_way_up_is_free(migrated: Store) -> None:
    """All migrations can be undone, and done again."""
    from alembic import command

    config = configuration()
    with migrated.write(durable=True, locks=["test"]) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with migrated.read() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {VERSION_TABLE}
    upgrade(migrated)
    migrated.open()


def _row(table: sa.Table) -> dict[str, object]:
    """A row with a value of its type in each column."""
    values: dict[type[object], object] = {sa.Boolean: True, sa.LargeBinary: b"\x00\xff", sa.Integer: 7, sa.String: "[]"}
    return {c.name: next(value for kind, value in values.items() if isinstance(c.type, kind)) for c in table.columns}


def _rows(store: Store) -> dict[str, list[dict[str, object]]]:
    """Everything in a database, whatever its revision."""
    with store.read() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        return {
            name: [dict(row._mapping) for row in connection.execute(table.select())]
            for name, table in tables.tables.items()
            if name != VERSION_TABLE
        }


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_a_row_of_every_table_is_kept_up_and_down(database: Database, revision: str) -> None:
    """Whatever a table of an older revision holds is there after the upgrade, and as it was after a downgrade."""
    from alembic import command

    store = Store(database.empty())
    upgrade(store, revision)
    with store.write(locks=["test"]) as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        for name, table in tables.tables.items():
            if name not in (VERSION_TABLE, "switches"):
                connection.execute(table.insert(), _row(table))
    before = _rows(store)
    assert all(len(rows) == 1 for rows in before.values())
    upgrade(store)
    store.open()
    after = _rows(store)
    for name, rows in before.items():
        assert [{key: row[key] for key in rows[0]} for row in after[name]] == rows
    config = configuration()
    with store.write(durable=True, locks=["test"]) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    assert _rows(store) == before
    store.close()


def test_an_upgrade_holds_two_processes_apart(database: Database) -> None:
    """Of several that upgrade at once each finds the newest revision, whoever made it."""
    url = database.empty()
    old = Store(url)
    upgrade(old, "0001")
    with ThreadPoolExecutor(3) as pool:
        stores = [Store(url, lock_wait_s=20) for _ in range(3)]
        list(pool.map(upgrade, stores))
    for store in [old, *stores]:
        assert store.revision() == REVISION
        store.close()


def test_what_an_old_database_holds_is_kept(database: Database) -> None:
    """An upgrade from the first revision keeps its questions, calls and counts, and a downgrade keeps them again."""
    from alembic import command

    store = Store(database.empty())
    upgrade(store, "0001")
    rows = {
        "meter": {"key": "actions|t1", "n": 3, "at": 1, "trace_id": "T1"},
        "approvals": {
            "id": "apr_1", "trace_id": "T1", "thread": "t1", "tenant": "acme", "requester": "u1", "tool": "crm.x",
            "digest": "sha256:x", "roles": "[]", "not_requester": True, "shown": "{}", "created": 1, "expires": 2,
        },
    }  # fmt: skip
    with store.write(locks=["test"]) as connection:
        for table, values in rows.items():
            names = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)
    upgrade(store)
    with store.read() as connection:
        asked = connection.execute(sa.text("SELECT id, covers, plan FROM approvals")).one()
        assert tuple(asked) == ("apr_1", "[]", None)
        assert tuple(connection.execute(sa.text("SELECT key, n FROM meter")).one()) == ("actions|t1", 3)
    config = configuration()
    with store.write(durable=True, locks=["test"]) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    with store.read() as connection:
        assert tuple(connection.execute(sa.text("SELECT id, tool FROM approvals")).one()) == ("apr_1", "crm.x")
    store.close()
