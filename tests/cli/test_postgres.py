"""The commands on PostgreSQL: one server holds the guard's tables, the checkpoints and the systems."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from agent_guard.credentials import VARIABLE
from agent_guard.errors import AgentGuardError
from agent_guard.migrations import upgrade
from agent_guard.store import REVISION, Store
from tests.cli.commands import CONFIG, SAMPLES, invoke, rows
from tests.conftest import Database

pytestmark = pytest.mark.databases("postgres")


@pytest.fixture(name="urls")
def _urls(database: Database, tmp_path: Path) -> tuple[str, str]:
    """The guard's database and the CRM's, named by the configuration of the current folder."""
    guard, crm = database.shared, database.empty()
    config = CONFIG.replace("sqlite:///guard.db", guard).replace("sqlite:///threads.db", guard)
    (tmp_path / "guard.yaml").write_text(config.replace("sqlite:///crm.db", crm), encoding="utf-8")
    return guard, crm


def scalar(url: str, query: str) -> object:
    """One value of a database."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found: object = connection.execute(sa.text(query)).scalar()
    engine.dispose()
    return found


@pytest.mark.req("A4", "A12", "B7")
def test_a_conversation_runs_and_is_approved(
    urls: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run, list, approve and look, as with files: the task is made once, and no file appears but the key."""
    monkeypatch.delenv(VARIABLE, raising=False)
    sample = str(SAMPLES / "en_personal_data.jsonl")
    done = rows(invoke("run", "sdr_qualification", "--input", sample, "--json"))
    assert done[-1]["status"] == "pending"
    approval = rows(invoke("approvals", "list", "--json"))[0]["id"]
    assert rows(invoke("approvals", "approve", approval, "--as", "boss", "--json"))[0]["status"] == "delivered"
    assert scalar(urls[1], "SELECT count(*) FROM tasks") == 1
    assert "the chains hold" in invoke("audit", "show").stdout
    invoke("status")
    assert {path.name for path in tmp_path.iterdir()} == {"guard.yaml", ".agent_guard"}
    assert [path.suffix for path in (tmp_path / ".agent_guard").iterdir()] == [".key"]
    assert scalar(urls[0], "SELECT count(*) FROM trail WHERE text LIKE '%@%' OR text LIKE '%4155552671%'") == 0


def test_an_old_database_is_upgraded(database: Database, tmp_path: Path) -> None:
    """``db status`` tells both revisions, an old database is refused with the command that helps, and that one works."""
    url = database.empty()
    (tmp_path / "guard.yaml").write_text(CONFIG.replace("sqlite:///guard.db", url), encoding="utf-8")
    store = Store(url)
    upgrade(store, "0001")
    assert rows(invoke("db", "status", "--json"))[0] == {
        "database": store.name, "revision": "0001", "needed": REVISION, "current": False,
    }  # fmt: skip
    with pytest.raises(AgentGuardError, match="agent-guard db upgrade"):
        invoke("status")
    assert rows(invoke("db", "upgrade", "--json"))[0]["after"] == REVISION
    invoke("status")
    store.close()


def test_a_command_that_looks_makes_nothing(database: Database, tmp_path: Path) -> None:
    """An empty database on a server stays empty: the command says what to do first."""
    url = database.empty()
    (tmp_path / "guard.yaml").write_text(CONFIG.replace("sqlite:///guard.db", url), encoding="utf-8")
    with pytest.raises(AgentGuardError, match=r"there is no database postgresql.* yet; run 'agent-guard demo'"):
        invoke("status")
    assert rows(invoke("db", "status", "--json"))[0]["revision"] is None
    assert scalar(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    rows(invoke("db", "upgrade", "--json"))
    invoke("status")
