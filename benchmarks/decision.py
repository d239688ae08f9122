"""What deciding costs, and what it does not depend on.

Rows:

    decide, 100 tools    ``decide`` on given facts: a policy of 100 tools, a thread that has seen 50 messages
    decide, 1 tool       the same with a policy of one tool
    check, 100 messages  ``thread.check`` on a SQLite file: gathers everything and decides, writes nothing
    check, 10,000        the same in a thread that has seen 10,000 messages

The call has a sensitive argument and free text, so provenance is looked up in the trail. The people of the thread are
the same ten in both trails: what masking costs grows with the people a thread knows, not with its messages. Rows are
medians of interleaved rounds; the two ratios are what must hold on any machine.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from agent_guard import Gateway, Policy, Subject, tool
from agent_guard.decide import decide
from agent_guard.gathering.trail import Sighting, append
from agent_guard.guarded import GuardedThread
from agent_guard.masking import Masker
from agent_guard.tool import Tool
from benchmarks.desk import SELLER, name_of
from benchmarks.measure import arguments

MANY, LONG, SHORT = 100, 10_000, 100
REPEATS = 50


class Offer(BaseModel):
    """Arguments: who is sent what."""

    to: str = Field(max_length=100)
    amount: float
    body: str = Field(max_length=500)


class Sent(BaseModel):
    """The result."""

    id: str


def contract(name: str) -> Tool:
    """A tool that sends an offer."""

    @tool(name=name, effect="send", timeout_s=5, sensitive={"to", "amount"}, unmask={"to", "body"})
    def send(args: Offer) -> Sent:
        """Sends an offer."""
        return Sent(id=args.to)

    return send


def policy(tools: Sequence[Tool]) -> Policy:
    """A rule for each tool."""
    rule = {
        "roles": ["sales"],
        "mode": "execute",
        "limits": ["100/minute/subject"],
        "where": {"properties": {"amount": {"minimum": 0, "maximum": 1000}}},
        "approvers": {"roles": ["manager"]},
    }
    data = {"version": 1, "name": "bench.v1", "tools": {item.name: rule for item in tools}}
    return Policy.model_validate(data)


def message(n: int) -> str:
    """What a thread has seen: ten people, and numbers that differ."""
    name = name_of(n % 10)
    address = f"{name.split()[0].lower()}@harbour.example"
    return f"Order {n}: {name} wants {n % 900} crates of type {n * 7} by mail to {address}."


def thread_of(gateway: Gateway, messages: int) -> GuardedThread:
    """A thread that has seen this many messages, and the call that is looked at."""
    thread = gateway.open(Subject(id=SELLER.id, tenant=SELLER.tenant, roles={"sales"}), user_text=message(1))
    for n in range(2, 20):  # everybody is known by then; the rest of the trail is written at once
        thread.observe(message(n), origin="untrusted" if n % 2 else "user", source=f"m{n}")
    vault = thread.vault()
    rest = [
        Sighting(
            origin="untrusted" if n % 2 else "user",
            source=f"m{n}",
            text=gateway.masker.mask(message(n), vault, "untrusted"),
        )
        for n in range(20, messages + 1)
    ]
    with gateway.store.write(locks=["test"]) as connection:
        append(connection, thread.id, rest)
    return thread


CALL = {"to": f"{name_of(1).split()[0].lower()}@harbour.example", "amount": 1.0, "body": "Your crates are on the way."}


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of one run, the median of :data:`REPEATS`."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def main() -> None:
    """Prints the table."""
    given = arguments(__doc__.split("\n")[0], rounds=20)
    masker = Masker(("en",), profile="patterns")
    with tempfile.TemporaryDirectory() as folder:
        rows: dict[str, list[float]] = {}
        work: dict[str, Callable[[], object]] = {}
        for count in (MANY, 1):
            tools = [contract(f"mail.send_{n}") for n in range(count)]
            gateway = Gateway(
                tools, policy(tools), url=f"sqlite:///{Path(folder) / f'{count}.db'}", environment="dev", masker=masker
            )
            name = tools[count // 2].name
            for messages in (50, *((SHORT, LONG) if count == MANY else ())):
                thread = thread_of(gateway, messages)
                assert thread.check(name, CALL).outcome == "allow"
                if messages == 50:
                    vault = gateway.vault.of(thread.row)
                    call = thread.masked_call(name, CALL, "bench", None)
                    gathered = gateway.gather(thread.row, call, vault)
                    with gateway.store.read() as connection:
                        facts, _ = gateway.decide(gathered, connection)
                    label = f"decide, {count} tool{'s' if count > 1 else ''}"
                    work[label] = lambda g=gathered, f=facts: decide(g.call, g.tool, g.policy, f)
                else:
                    work[f"check, {messages:,} messages"] = lambda t=thread, n=name: t.check(n, CALL)
        for _ in range(given.rounds):
            for label, job in work.items():
                rows.setdefault(label, []).append(timed(job))
    medians = {label: statistics.median(values) for label, values in rows.items()}
    print("| | ms |\n|---|---|")
    for label, value in medians.items():
        print(f"| {label} | {value:.4f} |")
    many, one = medians[f"decide, {MANY} tools"], medians["decide, 1 tool"]
    long, short = medians[f"check, {LONG:,} messages"], medians[f"check, {SHORT:,} messages"]
    print(f"\n100 tools cost {many / one:.2f} times one tool; {LONG:,} messages cost {long / short:.2f} times {SHORT}.")


if __name__ == "__main__":
    main()
