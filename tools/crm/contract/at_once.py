"""Law 1 at the same time: many threads and processes that want the same, and whoever reads meanwhile."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Empty
from threading import Barrier
from time import monotonic
from typing import Any, cast

from agent_guard.errors import ToolRejected
from tools.crm.contract.given import DEAL, DRAFT, Store, described, open_tasks
from tools.crm.contract.under_test import UnderTest
from tools.crm.port import FIELDS, TaskDraft

__all__ = ["AtOnce"]

AT_ONCE = 20
PATIENCE_S = 60
_LOOK_S = 0.5


def together(work: Callable[[int], Any], count: int = AT_ONCE) -> list[Any]:
    """What so many threads answered that began at the same moment."""
    start = Barrier(count)

    def one(number: int) -> Any:
        start.wait(PATIENCE_S)
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def write_many(open_store: Callable[[], Store], start: Any, answers: Any, drafts: list[tuple[str, TaskDraft]]) -> None:
    """One process: waits for the others, then writes every draft under its key."""
    crm = open_store()
    start.wait(PATIENCE_S)
    for key, draft in drafts:
        try:
            result = crm.create_task(draft, key)
            answers.put((key, result.outcome, result.ref.id))
        except ToolRejected as error:
            answers.put((key, error.code, ""))
    crm.close()


def processes(open_store: Callable[[], Store], drafts: list[list[tuple[str, TaskDraft]]]) -> list[tuple[str, str, str]]:
    """Key, outcome and task of everything that a process for each list wrote, all at once."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(len(drafts)), context.Queue()
    writers = [
        context.Process(target=write_many, args=(open_store, start, answers, some), daemon=True) for some in drafts
    ]
    for writer in writers:
        writer.start()
    told = [_answer(answers, writers) for _ in range(sum(map(len, drafts)))]
    for writer in writers:
        writer.join(PATIENCE_S)
        assert writer.exitcode == 0
        writer.close()
    answers.close()
    answers.join_thread()
    return told


def _answer(answers: Any, writers: Iterable[Any]) -> tuple[str, str, str]:
    """The next answer, or at once a failure where a process ended without its own."""
    last = monotonic() + PATIENCE_S
    while True:
        try:
            return cast("tuple[str, str, str]", answers.get(timeout=_LOOK_S))
        except Empty:
            ended = [writer.exitcode for writer in writers if writer.exitcode]
            assert not ended, f"a process that opened the CRM ended with {ended[0]}; what it raised stands on stderr"
            assert monotonic() < last, f"no process answered for {PATIENCE_S} seconds"


class AtOnce(UnderTest):
    """Everybody at the same moment."""

    def test_twenty_threads_make_one_task(self, crm: Store) -> None:
        """Of twenty writers at once one creates and nineteen are given its task."""
        answers = together(lambda _: crm.create_task(DRAFT, "k1"))
        assert Counter(item.outcome for item in answers) == {"created": 1, "replayed": AT_ONCE - 1}
        assert len({item.ref for item in answers}) == 1
        assert open_tasks(crm) == 1

    def test_twenty_threads_with_twenty_bodies_make_one_task(self, crm: Store) -> None:
        """Of twenty writers with one key and different bodies one wins and the others are told so."""

        def write(number: int) -> str:
            try:
                return crm.create_task(replace(DRAFT, subject=f"wording {number}"), "k1").outcome
            except ToolRejected as error:
                return error.code

        assert Counter(together(write)) == {"created": 1, "key_reused": AT_ONCE - 1}
        assert open_tasks(crm) == 1

    def test_twenty_threads_with_twenty_keys_make_twenty_tasks(self, crm: Store) -> None:
        """Nobody is in anybody's way: all of them are there, each under its key."""
        made = together(lambda number: crm.create_task(DRAFT, f"k{number}").ref)
        assert len(set(made)) == AT_ONCE == open_tasks(crm)
        assert [crm.find_by_key("task", f"k{number}") for number in range(AT_ONCE)] == made

    def test_two_processes_make_one_task_per_key(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """Two processes that write the same thirty keys at once leave thirty tasks, each created by one of them."""
        keys = [f"k{number}" for number in range(30)]
        told = processes(open_store, [[(key, DRAFT) for key in keys]] * 2)
        assert Counter((key, outcome) for key, outcome, _ in told) == dict.fromkeys(
            [(key, outcome) for key in keys for outcome in ("created", "replayed")], 1
        )
        assert len({(key, task_id) for key, _, task_id in told}) == len(keys) == open_tasks(crm)

    def test_four_processes_with_four_bodies_make_one_task(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """Each wants other words under the same ten keys: for every key one has its words, three are refused."""
        keys = [f"k{number}" for number in range(10)]
        bodies = [replace(DRAFT, subject=f"wording {number}") for number in range(4)]
        told = processes(open_store, [[(key, body) for key in keys] for body in bodies])
        assert Counter((key, outcome) for key, outcome, _ in told) == {
            (key, outcome): count for key in keys for outcome, count in (("created", 1), ("key_reused", 3))
        }
        assert open_tasks(crm) == len(keys)

    def test_what_one_wrote_the_other_sees(self, crm: Store, open_store: Callable[[], Store]) -> None:
        """A second client, opened before the write, finds it, describes it and is given it again at once."""
        other = open_store()
        try:
            assert other.find_by_key("task", "k1") is None
            made = crm.create_task(DRAFT, "k1")
            assert other.find_by_key("task", "k1") == made.ref
            assert other.describe(made.ref) == crm.describe(made.ref)
            assert other.create_task(DRAFT, "k1") == replace(made, outcome="replayed")
            self.edit_deal(other)
            assert other.describe(DEAL) == crm.describe(DEAL)
        finally:
            other.close()

    def test_nobody_sees_half_a_task(self, crm: Store) -> None:
        """While tasks are written, whoever reads sees each of them whole or not at all."""

        def act(number: int) -> list[set[str]]:
            if number % 2:
                crm.create_task(DRAFT, f"k{number}")
                return []
            found = [crm.find_by_key("task", f"k{other}") for other in range(1, AT_ONCE, 2)]
            return [set(described(crm, ref).snapshot) for ref in found if ref is not None]

        seen = [names for answer in together(act) for names in answer]
        assert all(names == set(FIELDS["task"]) for names in seen)
        assert open_tasks(crm) == AT_ONCE // 2

    def test_an_edit_and_a_draft_at_once_both_stand(self, crm: Store) -> None:
        """A person who moves a deal while the agent drafts tasks on it loses nothing, and neither does the agent."""
        before = described(crm, DEAL)

        def act(number: int) -> None:
            if number:
                crm.create_task(DRAFT, f"k{number}")
            else:
                self.edit_deal(crm)

        together(act, 8)
        after = described(crm, DEAL)
        assert (open_tasks(crm), before.snapshot["stage"] != after.snapshot["stage"]) == (7, True)
        assert before.version != after.version
