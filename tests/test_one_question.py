"""One question for the calls that a message announces: what it covers, once each, and everything that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent_guard.approvals import Approval
from agent_guard.errors import ToolRejected
from agent_guard.graph.wire import wire_name
from agent_guard.nodes import GuardContext, guarded_agent
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel
from agent_guard.types import Code, ToolResult
from tests.conftest import World
from tests.planned import APPROVERS, EVIL, Talk, announced, desk, rules, step

pytestmark = [pytest.mark.req("A4", "A12"), pytest.mark.databases]

SAID = "Mail bob@firm.example and cy@firm.example, refund 120 EUR to blue, and move deal 42 to won."
BOB, CY = "<EMAIL_2>", "<EMAIL_3>"


class Round(Talk):
    """A conversation whose plan has two mails with late text, a refund, and a move of the deal."""

    def __init__(self, world: World, policy: Any = None, **options: Any) -> None:
        super().__init__(world, SAID, policy, **options)
        self.adopt()

    def adopt(self) -> None:
        """Adopts the plan, again after the user spoke again."""
        self.plan(
            step("mail.send", to=self.lit(BOB), text={"late": {"max": 50}}),
            step("mail.send", to=self.lit(CY), text={"late": {"max": 50}}),
            step("pay.refund", account=self.lit("blue"), amount=self.lit(120)),
            step("crm.set_stage", deal_id=self.lit("42"), stage={"late": {}}),
        )

    def first(self, *along: Any, call_id: str = "c1") -> ToolResult:
        """The mail to Bob, announced with others."""
        return self.call("mail.send", call_id, along=along or (second(),), to=BOB, text="Hello Bob")

    def asked(self, *along: Any, call_id: str = "c1") -> Approval:
        """The question about it."""
        result = self.first(*along, call_id=call_id)
        found = self.gateway.approvals.get(result.approval_id or "")
        assert result.status == "pending"
        assert found is not None
        return found

    def answer(self, approval: Approval, word: Any = "approve", **options: Any) -> ToolResult:
        """The boss's answer."""
        return self.thread.resume(approval.id, word, by=self.world.boss, **options)

    def other(self, call_id: str = "c2", to: str = CY, text: str = "Hello Cy") -> ToolResult:
        """The mail to Cy."""
        return self.call("mail.send", call_id, to=to, text=text)

    def questions(self) -> int:
        """How many questions were ever asked."""
        return len(self.world.rows(self.gateway, "approvals"))


def second(call_id: str = "c2", to: str = CY, text: str = "Hello Cy") -> dict[str, Any]:
    """The mail to Cy, as it is announced."""
    return announced("mail.send", call_id, to=to, text=text)


# ---- what a question covers


def test_one_question_covers_what_was_announced(world: World) -> None:
    """Two planned calls with open values are one question; after one answer both run, each once."""
    talk = Round(world)
    asked = talk.asked()
    assert len(asked.covers) == 1
    assert talk.done == []
    assert talk.answer(asked).status == "executed"
    covered = talk.other()
    assert (covered.status, covered.approval_id) == ("executed", asked.id)
    assert talk.done == ["bob@firm.example", "cy@firm.example"]
    assert talk.questions() == 1
    assert [talk.other().status, talk.first().status] == ["duplicate", "duplicate"]
    assert len(talk.done) == 2


def test_the_human_sees_what_the_answer_covers(world: World) -> None:
    """The question shows every covered call with its arguments and what the plan left open, masked."""
    talk = Round(world)
    asked = talk.asked(second(), announced("crm.set_stage", "c3", deal_id="42", stage="won"))
    also = asked.shown["also"]
    assert isinstance(also, list)
    assert [item["tool"] for item in also] == ["mail.send", "crm.set_stage"]
    assert also[0]["args"] == {"to": CY, "text": "Hello Cy", "at": None}
    assert also[0]["open"] == [{"argument": "text", "why": "late"}]
    text = str(asked.shown["description"])
    assert "With it, as planned: **mail.send** (send)" in text
    assert "Hello Cy" in text
    assert "**crm.set_stage** (write)" in text
    assert "firm.example" not in json.dumps(asked.shown)


