"""What ``langgraph.json`` names besides the graphs: who calls, and the door that masks and restores.

It runs inside a LangGraph server, which brings Starlette.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware

from agent_guard.serving.auth import auth_of
from agent_guard.serving.http import GuardHTTP
from agent_guard.serving.identity import identify_of
from agent_guard.settings import load_settings
from graphs import SCENARIOS
from graphs.reception import reception
from graphs.serving import application

__all__ = ["app", "auth"]

auth = auth_of(identify_of(load_settings()))

app = Starlette(
    middleware=[
        Middleware(
            GuardHTTP,
            gateway=lambda: application().gateway,
            graphs=tuple(SCENARIOS),
            receive=reception(application),
        )
    ]
)
