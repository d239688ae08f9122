"""Every AgentDojo tool as a contract of ours: one line a tool, written from its description.

``effect``: an own file that nobody else sees and that can be deleted again is a draft; whatever mails, invites, pays,
shares or posts is a send; fetching a page is egress, because its address leaves. ``sensitive``: what decides where
something goes, how much, or which record is touched. ``words``: short text that somebody will read, a title or a
subject. ``body``: the text itself. ``audience``: who else will see it; without any of them it is a draft: an event
without guests stands in the user's own calendar alone.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from agent_guard.errors import ToolRejected
from agent_guard.tool import Tool
from benchmarks.attack.planner import Traits
from benchmarks.attack.results import FIELDS, split

__all__ = ["TABLE", "Desk", "Line", "contracts", "traits"]

TEXT_MAX, BODY_MAX, ITEMS_MAX = 400, 20_000, 60


@dataclass(frozen=True)
class Line:
    """What one tool's contract says beyond its signature; names of arguments are separated by spaces."""

    effect: str
    shape: str
    sensitive: str = ""
    words: str = ""
    body: str = ""
    audience: str = ""

    @property
    def writes(self) -> bool:
        return self.effect != "read"

    def drafts(self, args: Mapping[str, Any]) -> bool:
        """Whether a call makes something that only the user sees and can delete."""
        alone = self.audience and not any(args.get(name) for name in self.audience.split())
        return self.effect == "draft" or bool(alone)


_MAIL = Line("send", "made", "recipients cc bcc attachments", "subject", "body")
_NEW_EVENT = Line("send", "made", "participants start_time", "title description location", audience="participants")
_CANCEL = Line("delete", "nothing", "event_id")

TABLE: Mapping[str, Mapping[str, Line]] = {
    "workspace": {
        "send_email": _MAIL,
        "delete_email": Line("delete", "nothing", "email_id"),
        "get_unread_emails": Line("read", "emails"),
        "get_sent_emails": Line("read", "emails"),
        "get_received_emails": Line("read", "emails"),
        "get_draft_emails": Line("read", "emails"),
        "search_emails": Line("read", "emails"),
        "search_contacts_by_name": Line("read", "contacts"),
        "search_contacts_by_email": Line("read", "contacts"),
        "get_current_day": Line("read", "day"),
        "search_calendar_events": Line("read", "events"),
        "get_day_calendar_events": Line("read", "events"),
        "create_calendar_event": _NEW_EVENT,
        "cancel_calendar_event": _CANCEL,
        "reschedule_calendar_event": Line("send", "made", "event_id new_start_time"),
        "add_calendar_event_participants": Line("send", "made", "event_id participants"),
        "append_to_file": Line("write", "made", "file_id", "", "content"),
        "search_files_by_filename": Line("read", "files"),
        "create_file": Line("draft", "made", "", "filename", "content"),
        "delete_file": Line("delete", "made", "file_id"),
        "get_file_by_id": Line("read", "files"),
        "list_files": Line("read", "files"),
        "share_file": Line("send", "made", "file_id email permission"),
        "search_files": Line("read", "files"),
    },
    "travel": {
        "get_user_information": Line("read", "profile"),
        "get_all_hotels_in_city": Line("read", "names:hotel"),
        "get_hotels_prices": Line("read", "hotel:price"),
        "get_rating_reviews_for_hotels": Line("read", "hotel:rating"),
        "get_hotels_address": Line("read", "hotel:address"),
        "get_all_restaurants_in_city": Line("read", "names:restaurant"),
        "get_cuisine_type_for_restaurants": Line("read", "restaurant:cuisine"),
        "get_restaurants_address": Line("read", "restaurant:address"),
        "get_rating_reviews_for_restaurants": Line("read", "restaurant:rating"),
        "get_dietary_restrictions_for_all_restaurants": Line("read", "restaurant:diet"),
        "get_contact_information_for_restaurants": Line("read", "restaurant:contact"),
        "get_price_for_restaurants": Line("read", "restaurant:price"),
        "check_restaurant_opening_hours": Line("read", "restaurant:hours"),
        "get_all_car_rental_companies_in_city": Line("read", "names:company"),
        "get_car_types_available": Line("read", "company:cars"),
        "get_rating_reviews_for_car_rental": Line("read", "company:rating"),
        "get_car_fuel_options": Line("read", "company:fuel"),
        "get_car_rental_address": Line("read", "company:address"),
        "get_car_price_per_day": Line("read", "company:price"),
        "create_calendar_event": _NEW_EVENT,
        "search_calendar_events": Line("read", "events"),
        "get_day_calendar_events": Line("read", "events"),
        "cancel_calendar_event": _CANCEL,
        "reserve_hotel": Line("write", "nothing", "hotel start_day end_day"),
        "reserve_car_rental": Line("write", "nothing", "company start_time end_time"),
        "reserve_restaurant": Line("write", "nothing", "restaurant start_time"),
        "get_flight_information": Line("read", "flights"),
        "send_email": _MAIL,
    },
    "banking": {
        "get_iban": Line("read", "iban"),
        "send_money": Line("send", "nothing", "recipient amount", "subject"),
        "schedule_transaction": Line("send", "nothing", "recipient amount", "subject"),
        "update_scheduled_transaction": Line("send", "nothing", "id recipient amount", "subject"),
        "get_balance": Line("read", "balance"),
        "get_most_recent_transactions": Line("read", "transactions"),
        "get_scheduled_transactions": Line("read", "transactions"),
        "read_file": Line("read", "text"),
        "get_user_info": Line("read", "profile"),
        "update_password": Line("write", "nothing", "password"),
        "update_user_info": Line("write", "nothing", "first_name last_name street city"),
    },
    "slack": {
        "get_channels": Line("read", "names:channel"),
        "add_user_to_channel": Line("write", "nothing", "user channel"),
        "read_channel_messages": Line("read", "messages"),
        "read_inbox": Line("read", "messages"),
        "send_direct_message": Line("send", "nothing", "recipient", "", "body"),
        "send_channel_message": Line("send", "nothing", "channel", "", "body"),
        "get_users_in_channel": Line("read", "names:user"),
        "invite_user_to_slack": Line("send", "nothing", "user user_email"),
        "remove_user_from_slack": Line("delete", "nothing", "user"),
        "get_webpage": Line("egress", "text", "url"),
        "post_webpage": Line("send", "nothing", "url", "", "content"),
    },
}


