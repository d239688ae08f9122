"""The contract of a tool: what is refused when it is written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import BaseModel, Field, create_model

from agent_guard.errors import ConfigError
from agent_guard.tool import tool
from agent_guard.types import Subject
from tests.samples import TaskArgs, TaskMade, contract


def make(**options):
    given = {"name": "crm.create_task", "effect": "draft", "timeout_s": 5} | options

    @tool(**given)
    def run(args: TaskArgs, crm) -> TaskMade:
        """Makes a task."""
        return TaskMade(task_id="9")

    return run


@pytest.mark.req("B3", "B18")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "name must be lower-case"),
        ({"name": "Crm.Task"}, "name must be lower-case"),
        ({"name": "crm..task"}, "name must be lower-case"),
        ({"name": "crm.task "}, "name must be lower-case"),
        ({"name": "crm.task\n"}, "name must be lower-case"),
        ({"name": "crm.*"}, "name must be lower-case"),
        ({"name": "сrm.task"}, "name must be lower-case"),
        ({"name": None}, "name must be lower-case"),
        ({"effect": "update"}, "effect 'update'"),
        ({"effect": None}, "effect None"),
        ({"timeout_s": 0}, "between 0 and 10"),
        ({"timeout_s": -1}, "between 0 and 10"),
        ({"timeout_s": 10.01}, "between 0 and 10"),
        ({"timeout_s": float("nan")}, "between 0 and 10"),
        ({"timeout_s": float("inf")}, "between 0 and 10"),
        ({"timeout_s": True}, "no timeout_s"),
        ({"timeout_s": None}, "no timeout_s"),
        ({"timeout_s": "5"}, "no timeout_s"),
        ({"key": ("deal",)}, "key names 'deal'"),
        ({"key": "deal_id"}, "key is the text 'deal_id'"),
        ({"refs": {"deal": "deal"}}, "refs names 'deal'"),
        ({"changes": "deal_id"}, "changes names 'deal_id'"),
        ({"sensitive": {"amount"}}, "sensitive names 'amount'"),
        ({"unmask": {"phone"}}, "unmask names 'phone'"),
        ({"untrusted": {"body"}}, "untrusted names 'body'"),
        ({"result_fields": {"body": "text"}}, "result_fields names 'body'"),
        ({"result_fields": {"status": "public"}}, "'public'"),
        ({"result_refs": {"id": "task"}}, "result_refs names 'id'"),
        ({"key_window": "soon"}, "'soon' is not a duration"),
        ({"key_window": ""}, "is not a duration"),
    ],
)
def test_a_wrong_contract_is_refused_with_its_name_and_the_field(options, words):
    """A contract that is incomplete or names a field that its models do not have cannot be built."""
    with pytest.raises(ConfigError) as caught:
        make(**options)
    assert words in str(caught.value)
    assert repr(options.get("name", "crm.create_task")) in str(caught.value)


@pytest.mark.req("A20")
@pytest.mark.parametrize("timeout_s", [0.1, 5, 10, 10.0])
def test_a_time_out_is_at_most_ten_seconds(timeout_s):
    """Any time above zero and up to ten seconds is a time-out."""
    assert make(timeout_s=timeout_s).timeout_s == timeout_s


@pytest.mark.req("A20")
def test_a_tool_without_a_time_out_cannot_be_written():
    """There is no default time-out: leaving it out is an error of the call itself."""
    with pytest.raises(TypeError, match="timeout_s"):
        tool(name="crm.create_task", effect="draft")


@pytest.mark.req("B18")
def test_functions_without_models_are_refused():
    """A function that does not say what it takes or what it returns is no tool."""

    def no_args(args, crm) -> TaskMade:
        """Makes a task."""

    def no_result(args: TaskArgs, crm):
        """Makes a task."""

    def plain_args(args: dict, crm) -> TaskMade:
        """Makes a task."""

    def maybe_result(args: TaskArgs, crm) -> TaskMade | None:
        """Makes a task."""

    def nothing() -> TaskMade:
        """Makes a task."""

    for function, label in [
        (no_args, "args"), (no_result, "result"), (plain_args, "args"), (maybe_result, "result"), (nothing, "args"),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match=f"'a.b'.*no {label} model"):
            tool(name="a.b", effect="read", timeout_s=1)(function)


def test_a_name_that_cannot_be_resolved_is_a_fault_of_the_contract():
    """An annotation that names nothing is told as a wrong contract, not as a crash of the import."""

    def unresolved(args: Missing) -> TaskMade:  # noqa: F821
        """Makes a task."""

    with pytest.raises(ConfigError, match=r"'a\.b'.*Missing"):
        tool(name="a.b", effect="read", timeout_s=1)(unresolved)


def test_a_tool_without_words_for_the_model_is_refused():
    """A description is required, and the first paragraph of the docstring is one."""

    def silent(args: TaskArgs) -> TaskMade: ...

    with pytest.raises(ConfigError, match="description"):
        tool(name="a.b", effect="read", timeout_s=1)(silent)
    assert tool(name="a.b", effect="read", timeout_s=1, description="Says it.")(silent).description == "Says it."


def test_the_model_is_told_the_first_paragraph():
    """What is written below the first paragraph is for programmers and is not told."""

    def wordy(args: TaskArgs) -> TaskMade:
        """Makes a task
        for a deal.

        Secret: the table is called T_17.
        """

    assert tool(name="a.b", effect="read", timeout_s=1)(wordy).description == "Makes a task for a deal."


@pytest.mark.parametrize(
    ("text", "window"), [("24h", timedelta(hours=24)), ("7d", timedelta(days=7)), ("forever", None)]
)
def test_the_window_of_a_key_is_a_duration_or_for_ever(text, window):
    """``forever`` has no end; anything else is a duration."""
    assert make(key_window=text).key_window == window


@pytest.mark.parametrize(
    ("effect", "writes"),
    [("read", False), ("egress", True), ("draft", True), ("write", True), ("send", True), ("delete", True)],
)
def test_everything_but_a_read_is_judged_as_a_write(effect, writes):
    """Fetching from outside counts as a write, for it can carry data away."""
    assert make(effect=effect).writes is writes


def test_resources_are_the_parameters_that_the_gateway_does_not_fill():
    """The subject and the idempotency key come from the gateway, the rest from its resources."""

    def run(args: TaskArgs, crm, idempotency_key: str, mailer, subject: Subject) -> TaskMade:
        """Makes a task."""

    made = tool(name="a.b", effect="draft", timeout_s=1)(run)
    assert made.parameters == ("crm", "idempotency_key", "mailer", "subject")
    assert made.resources == ("crm", "mailer")


@pytest.mark.req("B12")
def test_an_args_model_with_aliases_is_refused():
    """Names in arguments, policy and record are the same names: an alias would make two of one, at any depth."""

    class Aliased(BaseModel):
        deal_id: str = Field(alias="dealId", max_length=10)

    class Inner(BaseModel):
        full_name: str = Field(alias="fullName", max_length=10)

    class Nested(BaseModel):
        who: Inner

    for model in (Aliased, Nested):
        with pytest.raises(ConfigError, match="alias"):
            contract("a.b", args=model)


@pytest.mark.req("A12")
def test_an_args_model_with_a_set_is_refused():
    """A set has no order: the same call would have another digest in another process, and its approval would not fit."""
    for kind in (set[int], frozenset[int], list[set[int]] | None):
        with pytest.raises(ConfigError, match="has a set"):
            contract("a.b", args=create_model("Args", a=(kind, ...)))


def test_a_contract_cannot_be_changed():
    """A tool is frozen once it is built."""
    with pytest.raises(AttributeError):
        make().timeout_s = 60


class Event(BaseModel):
    title: str = Field(max_length=40)
    guests: list[str] | None = Field(default=None, max_length=5)
    team: str = Field(default="", max_length=40)
    rooms: list[str] = Field(default=["hall"], max_length=5)
    seats: int = 0
    shared: bool = False
    organisers: list[str] = Field(default=["ann"], min_length=1, max_length=5)
    host: str = Field(min_length=1, max_length=40)


EVERYBODY = {"guests", "team", "rooms", "seats", "shared", "organisers", "host"}


def event(**options):
    return contract("cal.new", args=Event, **({"effect": "send", "sensitive": EVERYBODY} | options))


@pytest.mark.req("B3", "A12")
@pytest.mark.parametrize("effect", ["send", "write"])
@pytest.mark.parametrize("named", [("guests",), ["guests", "team"], ("team",), ("rooms",), ()])
def test_a_contract_may_name_who_else_sees_a_call(effect, named):
    """Arguments that can be empty, of a tool that sends or writes; a default that names somebody is no obstacle."""
    assert event(effect=effect, audience=named).audience == tuple(named)


@pytest.mark.req("B3", "A12")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"audience": ("cc",)}, "audience names 'cc', which is not among"),
        ({"audience": "guests"}, "audience is the text 'guests'"),
        ({"audience": ("guests",), "sensitive": set()}, "name it in sensitive too"),
        ({"audience": ("team", "guests"), "sensitive": {"team"}}, "audience names 'guests'"),
        ({"audience": ("seats",)}, "audience names 'seats', which is never empty"),
        ({"audience": ("shared",)}, "audience names 'shared', which is never empty"),
        ({"audience": ("organisers",)}, "audience names 'organisers', which is never empty"),
        ({"audience": ("host",)}, "audience names 'host', which is never empty"),
        ({"audience": ("guests",), "effect": "read"}, "this is 'read'"),
        ({"audience": ("guests",), "effect": "draft"}, "this is 'draft'"),
        ({"audience": ("guests",), "effect": "egress"}, "this is 'egress'"),
        ({"audience": ("guests",), "effect": "delete"}, "this is 'delete'"),
        ({"audience": ("guests",), "refs": {"title": "event"}, "changes": "title"}, "what is made anew"),
    ],
)
def test_an_audience_that_could_mean_something_else_is_refused(options, words):
    """It relaxes, so it is refused wherever others might see a call that leaves it empty."""
    with pytest.raises(ConfigError) as caught:
        event(**options)
    assert words in str(caught.value)


# ---- what it would say


def rendered(send_takes=("desk", "rendered"), render_takes=("desk",), effect="send"):
    space: dict = {"TaskArgs": TaskArgs, "TaskMade": TaskMade}
    exec(f"def send(args: TaskArgs, {', '.join(send_takes)}) -> TaskMade:\n    'Sends.'", space)
    exec(f"def text(args, {', '.join(render_takes)}):\n    return 'x'", space)
    return tool(name="mail.send", effect=effect, timeout_s=5, render=space["text"])(space["send"])


@pytest.mark.req("A18", "B3")
@pytest.mark.parametrize("effect", ["egress", "draft", "write", "send", "delete"])
@pytest.mark.parametrize("render_takes", [("desk",), (), ("subject", "desk"), ("subject",)])
def test_a_tool_that_writes_may_render(effect, render_takes):
    """A render takes of the function's own parameters what it needs; the function need not take the text."""
    assert rendered(("desk", "rendered", "subject"), render_takes, effect).resources == ("desk",)
    assert rendered(("desk", "subject"), render_takes, effect).render is not None


@pytest.mark.req("A18", "B3")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"effect": "read"}, "render is for tools that write"),
        ({"render_takes": ("crm",)}, "render asks for 'crm', which the function itself does not take"),
        ({"render_takes": ("rendered",)}, "render asks for 'rendered'"),
        ({"render_takes": ("secrets",)}, "render asks for 'secrets'"),
    ],
)
def test_a_render_that_could_not_be_asked_is_refused(options, words):
    """What a render asks for must be there, and is found out when the tool is written."""
    with pytest.raises(ConfigError) as caught:
        rendered(**options)
    assert words in str(caught.value)


def test_a_function_that_takes_a_text_that_nobody_renders_is_refused():
    """``rendered`` is filled by the gateway, which needs a render for it."""
    with pytest.raises(ConfigError, match="takes 'rendered' and has no render"):
        replace(rendered(), render=None)
