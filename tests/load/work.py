"""What a worker does under load, what the operator does to the workers, and how it ends.

workers    drafts that others want too, mails and money up to a limit, questions to a manager, answers to anybody's
           questions, words with names in them, calls that are denied
operator   switches a tool off and on again; ends one worker in the middle of its work
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_guard.auditing.sealing import seal
from agent_guard.errors import ApprovalError, PendingApproval
from agent_guard.guarded import GuardedThread
from agent_guard.work.worker import Worker
from tests.crash.harness import KILLED, Ended, Nursery
from tests.load.company import ANNA, BOSSES, SELLERS, SWITCHED, Company, Place, opened

__all__ = ["Size", "Told", "finished", "loaded", "warm", "work"]

LATER_S = 600
"""Longer than a claim and a lease hold, in seconds."""

EACH = 100
"""How many steps one conversation lasts."""

PATIENCE_S = 120
"""How long a worker may do nothing before the load is given up, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much.

    Args:
        workers: processes; one of them is killed.
        steps: of each worker.
        seed: the same gives each worker the same plan.
    """

    workers: int = 4
    steps: int = 60
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the workers and the operator saw.

    Args:
        ends: how many calls ended how.
        ran: the traces of calls that a worker was told are executed.
        begun: thread and call id of every call that was answered at all.
        asked: threads in which a question was asked.
        off: how many effects of the switched tool there were when it was off for everybody, and when it was on again.
        left: what a worker of later found still to be done, by kind.
    """

    ends: Counter[str]
    ran: frozenset[str]
    begun: frozenset[tuple[str, str]]
    asked: frozenset[str]
    off: tuple[int, int]
    left: Counter[str]


