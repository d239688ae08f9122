"""What is refused at a glance when a gateway is built, and what a host's own parts may get wrong."""

from __future__ import annotations

from typing import Any

import pytest

from agent_guard.credentials import Secret, Secrets
from agent_guard.errors import ConfigError, ToolUnavailable
from agent_guard.gateway import Gateway
from agent_guard.guards import Guard
from agent_guard.types import Objection
from tests.conftest import World

pytestmark = pytest.mark.databases


def office_hours(*_: object) -> None:
    """A guard's function."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extra_guards": [office_hours]}, "write Guard('office_hours', office_hours)"),
        ({"extra_guards": [Guard("plan", office_hours)]}, "two guards are called 'plan'"),
        ({"extra_guards": [Guard("mine", office_hours), Guard("mine", office_hours)]}, "two guards are called 'mine'"),
        ({"tools": [office_hours]}, "office_hours is no tool; decorate it with @tool"),
        ({"policies": ["p.yaml"]}, "policies is a list"),
    ],
)
def test_what_is_easily_mistaken_is_named(world: World, change: dict[str, Any], words: str) -> None:
    """A function for a guard, a guard's name taken, a function for a tool, a list of policies: each has its sentence."""
    with pytest.raises(ConfigError) as caught:
        world.gateway(**change)
    assert words in str(caught.value)


@pytest.mark.req("B10")
@pytest.mark.parametrize("key", [b"", b"x" * 31, "x" * 32, None])
def test_a_source_that_gives_no_key_makes_no_gateway(world: World, key: object) -> None:
    """A source of the host's own is held to 32 bytes, as the built-in ones are."""

    class Mine:
        def master_key(self, environment: str | None = None) -> object:
            return key

    with pytest.raises(ConfigError, match="no master key of 32 bytes"):
        world.gateway(credentials=Mine())


@pytest.mark.req("B10")
def test_a_source_that_gives_text_gives_no_secret() -> None:
    """A plain text for a secret is refused before anything is sent, so the call counts as not done."""

    class Mine:
        def secret(self, name: str, *, environment: str, agent: str) -> Any:
            return "hunter2"

    with pytest.raises(ToolUnavailable) as caught:
        Secrets(Mine(), environment="dev", agent="default")("crm_token")  # type: ignore[arg-type]
    assert caught.value.code == "secret_unreadable"
    assert "hunter2" not in str(caught.value)
    assert Secret.__doc__


def test_an_objection_without_a_code_denies(world: World) -> None:
    """A guard that invents a code has not allowed anything, and is named."""
    made = Objection(outcome="deny", code="late", for_model="No.", for_human="No.")  # type: ignore[arg-type]
    gateway: Gateway = world.gateway(extra_guards=[Guard("mine", lambda *_: made)])
    decision = gateway.open(world.sdr, party=world.anna).check("crm.read_deal", {"deal_id": "42"})
    assert (decision.outcome, str(decision.code)) == ("deny", "internal")
    assert "mine" in decision.for_human
