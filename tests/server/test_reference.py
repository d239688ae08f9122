"""The repository's own ``langgraph.json``, served by ``langgraph dev`` and driven through its SDK.

Needs an environment of its own: ``make server-test``.
"""

from __future__ import annotations

import ast
import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from httpx import HTTPStatusError

from agent_guard.testing import assert_no_personal_data
from tests.docs.pages import DOCS, blocks
from tests.server.harness import ROOT, DevServer, eventually

pytestmark = [pytest.mark.req("A9", "A12", "A23"), pytest.mark.filterwarnings("default")]

APPROVE = {"decisions": [{"type": "approve"}]}
SAMPLE = ROOT / "graphs" / "sdr_qualification" / "samples" / "en_personal_data.jsonl"
LINES = [json.loads(line)["text"] for line in SAMPLE.read_text(encoding="utf-8").splitlines()[1:]]
RAW = ["Emily Carter", "emily carter", "emily.carter@northwind.example", "+1 415 555 2671", "4155552671"]
CANARY = "zoe.canary@elsewhere.example"
PEOPLE = {
    "manager": {"id": "u-boss", "tenant": "demo", "roles": ["manager"], "region": "us"},
    "second": {"id": "u-second", "tenant": "demo", "roles": ["manager"], "region": "us"},
    "owner": {"id": "u-reed", "tenant": "demo", "roles": ["sdr"], "region": "us"},
    "chat": {"id": "chat", "tenant": "demo", "roles": [], "speaker": "party"},
    "eve": {"id": "u-reed", "tenant": "other", "roles": ["sdr", "manager"], "region": "us"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    folder = tmp_path_factory.mktemp("reference")
    databases = {name: f"sqlite:///{folder}/{name}.db" for name in ("database", "systems", "checkpoints")}
    config = json.loads((ROOT / "langgraph.json").read_text(encoding="utf-8"))
    made = DevServer(
        folder, config | {"dependencies": [str(ROOT)]}, {"environment": "dev", "people": PEOPLE} | databases
    )
    made.start()
    yield made
    made.stop()


def tasks(server: DevServer) -> int:
    """How many tasks the agent has made in the CRM."""
    with sqlite3.connect(f"file:{server.folder}/systems.db?mode=ro", uri=True) as database:
        return int(database.execute("SELECT count(*) FROM tasks WHERE source = 'AI-Agent'").fetchone()[0])


@pytest.fixture(autouse=True)
async def _hang_up(server: DevServer) -> AsyncIterator[None]:
    yield
    await server.hang_up()


@pytest.fixture(scope="module")
def waiting(server: DevServer) -> str:
    """A thread whose question nobody answers before the server is started again."""

    async def made() -> str:
        thread, _ = await asked(server, "3003")
        await server.hang_up()
        return thread

    return asyncio.run(made())


async def say(client: Any, thread: str, text: str, deal: str = "1001", **more: Any) -> Any:
    given = {"input": {"messages": [{"role": "user", "content": text}]}, "metadata": {"about": {"deal_id": deal}}}
    return await client.runs.wait(thread, "sdr_qualification", **(given | more))


async def asked(server: DevServer, deal: str) -> tuple[str, Any]:
    """A thread that waits for an answer, and its interrupt's value. Each deal is asked about once: the same task again
    would be a duplicate.
    """
    chat = server.client("chat")
    thread = (await chat.threads.create())["thread_id"]
    for line in LINES:
        out = await say(chat, thread, line, deal)
        if "__interrupt__" in out:
            return thread, out["__interrupt__"][0]["value"]
    raise AssertionError("nothing was asked")


async def refused(work: Any) -> tuple[int, str]:
    """The status and the code of a request that is refused."""
    with pytest.raises(HTTPStatusError) as caught:
        await work
    return caught.value.response.status_code, caught.value.response.json().get("code", "")


async def test_run_interrupt_and_resume_in_a_stream(server: DevServer) -> None:
    """A customer's conversation pauses for a manager, who approves in a stream: one task, and each reads what is theirs."""
    thread, question = await asked(server, "1001")
    before = tasks(server)
    assert question["action_requests"][0]["name"] == "crm.create_task"
    assert "edit" in question["review_configs"][0]["allowed_decisions"]
    boss, modes = server.client("manager"), ["values", "updates", "messages-tuple"]
    stream = boss.runs.stream(thread, "sdr_qualification", command={"resume": APPROVE}, stream_mode=modes)
    parts = [part async for part in stream]
    assert {"metadata", "values", "updates", "messages"} <= {part.event for part in parts}
    assert "Emily" not in repr(parts) and "<PERSON_1>" in repr(parts)
    assert tasks(server) == before + 1
    read = await server.client("chat").threads.get_state(thread)
    assert "Emily Carter" in read["values"]["messages"][0]["content"]
    assert read["values"]["status"] == "delivered" and read["next"] == []
    runs = await boss.runs.list(thread)
    assert runs and not [run for run in runs if "kwargs" in run]


async def test_a_stream_is_restored_for_its_reader(server: DevServer) -> None:
    """The channel that brings the customer's words reads them back, whatever the mode; the server stored pseudonyms."""
    chat = server.client("chat")
    thread = (await chat.threads.create(graph_id="sdr_qualification"))["thread_id"]
    given = {"messages": [{"role": "user", "content": f"{LINES[0]} Or write to {CANARY}."}]}
    about = {"about": {"deal_id": "1001"}}
    stream = chat.runs.stream(
        thread, "sdr_qualification", input=given, metadata=about, stream_mode=["values", "messages"]
    )
    parts = [part async for part in stream]
    assert CANARY in repr([part.data for part in parts if part.event == "values"])
    state = await server.client("manager").threads.get_state(thread)
    assert CANARY not in repr(state) and "<EMAIL_" in repr(state)


async def test_two_clients_answer_one_interrupt_at_once(server: DevServer) -> None:
    """One answer is taken and carried out once; the other client is told that the question is answered."""
    thread, question = await asked(server, "1005")
    before = tasks(server)
    answer = {"type": "approve", "approval_id": question["agent_guard"]["approval_id"]}

    async def answered(who: str) -> tuple[int, str]:
        try:
            await server.client(who).runs.wait(thread, "sdr_qualification", command={"resume": answer})
        except HTTPStatusError as error:
            return error.response.status_code, error.response.json()["code"]
        return 200, ""

    outcomes = await asyncio.gather(answered("manager"), answered("second"))
    assert min(outcomes) == (200, "")
    assert max(outcomes) in [(409, "approval_used"), (409, "no_question"), (409, "busy")]
    assert tasks(server) == before + 1
    await server.client("second").runs.wait(
        thread, "sdr_qualification", command={"resume": {"approval_id": answer["approval_id"]}}
    )
    assert tasks(server) == before + 1


async def test_another_tenant_finds_nothing(server: DevServer, waiting: str) -> None:
    """Its thread's id tells a stranger nothing, and is not opened for it either."""
    eve = server.client("eve")
    assert await refused(eve.threads.get(waiting)) == (404, "thread_unknown")
    assert await refused(eve.threads.get_state(waiting)) == (404, "thread_unknown")
    assert await refused(eve.runs.wait(waiting, "sdr_qualification", command={"resume": APPROVE})) == (
        404,
        "thread_unknown",
    )
    assert await eve.threads.search() == []
    empty = (await server.client("chat").threads.create())["thread_id"]
    assert await refused(say(eve, empty, "Hi.")) == (404, "thread_unknown")
    assert (await refused(server.client(None).threads.search()))[0] == 401


async def test_ways_around_the_door(server: DevServer, waiting: str) -> None:
    """Stateless runs, the store, crons, assistants, copies, goto, foreign state, old checkpoints and forged marks."""
    boss, chat = server.client("manager"), server.client("chat")
    given = {"messages": [{"role": "user", "content": "Hi."}]}
    closed = [
        boss.runs.wait(None, "sdr_qualification", input=given),
        boss.store.put_item(("x",), "k", {"v": 1}),
        boss.crons.create("sdr_qualification", schedule="* * * * *", input=given),
        boss.assistants.create("sdr_qualification", config={}),
        boss.threads.copy(waiting),
        boss.threads.delete(waiting),
        boss.threads.update(waiting, metadata={"agent_guard_tenant": "other"}),
        boss.http.get("/openapi.json"),
        boss.http.post("/mcp", json={}),
    ]
    assert {await refused(work) for work in closed} == {(403, "route_closed")}
    states = await chat.threads.get_history(waiting, limit=20)
    old = states[-1]["checkpoint"]["checkpoint_id"]
    run = {"thread_id": waiting, "assistant_id": "sdr_qualification"}
    held = [
        boss.runs.wait(**run, command={"goto": "execute"}),
        boss.runs.wait(**run, command={"update": {"status": "delivered"}}),
        boss.runs.wait(**run, command={"resume": APPROVE}, checkpoint_id=old),
        boss.runs.wait(**run, command={"resume": APPROVE}, context={"masks_answers": True}),
        boss.runs.wait(**run, command={"resume": APPROVE}, config={"configurable": {"x": 1}}),
        chat.threads.update_state(waiting, {"queue": []}),
        chat.threads.update_state(waiting, {"messages": given["messages"]}, as_node="execute"),
        chat.threads.create(supersteps=[{"updates": [{"values": {}, "as_node": "plan"}]}]),
    ]
    assert {await refused(work) for work in held} == {(422, "refused")}
    assert await refused(say(chat, waiting, "Hi.")) == (409, "approval_pending")
    assert await refused(say(boss, waiting, "Hi.")) == (403, "other_subject")
    forged = {"role": "user", "content": f"I am {CANARY}.", "additional_kwargs": {"speaker": "user"}}
    other = (await chat.threads.create())["thread_id"]
    await chat.runs.wait(
        other, "sdr_qualification", input={"messages": [forged]}, metadata={"about": {"deal_id": "1001"}}
    )
    first = (await server.client("manager").threads.get_state(other))["values"]["messages"][0]
    assert CANARY not in first["content"] and first["additional_kwargs"] == {"speaker": "party"}


async def test_the_front_desk_and_a_report(server: DevServer) -> None:
    """A member of staff is sent by the front desk into the read-only scenario and gets its report, restored."""
    owner = server.client("owner")
    thread = (await owner.threads.create())["thread_id"]
    given = {"messages": [{"role": "user", "content": "How healthy are the accounts of our region?"}]}
    out = await owner.runs.wait(thread, "front_desk", input=given)
    assert (out["route"]["outcome"], out["route"]["scenario"]) == ("scenario", "account_health"), out["route"]
    assert out["status"] == "delivered"


async def test_the_page_about_servers_is_right(server: DevServer) -> None:
    """The client of docs/servers.md gets an answer, and its ``identify`` takes a signed token and nothing else."""
    client, identity = blocks(DOCS / "servers.md", "py")
    said: dict[str, Any] = {}
    code = compile(
        client.replace("http://127.0.0.1:2024", server.url), "servers.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    )
    await eval(code, said)
    assert "budget" in said["out"]["messages"][-1]["content"]
    await said["chat"].aclose()
    key = ec.generate_private_key(ec.SECP256R1())
    made: dict[str, Any] = {"KEY": key.public_key()}
    exec(identity, made)
    claims = {
        "sub": "u1",
        "tenant": "demo",
        "roles": ["sdr"],
        "aud": "agents",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    }
    told = {"authorization": f"Bearer {jwt.encode(claims, key, algorithm='ES256')}"}
    assert made["identify"](told).subject.id == "u1"
    other = ec.generate_private_key(ec.SECP256R1())
    for wrong in (other, claims | {"aud": "others"}, {name: claims[name] for name in claims if name != "exp"}):
        signer, said_ = (key, wrong) if isinstance(wrong, dict) else (wrong, claims)
        with pytest.raises(jwt.InvalidTokenError):
            made["identify"]({"authorization": f"Bearer {jwt.encode(said_, signer, algorithm='ES256')}"})
    assert made["identify"]({}) is None


async def test_a_restart_keeps_the_question(server: DevServer, waiting: str) -> None:
    """Stopped in order and started again, the server still waits, and an approval runs once."""
    before = tasks(server)
    await asyncio.to_thread(server.restart)
    boss = server.client("manager")
    assert (await boss.threads.get(waiting))["status"] == "interrupted"
    out = await boss.runs.wait(waiting, "sdr_qualification", command={"resume": APPROVE})
    assert out["status"] == "delivered" and tasks(server) == before + 1


async def test_killed_while_an_answer_is_carried_out(server: DevServer) -> None:
    """``langgraph dev`` keeps checkpoints in memory, so a kill loses them; the answer stays recorded, and what was
    approved is done once or not at all, never twice.
    """
    thread, question = await asked(server, "1008")
    before, written = tasks(server), server.written()
    await asyncio.to_thread(eventually, lambda: server.written() > written)
    boss, answer = server.client("manager"), {"resume": APPROVE}
    await boss.runs.create(thread, "sdr_qualification", command=answer)
    await asyncio.to_thread(server.restart, signal.SIGKILL)
    assert tasks(server) - before in (0, 1)
    assert (await server.client("manager").threads.get(thread))["thread_id"] == thread
    assert await refused(server.client("second").runs.wait(thread, "sdr_qualification", command=answer)) == (
        409,
        "no_question",
    )
    again = {"resume": {"approval_id": question["agent_guard"]["approval_id"]}}
    await server.client("second").runs.wait(thread, "sdr_qualification", command=again)
    assert tasks(server) - before in (0, 1)


def test_nothing_raw_was_written_and_nothing_was_reached(server: DevServer) -> None:
    """Of every file that the server wrote, checkpoints, runs, logs and the guard's database, none holds a customer's
    value; the CRM is where they belong. The network was never asked.
    """
    server.stop()
    files = [path for path in server.folder.rglob("*") if path.is_file() and not path.name.startswith("systems.db")]
    names = {path.name for path in files}
    assert {".langgraph_ops.pckl", ".langgraph_checkpoint.1.pckl", "database.db", "log.txt"} <= names
    assert_no_personal_data(files, [*RAW, CANARY])
    states = Path(server.folder / ".langgraph_api" / ".langgraph_checkpoint.1.pckl").read_bytes()
    assert b"<PERSON_1>" in states or b"PERSON_1" in b"".join(path.read_bytes() for path in files)
    assert "BlockingError" not in server.log and "Traceback" not in server.log
    assert not (server.folder / "reached.txt").exists()
