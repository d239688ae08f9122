"""The writer of a SQLite file under attack: interrupted at each of its lines, and a seeded crowd of writers that fail
in every way, against a model of what must be in the file.
"""

from __future__ import annotations

import contextlib
import gc
import linecache
import random
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard.databases import writer as module
from agent_guard.errors import StoreError
from agent_guard.kill_switch import SWITCHES
from agent_guard.store import Store
from tests.samples import opened
from tests.stores import INSERT, flag, refuse_commits, scopes

SEEDS = (1, 2, 3)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "UNATTENDED_S", 0.005)
    return tmp_path / "guard.db"


def is_free(store: Store, file) -> bool:
    """Whether nobody has the turn, and nothing is left open that another process would wait for."""
    writer = store._database._writer
    with sqlite3.connect(file, timeout=0, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    other.close()
    return writer._turn is None and writer._batch is None and not writer._waiting and not writer._lock.locked()


class Interrupting:
    """Ctrl-C at the n-th line that this thread runs in a module, or at the entry of a function of it; once.

    The end of a ``with lock:``, a bare ``try:`` and the way back into a generator are left out: there Python does not
    look at signals. So is the garbage collector, which would end a generator of an earlier scene in the midst of this.
    """

    def __init__(self, at: int) -> None:
        self.left, self.where, self._entered = at, None, set()

    def __call__(self, frame, event, arg):
        if frame.f_code.co_filename != module.__file__:
            return None
        line = linecache.getline(module.__file__, frame.f_lineno).strip()
        again = (frame, line if event == "line" else event) in self._entered
        self._entered.add((frame, line if event == "line" else event))
        if line == "try:" or (again and (line == "with self._lock:" or event == "call")):
            return self
        if event in ("call", "line") and self.where is None:
            self.left -= 1
            if self.left < 0:
                self.where = f"{event} {frame.f_code.co_name}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self

    def __enter__(self):
        gc.disable()
        sys.settrace(self)
        return self

    def __exit__(self, *_):
        sys.settrace(None)
        gc.enable()


class Twice:
    """Ctrl-C at the n-th line, and once more where Python looks at signals for the m-th time after it: when a function
    of the module is entered, and when it is back from one that is no Python.
    """

    def __init__(self, at: int, again: int) -> None:
        self.first, self.left, self.where = Interrupting(at), again, None

    def __call__(self, frame, event, _arg):
        if frame.f_code.co_filename != module.__file__ or event not in ("call", "c_return"):
            return
        if self.first.where is not None and self.where is None:
            self.left -= 1
            if self.left < 0:
                self.where = f"{self.first.where}, {event} {frame.f_code.co_name}:{frame.f_lineno}"
                raise KeyboardInterrupt

    def __enter__(self):
        sys.setprofile(self)  # what raises in a trace function is traced no more
        self.first.__enter__()
        return self

    def __exit__(self, *_):
        self.first.__exit__()
        sys.setprofile(None)


class Scene:
    """Some who share a transaction: one before this thread, and one behind it where it has ``company``."""

    def __init__(self, store: Store, *, company: bool, fails: bool) -> None:
        self.store, self.company, self.fails = store, company, fails
        self.told, self.done = {}, threading.Event()

    def _writes(self, name: str, meanwhile=lambda: None) -> None:
        self.told[name] = "interrupted"
        try:
            with self.store.write(locks=["test"], durable=True) as connection:
                connection.execute(INSERT, flag(name))
                meanwhile()
        except (StoreError, ZeroDivisionError) as error:
            self.told[name] = str(error)
        else:
            self.told[name] = None

    def _others(self, most: int) -> None:
        waiting = self.store._database._writer._waiting
        while len(waiting) < most and not self.done.is_set():
            threading.Event().wait(0.0005)

    def play(self, interrupting: Interrupting) -> set[str]:
        """Returns what is in the file then."""
        inside, others = threading.Event(), 1 + self.company
        first = threading.Thread(target=self._writes, args=("tool:first", lambda: (inside.set(), self._others(others))))
        last = threading.Thread(target=lambda: (self._others(1), self._writes("tool:last")))
        first.start()
        inside.wait()
        if self.company:
            last.start()
        try:
            with interrupting:
                self._writes("tool:me", lambda: 1 / 0 if self.fails else None)
        except KeyboardInterrupt:
            pass
        finally:
            self.done.set()
            first.join()
            if self.company:
                last.join()
        return scopes(self.store) - {"*"}


@pytest.mark.req("B7", "A8")
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("company", [False, True])
def test_an_interrupt_at_any_line_leaves_the_writer_free_and_everybody_told_the_truth(
    file, monkeypatch, company, fails
) -> None:
    """Ctrl-C at each line of the writer: who was told that a write stands has it in the file, who was told that it does
    not has not, nobody waits for ever, and nothing is left open.
    """
    monkeypatch.setattr(module, "BATCH_S", 60.0)
    with opened(f"sqlite:///{file}") as store:
        for at in range(1000):
            scene, interrupting = Scene(store, company=company, fails=fails), Interrupting(at)
            there, where = scene.play(interrupting), interrupting.where
            mine = scene.told.pop("tool:me")
            for name, error in scene.told.items():
                assert (error is None) == (name in there), (where, scene.told, there)
            assert mine == "interrupted" or (mine is None) == ("tool:me" in there), where
            assert not (fails and "tool:me" in there), where
            assert is_free(store, file), where
            if where is None:
                break
            with store.write(locks=["test"]) as connection:
                connection.execute(sa.delete(SWITCHES).where(SWITCHES.c.scope != "*"))
    assert 40 < at < 1000


@pytest.mark.req("B7", "A8")
@pytest.mark.parametrize("fails", [False, True])
def test_two_interrupts_anywhere_leave_the_writer_to_the_next(file, fails) -> None:
    """Ctrl-C at each line of a write and once more at each place behind it: whatever is left half done, the next write
    of this thread goes through, then another thread's, and the writer is free.
    """
    leaked = 0
    with opened(f"sqlite:///{file}", lock_wait_s=2) as store:

        def write(name: str) -> None:
            with store.write(locks=["test"], durable=True) as connection:
                connection.execute(INSERT, flag(name))

        for at in range(1000):
            for again in range(1000):
                twice = Twice(at, again)
                with contextlib.suppress(KeyboardInterrupt, ZeroDivisionError), twice:
                    with store.write(locks=["test"]) as connection:
                        connection.execute(INSERT, flag("tool:me"))
                        if fails:
                            raise ZeroDivisionError
                leaked += store._database._writer._turn is not None
                write("tool:next")
                other = threading.Thread(target=write, args=("tool:other",))
                other.start()
                other.join()
                there = scopes(store) - {"*"}
                assert {"tool:next", "tool:other"} <= there, twice.where
                assert not (fails and "tool:me" in there), twice.where
                assert is_free(store, file), twice.where
                with store.write(locks=["test"]) as connection:
                    connection.execute(sa.delete(SWITCHES).where(SWITCHES.c.scope != "*"))
                if twice.where is None:
                    break
            if twice.first.where is None:
                break
    assert 40 < at < 1000
    assert leaked > 0  # else nothing was shown


def test_whoever_waits_for_one_who_is_gone_comes_next(file, monkeypatch) -> None:
    """A turn that was never given back wakes nobody: those who stand in line see that its owner is gone."""
    with opened(f"sqlite:///{file}", lock_wait_s=5) as store:
        writer = store._database._writer

        def interrupted(_turn: object) -> None:
            raise KeyboardInterrupt

        def waits() -> None:
            with store.write(locks=["test"]) as connection:
                connection.execute(INSERT, flag("tool:waits"))

        waiting = threading.Thread(target=waits)
        with monkeypatch.context() as patch:
            with pytest.raises(KeyboardInterrupt), store.write(locks=["test"]) as connection:
                connection.execute(INSERT, flag("tool:me"))
                waiting.start()
                while not writer._waiting:
                    threading.Event().wait(0.001)
                patch.setattr(writer, "_give_back", interrupted)
            assert writer._turn is not None
        waiting.join()
        assert scopes(store) == {"*", "tool:me", "tool:waits"}  # kept before it was left
        assert is_free(store, file)


KINDS = ("writes", "writes", "writes", "reads", "fails", "breaks", "gives up", "disk full", "interrupted")


@pytest.mark.req("B7", "A8")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_crowd_that_fails_in_every_way_is_told_the_truth(file, monkeypatch, seed) -> None:
    """Eight threads, six hundred writes, a third of which fail: what returned is in the file after it is opened again,
    what raised is not, each write sees all that was told to stand before it began, and the writer is free.
    """
    url, stands, lost = f"sqlite:///{file}", set(), set()
    with opened(url) as store:
        refusals = random.Random(seed)
        refuse_commits(monkeypatch, lambda: refusals.random() < 0.05)

        def act(n: int) -> None:
            chance, name, known = random.Random(f"{seed} {n}"), f"tool:{n}", set(stands)
            kind = chance.choice(KINDS)
            try:
                with store.write(
                    locks=["test"], durable=chance.random() < 0.5, alone=chance.random() < 0.1
                ) as connection:
                    assert known <= set(connection.scalars(sa.select(SWITCHES.c.scope)))
                    if kind != "reads":
                        connection.execute(INSERT, flag(name))
                    if kind == "fails":
                        raise ZeroDivisionError
                    if kind == "breaks":
                        connection.execute(INSERT, flag(name))
                    if kind == "gives up":
                        connection.exec_driver_sql("ROLLBACK")
                    if kind == "disk full":
                        connection.exec_driver_sql("ROLLBACK")
                        raise sqlite3.OperationalError("database or disk is full")
                    if kind == "interrupted":
                        raise KeyboardInterrupt
                    if chance.random() < 0.05:
                        threading.Event().wait(0.03)
            except (StoreError, ZeroDivisionError, IntegrityError, KeyboardInterrupt):
                lost.add(name)
            else:
                assert kind in ("writes", "reads")
                if kind == "writes":
                    stands.add(name)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(act, range(600)))
        assert is_free(store, file)
    with opened(url) as again:
        assert scopes(again) - {"*"} == stands
    assert len(stands) > 50
    assert len(lost) > 50
