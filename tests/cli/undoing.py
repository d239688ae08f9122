"""The shipped scenario, with a way back from a task: another task that says so."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import graphs
from agent_guard.types import Change

_SDR = graphs.SCENARIOS["sdr_qualification"]


def _forget(change: Change) -> tuple[str, Mapping[str, Any]]:
    number = change.reference.partition(":")[2]
    args = {"deal_id": change.args["deal_id"], "kind": "call", "subject": f"Forget {number}: {change.args['subject']}"}
    return "crm.create_task", args | {"due": "2030-01-01"}


SCENARIOS = {
    "sdr_qualification": replace(
        _SDR, tools=[replace(item, undo=_forget) if item.name == "crm.create_task" else item for item in _SDR.tools]
    )
}
