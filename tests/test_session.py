"""A conversation through a Session: masked before it is stored, paused, resumed anywhere, restored for its reader."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from langgraph.checkpoint.memory import InMemorySaver

from agent_guard.errors import ApprovalError, ConfigError, PendingApproval, StoreError, TextTooLong, UnknownThread
from agent_guard.nodes import guarded_agent
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, assert_no_personal_data, call
from agent_guard.types import Code, Party, Subject
from agent_guard.work.turns import LEASE_S, turn
from tests.conftest import World

pytestmark = pytest.mark.databases

TASK = call("crm.create_task", deal_id="42", subject="Call <PERSON_1>")
STAGE = call("crm.set_stage", deal_id="42", stage="won")
RAW = "Please call Anna Kowalska on +48 512 345 678 or write to new@mail.example"
VALUES = ["Kowalska", "512 345 678", "512345678", "anna@kowalska", "new@mail", "other@mail", "Zielony"]


class Bench:
    """Sessions over one world; each is closed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions: list[Session] = []
        self.model = ScriptedModel("")

    def session(self, *turns: Any, policy: Any = None, file: bool = False, **options: Any) -> Session:
        """A session whose model says these turns; ``file`` keeps everything in files of the world's folder."""
        self.model = ScriptedModel(*turns)
        gateway = self.world.gateway(policy, file=file, **options)
        saver: Any = self.world.database.checkpoints if file else InMemorySaver()
        made = Session(guarded_agent(self.model, gateway), gateway, checkpointer=saver)
        self.sessions.append(made)
        return made


@pytest.fixture
def bench(world: World) -> Iterator[Bench]:
    """Sessions that end with their test."""
    made = Bench(world)
    yield made
    for session in made.sessions:
        session.close()


# ---- start, send, resume, state


@pytest.mark.req("A12", "A23")
def test_a_conversation_from_start_to_end(bench: Bench, world: World) -> None:
    """Start, pause, approve, send: what design section 12 promises a new user."""
    session = bench.session(STAGE, "Moved it for <PERSON_1>.", "You are welcome.", file=True)
    first = session.start(RAW, world.sdr, speaker="user", party=world.anna)
    assert (first.status, first.text, first.masked) == ("pending", None, None)
    assert first.pending is not None
    assert (first.pending.tool, first.pending.args) == ("crm.set_stage", {"deal_id": "42", "stage": "won"})
    assert first.pending.payload["agent_guard"]["approval_id"] == first.pending.id
    assert first.pending.expires_at == "2026-01-06T11:20:04+00:00"
    assert session.state(first.thread_id, by=world.sdr) == first
    done = session.resume(first.pending.id, "approve", by=world.boss)
    assert (done.status, done.pending, done.code) == ("delivered", None, None)
    assert (done.text, done.masked) == ("Moved it for Anna Kowalska.", "Moved it for <PERSON_1>.")
    assert len(world.desk.effects) == 1
    last = session.send(first.thread_id, "Thank you", speaker="user", by=world.sdr)
    assert last.text == "You are welcome."
    assert session.state(first.thread_id, by=world.boss) == last


@pytest.mark.req("A20", "B6")
def test_a_conversation_is_opened_with_its_first_message(bench: Bench, world: World) -> None:
    """Thread, event, pseudonyms and text are stored as one, as ``open`` and ``hear`` would have stored them; of a text
    that is refused nothing is.
    """
    session = bench.session("Hello.")
    with pytest.raises(TextTooLong):
        session.start("x" * 20_001, world.sdr, speaker="user", party=world.anna)
    with pytest.raises(TextTooLong):
        session.start(" ".join(f"a{n}@mail.example" for n in range(500)), world.sdr, speaker="user", party=world.anna)
    empty = world.dump(session.gateway)
    assert not any(empty[name] for name in ("threads", "trail", "vault_entries", "vault_sightings"))
    assert world.data_keys(session.gateway) == []
    reply = session.start(RAW, world.sdr, speaker="party", party=world.anna, scope={"crm.create_task"})
    begun = world.dump(session.gateway)
    other = world.gateway()
    thread = other.open(world.sdr, thread_id=reply.thread_id, party=world.anna, scope={"crm.create_task"})
    thread.hear(RAW, origin="party")
    apart = world.dump(other)
    for name in ("threads", "trail", "vault_sightings"):
        assert begun[name] == apart[name]
    assert [row["token"] for row in begun["vault_entries"]] == [row["token"] for row in apart["vault_entries"]]
    assert world.kinds(session.gateway.thread(reply.thread_id)) == world.kinds(thread) == ["opened"]
    assert session.gateway.thread(reply.thread_id).row == session.gateway.thread_row(reply.thread_id, fresh=True)


