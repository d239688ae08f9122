"""A small LangGraph server behind GuardHTTP: it stores what it is sent, as it is sent, and runs a real graph with it."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt

from agent_guard.graph.savers import both_doors
from agent_guard.serving.auth import TENANT
from agent_guard.serving.http import GuardHTTP
from agent_guard.serving.identity import Caller, user_of

T1 = "01a203c4-2c83-737e-876e-6360c64b9a07"
T2 = "01a203c4-2c83-737e-876e-6360c64b9a08"


class User(dict[str, Any]):
    """As a server hands on what its auth handler gave."""

    @property
    def identity(self) -> Any:
        return self["identity"]


class FakeServer:
    """What GuardHTTP wraps. ``seen`` is what reached it; ``events`` are the pieces of a stream, instead of a run's."""

    def __init__(self, graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        self.saver = InMemorySaver()
        self.graph = graph.copy(update={"checkpointer": both_doors(self.saver)})
        self.threads: dict[str, dict[str, Any]] = {}
        self.seen: list[tuple[str, str, Any]] = []
        self.scopes: list[dict[str, Any]] = []
        self.events: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raw = (await receive())["body"]
        body = json.loads(raw) if raw else None
        method, path = scope["method"], scope["path"]
        self.seen.append((method, path, body))
        self.scopes.append(scope)
        status, pieces = await self._answer(method, path, body, scope.get("user") or {})
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"1")]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _answer(self, method: str, path: str, body: Any, user: Any) -> tuple[int, list[bytes]]:
        found = re.match(r"/threads/([0-9a-f-]{36})", path)
        thread = self.threads.get(found[1]) if found else None
        if found and (thread is None or thread["metadata"][TENANT] != user["tenant"]):
            return 404, _whole({"detail": "not found"})
        if path == "/threads":
            thread = {"thread_id": body["thread_id"], "status": "idle", "metadata": {TENANT: user["tenant"]}}
            self.threads[body["thread_id"]] = thread
            return 200, _whole(thread)
        if path == "/threads/search":
            return 200, _whole([item | {"values": await self._values(item)} for item in self.threads.values()])
        if thread is None:
            return 200, _whole({"ok": True})
        config: Any = {"configurable": {"thread_id": thread["thread_id"]}}
        if method == "POST" and path.endswith("/state"):
            await self.graph.aupdate_state(config, body["values"], as_node=body["as_node"])
            return 200, _whole({"checkpoint": {}})
        if method == "POST" and "/runs" in path:
            given = Command(resume=body["command"]["resume"]) if "command" in body else body["input"]
            config |= body["config"]
            out = await self.graph.ainvoke(given, config, context=body["context"], durability=body["durability"])
            if path.endswith("/stream"):
                return 200, self.events or [b"event: values\r\ndata: " + _json(out) + b"\r\n\r\n"]
            return 200, _whole({"run_id": "r1", "kwargs": body} if path.endswith("/runs") else out)
        return 200, _whole(thread | {"values": await self._values(thread)})

    async def _values(self, thread: Any) -> Any:
        config: Any = {"configurable": {"thread_id": thread["thread_id"]}}
        return (await self.graph.aget_state(config)).values

    def stored(self) -> str:
        """Everything that the checkpointer holds."""
        return repr([self.saver.storage, self.saver.writes, self.saver.blobs])


def client(guard: GuardHTTP, caller: Caller | None, root: str = "") -> httpx.AsyncClient:
    """A client of a caller whom the server's auth has let in."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        user = {} if caller is None else {"user": User(user_of(caller))}
        await guard({**scope, "root_path": root, **user}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


def _json(value: Any) -> bytes:
    return json.dumps(value, default=_plain, ensure_ascii=False).encode()


def _whole(value: Any) -> list[bytes]:
    """A sign of life, then the answer in two pieces."""
    out = _json(value)
    return [b"\n", out[:7], out[7:]]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseMessage):
        return value.model_dump()
    return {"id": value.id, "value": value.value} if isinstance(value, Interrupt) else str(value)
