"""One conversation without LangGraph: check, invoke, resume, observe and calls, in every environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_guard.errors import AgentGuardError, ApprovalError, ConfigError, OutcomeUnknown, StoreError, ToolRejected
from agent_guard.guarded import GuardedThread
from agent_guard.types import Code, Subject, ToolResult
from tests.conftest import World

pytestmark = pytest.mark.databases

TASK = {"deal_id": "42", "subject": "Call Anna Kowalska"}
STAGE = {"deal_id": "42", "stage": "won"}


def failing(world: World, error: Exception) -> None:
    """Lets every writing tool fail before its effect."""

    def fail() -> None:
        raise error

    world.desk.before = fail


# ---- check


@pytest.mark.parametrize(
    ("tool", "args", "outcome", "code"),
    [
        ("crm.read_deal", {"deal_id": "42"}, "allow", Code.ALLOWED),
        ("crm.create_task", TASK, "allow", Code.ALLOWED),
        ("crm.create_task", {"deal_id": "42", "subject": "Write to new@person.example"}, "deny", Code.VALUE_INVENTED),
        ("crm.set_stage", STAGE, "require_approval", Code.APPROVAL_REQUIRED),
        ("crm.read_deal", {"deal_id": "44"}, "deny", Code.REGION),
        ("crm.read_deal", {"deal_id": "99"}, "deny", Code.RECORD_NOT_FOUND),
        ("crm.create_task", {"deal_id": "43", "subject": "Call"}, "deny", Code.BINDING),
        ("crm.drop_table", {}, "deny", Code.TOOL_UNKNOWN),
        ("crm.create_task", {"deal_id": "42"}, "deny", Code.ARGUMENTS_INVALID),
        ("crm.create_task", {**TASK, "owner": "me"}, "deny", Code.ARGUMENT_UNKNOWN),
        ("crm.create_task", {"deal_id": "42", "subject": "<PERSON_9>"}, "deny", Code.PSEUDONYM_UNKNOWN),
        ("crm.create_task", {"deal_id": "42", "subject": "\ud800"}, "deny", Code.ARGUMENTS_MALFORMED),
        ("crm.create_task", {"deal_id": "42", "subject": "x" * 70_000}, "deny", Code.ARGUMENTS_TOO_LARGE),
    ],
)
@pytest.mark.req("A1", "B4", "A10")
def test_check_decides_and_leaves_no_trace(
    world: World, tool: str, args: dict[str, Any], outcome: str, code: Code
) -> None:
    """``check`` tells what would be decided, and every table is byte for byte as it was before."""
    thread = world.thread()
    before = world.dump(thread.gateway)
    decision = thread.check(tool, args)
    assert (decision.outcome, decision.code) == (outcome, code)
    assert decision.allowed is (outcome == "allow")
    assert world.dump(thread.gateway) == before
    assert world.desk.effects == []


def test_check_counts_nothing(world: World) -> None:
    """Asking a hundred times takes no attempt and starts no loop."""
    limits = {"attempts_per_thread": 1, "actions_per_thread": 1, "steps_per_thread": 1}
    thread = world.thread(world.policy(limits=limits))
    assert {thread.check("crm.create_task", TASK).outcome for _ in range(100)} == {"allow"}
    assert thread.invoke("crm.create_task", TASK).status == "executed"


@pytest.mark.parametrize(
    ("tool", "args"), [("crm.read_deal", {"deal_id": "42"}), ("crm.create_task", TASK), ("crm.set_stage", STAGE)]
)
def test_check_and_invoke_agree(world: World, tool: str, args: dict[str, Any]) -> None:
    """What ``check`` says is what ``invoke`` decides, guard by guard."""
    thread = world.thread()
    said = thread.check(tool, args)
    thread.invoke(tool, args, call_id="c1")
    decided = next(
        item.data for item in thread.gateway.audit.events(thread=thread.id) if item.data["kind"] == "decided"
    )
    assert decided["decision"]["outcome"] == said.outcome
    assert [item["guard"] for item in decided["decision"]["guards"]] == [item.guard for item in said.guards]


# ---- invoke


@pytest.mark.req("B2", "A11")
def test_an_allowed_call_is_executed(world: World) -> None:
    """The tool gets the real value, the result and the record of calls hold the pseudonym."""
    thread = world.thread()
    result = thread.invoke("crm.create_task", TASK, call_id="c1", reason="She asked for it.")
    assert (result.status, result.code, result.reference) == ("executed", Code.ALLOWED, "task:1")
    assert result.content == {"task_id": "1", "subject": "Call <PERSON_1>"}
    assert [item["subject"] for item in world.desk.effects] == ["Call Anna Kowalska"]
    assert thread.calls == [
        {
            "id": "c1",
            "tool": "crm.create_task",
            "args": {"deal_id": "42", "subject": "Call <PERSON_1>", "urgent": False},
            "result": {"task_id": "1", "subject": "Call <PERSON_1>"},
            "ref": "task:1",
        }
    ]


def test_masked_and_raw_arguments_are_the_same_call(world: World) -> None:
    """A caller may give values or pseudonyms: the intent is one."""
    thread = world.thread()
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "executed"
    again = thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call <PERSON_1>"}, call_id="c2")
    assert (again.status, again.reference) == ("duplicate", "task:1")
    assert len(world.desk.effects) == 1


@pytest.mark.req("A6")
@pytest.mark.parametrize("subject", ["Call Anna Kowalska", "call  anna kowalska ", "CALL ANNA KOWALSKA"])
def test_a_double_click_is_a_duplicate(world: World, subject: str) -> None:
    """The same intent under another call id, case or spacing is answered with what the first one made."""
    thread = world.thread()
    first = thread.invoke("crm.create_task", TASK)
    again = thread.invoke("crm.create_task", {"deal_id": "42", "subject": subject})
    assert (again.status, again.code, again.reference) == ("duplicate", Code.DUPLICATE, first.reference)
    assert again.content == first.content
    assert len(world.desk.effects) == 1


@pytest.mark.req("A6", "A7")
def test_the_same_id_again_is_the_same_call(world: World) -> None:
    """A repeated call id with the same arguments is answered from the first call's row, in whatever state it is."""
    thread = world.thread()
    for tool, args, statuses in (
        ("crm.create_task", TASK, ["executed", "duplicate", "duplicate"]),
        ("crm.read_deal", {"deal_id": "42"}, ["executed", "duplicate", "duplicate"]),
        ("crm.read_deal", {"deal_id": "44"}, ["denied", "denied", "denied"]),
        ("crm.set_stage", STAGE, ["pending", "pending", "pending"]),
    ):
        call_id = f"{tool}-{args['deal_id']}"
        assert [thread.invoke(tool, args, call_id=call_id).status for _ in range(3)] == statuses
    assert len(world.desk.effects) == 1


