"""What ``aegra.json`` names: the door of :mod:`graphs.server` for Aegra, which authenticates inside its routes, after
every middleware. It was not run; see ``docs/servers.md``.
"""

from __future__ import annotations

from fastapi import FastAPI

from agent_guard.serving.auth import auth_of
from agent_guard.serving.http import GuardHTTP
from agent_guard.serving.identity import identify_of
from agent_guard.settings import load_settings
from graphs import SCENARIOS
from graphs.reception import reception
from graphs.serving import application

__all__ = ["app", "auth"]

_identify = identify_of(load_settings())

auth = auth_of(_identify)

app = FastAPI()
app.add_middleware(
    GuardHTTP,
    gateway=lambda: application().gateway,
    graphs=tuple(SCENARIOS),
    receive=reception(application),
    identify=_identify,
)
