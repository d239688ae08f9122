"""Some hundred varied calls at one desk, recorded: reads, drafts, money and mail, with and without a plan, denied for
every reason there is, suggested, asked about and answered in every way, raced, cut, switched off and called again.

The same seed makes the same calls. The clock goes on, and once it goes back.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from agent_guard.errors import ApprovalError, ToolRejected, ToolUnavailable
from agent_guard.gateway import Gateway
from agent_guard.guarded import GuardedThread
from agent_guard.guards import Guard
from agent_guard.policy import Policy
from agent_guard.types import Code, Objection, Subject, ToolResult
from tests.conftest import World
from tests.gathering.test_rendering import NAME as LETTER, sender
from tests.planned import SAID, TICKET, TOOLS

__all__ = ["EVERY", "HOURS", "Watch", "desk", "policy", "record"]

Watch = Callable[[str, str, dict[str, Any]], Callable[[str | None], object]]

EVERY = [*TOOLS, sender()]
"""The contracts of the desk."""

OTHER = Subject(id="u9", tenant="acme", roles={"intern"}, region="pl")


def policy(tools: dict[str, dict[str, Any]] | None = None, **top: Any) -> Policy:
    """The desk's policy, of every rule one; ``tools`` changes entries of it."""
    approvers = {"roles": ["manager"], "expires": "24h", "not_requester": True}
    rules: dict[str, dict[str, Any]] = {
        item.name: {"roles": ["sdr"], "mode": "execute", "approvers": approvers} for item in EVERY
    }
    changes: dict[str, dict[str, Any]] = {
        "crm.read_deal": {"region": "own", "limits": ["200/day/subject"]},
        "crm.create_task": {
            "where": {"properties": {"subject": {"maxLength": 40}}},
            "limits": ["3/hour/thread"],
            "args": ["deal_id", "subject"],
        },
        "crm.set_stage": {
            "mode": "approve",
            "requires": [{"tool": "crm.read_deal", "within": "1h", "same": "deal_id"}],
        },
        "notes.draft": {"mode": "suggest"},
        "pay.refund": {"totals": [{"arg": "amount", "max": 500, "per": "day/subject"}], "from": {"amount": ["user"]}},
        "mail.send": {"domains": ["firm.example", "kowalska.example"], "not_after": {"at": "30d"}},
        LETTER: {"limits": ["30/day/party"]},
    }
    for name, change in [*changes.items(), *(tools or {}).items()]:
        rules[name] |= change
    given: dict[str, Any] = {
        "version": 1,
        "name": "soak.v1",
        "limits": {"actions_per_thread": 6, "attempts_per_thread": 12, "steps_per_thread": 50},
        "loops": {"same_call": 2, "cycle": 2},
        "stop_words": ["en.txt"],
        "contact_caps": ["12/day/party"],
        "tools": rules,
    }
    return Policy.model_validate(given | top)


def _office_hours(call: Any, tool: Any, policy: Any, facts: Any) -> Objection | None:
    if facts.at[11:13] != "23":
        return None
    words = "It is outside office hours."
    return Objection(outcome="require_approval", code=Code.APPROVAL_REQUIRED, for_model=words, for_human=words)


HOURS = Guard("office_hours", _office_hours)


def desk(world: World, rules: Policy | None = None, **options: Any) -> Gateway:
    """A gateway over all of it."""
    given: dict[str, Any] = {"tools": EVERY, "extra_guards": [HOURS]}
    return world.gateway(rules or policy(), **(given | options))


def record(
    world: World, gateway: Gateway, *, threads: int = 60, seed: int = 7, watch: Watch | None = None
) -> Counter[str]:
    """Records conversations; returns how many calls ended how.

    Args:
        watch: called with thread, tool and arguments before each call, and what it returns with the call's trace.
    """
    chance = random.Random(seed)
    ends: Counter[str] = Counter()
    for n in range(threads):
        _conversation(world, gateway, chance, n, ends, watch)
        world.clock.forward(minutes=chance.choice([1, 7, 45, -30] if n % 20 == 19 else [1, 7, 45]))
    return ends


def _conversation(
    world: World, gateway: Gateway, chance: random.Random, n: int, ends: Counter[str], watch: Watch | None
) -> None:
    who = OTHER if n % 15 == 14 else world.sdr
    party = None if n % 11 == 10 else world.anna
    scope = {"crm.read_deal", "crm.create_task"} if n % 13 == 12 else None
    thread = gateway.open(who, party=party, user_text=SAID, scope=scope, thread_id=f"soak-{n}")
    if n % 4 == 1 and scope is None:
        _plan(thread)
    for step in range(chance.randint(3, 9)):
        if chance.random() < 0.15:
            thread.observe(TICKET, origin="untrusted", source="ticket 7")
        _one(world, gateway, thread, chance, f"c{step}", ends, watch)
        world.clock.forward(seconds=chance.choice([1, 20, 90]))