def test_a_duplicate_in_another_thread_shows_no_foreign_pseudonym(world: World) -> None:
    """What the twin of another conversation returned is made of that conversation's pseudonyms, and is not shown here."""
    gateway = world.gateway()
    first = gateway.open(world.sdr, party=world.anna, user_text="mail x@y.example")
    first.invoke("crm.create_task", {"deal_id": "42", "subject": "Write to x@y.example"})
    second = gateway.open(world.sdr, party=world.anna, user_text="mail a@b.example or x@y.example")
    again = second.invoke("crm.create_task", {"deal_id": "42", "subject": "Write to x@y.example"})
    assert (again.status, again.reference) == ("duplicate", "task:1")
    assert "<EMAIL_2>" not in str(again.content), "here this pseudonym is another person's"


@pytest.mark.req("A1", "B5")
def test_a_denied_call_says_why_and_runs_nothing(world: World) -> None:
    """A denial carries a code, words for the model that betray nothing, and the trace of guards."""
    thread = world.thread()
    hidden = thread.invoke("crm.read_deal", {"deal_id": "44"})
    missing = thread.invoke("crm.read_deal", {"deal_id": "99"})
    assert (hidden.status, hidden.code) == ("denied", Code.REGION)
    assert hidden.content == missing.content == "There is no such record."
    assert hidden.decision is not None
    assert [item.guard for item in hidden.decision.guards][-2:] == ["access", "loops"]
    assert thread.calls == []


@pytest.mark.req("A1")
def test_scope_is_fixed_when_the_thread_is_opened(world: World) -> None:
    """A tool outside the thread's scope is denied, and the model is not even shown it."""
    thread = world.gateway().open(world.sdr, party=world.anna, scope={"crm.read_deal"})
    assert [item.name for item in thread.permitted()] == ["crm.read_deal"]
    assert thread.invoke("crm.create_task", TASK).code is Code.OUT_OF_SCOPE


