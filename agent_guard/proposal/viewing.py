"""Who looked at the values behind a question's pseudonyms: a policy may want that before somebody approves
(``approvers.review: raw``).
"""

from __future__ import annotations

import orjson
import sqlalchemy as sa

from agent_guard.approvals import Approval
from agent_guard.audit import AUDIT
from agent_guard.databases.query import Query
from agent_guard.gathering.arguments import tokens
from agent_guard.policy import Policy
from agent_guard.types import Subject

__all__ = ["masked_in", "must_look"]

_NOT_SAID = ("args_schema", "description")
"""Of what a question keeps: the contract's own words, and the same once more as Markdown."""

_VIEWED = Query(sa.select(AUDIT.c.body).where(AUDIT.c.trace_id == sa.bindparam("trace_id"), AUDIT.c.kind == "viewed"))


def masked_in(approval: Approval) -> list[str]:
    """The pseudonyms in what a question shows, in the order in which they stand there."""
    said = {name: item for name, item in approval.shown.items() if name not in _NOT_SAID}
    return list(dict.fromkeys(tokens(said)))


def must_look(connection: sa.Connection, approval: Approval, policy: Policy, by: Subject) -> bool:
    """Whether the policy wants a person to see the values of a question before approving it, and nothing says that
    this person has. A question that hides nothing needs no second look.
    """
    rule = policy.tools.get(approval.tool)
    if rule is None or rule.approvers is None or rule.approvers.review == "masked" or not masked_in(approval):
        return False
    seen = [orjson.loads(row.body) for row in _VIEWED.all(connection, {"trace_id": approval.trace_id})]
    return not any((event["approval_id"], event["approver"]) == (approval.id, by.id) for event in seen)
