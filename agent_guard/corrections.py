"""What a person corrected: the arguments that an agent proposed beside those that the person put in their place.

An edit is a call of its own (law L6): the proposal ends as rejected with the code ``edited``, and the edited call is
decided, run and recorded like any other. Both stay in the calls and in the audit for as long as these are kept; here
they are laid side by side, value by value. Pseudonyms, as they are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from agent_guard import approvals, calls
from agent_guard.approvals import Approval
from agent_guard.calls import CallRow
from agent_guard.types import JSON

__all__ = ["Corrected", "Correction", "corrected", "differences"]


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One value.

    Args:
        path: where it stands in the arguments, e.g. ``"qualification.budget.score"`` or ``"guests[0]"``.
        proposed, made: None where there was none.
    """

    path: str
    proposed: JSON
    made: JSON


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """One edit.

    Args:
        proposed, made: traces of the call that was proposed and of the one in its place.
        by: who edited.
        message: what they said, masked, or None.
    """

    proposed: str
    made: str
    by: str
    message: str | None
    corrections: tuple[Correction, ...]

    def as_json(self) -> dict[str, JSON]:
        """Plain JSON."""
        return asdict(self) | {"corrections": [asdict(item) for item in self.corrections]}


def corrected(connection: sa.Connection, row: CallRow) -> Corrected | None:
    """The edit that a call ended by, or that it came from; None where there was none. Of a call that was edited twice,
    the edit that it came from.
    """
    origin = row.call_id.rpartition("~")[0]
    for earlier in calls.find(connection, row.thread, origin) if origin else []:
        question = _edited(connection, earlier)
        if question is not None and question.edited_call and question.edited_call["id"] == row.call_id:
            return _corrected(earlier, row, question)
    question = _edited(connection, row)
    if question is None or question.edited_call is None:
        return None
    later = calls.find(connection, row.thread, str(question.edited_call["id"]))
    return _corrected(row, later[0], question) if later else None


def differences(proposed: JSON, made: JSON, path: str = "") -> Iterator[Correction]:
    """The values in which two JSON documents differ, in the order of the first one."""
    if isinstance(proposed, Mapping) and isinstance(made, Mapping):
        for name in dict.fromkeys([*proposed, *made]):
            yield from differences(proposed.get(name), made.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(proposed, list | tuple) and isinstance(made, list | tuple):
        for place in range(max(len(proposed), len(made))):
            before, after = (items[place] if place < len(items) else None for items in (proposed, made))
            yield from differences(before, after, f"{path}[{place}]")
    elif proposed != made:
        yield Correction(path=path, proposed=proposed, made=made)


def _edited(connection: sa.Connection, row: CallRow) -> Approval | None:
    """The question about a call that was answered by an edit."""
    question = approvals.find(connection, row.approval_id) if row.approval_id else None
    return question if question is not None and question.answer == "edit" else None


def _corrected(proposed: CallRow, made: CallRow, question: Approval) -> Corrected:
    return Corrected(
        proposed=proposed.trace_id,
        made=made.trace_id,
        by=str(question.answered_by),
        message=question.message,
        corrections=tuple(differences(dict(proposed.args), dict(made.args))),
    )