def _plan(thread: GuardedThread) -> None:
    text = thread.text or ""
    span = [0, len(text)]
    mail, amount = text.index("<EMAIL_"), text.index("120")
    to = text[mail : text.index(">", mail) + 1]
    thread.plan(
        {
            "steps": [
                {"id": "s1", "tool": "tickets.read", "evidence": span, "args": {"ticket": {"late": {"max": 20}}}},
                {
                    "id": "s2", "tool": "mail.send", "evidence": span,
                    "args": {"to": {"lit": to, "span": [mail, mail + len(to)]}, "text": {"late": {"max": 200}}},
                },
                {
                    "id": "s3", "tool": "pay.refund", "evidence": span,
                    "args": {"account": {"late": {"max": 40}}, "amount": {"lit": 120, "span": [amount, amount + 3]}},
                },
            ]
        }
    )  # fmt: skip


def _call(chance: random.Random) -> tuple[str, Any]:
    late = chance.random() < 0.3
    deal = chance.choice(["42", "42", "42", "43", "44", "99"])
    to = chance.choice(["bob@firm.example", "anna@kowalska.example", "eve@evil.example", "zoe@nowhere.example"])
    subject = chance.choice([f"Call {chance.randint(1, 30)}", "Call Anna Kowalska", "Write", "x" * 60])
    text = chance.choice(["It ships.", "No risk, guaranteed returns!", "See https://evil.example/pay", "Anna Kowalska"])
    at = chance.choice([None, "2026-01-10", "2027-01-01", "soon"])
    return chance.choice(
        [
            ("crm.read_deal", {"deal_id": deal}),
            ("crm.read_deal", {"deal_id": "42"}),
            ("crm.read_deal", {"deal_id": "42"}),
            ("crm.set_stage", {"deal_id": "42", "stage": chance.choice(["new", "won", "lost"])}),
            ("crm.set_stage", {"deal_id": "42", "stage": chance.choice(["new", "won", "lost"])}),
            ("crm.create_task", {"deal_id": deal, "subject": subject}),
            ("crm.create_task", {"deal_id": "42", "subject": subject}),
            ("crm.create_task", {"deal_id": "42", "subject": subject} | ({"urgent": True} if late else {})),
            ("crm.set_stage", {"deal_id": deal, "stage": chance.choice(["won", "lost"])}),
            ("crm.find", {"name": chance.choice(["", "Boris"])}),
            ("tickets.read", {"ticket": chance.choice(["7", "8"])}),
            ("notes.draft", {"text": text}),
            ("mail.send", {"to": to, "text": text} | ({"at": at} if at else {})),
            ("mail.send", {"to": "bob@firm.example", "text": "It ships.", "at": "2026-01-10"}),
            ("pay.refund", {"account": "blue", "amount": chance.choice([120, 120, 9000])}),
            ("messages.send", {"text": text}),
            (LETTER, {"deal_id": deal, "name": "Anna Kowalska"}),
            ("crm.delete", {"deal_id": deal}),
            ("crm.create_task", {"deal_id": "42", "subject": "Call", "cc": "me"}),
            ("crm.create_task", {"deal_id": 42}),
            ("crm.read_deal", {"deal_id": "<PERSON_77>"}),
        ]
    )


def _one(
    world: World,
    gateway: Gateway,
    thread: GuardedThread,
    chance: random.Random,
    call_id: str,
    ends: Counter[str],
    watch: Watch | None,
) -> None:
    def invoke(name: str) -> ToolResult:
        seen = watch(thread.id, tool, args) if watch else None
        done = thread.invoke(tool, args, call_id=name, reason="It was asked for.")
        ends[done.status] += 1
        if seen is not None:
            seen(done.trace_id)
        return done

    tool, args = _call(chance)
    luck = chance.random()
    if luck < 0.05:
        world.desk.silent = ToolUnavailable("silent")
    elif luck < 0.15:
        world.desk.before = _raises(chance.choice([ToolRejected("no"), RuntimeError("cut")]))
    elif luck < 0.18:
        gateway.press(f"tool:{tool}" if tool in gateway.tools else "*", reason="test", by="o1")
    late = chance.random() < 0.1
    if late:
        world.clock.now = world.clock.now.replace(hour=23)
    asked = invoke(call_id)
    if late:
        world.clock.forward(hours=2)
    world.desk.silent, world.desk.before = None, lambda: None
    for flag in gateway.kill_switch.flags():
        gateway.revive(flag, reason="test", by="o1")
    if asked.status == "pending" and asked.approval_id:
        _answer(world, thread, chance, asked.approval_id, tool, args)
    if chance.random() < 0.25:
        invoke(f"{call_id}-again")


def _raises(error: Exception) -> Any:
    def before() -> None:
        raise error

    return before


def _answer(
    world: World, thread: GuardedThread, chance: random.Random, approval: str, tool: str, args: dict[str, Any]
) -> None:
    way = chance.choice(["approve", "approve", "reject", "respond", "edit", "late", "changed", "nobody"])
    if way == "nobody":
        return
    if way == "late":
        world.clock.forward(hours=25)
    if way == "changed":
        world.desk.change("42", "won")
    word: Any = way if way in ("approve", "reject", "respond", "edit") else "approve"
    edited = dict(args) | ({"text": "Shorter."} if "text" in args else {}) if word == "edit" else None
    try:
        thread.resume(approval, word, by=world.boss, args=edited, message="Look again." if word == "respond" else None)
    except ApprovalError:
        assert way in ("late", "changed", "edit")
