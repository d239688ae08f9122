"""A server's application for tests: one guarded agent over the tests' desk, whose tool can be held between its effect
and its answer, and checkpoints that outlive a killed process.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from starlette.applications import Starlette
from starlette.middleware import Middleware

from agent_guard.gateway import Gateway
from agent_guard.nodes import guarded_agent
from agent_guard.runtime.waits import aside
from agent_guard.serving.auth import auth_of
from agent_guard.serving.http import GuardHTTP
from agent_guard.serving.identity import people
from agent_guard.serving.opening import NewThread
from agent_guard.settings import load_settings
from agent_guard.testing import ScriptedModel, call
from tests.conftest import World

HOME = Path(os.environ["HELD_HOME"])


@cache
def gateway() -> Gateway:
    world = World.at((str(HOME), f"sqlite:///{HOME}/guard.db"))
    world.desk.after = _held
    return world.gateway(file=True)


def _held() -> None:
    """The effect is done; the answer waits as long as the file ``hold`` is there."""
    (HOME / "done").touch()
    while (HOME / "hold").exists():
        time.sleep(0.02)


def _graph() -> Any:
    # every run's model proposes the same call under another id, as a model that was asked again does
    turns = [call("crm.create_task", id=f"c{os.getpid()}", deal_id="42", subject="Call <PERSON_1>"), "Done."]
    return guarded_agent(_Slow(*turns), gateway())


class _Slow(ScriptedModel):
    """Thinks until the server has written down that the run is under way."""

    def _generate(self, *given: Any, **options: Any) -> Any:
        while not (HOME / "think").exists():
            time.sleep(0.02)
        return super()._generate(*given, **options)


async def make_graph() -> Any:
    return await aside(_graph)


@asynccontextmanager
async def make_checkpointer() -> AsyncIterator[AsyncSqliteSaver]:
    async with AsyncSqliteSaver.from_conn_string(str(HOME / "threads.db")) as saver:
        yield saver


auth = auth_of(people(load_settings()))
app = Starlette(
    middleware=[
        Middleware(
            GuardHTTP,
            gateway=gateway,
            graphs=["agent"],
            receive=lambda caller, graph, about, text: NewThread(subject=caller.subject, party=World.anna),
        )
    ]
)
