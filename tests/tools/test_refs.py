"""Every tool of the application says which of its arguments name a record, so that the gateway can judge whose it is."""

from __future__ import annotations

import pytest

from agent_guard.tool import Tool
from graphs import SCENARIOS
from tools.messages import send_template

TOOLS = {tool.name: tool for scenario in SCENARIOS.values() for tool in scenario.tools} | {
    send_template.name: send_template
}
NO_RECORD = {"template_id"}
"""A file of the application's, of which there is one for everybody."""


@pytest.mark.req("A10", "A16")
@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_a_tool_declares_the_records_it_names(tool: Tool) -> None:
    """Every argument that is an id is declared; only the search in the articles, which are nobody's, names no record."""
    named = {name for name in tool.args_model.model_fields if name.endswith("_id")} - NO_RECORD
    assert named <= set(tool.refs)
    assert tool.refs or tool.name == "knowledge.search"
