"""The routes of LangGraph's API that are let through. The list is closed: what does not stand in it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent_guard.serving.refused import Refused

__all__ = ["ROUTES", "Gives", "Route", "Takes", "match"]

Takes = Literal["nothing", "assistants", "new_thread", "threads", "run", "state", "history"]
"""What the body of a request is, and with it what is taken of it; see :mod:`agent_guard.serving.bodies`."""

Gives = Literal["plain", "thread", "stream", "run"]
"""What is done with the answer: nothing, its messages restored, the same event by event, or a run without what it was
given.
"""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One route.

    Args:
        form: its path as it is written in the documentation.
        path: matched in full; its group ``thread`` is the thread.
        query: names of query parameters that are passed on, each with the form its value must have.
        known: whether the caller must be known: all but what a load balancer asks.
        owner: whether the thread must be the caller's own, or the caller a channel's.
    """

    method: str
    form: str
    path: re.Pattern[str]
    takes: Takes = "nothing"
    gives: Gives = "plain"
    query: Mapping[str, re.Pattern[str]]
    known: bool = True
    owner: bool = False


_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PARTS = {"{thread}": f"(?P<thread>{_UUID})", "{id}": _UUID, "{assistant}": "[A-Za-z0-9_-]{1,100}"}
_QUERY = {
    "limit": re.compile("[0-9]{1,4}"),
    "offset": re.compile("[0-9]{1,9}"),
    "status": re.compile("[a-z]{1,20}"),
    "subgraphs": re.compile("true|false|True|False"),
    "wait": re.compile("[01]|true|false|True|False"),
    "xray": re.compile("[0-9]{1,2}|true|false|True|False"),
    "action": re.compile("interrupt"),  # a rollback would take back the checkpoint of what was done
    "cancel_on_disconnect": re.compile("0|false|False"),  # a write that is cut is unknown
    "stream_mode": re.compile("(values|updates|messages|messages-tuple|custom)"),
}


def _route(
    method: str,
    path: str,
    takes: Takes = "nothing",
    gives: Gives = "plain",
    query: str = "",
    *,
    known: bool = True,
    owner: bool = False,
) -> Route:
    pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
    for name, form in _PARTS.items():
        pattern = pattern.replace(name, form)
    names = {name: _QUERY[name] for name in query.split()}
    return Route(
        method=method,
        form=path,
        path=re.compile(pattern),
        takes=takes,
        gives=gives,
        query=names,
        known=known,
        owner=owner,
    )


_RUN = "/threads/{thread}/runs/{id}"
ROUTES = (
    _route("GET", "/", known=False),
    _route("GET", "/ok", known=False),
    _route("GET", "/info", known=False),
    _route("POST", "/assistants/search", "assistants"),
    _route("GET", "/assistants/{assistant}"),
    _route("GET", "/assistants/{assistant}/graph", query="xray"),
    _route("GET", "/assistants/{assistant}/schemas"),
    _route("POST", "/threads", "new_thread", "thread"),
    _route("POST", "/threads/search", "threads", "thread"),
    _route("POST", "/threads/count", "threads"),
    _route("GET", "/threads/{thread}", gives="thread"),
    _route("GET", "/threads/{thread}/state", gives="thread", query="subgraphs"),
    _route("GET", "/threads/{thread}/state/{id}", gives="thread", query="subgraphs"),
    _route("POST", "/threads/{thread}/state", "state", owner=True),
    _route("GET", "/threads/{thread}/history", gives="thread", query="limit"),
    _route("POST", "/threads/{thread}/history", "history", "thread"),
    _route("POST", "/threads/{thread}/runs", "run", "run"),
    _route("POST", "/threads/{thread}/runs/wait", "run", "thread"),
    _route("POST", "/threads/{thread}/runs/stream", "run", "stream"),
    _route("GET", "/threads/{thread}/runs", gives="run", query="limit offset status"),
    _route("GET", _RUN, gives="run"),
    _route("GET", f"{_RUN}/join", gives="thread", query="cancel_on_disconnect"),
    _route("GET", f"{_RUN}/stream", gives="stream", query="cancel_on_disconnect stream_mode"),
    _route("POST", f"{_RUN}/cancel", gives="thread", query="wait action", owner=True),
)

_STATELESS = (
    "a run needs a thread: POST /threads, then POST /threads/{thread_id}/runs. A stateless run belongs to nobody, and "
    "nobody could answer its questions"
)
_OF_THREADS = (
    "of a thread only its runs, its state and its history are open; what is deleted is for the guard to say: see "
    "agent-guard vault erase"
)
_CLOSED = (
    ("/runs/crons", "nothing starts by itself here: let your own scheduler start runs, as somebody"),
    ("/runs", _STATELESS),
    ("/store", "the store is closed: what is kept outside a thread belongs to nobody"),
    ("/mcp", "MCP is closed: its runs would be stateless"),
    ("/a2a", "A2A is closed: its runs would be stateless"),
    ("/assistants", "assistants are read only: the graphs are those of langgraph.json, as they are"),
    ("/threads", _OF_THREADS),
)


def match(method: str, path: str) -> tuple[Route, str | None]:
    """The route of a request, and the thread that it names.

    Raises:
        Refused: it is not on the list.
    """
    for route in ROUTES:
        found = route.path.fullmatch(path) if route.method == method else None
        if found is not None:
            return route, found.groupdict().get("thread")
    for prefix, words in _CLOSED:
        if path == prefix or path.startswith(f"{prefix}/"):
            raise Refused(403, "route_closed", words)
    raise Refused(403, "route_closed", "this route is not on the list of those that are open here")
