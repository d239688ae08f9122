"""The embedded model of this scenario: it offers times, understands a choice, holds it and asks for a confirmation.

It is a limited one: it understands days, hours and ordinals in three languages, and where it does not it asks again.
Nothing that a text says makes it do more than hold a time that was offered, and ask a person to confirm it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage

from graphs.calendar_booking.wishes import Wish, chosen, starts, wish_of
from graphs.calendar_booking.words import SAID, shown
from graphs.rules import RulePlanner, proposes
from graphs.turn import Result, Turn
from tools.leads import asks_for_human, opted_out, own_words

__all__ = ["planner"]

FREE, HOLD, CONFIRM, RELEASE = "calendar__free_slots", "calendar__hold", "calendar__confirm", "calendar__release"
LOOKS_MAX = 3
"""Looks into the calendar in one turn."""

_DONE = ("executed", "duplicate")


def planner() -> RulePlanner:
    """The model."""
    return RulePlanner(model_name="calendar-booking-planner-1", step=step)


@dataclass(frozen=True)
class _Talk:
    """The whole conversation, as far as it matters for what comes next."""

    turn: Turn

    @cached_property
    def past(self) -> tuple[Result, ...]:
        """Every call that was answered, in order."""
        return tuple(self._past())

    def _past(self) -> Iterator[Result]:
        messages = self.turn.messages
        ends = [place for place, item in enumerate(messages) if isinstance(item, HumanMessage)]
        for end in [*ends[1:], len(messages)]:
            yield from Turn(messages[:end]).results

    @cached_property
    def refs(self) -> dict[str, str] | None:
        """Calendar and contact of the context, or None where one is missing."""
        refs = self.turn.context.get("refs")
        if not isinstance(refs, dict) or not {"calendar_id", "contact_id"} <= refs.keys():
            return None
        return {name: str(refs[name]) for name in ("calendar_id", "contact_id")}

    @cached_property
    def seen(self) -> Mapping[str, Any] | None:
        """What the last look into the calendar told."""
        return next((result.data for result in reversed(self.past) if result.tool == FREE and result.data), None)

    @property
    def offers(self) -> list[datetime]:
        """What was offered last."""
        return starts(self.seen["slots"]) if self.seen else []

    @property
    def today(self) -> date:
        """The day at the client's, as the last look told it; before one, any day does."""
        return date.fromisoformat(self.seen["today"]) if self.seen else date.min

    @cached_property
    def held(self) -> Result | None:
        """The hold that was neither released nor confirmed, as far as the conversation knows."""
        found: Result | None = None
        for result in self.past:
            if result.tool == HOLD and result.status in _DONE and result.data:
                found = result
            elif result.tool in (RELEASE, CONFIRM) and result.status in _DONE:
                found = None
        return found

    @cached_property
    def confirmed(self) -> bool:
        """Whether a meeting was confirmed."""
        return any(result.tool == CONFIRM and result.status in _DONE for result in self.past)


def step(turn: Turn, tools: frozenset[str]) -> AIMessage:
    """One step. The order of the cases is the behaviour."""
    talk, said = _Talk(turn), SAID[turn.language]
    if talk.refs is None or not {FREE, HOLD, CONFIRM, RELEASE} <= tools:
        return AIMessage(said["lost"])
    wish = wish_of(turn.words)
    last = turn.results[-1] if turn.results else None
    leaving = _leaving(turn, wish)
    if last is not None and last.tool == CONFIRM:
        return _after_confirm(talk, last)
    if leaving is not None:
        released = last is not None and last.tool == RELEASE
        return (
            _release(talk, f"the client wants no time of ours: {leaving}")
            if talk.held and not released
            else AIMessage(said[leaving])
        )
    if last is not None and last.tool == RELEASE:
        refused = [result for result in turn.results if result.tool == CONFIRM]
        return AIMessage(said["refused"]) if refused else _look_or_hold(talk, wish)
    if last is not None and last.tool == HOLD:
        return _after_hold(talk, last, wish)
    if last is not None:
        return _after_look(talk, last, wish)
    if talk.confirmed:
        return AIMessage(said["later"])
    if talk.held is not None:
        return _while_held(talk, talk.held, wish)
    return _look_or_hold(talk, wish)