def warm() -> None:
    """Loads and compiles what a worker needs, in a folder that is removed."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder, f"sqlite:///{folder}/guard.db")
        work(place, 0, Size(workers=1, steps=12))


# ---- a worker


def work(place: Place, n: int, size: Size) -> dict[str, Any]:
    """A process: one step after another, each a sign of life."""
    signal.alarm(0)
    chance = random.Random(f"{size.seed}-{n}")
    told: dict[str, Any] = {"ends": Counter(), "ran": [], "begun": [], "asked": []}
    with opened(place) as company:
        for step in range(size.steps):
            name, who = (f"w{n}", SELLERS[n % len(SELLERS)]) if chance.random() < 0.7 else ("shared", SELLERS[0])
            thread = company.gateway.open(who, thread_id=f"{name}-{step // EACH}", party=ANNA)
            _step(company, chance, thread, n, step, size, told)
            with _life(place, n).open("ab") as beat:
                beat.write(b".")
    return told


def _life(place: Place, n: int) -> Path:
    return Path(place.folder) / f"life-{n}"


def _step(
    company: Company, chance: random.Random, thread: GuardedThread, n: int, step: int, size: Size, told: dict[str, Any]
) -> None:
    luck = chance.random()
    name = f"{n}-{step}"
    if luck < 0.35:
        wanted = chance.randrange(size.workers * size.steps // 6 + 1)
        _invoke(thread, SWITCHED, {"deal_id": "7", "subject": f"Call Zdzisława Kanarkowa {wanted}"}, name, told)
    elif luck < 0.47:
        _invoke(thread, "mail.send", {"text": f"Offer {name}"}, name, told)
    elif luck < 0.57:
        _invoke(thread, "pay.spend", {"amount": 1 + step % 7, "note": f"n{name}"}, name, told)
    elif luck < 0.62:
        _invoke(thread, "deal.drop", {"deal_id": "7"}, name, told)
    elif luck < 0.67:
        thread.observe(f"Write to c{name}@secret.example or +48 512 345 678.", origin="party", source=f"m{name}")
    elif luck < 0.82:
        _ask(company, n, step, told)
    elif luck < 0.95:
        _answer(company, random.Random(f"{size.seed}-{name}"), told)
    else:
        seal(company.gateway.store, company.gateway.sources.keys, now=company.gateway.now())


def _invoke(thread: GuardedThread, tool: str, args: dict[str, Any], name: str, told: dict[str, Any]) -> None:
    result = thread.invoke(tool, args, call_id=f"c{name}", reason="It was asked for.")
    told["ends"][f"{result.status} {result.code}"] += 1
    told["begun"].append((thread.id, f"c{name}"))
    if result.status == "executed":
        told["ran"].append(result.trace_id)


def _ask(company: Company, n: int, step: int, told: dict[str, Any]) -> None:
    thread = f"ask-{n}-{step}"
    text = f"Zdzisława Kanarkowa agrees, see note-{n}-{step}."
    reply = company.session.start(text, SELLERS[n % len(SELLERS)], speaker="user", thread_id=thread, party=ANNA)
    told["ends"][f"asked {reply.status}"] += 1
    told["asked"].append(thread)


def _answer(company: Company, chance: random.Random, told: dict[str, Any]) -> None:
    """Answers one of the oldest questions, which others are answering too; and lets its thread go on."""
    waiting = company.gateway.approvals.list(now_ms=company.gateway.now_ms())
    if not waiting:
        return
    asked = chance.choice(waiting[:3])
    word: Any = chance.choice(["approve", "approve", "reject"])
    try:
        reply = company.session.resume(
            asked.id, word, by=chance.choice(BOSSES), message="Not now." if word == "reject" else None
        )
    except ApprovalError as refused:
        told["ends"][f"raced {refused.code}"] += 1
        return
    told["ends"][f"answered {reply.status}"] += 1


# ---- the operator


def loaded(nursery: Nursery, place: Place, size: Size) -> Told:
    """Lets the workers work, does to them what an operator and a kernel do, and finishes what is left."""
    jobs = [nursery.begin(work, place, n, size) for n in range(size.workers)]
    lives = [_life(place, n) for n in range(size.workers)]
    victim = size.workers - 1
    with opened(place) as company:
        _until(lives, size.steps // 4)
        company.gateway.press(f"tool:{SWITCHED}", reason="load", by="ops")
        _until(lives, 2, more=True)  # what was past its last look at the button has run by now
        before = _drafts(company)
        _until(lives, size.steps // 10 + 2, more=True)
        off = (before, _drafts(company))
        company.gateway.revive(f"tool:{SWITCHED}", reason="load", by="ops")
        _until(lives[victim:], size.steps * 2 // 3)
        with suppress(ProcessLookupError):
            os.kill(jobs[victim], signal.SIGKILL)
    ends = [nursery.wait(job) for job in jobs]
    assert all(isinstance(end, Ended) for end in ends)
    assert [getattr(end, "code", None) for end in ends] == [0] * victim + [KILLED]
    told = [end.told for end in ends if isinstance(end, Ended) and end.told]
    return Told(
        ends=sum((item["ends"] for item in told), Counter()),
        ran=frozenset(trace for item in told for trace in item["ran"]),
        begun=frozenset(pair for item in told for pair in item["begun"]),
        asked=frozenset(thread for item in told for thread in item["asked"]),
        off=off,
        left=finished(place),
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _until(lives: list[Path], steps: int, *, more: bool = False) -> None:
    """Waits until each worker has done so many steps, or is at its end; ``more``: from now on."""
    goals = [steps + (_size(path) if more else 0) for path in lives]
    patience = time.monotonic() + PATIENCE_S
    last = [-1] * len(lives)
    while any(_size(path) < goal for path, goal in zip(lives, goals, strict=True)):
        now = [_size(path) for path in lives]
        if now != last:
            last, patience = now, time.monotonic() + PATIENCE_S
        elif time.monotonic() > patience:
            raise AssertionError(f"the workers stand still at {now}")
        time.sleep(0.005)


def _drafts(company: Company) -> int:
    return sum(item["tool"] == SWITCHED for item in company.desk.effects)


def finished(place: Place) -> Counter[str]:
    """Much later: what the dead left is settled, what was answered is carried out, and every question is answered."""
    left: Counter[str] = Counter()
    with opened(place, later_s=LATER_S) as company:
        worker = Worker(company.gateway, lambda _: company.session)
        for _ in range(3):
            left += Counter(done.kind for done in worker.round())
        for asked in company.gateway.approvals.list(now_ms=company.gateway.now_ms()):
            with suppress(PendingApproval):
                company.session.resume(asked.id, "approve", by=BOSSES[0])
            left["approved at last"] += 1
        left += Counter(done.kind for done in worker.round())
        left["undone"] = len(worker.undone())
        seal(company.gateway.store, company.gateway.sources.keys, now=company.gateway.now())
    return left