def test_the_human_sees_what_a_covered_call_would_change(world: World) -> None:
    """A covered change of a record is shown as the call's own question would show it: before and after."""
    talk = Round(world)
    alone = talk.call("crm.set_stage", "c9", deal_id="42", stage="won")
    found = talk.gateway.approvals.get(alone.approval_id or "")
    assert found is not None
    assert found.shown["diff"] == {"before": {"stage": "new"}, "after": {"stage": "won"}}
    talk.answer(found, "reject")
    (also,) = talk.asked(announced("crm.set_stage", "c2", deal_id="42", stage="won")).shown["also"]  # type: ignore[misc]
    assert also["diff"] == {"before": {"stage": "new"}, "after": {"stage": "won"}}


def test_a_covered_call_is_recorded_with_its_question(world: World) -> None:
    """The record of a covered call names the question that was answered for it, and that it was covered."""
    talk = Round(world)
    asked = talk.asked()
    talk.answer(asked)
    talk.other()
    events = [
        item.data for item in talk.gateway.audit.events(thread=talk.thread.id) if item.data.get("tool_call_id") == "c2"
    ]
    (answered,) = [item for item in events if item["kind"] == "answered"]
    assert (answered["approval_id"], answered["note"]) == (asked.id, "covered")
    assert [item["kind"] for item in events] == ["proposed", "decided", "answered", "started", "finished"]


def test_covered_calls_need_not_come_at_once(world: World) -> None:
    """A covered call may come after others of the same plan, as long as its question has not expired."""
    talk = Round(world)
    talk.answer(talk.asked())
    assert talk.call("pay.refund", "c9", account="blue", amount=120).status == "executed"
    world.clock.forward(hours=23)
    assert talk.other().status == "executed"


def test_a_covered_call_runs_in_a_fresh_process(world: World) -> None:
    """What was covered is in the database; whoever goes on finds it."""
    talk = Round(world, file=True)
    talk.answer(talk.asked())
    other = desk(world, file=True).thread(talk.thread.id)
    result = other.invoke("mail.send", {"to": CY, "text": "Hello Cy"}, call_id="c2")
    assert result.status == "executed"
    assert talk.questions() == 1


def test_what_may_run_unasked_is_not_shown(world: World) -> None:
    """A planned call that nobody would be asked about is no part of the question, and runs as ever."""
    talk = Round(world)
    asked = talk.asked(announced("pay.refund", "c3", account="blue", amount=120))
    assert (asked.covers, asked.shown["also"]) == ((), [])
    talk.answer(asked)
    assert talk.call("pay.refund", "c3", account="blue", amount=120).status == "executed"


def test_a_call_that_runs_unasked_covers_nothing(world: World) -> None:
    """Where the first call needs no question, the announced ones ask their own."""
    talk = Round(world)
    assert talk.call("pay.refund", "c1", along=[second()], account="blue", amount=120).status == "executed"
    assert talk.questions() == 0
    assert talk.other().status == "pending"


# ---- what it does not cover


