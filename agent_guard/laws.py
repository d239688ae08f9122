"""Ten laws of a system of record, and a look at whether yours keeps them, for the tests of an adapter.

The gateway decides by what ``Records.describe`` tells: whose a record is, where it lies, and whether it changed since a
person looked. A tool's ``lookup`` asks by idempotency key what became of a call. Where one of these answers is wrong,
the gateway decides wrongly and cannot notice: so they are checked before.

    @pytest.mark.parametrize("law", LAWS, ids=str)
    def test_my_crm_keeps_the_law(law, tmp_path):
        law.check(SystemUnderTest(open=lambda: MyCrm(tmp_path / "crm.db"), record=Ref(kind="deal", id="1"), ...))

In a notebook ``check_laws(make)`` shows all ten at once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

from agent_guard.errors import ToolRejected, ToolUnavailable
from agent_guard.text import markup
from agent_guard.tool import FIELD_CLASSES
from agent_guard.types import Description, Records, Ref

__all__ = ["LAWS", "Law", "LawBroken", "Report", "SystemUnderTest", "check_laws"]

KEY_REUSED = "key_reused"
"""The code of ``ToolRejected`` where a key already stands for another record."""

AT_ONCE = 20
"""How many writers begin at one moment."""

NOWHERE = ("999999999", "", " ", "x", "-1", "1; --", "1' or '1'='1", "9" * 40, "1\x00", "\ud800")
"""Ids that name nothing, whatever their form. A record has one spelling: with two of them it would have two keys."""


class LawBroken(AssertionError):
    """A system of record does not keep a law; the message says what was seen."""


@dataclass(frozen=True, kw_only=True)
class SystemUnderTest:
    """A system of record with invented data, and how it is written to. Each law is checked on one of its own.

    Args:
        open: opens the same store each time it is called, as a restarted process would.
        record: a record that is there, e.g. a deal.
        other: a record of another customer.
        kind: of the record that is written.
        write: ``(system, body, key) -> id``: writes the record number ``body`` (0 or 1, which say different things)
            under an idempotency key, as a tool of yours does, on ``record``.
        find: ``(system, key) -> id or None``: what a tool's ``lookup`` does.
        count: ``(system) -> int``: how many records of ``kind`` there are.
        edit: ``(system) -> None``: a person changes ``record`` in the system's own window.
        down: opens the system as it is when it cannot be asked.
    """

    open: Callable[[], Records]
    record: Ref
    other: Ref
    kind: str
    write: Callable[[Any, int, str], str] = field(repr=False)
    find: Callable[[Any, str], str | None] = field(repr=False)
    count: Callable[[Any], int] = field(repr=False)
    edit: Callable[[Any], None] = field(repr=False)
    down: Callable[[], Any] = field(repr=False)


@dataclass(frozen=True)
class Law:
    """One law.

    Args:
        number: 1 to 10.
        name: in one word.
        says: in one sentence.
    """

    number: int
    name: str
    says: str
    _check: Callable[[SystemUnderTest], None] = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def check(self, system: SystemUnderTest) -> None:
        """Checks one store of its own.

        Raises:
            LawBroken: the law is not kept; the message says what was seen.
        """
        self._check(system)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of each law.

    Args:
        broken: law -> what was seen, for those that are not kept.
    """

    broken: dict[Law, str]

    @property
    def kept(self) -> bool:
        """Whether all of them are."""
        return not self.broken

    def __str__(self) -> str:
        """One line a law."""
        words = {law: "broken" if law in self.broken else "kept" for law in LAWS}
        return "\n".join(f"{words[law]:7}{law.number:3} {law.name:9} {self.broken.get(law, law.says)}" for law in LAWS)

    def _repr_html_(self) -> str:
        """For a notebook."""
        return markup.table(
            (
                markup.grey(str(law.number)),
                markup.badge("broken" if law in self.broken else "kept"),
                markup.value(law.says) + markup.line(markup.value(self.broken.get(law, ""))),
            )
            for law in LAWS
        )


