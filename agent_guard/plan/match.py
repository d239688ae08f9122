"""Whether a call is a step of the plan: every argument is what its source says, exactly. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent_guard.plan import Const, Expr, Extract, Late, Lit, Obj, Plan, Rec, Sel, Selection, Step, Tmpl, leaves
from agent_guard.plan.values import Known, Results, looked_up, one, tied, worked_out
from agent_guard.types import JSON
from agent_guard.usual import inside, parts, usually

__all__ = ["Match", "Open", "Unmatched", "match"]


@dataclass(frozen=True, kw_only=True)
class Open:
    """A value of a planned call that the plan does not fix: a person is shown it."""

    argument: str
    kind: Literal["extract", "late", "undetermined"]


@dataclass(frozen=True, kw_only=True)
class Match:
    """A call that is a step of the plan, and which of its values are open."""

    step: str
    open: tuple[Open, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """A call that is no step of the plan; ``why`` is said of the step that came nearest."""

    why: str


def match(
    plan: Plan,
    tool: str,
    args: Mapping[str, JSON],
    defaults: Mapping[str, JSON],
    *,
    sensitive: Collection[str],
    used: Mapping[str, int],
    results: Results,
    reveal: Callable[[str], str] = str,
    doubtful: Collection[str] = (),
    unseen: Sequence[JSON] = (),
    typed: object = None,
) -> Match | Unmatched:
    """Finds the unused step that a call is. Where several fit, the one with the fewest open values.

    Args:
        args: masked, defaults filled.
        defaults: what an argument is that a step leaves out.
        sensitive: arguments for which a value that the planner wrote is not enough.
        used: step -> how many calls have taken it.
        results: what earlier steps returned.
        reveal: puts values for pseudonyms: a name may have been known for one only after the plan was made.
        doubtful: steps that ran with open values which nobody was asked about: what they returned determines nothing.
        unseen: what such steps returned that made something: to find it again by another step determines nothing.
        typed: the arguments as the args model holds them: it knows the defaults of what stands inside of them.
    """
    seen = Known(results=results, reveal=reveal, doubtful=frozenset(doubtful), unseen=unseen)
    why = f"the plan has no step that calls {tool}"
    found: list[Match] = []
    for step in plan.steps:
        if step.tool != tool:
            continue
        if used.get(step.id, 0) >= step.times:
            why = f"step {step.id} was planned {step.times} time(s) and has been used"
            continue
        outcome = _step(step, args, defaults, sensitive, seen, typed)
        if isinstance(outcome, Match):
            found.append(outcome)
        else:
            why = outcome.why
    return min(found, key=lambda item: len(item.open)) if found else Unmatched(why=why)


def _step(
    step: Step,
    args: Mapping[str, JSON],
    defaults: Mapping[str, JSON],
    sensitive: Collection[str],
    seen: Known,
    typed: object,
) -> Match | Unmatched:
    still: list[Open] = []
    for name, value in args.items():
        if name not in step.args:
            if not seen.same(value, defaults.get(name)):
                return Unmatched(why=f"step {step.id} does not set {name}")
            continue
        outcome = _value(name, step.args[name], value, seen, inside(typed, name))
        if outcome is None:
            return Unmatched(why=f"{name} is not what step {step.id} says")
        still += outcome
        if name in sensitive and any(isinstance(leaf, (Const, Tmpl)) for leaf in leaves(step.args[name])):
            still.append(Open(argument=name, kind="late"))
    return Match(step=step.id, open=tuple(dict.fromkeys(still)))


def _value(name: str, source: Any, value: JSON, seen: Known, typed: object) -> list[Open] | None:
    """The open parts of a value that fits its source; None where it does not fit."""
    match source:
        case Lit():
            return [] if seen.same(value, source.lit) else None
        case Const():
            return [] if seen.same(value, source.const) else None
        case Rec():
            return _from_record(name, source.rec, value, seen)
        case Tmpl():
            return _template(name, source, value, seen)
        case Sel() | Expr():
            return _computed(name, source, value, seen)
        case Extract():
            return [Open(argument=name, kind="extract")]
        case Late():
            too_long = source.late.max is not None and sum(map(len, _texts(value))) > source.late.max
            return None if too_long else [Open(argument=name, kind="late")]
        case Obj():
            return _object(name, source, value, seen, typed)
        case list() | tuple():
            return _exact_set(name, source, value, seen, typed)
    return None


def _object(name: str, source: Obj, value: JSON, seen: Known, typed: object) -> list[Open] | None:
    """What was not planned is at its default; a key that the contract does not have has none."""
    if not isinstance(value, Mapping) or source.obj.keys() - value.keys():
        return None
    still: list[Open] = []
    held = parts(typed)
    for key, item in value.items():
        if key not in source.obj:
            if not seen.same(item, usually(typed, key)):
                return None
            continue
        outcome = _value(f"{name}.{key}", source.obj[key], item, seen, held.get(key))
        if outcome is None:
            return None
        still += outcome
    return still


def _exact_set(name: str, sources: Sequence[Any], value: JSON, seen: Known, typed: object) -> list[Open] | None:
    """Each source is one item, each item has one source; sources that say most are tried first."""
    if not isinstance(value, (list, tuple)) or len(value) != len(sources):
        return None
    left, still = [(item, inside(typed, place)) for place, item in enumerate(value)], []
    for source in sorted(sources, key=lambda item: isinstance(item, (Late, Extract))):
        for index, (item, whole) in enumerate(left):
            outcome = _value(name, source, item, seen, whole)
            if outcome is not None:
                del left[index]
                still += outcome
                break
        else:
            return None
    return still


def _from_record(name: str, selection: Selection, value: JSON, seen: Known) -> list[Open] | None:
    if not seen.results.get(selection.step):
        return None  # the step has not run: nothing is known, and that is not the same as anything
    values = looked_up(selection, seen)
    if one(values, seen) and selection.step not in seen.doubtful and not seen.unsure(values[0]):
        return [] if seen.same(value, values[0]) else None
    # no record, or several: a person chooses, and only among the values there are
    return [Open(argument=name, kind="undetermined")] if any(seen.same(value, item) for item in values) else None


def _template(name: str, source: Tmpl, value: JSON, seen: Known) -> list[Open] | None:
    """The planned words stand; only in the holes may there be something else, and only what their sources allow."""
    outcome = _computed(name, source, value, seen)
    if not outcome or not isinstance(value, str):
        return outcome
    pieces = re.split(r"\{([^{}]*)\}", source.tmpl)
    pattern = "".join("(.+?)" if at % 2 else re.escape(seen.reveal(piece)) for at, piece in enumerate(pieces))
    found = re.fullmatch(pattern, seen.reveal(value), re.DOTALL)
    if found is None:
        return None
    fits = all(_fills(source.parts[hole], text, seen) for hole, text in zip(pieces[1::2], found.groups(), strict=True))
    return outcome if fits else None


def _fills(part: Any, text: str, seen: Known) -> bool:
    if isinstance(part, Rec):
        return any(seen.same(text, item if isinstance(item, str) else str(item)) for item in looked_up(part.rec, seen))
    if isinstance(part, Sel):
        return any(seen.same(text, item if isinstance(item, str) else str(item)) for item in tied(part.sel, seen))
    worked = worked_out(part, seen)
    return worked is None or seen.same(text, str(worked))


def _computed(name: str, source: Any, value: JSON, seen: Known) -> list[Open] | None:
    """A value that the gateway works out itself; where it cannot, a person is shown what the call says."""
    if any(not seen.results.get(step) for step in _steps(source)):
        return None
    determined = worked_out(source, seen)
    if isinstance(source, Expr) and determined is None:
        return [Open(argument=name, kind="late")]  # nothing that the gateway knows speaks for this value
    if determined is None or not seen.doubtful.isdisjoint(_steps(source)) or seen.unsure(determined):
        possible = tied(source.sel, seen) if isinstance(source, Sel) else None
        fits = possible is None or any(seen.same(value, item) for item in possible)
        return [Open(argument=name, kind="undetermined")] if fits else None
    return [] if seen.same(value, determined) else None


def _steps(source: Any) -> Iterator[str]:
    for leaf in leaves(source):
        if isinstance(leaf, Rec):
            yield leaf.rec.step
        elif isinstance(leaf, Sel):
            yield leaf.sel.over


def _texts(value: JSON) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
