"""The ASGI middleware behind a LangGraph server's auth: masks what comes in, restores what goes out, refuses the rest.

    request -> known route? -> known caller? -> whose thread? -> body taken apart -> masked -> the server
    answer  <- restored for its reader       <----------------------------------------------- the server

The work is done in threads of our own: nothing blocks the server's event loop. Where the guard's database cannot be
used a request is refused with 503, and an answer that is under way keeps its pseudonyms.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from agent_guard.errors import AgentGuardError
from agent_guard.gateway import Gateway
from agent_guard.runtime.waits import aside
from agent_guard.serving.bodies import (
    BODY_MOST,
    assistants_asked,
    history_asked,
    json_of,
    new_thread_asked,
    run_asked,
    state_asked,
    threads_asked,
)
from agent_guard.serving.conversation import Conversation
from agent_guard.serving.identity import Caller, Identify, caller_of
from agent_guard.serving.opening import Receive, receive_staff
from agent_guard.serving.refused import Refused, refused
from agent_guard.serving.replies import Reply, reply_of
from agent_guard.serving.routes import Route, match

__all__ = ["GuardHTTP"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Take = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Take, Send], Awaitable[None]]

_HEADERS = frozenset({b"accept", b"authorization", b"host"})
"""What is passed on of a request's headers. The server stores others with each run, and reads marks from them."""

_LAST = re.compile(rb"[0-9]{1,20}(-[0-9]{1,20})?")

log = logging.getLogger("agent_guard")


