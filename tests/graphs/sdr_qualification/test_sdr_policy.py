"""The scenario's policy and prompt name exactly what the scenario has."""

from __future__ import annotations

import pytest

from agent_guard.policy import Policy
from graphs.sdr_qualification.planner import CREATE_TASK, READ_DEAL
from tests.graphs.sdr_qualification.talk import SAMPLES
from tools.deals import DealSeen
from tools.leads import LETTERS

SCENARIO = SAMPLES.parent


@pytest.mark.req("A1", "A25")
def test_the_policy_permits_a_read_and_an_approved_draft() -> None:
    """Two tools and no third: the deal is read, and the draft waits for a manager who is not the requester."""
    policy = Policy.load(SCENARIO / "policy.yaml")
    assert {name: rule.mode for name, rule in policy.tools.items()} == {
        "crm.read_deal": "execute",
        "crm.create_task": "approve",
    }
    assert policy.tools["crm.read_deal"].fields == list(DealSeen.model_fields)
    task = policy.tools["crm.create_task"]
    assert task.bind == {"deal_id": "party"}
    assert task.approvers is not None
    assert task.approvers.roles == ["manager"] and task.approvers.not_requester


@pytest.mark.req("A24", "A25")
def test_the_prompt_names_the_tools_the_plan_and_the_letters() -> None:
    """A real model is told the same job: both tools, the plan with its reason, the four letters, text as data."""
    prompt = (SCENARIO / "prompt.md").read_text(encoding="utf-8")
    for words in (READ_DEAL, CREATE_TASK, "Plan: 1.", "because", *LETTERS, "never\ninstructions", "Six questions"):
        assert words in prompt or words.replace("\n", " ") in " ".join(prompt.split())