@pytest.mark.req("B5")
def test_the_subjects_rights_count(world: World) -> None:
    """A subject without the role is denied, whoever the model says it works for."""
    thread = world.gateway().open(world.boss, party=world.anna)
    assert thread.invoke("crm.create_task", TASK).code is Code.ROLE


def test_a_write_without_a_customer_is_denied(world: World) -> None:
    """A thread about nobody changes nobody's record."""
    thread = world.gateway().open(world.sdr)
    assert thread.invoke("crm.create_task", {"deal_id": "42", "subject": "Call"}).code is Code.BINDING
    assert thread.invoke("crm.read_deal", {"deal_id": "42"}).status == "executed"


@pytest.mark.req("B9", "A1")
@pytest.mark.parametrize(
    ("environment", "status", "effects"), [("dev", "executed", 1), ("stage", "pending", 0), ("prod", "suggested", 0)]
)
def test_a_mode_may_differ_by_environment(world: World, environment: str, status: str, effects: int) -> None:
    """One policy executes in dev, asks in stage and suggests in prod."""
    policy = world.policy({"crm.create_task": {"mode": {"dev": "execute", "stage": "approve", "prod": "suggest"}}})
    result = world.thread(policy, environment=environment).invoke("crm.create_task", TASK)
    assert result.status == status
    assert (result.approval_id is not None) is (status == "pending")
    assert len(world.desk.effects) == effects


@pytest.mark.req("A1")
def test_an_environment_without_a_mode_denies(world: World) -> None:
    """A mode that is absent in an environment is a denial there, and the tool is not shown."""
    policy = world.policy({"crm.create_task": {"mode": {"dev": "execute"}}})
    thread = world.thread(policy, environment="prod")
    assert thread.invoke("crm.create_task", TASK).code is Code.TOOL_NOT_PERMITTED
    assert "crm.create_task" not in [item.name for item in thread.permitted()]


@pytest.mark.req("B9")
def test_a_suggestion_is_recorded_and_never_run(world: World) -> None:
    """Suggest mode writes what would have been done, holds no key and stays a suggestion."""
    thread = world.thread(world.policy({"crm.create_task": {"mode": "suggest"}}))
    first = thread.invoke("crm.create_task", TASK, call_id="c1")
    again = thread.invoke("crm.create_task", TASK, call_id="c1")
    assert (first.status, again.status, first.code) == ("suggested", "suggested", Code.SUGGESTED)
    assert world.kinds(thread) == ["opened", "proposed", "suggested"]
    assert world.desk.effects == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ToolRejected("deal of Anna is closed", code="closed"), "failed", Code.TOOL_REJECTED),
        (OutcomeUnknown("no answer from crm.example"), "unknown", Code.OUTCOME_UNKNOWN),
    ],
)
def test_a_call_that_went_wrong_is_failed_or_unknown(world: World, error: Exception, status: str, code: Code) -> None:
    """What a tool says went wrong becomes a status, never an exception, and none of its words reach the model."""
    thread = world.thread()
    failing(world, error)
    result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code, result.stop) == (status, code, status == "unknown")
    assert str(error) not in str(result.content)
    assert thread.calls == []


def test_a_missing_reason_is_not_the_gateways_business(world: World) -> None:
    """Without a graph no reason is demanded; one that is given is masked and kept."""
    thread = world.thread()
    thread.invoke("crm.create_task", TASK)
    thread.invoke("crm.read_deal", {"deal_id": "42"}, reason="Anna Kowalska asked.")
    reasons = [row["reason"] for row in world.rows(thread.gateway, "calls")]
    assert sorted(reasons, key=str) == ["<PERSON_1> asked.", None]


@pytest.mark.parametrize(
    "args", [None, "text", 7, ["deal_id"], {1: "x"}, {"deal_id": float("nan")}, {"deal_id": {1, 2}}]
)
def test_arguments_that_are_no_json_object_are_denied(world: World, args: Any) -> None:
    """Whatever is given as arguments, the answer is a denial with a code."""
    result = world.thread().invoke("crm.read_deal", args)
    assert (result.status, result.code) == ("denied", Code.ARGUMENTS_MALFORMED)


