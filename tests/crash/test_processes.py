"""Many real processes on one database: what may happen once happens once, what is limited stays limited (law L5).

Counting and then inserting let 11 of 40 over a limit, and 57 where 50 were allowed; see the design's section 5.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from agent_guard.tool import tool
from tests.conftest import Database, World
from tests.crash.harness import Nursery, born_together
from tests.crash.office import MASKER

pytestmark = [pytest.mark.databases, pytest.mark.req("A3", "A6", "B7")]

FREE = {"actions_per_thread": 1_000, "attempts_per_thread": 10_000, "steps_per_thread": 50}
KEYS = 500
"""How many intents eight processes have in common."""

PATIENCE_S = 300
"""How long eight processes may take on a machine that has other things to do, and wait for one lock, in seconds."""

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


class Intent(BaseModel):
    k: int


@tool(name="intent.do", effect="write", timeout_s=5, key=("k",))
def do_intent(args: Intent, desk: Any) -> Spent:
    """Does as little as a tool can do: one line of a file, which is not read."""
    with desk.path.open("a") as file:
        file.write(f"{args.k}\n")
    return Spent()


def wanting(world: World) -> Any:
    """A gateway with one tool that asks nobody for anything, and waits for the database as long as it takes."""
    rule = {"roles": ["sdr"], "mode": "execute"}
    data = {"version": 1, "name": "intent.v1", "limits": FREE, "loops": LOOPS, "tools": {"intent.do": rule}}
    made = world.gateway(world.policy().model_validate(data), tools=[do_intent], file=True)
    world.waits(made, PATIENCE_S)
    return made


Home = tuple[str, str]


def world_at(home: Home) -> World:
    """The world of a test, in another process that has a masker already."""
    return World(Path(home[0]), MASKER, Database(Path(home[0]), home[1]))


def warm() -> None:
    """Loads what every process needs, by one call in a folder that is removed."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder), MASKER)
        gateway(world).open(world.sdr, party=world.anna).invoke("crm.create_task", {"deal_id": "42", "subject": "Call"})
        world.close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A warmed process."""
    with Nursery(warm) as made:
        yield made


def all_at_once(nursery: Nursery, work: Callable[..., Counter[str]], world: World, count: int, times: int) -> Any:
    """Runs ``work(n, together, home, times)`` in so many processes at once; what they told, together."""
    return sum(nursery.told(crowd, work, count, world.home, times), Counter[str]())


def crowd(work: Callable[..., Counter[str]], count: int, home: Home, times: int) -> list[Counter[str]]:
    """In a job: the processes of a test, in its folder, where the key of a database on a server lies."""
    os.chdir(home[0])
    return born_together(work, count, home, times, patience_s=PATIENCE_S)


def claim_keys(n: int, together: Any, home: Home, keys: int) -> Counter[str]:
    """A process: a conversation of its own, and the same intents as in all others."""
    world = world_at(home)
    thread = wanting(world).open(world.sdr, party=world.anna)
    together.wait(PATIENCE_S)
    results = [thread.invoke("intent.do", {"k": k}) for k in range(keys)]
    world.close()
    return Counter(item.status if item.status != "denied" else str(item.code) for item in results)


def test_eight_processes_that_want_the_same_do_it_once(nursery: Nursery, world: World) -> None:
    """500 intents in eight processes at once: 500 effects, and everybody else hears of a duplicate."""
    wanting(world).open(world.sdr, party=world.anna)
    found = all_at_once(nursery, claim_keys, world, 8, KEYS)
    assert sorted(map(int, world.desk.path.read_text().split())) == list(range(KEYS))
    assert found["executed"] == KEYS
    assert set(found) <= {"executed", "duplicate", "in_progress"} and found.total() == 8 * KEYS


def reach_the_limit(n: int, together: Any, home: Home, rounds: int) -> Counter[str]:
    """A process: round by round, all call at once, each something else, two minutes apart."""
    world = world_at(home)
    thread = gateway(world, {"crm.create_task": {"limits": ["5/minute/subject"]}}).open(world.sdr, party=world.anna)
    codes: Counter[str] = Counter()
    for turn in range(rounds):
        together.wait(PATIENCE_S)
        for m in range(3):
            result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Call {turn} {n} {m}"})
            codes[f"{turn} {result.code}"] += 1
        world.clock.forward(minutes=2)
    world.close()
    return codes


def test_eight_processes_stay_below_a_limit(nursery: Nursery, world: World) -> None:
    """Five a minute are five a minute, in each of six minutes in which eight processes ask at once."""
    rounds = 6
    gateway(world).open(world.sdr, party=world.anna)
    found = all_at_once(nursery, reach_the_limit, world, 8, rounds)
    done = Counter(item["subject"].split()[1] for item in world.desk.effects)
    assert done == {str(turn): 5 for turn in range(rounds)}
    assert found == {f"{turn} allowed": 5 for turn in range(rounds)} | {
        f"{turn} limit_rate": 19 for turn in range(rounds)
    }


def spend_together(n: int, together: Any, home: Home, times: int) -> Counter[str]:
    """A process: spends another amount each time, so that no two take the same place of the meter."""
    world = world_at(home)
    thread = paying(world).open(world.sdr)
    codes: Counter[str] = Counter()
    together.wait(PATIENCE_S)
    for m in range(times):
        result = thread.invoke("pay.spend", {"amount": 1 + (n + 3 * m) % 7, "note": f"n{n} m{m}"})
        codes[str(result.code)] += 1
    world.close()
    return codes


def test_eight_processes_spend_no_more_than_there_is(nursery: Nursery, world: World) -> None:
    """100 a day are 100 a day, whoever spends them: the smallest amount no longer fits when it is over."""
    paying(world).open(world.sdr)
    found = all_at_once(nursery, spend_together, world, 8, 8)
    assert set(found) == {"allowed", "limit_total"}
    total = sum(item["amount"] for item in world.desk.effects)
    assert 94 <= total <= 100


def talk(n: int, together: Any, home: Home, times: int) -> Counter[str]:
    """A process: one conversation with all others, which sees new people and calls in between."""
    world = world_at(home)
    thread = gateway(world).thread("t1")
    together.wait(PATIENCE_S)
    codes: Counter[str] = Counter()
    for m in range(times):
        said = thread.observe(f"n{n}m{m}@mail.example and all{m}@mail.example wrote", origin="user", source=f"m{n}-{m}")
        codes[f"all{m} {said.split(' and ')[1]}"] += 1
        codes[thread.invoke("crm.create_task", {"deal_id": "42", "subject": f"Call {n} {m}"}).status] += 1
    world.close()
    return codes


def test_four_processes_share_one_conversation(nursery: Nursery, world: World) -> None:
    """Every call runs, every text is kept, the record is one whole chain, and everybody has one pseudonym."""
    times = 15
    base = gateway(world)
    base.open(world.sdr, thread_id="t1", party=world.anna)
    found = all_at_once(nursery, talk, world, 4, times)
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
