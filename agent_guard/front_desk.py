"""The front desk of an application: a request is routed, recorded, and only then a thread is opened, if at all.

A request that is refused, unclear or for a person opens no thread, so no tool can be called for it; its route stands in
the tenant's system chain. A thread's route stands in its own chain, after ``opened``. Neither holds the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent_guard.audit import system_thread
from agent_guard.databases.locks import chain_lock
from agent_guard.errors import ConfigError
from agent_guard.policy import Policy
from agent_guard.routed import admitted, routed
from agent_guard.router import Classifier, Corridor, Route, Router
from agent_guard.scenario import Scenario
from agent_guard.threads import ThreadRow
from agent_guard.types import Party, Speaker, Subject

if TYPE_CHECKING:
    from agent_guard.gateway import Gateway
    from agent_guard.session import Reply, Session

__all__ = ["INTENTS", "FrontDesk", "Welcome", "corridors_of", "router_of"]

INTENTS = "intents.yaml"
"""The file of a corridor, beside its scenario's policy."""


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """What became of a request.

    Args:
        reply: of the thread that was opened; None where none was.
        text: what the person is told: the reply's text, or why no thread was opened. Raw.
    """

    route: Route
    text: str | None = field(repr=False)
    reply: Reply | None = None


class FrontDesk:
    """Routes requests and opens their threads.

    Args:
        session: makes the session of a scenario.
    """

    def __init__(self, router: Router, gateway: Gateway, session: Callable[[str], Session]) -> None:
        self.router, self._gateway, self._make = router, gateway, session
        self._sessions: dict[str, Session] = {}

    def session(self, scenario: str) -> Session:
        """The session in which threads of a scenario go on; made once."""
        if scenario not in self._sessions:
            self._sessions[scenario] = self._make(scenario)
        return self._sessions[scenario]

    def start(
        self,
        text: str,
        subject: Subject,
        *,
        speaker: Speaker,
        party: Party | None = None,
        scenario: str | None = None,
        asked: bool = False,
    ) -> Welcome:
        """Routes a first message, records where it goes, and opens its thread where it goes into a scenario.

        Args:
            text: raw; nothing of it is kept before :meth:`Session.start` masks it.
            subject, speaker, party: as in :meth:`Session.start`; the party never comes from the text.
            scenario: fixed by the host; dangers are looked for all the same.
            asked: the person was asked a clarifying question before.

        Raises:
            ConfigError: there is no such scenario.
            TextTooLong: the text is larger than a conversation takes at once; its thread stays empty.
            StoreError: a database cannot be used; nothing was said to the model.
        """
        route = self.router.enter(scenario, text) if scenario else self.router.route(text, asked=asked)
        route = admitted(route, party.id if party else None)
        if route.scenario is None:
            self._record(route, subject, system_thread(subject.tenant))
            return Welcome(route=route, text=self.router.words(route))
        scope = None if route.scope is None else set(route.scope)
        thread = self._gateway.open(subject, scenario=route.scenario, party=party, scope=scope)
        self._record(route, subject, thread.id, party=party)
        reply = self.session(route.scenario).start(
            text, subject, speaker=speaker, thread_id=thread.id, party=party, scenario=route.scenario, scope=scope
        )
        return Welcome(route=route, text=reply.text, reply=reply)

    def _record(self, route: Route, subject: Subject, thread: str, *, party: Party | None = None) -> None:
        row = ThreadRow(id=thread, subject=subject, party=party.id if party else None, scenario=route.scenario)
        event = routed(self._gateway, row, route)
        with self._gateway.store.write(locks=[chain_lock(thread)]) as connection:
            self._gateway.audit.append(connection, [event], now_ms=self._gateway.now_ms())


def corridors_of(scenarios: Mapping[str, Scenario]) -> list[Corridor]:
    """The corridors beside an application's policies, and those in the folders beside them that have no scenario yet.

    Raises:
        ConfigError: a file is not of the format.
    """
    folders = dict.fromkeys(scenario.policy.parent for scenario in scenarios.values())
    beside = {path.parent for folder in folders for path in folder.parent.glob(f"*/{INTENTS}")}
    found = [folder / INTENTS for folder in dict.fromkeys([*folders, *sorted(beside)])]
    return [Corridor.load(path) for path in found if path.is_file()]


def router_of(
    scenarios: Mapping[str, Scenario],
    model: Classifier | None = None,
    mask: Callable[[str], str] | None = None,
) -> Router:
    """The router of an application. A scenario without ``intents.yaml`` is reached by its name alone.

    Raises:
        ConfigError: a corridor is wrong, or its scope names a tool that the scenario's policy does not.
    """
    corridors = corridors_of(scenarios)
    for corridor in corridors:
        if corridor.name in scenarios and corridor.scope is not None:
            policy: Path = scenarios[corridor.name].policy
            unknown = sorted(corridor.scope - set(Policy.load(policy).tools))
            if unknown:
                path = policy.with_name(INTENTS)
                raise ConfigError(f"{path}: scope names {unknown[0]!r}, which {policy.name} does not permit")
    installed = [item.name for item in corridors if item.name in scenarios]
    return Router(corridors, model, installed=installed, mask=mask)
