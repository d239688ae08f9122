"""When a tool is tried again: only where nothing was changed, and only within the tool's own time.

A write is tried again where it provably was not sent, a read also where its answer was lost. The pauses grow, with
jitter, so that the clients of a system that comes back do not all come at once.
"""

from __future__ import annotations

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from agent_guard.errors import OutcomeUnknown, ToolUnavailable
from agent_guard.tool import Tool

__all__ = ["Tries"]

FIRST_S, MOST_S, JITTER_S = 0.1, 2.0, 0.1
"""The first pause, the longest one, and what chance adds to each at most, in seconds."""

_WAIT = wait_exponential(multiplier=FIRST_S, max=MOST_S) + wait_random(0, JITTER_S)


class Tries:
    """The tries of one call. Tenacity says whether there is another one, and after how long; it does not wait itself,
    because a call may wait in a thread or on an event loop.

    Args:
        tool: its ``retries`` bound them, and its effect says after which errors.
    ``made`` counts them.
    """

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self.made = 0

    def again_in(self, error: Exception, left_s: float) -> float | None:
        """The pause before the next try in seconds, or None where there must be none.

        Args:
            error: what the last try raised.
            left_s: what is left of the tool's time, in seconds.
        """
        policy = Retrying(
            retry=retry_if_exception(self._is_harmless), wait=_WAIT, stop=stop_after_attempt(1 + self._tool.retries)
        )
        state = RetryCallState(policy, fn=None, args=(), kwargs={})
        state.attempt_number = self.made
        state.set_exception((type(error), error, error.__traceback__))
        if not policy.retry(state) or policy.stop(state):
            return None
        pause = policy.wait(state)
        return pause if pause < left_s else None

    def _is_harmless(self, error: BaseException) -> bool:
        match error:
            case ToolUnavailable(code=code):
                # a secret that is missing stays missing, and a thread was waited for long enough
                return not code.startswith("secret_") and code != "tools_busy"
            case OutcomeUnknown() | ConnectionError() | TimeoutError():
                return not self._tool.writes
            case _:
                return False
