"""The reference application: five scenarios over one embedded world, and the front desk before them.

``SCENARIOS`` is what ``agent-guard --app graphs:SCENARIOS`` loads. The default model and the graph of a scenario are
imported when they are first made, so that listing the scenarios costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent_guard.errors import ConfigError
from agent_guard.scenario import Opening, Scenario, World
from agent_guard.tool import Tool
from agent_guard.types import JSON, Clock, Party, Ref, Subject
from graphs.calendar_booking.conversation import read_booking
from graphs.front_desk.requests import read_desk_request
from graphs.requests import read_request
from graphs.sdr_qualification.conversation import read
from graphs.support_draft.requests import read_draft_request
from graphs.systems import calendar_of, channel_of, meetings_of
from tools import TOOLS
from tools.accounts import account_facts
from tools.alert_log import AlertLog
from tools.alerts import alert_slack
from tools.booking import confirm, free_slots, hold, release
from tools.calendars.sql_invitations import SqlInvitations
from tools.calendars.sql_zones import SqlZones
from tools.crm.seed import seed
from tools.crm.sql import SqlCRM, known
from tools.crm.sql_overview import SqlOverview
from tools.helpdesk.seed import seed_tickets
from tools.helpdesk.sql import SqlHelpdesk
from tools.knowledge import search_knowledge
from tools.knowledge_base import KnowledgeBase
from tools.records import RecordsByKind
from tools.stale_deals import stale_deals
from tools.tickets import answer_ticket, read_ticket

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph

    from agent_guard.gateway import Gateway
    from agent_guard.scanning import Scan

__all__ = ["FIVE", "SCENARIOS"]

TENANT = "demo"
_HERE = Path(__file__).parent
ARTICLES = _HERE.parent / "tools" / "articles"


def _world(url: str, clock: Clock) -> World:
    """The embedded CRM, filled with invented people where it is empty, and where notices to colleagues go."""
    with ExitStack() as closing:
        crm = SqlCRM(url, clock=clock)
        closing.callback(crm.close)
        helpdesk, log = SqlHelpdesk(crm), AlertLog(crm)
        with crm.alone():  # of processes that start at once the first one fills it
            for made in (crm, helpdesk, log):
                made.create()
            seed(crm, now=clock())
            seed_tickets(crm, now=clock())
            channel = channel_of(crm)
            calendar, ready = calendar_of(crm, clock, closing)
        resources = {"crm": crm, "overview": SqlOverview(crm), "alert_log": log, "channel": channel}
        resources |= {"helpdesk": helpdesk, "knowledge": KnowledgeBase.load(ARTICLES)}
        resources |= {"calendar": calendar, "zones": SqlZones(crm), "invitations": SqlInvitations(crm)}
        resources |= {"meetings": meetings_of(closing)}
        records = RecordsByKind(crm, {"ticket": helpdesk, "calendar": calendar, "event": calendar})
        close = closing.pop_all().close  # nothing was refused: from here on it is the world's
    return World(resources=resources, records=records, close=close, tidy=calendar.sweep, ready=ready)


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


def _booking(source: Path | BinaryIO, world: World) -> Opening:
    """A client's messages about a meeting with the owner of the deal that the header names.

    Raises:
        ConfigError: a broken line, or a deal that the CRM does not have.
    """
    booking = read_booking(source)
    crm: SqlCRM = world.resources["crm"]
    deal = crm.describe(Ref(kind="deal", id=booking.deal_id))
    if deal is None or deal.party is None or deal.responsible is None:
        raise ConfigError(f"the CRM has no deal {booking.deal_id}; name one that it has in the first line")
    owner = Subject(id=deal.responsible, tenant=TENANT, roles={"sdr"}, region=deal.region)
    contact = deal.party.partition(":")[2]
    world.resources["zones"].put(contact, booking.zone)
    refs = {"calendar_id": deal.responsible, "contact_id": contact}
    party = Party(id=deal.party, refs=refs, known=known(crm, contact))
    return Opening(subject=owner, party=party, lines=list(booking.texts))


def _support_request(source: Path | BinaryIO, world: World) -> Opening:
    """What a colleague asked for; the ticket named in the header says who it is about.

    Raises:
        ConfigError: a broken line, or a ticket that the helpdesk does not have.
    """
    request = read_draft_request(source)
    crm: SqlCRM = world.resources["crm"]
    helpdesk: SqlHelpdesk = world.resources["helpdesk"]
    ticket = helpdesk.describe(Ref(kind="ticket", id=request.ticket))
    if ticket is None or ticket.party is None:
        raise ConfigError(f"the helpdesk has no ticket {request.ticket}; name one that it has in the first line")
    subject = Subject(id=request.user, tenant=TENANT, roles=request.roles, region=request.region)
    author = known(crm, ticket.party.partition(":")[2])
    party = Party(id=ticket.party, refs={"ticket_id": request.ticket}, known=author)
    return Opening(subject=subject, party=party, lines=list(request.texts), speaker="user")


def _desk_request(source: Path | BinaryIO, world: World) -> Opening:
    """A request at the front desk, and the customer of the deal or ticket that its header names.

    Raises:
        ConfigError: a broken line, or a deal or ticket that the systems do not have.
    """
    request, texts = read_desk_request(source)
    crm: SqlCRM = world.resources["crm"]
    subject = Subject(id=request.user, tenant=TENANT, roles=request.roles, region=request.region)
    kind, id_ = ("ticket", request.ticket) if request.ticket else ("deal", request.deal)
    party: Party | None = None
    if id_ is not None:
        record = (crm if kind == "deal" else world.resources["helpdesk"]).describe(Ref(kind=kind, id=id_))
        if record is None or record.party is None:
            raise ConfigError(f"there is no {kind} {id_}; name one that there is in the first line")
        contact = record.party.partition(":")[2]
        refs = {f"{kind}_id": id_} | ({"calendar_id": request.user, "contact_id": contact} if kind == "deal" else {})
        party = Party(id=record.party, refs=refs, known=known(crm, contact))
    return Opening(subject=subject, party=party, lines=list(texts), speaker=request.speaker)


def _request(source: Path | BinaryIO, _world: World) -> Opening:
    """What a member of staff asked for; it is about no customer."""
    request = read_request(source)
    subject = Subject(id=request.user, tenant=TENANT, roles=request.roles, region=request.region)
    return Opening(subject=subject, party=None, lines=list(request.texts), speaker="user")


def _health_report(kind: str, calls: Sequence[Mapping[str, JSON]]) -> str:
    from graphs.account_health import report

    return report.html_of_calls(calls) if kind == "html" else report.markdown_of_calls(calls)


def _scenario(name: str, *, tools: Sequence[Tool], read: Callable[..., Opening], **more: Any) -> Scenario:
    """A scenario as its folder holds it: ``policy.yaml``, ``samples``, ``graph.build`` and ``planner.planner``,
    which are imported when they are first needed.
    """

    def graph(model: BaseChatModel, gateway: Gateway) -> CompiledStateGraph[Any, Any, Any, Any]:
        built: CompiledStateGraph[Any, Any, Any, Any] = import_module(f"graphs.{name}.graph").build(model, gateway)
        return built

    def planner() -> BaseChatModel:
        made: BaseChatModel = import_module(f"graphs.{name}.planner").planner()
        return made

    folder = _HERE / name
    return Scenario(
        name=name,
        tools=tools,
        policy=folder / "policy.yaml",
        graph=graph,
        planner=planner,
        world=_world,
        read=read,
        samples=folder / "samples",
        **more,
    )


def _scan(name: str, world: World) -> Scan:
    found: Scan = import_module(f"graphs.{name}.scan").scan(world, TENANT)
    return found


_ALL = (  # the five that a front desk can send a request into
    _scenario(
        "account_health",
        tools=(account_facts, alert_slack),
        read=_request,
        host_policies={"account_health_alert": _HERE / "account_health" / "alert.yaml"},
        scan=partial(_scan, "account_health"),
        report={"md": partial(_health_report, "md"), "html": partial(_health_report, "html")},
    ),
    _scenario("calendar_booking", tools=(free_slots, hold, confirm, release), read=_booking),
    _scenario(
        "forgotten_deal",
        tools=(stale_deals, alert_slack),
        read=_request,
        host_policies={"forgotten_deal_scan": _HERE / "forgotten_deal" / "scan.yaml"},
        scan=partial(_scan, "forgotten_deal"),
    ),
    _scenario("sdr_qualification", tools=TOOLS, read=_sdr_conversation),
    _scenario("support_draft", tools=(read_ticket, search_knowledge, answer_ticket), read=_support_request),
)
FIVE = {scenario.name: scenario for scenario in _ALL}
SCENARIOS = FIVE | {"front_desk": _scenario("front_desk", tools=(), read=_desk_request)}
