"""The record in a file, for an auditor, a spreadsheet or a request for access: JSON Lines or CSV, one event a line.

The file is there when it is whole, and not before. What was interrupted can be gone on with.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import orjson

from agent_guard.audit import AuditEvent, StoredEvent
from agent_guard.auditing.selection import EVERYTHING, Selection, find, last_id
from agent_guard.errors import ConfigError
from agent_guard.store import Store

__all__ = ["FORMATS", "Exported", "Format", "export", "header", "lines"]

Format = Literal["jsonl", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)

COLUMNS = ("id", "hash", *(item.name for item in fields(AuditEvent)), "v", "key", "at", "seq", "prev_hash")
PROGRESS = 1000
_FORMULA = frozenset("=+-@\t\r\n\0＝＋－＠")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Args:
        events: into the file in all, with what an interrupted export had written.
        damaged: of those written now, how many have a text that is no event any more; they are there, marked as such.
    """

    events: int
    damaged: int


def export(
    store: Store,
    path: Path,
    selection: Selection = EVERYTHING,
    *,
    format: Format = "jsonl",
    resume: bool = False,
    progress: Callable[[int], object] = int,
    change: Callable[[StoredEvent], StoredEvent] | None = None,
) -> Exported:
    """Writes the events of a selection that were committed when it began.

    They are written to a file of another name in the same folder, which is renamed when it is whole and on disk. Where
    that does not happen it stays, for ``resume``.

    Args:
        path: must not exist.
        resume: go on behind the last whole line of an interrupted export of the same selection and format.
        progress: told how many events were written, now and then.
        change: what is written instead of each event; the file is then nobody's but this user's (mode 0600).

    Raises:
        ConfigError: the file exists or cannot be written, or there is nothing to go on with; ``path`` is not there.
        StoreError: the database cannot be read; what was written so far can be gone on with.
    """
    if path.exists():
        raise ConfigError(f"{path} exists; name another file, or remove it")
    draft = path.with_name(f".{path.name}.{_mark(store, selection, format, changed=change is not None)}.part")
    if resume and not draft.exists():
        raise ConfigError(f"there is no interrupted export of this to {path}; leave --resume out")
    try:
        with open(draft, "r+b" if resume else "wb", opener=None if change is None else _private) as file:
            after, before = _rest(file, format) if resume else (0, 0)
            written, damaged = before, 0
            if not file.tell():
                file.write(header(format))
            for event, line in lines(store, selection, format=format, after=after, upto=last_id(store), change=change):
                file.write(line)
                written, damaged = written + 1, damaged + event.damaged
                if not written % PROGRESS:
                    progress(written)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; go on with --resume") from None
    progress(written)
    return Exported(events=written, damaged=damaged)


def lines(
    store: Store,
    selection: Selection = EVERYTHING,
    *,
    format: Format = "jsonl",
    after: int = 0,
    upto: int | None = None,
    change: Callable[[StoredEvent], StoredEvent] | None = None,
) -> Iterator[tuple[StoredEvent, bytes]]:
    """Each event of a selection and its line.

    Args:
        after, upto: only events with an ``id`` between these.
        change: what the line is made of instead of each event.
    """
    line = _json if format == "jsonl" else _csv
    for event in find(store, selection, after=after, before=None if upto is None else upto + 1):
        yield event, line(event if change is None else change(event))


def header(format: Format) -> bytes:
    """What stands before the first event."""
    return b"" if format == "jsonl" else _row(COLUMNS)


def _json(event: StoredEvent) -> bytes:
    """The stored text, byte for byte, behind the event's hash and place."""
    head: dict[str, Any] = {"hash": event.hash, "id": event.id}
    if event.damaged:
        head |= {"thread": event.thread, "seq": event.seq, "damaged": True}
        return orjson.dumps(head | {"body_base64": base64.b64encode(event.body).decode()}) + b"\n"
    if not event.body.startswith(b'{"') or b"\n" in event.body:  # somebody else wrote it
        return orjson.dumps(head | dict(event.data)) + b"\n"
    return orjson.dumps(head)[:-1] + b"," + event.body[1:] + b"\n"


def _csv(event: StoredEvent) -> bytes:
    known: Mapping[str, Any] = event.data
    if event.damaged:
        known = {"kind": known["kind"], "thread": event.thread, "seq": event.seq, "note": "damaged"}
    values = {**known, "id": event.id, "hash": event.hash}
    return _row(_cell(values.get(name)) for name in COLUMNS)


def _cell(value: Any) -> str:
    """One cell: a line of its own has an event, and no cell is a formula (OWASP, CSV Injection; ASVS 1.2.10)."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    text = value.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")
    return f"'{text}" if value.lstrip(" ")[:1] in _FORMULA and value else text


def _row(cells: Iterable[str]) -> bytes:
    """A line of CSV (RFC 4180), every cell in quotes."""
    line = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    return f"{line}\r\n".encode("utf-8", "replace")


def _private(path: str, flags: int) -> int:
    """Opens a file that only this user may read, whatever the process's mask is and whoever made it before."""
    handle = os.open(path, flags, 0o600)
    os.fchmod(handle, 0o600)
    return handle


def _mark(store: Store, selection: Selection, format: Format, *, changed: bool) -> str:
    """Tells the drafts of different exports to one file apart."""
    return sha256(f"{store.name}|{selection}|{format}{'|changed' if changed else ''}".encode()).hexdigest()[:12]


def _rest(file: BinaryIO, format: Format) -> tuple[int, int]:
    """Cuts a line off that is not whole; returns the ``id`` of the last event that is there, and how many there are."""
    events = last = whole = 0
    for line in file:
        if not line.endswith(b"\n"):
            break
        whole += len(line)
        number = _id(line, format)
        events, last = events + (number > 0), number or last
    file.seek(whole)
    file.truncate()
    return last, events


def _id(line: bytes, format: Format) -> int:
    """The ``id`` that a line begins with, 0 for the header."""
    text = line.split(b'"id":', 1)[1] if format == "jsonl" else line[1:]
    digits = text[: next(index for index, byte in enumerate(text) if byte not in b"0123456789")]
    return int(digits or b"0")
