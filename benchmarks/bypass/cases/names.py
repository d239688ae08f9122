"""Which tool: a name in another spelling, a tool that nobody permitted, no policy at all, a check that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.bypass.cases.shared import ANNA, DELETE, SEND, call, need
from benchmarks.bypass.suite import Case

__all__ = ["CASES"]

_OK = call("send_message", to=ANNA, text="Hello")
_WIDE = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in DELETE.name)
_TWIN = SEND.name.replace("e", "\N{CYRILLIC SMALL LETTER IE}", 1)


def _spelled(variant: str, name: str) -> Case:
    attack = call(name, {"id": "7"})
    return Case(group="name of a forbidden tool", variant=variant, need=need(SEND, DELETE), attack=attack, lawful=_OK)


def _without(variant: str, **options: Any) -> Case:
    most = {SEND.name: 0}
    return Case(group="no policy", variant=variant, need=need(SEND, **options), attack=_OK, most=most)


CASES = [
    _spelled("as it is", "delete_contact"),
    _spelled("other case", "Delete_Contact"),
    _spelled("spaces around", " delete_contact "),
    _spelled("full width", _WIDE),
    _spelled("lone surrogate behind", "delete_contact\ud800"),
    Case(
        group="name of a permitted tool",
        variant="Cyrillic letter",
        need=need(SEND),
        attack=call(_TWIN, to=ANNA, text="Hello"),
        lawful=_OK,
    ),
    Case(
        group="a tool nobody permitted",
        variant="in the toolbox, not in the policy",
        need=need(SEND, replace(DELETE, permitted="unmentioned")),
        attack=call("delete_contact", id="7"),
        lawful=_OK,
    ),
    _without("none was written", policy="none"),
    _without("an empty one", policy="empty"),
    _without("its file is missing", policy="missing"),
    Case(
        group="a check of the team's own",
        variant="raises an exception",
        need=need(SEND, broken=True),
        attack=_OK,
        most={SEND.name: 0},
    ),
]