@pytest.mark.parametrize(
    ("call_id", "to", "text"),
    [
        ("c2", CY, "Hello Cyril"),
        ("c2", CY, "hello cy"),
        ("c2", CY, "Hello Cy "),
        ("c3", CY, "Hello Cy"),
        ("c2~", CY, "Hello Cy"),
    ],
)
def test_another_call_asks_again(world: World, call_id: str, to: str, text: str) -> None:
    """An answer covers the calls that were shown, to the letter and by their ids; anything else is its own question."""
    talk = Round(world)
    talk.answer(talk.asked())
    asked = talk.other(call_id, to, text)
    assert asked.status == "pending"
    assert talk.done == ["bob@firm.example"]
    assert talk.questions() == 2


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    "along",
    [
        announced("mail.send", "c2", to=EVIL, text="secrets"),
        announced("mail.send", "c2", to=CY, text="x" * 51),
        announced("pay.refund", "c2", account="red", amount=9000),
        announced("mail.drop", "c2"),
        announced("mail.send", "c2", to="<EMAIL_9>", text="x"),
        announced("mail.send", "c2", to=CY),
        announced("mail.send", "c2", to=["x"], text={"a": 1}),
        {"tool": "mail.send", "call_id": "c2", "args": None},
        {"tool": "mail.send", "call_id": "c2", "args": {"to": CY, "text": "\ud800"}},
        {"tool": "mail.send", "call_id": "c2", "args": {"to": CY, "text": "x" * 70_000}},
    ],
    ids=[
        "invented",
        "too long",
        "other money",
        "no tool",
        "no such person",
        "missing",
        "types",
        "none",
        "surrogate",
        "large",
    ],
)
def test_what_is_not_planned_is_never_covered(world: World, along: dict[str, Any]) -> None:
    """An announced call that is no step of the plan, or cannot be read, is not shown and not approved with the rest."""
    talk = Round(world)
    asked = talk.asked(along)
    assert (asked.covers, asked.shown["also"]) == ((), [])
    talk.answer(asked)
    assert talk.thread.invoke(along["tool"], along["args"], call_id="c2").status == "denied"
    assert talk.done == ["bob@firm.example"]


@pytest.mark.req("B1")
def test_without_a_plan_nothing_is_covered(world: World) -> None:
    """Calls that are asked about for other reasons are asked about one by one."""
    talk = Talk(world, SAID, rules({"mail.send": {"mode": "approve"}}))
    asked = talk.call("mail.send", "c1", along=[second()], to=BOB, text="Hello Bob")
    found = talk.gateway.approvals.get(asked.approval_id or "")
    assert found is not None
    assert (found.covers, found.shown["also"]) == ((), [])
    talk.thread.resume(found.id, "approve", by=world.boss)
    assert talk.call("mail.send", "c2", to=CY, text="Hello Cy").status == "pending"


def test_a_planned_question_covers_nothing_unplanned(world: World) -> None:
    """An unplanned draft that may be offered is its own question, before and after."""
    talk = Round(world, rules(plan={"outside": "ask"}))
    asked = talk.asked(announced("notes.draft", "c2", text="idea"))
    assert asked.covers == ()
    talk.answer(asked)
    offered = talk.call("notes.draft", "c2", along=[second("c3")], text="idea")
    assert (offered.status, offered.code) == ("pending", Code.PLAN_OUTSIDE)
    found = talk.gateway.approvals.get(offered.approval_id or "")
    assert found is not None
    assert found.covers == (), "and an unplanned question covers nothing planned"


@pytest.mark.parametrize(
    "approvers",
    [{"roles": ["director"]}, {"not_requester": True}, {"expires": "1h"}, {"roles": ["manager", "director"]}],
)
def test_other_approvers_are_asked_themselves(world: World, approvers: dict[str, Any]) -> None:
    """A call that other people may answer, or for a shorter time, is not covered by these."""
    talk = Round(world, rules({"crm.set_stage": {"approvers": APPROVERS | approvers}}))
    asked = talk.asked(announced("crm.set_stage", "c2", deal_id="42", stage="won"))
    assert asked.covers == ()
    talk.answer(asked)
    assert talk.call("crm.set_stage", "c2", deal_id="42", stage="won").status == "pending"


def test_the_same_approvers_cover_another_tool(world: World) -> None:
    """Calls of several tools are one question where the same people may answer."""
    talk = Round(world)
    asked = talk.asked(announced("crm.set_stage", "c2", deal_id="42", stage="won"), second("c3"))
    assert len(asked.covers) == 2
    talk.answer(asked)
    assert talk.call("crm.set_stage", "c2", deal_id="42", stage="won").status == "executed"
    assert talk.other("c3").status == "executed"
    assert talk.questions() == 1


