"""Jobs beside the call: none is waited for, none ends another, and none is kept for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agent_guard.errors import DeliveryError
from agent_guard.notifications import courier
from agent_guard.notifications.courier import TRIES, Courier
from tests.receiver import PATIENCE_S


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAUSE_S", 0)


@pytest.fixture(name="gate")
def _gate() -> Iterator[threading.Event]:
    """Held shut until the test opens it."""
    made = threading.Event()
    yield made
    made.set()


def stuck(made: Courier, gate: threading.Event) -> None:
    """Gives a job that does not end before the gate opens, and waits until it is at work."""
    at_work = threading.Event()

    def job() -> None:
        at_work.set()
        gate.wait(PATIENCE_S)

    assert made.hand(job)
    assert at_work.wait(PATIENCE_S)


def test_jobs_are_done_in_order_beside_their_giver() -> None:
    """In a daemon thread of the courier's name, one after another."""
    made, seen = Courier("post", most=10), []
    for n in range(5):
        assert made.hand(
            lambda n=n: seen.append((n, threading.current_thread().name, threading.current_thread().daemon))
        )
    assert made.drain(PATIENCE_S)
    assert seen == [(n, "post", True) for n in range(5)]


def test_a_courier_without_jobs_has_no_thread(gate: threading.Event) -> None:
    """The thread ends with the last job, and another job starts another."""
    made = Courier("post", most=10)
    for _ in range(2):
        stuck(made, gate)
        assert "post" in {thread.name for thread in threading.enumerate()}
        gate.set()
        assert made.drain(PATIENCE_S)
        gate.clear()
    for thread in threading.enumerate():
        if thread.name == "post":
            thread.join(PATIENCE_S)
    assert "post" not in {thread.name for thread in threading.enumerate()}


def test_a_job_beyond_the_most_is_not_taken(gate: threading.Event) -> None:
    """The giver is told at once, and those that wait are done."""
    made, seen = Courier("post", most=2), []
    stuck(made, gate)
    assert [made.hand(lambda n=n: seen.append(n)) for n in range(4)] == [True, True, False, False]
    gate.set()
    assert made.drain(PATIENCE_S)
    assert seen == [0, 1]


def test_a_job_that_fails_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Its kind is logged and its words are not."""
    made, seen = Courier("post", most=10), []

    def fail() -> None:
        raise ValueError("Anna Kowalska")

    assert made.hand(fail)
    assert made.hand(lambda: seen.append(1))
    assert made.drain(PATIENCE_S)
    assert seen == [1]
    assert "ValueError" in caplog.text
    assert "Anna" not in caplog.text


def test_a_machine_without_threads_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started the job is refused, not kept and not raised."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    made, seen = Courier("post", most=10), []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert made.hand(lambda: seen.append(1)) is False
    assert made.hand(lambda: seen.append(2))
    assert made.drain(PATIENCE_S)
    assert seen == [2]


def test_what_is_not_done_in_time_is_given_up(gate: threading.Event) -> None:
    """``drain`` does not wait for ever, and what waited behind is forgotten."""
    made, seen = Courier("post", most=10), []
    stuck(made, gate)
    made.hand(lambda: seen.append(1))
    assert made.drain(0.01) is False
    gate.set()
    assert made.drain(PATIENCE_S)
    assert seen == []


# ---- again


class Sender:
    """Fails as it is told, then sends."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.times = 0

    def __call__(self) -> None:
        self.times += 1
        if self.errors:
            raise self.errors.pop(0)


@pytest.mark.req("B17")
@pytest.mark.parametrize(
    "error", [DeliveryError("x", code="timeout"), TimeoutError(), ConnectionRefusedError(), OSError()]
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    """A receiver that is down for a moment is sent the same thing until it takes it."""
    send = Sender(error, error)
    Courier("post", most=1).steadily(send)
    assert send.times == 3


@pytest.mark.req("B17")
@pytest.mark.parametrize(("error", "times"), [(DeliveryError("x", code="http_500"), TRIES), (OSError(), TRIES)])
def test_what_does_not_pass_is_given_up(error: Exception, times: int) -> None:
    """After the last try its error comes out as it was."""
    send = Sender(*[error] * 9)
    with pytest.raises(type(error)) as caught:
        Courier("post", most=1).steadily(send)
    assert caught.value is error
    assert send.times == times


@pytest.mark.parametrize("error", [DeliveryError("x", code="http_400", soon=False), ValueError(), KeyError("x")])
def test_what_cannot_pass_is_not_tried_again(error: Exception) -> None:
    """A refusal and a mistake in a program stay what they are."""
    send = Sender(error)
    with pytest.raises(type(error)):
        Courier("post", most=1).steadily(send)
    assert send.times == 1


def test_pauses_grow_and_end_at_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between tries there is a pause of random length with a bound that doubles."""
    bounds: list[Any] = []
    monkeypatch.setattr(courier, "PAUSE_S", 4)
    monkeypatch.setattr(courier, "TRIES", 5)
    monkeypatch.setattr("random.uniform", lambda low, high: bounds.append((low, high)) or 0)
    with pytest.raises(OSError):
        Courier("post", most=1).steadily(Sender(*[OSError()] * 9))
    assert bounds[:4] == [(0, 4), (0, 8), (0, 10), (0, 10)]


def test_a_drain_ends_a_pause(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever closes waits for no pause: it is tried once more and given up."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(courier, "PAUSE_S", 3600)
    monkeypatch.setattr(courier, "wait_random_exponential", lambda **_: lambda state: 3600)
    made, tried = Courier("post", most=1), threading.Event()
    send = Sender(*[OSError()] * 9)

    def job() -> None:
        def once() -> None:
            tried.set()
            send()

        made.steadily(once)

    assert made.hand(job)
    assert tried.wait(PATIENCE_S)
    assert made.drain(PATIENCE_S)
    assert send.times in (1, 2)