@dataclass
class Desk:
    """Where the tools of all threads find the environment of the run that is on: set before each run.

    Args:
        runtime: AgentDojo's own executor of its functions.
        raw: what the last function returned, before anything was split or masked.
        ran: whether a function was run at all.
    """

    runtime: Any
    env: Any = None
    raw: Any = None
    error: str | None = None
    ran: int = 0
    shapes: Mapping[str, str] = field(default_factory=dict)


class Answer(BaseModel):
    """Both halves of a result."""

    trusted: Any = None
    outside: Any = None


class Attachment(BaseModel):
    """A file of the drive. AgentDojo's other kind, an event spelled out, is used by no task and is not offered."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["file"]
    file_id: str = Field(max_length=40)


def traits(suite: Any) -> dict[str, Traits]:
    """What the planner must know of a suite's tools."""
    return {tool.name: _traits(tool, TABLE[suite.name][tool.name]) for tool in contracts(suite)}


def _traits(tool: Tool, line: Line) -> Traits:
    fields = tool.args_model.model_fields
    return Traits(
        sensitive=tool.sensitive,
        words=frozenset(line.words.split()),
        bodies=frozenset(line.body.split()),
        closed=frozenset(name for name, item in fields.items() if _is_closed(item.annotation)),
        defaults={name: item.default for name, item in fields.items() if not item.is_required()},
        writes=tool.writes,
    )


def _is_closed(annotation: Any) -> bool:
    return isinstance(annotation, type) and (annotation is bool or issubclass(annotation, enum.Enum))


def contracts(suite: Any) -> list[Tool]:
    """The contracts of a suite's tools, each of which needs the resource ``desk``."""
    return [_contract(function, TABLE[suite.name][function.name]) for function in suite.tools]


def _contract(function: Any, line: Line) -> Tool:
    args_model = _bounded(function, line)
    texts = {name for name, item in args_model.model_fields.items() if _holds_text(item.annotation)}

    def run(args: Any, desk: Desk) -> Answer:
        desk.ran += 1
        result, error = desk.runtime.run_function(desk.env, function.name, args.model_dump(mode="json"))
        desk.raw, desk.error = result, error
        if error:
            raise ToolRejected("the environment refused it", code="refused")
        trusted, outside = split(line.shape, result)
        return Answer(trusted=trusted, outside=outside)

    return Tool(
        name=function.name,
        run=run,
        args_model=args_model,
        result_model=Answer,
        effect=line.effect,  # type: ignore[arg-type]
        timeout_s=10,
        description=function.description,
        sensitive=frozenset(line.sensitive.split()),
        audience=tuple(line.audience.split()),
        unmask=frozenset(texts),
        untrusted=frozenset({"outside"}),
        result_fields=FIELDS.get(line.shape, {}),
    )


def _bounded(function: Any, line: Line) -> type[BaseModel]:
    """The function's own parameters with a bound on every text and list."""
    words = line.body.split()
    fields: dict[str, Any] = {}
    for name, item in function.parameters.model_fields.items():
        most = BODY_MAX if name in words else TEXT_MAX
        default = ... if item.is_required() else item.default
        fields[name] = (_bound(item.annotation, most), Field(default, description=item.description))
    return create_model(f"{function.name}_args", __config__=ConfigDict(extra="forbid"), **fields)


def _bound(annotation: Any, most: int) -> Any:
    if annotation is str:
        return Annotated[str, Field(max_length=most)]
    if annotation is dict:
        return Attachment
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return Annotated[list[_bound(inner[0], most)], Field(max_length=ITEMS_MAX)]  # type: ignore[misc]
    if origin in (Union, types.UnionType):
        return Union[tuple(_bound(item, most) for item in inner)]  # noqa: UP007
    return annotation


def _holds_text(annotation: Any) -> bool:
    return annotation in (str, Attachment) or any(_holds_text(item) for item in typing.get_args(annotation))
