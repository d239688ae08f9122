"""What is refused when a gateway is built, and that the refusal says where."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, create_model

from agent_guard.errors import ConfigError
from agent_guard.lint import lint
from tests.samples import TOOL, contract, policy, rule


class Worded(BaseModel):
    text: str


def check(tools, policies, *, resources=("crm",), has_records=True):
    lint({tool.name: tool for tool in tools}, policies, resources=resources, has_records=has_records)


def refused(*args, **options):
    with pytest.raises(ConfigError) as caught:
        check(*args, **options)
    return str(caught.value)


@pytest.mark.req("B18")
def test_tools_and_policies_that_fit_are_accepted():
    """Two policies may share a tool, each with its own permission."""
    check([contract()], [policy(), policy({TOOL: rule(bind={"deal_id": "region"}, fields=["status"])}, name="other")])


@pytest.mark.req("B18")
def test_a_tool_that_no_policy_names_is_refused():
    """A contract without a permission is not ready."""
    message = refused([contract(), contract("crm.other")], [policy()])
    assert "'crm.other'" in message
    assert "no policy" in message


@pytest.mark.req("B18", "A1")
@pytest.mark.parametrize("name", ["crm.create_tasks", "crm.*", "*", "CRM.create_task"])
def test_a_policy_that_names_an_unknown_tool_is_refused(name):
    """Names are exact: a misspelt one and a pattern name nothing."""
    message = refused([contract()], [policy({TOOL: rule(), name: rule()})])
    assert "'test.v1'" in message
    assert repr(name) in message
    assert TOOL in message


def test_a_policy_for_no_tools_at_all_is_refused():
    """A gateway without tools has nothing that a policy could name."""
    assert "the gateway has: none" in refused([], [policy()])


def test_a_resource_that_is_not_there_is_refused():
    """What a tool asks for by name must be passed in."""
    message = refused([contract()], [policy()], resources=())
    assert repr(TOOL) in message
    assert "'crm'" in message


@pytest.mark.req("A24")
def test_the_name_of_the_reason_is_taken():
    """The plan step adds an argument of its own, which no contract may have."""
    tool = contract(args=create_model("Args", reason=(int, 0)))
    message = refused([tool], [policy()])
    assert repr(TOOL) in message
    assert "'reason'" in message


@pytest.mark.req("B18")
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"where": {"properties": {"dael_id": {"maxLength": 5}}}}, ("where.properties", "'dael_id'", "deal_id")),
        ({"where": {"properties": {"deal_id.x": {"maxLength": 5}}}}, ("where.properties", "'deal_id.x'")),
        ({"where": {"required": ["owner"]}}, ("where.required", "'owner'")),
        ({"bind": {"subject": "party"}}, ("bind", "'subject'", "deal_id")),
        ({"bind": {"task_id": "party"}}, ("bind", "'task_id'")),
        ({"fields": ["status", "secret"]}, ("fields", "'secret'", "task_id, status")),
    ],
)
def test_a_rule_on_an_argument_that_is_not_there_is_refused(entry, words):
    """A rule that would rule nothing is a mistake: the message names the policy, the tool, the key and what there is."""
    message = refused([contract()], [policy({TOOL: rule(**entry)})])
    for word in ("'test.v1'", repr(TOOL), *words):
        assert word in message


@pytest.mark.req("B12", "B18")
def test_free_text_is_refused_for_the_policy_that_leaves_it_free():
    """One policy may bound what another leaves free: the message names the policy, the tool and the argument."""
    tool = contract(args=Worded)
    bounded = rule(where={"properties": {"text": {"maxLength": 50}}})
    check([tool], [policy({TOOL: bounded})])
    message = refused([tool], [policy({TOOL: bounded}), policy({TOOL: rule()}, name="loose")])
    for word in ("'loose'", repr(TOOL), "'text'"):
        assert word in message


@pytest.mark.req("A10")
@pytest.mark.parametrize(
    ("entry", "bind"), [({}, "'party'"), ({"bind": {"deal_id": "region"}}, "'region'")], ids=["default", "region"]
)
def test_records_that_cannot_be_looked_up_are_refused(entry, bind):
    """Without a system of record nothing can be bound, so such a gateway is not built."""
    message = refused([contract()], [policy({TOOL: rule(**entry)})], has_records=False)
    for word in ("'test.v1'", repr(TOOL), "'deal_id'", bind, "records="):
        assert word in message


@pytest.mark.req("A10")
def test_a_region_without_records_is_refused():
    """A region is known from records alone."""
    tool = contract(args=create_model("Args", n=(int, 0)))
    check([tool], [policy()], has_records=False)
    message = refused([tool], [policy({TOOL: rule(region="own")})], has_records=False)
    for word in ("'test.v1'", repr(TOOL), "'region'", "records="):
        assert word in message


def test_every_policy_is_looked_at():
    """The second policy is held to the same as the first."""
    message = refused([contract()], [policy(), policy({TOOL: rule(fields=["secret"])}, name="second")])
    assert "'second'" in message


@pytest.mark.req("B12")
def test_nested_arguments_are_named_with_their_path():
    """The argument is named by the way to it."""
    tool = contract(args=create_model("Args", items=(list[Worded], Field(max_length=3))))
    assert "items[].text" in refused([tool], [policy()])
