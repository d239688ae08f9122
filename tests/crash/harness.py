"""Processes that die on purpose: a warmed process forks one for each job, and lets it run, die, stand still or go on.

A job is a function of a module and what it is given, both picklable; what it returns comes back. Engines and sessions
are opened inside the job: nothing that a fork would share is open in the process that forks. A job that many processes
shall die for makes everything ready once, closes what a fork would share, and has each of them :func:`born` from it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Self

__all__ = ["KILLED", "STOPPED", "Ended", "Nursery", "born", "born_together", "kill", "stop"]

KILLED = -signal.SIGKILL
STOPPED = "stopped"
PATIENCE_S = 60
"""How long a job may take before it is ended, in seconds."""

_ROOT = Path(__file__).parents[2]


def kill() -> NoReturn:
    """Ends this process as the kernel's out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def stop() -> None:
    """This process stands still until it is told to go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a job ended.

    Args:
        code: 0, or minus the signal that ended it.
        told: what it returned, or None.
    """

    code: int
    told: Any


class Nursery:
    """The process that forks.

    Args:
        warm: a function that is called once, before the first fork; whatever it opens it closes.
    """

    def __init__(self, warm: Callable[[], object]) -> None:
        script = (
            f"import sys; sys.path[:0] = {[str(_ROOT), *sys.path]!r}; from tests.crash.harness import serve; serve()"
        )
        self._process = subprocess.Popen(
            # threads that wait for work do not mind a fork
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._ask("warm", warm, ())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()

    def begin(self, work: Callable[..., Any], *given: Any) -> int:
        """Starts a job; its number."""
        return int(self._ask("begin", work, given))

    def wait(self, job: int) -> Ended | str:
        """How a job ended, or :data:`STOPPED` when it stands still.

        Raises:
            AssertionError: it raised; the message is its traceback.
        """
        found = self._ask("wait", job)
        return STOPPED if found == STOPPED else _ended(*found)

    def go_on(self, job: int) -> None:
        """Wakes a job that stands still."""
        self._ask("go_on", job)

    def run(self, work: Callable[..., Any], *given: Any) -> Ended:
        """A job from its beginning to its end, also where somebody else lets it stand still for a while."""
        return _ended(*self._ask("end", self.begin(work, *given)))

    def told(self, work: Callable[..., Any], *given: Any) -> Any:
        """What a job returned that must end well."""
        ended = self.run(work, *given)
        assert ended.code == 0, f"the job ended with {ended.code}"
        return ended.told

    def _ask(self, *question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _send(self._process.stdin, question)
        return _receive(self._process.stdout)


@dataclass(frozen=True)
class _Failed:
    words: str


def born(work: Callable[..., Any], *given: Any) -> Ended:
    """In a job: what became of a copy of this very process that did some work, and could use whatever is ready here.

    Raises:
        AssertionError: it raised; the message is its traceback.
    """
    signal.alarm(PATIENCE_S)  # the job lives on as long as its children come and go
    reports: dict[int, Any] = {}
    return _ended(*_waited(_forked(work, given, reports), reports))


def born_together(work: Callable[..., Any], count: int, *given: Any, patience_s: int = PATIENCE_S) -> list[Any]:
    """In a job: what so many copies of this very process returned, which worked at once.

    Args:
        work: given a copy's number, a barrier that all of them share, and the rest.
        patience_s: how long they may take, in seconds.

    Raises:
        AssertionError: as :func:`born`, or one of them ended badly.
    """
    signal.alarm(patience_s)
    together, reports = multiprocessing.get_context("fork").Barrier(count), dict[int, Any]()
    copies = [_forked(_with_others, (work, n, together, *given), reports, patience_s) for n in range(count)]
    ended = [_ended(*found) for found in [_waited(copy, reports) for copy in copies]]
    assert [one.code for one in ended] == [0] * count
    return [one.told for one in ended]


def _with_others(work: Callable[..., Any], n: int, together: Any, *given: Any) -> Any:
    try:
        return work(n, together, *given)
    except BaseException:
        together.abort()  # nobody waits for this one
        raise


def _ended(code: int, raw: bytes) -> Ended:
    told = pickle.loads(raw) if raw else None
    assert not isinstance(told, _Failed), told.words
    return Ended(code=code, told=told)


def serve() -> None:
    """The loop of the process that forks."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a job prints is no answer
    reports: dict[int, Any] = {}
    while True:
        try:
            word, first, *rest = _receive(questions)
        except EOFError:
            return
        match word:
            case "warm":
                first()
                gc.collect()
                gc.freeze()  # what is warm stays one copy for all
                answer: Any = None
            case "begin":
                answer = _forked(first, rest[0], reports)
            case "go_on":
                os.kill(first, signal.SIGCONT)
                answer = None
            case "end":
                answer = _waited(first, reports)
            case _:
                answer = _waited(first, reports, os.WUNTRACED)
        _send(answers, answer)


def _forked(
    work: Callable[..., Any], given: tuple[Any, ...], reports: dict[int, Any], patience_s: int = PATIENCE_S
) -> int:
    report = tempfile.TemporaryFile()  # noqa: SIM115 - closed where it is read; a pipe could be too small
    pid = os.fork()
    if pid:
        reports[pid] = report
        return pid
    gc.disable()
    signal.alarm(patience_s)
    code = 0
    try:
        told: Any = work(*given)
    except BaseException:
        told, code = _Failed(traceback.format_exc()), 1
    report.write(pickle.dumps(told))
    report.flush()
    os._exit(code)


def _waited(pid: int, reports: dict[int, Any], options: int = 0) -> Any:
    _, status = os.waitpid(pid, options)
    if os.WIFSTOPPED(status):
        return STOPPED
    with reports.pop(pid) as report:
        report.seek(0)
        return os.waitstatus_to_exitcode(status), report.read()


def _send(pipe: BinaryIO, value: Any) -> None:
    raw = pickle.dumps(value)
    pipe.write(struct.pack("!Q", len(raw)) + raw)
    pipe.flush()


def _receive(pipe: BinaryIO) -> Any:
    size = pipe.read(8)
    if len(size) < 8:
        raise EOFError
    return pickle.loads(pipe.read(struct.unpack("!Q", size)[0]))
