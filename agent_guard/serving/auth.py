"""The auth handler of a LangGraph server: it makes the caller, and keeps a thread to its tenant in the server as well.

What a handler does not name is denied, so a route that a later release of the server adds is closed here too. It is the
inner one of two walls: :class:`~agent_guard.serving.http.GuardHTTP` refuses more, and earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph_sdk import Auth

from agent_guard.runtime.waits import aside
from agent_guard.serving.identity import Identify, user_of

__all__ = ["TENANT", "auth_of"]

TENANT = "agent_guard_tenant"
"""The key of a thread's metadata that says whose it is; clients cannot write it."""


def auth_of(identify: Identify) -> Auth:
    """The handler for the key ``auth`` of ``langgraph.json``; set ``disable_studio_auth`` beside it, because without it
    the server believes requests of its own Studio.

    Args:
        identify: who calls. Whatever it raises refuses the request, and nothing of the error reaches the client.
    """
    auth = Auth()
    on: Any = auth.on  # its types know one handler for one kind of value

    @auth.authenticate
    async def authenticate(headers: dict[bytes, bytes]) -> Any:
        given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.items()}
        try:
            caller = await aside(identify, given)
        except Exception:  # the host's own code: its words may repeat a credential
            caller = None
        if caller is None:
            raise Auth.exceptions.HTTPException(status_code=401, detail="nobody is known by these credentials")
        return user_of(caller)

    async def deny(ctx: Any, value: Any) -> bool:
        del ctx, value
        return False

    async def look(ctx: Any, value: Any) -> bool:
        del ctx, value
        return True

    async def create(ctx: Any, value: Any) -> Mapping[str, str]:
        tenant = {TENANT: ctx.user["tenant"]}
        value.setdefault("metadata", {}).update(tenant)  # in place: the server keeps this very mapping
        return tenant

    async def use(ctx: Any, value: Any) -> Mapping[str, str]:
        del value
        return {TENANT: ctx.user["tenant"]}

    on(deny)
    on.assistants.read(look)
    on.assistants.search(look)
    on.threads.create(create)
    for action in ("read", "search", "update", "create_run"):
        getattr(on.threads, action)(use)
    return auth