def test_a_record_that_changed_asks_again(world: World) -> None:
    """An answer is bound to the version of the record: a covered call on a newer one is its own question."""
    talk = Round(world)
    talk.answer(talk.asked(announced("crm.set_stage", "c2", deal_id="42", stage="won")))
    world.desk.change("42", "lost")
    asked = talk.call("crm.set_stage", "c2", deal_id="42", stage="won")
    assert (asked.status, asked.code) == ("pending", Code.PLAN_VALUES)
    assert talk.questions() == 2


def test_a_record_that_changes_after_the_covered_call_was_decided(world: World) -> None:
    """Between the decision and the run the version is looked at once more."""
    talk = Round(world)
    talk.answer(talk.asked(announced("crm.set_stage", "c2", deal_id="42", stage="won")))
    call = talk.thread.masked_call("crm.set_stage", {"deal_id": "42", "stage": "won"}, "c2", None)
    assert talk.gateway.propose(talk.thread.row, call).row.state == "approved"
    world.desk.change("42", "lost")
    late = talk.gateway.execute(talk.thread.row, call)
    assert (late.status, late.code) == ("denied", Code.APPROVAL_CHANGED)
    assert "won" not in talk.done


def test_a_policy_that_changed_asks_again(world: World) -> None:
    """An answer is bound to the policy: under another one the covered call is its own question."""
    talk = Round(world, file=True)
    talk.answer(talk.asked())
    newer = desk(world, rules(name="planned.v2"), file=True).thread(talk.thread.id)
    assert newer.invoke("mail.send", {"to": CY, "text": "Hello Cy"}, call_id="c2").status == "pending"


@pytest.mark.parametrize("word", ["reject", "respond"])
def test_a_rejection_covers_nothing(world: World, word: Any) -> None:
    """Who did not approve the first call did not approve the others: each is asked about, or not made."""
    talk = Round(world)
    talk.answer(talk.asked(), word, message="No.")
    asked = talk.other()
    assert (asked.status, talk.done) == ("pending", [])


def test_an_edit_covers_nothing(world: World) -> None:
    """A human who changed the first call has not approved the others as they stood."""
    talk = Round(world)
    done = talk.answer(talk.asked(), "edit", args={"to": BOB, "text": "Good day"})
    assert done.status == "executed"
    assert talk.other().status == "pending"
    assert [item["text"] for item in world.desk.effects] == ["Good day"]


def test_before_the_answer_nothing_is_covered(world: World) -> None:
    """A question that nobody answered approves nothing; the covered call's own question takes its place."""
    talk = Round(world)
    talk.asked()
    assert talk.other().status == "pending"
    assert talk.done == []


def test_an_expired_question_covers_nothing(world: World) -> None:
    """After its time an approved question lets nothing more through."""
    talk = Round(world)
    talk.answer(talk.asked())
    world.clock.forward(hours=25)
    assert talk.other().status == "pending"
    assert talk.done == ["bob@firm.example"]


def test_a_question_that_expires_before_the_run_covers_nothing(world: World) -> None:
    """A covered call that was let through in time and is run too late is refused."""
    talk = Round(world)
    talk.answer(talk.asked())
    call = talk.thread.masked_call("mail.send", {"to": CY, "text": "Hello Cy"}, "c2", None)
    assert talk.gateway.propose(talk.thread.row, call).row.state == "approved"
    world.clock.forward(hours=25)
    late = talk.gateway.execute(talk.thread.row, call)
    assert (late.status, late.code) == ("denied", Code.APPROVAL_EXPIRED)
    assert talk.done == ["bob@firm.example"]


@pytest.mark.req("A7")
def test_another_thread_is_not_covered(world: World) -> None:
    """The same plan and the same call of another conversation are asked about there."""
    first = Round(world)
    first.answer(first.asked())
    other = Round.__new__(Round)
    other.world, other.gateway = world, first.gateway
    other.thread = first.gateway.open(world.sdr, party=world.anna, user_text=SAID)
    other.text = other.thread.text or ""
    other.adopt()
    assert other.other().status == "pending"
    assert first.other().status == "executed"


