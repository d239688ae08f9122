"""A company in miniature for the life of a call: its systems, its people, two workers, and a referee.

The referee knows the rules from the requirements and not from the code. It is asked at the very moment of each effect,
inside the tool, and once more after each step of a test; what it finds is a fault.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Annotated, Any, Literal, Self

import sqlalchemy as sa
from pydantic import BaseModel, Field

from agent_guard.errors import AgentGuardError, OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.gateway import Gateway
from agent_guard.masking import Masker
from agent_guard.operations import enrolment
from agent_guard.policy import Policy
from agent_guard.store import Store
from agent_guard.testing import FixedClock
from agent_guard.tool import tool
from agent_guard.types import Description, Party, Ref, Subject, ToolCall
from tests.steps import Steps

__all__ = [
    "AGENTS",
    "DEALS",
    "MOVES",
    "PEOPLE",
    "SCENARIOS",
    "SCOPES",
    "TOOLS",
    "VARIANTS",
    "Attempt",
    "Crash",
    "Life",
    "Plot",
    "prepare",
]

MINUTE, HOUR = 60_000, 3_600_000


class Crash(BaseException):
    """The process ends here: no handler of the product may stop it, and nothing of it is left but the database."""


# ---- what may be done

DEALS = ("d1", "d2")
Deal = Annotated[str, Field(pattern="^d[0-9]{1,6}$")]


class NewStage(BaseModel):
    deal: Deal
    stage: Literal["won", "lost"]


class NewNote(BaseModel):
    deal: Deal
    text: Literal["one", "two", "three"]


class Ping(BaseModel):
    text: Literal["hello", "bye"]


class Done(BaseModel):
    ok: bool = True


class Other(BaseModel):
    wrong: int = 1


@tool(name="crm.stage", effect="write", timeout_s=10, key=("deal", "stage"), refs={"deal": "deal"}, changes="deal")
def set_stage(args: NewStage, shop: Any, idempotency_key: str, subject: Subject) -> Done:
    """Moves a deal."""
    return shop.do("crm.stage", args, idempotency_key, subject)  # type: ignore[no-any-return]


@tool(name="crm.note", effect="draft", timeout_s=10, key=("deal", "text"), key_window="1h", refs={"deal": "deal"})
def add_note(args: NewNote, shop: Any, idempotency_key: str, subject: Subject) -> Done:
    """Writes a note."""
    return shop.do("crm.note", args, idempotency_key, subject)  # type: ignore[no-any-return]


@tool(name="mail.ping", effect="send", timeout_s=10)
def ping(args: Ping, shop: Any, idempotency_key: str, subject: Subject) -> Done:
    """Sends a word; has no key fields."""
    return shop.do("mail.ping", args, idempotency_key, subject)  # type: ignore[no-any-return]


TOOLS = ("crm.stage", "crm.note", "mail.ping")
KEY_WINDOWS_MS = {"crm.stage": 24 * HOUR, "crm.note": HOUR, "mail.ping": 24 * HOUR}
SCENARIOS = ("day", "night")
AGENTS = ("bot1", "bot2", "bot3")
SCOPES = (
    "*",
    "tenant:acme",
    "tenant:other",
    "scenario:day",
    "scenario:night",
    "agent:bot1",
    *(f"tool:{t}" for t in TOOLS),
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One policy as a table: what the referee judges by."""

    modes: Mapping[str, str]
    rates: Mapping[str, tuple[int, str, str]]
    actions: int = 4
    expires_h: int = 24

    def approvers(self, name: str) -> dict[str, Any]:
        """Who may answer for a tool."""
        return {"roles": ["manager"], "not_requester": name == "crm.stage", "expires": f"{self.expires_h}h"}

    @property
    def policy(self) -> Policy:
        """The same as a policy."""
        tools = {
            name: {
                "roles": ["sdr"],
                "mode": mode,
                "approvers": self.approvers(name),
                "limits": ["{}/{}/{}".format(*self.rates[name])] if name in self.rates else [],
            }
            for name, mode in self.modes.items()
        }
        limits = {"actions_per_thread": self.actions, "attempts_per_thread": 500, "steps_per_thread": 500}
        loops = {"same_call": 100, "cycle": 100}
        data = {"version": 1, "name": "life.v1", "limits": limits, "loops": loops, "tools": tools}
        return Policy.model_validate(data)