def check_laws(make: Callable[[], SystemUnderTest]) -> Report:
    """Checks all ten laws, each on a new system.

    Args:
        make: makes a store of its own, filled with the same data, each time.
    """
    broken: dict[Law, str] = {}
    for law in LAWS:
        try:
            law.check(make())
        except Exception as error:  # a system under test may fail in any way, and that breaks the law as well
            broken[law] = str(error) if isinstance(error, LawBroken) else f"it raised {type(error).__name__}: {error}"
    return Report(broken=broken)


# ---- what a description tells


def _told(given: SystemUnderTest) -> None:
    system, known = given.open(), given.record.id
    _described(system, given.record)
    spelled = tuple(form.format(known) for form in (" {}", "{} ", "0{}", "+{}", "{}.0", "{}\n"))
    for kind in (given.record.kind, "nothing_of_this_kind", ""):
        for id_ in (*NOWHERE, *spelled):
            found = system.describe(Ref(kind=kind, id=id_))
            _hold(found is None, f"the id {id_!r} of the kind {kind!r} names nothing and is described")


def _whose(given: SystemUnderTest) -> None:
    system = given.open()
    mine, other = _described(system, given.record), _described(system, given.other)
    for ref, seen in ((given.record, mine), (given.other, other)):
        _hold(isinstance(seen.party, str) and bool(seen.party), f"{ref} names no party, so nothing binds it to anybody")
        for name in ("responsible", "region", "name", "tenant"):
            value = getattr(seen, name)
            _hold(value is None or (isinstance(value, str) and bool(value)), f"{ref}: {name} is no text and not None")
    _hold(mine.party != other.party, f"{given.record} and {given.other} are of one party, and should be of two")


def _fields(given: SystemUnderTest) -> None:
    system = given.open()
    made = Ref(kind=given.kind, id=given.write(system, 0, _key()))
    for ref in (given.record, given.other, made):
        seen = _described(system, ref)
        _hold(bool(seen.snapshot), f"{ref} has an empty snapshot, so no change of it can be shown")
        for name in seen.snapshot:
            said = seen.fields.get(name)
            _hold(said in FIELD_CLASSES, f"{ref}: {name} is said to hold {said!r}, which is no class of fields")
        try:
            json.dumps(dict(seen.snapshot), allow_nan=False)
        except (TypeError, ValueError):
            raise LawBroken(f"{ref}: its snapshot is not plain JSON; write days and amounts as texts") from None


def _version(given: SystemUnderTest) -> None:
    system = given.open()
    first = _described(system, given.record)
    untouched = _described(system, given.other)
    _hold(isinstance(first.version, str) and bool(first.version), f"{given.record} has no version, which is a text")
    _hold(_described(given.open(), given.record) == first, "two looks at an unchanged record differ")
    given.edit(system)
    _hold(_described(system, given.record).version != first.version, "an edit left the record's version as it was")
    _hold(_described(system, given.other) == untouched, "an edit of one record changed another")


# ---- what a key is


def _once(given: SystemUnderTest) -> None:
    system, key = given.open(), _key()
    before = given.count(system)
    first, again = given.write(system, 0, key), given.write(system, 0, key)
    _hold(given.count(system) == before + 1, f"one key made {given.count(system) - before} records")
    _hold(first == again, "the same key and body gave another record's id")
    given.write(system, 0, _key())
    _hold(given.count(system) == before + 2, "another key made no record of its own; do not guess duplicates")


def _one_body(given: SystemUnderTest) -> None:
    system, key = given.open(), _key()
    made = Ref(kind=given.kind, id=given.write(system, 0, key))
    before, count = _described(system, made), given.count(system)
    try:
        given.write(system, 1, key)
    except ToolRejected as refused:
        _hold(refused.code == KEY_REUSED, f"it was refused as {refused.code!r}; the code is {KEY_REUSED!r}")
    else:
        raise LawBroken("a key was taken for a record that says something else; raise ToolRejected(code='key_reused')")
    _hold(given.count(system) == count, "a refused write made a record")
    _hold(_described(system, made) == before, "a refused write changed the record of its key")


