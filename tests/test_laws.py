"""The ten laws of a system of record: a sound one keeps them, and each way to be wrong breaks the law it should."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_guard.errors import ToolRejected, ToolUnavailable
from agent_guard.laws import LAWS, LawBroken, SystemUnderTest, check_laws
from agent_guard.types import Description, Ref

LOCK = threading.Lock()


class Shelf:
    """A sound system of record in memory; the store is what survives a restart."""

    def __init__(self, store: dict[str, Any]) -> None:
        self.store = store

    def describe(self, ref: Ref) -> Description | None:
        found = self.store["records"].get((ref.kind, ref.id))
        if found is None:
            return None
        fields = dict.fromkeys(found["data"], "text")
        return Description(
            version=str(found["version"]), party=found["party"], snapshot=dict(found["data"]), fields=fields
        )

    def write(self, body: int, key: str) -> str:
        with LOCK:
            return self._write(body, key)

    def _write(self, body: int, key: str) -> str:
        made, data = self.store["keys"].get(key), {"text": f"number {body}"}
        if made is None:
            made = self.store["keys"][key] = str(len(self.store["records"]))
            self.store["records"]["note", made] = {"version": 1, "party": "p:1", "data": data}
        elif self.store["records"]["note", made]["data"] != data:
            raise ToolRejected("the key is taken", code="key_reused")
        return str(made)

    def find(self, key: str) -> str | None:
        return self.store["keys"].get(key)

    def count(self) -> int:
        return sum(kind == "note" for kind, _ in self.store["records"])

    def edit(self) -> None:
        record = self.store["records"]["deal", "1"]
        record["version"] += 1
        record["data"] = {"stage": "won"}


class Down(Shelf):
    """One that cannot be asked."""

    def describe(self, ref: Ref) -> Description | None:
        raise ToolUnavailable("the shelf is closed")

    def write(self, body: int, key: str) -> str:
        raise ToolUnavailable("the shelf is closed")

    def find(self, key: str) -> str | None:
        raise ToolUnavailable("the shelf is closed")


def new(kind: type[Shelf] = Shelf, down: type[Shelf] = Down) -> SystemUnderTest:
    """A shelf with two deals of two customers."""
    deals = {("deal", id_): {"version": 1, "party": f"p:{id_}", "data": {"stage": "new"}} for id_ in ("1", "2")}
    store: dict[str, Any] = {"records": deals, "keys": {}}
    return SystemUnderTest(
        open=lambda: kind(store),
        record=Ref(kind="deal", id="1"),
        other=Ref(kind="deal", id="2"),
        kind="note",
        write=lambda shelf, body, key: shelf.write(body, key),
        find=lambda shelf, key: shelf.find(key),
        count=lambda shelf: shelf.count(),
        edit=lambda shelf: shelf.edit(),
        down=lambda: down(store),
    )


class Everything(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        return super().describe(ref) or Description(version="1", party="p:9")


class Trimming(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        return super().describe(Ref(kind=ref.kind, id=ref.id.strip()))


class Nobodys(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        found = super().describe(ref)
        return found and replace(found, party=None)


class NamelessCompany(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        found = super().describe(ref)
        return found and replace(found, tenant="")


class OneParty(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        found = super().describe(ref)
        return found and replace(found, party="p:1")


class Unnamed(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        found = super().describe(ref)
        return found and replace(found, fields={})


class Odd(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        found = super().describe(ref)
        return found and replace(
            found, snapshot={**found.snapshot, "text": {1, 2}}, fields={**found.fields, "text": "text"}
        )


class Unversioned(Shelf):
    def describe(self, ref: Ref) -> Description | None:
        found = super().describe(ref)
        return found and replace(found, version="1")


class Restless(Shelf):
    seen = 0

    def describe(self, ref: Ref) -> Description | None:
        Restless.seen += 1
        found = super().describe(ref)
        return found and replace(found, version=str(Restless.seen))


class Keyless(Shelf):
    def _write(self, body: int, key: str) -> str:
        self.store["keys"].pop(key, None)
        return super()._write(body, key)


class Guessing(Shelf):
    def _write(self, body: int, key: str) -> str:
        return super()._write(body, f"body {body}")


class LastWins(Shelf):
    def _write(self, body: int, key: str) -> str:
        if key in self.store["keys"]:
            self.store["records"]["note", self.store["keys"][key]]["data"] = {"text": f"number {body}"}
        return super()._write(body, key)


class OtherWord(Shelf):
    def _write(self, body: int, key: str) -> str:
        try:
            return super()._write(body, key)
        except ToolRejected:
            raise ToolRejected("no", code="conflict") from None


class Racing(Shelf):
    together = threading.Barrier(2)

    def write(self, body: int, key: str) -> str:
        if key in self.store["keys"]:
            return super().write(body, key)
        try:
            Racing.together.wait(timeout=0.2)  # two have looked, and neither has written
        except threading.BrokenBarrierError:
            Racing.together.reset()
            return super().write(body, key)
        with LOCK:
            made = self.store["keys"][key] = str(len(self.store["records"]))
            self.store["records"]["note", made] = {"version": 1, "party": "p:1", "data": {"text": f"number {body}"}}
        return made


class Forgetful(Shelf):
    def __init__(self, store: dict[str, Any]) -> None:
        super().__init__({"records": store["records"], "keys": {}})


class Blind(Shelf):
    def find(self, key: str) -> str | None:
        return None


class Astray(Shelf):
    def _write(self, body: int, key: str) -> str:
        made = super()._write(body, key)
        self.store["records"]["note", made]["party"] = "p:2"
        return made


class Telling(Down):
    def write(self, body: int, key: str) -> str:
        raise ToolUnavailable(f"no answer to {key}")


class Raw(Down):
    def find(self, key: str) -> str | None:
        raise OSError("connection refused")


class Chained(Down):
    def describe(self, ref: Ref) -> Description | None:
        try:
            raise OSError("password=1234")
        except OSError as error:
            raise ToolUnavailable("closed") from error


def law(name: str) -> Any:
    return next(item for item in LAWS if item.name == name)


@pytest.mark.req("A6", "A8", "A10")
def test_a_sound_system_keeps_all_ten() -> None:
    """All laws are checked, each on a store of its own, and the report says that they are kept."""
    stores = []

    def make() -> SystemUnderTest:
        stores.append(new())
        return stores[-1]

    report = check_laws(make)
    assert report.kept, str(report)
    assert len(stores) == len(LAWS) == 10
    assert [item.number for item in LAWS] == list(range(1, 11))
    assert str(report).count("kept ") == 10


@pytest.mark.req("A6", "A8", "A10")
@pytest.mark.parametrize(
    ("name", "make", "seen"),
    [
        ("told", lambda: new(Everything), "names nothing and is described"),
        ("told", lambda: new(Trimming), "the id ' 1' of the kind 'deal' names nothing"),
        ("whose", lambda: new(Nobodys), "names no party"),
        ("whose", lambda: new(NamelessCompany), "tenant is no text"),
        ("whose", lambda: new(OneParty), "are of one party"),
        ("fields", lambda: new(Unnamed), "is said to hold None"),
        ("fields", lambda: new(Odd), "is not plain JSON"),
        ("version", lambda: new(Unversioned), "left the record's version"),
        ("version", lambda: new(Restless), "two looks at an unchanged record differ"),
        ("once", lambda: new(Keyless), "one key made 2 records"),
        ("once", lambda: new(Guessing), "do not guess duplicates"),
        ("one_body", lambda: new(LastWins), "taken for a record that says something else"),
        ("one_body", lambda: new(OtherWord), "refused as 'conflict'"),
        ("at_once", lambda: new(Racing), "20 writers with one key made"),
        ("restart", lambda: new(Forgetful), "after a restart the key made another"),
        ("found", lambda: new(Blind), "does not find the record"),
        ("found", lambda: new(Astray), "belongs to another party"),
        ("down", lambda: new(down=Shelf), "answered, though"),
        ("down", lambda: new(down=Telling), "repeats the key"),
        ("down", lambda: new(down=Raw), "find raised OSError"),
        ("down", lambda: new(down=Chained), "driver's own error"),
    ],
)
def test_each_fault_breaks_its_law(name: str, make: Callable[[], SystemUnderTest], seen: str) -> None:
    """A system with one fault is refused by the law that forbids it, in words that say what was seen."""
    with pytest.raises(LawBroken, match=seen):
        law(name).check(make())


def test_a_report_shows_what_was_seen_and_runs_nothing() -> None:
    """In a notebook broken laws stand beside the kept ones; what a system says is escaped."""

    class Hostile(Shelf):
        def count(self) -> int:
            raise ValueError("<script>alert(1)</script>")

    report = check_laws(lambda: new(Hostile))
    assert {item.name for item in report.broken} == {"once", "one_body", "at_once", "restart"}
    html = report._repr_html_()
    assert "it raised ValueError: &lt;script&gt;" in html
    assert "<script" not in html
    assert (html.count("broken</b>"), html.count("kept</b>")) == (4, 6)
    assert "broken   5 once" in str(report)