def test_an_unusable_store_raises_and_nothing_runs(world: World) -> None:
    """A decision that cannot be recorded is none: the caller gets StoreError."""
    gateway = world.gateway(file=True)
    thread = gateway.open(world.sdr, party=world.anna)
    with gateway.store.write(locks=["test"]) as connection:
        connection.exec_driver_sql("DROP TABLE meter")
    with pytest.raises(StoreError, match="cannot be used"):
        thread.invoke("crm.create_task", TASK)
    with pytest.raises(StoreError):
        thread.check("crm.create_task", TASK)
    assert world.desk.effects == []


# ---- resume


def asked(world: World, **change: Any) -> tuple[GuardedThread, ToolResult]:
    """A thread with a pending task."""
    thread = world.thread(world.policy({"crm.create_task": {"mode": "approve"} | change}))
    pending = thread.invoke("crm.create_task", TASK, call_id="c1")
    assert pending.approval_id is not None
    return thread, pending


@pytest.mark.req("A4", "A12")
def test_an_approved_call_runs_as_it_was_shown(world: World) -> None:
    """``approve`` runs exactly what was asked about, once."""
    thread, pending = asked(world)
    assert (pending.status, pending.code) == ("pending", Code.APPROVAL_REQUIRED)
    done = thread.resume(pending.approval_id or "", "approve", by=world.boss)
    assert (done.status, done.call_id, done.approval_id) == ("executed", "c1", pending.approval_id)
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "duplicate"
    assert len(world.desk.effects) == 1


@pytest.mark.req("A12")
def test_an_edit_runs_the_edited_call(world: World) -> None:
    """``edit`` is a new call to the same tool; the human's values are masked and run."""
    thread, pending = asked(world)
    edited = {"deal_id": "42", "subject": "Write to anna@kowalska.example"}
    done = thread.resume(pending.approval_id or "", "edit", by=world.boss, args=edited)
    assert (done.status, done.content) == ("executed", {"task_id": "1", "subject": "Write to <EMAIL_1>"})
    assert [item["subject"] for item in world.desk.effects] == ["Write to anna@kowalska.example"]
    assert [item["id"] for item in thread.calls] == [done.call_id]
    assert done.call_id != "c1"
    assert "anna@" not in str(world.dump(thread.gateway))


@pytest.mark.parametrize(
    ("word", "message", "words"),
    [
        ("reject", None, "A person rejected this. Do not propose it again."),
        ("reject", "Call +48 601 234 567 first.", "They say: Call <PHONE_2> first."),
        ("respond", "She is on leave.", "A person answered instead: She is on leave."),
    ],
)
@pytest.mark.req("A12")
def test_a_call_that_was_not_approved_is_denied(world: World, word: Any, message: str | None, words: str) -> None:
    """``reject`` and ``respond`` run nothing and tell the model what the human said, masked."""
    thread, pending = asked(world)
    result = thread.resume(pending.approval_id or "", word, by=world.boss, message=message)
    assert (result.status, result.code) == ("denied", Code.REJECTED)
    assert words in str(result.content)
    assert thread.invoke("crm.create_task", TASK, call_id="c1").status == "denied"
    assert world.desk.effects == []


def test_answering_twice_gives_the_first_result(world: World) -> None:
    """The same answer given again does nothing again."""
    thread, pending = asked(world)
    first = thread.resume(pending.approval_id or "", "approve", by=world.boss)
    again = thread.resume(pending.approval_id or "", "approve", by=world.boss)
    assert (again.status, again.reference, again.content) == ("duplicate", first.reference, first.content)
    assert len(world.desk.effects) == 1


def test_a_thread_resumes_its_own_questions(world: World) -> None:
    """An approval of another conversation is unknown here, and is left as it was."""
    thread, pending = asked(world)
    other = thread.gateway.open(world.sdr, party=world.anna)
    with pytest.raises(ApprovalError) as refused:
        other.resume(pending.approval_id or "", "approve", by=world.boss)
    assert refused.value.code == Code.APPROVAL_UNKNOWN
    found = thread.gateway.approvals.get(pending.approval_id or "")
    assert found is not None
    assert found.answer is None


def test_a_refused_answer_leaves_the_question(world: World) -> None:
    """A person who may not answer changes nothing; the right one still can."""
    thread, pending = asked(world)
    with pytest.raises(ApprovalError) as refused:
        thread.resume(pending.approval_id or "", "approve", by=world.sdr)
    assert refused.value.code == Code.APPROVER_NOT_PERMITTED
    assert thread.resume(pending.approval_id or "", "approve", by=world.boss).status == "executed"