@pytest.mark.req("A7")
def test_after_a_new_plan_nothing_is_covered(world: World) -> None:
    """The user's next words and the plan that follows them end what the old plan's answers covered."""
    talk = Round(world)
    talk.answer(talk.asked())
    talk.say(SAID)
    talk.adopt()
    assert talk.other().status == "pending"
    assert talk.done == ["bob@firm.example"]


def test_a_new_plan_ends_a_covered_call_that_has_not_run(world: World) -> None:
    """A covered call is approved as a step of its plan; when another plan has taken its place, it asks again."""
    talk = Round(world)
    talk.answer(talk.asked())
    call = talk.thread.masked_call("mail.send", {"to": CY, "text": "Hello Cy"}, "c2", None)
    assert talk.gateway.propose(talk.thread.row, call).row.state == "approved"
    talk.say(SAID)
    talk.adopt()
    assert talk.gateway.execute(talk.thread.row, call).status == "denied"
    assert talk.done == ["bob@firm.example"]


@pytest.mark.req("B1")
def test_a_newer_message_ends_what_was_covered(world: World) -> None:
    """An approved call that never ran ends with the next message, and so do the calls that it covers."""
    talk = Round(world)
    asked = talk.asked()
    talk.gateway.answer(asked.id, "approve", by=world.boss)
    talk.thread.hear("And now something else.", origin="party")
    talk.gateway.step(talk.thread.row)
    assert talk.first().status in ("denied", "pending"), "the call itself has ended"
    assert talk.other().status in ("denied", "pending")
    assert talk.done == []


def test_each_covered_call_runs_once(world: World) -> None:
    """A covered call that failed is not run again on the same answer."""
    talk = Round(world)
    talk.answer(talk.asked())

    def fail() -> None:
        raise ToolRejected(code="closed")

    world.desk.before = fail
    assert talk.other().status == "failed"
    world.desk.before = lambda: None
    assert talk.other().status == "failed", "the same call is answered from its row"
    assert talk.other("c7").status == "pending", "and another one is another question"
    assert talk.done == ["bob@firm.example"]


def test_covered_calls_are_steps_each(world: World) -> None:
    """Two announced calls that want the same step are shown, and one of them runs."""
    talk = Round(world)
    asked = talk.asked(second("c2"), second("c3"))
    talk.answer(asked)
    assert [talk.other("c2").status, talk.other("c3").status] == ["executed", "denied"]
    assert talk.done == ["bob@firm.example", "cy@firm.example"]


def test_a_pressed_button_stops_covered_calls(world: World) -> None:
    """An answer satisfies the question and nothing else: whatever denies a call denies a covered one."""
    talk = Round(world)
    talk.answer(talk.asked())
    talk.gateway.press("tool:mail.send", reason="drill", by="m7")
    assert talk.other().code is Code.KILLED


def test_a_question_that_is_asked_again_covers_what_is_announced_then(world: World) -> None:
    """The same call under the same id is the same question: what a repetition announces is not added to it."""
    talk = Round(world)
    asked = talk.asked(announced("pay.refund", "c9", account="blue", amount=120))
    assert asked.covers == ()
    again = talk.first(second())
    assert again.approval_id == asked.id
    talk.answer(asked)
    assert talk.other().status == "pending"


# ---- through the graph

CONFIG: Any = {"configurable": {"thread_id": "t1"}}
PLAN_TEXT = "Mail bob@firm.example and cy@firm.example, then refund 120 EUR to blue."


def spans(*words: str) -> list[tuple[int, int]]:
    """Where words stand in the masked text."""
    text = "Mail <EMAIL_2> and <EMAIL_3>, then refund 120 EUR to blue."
    return [(text.index(word), text.index(word) + len(word)) for word in words]


