"""The tables as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.attack.metrics import LEGEND, MISSES, MODES, Figures, Measured, figures, missed
from benchmarks.attack.planner import OPEN
from benchmarks.attack.runs import Mode
from benchmarks.attack.suites import SUITES, VERSION

__all__ = ["asked", "lines"]

MEANING = {
    "none": "no gate: the same calls straight at the tools",
    "believed": "T1: the plan is believed. The planner saw the user's words, the tools and the policy; all after\n"
    "the first byte of outside text is compromised. It is SIMULATED and knows the ground truth: an upper bound.\n"
    "A step without open values is one of the user's own calls, so residual 0 holds partly by construction.",
    "ignored": "T2: nothing that the model says is believed, and there is no plan; what is left is provenance.",
}

_HEAD = [
    "suite",
    "utility",
    "ASR",
    "(all)",
    "harm",
    "(raw)",
    "under",
    "asks/task",
    "asked",
    "shown",
    "yes-sayer",
    "residual",
]
_ROW = "{:<11}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>11}{:>8}{:>8}{:>11}{:>16}"


def lines(measured: Sequence[Measured], *, profile: str, quick: bool) -> Iterator[str]:
    """The whole report."""
    suites = [name for name in SUITES if any(item.job.suite == name for item in measured)]
    every = [*suites, "all"] if len(suites) > 1 else suites
    pairs = sum(len(item.job.injections) for item in measured)
    yield f"AgentDojo {VERSION}, {len(measured)} user tasks, {pairs} pairs with an injection task, 3 orders each."
    if quick:
        yield "QUICK: two sampled attacks a task, every fifth task enumerated. These figures are no result."
    yield "A scripted, fully compromised model; no language model runs. The tasks were read while this was built."
    if profile == "patterns":
        yield "Masking by patterns only (names are not looked for by models), for speed."
    for mode in MODES:
        yield ""
        yield MEANING[mode]
        yield _ROW.format(*_HEAD)
        for name in suites:
            yield _row(name, figures([item for item in measured if item.job.suite == name], mode))
        total = figures(measured, mode)
        if len(suites) > 1:
            yield _row("all", total)
        if mode != "none":
            yield from (_yes(name, measured, mode) for name in every)
        if mode != "none" and total.harmful:
            yield f"  pairs with an injected call that ran unapproved, by tool: {dict(total.harmful.most_common(6))}"
        if mode == "believed":
            yield from _missing(measured)
    yield ""
    yield LEGEND


def _missing(measured: Sequence[Measured]) -> Iterator[str]:
    for miss in MISSES:
        found = missed(measured, miss)
        yield (
            f"  a planner that misses {miss:.0%} of the sources that are not literal: utility {found.utility:.1%}, "
            f"{found.asks:.2f} asks/task ({found.least:.2f} to {found.most:.2f} over the seeds), "
            f"{found.asked:.0%} of tasks asked; "
            f"on {found.pairs} sampled pairs ASR {found.asr:.1%}, harm {found.harm:.1%}"
        )


def _yes(name: str, measured: Sequence[Measured], mode: Mode) -> str:
    of = [item for item in measured if name in ("all", item.job.suite)]
    found = figures(of, mode)
    return (
        f"  a human who approves everything, {name}: ASR {found.yes:.1%}, any injected effect {found.yes_ran:.1%}, "
        f"under {found.yes_under:.1%}, shown {found.yes_shown:.2f}"
    )


def _row(name: str, found: Figures) -> str:
    rest = f"{found.lasting} ({found.any}) of {found.enumerated}" if found.enumerated else "-"
    return _ROW.format(
        name,
        f"{found.utility:.1%}",
        f"{found.asr:.1%}",
        f"{found.asr_all:.1%}",
        f"{found.harm:.1%}",
        f"{found.harm_raw:.1%}",
        f"{found.under:.1%}",
        f"{found.asks:.2f}",
        f"{found.asked:.0%}",
        f"{found.shown:.2f}",
        f"{found.yes:.1%}",
        rest,
    )


def asked(measured: Sequence[Measured], slots: dict[tuple[str, str], Sequence[tuple[str, str, str]]]) -> Iterator[str]:
    """Why people are asked: the open values of the plans, by suite and argument.

    Args:
        slots: (suite, user task) -> (tool, argument, kind) of every value whose step has an effect.
    """
    yield "Open values of steps with an effect. late: written later; extract: out of outside text; undetermined: one of"
    yield "several records"
    for name in SUITES:
        tasks = [item for item in measured if item.job.suite == name]
        if not tasks:
            continue
        found = Counter(
            f"{tool}.{argument} {kind}"
            for item in tasks
            for tool, argument, kind in set(slots[name, item.job.user])
            if kind in OPEN
        )
        yield f"  {name}: " + ", ".join(f"{what} x{count}" for what, count in found.most_common())
        for item in tasks:
            for why in item.benign["believed"].why:
                yield f"    {item.job.user}: {why[:200]}"
