"""Many real processes on one database: what may happen once happens once, what is limited stays limited (law L5).

Counting and then inserting let 11 of 40 over a limit, and 57 where 50 were allowed; see the design's section 5.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from agent_guard.tool import tool
from tests.conftest import World

pytestmark = [pytest.mark.databases, pytest.mark.req("A3", "A6", "B7")]

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["agent_guard.gateway", "agent_guard.masking.engine", "presidio_analyzer", "psycopg"])

FREE = {"actions_per_thread": 1_000, "attempts_per_thread": 10_000, "steps_per_thread": 50}
KEYS = int(os.environ.get("AGENT_GUARD_TEST_KEYS", "100"))
"""How many intents eight processes have in common; 500 take a minute on two cores."""

LOOPS = {"same_call": 100, "cycle": 100}


class Spend(BaseModel):
    amount: int
    note: Annotated[str, Field(max_length=40)]


class Spent(BaseModel):
    ok: bool = True


@tool(name="pay.spend", effect="write", timeout_s=5, key=("note",))
def spend(args: Spend, desk: Any) -> Spent:
    """Spends money."""
    desk.do("spend", amount=args.amount, note=args.note)
    return Spent()


def gateway(world: World, tools: dict[str, Any] | None = None, **top: Any) -> Any:
    """A gateway at the shared database, whose policy limits what the test is about and nothing else."""
    return world.gateway(world.policy(tools, limits=FREE, loops=LOOPS, **top), file=True)


def paying(world: World) -> Any:
    """A gateway with one tool, of which one person may spend 100 a day."""
    rule = {"roles": ["sdr"], "mode": "execute", "totals": [{"arg": "amount", "max": 100, "per": "day/subject"}]}
    data = {"version": 1, "name": "pay.v1", "limits": FREE, "loops": LOOPS, "tools": {"pay.spend": rule}}
    return world.gateway(world.policy().model_validate(data), tools=[spend], file=True)


def all_at_once(work: Callable[..., None], world: World, count: int, *given: Any) -> list[Counter[str]]:
    """Runs ``work(home, n, together, told, *given)`` in so many processes and returns what each of them told."""
    together, told = CONTEXT.Barrier(count), CONTEXT.SimpleQueue()
    workers = [CONTEXT.Process(target=work, args=(world.home, n, together, told, *given)) for n in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
    assert [worker.exitcode for worker in workers] == [0] * count
    found = [told.get() for _ in workers]
    told.close()
    return found


def claim_keys(home: tuple[str, str], n: int, together: Any, told: Any, keys: int) -> None:
    """A process: a conversation of its own, and the same intents as in all others."""
    world = World.at(home)
    thread = gateway(world).open(world.sdr, party=world.anna)
    together.wait(120)
    results = [thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Call {k}"}) for k in range(keys)]
    told.put(Counter(item.status if item.status != "denied" else str(item.code) for item in results))
    world.close()


def test_eight_processes_that_want_the_same_do_it_once(world: World) -> None:
    """So many intents in eight processes at once: so many effects, and everybody else hears of a duplicate."""
    keys = KEYS
    gateway(world).open(world.sdr, party=world.anna)
    found = sum(all_at_once(claim_keys, world, 8, keys), Counter())
    subjects = [item["subject"] for item in world.desk.effects]
    assert sorted(subjects) == sorted(f"Call {k}" for k in range(keys))
    assert found["executed"] == keys
    assert set(found) <= {"executed", "duplicate", "in_progress"}


def reach_the_limit(home: tuple[str, str], n: int, together: Any, told: Any, rounds: int) -> None:
    """A process: round by round, all call at once, each something else, two minutes apart."""
    world = World.at(home)
    thread = gateway(world, {"crm.create_task": {"limits": ["5/minute/subject"]}}).open(world.sdr, party=world.anna)
    codes: Counter[str] = Counter()
    for turn in range(rounds):
        together.wait(120)
        for m in range(3):
            result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Call {turn} {n} {m}"})
            codes[f"{turn} {result.code}"] += 1
        world.clock.forward(minutes=2)
    told.put(codes)
    world.close()


def test_eight_processes_stay_below_a_limit(world: World) -> None:
    """Five a minute are five a minute, in each of six minutes in which eight processes ask at once."""
    rounds = 6
    gateway(world).open(world.sdr, party=world.anna)
    found = sum(all_at_once(reach_the_limit, world, 8, rounds), Counter())
    done = Counter(item["subject"].split()[1] for item in world.desk.effects)
    assert done == {str(turn): 5 for turn in range(rounds)}
    assert found == {f"{turn} allowed": 5 for turn in range(rounds)} | {
        f"{turn} limit_rate": 19 for turn in range(rounds)
    }


def spend_together(home: tuple[str, str], n: int, together: Any, told: Any, times: int) -> None:
    """A process: spends another amount each time, so that no two take the same place of the meter."""
    world = World.at(home)
    thread = paying(world).open(world.sdr)
    codes: Counter[str] = Counter()
    together.wait(120)
    for m in range(times):
        result = thread.invoke("pay.spend", {"amount": 1 + (n + 3 * m) % 7, "note": f"n{n} m{m}"})
        codes[str(result.code)] += 1
    told.put(codes)
    world.close()


def test_eight_processes_spend_no_more_than_there_is(world: World) -> None:
    """100 a day are 100 a day, whoever spends them: the smallest amount no longer fits when it is over."""
    paying(world).open(world.sdr)
    found = sum(all_at_once(spend_together, world, 8, 8), Counter())
    assert set(found) == {"allowed", "limit_total"}
    total = sum(item["amount"] for item in world.desk.effects)
    assert 94 <= total <= 100


def talk(home: tuple[str, str], n: int, together: Any, told: Any, times: int) -> None:
    """A process: one conversation with all others, which sees new people and calls in between."""
    world = World.at(home)
    thread = gateway(world).thread("t1")
    together.wait(120)
    codes: Counter[str] = Counter()
    for m in range(times):
        said = thread.observe(f"n{n}m{m}@mail.example and all{m}@mail.example wrote", origin="user", source=f"m{n}-{m}")
        codes[f"all{m} {said.split(' and ')[1]}"] += 1
        codes[thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Call {n} {m}"}).status] += 1
    told.put(codes)
    world.close()


def test_four_processes_share_one_conversation(world: World) -> None:
    """Every call runs, every text is kept, the record is one whole chain, and everybody has one pseudonym."""
    times = 15
    base = gateway(world)
    base.open(world.sdr, thread_id="t1", party=world.anna)
    found = sum(all_at_once(talk, world, 4, times), Counter())
    assert found.pop("executed") == 4 * times
    assert len(found) == times, "what all have seen has one name"
    assert set(found.values()) == {4}
    assert list(base.audit.broken("t1")) == []
    events = base.audit.events(thread="t1")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert Counter(event.data["kind"] for event in events)["finished"] == 4 * times
    texts = [row for row in world.rows(base, "trail") if row["origin"] == "user"]
    assert len(texts) == 4 * times
    values = [entry.value for entry in base.thread("t1").vault().entries() if entry.type == "EMAIL"]
    assert len(values) == len(set(values)) == 1 + 5 * times
