"""Every code, with its class and whether the run stops."""

from __future__ import annotations

from agent_guard.codes import Code
from scripts.reference.markdown import head, table

__all__ = ["page"]


def page() -> str:
    rows = [[f"`{code}`", code.error_class or "none", "yes" if code.stops else ""] for code in Code]
    return (
        head(
            "Codes",
            "Why a call was decided or ended so: `Decision.code`, `ToolResult.code`, and `decision.code` and "
            "`error.code` of an audit event. The list is closed; names are only added. Where the run stops, the agent "
            "proposes nothing more and a person is called.",
        )
        + "\n\n"
        + table(["code", "class of error", "the run stops"], rows)
        + "\n"
    )