def _modes(*modes: str) -> dict[str, str]:
    return dict(zip(TOOLS, modes, strict=True))


VARIANTS: Mapping[str, Variant] = {
    "usual": Variant(
        modes=_modes("approve", "execute", "execute"),
        rates={"crm.note": (2, "hour", "subject"), "mail.ping": (3, "day", "tenant")},
    ),
    "strict": Variant(
        modes=_modes("approve", "approve", "approve"),
        rates={"crm.note": (1, "hour", "subject"), "mail.ping": (1, "day", "tenant")},
        actions=2,
        expires_h=1,
    ),
    "loose": Variant(
        modes=_modes("execute", "execute", "execute"),
        rates={"crm.note": (4, "minute", "subject"), "mail.ping": (6, "hour", "tenant")},
        actions=9,
    ),
    "shy": Variant(
        modes=_modes("suggest", "execute", "suggest"),
        rates={"crm.note": (2, "day", "subject"), "mail.ping": (3, "day", "tenant")},
    ),
}
WINDOW_MS = {"minute": MINUTE, "hour": HOUR, "day": 24 * HOUR}

PEOPLE: Mapping[tuple[str, str], frozenset[str]] = {
    ("acme", "u1"): frozenset({"sdr"}),
    ("acme", "u2"): frozenset({"sdr", "manager"}),
    ("acme", "m1"): frozenset({"manager"}),
    ("acme", "m2"): frozenset({"manager"}),
    ("acme", "i1"): frozenset({"intern"}),
    ("other", "u1"): frozenset({"sdr"}),
    ("other", "m1"): frozenset({"manager"}),
}

MOVES = {
    "proposed": {"claimed", "denied", "suggested", "pending", "expired"},
    "pending": {"approved", "rejected", "expired"},
    "approved": {"claimed", "denied", "expired"},
    "claimed": {"done", "failed", "unknown"},
}
"""What a call may become, written down once more: a change of the product's own table must show here."""


def prepare(url: str) -> None:
    """Makes the schema, the agents, and a table of every move of a call, kept by the database itself."""
    with Life(url, Masker(profile="patterns"), agents=()) as life:
        gateway = life.workers[0]
        for name in AGENTS:
            enrolment.add(
                gateway.store, gateway.audit, name, environment="dev", reason="test", by="o1", now=life.clock.now
            )
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in _MOVES_KEPT[connection.dialect.name]:
            connection.exec_driver_sql(statement)
    engine.dispose()


_MOVES_KEPT = {
    "sqlite": (
        "CREATE TABLE life_moves (trace TEXT, was TEXT, now TEXT)",
        (
            "CREATE TRIGGER life_moved AFTER UPDATE OF state ON calls WHEN OLD.state <> NEW.state "
            "BEGIN INSERT INTO life_moves VALUES (OLD.trace_id, OLD.state, NEW.state); END"
        ),
    ),
    "postgresql": (
        "CREATE TABLE life_moves (trace TEXT, was TEXT, now TEXT)",
        (
            "CREATE FUNCTION life_moved() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO life_moves VALUES (OLD.trace_id, OLD.state, NEW.state); RETURN NULL; END $$"
        ),
        (
            "CREATE TRIGGER life_moved AFTER UPDATE OF state ON calls FOR EACH ROW "
            "WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION life_moved()"
        ),
    ),
}


