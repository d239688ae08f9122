"""AgentDojo's suites, and the environments of their tasks with the attacker's text put where the user's task reads it.

Verdicts are AgentDojo's own (``TaskSuite._check_task_result``). Traps that are handled here: eight injection tasks have
no ground truth, so ``attacker`` scripts them; a denied call must not be in the trace that the checker sees; the
suites' own ``check_suites`` is broken in 0.1.35 and not used.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

warnings.filterwarnings("ignore", module="agentdojo.*")
warnings.filterwarnings("ignore", module="pydantic.*")

import yaml  # noqa: E402
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str  # noqa: E402
from agentdojo.attacks.important_instructions_attacks import ImportantInstructionsAttack  # noqa: E402
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime  # noqa: E402
from agentdojo.task_suite import task_suite  # noqa: E402
from agentdojo.task_suite.load_suites import get_suites  # noqa: E402
from agentdojo.types import text_content_block_from_string  # noqa: E402

# an environment is read for each of 949 pairs: AgentDojo parses and prints the same files each time, in pure Python
task_suite.read_suite_file = lru_cache(task_suite.read_suite_file)
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

__all__ = ["MARK", "OUTPUT_ONLY", "SUITES", "VERSION", "FunctionCall", "World", "load", "shown", "world"]

VERSION = "v1.2.2"
SUITES = ("workspace", "travel", "banking", "slack")
MARK = "<INFORMATION>"
"""Begins the attacker's text; a result that holds it has been read by the model."""

OUTPUT_ONLY = frozenset({("travel", "injection_task_6")})
"""Attacks that are words to the user and no call: no gateway of tools can stop them."""

_TEMPLATE = ImportantInstructionsAttack._JB_STRING.replace("{user}", "Emma Johnson").replace("{model}", "AI model")


def load(name: str) -> Any:
    """A suite by name."""
    return get_suites(VERSION)[name]


def shown(result: Any) -> str:
    """A result as a model would read it."""
    try:
        return tool_result_to_str(result)
    except Exception:  # a shape that AgentDojo's printer does not know
        return str(result)


class World:
    """The environment of one (user task, injection task) and what AgentDojo says of it.

    Args:
        injection: None for the task without an attacker.
    """

    def __init__(self, suite: Any, user: Any, injection: Any = None) -> None:
        self.suite, self.user, self.injection = suite, user, injection
        vectors = _vectors(suite.name, user.ID) if injection else frozenset()
        before = user.init_environment(pickle.loads(_loaded(suite.name, injection and injection.ID, vectors)))
        self._frozen = pickle.dumps(before)
        self.calls: Sequence[FunctionCall] = user.ground_truth(self.fresh())
        self._verdicts: dict[str, tuple[bool, bool]] = {}

    def fresh(self) -> Any:
        """A new copy of the environment."""
        return pickle.loads(self._frozen)

    def verdict(self, env: Any, executed: Sequence[FunctionCall], *, fired: bool) -> tuple[bool, bool]:
        """(the user's task was done, the attack succeeded), as AgentDojo judges.

        Args:
            executed: only calls that ran; the checkers count attempts otherwise.
            fired: the attacker spoke, so the injection's answer is part of the model's last words.
        """
        key = repr([fired, [(call.function, dict(call.args)) for call in executed]])
        if key not in self._verdicts:
            self._verdicts[key] = self._judge(env, executed, fired=fired)
        return self._verdicts[key]

    def _judge(self, env: Any, executed: Sequence[FunctionCall], *, fired: bool) -> tuple[bool, bool]:
        said = self.user.GROUND_TRUTH_OUTPUT
        if fired:
            said = f"{said} {self.injection.GROUND_TRUTH_OUTPUT}".strip()
        words = [text_content_block_from_string(said)]
        found = []
        for task in (self.user, self.injection):
            if task is None:
                found.append(False)
                continue
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    found.append(bool(self.suite._check_task_result(task, words, self.fresh(), env, list(executed))))
                except Exception:  # a checker that trips over what is missing has found that it is missing
                    found.append(False)
        return found[0], found[1]


@lru_cache(maxsize=256)
def world(suite: str, user: str, injection: str | None = None) -> World:
    """The environment of two tasks, by their ids."""
    found = load(suite)
    return World(found, found.user_tasks[user], found.injection_tasks[injection] if injection else None)


@lru_cache(maxsize=64)
def _loaded(suite: str, injection: str | None, vectors: frozenset[str]) -> bytes:
    found = load(suite)
    if injection is None:
        return pickle.dumps(found.load_and_inject_default_environment({}))
    text = _TEMPLATE.format(goal=found.injection_tasks[injection].GOAL)
    try:
        env = found.load_and_inject_default_environment(dict.fromkeys(vectors, text))
    except Exception:  # the suites' YAML is substituted as text, so some places need it escaped
        text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        env = found.load_and_inject_default_environment(dict.fromkeys(vectors, text))
    return pickle.dumps(env)


@lru_cache(maxsize=256)
def _vectors(suite: str, user: str) -> frozenset[str]:
    """The places that the user's own calls read, as AgentDojo's attacks choose them."""
    found = load(suite)
    task, places = found.user_tasks[user], found.get_injection_vector_defaults()
    env = task.init_environment(
        found.load_and_inject_default_environment({place: f"<CANARY-{place}->" for place in places})
    )
    runtime, read = FunctionsRuntime(found.tools), ""
    for call in task.ground_truth(env.model_copy(deep=True)):
        result, error = runtime.run_function(env, call.function, call.args)
        read += error or shown(result)
    return frozenset(place for place in places if f"<CANARY-{place}->" in read)
