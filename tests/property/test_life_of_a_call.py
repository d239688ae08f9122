"""The life of a call under everything that can happen to it: two workers, people who err, crashes, a clock that jumps."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import make_url

from agent_guard.errors import ApprovalError, ConfigError
from agent_guard.gateway import Gateway
from agent_guard.masking import Masker
from agent_guard.operations import enrolment
from agent_guard.types import Subject, ToolCall
from tests.property.life import (
    AGENTS,
    DEALS,
    PARTY,
    PEOPLE,
    SCENARIOS,
    SCOPES,
    VARIANTS,
    Attempt,
    Crash,
    Life,
    Plot,
    prepare,
)

PICK = st.integers(0, 11)
WORKER = st.integers(0, 1)
NUMBER = st.integers(0, 5)
CALM = st.sampled_from([True, True, True, False])
PERSON = st.sampled_from(sorted(PEOPLE))
USER = st.sampled_from([("acme", "u1"), ("acme", "u2"), ("acme", "u2"), ("other", "u1")])
SCENARIO = st.sampled_from(SCENARIOS)
WORD: Any = st.sampled_from(["approve"] * 4 + ["reject", "respond"])
ANSWER = st.tuples(
    st.sampled_from(["approve", "approve", "approve", "edit"]),
    st.sampled_from(["manager"] * 5 + ["requester", "intern"]),
)
MOOD = st.sampled_from(
    ["fine"] * 7 + ["rejects", "unreachable", "breaks early", "breaks late", "silent late", "wrong answer"]
)
CALLS = st.sampled_from(
    [("crm.stage", {"deal": deal, "stage": stage}) for deal in DEALS for stage in ("won", "lost")]
    + [("crm.note", {"deal": deal, "text": text}) for deal in DEALS for text in ("one", "two")]
    + [("mail.ping", {"text": text}) for text in ("hello", "bye")]
)
AGAIN = st.sampled_from(
    [("", 0), *(("the same call", later_s) for later_s in (0, 40, 40, 3600))]
    + [("the same intent", later_s) for later_s in (0, 40, 3700, 13 * 3600, 25 * 3600)]
)
TROUBLES = ["press", "revoke", "demote", "policy", "set back", "restart", "message", "forge"]
TROUBLES += ["change", "change", "change", "wait", "wait", "wait", "calm"]
TROUBLE = st.none() | st.tuples(st.sampled_from(TROUBLES), PICK)
PLOTS = ["crash"] * 4 + ["press"] * 3 + ["execute", "approve", "forward", "change", "demote", "revoke", "message"]
PLOT = st.none() | st.one_of(
    st.builds(Plot, claimed=st.just(False), n=st.integers(0, 34), kind=st.sampled_from(PLOTS), pick=PICK),
    st.builds(Plot, claimed=st.just(True), n=st.integers(0, 8), kind=st.sampled_from(PLOTS), pick=PICK),
)
"""A call that is proposed and runs has some 34 steps, eight of them after its claim."""


class LifeOfACall(RuleBasedStateMachine):
    """Rules are what models, people, operators and processes do; the invariant is everything that must hold."""

    fresh: Callable[[], str]
    masker: Masker

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(self.fresh(), self.masker)

    def teardown(self) -> None:
        try:
            self.life.close()
        finally:
            self.life.__exit__()

    @invariant()
    def everything_holds(self) -> None:
        self.life.check()

    # ---- the agent

    @initialize(scenario=SCENARIO, variant=st.sampled_from(["usual", "usual", "strict", "loose"]), who=USER)
    def begin(self, scenario: str, variant: str, who: tuple[str, str]) -> None:
        if variant != self.life.variant:
            self.life.redeploy(variant=variant)
        self.opened(0, who, scenario)

    @rule(worker=WORKER, thread=PICK, said=CALLS, number=NUMBER, plot=PLOT, mood=MOOD, calm=CALM)
    def invoke(self, worker: int, thread: int, said: Any, number: int, plot: Any, mood: str, calm: bool) -> None:
        """A call is proposed and runs where it may; it may have come before, or carry the id of another one."""
        if calm:
            self.calm()
        names = sorted(self.life.threads)
        call = self.said(names[-1 - thread % min(3, len(names))], said, number)

        def job(gateway: Gateway) -> Any:
            return gateway.thread(call.thread).invoke(call.tool, call.args, call_id=call.id, reason=call.reason)

        self.judge(self.work(worker, plot, mood, lambda: self.life.act(worker, job)))

    @precondition(lambda self: self.life.calls)
    @rule(worker=WORKER, pick=PICK, plot=PLOT, mood=MOOD)
    def execute(self, worker: int, pick: int, plot: Any, mood: str) -> None:
        """A node runs again, of any call there ever was."""
        call = self.life.calls[-1 - pick % len(self.life.calls)]
        self.work(worker, plot, mood, lambda: self.executed(worker, call))

    whole_life: dict[str, Any] = dict(
        worker=WORKER, who=USER, scenario=SCENARIO, calm=CALM, answer=ANSWER, plot=PLOT, mood=MOOD,
        before=TROUBLE, between=TROUBLE, again=AGAIN,
    )  # fmt: skip

    @rule(**whole_life)
    def life_of_a_write(self, **given: Any) -> None:
        self.lived("crm.stage", {"deal": f"d{self.number}", "stage": "won"}, **given)

    @rule(**whole_life)
    def life_of_a_draft(self, **given: Any) -> None:
        self.lived("crm.note", {"deal": f"d{self.number}", "text": "one"}, **given)

    @rule(**whole_life)
    def life_of_a_send(self, **given: Any) -> None:
        self.lived("mail.ping", {"text": "hello"}, **given)

    @property
    def number(self) -> int:
        return len(self.life.calls) + 10

    def lived(
        self, tool: str, args: Any, *, worker: int, who: Any, scenario: str, calm: bool, answer: Any, plot: Any,
        mood: str, before: Any, between: Any, again: Any,
    ) -> None:  # fmt: skip
        """An intent of its own, from the proposal to the end and once more, with trouble in between."""
        life, other = self.life, 1 - worker
        if calm:
            self.calm()
        call = self.said(self.opened(worker, who, scenario), (tool, args), self.number)
        asked = life.act(worker, lambda gateway: gateway.propose(gateway.thread_row(call.thread), call))
        life.look()
        self.perhaps(before, other)
        question = getattr(getattr(asked, "approval", None), "id", None)
        if question:
            word, by = answer
            people = {"manager": self.manager(question), "requester": who, "intern": ("acme", "i1")}
            edit = ({**args, "stage": "lost"} if tool == "crm.stage" else args) if word == "edit" else None
            self.answered(worker, question, word, people[by], edit, resume=False)
            call = life.calls[-1]
        self.perhaps(between, other)
        self.work(worker, plot, mood, lambda: self.executed(worker, call))
        what, later_s = again
        life.clock.forward(seconds=later_s)
        if what:
            more = call if what == "the same call" else self.said(call.thread, (tool, call.args), self.number)
            life.act(other, lambda gateway: gateway.propose(gateway.thread_row(more.thread), more))
            self.executed(other, more)

    def opened(self, worker: int, who: tuple[str, str], scenario: str) -> str:
        name = f"t{len(self.life.threads):03d}"
        self.life.threads[name] = (*who, scenario)
        subject = Subject(id=who[1], tenant=who[0])
        self.life.act(worker, lambda gateway: gateway.open(subject, thread_id=name, scenario=scenario, party=PARTY))
        return name

    def said(self, thread: str, said: Any, number: int) -> ToolCall:
        call = ToolCall(id=f"c{number}", tool=said[0], args=said[1], thread=thread, reason="Because.")
        self.life.said.setdefault((thread, call.id), []).append(call)
        self.life.calls.append(call)
        return call

    def executed(self, worker: int, call: ToolCall) -> None:
        self.judge(self.life.act(worker, lambda gateway: gateway.execute(gateway.thread_row(call.thread), call)))

    def judge(self, result: Any) -> None:
        if getattr(result, "status", None) == "executed":
            assert any(effect.row == result.trace_id for effect in self.life.shop.effects), result

    # ---- what a worker does while something else happens

    def work(self, index: int, plot: Plot | None, mood: str, job: Callable[[], Any]) -> Any:
        self.life.shop.mood = mood
        with self.life.plotting(plot, lambda: plot and self.happen(plot.kind, plot.pick, 1 - index)):
            return job()

    def happen(self, kind: str, pick: int, other: int) -> None:
        """What the other worker, an operator or the world does in the middle of it."""
        life = self.life
        match kind:
            case "crash":
                raise Crash
            case "execute" if life.calls:
                self.executed(other, life.calls[-1 - pick % min(len(life.calls), 3)])
            case "approve" if life.questions:
                question = sorted(life.questions)[-1 - pick % len(life.questions)]
                self.answered(other, question, "approve", self.manager(question), None, resume=pick % 2 == 0)
            case "press" if life.calls:
                call = life.calls[-1]
                tenant, _, scenario = life.threads[call.thread]
                self.press(("*", f"tenant:{tenant}", f"scenario:{scenario}", f"tool:{call.tool}")[pick % 4], other)
            case "forward":
                life.clock.forward(seconds=40)
            case _:
                self.trouble(kind, pick, other)

    # ---- the people

    def manager(self, question: str) -> tuple[str, str]:
        return (self.life.questions[question].requester[0], "m1")

    @precondition(lambda self: self.life.questions)
    @rule(worker=WORKER, pick=PICK, word=WORD, plot=PLOT, mood=MOOD, resume=st.booleans())
    def manager_answers(self, worker: int, pick: int, word: str, plot: Any, mood: str, resume: bool) -> None:
        """Somebody who may, mostly to the newest question."""
        question = sorted(self.life.questions)[-1 - (pick // 3) % len(self.life.questions)]
        answer = partial(self.answered, worker, question, word, self.manager(question), None, resume=resume)
        self.work(worker, plot, mood, answer)

    @precondition(lambda self: self.life.questions)
    @rule(worker=WORKER, pick=PICK, word=WORD | st.just("edit"), person=PERSON, args=CALLS, resume=st.booleans())
    def anybody_answers(self, worker: int, pick: int, word: str, person: Any, args: Any, resume: bool) -> None:
        """Somebody, who may or may not, to any question there ever was."""
        question = sorted(self.life.questions)[-1 - pick % len(self.life.questions)]
        self.answered(worker, question, word, person, args[1] if word == "edit" else None, resume=resume)

    def answered(
        self, index: int, question: str, word: Any, person: tuple[str, str], args: Any, *, resume: bool
    ) -> None:
        life = self.life
        asked, may = life.questions[question], life.may_answer(question, person)
        life.attempts.append(Attempt(question=question, word=word, person=person, may=may, args=args))
        by = Subject(id=person[1], tenant=person[0], roles={"manager"})  # so the door says; the directory knows better

        def job(gateway: Gateway) -> Any:
            if resume:
                return gateway.thread(asked.thread).resume(question, word, by=by, args=args)
            return gateway.answer(question, word, by=by, args=args)

        if args is not None:
            edited = ToolCall(id=life.edit_id(question), tool=asked.tool, args=args, thread=asked.thread)
            life.said.setdefault((asked.thread, edited.id), []).append(edited)
            life.calls.append(edited)
        result = life.act(index, job)
        assert may or isinstance(result, ApprovalError) or result is None, (person, result)
        self.judge(result)

    # ---- everything else

    def perhaps(self, trouble: Any, worker: int) -> None:
        if trouble:
            self.trouble(*trouble, worker)

    @rule(what=st.sampled_from(TROUBLES), pick=PICK, worker=WORKER)
    def trouble(self, what: str, pick: int, worker: int) -> None:
        """Something that nobody asked for."""
        life = self.life
        match what:
            case "press":
                self.press(SCOPES[pick % len(SCOPES)], worker)
            case "revoke":
                self.revoke(worker)
            case "demote":
                life.people.roles[sorted(PEOPLE)[pick % len(PEOPLE)]] = frozenset({"intern"})
            case "change":
                self.change(pick)
            case "message":
                self.message(pick, worker)
            case "forge" if life.calls:
                self.forge(pick, worker)
            case "policy":
                life.redeploy(variant=sorted(VARIANTS)[pick % len(VARIANTS)])
            case "restart":
                life.restart(worker)
            case "wait":
                life.clock.forward(seconds=(40, 3600, 12 * 3600, 24 * 3600)[pick % 4])
            case "set back":
                life.clock.forward(seconds=-(1, 60, 3600, 26 * 3600)[pick % 4])
            case "calm":
                self.calm()

    def calm(self) -> None:
        """Operators and people put everything in order."""
        life = self.life
        for scope in sorted(life.pressed | life.flags()):
            told = life.act(0, lambda gateway, scope=scope: gateway.revive(scope, reason="test", by="o1"))
            gone = scope.startswith("agent:") and scope.removeprefix("agent:") in life.revoked
            assert isinstance(told, ConfigError) if gone else told is None, (scope, told)
            if not gone:
                life.pressed.discard(scope)
        life.people.roles.update(PEOPLE)
        if life.agent in life.revoked:
            life.redeploy(next_agent=True)

    def press(self, scope: str, worker: int) -> None:
        assert self.life.act(worker, lambda gateway: gateway.press(scope, reason="test", by="o1")) is None
        self.life.pressed.add(scope)

    def revoke(self, worker: int) -> None:
        life, agent = self.life, self.life.agent
        if agent in life.revoked or agent == AGENTS[-1]:
            return
        given = {"environment": "dev", "reason": "test", "by": "o1", "now": life.clock.now}
        assert life.act(worker, lambda gateway: enrolment.revoke(gateway.store, gateway.audit, agent, **given)) is None
        life.revoked.add(agent)

    def change(self, pick: int) -> None:
        """A record changes, mostly the one that was named last, or is as it was before."""
        versions = self.life.shop.versions
        deal = list(versions)[-1 - max(0, pick - 7) % len(versions)]
        versions[deal] = max(1, versions[deal] - 1) if pick % 5 == 4 else versions[deal] + 1

    def message(self, pick: int, worker: int) -> None:
        """The user says something, which ends what waits."""
        name = sorted(self.life.threads)[-1 - pick % len(self.life.threads)]
        self.life.act(worker, lambda gateway: gateway.step(gateway.thread_row(name)))
        waiting = [row for row in self.life.look() if row.thread == name and row.state in ("pending", "approved")]
        assert not waiting, "a newer message ends what waits"

    def forge(self, pick: int, worker: int) -> None:
        """Somebody writes another call into the state in place of one that was decided."""
        call = self.life.calls[-1 - pick % len(self.life.calls)]
        args = {**call.args, "stage": "lost"} if call.tool == "crm.stage" else {"deal": "d1", "stage": "won"}
        forged = replace(call, tool="crm.stage", args=args)
        known = [item.args for item in self.life.said[call.thread, call.id] if item.tool == "crm.stage"]
        result = self.life.act(worker, lambda gateway: gateway.execute(gateway.thread_row(call.thread), forged))
        assert args in known or result.status == "denied", result


@pytest.fixture
def fresh(database: Any, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes a database for each example: the schema, the agents and the witness of moves are in it, and nothing else."""
    numbers, url = count(), make_url(database.empty())
    prepare(url.render_as_string(hide_password=False))
    if database.kind == "sqlite":

        def copied() -> str:
            path = tmp_path / f"life{next(numbers)}.db"
            shutil.copy(str(url.database), path)
            return f"sqlite:///{path}"

        yield copied
        return

    server = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    name = f"{url.database}_life"

    def created() -> str:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {url.database}")
        return url.set(database=name).render_as_string(hide_password=False)

    yield created
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    server.dispose()


EXAMPLES = {"sqlite": 40, "postgres": 12}


@pytest.mark.databases
@pytest.mark.req("A6", "A7", "A8", "A12", "A31", "B7")
def test_a_call_happens_once_approved_and_can_be_stopped(
    fresh: Callable[[], str], database: Any, quick_masker: Masker, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens, in any order and in the middle of anything: at most one effect an intent, nothing unapproved,
    nothing under a pressed flag, no limit exceeded, no claim of a dead process called done, and a whole record.
    """
    caplog.set_level(logging.CRITICAL + 1, logger="agent_guard")  # thousands of alarms, all of them meant
    machine = type("Machine", (LifeOfACall,), {"fresh": staticmethod(fresh), "masker": quick_masker})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[database.kind],
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
