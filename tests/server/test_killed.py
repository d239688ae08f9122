"""A server that is killed between a call's effect and its answer, and started again with its checkpoints."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent_guard.testing import assert_no_personal_data
from tests.server.harness import DevServer, eventually

pytestmark = [pytest.mark.req("A6", "A8"), pytest.mark.filterwarnings("default")]

HERE = "./tests/server/held.py"
CONFIG = {
    "dependencies": ["."],
    "graphs": {"agent": f"{HERE}:make_graph"},
    "checkpointer": {"path": f"{HERE}:make_checkpointer"},
    "auth": {"path": f"{HERE}:auth", "disable_studio_auth": True},
    "http": {"app": f"{HERE}:app", "middleware_order": "auth_first"},
}
PEOPLE = {"sdr": {"id": "u1", "tenant": "acme", "roles": ["sdr"], "region": "kz"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DevServer]:
    made = DevServer(tmp_path, CONFIG, {"environment": "dev", "people": PEOPLE}, HELD_HOME=str(tmp_path))
    made.start()
    yield made
    made.stop()


def effects(server: DevServer) -> list[dict[str, Any]]:
    desk = server.folder / "desk.jsonl"
    return [json.loads(line) for line in desk.read_text(encoding="utf-8").splitlines()] if desk.exists() else []


async def test_a_server_that_died_in_the_middle_of_a_stream(server: DevServer) -> None:
    """The stream breaks. Started again, the server runs the same run again by itself; the call is not done again, its
    outcome is unknown, and the thread ends with a person being called.
    """
    client, run = server.client("sdr"), {"input": {"messages": ["Remind me to call Anna Kowalska."]}}
    thread = (await client.threads.create())["thread_id"]
    (server.folder / "hold").touch()
    async with httpx.AsyncClient(trust_env=False, timeout=60, headers={"Authorization": "Bearer sdr"}) as raw:
        url, body = f"{server.url}/threads/{thread}/runs/stream", {"assistant_id": "agent", **run}
        with pytest.raises(httpx.RemoteProtocolError):
            async with raw.stream("POST", url, json=body) as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "event: metadata"
                written = server.written()
                await asyncio.to_thread(eventually, lambda: server.written() > written)
                (server.folder / "think").touch()
                await asyncio.to_thread(eventually, (server.folder / "done").exists)
                await asyncio.to_thread(server.stop, signal.SIGKILL)
                async for _ in lines:
                    pass
    assert len(effects(server)) == 1
    (server.folder / "hold").unlink()
    await asyncio.to_thread(server.start)
    for _ in range(300):
        state = await client.threads.get(thread)
        if state["status"] != "busy":
            break
        await asyncio.sleep(0.1)
    assert [item["kind"] for item in effects(server)] == ["task"]
    assert state["values"]["status"] == "escalated", state["values"]
    again = await client.runs.wait(thread, "agent", input=None)
    assert len(effects(server)) == 1 and again["status"] == "escalated"
    with sqlite3.connect(f"file:{server.folder}/guard.db?mode=ro", uri=True) as database:
        states = [row[0] for row in database.execute("SELECT state FROM calls")]
    assert states == ["claimed"] or "unknown" in states, states
    await server.hang_up()
    assert_no_personal_data(
        [server.folder / "threads.db", server.folder / ".langgraph_api"], ["Anna Kowalska", "Kowalska"]
    )
