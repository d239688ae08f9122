"""Creating a task: one bounded line, always a draft, once per intent, and checked when it is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import select

from agent_guard.errors import ToolRejected, ToolUnavailable
from agent_guard.types import Description, Ref
from tests.tools.bounds import unbounded
from tests.tools.moment import NOW
from tools import TOOLS
from tools.crm.contract import described, open_tasks
from tools.crm.port import FIELDS
from tools.crm.sql import SqlCRM
from tools.crm.tables import tasks
from tools.tasks import NewTask, TaskCreated, create_task

ARGS = {"deal_id": "1001", "kind": "call", "subject": "Price for 120 trucks", "due": "2026-03-04"}
QUALIFICATION = {
    "budget": {"score": 2, "evidence": {"message_id": "m3", "quote": "we have planned forty thousand"}},
    "authority": None,
    "need": {"score": 3, "evidence": {"message_id": "m1", "quote": "the tracker loses signal every day"}},
    "timeline": None,
}


def new(**changed: Any) -> NewTask:
    """A valid proposal, with some arguments changed."""
    return NewTask.model_validate({**ARGS, **changed})


def create(crm: SqlCRM, args: NewTask, key: str = "k1") -> TaskCreated:
    """What the tool answers."""
    made = create_task.run(args, crm, idempotency_key=key)
    assert isinstance(made, TaskCreated)
    return made


def dry_run(crm: SqlCRM, args: NewTask) -> Description:
    """What the approver is shown."""
    assert create_task.dry_run is not None
    shown = create_task.dry_run(args, crm)
    assert isinstance(shown, Description)
    return shown


def problem(args: NewTask, after: Description | None) -> str | None:
    """What the post-check says."""
    assert create_task.post_check is not None
    return create_task.post_check(args, TaskCreated(task_id="1", status="draft", outcome="created"), after)


def test_the_contract() -> None:
    """The tool is a draft of at most five seconds with a key, a deal, a task to read back and a dry run."""
    assert create_task in TOOLS
    assert (create_task.name, create_task.effect, create_task.timeout_s) == ("crm.create_task", "draft", 5)
    assert create_task.writes
    assert create_task.refs == {"deal_id": "deal"}
    assert create_task.changes is None
    assert create_task.result_refs == {"task_id": "task"}
    assert create_task.unmask == {"subject", "qualification"}
    assert create_task.resources == ("crm",)
    assert "idempotency_key" in create_task.parameters
    assert set(create_task.result_fields) == set(TaskCreated.model_fields)


@pytest.mark.req("A16")
def test_an_intent_is_a_kind_on_a_deal_for_a_day() -> None:
    """Two calls on one deal for one day are one intent for ever, however they are worded."""
    assert create_task.key == ("deal_id", "kind", "due")
    assert create_task.key_window is None


@pytest.mark.req("B12")
@pytest.mark.parametrize("model", [NewTask, TaskCreated])
def test_everything_is_bounded(model: type[BaseModel]) -> None:
    """No text of the proposal or of the answer is unbounded, and neither takes a field that is not declared."""
    assert unbounded(model) == []


@pytest.mark.req("A16")
@pytest.mark.parametrize(
    "subject",
    ["", "x" * 121, "<PERSON_1>", "<b>", "{{name}}", "a\nb", "a\0", "a\x7f", "a\u202eb", "a\u2066b", "\ud800", 7, None],
)
def test_a_subject_is_one_plain_line(subject: object) -> None:
    """A subject has 1 to 120 characters without markup, placeholders, control or direction characters."""
    with pytest.raises(ValidationError):
        new(subject=subject)


@pytest.mark.req("A16")
@pytest.mark.parametrize(
    "subject", ["x", "x" * 120, "Позвонить: 120 машин, цена?", "Zadzwoń — „oferta”", "50 % & more"]
)
def test_a_subject_may_be_in_any_language(subject: str) -> None:
    """One line of any language is accepted as it is."""
    assert new(subject=subject).subject == subject


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    "due",
    [0, 1.5, "0", "1772582400", "2026-3-4", "2026-02-30", "2026-03-04T10:00:00", "04.03.2026", "", None, True, NOW],
)
def test_a_due_day_is_a_written_day(due: object) -> None:
    """A due day is written YYYY-MM-DD and exists; numbers and times are refused."""
    with pytest.raises(ValidationError):
        new(due=due)
    assert new(due=date(2026, 3, 4)) == new(due="2026-03-04")


@pytest.mark.req("A24")
@pytest.mark.parametrize("strict", [False, True])
def test_plain_json_is_enough(strict: bool) -> None:
    """A proposal as a model writes it is read the same by lenient and by strict validation, from JSON and from data."""
    proposal = {**ARGS, "qualification": QUALIFICATION}
    read = [
        NewTask.model_validate(proposal, strict=strict),
        NewTask.model_validate_json(json.dumps(proposal), strict=strict),
    ]
    assert [args.model_dump(mode="json") for args in read] == [proposal] * 2


@pytest.mark.req("B4")
@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "email"},
        {"kind": "Call"},
        {"deal_id": "x"},
        {"deal_id": "1" * 13},
        {"status": "open"},
        {"source": "human"},
        {"assignee": "u-reed"},
        {"qualification": {"budget": {"score": 4, "evidence": {"message_id": "m1", "quote": "x"}}}},
        {"qualification": {"budget": {"score": 1}}},
        {"qualification": {"budget": {"score": 1, "evidence": {"message_id": "m1", "quote": "x" * 201}}}},
        {"qualification": {"mood": None}},
        {"qualification": "hot"},
    ],
)
def test_what_the_contract_does_not_know_is_refused(changed: dict[str, Any]) -> None:
    """Another kind, a status, a source, an assignee or a malformed qualification cannot be proposed."""
    with pytest.raises(ValidationError):
        new(**changed)


@pytest.mark.req("B4")
@pytest.mark.parametrize("missing", ARGS)
def test_every_argument_but_the_qualification_is_required(missing: str) -> None:
    """There are no silent defaults: each argument must be given."""
    with pytest.raises(ValidationError, match="missing"):
        NewTask.model_validate({name: value for name, value in ARGS.items() if name != missing})


@pytest.mark.req("A16")
def test_a_task_is_made_as_a_draft(seeded: SqlCRM) -> None:
    """The tool makes a draft from the agent, linked to its deal, and says no more than its id and status."""
    made = create(seeded, new())
    assert made.model_dump(mode="json") == {"task_id": made.task_id, "status": "draft", "outcome": "created"}
    task = described(seeded, Ref(kind="task", id=made.task_id))
    assert (task.snapshot["status"], task.snapshot["source"]) == ("draft", "AI-Agent")
    assert (task.snapshot["deal_id"], task.party) == ("1001", "contact:2001")


@pytest.mark.req("A16")
@pytest.mark.req("A6")
def test_a_duplicate_is_refused_or_replayed(seeded: SqlCRM) -> None:
    """A repeat under the same key gives the same task, another wording under it is refused: there is one task."""
    first, again = create(seeded, new()), create(seeded, new())
    assert (again.task_id, again.outcome) == (first.task_id, "replayed")
    with pytest.raises(ToolRejected) as refused:
        create(seeded, new(subject="Other words"))
    assert refused.value.code == "key_reused"
    assert open_tasks(seeded) == 1


@pytest.mark.req("A25")
def test_the_qualification_reaches_the_human(seeded: SqlCRM) -> None:
    """The whole qualification, quotes included, is stored with the draft that a human validates."""
    made = create(seeded, new(qualification=QUALIFICATION))
    with seeded.reading() as connection:
        stored = connection.scalar(select(tasks.c.qualification).where(tasks.c.id == int(made.task_id)))
    assert stored == QUALIFICATION


def test_a_task_needs_its_deal(seeded: SqlCRM) -> None:
    """On a deal that is not there neither the write nor its dry run succeeds."""
    for attempt in (lambda: create(seeded, new(deal_id="999999")), lambda: dry_run(seeded, new(deal_id="999999"))):
        with pytest.raises(ToolRejected) as refused:
            attempt()
        assert refused.value.code == "not_found"


@pytest.mark.req("A12")
def test_a_dry_run_changes_nothing(seeded: SqlCRM) -> None:
    """A dry run makes no task and leaves the deal as it was."""
    before = seeded.describe(Ref(kind="deal", id="1001"))
    assert dry_run(seeded, new()) == dry_run(seeded, new())
    assert seeded.describe(Ref(kind="deal", id="1001")) == before
    with seeded.reading() as connection:
        assert connection.execute(select(tasks.c.id)).all() == []


@pytest.mark.req("A12")
def test_a_dry_run_shows_what_will_be_read_back(seeded: SqlCRM) -> None:
    """What the approver is shown equals the task that is made, but for its version."""
    shown = dry_run(seeded, new(qualification=QUALIFICATION))
    made = described(seeded, Ref(kind="task", id=create(seeded, new(qualification=QUALIFICATION)).task_id))
    assert shown == replace(made, version="new")
    assert shown.fields == FIELDS["task"]


@pytest.mark.req("A14")
def test_a_task_as_asked_for_passes_its_check(seeded: SqlCRM) -> None:
    """The read-back of a task that was made as asked for has no problem, also when a pseudonym stood in its wording."""
    made = create(seeded, new())
    after = described(seeded, Ref(kind="task", id=made.task_id))
    assert problem(new(), after) is None
    assert problem(new(subject="Price for them"), after) is None


@pytest.mark.req("A14")
@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "open"), ("deal_id", "1002"), ("due", "2026-03-05"), ("kind", "email"), ("source", "human")],
)
def test_a_task_not_as_asked_for_fails_its_check(seeded: SqlCRM, field: str, value: str) -> None:
    """A read-back with another status, deal, day, kind or source is a problem, named by its field."""
    after = dry_run(seeded, new())
    assert problem(new(), replace(after, snapshot={**after.snapshot, field: value})) == field
    assert problem(new(), replace(after, snapshot={})) == "status"


@pytest.mark.req("A14")
def test_a_task_that_is_not_there_fails_its_check() -> None:
    """A task that cannot be read back is a problem."""
    assert problem(new(), None) == "missing"


def look_up(crm: SqlCRM, args: NewTask, key: str) -> TaskCreated | None:
    """What the look-up answers."""
    assert create_task.lookup is not None
    found = create_task.lookup(args, crm, idempotency_key=key)
    assert found is None or isinstance(found, TaskCreated)
    return found


@pytest.mark.req("A6", "B17")
def test_what_became_of_a_call_can_be_looked_up(seeded: SqlCRM) -> None:
    """Under its key the draft is found, however it is worded; under another key there is none, and nothing is made."""
    assert look_up(seeded, new(), "k1") is None
    made = create(seeded, new(), "k1")
    found = look_up(seeded, new(subject="Price for them"), "k1")
    assert found is not None and (found.task_id, found.outcome) == (made.task_id, "replayed")
    assert look_up(seeded, new(), "k2") is None
    with seeded.reading() as connection:
        assert len(connection.execute(select(tasks.c.id)).all()) == 1


@pytest.mark.req("A8")
def test_a_system_that_is_down_cannot_tell(seeded: SqlCRM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CRM that cannot be asked is no answer that nothing happened."""

    def down(*_: object) -> None:
        raise ToolUnavailable(code="unavailable")

    monkeypatch.setattr(seeded, "find_by_key", down)
    with pytest.raises(ToolUnavailable):
        look_up(seeded, new(), "k1")
