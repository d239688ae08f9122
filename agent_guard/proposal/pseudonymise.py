"""Raw words in, pseudonyms out: what a model or a person says becomes a call that may be stored (laws L4, L7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from agent_guard.core import Core
from agent_guard.databases.locks import chain_lock, data_key_lock
from agent_guard.errors import TextTooLong
from agent_guard.gathering.arguments import screen
from agent_guard.masking.tokens import mend
from agent_guard.masking.tripwire import leaks
from agent_guard.threads import ThreadRow
from agent_guard.tool import Tool
from agent_guard.types import JSON, Code, Origin, ToolCall
from agent_guard.units import sha256
from agent_guard.vault import ThreadVault, data_key_id

__all__ = ["CHECKED", "is_id", "masked_args", "masked_call", "masked_value", "minting"]

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,39}[0-9]{0,3}")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")

MINT_TRIES = 5
"""How often something is done again where another process minted the same pseudonym first."""

NEW_MAX = 200
"""Most new pseudonyms that one text or call may make."""
TOO_MANY = f"more than {NEW_MAX} new people and values stand in one text or call; so many are not taken at once"
CHECKED = "check"
"""The id of a call that is only looked at."""

ID_MAX = 100
NAME_MAX = 100
REASON_MAX = 300


def minting(
    core: Core,
    thread: ThreadRow,
    work: Callable[[ThreadVault], T],
    *,
    vault: ThreadVault | None = None,
    keep: Callable[[sa.Connection, T], None] | None = None,
    known: int = 0,
) -> T:
    """Masks with no transaction open and stores the new pseudonyms; done again where another process was first, and the
    last time in this thread's own turn, so that many processes that talk at once all come to an end.

    Args:
        vault: the thread's pseudonyms where they were just read.
        keep: stores what was made, in the transaction of the pseudonyms in it.
        known: how many values the host gives with it, which do not count as new.

    Raises:
        StoreError: the database cannot be used; what was masked must not be used either.
    """
    locks = [chain_lock(thread.id)]
    for _ in range(MINT_TRIES):
        vault = vault or core.vault.of(thread)
        done = work(vault)
        if not vault.changed and keep is None:
            return done
        with suppress(IntegrityError), core.store.write(locks=locks) as connection:
            _kept(connection, vault, done, keep, known)
            return done
        vault = None
    with core.store.write(locks=[*locks, data_key_lock(data_key_id(thread))]) as connection:
        vault = core.vault.read(connection, thread)
        done = work(vault)
        _kept(connection, vault, done, keep, known)
    return done


def _kept(
    connection: sa.Connection, vault: ThreadVault, done: T, keep: Callable[[sa.Connection, T], None] | None, known: int
) -> None:
    if vault.minted - known > NEW_MAX:
        raise TextTooLong(TOO_MANY)
    vault.flush(connection)
    if keep is not None:
        keep(connection, done)


def masked_call(
    core: Core, thread: ThreadRow, tool: str, args: Any, call_id: str | None, reason: str | None, vault: ThreadVault
) -> ToolCall:
    """A call with pseudonyms for values, its texts bounded; arguments that are no sane JSON are left out and noted.

    Args:
        call_id: the caller's, or None for a new one; ``CHECKED`` where nothing is kept of it.
    """
    problem, masked, mark = screen(args), {}, vault.mark  # what other calls of the message made stays theirs
    if problem is None:
        try:
            masked = masked_args(core, tool, args, vault, "invented")
        except TextTooLong:
            problem = Code.ARGUMENTS_TOO_LARGE
        if problem is not None or vault.minted > NEW_MAX:
            problem, masked = Code.ARGUMENTS_TOO_LARGE, {}
            vault.forget(mark)
    return ToolCall(
        id=core.new_id() if call_id is None else _call_id(call_id, vault),
        tool=tool if tool in core.tools else _label(tool, NAME_MAX, vault),
        args=masked,
        thread=thread.id,
        reason=None if reason is None else _reason(core, reason, vault),
        problem=problem,
    )


def masked_args(core: Core, tool: str, args: Mapping[str, JSON], vault: ThreadVault, origin: Origin) -> dict[str, JSON]:
    """Arguments with pseudonyms for values; ids of records are left as they are.

    Args:
        origin: who made the arguments up, for values that were not seen before.
    """
    found = core.tools.get(tool)
    plain = found.refs if found else {}
    known = found.arguments if found else frozenset()
    return {
        _argument(core, name, known, vault): value
        if name in plain and is_id(value, vault)
        else _masked(core, value, vault, origin, name)
        for name, value in args.items()
    }


def masked_value(core: Core, tool: Tool | None, name: str, value: JSON, vault: ThreadVault) -> JSON:
    """One value that a planner wrote for an argument; an id of a record is left as it is."""
    if tool is not None and name in tool.refs and is_id(value, vault):
        return value
    return _masked(core, value, vault, "invented", name)


def is_id(value: JSON, vault: ThreadVault) -> bool:
    """Whether a value has the form of an opaque id. It is then left alone even where its digits would pass for a
    number with a checksum; a value that the thread knows to be personal is none.
    """
    text = str(value)
    return bool(_ID.fullmatch(text)) and not any(span.source == "known" for span in leaks(text, vault))


def _argument(core: Core, name: str, known: Collection[str], vault: ThreadVault) -> str:
    """An argument's name: the contract's own, or a plain word; anything else that a model made up is not repeated."""
    spaced = name.replace("_", " ")
    plain = name in known or (bool(_NAME.fullmatch(name)) and core.masker.mask_known(spaced, vault) == spaced)
    return name if plain else f"hidden_{sha256(name)[-8:]}"


def _masked(core: Core, value: Any, vault: ThreadVault, origin: Origin, name: str = "") -> Any:
    if vault.minted > NEW_MAX:  # more is refused below; to go on would only cost time
        raise TextTooLong(TOO_MANY)
    if isinstance(value, str):
        return core.masker.mask(mend(value, vault.find), vault, origin, source="argument")
    if isinstance(value, Mapping):
        return {_argument(core, key, (), vault): _masked(core, item, vault, origin, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(core, item, vault, origin, name) for item in value]
    if type(value) is int:  # a telephone may be written as a number; its name or the thread's knowledge tells
        return next(iter(core.masker.mask_record({name: value}, {}, vault, origin, source="argument").values()), None)
    return value


def _reason(core: Core, reason: str, vault: ThreadVault) -> str:
    # cut after it is masked, so that no value is cut in half
    said = mend(_bounded(reason, 2 * REASON_MAX), vault.find)
    return core.masker.mask(said, vault, "invented", source="reason")[:REASON_MAX]


def _call_id(given: str, vault: ThreadVault) -> str:
    return CHECKED if given == CHECKED else _label(given, ID_MAX, vault)


def _label(text: object, most: int, vault: ThreadVault) -> str:
    """A name or an id that the model made up; one in which somebody's data stands is kept as a digest."""
    label = _bounded(text, most)
    return f"hidden-{sha256(label)[-16:]}" if leaks(label, vault) else label


def _bounded(text: object, most: int) -> str:
    """Text of the model as it may be stored: no lone surrogates, no control characters, not longer than ``most``."""
    clean = str(text).encode("utf-8", "replace").decode("utf-8")
    if clean.isprintable():
        return clean[:most]
    return "".join(letter if letter.isprintable() else " " for letter in clean)[:most]