# ---- observe, restore, calls


@pytest.mark.req("A23", "B6")
def test_a_text_is_masked_with_its_origin(world: World) -> None:
    """``observe`` gives the masked text, and the vault remembers who said each value."""
    thread = world.thread()
    said = thread.observe("Anna Kowalska writes from new@mail.example", origin="untrusted", source="ticket 7")
    assert said == "<PERSON_1> writes from <EMAIL_2>"
    origins = {entry.token: entry.origins for entry in thread.vault().entries()}
    assert origins["<PERSON_1>"] == ("trusted", "untrusted")
    assert origins["<EMAIL_2>"] == ("untrusted",)


@pytest.mark.req("B6")
@pytest.mark.parametrize("origin", ["customer", "USER", "", None, 5])
def test_an_origin_that_there_is_not_is_refused(world: World, origin: Any) -> None:
    """What is kept under it would count for nothing, and nobody would know why."""
    thread = world.thread()
    before = world.dump(thread.gateway)
    for say in (thread.observe, thread.hear):
        with pytest.raises(ConfigError, match="is no origin; give one of user, party, trusted, untrusted, invented"):
            say("Write to ada@other.example", origin=origin)
    assert world.dump(thread.gateway) == before


@pytest.mark.parametrize("text", [None, 5, b"x", ["x"]])
def test_what_is_no_text_is_refused(world: World, text: Any) -> None:
    """The error says what was given, and nothing is kept."""
    thread = world.thread()
    before = world.dump(thread.gateway)
    for say in (thread.observe, thread.hear):
        with pytest.raises(TypeError, match=f"takes a text, not {type(text).__name__}"):
            say(text, origin="user")
    assert world.dump(thread.gateway) == before


def test_a_source_is_kept_as_every_database_takes_it(world: World) -> None:
    """NUL and half of a letter in the name of a file stop no text."""
    thread = world.thread()
    thread.observe("Write to ada@other.example", origin="untrusted", source="mail \ud800\0.eml")
    assert [row["source"] for row in world.rows(thread.gateway, "trail")] == ["mail ?\ufffd.eml"]


def test_an_id_that_no_database_takes_is_an_error_of_ours(world: World) -> None:
    """Half of a letter, as a terminal or a client may send it."""
    thread = world.thread()
    with pytest.raises(AgentGuardError, match="half of a letter"):
        thread.gateway.answer("apr_\ud800", "approve", by=world.boss)
    with pytest.raises(AgentGuardError, match="half of a letter"):
        thread.gateway.reconcile("\ud800")


def test_each_reader_gets_its_own_values(world: World) -> None:
    """The subject reads every value, the customer only those it said itself."""
    thread = world.thread()
    thread.observe("I am at me@home.example", origin="party")
    text = "<EMAIL_1> or <EMAIL_2> of <PERSON_7>"
    assert thread.restore(text, reader="user") == "anna@kowalska.example or me@home.example of <PERSON_7>"
    assert thread.restore(text, reader="party") == "<EMAIL_1> or me@home.example of <PERSON_7>"


def test_several_texts_of_one_moment_are_restored_with_one_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of texts is put back as each would be; the pseudonyms are read once, and not for a text without one."""
    thread = world.thread()
    looks: list[None] = []
    read = thread.vault
    monkeypatch.setattr(thread, "vault", lambda: looks.append(None) or read())
    back = thread.restorer(reader="user")
    assert (back("Hello."), looks) == ("Hello.", [])
    assert [back(text) for text in ("<PERSON_1>", "To <EMAIL_1>.")] == ["Anna Kowalska", "To anna@kowalska.example."]
    assert len(looks) == 1
    assert thread.restorer(reader=None)("<PERSON_1>") == "<PERSON_1>"


@pytest.mark.req("A20")
def test_the_messages_of_a_thread_have_numbers_of_their_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that another one overtakes gets the next number; each text is kept once, under its own."""
    thread, real = world.thread(), world.masker.mask
    between = ["And I."]

    def mask(*given: Any, **options: Any) -> str:
        if between:  # somebody speaks while the first text is masked
            assert thread.hear(between.pop(), origin="party") == ("And I.", "m1")
        return real(*given, **options)

    monkeypatch.setattr(world.masker, "mask", mask)
    assert thread.hear("Call new@mail.example.", origin="user") == ("Call <EMAIL_2>.", "m2")
    assert thread.hear("Soon.", origin="user") == ("Soon.", "m3")
    assert [(row["source"], row["text"]) for row in world.rows(thread.gateway, "trail")] == [
        ("m1", "And I."),
        ("m2", "Call <EMAIL_2>."),
        ("m3", "Soon."),
    ]
    (sighting,) = [row for row in world.rows(thread.gateway, "vault_sightings") if row["token"] == "<EMAIL_2>"]
    assert (sighting["origin"], sighting["source"]) == ("user", "m2")