def planning(*steps: dict[str, Any]) -> AIMessage:
    """The model's plan."""
    made = [{"id": f"s{n}", "evidence": [0, 27]} | item for n, item in enumerate(steps, 1)]
    return AIMessage("", tool_calls=[tool_call(name="Plan", args={"steps": made}, id="plan")])


def calls(*given: tuple[str, dict[str, Any]]) -> AIMessage:
    """A message with several calls."""
    made = [
        tool_call(name=wire_name(name), args={"reason": "The user asked.", **args}, id=f"c{n}")
        for n, (name, args) in enumerate(given, 1)
    ]
    return AIMessage("I do it.", tool_calls=made)


STEPS = (
    {"tool": "mail.send", "args": {"to": {"lit": BOB, "span": [5, 14]}, "text": {"late": {}}}},
    {"tool": "mail.send", "args": {"to": {"lit": CY, "span": [19, 28]}, "text": {"late": {}}}},
    {"tool": "pay.refund", "args": {"account": {"lit": "blue", "span": spans("blue")[0]}, "amount": {"lit": 120, "span": spans("120")[0]}}},
)  # fmt: skip
MESSAGE = calls(
    ("mail.send", {"to": BOB, "text": "Hello Bob"}),
    ("pay.refund", {"account": "red", "amount": 9000}),
    ("mail.send", {"to": CY, "text": "Hello Cy"}),
    ("pay.refund", {"account": "blue", "amount": 120}),
)


def test_the_graph_asks_once(world: World) -> None:
    """A message of several planned calls is one interrupt; one answer runs them all in order, and none that is not
    planned.
    """
    gateway = desk(world, rules(plan={}))
    gateway.open(world.sdr, thread_id="t1", party=world.anna, user_text=PLAN_TEXT)
    model = ScriptedModel(planning(*STEPS), MESSAGE, "Done.")
    graph = guarded_agent(model, gateway, checkpointer=InMemorySaver())
    masked = gateway.thread("t1").user_texts()[-1]
    out: Any = graph.invoke({"messages": [HumanMessage(masked, additional_kwargs={"speaker": "user"})]}, CONFIG)
    (question,) = out["__interrupt__"]
    assert "With it, as planned: **mail.send**" in question.value["action_requests"][0]["description"]
    assert "9000" not in str(question.value)
    assert world.desk.effects == []
    answer = Command(resume={"decisions": [{"type": "approve"}]})
    out = graph.invoke(answer, CONFIG, context=GuardContext(approver=world.boss))
    assert out["status"] == "delivered"
    assert "__interrupt__" not in out
    codes = [json.loads(str(item.content))["code"] for item in out["messages"] if isinstance(item, ToolMessage)]
    assert codes == ["allowed", "plan_outside", "allowed", "allowed"]
    assert [item["kind"] for item in world.desk.effects] == ["mail", "mail", "refund"]
    assert len(world.rows(gateway, "approvals")) == 1


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_the_session_asks_once_or_twice(world: World, word: Any) -> None:
    """Through a Session one approval lets the covered call run; after a rejection it is asked about itself."""
    gateway = desk(world, rules(plan={}))
    session = Session(
        guarded_agent(ScriptedModel(planning(*STEPS), MESSAGE, "Done."), gateway), gateway, checkpointer=InMemorySaver()
    )
    reply = session.start(PLAN_TEXT, world.sdr, speaker="user", party=world.anna)
    assert reply.pending is not None
    reply = session.resume(reply.pending.id, word, by=world.boss)
    if word == "approve":
        assert (reply.status, reply.pending) == ("delivered", None)
        assert [item["kind"] for item in world.desk.effects] == ["mail", "mail", "refund"]
    else:
        assert reply.pending is not None
        assert reply.pending.args["to"] == CY
        assert world.desk.effects == []
        assert session.resume(reply.pending.id, "approve", by=world.boss).status == "delivered"
        assert [item.get("to") for item in world.desk.effects] == ["cy@firm.example", None]
