"""Fixtures of all tests: the embedded pieces, a standing clock, and the rule for missing servers."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from pydantic import BaseModel, Field
from sqlalchemy import make_url

from agent_guard.credentials import FileCredentials, MemoryCredentials
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.policy import Policy
from agent_guard.store import metadata
from agent_guard.testing import FixedClock
from agent_guard.tool import tool
from agent_guard.types import Description, Party, Ref, Subject
from tests.postgres import MISSING, Databases, Server, binaries, shared

# how fast a machine is says nothing about a property
settings.register_profile("guard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("guard")

pytest.register_assert_rewrite("tools.crm.contract")  # a failed law shows its values, as a test's own assert does


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """No test reaches beyond this machine: everything that the product loads is installed (L10, masking)."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> object:
        if self.family in (socket.AF_INET, socket.AF_INET6) and str(address[0]) not in ("127.0.0.1", "::1"):  # type: ignore[index]
            raise OSError(f"a test tried to reach {address}")
        return real(self, address)  # type: ignore[arg-type]

    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    yield
    socket.socket.connect = real  # type: ignore[method-assign]


collect_ignore = [] if find_spec("deepagents") else ["test_deepagents.py"]
"""``make deepagents`` runs it where deepagents can be installed: in an environment of its own."""

if find_spec("langgraph_api") is None:
    collect_ignore.append("server")  # ``make server-test`` runs it, for the same reason


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuses a requirement id that REQUIREMENTS.md does not have."""
    text = (config.rootpath / "REQUIREMENTS.md").read_text(encoding="utf-8")
    for item in items:
        for mark in item.iter_markers("req"):
            for name in mark.args:
                if f"| {name} |" not in text:
                    raise pytest.UsageError(f"{item.nodeid}: REQUIREMENTS.md has no row {name!r}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """With AGENT_GUARD_REQUIRE=all a skipped test is a failed one."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("AGENT_GUARD_REQUIRE") == "all" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and AGENT_GUARD_REQUIRE=all: {report.longrepr}"


# ---- where stores live: tests marked ``databases`` run once on each kind


class Database:
    """SQLite: new databases in memory, and one file in the test's folder.

    Args:
        folder: the test's.
        shared: the url of the one database, for another process of the test, whatever its kind.
    """

    kind = "sqlite"

    def __init__(self, folder: Path, shared: str | None = None) -> None:
        self.folder = folder
        self._shared = shared
        self._empty = 0

    def new(self) -> str:
        """The url of another database with nothing in it."""
        return "sqlite://"

    def empty(self) -> str:
        """The url of another database without any table, which processes can share."""
        self._empty += 1
        return f"sqlite:///{self.folder}/empty{self._empty}.db"

    @property
    def shared(self) -> str:
        """The url of one database, the same for all who ask in this test; ready to be opened."""
        return self._shared or f"sqlite:///{self.folder}/guard.db"

    @property
    def checkpoints(self) -> str:
        """The url of one database for LangGraph's checkpoints."""
        on_server = self._shared is not None and not self._shared.startswith("sqlite")
        return str(self._shared) if on_server else f"sqlite:///{self.folder}/threads.db"

    @property
    def key_file(self) -> Path:
        """Where ``dev`` keeps the key of the shared one."""
        return self.folder / "guard.db.key"