# ---- the systems


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One thing that was done."""

    tool: str
    args: Mapping[str, Any]
    key: str
    by: tuple[str, str]
    at: int
    intent: tuple[str, ...] = ()
    row: str = ""


class Shop:
    """A system of record: deals with a version each, and everything that was done.

    ``mood`` is how it takes the next effect: ``rejects``, ``unreachable`` and ``breaks early`` before it, ``breaks
    late``, ``silent late`` and ``wrong answer`` after it.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self.versions = dict.fromkeys(DEALS, 1)
        self.effects: list[Effect] = []
        self.mood = "fine"

    def describe(self, ref: Ref) -> Description | None:
        """Port ``Records``."""
        version = self.versions.setdefault(ref.id, 1)
        self._life.frame.versions[ref.id] = version
        return Description(version=str(version), party="p1", snapshot={"n": version}, fields={"n": "plain"})

    def do(self, name: str, args: BaseModel, key: str, subject: Subject) -> BaseModel:
        """One effect, unless the mood is against it."""
        mood, self.mood = self.mood, "fine"
        match mood:
            case "rejects":
                raise ToolRejected(code="no")
            case "unreachable":
                raise ToolUnavailable(code="down")
            case "breaks early":
                raise ValueError("boom")
        effect = Effect(
            tool=name, args=args.model_dump(), key=key, by=(subject.tenant, subject.id), at=self._life.now_ms
        )
        self.effects.append(self._life.judged(effect))
        if name == "crm.stage":
            self.versions[effect.args["deal"]] += 1
        match mood:
            case "breaks late":
                raise ValueError("boom")
            case "silent late":
                raise OutcomeUnknown(code="no_answer")
            case "wrong answer":
                return Other()
        return Done()


