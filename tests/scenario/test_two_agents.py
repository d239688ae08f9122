"""Two agents that mail each other end at the step limit of one of them, whatever they say and call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_guard.app import Application
from agent_guard.session import Reply
from agent_guard.testing import FixedClock, FunctionModel, call
from agent_guard.types import Code
from graphs import SCENARIOS
from tests.scenario.adversary import systems

pytestmark = pytest.mark.req("A3", "A22")


@pytest.fixture(autouse=True)
def _later(office_clock: FixedClock) -> None:
    """Each test begins in an hour of its own, so that no limit of a minute is used by the one before."""
    office_clock.forward(hours=1)


class Agent:
    """One agent with a mailbox: what it is written is a message of its thread, what it says is the answer."""

    def __init__(self, office: Application, scenario: str, sample: str, model: Any = None) -> None:
        path = SCENARIOS[scenario].samples / f"{sample}.jsonl"
        self.office, self.scenario = office, scenario
        self.opening = office.scenario(scenario).read(path, office.worlds[scenario])
        self.session = office.session(scenario, model=model)
        self.thread: str | None = None

    def reads(self, text: str) -> Reply:
        """Takes a mail in."""
        who = self.opening
        if self.thread is None:
            reply = self.session.start(text, who.subject, speaker=who.speaker, party=who.party, scenario=self.scenario)
            self.thread = reply.thread_id
            return reply
        return self.session.send(self.thread, text, speaker=who.speaker, by=who.subject)

    def steps(self) -> int:
        """How often its model may be asked in a thread."""
        return self.office.gateway.policy_of(self.scenario).limits.steps_per_thread


def mailed(one: Agent, two: Agent, text: str, most: int = 200) -> list[Reply]:
    """The two in turn, until one of them does not deliver."""
    replies: list[Reply] = []
    for number in range(most):
        replies.append((one, two)[number % 2].reads(text))
        if replies[-1].status != "delivered":
            break
        text = replies[-1].masked or "..."
    return replies


def polite() -> FunctionModel:
    """Always has something to say, and never the same."""
    return FunctionModel(lambda messages: f"Thank you for mail {len(messages)}! And what do you think?")


def busy() -> FunctionModel:
    """Looks something up before each answer."""

    def step(messages: Any) -> Any:
        if messages[-1].type == "tool":
            return f"That is how it stands, {len(messages)}. And with you?"
        return call("deals.stale", id=f"c{len(messages)}", region="us", limit=1 + len(messages) % 50)

    return FunctionModel(step)


def test_two_that_are_polite_end_at_the_step_limit(office: Application) -> None:
    """A lead's interview and a booking thank each other: the shorter one is stopped at exactly its last step, a person is
    called, and a further mail is answered by no model.
    """
    one = Agent(office, "sdr_qualification", "en_personal_data", polite())
    two = Agent(office, "calendar_booking", "en_chooses", polite())
    replies = mailed(one, two, "Hello?")
    assert (replies[-1].status, replies[-1].code) == ("escalated", Code.LIMIT_STEPS)
    assert replies[-1].thread_id == one.thread and one.steps() < two.steps()
    assert sum(reply.thread_id == one.thread for reply in replies) == one.steps() + 1
    assert one.reads("Are you still there?").code is Code.LIMIT_STEPS


def test_two_that_work_for_each_other_end_as_well(office: Application, office_folder: Path) -> None:
    """Two that read before each answer use two steps a mail: one is stopped at its last step, and nothing has changed."""
    before = systems(office_folder / "systems.db")
    one, two = (Agent(office, "forgotten_deal", "en_list", busy()) for _ in range(2))
    replies = mailed(one, two, "Which deals are stale?")
    assert (replies[-1].status, replies[-1].code) == ("escalated", Code.LIMIT_STEPS)
    assert len(replies) == one.steps() + 1, "of two steps a mail each has half as many"
    assert systems(office_folder / "systems.db") == before


@pytest.mark.parametrize(
    ("names", "text", "ends"),
    [
        (("account_health", "forgotten_deal"), "Which deals are stale?", ("escalated", Code.LIMIT_STEPS)),
        (("sdr_qualification", "calendar_booking"), "Hello, could we have a demo?", ("pending", None)),
        (("front_desk", "front_desk"), "Which deals are stale?", ("escalated", Code.LOOP)),
    ],
    ids=("a report and a list", "an interview and a booking", "two desks"),
)
def test_the_embedded_planners_end_as_well(
    office: Application, names: tuple[str, str], text: str, ends: tuple[str, Code | None]
) -> None:
    """The shipped planners, as they are, write to each other: a limit, a loop or a question to a person ends it."""
    sample = {"sdr_qualification": "en_personal_data", "calendar_booking": "en_chooses"}
    sample |= {"account_health": "en_one", "forgotten_deal": "en_list", "front_desk": "en_forgotten_deals"}
    one, two = (Agent(office, name, sample[name]) for name in names)
    replies = mailed(one, two, text)
    assert (replies[-1].status, replies[-1].code) == ends
    assert len(replies) <= 2 * min(one.steps(), two.steps()) + 1


@pytest.mark.req("A9")
def test_two_behind_the_front_desk_end_as_well(office: Application) -> None:
    """Both come through the desk into one scenario; its limit holds, and the step that routed is one of them."""
    one, two = (
        Agent(office, "front_desk", "en_forgotten_deals", FunctionModel(lambda _: "Which deals are stale?"))
        for _ in range(2)
    )
    replies = mailed(one, two, "Which deals are stale?")
    assert (replies[-1].status, replies[-1].code) == ("escalated", Code.LIMIT_STEPS)
    steps = office.gateway.policy_of("forgotten_deal").limits.steps_per_thread
    assert sum(reply.thread_id == one.thread for reply in replies) == steps
    assert office.gateway.thread_row(one.thread or "").scenario == "forgotten_deal"