def _leaving(turn: Turn, wish: Wish) -> str | None:
    """How the client ends the conversation, or None."""
    said = [message.text for message in turn.messages if isinstance(message, HumanMessage)]
    words = own_words(said[-1]) if said else ""
    if opted_out(words):
        return "opt_out"
    if asks_for_human(words) and not wish.names_time:  # a call on Tuesday is a meeting
        return "human"
    return "cancelled" if wish.cancel and not wish.names_time else None


def _look_or_hold(talk: _Talk, wish: Wish) -> AIMessage:
    """Holds what the client chose of the offers, else looks for what they wish."""
    start = chosen(talk.turn.words, talk.offers, wish, talk.today)
    if start is not None:
        return _hold(talk, start)
    if talk.offers and not wish.names_time and not wish.other and wish.answer is not False:
        return AIMessage(SAID[talk.turn.language]["which"].format(slots=_listed(talk)))
    later = {"first_day": (talk.offers[-1].date() + timedelta(days=1)).isoformat()} if talk.offers else {}
    return _look(talk, "the client needs free times to choose from", **(wish.args() if wish.names_time else later))


def _while_held(talk: _Talk, held: Result, wish: Wish) -> AIMessage:
    said = SAID[talk.turn.language]
    start = chosen(talk.turn.words, talk.offers, wish, talk.today)
    same = start is not None and held.data is not None and start == datetime.fromisoformat(held.data["start"])
    if wish.answer is True and (start is None or same) and not wish.cancel:
        event_id = held.data["event_id"] if held.data else ""
        return proposes(talk.turn, CONFIRM, "the client said yes to the time that is held", event_id=event_id)
    if wish.answer is False or wish.other or (wish.names_time and not same):
        return _release(talk, "the client prefers another time")
    when = shown(talk.turn.language, datetime.fromisoformat(held.data["start"])) if held.data else ""
    return AIMessage(said["again"].format(when=when))


def _after_look(talk: _Talk, last: Result, wish: Wish) -> AIMessage:
    said = SAID[talk.turn.language]
    if last.data is None:
        return AIMessage(said["failed"])
    found = starts(last.data["slots"])
    gone = any(result.tool == HOLD and result.status not in _DONE for result in talk.turn.results)
    if wish.exact and not gone and found and wish.fits(found[0], talk.today):
        return _hold(talk, found[0])
    if not found:
        return AIMessage(said["none"])
    offer = said["offer"].format(slots=_listed(talk))
    return AIMessage(f"{said['gone']} {offer}" if gone else offer)


def _after_hold(talk: _Talk, last: Result, wish: Wish) -> AIMessage:
    said = SAID[talk.turn.language]
    if last.status in _DONE and last.data is not None:
        start, until = (datetime.fromisoformat(last.data[name]) for name in ("start", "until"))
        when = shown(talk.turn.language, start)
        return AIMessage(said["held"].format(when=when, until=f"{until:%H:%M}"))
    if last.status == "failed" and len(talk.turn.of(FREE)) < LOOKS_MAX and len(talk.turn.of(HOLD)) == 1:
        day = str(last.args.get("start"))[:10]  # as it was offered
        return _look(talk, "the time was taken meanwhile", first_day=day, part=wish.part)
    return AIMessage(said["refused"])


def _after_confirm(talk: _Talk, last: Result) -> AIMessage:
    said = SAID[talk.turn.language]
    if last.status in _DONE and last.data is not None:
        when = shown(talk.turn.language, datetime.fromisoformat(last.data["start"]))
        return AIMessage(said["booked"].format(when=when))
    if talk.held is not None:
        return _release(talk, "the time was not confirmed")
    return AIMessage(said["refused"])


def _look(talk: _Talk, why: str, **args: Any) -> AIMessage:
    return proposes(talk.turn, FREE, why, **(talk.refs or {}), **args)


def _hold(talk: _Talk, start: datetime) -> AIMessage:
    why = "the client chose this time"
    return proposes(talk.turn, HOLD, why, **(talk.refs or {}), start=start.isoformat(), topic="demo")


def _release(talk: _Talk, why: str) -> AIMessage:
    held = talk.held
    return proposes(talk.turn, RELEASE, why, event_id=held.data["event_id"] if held and held.data else "")


def _listed(talk: _Talk) -> str:
    offers: Sequence[datetime] = talk.offers
    return "\n".join(f"{place}) {shown(talk.turn.language, start)}" for place, start in enumerate(offers, 1))