class OnServer(Database):
    """PostgreSQL: databases with the guard's tables, emptied after the test."""

    kind = "postgres"

    def __init__(self, folder: Path, databases: Databases) -> None:
        super().__init__(folder)
        self._databases = databases

    def new(self) -> str:
        return self._databases.ready()

    def empty(self) -> str:
        return self._databases.empty()

    @property
    def shared(self) -> str:
        self._shared = self._shared or self._databases.ready()
        return self._shared

    @property
    def checkpoints(self) -> str:
        return self.shared

    @property
    def key_file(self) -> Path:
        return self.folder / ".agent_guard" / f"{make_url(self.shared).database}.key"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Databases on a real server, which all workers of the run share."""
    worker, folder = os.environ.get("PYTEST_XDIST_WORKER"), tmp_path_factory.getbasetemp()
    with shared(folder.parent if worker else folder) as url:
        if url is None:
            pytest.skip(MISSING)
        made = Databases(url, f"guard_{os.getpid()}")
        yield made
        made.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of this worker's own, for tests that kill it; each of them starts it again."""
    if binaries() is None:
        pytest.skip(MISSING)
    made = Server()
    made.start()
    yield made
    made.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that is marked ``databases`` on each of those it names, on all when it names none."""
    mark = metafunc.definition.get_closest_marker("databases")
    if mark is not None and "database" in metafunc.fixturenames:
        metafunc.parametrize("database", mark.args or ("sqlite", "postgres"), indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Where this test's stores live."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield Database(tmp_path)
        return
    monkeypatch.chdir(tmp_path)  # the keys of databases on a server lie below the current folder
    databases: Databases = request.getfixturevalue("postgres")
    yield OnServer(tmp_path, databases)
    databases.taken_back()


# ---- the life of a call: one small system of record, its tools, a policy, and gateways over them


class Desk:
    """A system of record: deals in memory; what was done to it is a line of a file, so that processes share it.

    ``before`` and ``after`` are called inside a writing tool, around its effect.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.silent: Exception | None = None
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None
        self.note = "They asked for a price."
        self.deals = {
            "42": self._deal("v1", "contact:17", "kz", "Anna Kowalska"),
            "43": self._deal("v1", "contact:18", "kz", "Boris Sidorow"),
            "44": self._deal("v1", "contact:17", "pl", "Celina Nowak"),
        }

    @staticmethod
    def _deal(version: str, party: str, region: str, name: str, stage: str = "new") -> Description:
        return Description(
            version=version,
            party=party,
            responsible="u1",
            region=region,
            name=name,
            snapshot={"title": "Trucks", "stage": stage, "phone": "+48 512 345 678"},
            fields={"title": "plain", "stage": "plain", "phone": "PHONE"},
        )

    def change(self, deal: str, stage: str) -> None:
        """A deal as somebody else leaves it: a new version."""
        old = self.deals[deal]
        self.deals[deal] = replace(old, version=f"{old.version}+", snapshot={**old.snapshot, "stage": stage})

    def describe(self, ref: Ref) -> Description | None:
        """Port ``Records``."""
        if self.silent is not None:
            raise self.silent
        if ref.kind == "deal":
            return self.deals.get(ref.id)
        made = [item for item in self.effects if f"{item['kind']}:{item['n']}" == str(ref)]
        if not made:
            return None
        return Description(version="v1", snapshot={"subject": made[0].get("subject")}, fields={"subject": "text"})

    @property
    def effects(self) -> list[dict[str, Any]]:
        """Everything that was done, by whatever process, in order."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def do(self, kind: str, **values: Any) -> str:
        """One effect."""
        self.before()
        n = str(len(self.effects) + 1)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, json.dumps({"kind": kind, "n": n, **values}).encode() + b"\n")
        os.close(handle)
        self.after()
        return n


class DealRef(BaseModel):
    deal_id: str = Field(max_length=20)


class DealCard(BaseModel):
    title: str
    stage: str
    amount: int
    owner_name: str
    note: str


class NewTask(BaseModel):
    deal_id: str = Field(max_length=20)
    subject: str = Field(max_length=120)
    urgent: bool = False


class TaskMade(BaseModel):
    task_id: str
    subject: str


class NewStage(BaseModel):
    deal_id: str = Field(max_length=20)
    stage: Literal["new", "won", "lost"]


class StageSet(BaseModel):
    stage: str


class Note(BaseModel):
    text: str = Field(max_length=200)


class NoteSent(BaseModel):
    text: str


@tool(
    name="crm.read_deal",
    effect="read",
    timeout_s=2,
    refs={"deal_id": "deal"},
    untrusted={"note"},
    result_fields={"title": "plain", "stage": "plain", "owner_name": "PERSON", "note": "text"},
)
def read_deal(args: DealRef, desk: Any) -> DealCard:
    """Reads one deal."""
    desk.before()
    found = desk.deals[args.deal_id]
    stage = found.snapshot["stage"]
    return DealCard(title="Trucks", stage=stage, amount=40_000, owner_name="Piotr Zielony", note=desk.note)


@tool(
    name="crm.create_task",
    effect="draft",
    timeout_s=2,
    key=("deal_id", "subject"),
    refs={"deal_id": "deal"},
    result_refs={"task_id": "task"},
    unmask={"subject"},
)
def create_task(args: NewTask, desk: Any, idempotency_key: str, subject: Subject) -> TaskMade:
    """Makes a draft task at a deal."""
    made = desk.do("task", deal=args.deal_id, subject=args.subject, key=idempotency_key, by=subject.id)
    return TaskMade(task_id=made, subject=args.subject)


def _as_it_would_be(args: NewStage, desk: Any) -> Description:
    found = desk.deals[args.deal_id]
    return replace(found, snapshot={**found.snapshot, "stage": args.stage})


@tool(
    name="crm.set_stage",
    effect="write",
    timeout_s=2,
    key=("deal_id", "stage"),
    refs={"deal_id": "deal"},
    changes="deal_id",
    dry_run=_as_it_would_be,
)
def set_stage(args: NewStage, desk: Any) -> StageSet:
    """Moves a deal to another stage."""
    desk.do("stage", deal=args.deal_id, stage=args.stage)
    desk.change(args.deal_id, args.stage)
    return StageSet(stage=args.stage)


@tool(name="messages.send", effect="send", timeout_s=2, unmask={"text"})
def send_note(args: Note, desk: Any) -> NoteSent:
    """Sends a note to the customer."""
    desk.do("note", text=args.text)
    return NoteSent(text=args.text)


class World:
    """Gateways over one desk, and the people of one company. Everything it opens, it closes.

    Args:
        folder: where databases and the desk's file live.
        masker: shared; building its engine takes a second.
        database: where its gateways live; SQLite by default.
    """

    sdr = Subject(id="u1", tenant="acme", roles={"sdr"}, region="kz")
    boss = Subject(id="m7", tenant="acme", roles={"manager"}, region="kz")
    stranger = Subject(id="m7", tenant="other", roles={"manager"}, region="kz")
    anna = Party(
        id="contact:17",
        refs={"deal_id": "42"},
        known={"PERSON": ["Anna Kowalska"], "PHONE": ["+48 512 345 678"], "EMAIL": ["anna@kowalska.example"]},
    )
    read_deal, create_task, set_stage, send_note = read_deal, create_task, set_stage, send_note

    def __init__(self, folder: Path, masker: Masker, database: Database | None = None) -> None:
        self.folder = folder
        self.masker = masker
        self.database = database or Database(folder)
        self.desk = Desk(folder / "desk.jsonl")
        self.clock = FixedClock()
        self._gateways: list[Gateway] = []

    @property
    def home(self) -> tuple[str, str]:
        """What another process needs to be in the same world: see :meth:`at`."""
        return str(self.folder), self.database.shared

    @classmethod
    def at(cls, home: tuple[str, str]) -> World:
        """The same world in another process: the folder, and the shared database."""
        folder = Path(home[0])
        return cls(folder, Masker(profile="patterns"), Database(folder, home[1]))

    @staticmethod
    def policy(tools: Mapping[str, Mapping[str, Any]] | None = None, **top: Any) -> Policy:
        """The company's policy, with changes: ``policy({"crm.create_task": {"mode": "approve"}}, loops={...})``."""
        approvers = {"roles": ["manager"], "expires": "24h"}
        rules: dict[str, dict[str, Any]] = {
            "crm.read_deal": {"roles": ["sdr", "manager"], "region": "own", "mode": "execute"},
            "crm.create_task": {"roles": ["sdr"], "mode": "execute", "approvers": approvers},
            "crm.set_stage": {"roles": ["sdr"], "mode": "approve", "approvers": approvers | {"not_requester": True}},
            "messages.send": {"roles": ["sdr"], "mode": "execute", "approvers": approvers},
        }
        for name, change in (tools or {}).items():
            rules[name] |= change
        limits = {"actions_per_thread": 50, "attempts_per_thread": 200, "steps_per_thread": 50}
        return Policy.model_validate({"version": 1, "name": "desk.v1", "limits": limits, "tools": rules} | top)

    def gateway(self, policy: Policy | None = None, *, file: bool = False, **options: Any) -> Gateway:
        """A gateway over this desk, in a database of its own unless ``file``: then all gateways of this world share one."""
        given: dict[str, Any] = {
            "tools": [read_deal, create_task, set_stage, send_note],
            "policies": policy or self.policy(),
            "url": self.database.shared if file else self.database.new(),
            "environment": "dev",
            "resources": {"desk": self.desk},
            "records": self.desk,
            "masker": self.masker,
            "clock": self.clock,
        }
        if not file and options.get("environment", "dev") != "dev":
            given["credentials"] = MemoryCredentials()  # as a database in memory has it
        made = Gateway(**(given | options))
        self._gateways.append(made)
        return made

    def key(self) -> FileCredentials:
        """The key of the shared database in a file of its own: the one that was made for development serves ``dev`` alone."""
        lines = self.database.key_file.read_text(encoding="ascii").splitlines()
        own = self.folder / "own.key"
        own.touch(0o600)
        own.write_text("".join(line for line in lines if not line.startswith("#")), encoding="ascii")
        return FileCredentials(own)

    @staticmethod
    def waits(gateway: Gateway, seconds: float) -> None:
        """From now on its store waits so long for another writer."""
        database = gateway.store._database
        database._lock_wait_s = seconds
        while database._idle:
            database._idle.pop().close()
        database._engine.dispose()  # what is connected anew waits as it is told now

    @classmethod
    def impatient(cls, gateway: Gateway) -> None:
        """From now on its store hardly waits for another writer."""
        cls.waits(gateway, 0.02)

    def thread(self, policy: Policy | None = None, **options: Any) -> GuardedThread:
        """A conversation of the sdr about Anna, at a new gateway in memory."""
        return self.gateway(policy, **options).open(self.sdr, party=self.anna)

    def rows(self, gateway: Gateway, table: str) -> list[dict[str, Any]]:
        """One table of a gateway's database."""
        with gateway.store.read() as connection:
            return [dict(row._mapping) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]

    def data_keys(self, gateway: Gateway) -> list[dict[str, Any]]:
        """The data keys of a gateway's vault, without the rows that tell about its master keys."""
        return [row for row in self.rows(gateway, "vault_keys") if not row["id"].startswith("#")]

    def dump(self, gateway: Gateway) -> dict[str, list[dict[str, Any]]]:
        """Every table of a gateway's database."""
        return {name: self.rows(gateway, name) for name in sorted(metadata.tables)}

    def kinds(self, thread: GuardedThread) -> list[str]:
        """The kinds of a thread's audit events, in order."""
        return [event.data["kind"] for event in thread.gateway.audit.events(thread=thread.id)]

    def close(self) -> None:
        """Closes every gateway."""
        for gateway in self._gateways:
            gateway.close()


@pytest.fixture(scope="session")
def quick_masker() -> Masker:
    """Finds what a form or a vault gives away, and loads no model of names."""
    return Masker(profile="patterns")


@pytest.fixture
def world(tmp_path: Path, quick_masker: Masker, database: Database) -> Iterator[World]:
    """A company with one desk, in a folder of its own."""
    made = World(tmp_path, quick_masker, database)
    yield made
    made.close()
