"""An application at work: its scenarios behind one gateway, with the databases of one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_guard.errors import ConfigError
from agent_guard.front_desk import FrontDesk, Welcome, router_of
from agent_guard.gateway import Gateway
from agent_guard.masking import Masker, MemoryVault
from agent_guard.masking.tokens import defuse
from agent_guard.policy import Policy
from agent_guard.router import Classifier, Route
from agent_guard.scanning import Scan
from agent_guard.scenario import Scenario, World, load_app
from agent_guard.session import Session
from agent_guard.settings import Settings
from agent_guard.types import Clock, Subject, utc_now

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Application", "load_model"]


class Application:
    """Everything of one configuration, opened.

    Args:
        masker: by default that of the settings; loading it takes some seconds.
        classifier: asked where the router's rules are unclear; sees masked text only.

    Raises:
        ConfigError: the configuration, the scenarios and their policies contradict each other.
        StoreError: a database cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        masker: Masker | None = None,
        clock: Clock = utc_now,
        classifier: Classifier | None = None,
    ) -> None:
        self.settings, self._classifier = settings, classifier
        self.scenarios: Mapping[str, Scenario] = load_app(settings.app)
        for url in (settings.database, settings.checkpoints, settings.systems):
            _make_folder(url)
        self.worlds: dict[str, World] = {}
        for name, scenario in self.scenarios.items():
            twin = next((other for other in self.worlds if self.scenarios[other].world is scenario.world), None)
            self.worlds[name] = self.worlds[twin] if twin else scenario.world(settings.systems, clock)
        resources: dict[str, Any] = {}
        for world in self.worlds.values():
            resources |= world.resources
        tools = {tool.name: tool for scenario in self.scenarios.values() for tool in scenario.tools}
        try:
            held, whose = settings.hook_secrets(), {"environment": settings.environment, "agent": settings.agent}
            self.gateway = Gateway(
                list(tools.values()),
                self._policies(),
                url=settings.database,
                environment=settings.environment,
                agent=settings.agent,
                resources=resources,
                records=next((world.records for world in self.worlds.values() if world.records), None),
                credentials=settings.credentials(),
                masker=masker or settings.masking.masker(),
                notify=settings.hooks.notifiers(held, **whose),
                alerts=settings.hooks.operators(held, **whose, clock=clock),
                subscribers=settings.hooks.subscribers(tools),
                clock=clock,
            )
        except BaseException:
            self._close_worlds()
            raise
        self._sessions: list[Session] = []
        try:
            for world in self._worlds():
                world.ready(self.gateway.secrets)
        except BaseException:
            self.close()
            raise

    def scenario(self, name: str) -> Scenario:
        """The scenario of this name.

        Raises:
            ConfigError: there is none; the message names those there are.
        """
        if name not in self.scenarios:
            raise ConfigError(f"there is no scenario {name!r}; there is: {', '.join(sorted(self.scenarios))}")
        return self.scenarios[name]

    def scan(self, name: str) -> Scan:
        """What ``agent-guard scan`` looks at for a scenario.

        Raises:
            ConfigError: no such scenario, or one that scans nothing.
        """
        made = self.scenario(name).scan
        if made is None:
            there = ", ".join(sorted(name for name, scenario in self.scenarios.items() if scenario.scan)) or "none"
            raise ConfigError(f"the scenario {name!r} scans nothing; those that do: {there}")
        return made(self.worlds[name])

    def session(self, name: str, *, model: BaseChatModel | None = None) -> Session:
        """A session of one scenario; with its embedded planner unless a model is given."""
        scenario = self.scenario(name)
        graph = scenario.graph(model or scenario.planner(), self.gateway)
        session = Session(graph, self.gateway, checkpointer=self.settings.checkpoints)
        self._sessions.append(session)
        return session

    @cached_property
    def front_desk(self) -> FrontDesk:
        """Where requests are routed into the corridors of the ``intents.yaml`` files and their threads go on.

        Raises:
            ConfigError: such a file is wrong; the message names file, line and key.
        """
        return FrontDesk(router_of(self.scenarios, self._classifier, self._masked), self.gateway, self.session)

    def route(self, text: str, *, asked: bool = False) -> Route:
        """Where a request would go; nothing is opened or recorded. See :meth:`Router.route`."""
        return self.front_desk.router.route(text, asked=asked)

    def start(self, text: str, subject: Subject, **options: Any) -> Welcome:
        """Routes a first message and opens its thread; see :meth:`FrontDesk.start`, which takes the options."""
        return self.front_desk.start(text, subject, **options)

    def tidy(self) -> int:
        """Ends what has run out in the systems behind the tools, and returns how much. Raises as their adapters do."""
        return sum(world.tidy() for world in self._worlds())

    def close(self) -> None:
        """Closes every database."""
        for session in self._sessions:
            session.close()
        self.gateway.close()
        self._close_worlds()

    def _masked(self, text: str) -> str:
        """A text for the classifier, with pseudonyms of this one look."""
        return self.gateway.masker.mask(defuse(text), MemoryVault(), "untrusted")

    def _policies(self) -> dict[str, Policy]:
        """The scenarios' policies and the host's own.

        Raises:
            ConfigError: a file is wrong, or two have one name.
        """
        files = {name: scenario.policy for name, scenario in self.scenarios.items()}
        for scenario in self.scenarios.values():
            for name, path in scenario.host_policies.items():
                if files.setdefault(name, path) != path:
                    raise ConfigError(f"two policies are called {name!r}; rename the one of {scenario.name!r}")
        return {name: Policy.load(path) for name, path in files.items()}

    def _close_worlds(self) -> None:
        for world in self._worlds():
            world.close()

    def _worlds(self) -> list[World]:
        """Each of them once: scenarios share theirs."""
        return list({id(world): world for world in self.worlds.values()}.values())


def load_model(name: str) -> BaseChatModel:
    """A chat model by ``provider:name``, with LangChain's ``init_chat_model``.

    Raises:
        ConfigError: LangChain or the provider's package is not installed, or the name is unknown to it.
    """
    try:
        from langchain.chat_models import init_chat_model
    except ImportError:
        raise ConfigError("--model needs: pip install 'langgraph-agent-guard[langchain]'") from None
    try:
        model: BaseChatModel = init_chat_model(name)
    except Exception as error:
        raise ConfigError(f"the model {name!r} cannot be made: {error}") from None
    return model


def _make_folder(url: str) -> None:
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
