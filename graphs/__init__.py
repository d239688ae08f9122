"""The reference application: five scenarios, of which one is built so far.

``SCENARIOS`` is what ``agent-guard --app graphs:SCENARIOS`` loads. The default model and the graph of a scenario are
imported when they are first made, so that listing the scenarios costs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent_guard.errors import ConfigError
from agent_guard.scenario import Opening, Scenario, World
from agent_guard.types import Clock, Party, Ref, Subject
from graphs.sdr_qualification.conversation import read
from tools import TOOLS
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM, known

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph

    from agent_guard.gateway import Gateway

__all__ = ["SCENARIOS"]

TENANT = "demo"
_HERE = Path(__file__).parent


def _world(url: str, clock: Clock) -> World:
    """The embedded CRM, filled with invented people where it is empty."""
    crm = SqlCRM(url, clock=clock)
    crm.create()
    seed(crm, now=clock())
    return World(resources={"crm": crm}, records=crm, close=crm.close)


def _sdr_conversation(source: Path | BinaryIO, world: World) -> Opening:
    """A lead's messages; the deal named in the header says who they are between.

    Raises:
        ConfigError: a broken line, or a deal that the CRM does not have.
    """
    conversation = read(source)
    crm: SqlCRM = world.resources["crm"]
    deal = crm.describe(Ref(kind="deal", id=conversation.deal_id))
    if deal is None or deal.party is None or deal.responsible is None:
        raise ConfigError(
            f"the conversation is about the deal {conversation.deal_id}, which the CRM does not have; name one that "
            "it has in the first line"
        )
    owner = Subject(id=deal.responsible, tenant=TENANT, roles={"sdr"}, region=deal.region)
    contact = deal.party.partition(":")[2]
    party = Party(id=deal.party, refs={"deal_id": conversation.deal_id}, known=known(crm, contact))
    return Opening(subject=owner, party=party, lines=[line.text for line in conversation.messages])


def _sdr_graph(model: BaseChatModel, gateway: Gateway) -> CompiledStateGraph[Any, Any, Any, Any]:
    from graphs.sdr_qualification.graph import build

    return build(model, gateway)


def _sdr_planner() -> BaseChatModel:
    from graphs.sdr_qualification.planner import SdrPlanner

    return SdrPlanner()


SCENARIOS = {
    "sdr_qualification": Scenario(
        name="sdr_qualification",
        tools=TOOLS,
        policy=_HERE / "sdr_qualification" / "policy.yaml",
        graph=_sdr_graph,
        planner=_sdr_planner,
        world=_world,
        read=_sdr_conversation,
        samples=_HERE / "sdr_qualification" / "samples",
    ),
}