def _at_once(given: SystemUnderTest) -> None:
    system, key, start = given.open(), _key(), Barrier(AT_ONCE)
    before = given.count(system)

    def write(_: int) -> str:
        start.wait()
        return given.write(system, 0, key)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        ids = set(threads.map(write, range(AT_ONCE)))
    made = given.count(system) - before
    _hold(made == 1, f"{AT_ONCE} writers with one key made {made} records")
    _hold(len(ids) == 1, f"{AT_ONCE} writers with one key were given {len(ids)} ids")


def _restart(given: SystemUnderTest) -> None:
    system, key = given.open(), _key()
    first, seen = given.write(system, 0, key), _described(system, given.record)
    later = given.open()
    count = given.count(later)
    _hold(given.write(later, 0, key) == first and given.count(later) == count, "after a restart the key made another")
    _hold(_described(later, given.record) == seen, "after a restart an unchanged record is described otherwise")


def _found(given: SystemUnderTest) -> None:
    system, key = given.open(), _key()
    _hold(given.find(system, key) is None, "a key that was never used finds a record")
    made = given.write(system, 0, key)
    _hold(given.find(system, key) == made, "a key does not find the record that was written under it")
    _hold(given.find(given.open(), key) == made, "another process does not find it")
    seen, above = _described(system, Ref(kind=given.kind, id=made)), _described(system, given.record)
    _hold(seen.party == above.party, "what is written on a record belongs to another party than the record")


def _down(given: SystemUnderTest) -> None:
    system, key = given.down(), _key()
    asked: dict[str, Callable[[], object]] = {
        "describe": lambda: system.describe(given.record),
        "write": lambda: given.write(system, 0, key),
        "find": lambda: given.find(system, key),
    }
    for name, ask in asked.items():
        try:
            ask()
        except ToolUnavailable as failed:
            _hold(key not in str(failed), f"{name}: the message repeats the key")
            _hold(
                failed.__cause__ is None and (failed.__context__ is None or failed.__suppress_context__),
                f"{name}: the driver's own error hangs on it, and may hold values; raise ... from None",
            )
        except Exception as error:
            raise LawBroken(f"{name} raised {type(error).__name__}, and not ToolUnavailable") from None
        else:
            raise LawBroken(f"{name} answered, though the system cannot be asked")


def _described(system: Records, ref: Ref) -> Description:
    found = system.describe(ref)
    if found is None:
        raise LawBroken(f"{ref} is there and has no description")
    return found


def _hold(fact: bool, otherwise: str) -> None:
    if not fact:
        raise LawBroken(otherwise)


def _key() -> str:
    return uuid.uuid4().hex


LAWS: tuple[Law, ...] = (
    Law(1, "told", "A record that is there is described, and nothing else is.", _told),
    Law(2, "whose", "A description says whose the record is; two customers are two parties.", _whose),
    Law(3, "fields", "Every field of a snapshot is plain JSON and says what it holds.", _fields),
    Law(4, "version", "A record's version changes whenever the record does, and not otherwise.", _version),
    Law(5, "once", "One key makes one record, however often it is written.", _once),
    Law(6, "one_body", "A key stands for one body; with another it is refused and nothing is written.", _one_body),
    Law(7, "at_once", "Of twenty writers at one moment with one key, one makes the record.", _at_once),
    Law(8, "restart", "A restart forgets no key and changes no record.", _restart),
    Law(9, "found", "A key finds the record that was written under it, which belongs to the same customer.", _found),
    Law(10, "down", "A system that cannot be asked says that nothing happened, and repeats no value.", _down),
)
"""All of them, in the order in which they are best repaired."""
