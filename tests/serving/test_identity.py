"""Who calls: people by name in dev alone, a function of the host's elsewhere, and what a server's user is worth."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langgraph_sdk import Auth

from agent_guard.errors import ConfigError
from agent_guard.serving.auth import TENANT, auth_of
from agent_guard.serving.identity import Caller, caller_of, identify_of, people, user_of
from agent_guard.serving.refused import Refused
from agent_guard.settings import Settings
from agent_guard.types import Subject

pytestmark = pytest.mark.req("A10", "B5")

REED = {"id": "u-reed", "tenant": "demo", "roles": ["sdr"], "region": "us"}
SETTINGS = Settings.model_validate(
    {
        "environment": "dev",
        "people": {"reed": REED, "chat": {"id": "c", "tenant": "demo", "roles": [], "speaker": "party"}},
    }
)


def identify(headers: Any) -> Caller:
    return Caller(subject=Subject(id=headers["authorization"], tenant="t"))


class User(dict[str, Any]):
    identity: Any = "u1"


@pytest.mark.parametrize(
    ("header", "who"),
    [("Bearer reed", "u-reed"), ("bearer  reed", "u-reed"), ("Bearer chat", "c"), ("Basic reed", None), ("Bearer eve", None), ("", None)],
)  # fmt: skip
def test_people_by_name(header: str, who: str | None) -> None:
    """An entry of ``people`` is believed, in the one form; anything else is nobody."""
    found = people(SETTINGS)({"authorization": header})
    assert (found.subject.id if found else None) == who
    assert found is None or found.speaker == ("party" if who == "c" else "user")


@pytest.mark.parametrize("environment", ["stage", "prod"])
def test_nobody_is_believed_by_name_elsewhere(environment: str) -> None:
    """Without ``identify`` the server does not start, and is told what to set."""
    with pytest.raises(ConfigError, match="identify"):
        identify_of(SETTINGS.model_copy(update={"environment": environment}))


def test_a_function_of_the_hosts() -> None:
    """``identify`` names it; what cannot be loaded is said."""
    named = SETTINGS.model_copy(update={"environment": "prod", "identify": f"{__name__}:identify"})
    assert identify_of(named)({"authorization": "x"}) == identify({"authorization": "x"})
    for wrong in ("nowhere.at:all", f"{__name__}:nothing", "word"):
        with pytest.raises(ConfigError, match="identify"):
            identify_of(named.model_copy(update={"identify": wrong}))


def test_a_caller_survives_the_server() -> None:
    """What the handler hands on makes the same caller again, and holds no credential."""
    caller = Caller(subject=Subject(id="u1", tenant="t", roles={"b", "a"}, region="kz"), speaker="outside")
    assert user_of(caller) == {
        "identity": "u1",
        "tenant": "t",
        "roles": ["a", "b"],
        "region": "kz",
        "speaker": "outside",
    }
    assert caller_of(User(user_of(caller))) == caller


@pytest.mark.parametrize(
    "user",
    [None, "u1", SimpleNamespace(identity="u1"), User(roles=["sdr"]), User(tenant="t", roles="sdr"), User(tenant="t", speaker="boss")],
)  # fmt: skip
def test_a_user_without_a_tenant_is_nobody(user: Any) -> None:
    """A Studio user, a user of another handler and a broken one are refused."""
    with pytest.raises(Refused) as caught:
        caller_of(user)
    assert caught.value.status == 401


async def test_the_auth_handler() -> None:
    """It lets a known caller in as its user, and tells nobody why another is refused."""
    auth = auth_of(people(SETTINGS))
    assert auth._authenticate_handler is not None
    user: Any = await auth._authenticate_handler(headers={b"Authorization": b"Bearer reed"})
    assert user["identity"] == "u-reed"

    def broken(headers: Any) -> Caller:
        raise ValueError(f"bad token {headers['authorization']}")

    for refusing in (people(SETTINGS), broken):
        with pytest.raises(Auth.exceptions.HTTPException) as caught:
            await auth_of(refusing)._authenticate_handler(headers={b"authorization": b"Bearer eve"})  # type: ignore[misc]
        assert caught.value.status_code == 401 and "eve" not in str(caught.value.detail)


async def test_the_handler_denies_what_it_does_not_name() -> None:
    """Threads are kept to their tenant; the store, crons, writes to assistants and deletes are denied."""
    auth = auth_of(people(SETTINGS))
    context: Any = SimpleNamespace(user={"tenant": "demo"})
    value: dict[str, Any] = {"metadata": {"graph_id": "x"}}
    kept = value["metadata"]
    assert await auth._handlers["threads", "create"][-1](ctx=context, value=value) == {TENANT: "demo"}
    assert kept == {"graph_id": "x", TENANT: "demo"}
    for action in ("read", "search", "update", "create_run"):
        assert await auth._handlers["threads", action][-1](ctx=context, value={}) == {TENANT: "demo"}
    assert set(auth._handlers) == {
        ("threads", action) for action in ("create", "read", "search", "update", "create_run")
    } | {("assistants", "read"), ("assistants", "search")}
    assert await auth._global_handlers[-1](ctx=context, value={}) is False