def test_only_executed_calls_are_listed(world: World) -> None:
    """``calls`` holds what ran to its end: no denied, pending, failed or duplicate call."""
    thread = world.thread()
    thread.invoke("crm.read_deal", {"deal_id": "44"})
    thread.invoke("crm.set_stage", STAGE)
    thread.invoke("crm.create_task", TASK, call_id="c1")
    thread.invoke("crm.create_task", TASK, call_id="c2")
    failing(world, ToolRejected())
    thread.invoke("messages.send", {"text": "Hello"})
    assert [item["id"] for item in thread.calls] == ["c1"]


def test_a_directory_is_asked_at_every_decision(world: World) -> None:
    """With a directory the roles of this moment count, not those of the opening; nobody found is nobody."""
    people: dict[str, Subject | None] = {"u1": replace(world.sdr, roles={"sdr"})}

    class Directory:
        def lookup(self, tenant: str, subject: str) -> Subject | None:
            return people[subject]

    nobody = replace(world.sdr, roles=frozenset(), region=None)
    thread = world.gateway(directory=Directory()).open(nobody, party=world.anna)
    assert thread.check("crm.create_task", TASK).outcome == "allow"
    people["u1"] = replace(world.sdr, roles={"intern"})
    assert thread.check("crm.create_task", TASK).code is Code.ROLE
    people["u1"] = None
    assert thread.check("crm.create_task", TASK).code is Code.ROLE
    people.clear()
    assert thread.check("crm.create_task", TASK).code is Code.TOOL_UNAVAILABLE, "a directory that fails gives no right"


@pytest.mark.parametrize("error", [ToolRejected("x"), KeyError("Anna Kowalska"), ConnectionError("down")])
def test_a_silent_system_of_record_denies(world: World, error: Exception) -> None:
    """Records that cannot be read deny the call, however their adapter fails (A8)."""
    thread = world.thread()
    world.desk.silent = error
    result = thread.invoke("crm.create_task", TASK)
    assert (result.status, result.code) == ("denied", Code.TOOL_UNAVAILABLE)
    assert "Anna" not in str(world.dump(thread.gateway))
    assert world.desk.effects == []


def test_a_character_that_cannot_be_stored_is_replaced_alike_everywhere(world: World) -> None:
    """NUL and half of a character become the same text in every database."""
    thread = world.thread()
    assert thread.observe("a\0b \ud83d", origin="user", source="m1") == "a\ufffdb ?"
    kept = [row["text"] for row in world.rows(thread.gateway, "trail")]
    assert kept == ["a\ufffdb ?"]


def test_model_text_is_bounded_before_it_is_stored(world: World) -> None:
    """Ids, names and reasons of any length or letter are stored short and printable."""
    thread = world.thread()
    thread.invoke("x" * 5000, {}, call_id="i\n\ud800" * 2000, reason="r" * 9000)
    (row,) = world.rows(thread.gateway, "calls")
    assert (len(row["tool"]), len(row["call_id"]), len(row["reason"])) == (100, 100, 300)
    assert row["call_id"].isprintable()


@pytest.mark.req("A23")
def test_a_value_in_a_reason_is_not_cut_in_half(world: World) -> None:
    """A reason is masked before it is cut, so that no part of a value is left at its end."""
    thread = world.thread()
    thread.invoke("crm.read_deal", {"deal_id": "42"}, reason="r" * 290 + " +48 601 234 567")
    assert world.rows(thread.gateway, "calls")[0]["reason"].endswith("r <PHONE_2>")


@pytest.mark.req("A23", "B6")
def test_a_value_in_the_place_of_an_id_is_not_stored(world: World) -> None:
    """Ids are left as they are, but a personal value that stands where an id belongs is no id."""
    thread = world.thread()
    assert thread.invoke("crm.read_deal", {"deal_id": "+48 512 345 678"}).status == "denied"
    assert "512 345 678" not in str(world.dump(thread.gateway))