@pytest.mark.parametrize("word", ["reject", "respond"])
def test_a_refused_call_goes_back_to_the_model(bench: Bench, world: World, word: Any) -> None:
    """The model reads the human's words, masked, and has the last word."""
    session = bench.session(STAGE, "Understood.")
    pending = session.start("Move it", world.sdr, speaker="user", party=world.anna).pending
    assert pending is not None
    done = session.resume(pending.id, word, by=world.boss, message="Ask Anna Kowalska")
    assert (done.status, done.text) == ("delivered", "Understood.")
    assert "Ask <PERSON_1>" in bench.model.heard[-1][-1].text
    assert world.desk.effects == []


@pytest.mark.req("A12", "A23", "B16")
def test_an_edit_is_masked_before_it_is_stored(bench: Bench, world: World) -> None:
    """A human may write raw values into an edit: they run, and no file holds them."""
    session = bench.session(TASK, "Done.", policy=world.policy({"crm.create_task": {"mode": "approve"}}), file=True)
    pending = session.start("Remind me", world.sdr, speaker="user", party=world.anna).pending
    assert pending is not None
    assert pending.payload["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]
    edited = {"deal_id": "42", "subject": "Write to other@mail.example"}
    done = session.resume(pending.id, "edit", by=world.boss, args=edited, message="Mail other@mail.example")
    assert done.status == "delivered"
    assert [item["subject"] for item in world.desk.effects] == ["Write to other@mail.example"]
    assert_no_personal_data([path for path in world.folder.iterdir() if path.name != "desk.jsonl"], VALUES)


def test_a_bad_edit_is_denied_and_told_to_the_model(bench: Bench, world: World) -> None:
    """An edit passes the guards: the model reads why it was denied, and nothing ran."""
    session = bench.session(STAGE, "Sorry.")
    pending = session.start("Move it", world.sdr, speaker="user", party=world.anna).pending
    assert pending is not None
    done = session.resume(pending.id, "edit", by=world.boss, args={"deal_id": "43", "stage": "won"})
    assert done.status == "delivered"
    assert "binding" in bench.model.heard[-1][-1].text
    assert world.desk.effects == []


def test_an_edit_of_a_changed_record_asks_again(bench: Bench, world: World) -> None:
    """After a change of the record the edited call is a new question of the same thread."""
    session = bench.session(STAGE, "Moved.")
    first = session.start("Move it", world.sdr, speaker="user", party=world.anna).pending
    assert first is not None
    world.desk.change("42", "won")
    again = session.resume(first.id, "edit", by=world.boss, args={"deal_id": "42", "stage": "lost"})
    assert again.pending is not None
    assert (again.pending.id != first.id, again.pending.args["stage"]) == (True, "lost")
    assert session.resume(again.pending.id, "approve", by=world.boss).status == "delivered"
    assert [item["stage"] for item in world.desk.effects] == ["lost"]


@pytest.mark.req("A7", "A12")
def test_a_double_click_on_approve_is_one_effect(bench: Bench, world: World) -> None:
    """The same answer twice: the second one finds the thread where the first one left it."""
    session = bench.session(STAGE, "Moved.")
    pending = session.start("Move it", world.sdr, speaker="user", party=world.anna).pending
    assert pending is not None
    first = session.resume(pending.id, "approve", by=world.boss)
    again = session.resume(pending.id, "approve", by=world.boss)
    assert again == first
    assert len(world.desk.effects) == 1
    assert len(bench.model.heard) == 2


def test_a_late_double_click_does_not_answer_the_next_question(bench: Bench, world: World) -> None:
    """An old answer given again while another question waits approves nothing new, and the right answer still works."""
    lost = call("crm.set_stage", id="c2", deal_id="42", stage="lost")
    session = bench.session(STAGE, lost, "Moved.")
    first = session.start("Move it", world.sdr, speaker="user", party=world.anna).pending
    assert first is not None
    second = session.resume(first.id, "approve", by=world.boss).pending
    assert second is not None
    again = session.resume(first.id, "approve", by=world.boss)
    assert again.pending is not None
    assert again.pending.id == second.id
    assert [item["stage"] for item in world.desk.effects] == ["won"]
    assert session.resume(second.id, "approve", by=world.boss).status == "delivered"
    assert [item["stage"] for item in world.desk.effects] == ["won", "lost"]


@pytest.mark.parametrize(
    ("id", "by", "code"),
    [
        (None, World.sdr, Code.APPROVER_NOT_PERMITTED),
        (None, World.stranger, Code.APPROVAL_UNKNOWN),
        ("apr_none", World.boss, Code.APPROVAL_UNKNOWN),
    ],
)
def test_a_refused_answer_moves_nothing(bench: Bench, world: World, id: str | None, by: Subject, code: Code) -> None:
    """A wrong person or a wrong id raises, and the thread still waits for the same answer."""
    session = bench.session(STAGE, "Moved.")
    first = session.start("Move it", world.sdr, speaker="user", party=world.anna)
    assert first.pending is not None
    with pytest.raises(ApprovalError) as error:
        session.resume(id or first.pending.id, "approve", by=by)
    assert error.value.code == code
    assert session.state(first.thread_id, by=world.sdr) == first
    assert session.resume(first.pending.id, "approve", by=world.boss).status == "delivered"


def test_after_a_question_expired_the_thread_goes_on(bench: Bench, world: World) -> None:
    """An expired question takes no answer and holds up no message."""
    session = bench.session(STAGE, "Hello again.")
    first = session.start("Move it", world.sdr, speaker="user", party=world.anna)
    assert first.pending is not None
    world.clock.forward(hours=24)
    with pytest.raises(ApprovalError) as error:
        session.resume(first.pending.id, "approve", by=world.boss)
    assert error.value.code == Code.APPROVAL_EXPIRED
    assert session.send(first.thread_id, "Hello?", speaker="user", by=world.sdr).text == "Hello again."
    assert world.desk.effects == []


def test_a_message_while_a_question_waits_is_refused(bench: Bench, world: World) -> None:
    """A thread that waits for an answer takes no message, by ``send`` or by ``start``, and the model is not called."""
    session = bench.session(STAGE, "Moved.")
    first = session.start("Move it", world.sdr, speaker="user", party=world.anna, thread_id="t1")
    assert first.pending is not None
    with pytest.raises(PendingApproval, match=first.pending.id):
        session.send("t1", "Well?", speaker="user", by=world.sdr)
    with pytest.raises(PendingApproval):
        session.start("Well?", world.sdr, speaker="user", party=world.anna, thread_id="t1")
    assert len(bench.model.heard) == 1
    assert session.resume(first.pending.id, "approve", by=world.boss).status == "delivered"


@pytest.mark.req("A8")
def test_an_escalation_says_why(bench: Bench, world: World) -> None:
    """The host learns that a person is needed, with a code and a sentence."""
    session = bench.session(TASK)
    session.gateway.press(reason="drill", by="m7")
    reply = session.start("Remind me", world.sdr, speaker="user", party=world.anna)
    assert (reply.status, reply.code) == ("escalated", Code.KILLED)
    assert reply.reason
    assert reply.text == "I am handing this over to a person."


# ---- who speaks


@pytest.mark.req("B5")
def test_only_the_subject_speaks_as_the_user(bench: Bench, world: World) -> None:
    """Somebody else of the tenant may bring the customer's words, not the user's; another tenant brings none."""
    session = bench.session("One.", "Two.", "Three.")
    id = session.start("Hello", world.sdr, speaker="user", party=world.anna).thread_id
    with pytest.raises(ConfigError, match="cannot speak as the user"):
        session.send(id, "Do it", speaker="user", by=world.boss)
    for given in ({"speaker": "user"}, {"speaker": "party"}, {"speaker": "outside"}):
        with pytest.raises(UnknownThread):
            session.send(id, "Do it", by=replace(world.sdr, tenant="other"), **given)  # type: ignore[arg-type]
    assert session.send(id, "I am Anna", speaker="party", by=world.boss).text == "Two."
    assert session.send(id, "Newsletter", speaker="outside", by=world.boss).text == "Three."
    assert len(bench.model.heard) == 3


def test_another_tenants_thread_does_not_exist(bench: Bench, world: World) -> None:
    """State, send and start of a foreign thread say what they say of one that was never opened."""
    session = bench.session("One.")
    id = session.start("Hello", world.sdr, speaker="user", party=world.anna).thread_id
    messages = []
    for thread in (id, "t-none"):
        with pytest.raises(UnknownThread) as error:
            session.state(thread, by=world.stranger)
        messages.append(str(error.value).replace(thread, "X"))
    assert messages[0] == messages[1]
    with pytest.raises(ConfigError, match="belongs to another conversation"):
        session.start("Hello", replace(world.sdr, tenant="other"), speaker="user", party=world.anna, thread_id=id)


@pytest.mark.parametrize("speaker", ["customer", "", None, 5])
def test_a_speaker_that_there_is_not_is_refused(bench: Bench, world: World, speaker: Any) -> None:
    """The error names those there are, and nothing is kept."""
    session = bench.session("Hello.")
    before = world.dump(session.gateway)
    with pytest.raises(ConfigError, match="is no speaker; give one of user, party, outside"):
        session.start("Hello", world.sdr, speaker=speaker)
    assert world.dump(session.gateway) == before
    thread = session.start("Hello", world.sdr, speaker="user").thread_id
    with pytest.raises(ConfigError, match="is no speaker"):
        session.send(thread, "Hello", speaker=speaker, by=world.sdr)


def test_a_speaker_has_no_default(bench: Bench, world: World) -> None:
    """Whose words they are must be said, and must be one of the three."""
    session = bench.session("One.")
    with pytest.raises(TypeError):
        session.start("Hello", world.sdr, party=world.anna)  # type: ignore[call-arg]
    with pytest.raises((KeyError, ConfigError)):
        session.start("Hello", world.sdr, speaker="model", party=world.anna)  # type: ignore[arg-type]
    assert bench.model.heard == []


@pytest.mark.parametrize(("speaker", "origin"), [("user", "user"), ("party", "party"), ("outside", "untrusted")])
def test_words_are_remembered_with_their_speaker(bench: Bench, world: World, speaker: Any, origin: str) -> None:
    """The origin of a value is whose words it was found in."""
    session = bench.session("One.")
    id = session.start("new@mail.example", world.sdr, speaker=speaker, party=world.anna).thread_id
    origins = {entry.value: entry.origins for entry in session.gateway.thread(id).vault().entries()}
    assert origins["new@mail.example"] == (origin,)


@pytest.mark.req("A23", "B6")
def test_a_reply_is_restored_for_its_reader(bench: Bench, world: World) -> None:
    """The subject reads every value; the customer reads only what it said itself."""
    words = "<PERSON_1> <EMAIL_1> <EMAIL_2>"
    session = bench.session(words, words)
    first = session.start("I am at new@mail.example", world.boss, speaker="party", party=world.anna)
    assert first.text == "<PERSON_1> <EMAIL_1> new@mail.example"
    second = session.send(first.thread_id, "What do we have?", speaker="user", by=world.boss)
    assert second.text == "Anna Kowalska anna@kowalska.example new@mail.example"
    assert first.masked == second.masked == words


# ---- what is stored


@pytest.mark.req("A23", "B6", "B16")
@pytest.mark.databases("sqlite")
def test_no_file_holds_a_raw_value(bench: Bench, world: World) -> None:
    """A whole conversation on disk, with write-ahead logs: databases and key file hold no value of anybody."""
    world.desk.note = "Write to other@mail.example, not to Anna Kowalska"
    read = call("crm.read_deal", "Anna Kowalska asked.", deal_id="42")
    session = bench.session(read, TASK, STAGE, "Moved it for Anna Kowalska.", "Bye Anna Kowalska.", file=True)
    first = session.start(RAW, world.sdr, speaker="user", party=world.anna)
    assert first.pending is not None
    session.resume(first.pending.id, "approve", by=world.boss, message="Tell Anna Kowalska")
    session.send(first.thread_id, RAW, speaker="outside", by=world.sdr)
    assert [item["kind"] for item in world.desk.effects] == ["task", "stage"]
    assert world.desk.effects[0]["subject"] == "Call Anna Kowalska", "the tool got the value"
    files = [path for path in world.folder.iterdir() if path.name != "desk.jsonl"]
    assert {"guard.db", "guard.db-wal", "guard.db.key", "threads.db", "threads.db-wal"} <= {item.name for item in files}
    assert_no_personal_data(files, VALUES)
    with pytest.raises(AssertionError):
        assert_no_personal_data(world.folder, VALUES)


def test_the_model_hears_no_raw_value(bench: Bench, world: World) -> None:
    """Neither the words nor the results that the model is sent hold a value."""
    world.desk.note = "Write to other@mail.example"
    session = bench.session(call("crm.read_deal", deal_id="42"), "Fine.")
    session.start(RAW, world.sdr, speaker="user", party=world.anna)
    heard = "\n".join(str(message) for turn in bench.model.heard for message in turn)
    assert "<EMAIL_3>" in heard
    assert not [value for value in VALUES if value in heard]


@pytest.mark.parametrize(
    "text",
    ["", " ", "\ud83d half", "\x00", "x" * 20_000, "<PERSON_1> <PERSON_99>"],
    ids=["empty", "blank", "half a letter", "zero", "20 KB", "pseudonyms"],
)
def test_any_text_may_be_said(bench: Bench, world: World, text: str) -> None:
    """Whatever a person types is stored and answered."""
    session = bench.session("One.", file=True)
    assert session.start(text, world.sdr, speaker="user", party=world.anna).text == "One."


def test_a_broken_store_says_nothing_to_the_model(bench: Bench, world: World) -> None:
    """With the guard's database gone a message raises StoreError before the model hears anything."""
    session = bench.session("One.", "Two.", file=True)
    id = session.start("Hello", world.sdr, speaker="user", party=world.anna).thread_id
    with session.gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("ALTER TABLE approvals RENAME TO gone")
    with pytest.raises(StoreError):
        session.send(id, "Hello", speaker="user", by=world.sdr)
    assert len(bench.model.heard) == 1


# ---- elsewhere


@pytest.mark.req("A12")
def test_a_thread_is_resumed_by_new_objects(bench: Bench, world: World) -> None:
    """Gateway, graph and session are made anew over the same files: the question is still there and still works."""
    first = bench.session(STAGE, file=True).start(RAW, world.sdr, speaker="user", party=world.anna)
    assert first.pending is not None
    second = bench.session("Moved it for <PERSON_1>.", file=True)
    assert second.state(first.thread_id, by=world.sdr) == first
    assert second.resume(first.pending.id, "approve", by=world.boss).text == "Moved it for Anna Kowalska."


SCRIPT = """
import sys
from pathlib import Path
from agent_guard.nodes import guarded_agent
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel
from tests.conftest import World

*home, approval = sys.argv[1:]
world = World.at(home)
gateway = world.gateway(file=True)
graph = guarded_agent(ScriptedModel("Moved it for <PERSON_1>."), gateway)
session = Session(graph, gateway, checkpointer=world.database.checkpoints)
print(session.resume(approval, "approve", by=world.boss).text)
session.close()
world.close()
"""


@pytest.mark.req("A12")
def test_a_thread_is_resumed_in_another_process(bench: Bench, world: World) -> None:
    """Another process with nothing but the databases approves, runs the call and reads the customer's name."""
    session = bench.session(STAGE, "Here.", file=True)
    first = session.start(RAW, world.sdr, speaker="user", party=world.anna)
    assert first.pending is not None
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, *world.home, first.pending.id],
        cwd=world.folder, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "Moved it for Anna Kowalska."
    assert len(world.desk.effects) == 1
    assert session.state(first.thread_id, by=world.sdr).text == "Moved it for Anna Kowalska."