class GuardHTTP:
    """Stands between the clients of a LangGraph server and its routes; see the module's picture.

    In ``langgraph.json``: ``"auth"`` made by :func:`agent_guard.serving.auth.auth_of` with ``disable_studio_auth``, and
    an ``"http"`` app with this middleware and ``"middleware_order": "auth_first"``.

    Args:
        gateway: the gateway of the graphs, or what gives it when it is first needed, in a thread.
        graphs: the names of the graphs that are served.
        receive: how a thread of a first message is opened.
        identify: who calls, for a server that authenticates inside its routes, after every middleware; what it
            authenticates itself before this one goes before.
    """

    def __init__(
        self,
        app: App,
        *,
        gateway: Gateway | Callable[[], Gateway],
        graphs: Collection[str],
        receive: Receive = receive_staff,
        identify: Identify | None = None,
    ) -> None:
        self._app, self._gateway = app, gateway
        self._graphs, self._receive = frozenset(graphs), receive
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Take, send: Send) -> None:
        """One request, or what an ASGI server sends besides."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "this route is not open here"})
        else:
            try:
                await self._http(scope, receive, send)
            except Refused as no:
                await _send_json(send, no.status, {"detail": no.detail, "code": no.code})

    async def _http(self, scope: Scope, receive: Take, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path") or "")
        route, thread_id = match(scope["method"], path)
        query = _query(scope, route)  # before anything is kept of the request
        if not route.known:
            await self._app(_inner(scope, query, b""), _Body(receive, b""), send)
            return
        caller = await self._caller(scope)
        raw = await _body(receive)
        try:
            body, talk = await self._taken(scope, route, thread_id, caller, raw)
        except Refused:
            raise
        except Exception as error:  # one that is not ours may repeat what was said, and the server would log it
            no = refused(error)
            if no.status >= 500:
                words = error if isinstance(error, AgentGuardError) else "its words may hold values"
                log.warning("%s %s: %s: %s", route.method, route.form, type(error).__name__, words)
            raise no from None
        reply = reply_of(route.gives, send, self._found(caller), talk)
        await self._app(_inner(scope, query, body), _Body(receive, body), reply)

    # ---- parts

    async def _caller(self, scope: Scope) -> Caller:
        """Who asks.

        Raises:
            Refused: nobody who is known.
        """
        user = scope.get("user")
        if [name.lower() for name, _ in scope["headers"]].count(b"authorization") > 1:
            raise Refused(401, "unauthenticated", "send one authorization header: two may name two people")
        if user is None and self._identify is not None:
            given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            try:
                caller = await aside(self._identify, given)
            except Exception:  # as in the auth handler
                caller = None
            if caller is not None:
                return caller
        return caller_of(user)

    async def _taken(
        self, scope: Scope, route: Route, thread_id: str | None, caller: Caller, raw: bytes
    ) -> tuple[bytes, Conversation | None]:
        """The body as the server may have it, and the conversation that the request is about."""
        talk = None if thread_id is None else await aside(self._find, thread_id, caller)
        if route.owner and talk is not None and not talk.owns:
            raise Refused(403, "other_subject", "only its own user, or a channel, does that in this thread")
        if route.takes == "nothing":
            return b"", talk
        given = json_of(raw)
        taken: Mapping[str, Any]
        match route.takes:
            case "run" | "state":
                there = await self._there(scope, thread_id)
                if there.get("status") == "busy":
                    raise Refused(409, "busy", "a run of this thread is under way; wait for its end")
                work = self._run if route.takes == "run" else self._state
                taken, talk = await aside(work, str(thread_id), caller, talk, given)
            case "new_thread":
                taken = new_thread_asked(given, self._graphs)
            case "threads":
                taken = threads_asked(given, self._graphs)
            case "history":
                taken = history_asked(given)
            case _:
                taken = assistants_asked(given, self._graphs)
        return json.dumps(taken).encode(), talk

    def _run(
        self, thread_id: str, caller: Caller, talk: Conversation | None, body: Any
    ) -> tuple[Mapping[str, Any], Conversation]:
        """In a thread: a run whose texts are masked and whose answer is recorded."""
        asked = run_asked(body, self._graphs)
        if talk is None:
            if asked.texts is None:
                raise Refused(409, "no_message", "nobody has said anything in this thread yet")
            talk = Conversation.open(
                self._one(), thread_id, caller, self._receive, asked.graph, asked.about, asked.texts
            )
        talk.check(asked.graph)
        run: dict[str, Any] = {
            **asked.passed,
            "assistant_id": asked.graph,
            "context": {"masks_answers": True},
            "config": {"recursion_limit": talk.steps_most},
            "durability": "sync",
            "multitask_strategy": "reject",
            "on_disconnect": "continue",
            "if_not_exists": "reject",
        }
        if asked.answer is not None:
            return run | {"command": {"resume": talk.answer(asked.answer)}}, talk
        if asked.texts is None and not talk.owns:
            raise Refused(403, "other_subject", "only its own user, or a channel, lets this thread go on")
        return run | {"input": None if asked.texts is None else talk.hear(asked.texts)}, talk

    def _state(
        self, thread_id: str, caller: Caller, talk: Conversation | None, body: Any
    ) -> tuple[Mapping[str, Any], Conversation]:
        """In a thread: a state update whose texts are masked."""
        del thread_id, caller
        if talk is None:
            raise Refused(409, "no_message", "nobody has said anything in this thread yet")
        return {"values": talk.hear(state_asked(body)), "as_node": "__start__"}, talk

    def _one(self) -> Gateway:
        return self._gateway if isinstance(self._gateway, Gateway) else self._gateway()

    def _find(self, thread_id: str, caller: Caller) -> Conversation | None:
        return Conversation.find(self._one(), thread_id, caller)

    def _found(self, caller: Caller) -> Callable[[str], Conversation | None]:
        return lambda thread_id: self._find(thread_id, caller)

    async def _there(self, scope: Scope, thread_id: str | None) -> Mapping[str, Any]:
        """The thread as the server shows it to this caller.

        Raises:
            Refused: it does not.
        """
        path = f"{scope.get('root_path') or ''}/threads/{thread_id}"
        kept = Reply()
        await self._app(_inner(scope, b"", b"", method="GET", path=path), _Body(None, b""), kept.send)
        if kept.status != 200:
            raise Refused(404, "thread_unknown", "there is no such thread")
        found = json.loads(kept.body)
        return found if isinstance(found, dict) else {}


def _query(scope: Scope, route: Route) -> bytes:
    """The query parameters that are passed on.

    Raises:
        Refused: a query parameter that is not on the route's list.
    """
    given = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    for name, value in given:
        form = route.query.get(name)
        if form is None or not form.fullmatch(value):
            open_ = ", ".join(sorted(route.query)) or "none"
            raise Refused(422, "refused", f"a query parameter is not open here, or has a wrong value; open: {open_}")
    return urlencode(given).encode()


def _inner(scope: Scope, query: bytes, body: bytes, **changed: Any) -> Scope:
    """The request as the server sees it, its path in the one spelling that was looked at: nothing behind the door reads
    another from raw bytes.
    """
    made = {**scope, **changed, "query_string": query, "headers": _headers(scope, body)}
    return made | {"raw_path": str(made["path"]).encode()}


def _headers(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    given = [(name.lower(), value) for name, value in scope.get("headers", [])]
    kept = [(name, value) for name, value in given if name in _HEADERS]
    kept += [(name, value) for name, value in given if name == b"last-event-id" and _LAST.fullmatch(value)]
    return [*kept, (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]


class _Body:
    """A request's body, then whatever else the client does."""

    def __init__(self, receive: Take | None, body: bytes) -> None:
        self._receive, self._body = receive, body
        self._given = False

    async def __call__(self) -> Message:
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        return await self._receive() if self._receive is not None else {"type": "http.disconnect"}


async def _body(receive: Take) -> bytes:
    """The whole body.

    Raises:
        Refused: it is too large, or is cut off; the rest is not read.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "body_unreadable", "the client was gone before its request was whole")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > BODY_MOST:
            raise Refused(413, "body_too_large", f"a body has at most {BODY_MOST} bytes")
        if not message.get("more_body"):
            return b"".join(parts)


async def _send_json(send: Send, status: int, value: Any) -> None:
    body = json.dumps(value).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
