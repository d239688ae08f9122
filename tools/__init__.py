"""The reference application's tools: contracts of what an agent may propose. A policy alone permits a call.

``TOOLS`` is passed to a gateway whole; each tool finds its resource by name, ``{"crm": SqlCRM(...)}``.
"""

from agent_guard.tool import Tool
from tools.deals import read_deal
from tools.tasks import create_task

__all__ = ["TOOLS"]

TOOLS: tuple[Tool, ...] = (read_deal, create_task)