def approve(home: tuple[str, str], approval: str, n: int, start: Any) -> None:
    """In a process of its own: presses "approve" in the same moment as another one."""
    world = World.at(home)
    gateway = world.gateway(file=True)
    graph = guarded_agent(ScriptedModel("Moved."), gateway)
    session = Session(graph, gateway, checkpointer=world.database.checkpoints)
    start.wait(30)
    with contextlib.suppress(ApprovalError):
        session.resume(approval, "approve", by=replace(world.boss, id=f"m{n // 2}"))
    session.close()
    world.close()


@pytest.mark.req("A6", "A12", "B7")
def test_four_processes_that_approve_at_once_make_one_effect(bench: Bench, world: World) -> None:
    """Two people, each pressing twice, in four processes over the same files: one answer, one effect."""
    session = bench.session(STAGE, file=True)
    first = session.start(RAW, world.sdr, speaker="user", party=world.anna, thread_id="t1")
    assert first.pending is not None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["agent_guard.session", "agent_guard.masking.engine", "presidio_analyzer"])
    start = context.Barrier(4)
    given = world.home, first.pending.id
    workers = [context.Process(target=approve, args=(*given, n, start)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
        worker.close()
    assert len(world.desk.effects) == 1
    assert list(session.gateway.audit.broken("t1")) == []
    assert [row["state"] for row in world.rows(session.gateway, "calls")] == ["done"]


async def test_the_a_twins_do_the_same(bench: Bench, world: World) -> None:
    """``astart``, ``aresume`` and ``asend`` are start, resume and send, and block no event loop."""
    session = bench.session(STAGE, "Moved.", "Bye.", file=True)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    first = await session.astart(RAW, world.sdr, speaker="user", party=world.anna)
    assert first.pending is not None
    done = await session.aresume(first.pending.id, "approve", by=world.boss, message="Yes.")
    last = await session.asend(first.thread_id, "Bye", speaker="user", by=world.sdr)
    ticking.cancel()
    assert (done.text, last.text) == ("Moved.", "Bye.")
    assert ticks > 3
    assert len(world.desk.effects) == 1


# ---- built or refused


@pytest.mark.parametrize(
    ("saver", "words"),
    [
        (None, "needs a checkpointer"),
        ("threads.db", "no checkpoint database"),
        ("sqlite://", "no checkpoint database"),
        ("postgresql://x", "no checkpoint database"),
        ("postgresql://u:secret@x", "a url of postgresql is no checkpoint database"),
        ("mysql://x/y", "no checkpoint database"),
        ("sqlite:////nowhere/at/all/threads.db", "does not exist"),
    ],
)
def test_a_session_without_a_checkpointer_is_refused(world: World, saver: Any, words: str) -> None:
    """A conversation that could not be stored is refused when the object is built."""
    gateway = world.gateway()
    with pytest.raises(ConfigError, match=words):
        Session(guarded_agent(ScriptedModel("One."), gateway), gateway, checkpointer=saver)


def test_the_graphs_own_checkpointer_is_used(world: World) -> None:
    """A graph that brings its checkpointer needs no other."""
    gateway = world.gateway()
    session = Session(guarded_agent(ScriptedModel("One."), gateway, checkpointer=InMemorySaver()), gateway)
    assert session.start("Hello", world.sdr, speaker="user").text == "One."
    session.close()


def test_the_graph_that_was_given_is_left_alone(world: World) -> None:
    """The session's checkpointer is the session's: the caller's graph has none afterwards."""
    gateway = world.gateway()
    graph = guarded_agent(ScriptedModel("One."), gateway)
    Session(graph, gateway, checkpointer=InMemorySaver()).close()
    assert graph.checkpointer is None


def test_checkpoints_are_synchronous(bench: Bench, world: World) -> None:
    """The checkpoint with a call's id is on disk before the call runs."""
    session = bench.session(TASK, "Done.", file=True)
    seen: list[int] = []

    def look() -> None:
        with closing(sa.create_engine(world.database.checkpoints, poolclass=sa.NullPool).connect()) as other:
            seen.extend(other.scalars(sa.text("SELECT count(*) FROM checkpoints")))

    world.desk.before = look
    session.start("Remind me", world.sdr, speaker="user", party=world.anna)
    assert seen
    assert seen[0] >= 3, "input, plan and decide"


def test_a_scenario_has_its_policy(bench: Bench, world: World) -> None:
    """A thread of a scenario runs under that scenario's policy; one that there is not is refused."""
    small = world.policy()
    small = small.model_copy(update={"tools": {"crm.read_deal": small.tools["crm.read_deal"]}, "name": "small"})
    gateway = world.gateway(policies={"sales": world.policy(), "care": small})
    model = ScriptedModel("One.")
    session = Session(guarded_agent(model, gateway), gateway, checkpointer=InMemorySaver())
    session.start("Hello", world.sdr, speaker="user", scenario="care", party=Party(id="contact:17"))
    assert [item["function"]["name"] for item in model.tools] == ["crm__read_deal"]
    with pytest.raises(ConfigError, match="care, sales"):
        session.start("Hello", world.sdr, speaker="user", scenario="other")


def test_a_reply_shows_no_value_in_its_repr(bench: Bench, world: World) -> None:
    """A reply that is logged by accident shows pseudonyms."""
    session = bench.session("Call <PERSON_1>.")
    reply = session.start(RAW, world.sdr, speaker="user", party=world.anna)
    assert reply.text == "Call Anna Kowalska."
    assert "Kowalska" not in repr(reply)
    assert json.dumps(reply.masked) == '"Call <PERSON_1>."'


@pytest.mark.req("A12")
def test_a_message_finds_the_answer_before_it_carried_out(bench: Bench, world: World) -> None:
    """Where an answer was recorded and no process let the thread go on yet, the next message does so first: the
    manager was told that it counts, and the model hears of it before it hears the message.
    """
    session = bench.session(STAGE, "Moved.", "Too late.")
    pending = session.start("Move it", world.sdr, speaker="user", party=world.anna)
    session.gateway.answer(pending.pending.id, "approve", by=world.boss)
    reply = session.send(pending.thread_id, "Forget it.", speaker="user", by=world.sdr)
    assert reply.text == "Too late."
    assert [item.text for item in bench.model.heard[1][-2:]][-1].count("won") == 1, "what came of the call"
    assert bench.model.heard[2][-1].text == "Forget it."
    assert [item["kind"] for item in world.desk.effects] == ["stage"]


@pytest.mark.req("A12")
def test_a_message_waits_for_the_question_that_an_answer_leads_to(bench: Bench, world: World) -> None:
    """Where the thread asks again after the answer, the message is refused and names the new question."""
    lost = call("crm.set_stage", id="c2", deal_id="42", stage="lost")
    session = bench.session(STAGE, lost, "Moved.")
    pending = session.start("Move it", world.sdr, speaker="user", party=world.anna)
    session.gateway.answer(pending.pending.id, "approve", by=world.boss)
    with pytest.raises(PendingApproval, match="apr_") as error:
        session.send(pending.thread_id, "Forget it.", speaker="user", by=world.sdr)
    assert pending.pending.id not in str(error.value)
    assert [item["stage"] for item in world.desk.effects] == ["won"]
    assert len(bench.model.heard) == 2


@pytest.mark.req("A12")
def test_a_message_is_refused_while_another_process_carries_out_an_answer(bench: Bench, world: World) -> None:
    """A thread that another process lets go on takes no message; when that process has died, it does after a while."""
    session = bench.session(STAGE, "Moved.", "You are welcome.")
    pending = session.start("Move it", world.sdr, speaker="user", party=world.anna)
    session.gateway.answer(pending.pending.id, "approve", by=world.boss)
    with contextlib.suppress(GeneratorExit), turn(session.gateway, pending.thread_id, again=False):
        for _ in range(2):
            with pytest.raises(PendingApproval, match="just going on"):
                session.send(pending.thread_id, "Thank you", speaker="user", by=world.sdr)
        assert session.resume(pending.pending.id, "approve", by=world.boss).status == "running"
        assert world.desk.effects == []
        world.clock.forward(seconds=LEASE_S)
        assert session.send(pending.thread_id, "Thank you", speaker="user", by=world.sdr).text == "You are welcome."
    assert len(world.desk.effects) == 1


@pytest.mark.req("A12")
def test_a_message_to_a_thread_without_checkpoints_ends_the_call(bench: Bench, world: World) -> None:
    """Where nothing is left of the conversation that asked, a newer message begins it anew and ends the call, so that
    no late resume runs it behind the model's back.
    """
    first = bench.session(STAGE, file=True)
    pending = first.start("Move it", world.sdr, speaker="user", party=world.anna)
    first.gateway.answer(pending.pending.id, "approve", by=world.boss)
    gateway = world.gateway(file=True)
    session = Session(guarded_agent(ScriptedModel("Noted."), gateway), gateway, checkpointer=InMemorySaver())
    with pytest.raises(UnknownThread, match="checkpoints hold no thread"):
        session.take_up(pending.thread_id)
    assert session.send(pending.thread_id, "Forget it.", speaker="user", by=world.sdr).text == "Noted."
    assert [row["state"] for row in world.rows(gateway, "calls")] == ["expired"]
    assert world.rows(gateway, "leases") == []
    late = gateway.thread(pending.thread_id).resume(pending.pending.id, "approve", by=world.boss)
    assert (late.status, late.code) == ("denied", Code.CANCELLED)
    assert world.desk.effects == []