class People:
    """A directory whose rights change."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self.roles = dict(PEOPLE)

    def lookup(self, tenant: str, subject: str) -> Subject | None:
        """Port ``Directory``."""
        roles = self.roles.get((tenant, subject))
        self._life.frame.roles[tenant, subject] = roles or frozenset()
        return None if roles is None else Subject(id=subject, tenant=tenant, roles=roles)


# ---- the referee


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a human was shown, as it stood when it was asked."""

    thread: str
    tool: str
    args: Mapping[str, Any]
    version: str
    variant: str
    expires: int
    requester: tuple[str, str]
    answer: str | None = None
    by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Somebody pressed a button; ``may`` tells whether this person was allowed to."""

    question: str
    word: str
    person: tuple[str, str]
    may: bool
    args: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Plot:
    """What happens in the middle of a worker's work.

    Args:
        claimed: ``n`` counts the steps from the claim, else from the beginning.
        pick: which of the things of its kind.
    """

    claimed: bool
    n: int
    kind: str
    pick: int


@dataclass(kw_only=True)
class Frame:
    """What one worker at work has been told so far."""

    agent: str = ""
    versions: dict[str, int] = field(default_factory=dict)
    roles: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)


class Life:
    """Everything of one example.

    Args:
        url: an empty database, or one that :func:`prepare` made.
    """

    def __init__(self, url: str, masker: Masker, *, agents: tuple[str, ...] = AGENTS) -> None:
        self._url, self._masker, self._agents = url, masker, agents
        self._numbers = count(1)
        self._thread = threading.get_ident()
        self.clock = FixedClock()
        self.frames = [Frame()]
        self.shop = Shop(self)
        self.people = People(self)
        self.steps = Steps(self._step)
        self.plot: tuple[Plot, Callable[[], object]] | None = None
        self._since = 0
        self.variant = "usual"
        self.pressed: set[str] = set()
        self.revoked: set[str] = set()
        self.threads: dict[str, tuple[str, str, str]] = {}
        self.said: dict[tuple[str, str], list[ToolCall]] = {}
        self.calls: list[ToolCall] = []
        self.attempts: list[Attempt] = []
        self.questions: dict[str, Question] = {}
        self.used: set[str] = set()
        self.dead: set[str] = set()
        self.faults: list[str] = []
        self.steps.port(self.shop, "describe")
        self.steps.port(self.people, "lookup")
        self.workers = [self._hired(), self._hired()]
        self.observer = Store(url)
        self.observer.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.close()
        self.observer.close()

    # ---- time and workers

    @property
    def now_ms(self) -> int:
        """The clock in milliseconds."""
        return int(self.clock.now.timestamp() * 1000)

    @property
    def frame(self) -> Frame:
        """The worker at work; a quiet one between the steps of a test."""
        return self.frames[-1]

    @property
    def agent(self) -> str:
        """The agent that is deployed."""
        return self._agents[0] if self._agents else "default"

    def _hired(self) -> Gateway:
        policy = VARIANTS[self.variant].policy
        worker = Gateway(
            [set_stage, add_note, ping],
            dict.fromkeys(SCENARIOS, policy),
            url=self._url,
            environment="dev",
            agent=self.agent,
            resources={"shop": self.shop},
            records=self.shop,
            directory=self.people,
            credentials=_KEY,
            masker=self._masker,
            clock=self.clock,
            ids=lambda: f"{next(self._numbers):026d}",
        )
        self.steps.transactions(worker.store)
        return worker

    def restart(self, index: int) -> None:
        """A worker ends and another takes its place."""
        self.workers[index].close()
        self.workers[index] = self._hired()

    def redeploy(self, *, variant: str | None = None, next_agent: bool = False) -> None:
        """All workers with another policy, or as the next agent."""
        self.variant = variant or self.variant
        if next_agent and len(self._agents) > 1:
            self._agents = self._agents[1:]
        for index in range(len(self.workers)):
            self.restart(index)

    def act(self, index: int, work: Callable[[Gateway], Any]) -> Any:
        """Lets a worker do something; it may crash on the way. Errors that the product raises on purpose are answers."""
        worker = self.workers[index]
        self.frames.append(Frame(agent=worker.agent))
        try:
            return work(worker)
        except AgentGuardError as error:
            return error
        except Crash:
            self.restart(index)
            return None
        finally:
            self.frames.pop()

    @contextmanager
    def plotting(self, plot: Plot | None, work: Callable[[], object]) -> Iterator[None]:
        """Something else happens in the middle of what follows: a crash at any step, the rest where none is writing."""
        self.plot = None if plot is None else (plot, work)
        self._since = 0
        try:
            yield
        finally:
            self.plot = None
            self.shop.mood = "fine"

    def _step(self, _n: int, name: str, writing: bool) -> None:
        if self.plot is None or threading.get_ident() != self._thread:
            return
        plot, work = self.plot
        if plot.claimed and not self._since and (writing or not self._claims()):
            return
        self._since += 1
        if self._since <= plot.n or (plot.kind != "crash" and (writing or not name.endswith("begins"))):
            return
        self.plot = None
        work()

    def _claims(self) -> bool:
        """Whether a call is claimed by somebody who lives."""
        with self.observer.read() as connection:
            rows = connection.exec_driver_sql("SELECT trace_id FROM calls WHERE state = 'claimed'").all()
        return any(row.trace_id not in self.dead for row in rows)

    # ---- the referee

    def look(self) -> list[Any]:
        """The calls as they are stored; what is new about the questions is noted."""
        with self.observer.read() as connection:
            calls = connection.exec_driver_sql("SELECT * FROM calls ORDER BY created, trace_id").all()
            asked = connection.exec_driver_sql("SELECT * FROM approvals ORDER BY created, id").all()
        rows = {row.trace_id: row for row in calls}
        for item in asked:
            self._note(item, rows[item.trace_id])
        return list(calls)

    def _note(self, item: Any, row: Any) -> None:
        known = self.questions.get(item.id)
        if known is not None and (known.answer, known.by, known.expires) == (
            item.answer,
            item.answered_by,
            item.expires,
        ):
            return
        shown = json.loads(item.shown)
        if known is None:
            tenant, subject, _ = self.threads[item.thread]
            if shown["args"] != json.loads(row.args) or shown["tool"] != row.tool:
                self.faults.append(f"{item.id} shows another call than it asks about")
            if set(json.loads(item.roles)) != {"manager"} or bool(item.not_requester) != (item.tool == "crm.stage"):
                self.faults.append(f"{item.id} may be answered by others than the policy names")
            self.questions[item.id] = known = Question(
                thread=item.thread,
                tool=item.tool,
                args=shown["args"],
                version=row.record_version,
                variant=self.variant,
                expires=item.expires,
                requester=(tenant, subject),
            )
        if known.answer is not None and (known.answer, known.by) != (item.answer, item.answered_by):
            self.faults.append(f"{item.id} has another answer than before")
        if known.answer is None and item.answer is not None:
            if not self._answered_rightly(item, shown):
                self.faults.append(f"{item.id} was answered {item.answer} by {item.answered_by}, and nobody may have")
            self.questions[item.id] = replace(known, answer=item.answer, by=item.answered_by, expires=item.expires)
        elif known.answer is None:
            self.questions[item.id] = replace(known, expires=item.expires)

    def edit_id(self, question: str) -> str:
        """The id of the call that an edit of this question makes."""
        with self.observer.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT calls.call_id FROM calls JOIN approvals ON approvals.trace_id = calls.trace_id "
                f"WHERE approvals.id = '{question}'"
            ).scalar()
        return f"{found}~{question[-6:].lower()}"

    def _answered_rightly(self, item: Any, shown: Mapping[str, Any]) -> bool:
        """Whether somebody who may gave this answer, or made this call by an edit and so approved it."""
        by, before = item.answered_by, shown.get("edited_from")
        pressed = [one for one in self.attempts if one.may and one.person[1] == by]
        edited = item.answer == "approve" and not (
            item.tool == "crm.stage" and by == self.questions[item.id].requester[1]
        )
        return any(
            (one.question, one.word) == (item.id, item.answer)
            or (edited and (one.question, one.word, one.args) == (before, "edit", shown["args"]))
            for one in pressed
        )

    def may_answer(self, question: str, person: tuple[str, str]) -> bool:
        """Whether the rules let this person answer."""
        asked = self.questions[question]
        return (
            "manager" in self.people.roles.get(person, ())
            and person[0] == asked.requester[0]
            and not (asked.tool == "crm.stage" and person == asked.requester)
        )

    def judged(self, effect: Effect) -> Effect:
        """Judges an effect in the moment in which it happens."""
        calls = self.look()
        claims = [row for row in calls if row.key == effect.key and row.state == "claimed"]
        if len(claims) != 1:
            self.faults.append(f"{effect.tool} ran with {len(claims)} claims on disk")
            return effect
        (row,) = claims
        tenant, subject, scenario = self.threads[row.thread]
        rule = VARIANTS[self.variant]
        spoken = [call for call in self.said.get((row.thread, row.call_id), ()) if call.tool == row.tool]
        checks = {
            "a claim whose process died ran": row.trace_id not in self.dead,
            "it ran with other arguments than were decided": json.loads(row.args) == effect.args,
            "nobody proposed this": any(call.args == effect.args for call in spoken),
            "it ran as somebody else": effect.by == (tenant, subject),
            "it ran without the role": "sdr" in self.frame.roles.get((tenant, subject), ()),
            "it ran under a pressed flag": not self.covering(tenant, scenario, effect.tool),
            "it ran in suggest mode": rule.modes[effect.tool] != "suggest",
            "nobody approved this": rule.modes[effect.tool] != "approve" or self._approved(row, effect),
            "it ran twice": not self._again(effect, row, calls),
            "the thread had used its actions": self._actions(row.thread) < rule.actions,
            "the rate was used": self._rate(effect),
        }
        self.faults += [f"{effect.tool}: {words}" for words, fine in checks.items() if not fine]
        return replace(effect, intent=self._intent(effect, row), row=row.trace_id)

    def covering(self, tenant: str, scenario: str, name: str) -> set[str]:
        """The flags that are pressed, by somebody or by the breaker, and cover a call of the worker at work."""
        agent = self.frame.agent
        covered = {"*", f"tenant:{tenant}", f"scenario:{scenario}", f"tool:{name}", f"agent:{agent}"}
        return ((self.pressed | self.flags()) & covered) | (self.revoked & {agent})

    def flags(self) -> set[str]:
        """The flags that are pressed now as they are stored; those of revoked agents are never released."""
        with self.observer.read() as connection:
            rows = connection.exec_driver_sql("SELECT scope, pressed FROM switches").all()
        return {row.scope for row in rows if row.pressed and "/" not in row.scope}

    def _approved(self, row: Any, effect: Effect) -> bool:
        asked = self.questions.get(row.approval_id)
        if asked is None or row.approval_id in self.used:
            return False
        self.used.add(row.approval_id)
        deal = effect.args.get("deal")
        version = f"deal:{deal}@{self.frame.versions[deal]}" if deal else ""
        return (
            (asked.answer, asked.thread, asked.tool, asked.args) == ("approve", row.thread, effect.tool, effect.args)
            and (asked.version, asked.variant) == (version, self.variant)
            and asked.expires > effect.at
        )

    def _intent(self, effect: Effect, row: Any) -> tuple[str, ...]:
        if effect.tool == "mail.ping":
            return ("mail.ping", row.thread, row.call_id)
        return (effect.by[0], effect.tool, *map(str, effect.args.values()))

    def _again(self, effect: Effect, row: Any, calls: list[Any]) -> bool:
        states = {item.trace_id: item.state for item in calls}
        intent, window = self._intent(effect, row), KEY_WINDOWS_MS[effect.tool]
        return any(
            done.intent == intent and (effect.at - done.at < window or states.get(done.row) != "done")
            for done in self.shop.effects
        )

    def _actions(self, thread: str) -> int:
        with self.observer.read() as connection:
            rows = connection.exec_driver_sql("SELECT trace_id, thread FROM calls").all()
        of = {row.trace_id: row.thread for row in rows}
        return sum(of.get(done.row) == thread for done in self.shop.effects)

    def _rate(self, effect: Effect) -> bool:
        rate = VARIANTS[self.variant].rates.get(effect.tool)
        if rate is None:
            return True
        most, unit, scope = rate
        whose = effect.by if scope == "subject" else effect.by[:1]
        latest, times = 0, []
        for done in self.shop.effects:
            if done.tool == effect.tool and done.by[: len(whose)] == whose:
                latest = max(latest, done.at)
                times.append(latest)
        return sum(at > effect.at - WINDOW_MS[unit] for at in times) < most

    def check(self) -> None:
        """What must hold between any two steps.

        Raises:
            AssertionError: a rule was broken; the message says which.
        """
        calls = self.look()
        assert not self.faults, self.faults
        for row in calls:
            if row.state == "claimed":  # nobody is at work now
                self.dead.add(row.trace_id)
        self._counted(calls)

    def close(self) -> None:
        """What must hold at the end: every move and the whole record.

        Raises:
            AssertionError: as :meth:`check`.
        """
        calls = self.look()
        assert not self.faults, self.faults
        self._moved(calls)
        self._recorded(calls)

    def _moved(self, calls: list[Any]) -> None:
        with self.observer.read() as connection:
            moves = connection.exec_driver_sql("SELECT trace, was, now FROM life_moves").all()
            settled = connection.exec_driver_sql("SELECT trace_id FROM audit WHERE kind = 'reconciled'").all()
        reconciled = {row.trace_id for row in settled}
        for trace, was, now in moves:
            fine = now in MOVES.get(was, ()) or (was == "unknown" and now in ("done", "failed") and trace in reconciled)
            assert fine, f"{trace} went from {was} to {now}"
        for row in calls:
            if row.trace_id in self.dead and row.trace_id not in reconciled:
                assert row.state in ("claimed", "unknown"), f"the claim {row.trace_id} of a dead process is {row.state}"

    def _counted(self, calls: list[Any]) -> None:
        for key in {row.key for row in calls if row.key is not None}:
            done = sum(effect.key == key for effect in self.shop.effects)
            states = [row.state for row in calls if row.key == key]
            certain, possible = states.count("done"), sum(s in ("done", "unknown", "claimed") for s in states)
            assert certain <= done <= possible, f"{done} effects of a key whose calls are {states}"

    def _recorded(self, calls: list[Any]) -> None:
        audit = self.workers[0].audit
        for thread in (*self.threads, "system/-"):
            assert not list(audit.broken(thread)), thread
        with self.observer.read() as connection:
            events = connection.exec_driver_sql("SELECT trace_id, kind FROM audit WHERE trace_id IS NOT NULL").all()
        kinds: dict[str, list[str]] = {}
        for event in events:
            kinds.setdefault(event.trace_id, []).append(event.kind)
        ends = {"done": "finished", "failed": "failed", "unknown": "unknown"}
        for row in calls:
            found = kinds.get(row.trace_id, [])
            ran = row.state in ("claimed", *ends)
            assert found.count("started") == ran, f"{row.trace_id} is {row.state} and its record is {found}"
            assert row.state not in ends or ends[row.state] in found, f"{row.trace_id} is {row.state}: {found}"
            assert row.state != "approved" or "answered" in found, (
                f"{row.trace_id} is approved and its record is {found}"
            )


class _Key:
    """One master key for all workers."""

    def master_key(self, environment: str | None = None) -> bytes:
        return b"k" * 32

    def secret(self, name: str, *, environment: str, agent: str) -> Any:
        raise AssertionError(name)


_KEY = _Key()
PARTY = Party(id="p1")
DAY = timedelta(days=1)
