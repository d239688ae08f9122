"""What tools in suggest mode have earned: how often people would have approved, how sure that is, and advice (B9).

Advice changes nothing: a person writes the policy, from a patch or by hand, and ``policy diff`` shows it as the
widening it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

from agent_guard.errors import ConfigError
from agent_guard.policy import Policy
from agent_guard.suggestions import Suggestion
from agent_guard.tool import Tool
from agent_guard.types import Effect, Mode

__all__ = ["NEVER_ALONE", "Advice", "Older", "Standing", "Thresholds", "promotion", "wilson"]

Advice = Literal["wait", "stay", "approve", "execute"]
"""``wait``: too little was judged to say anything. ``stay``: leave the mode as it is. Else the mode that was earned."""

NEVER_ALONE: frozenset[Effect] = frozenset({"send", "delete", "egress"})
"""Effects that nobody can take back: no agreement earns them ``execute``."""

REASONS_MOST = 10
"""How many reasons for rejections a report repeats."""

_FREEDOM: Mapping[Mode | None, int] = {None: 0, "suggest": 1, "approve": 2, "execute": 3}


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """When a tool has earned another mode. The lower end of the interval counts, not the agreement itself: 20 verdicts
    that all agree have earned ``approve`` by these, and 73 ``execute``.

    Args:
        confidence: of the interval, between 0 and 1.
        enough: the fewest verdicts that say anything.
        share: the least share of the suggestions that was judged: who judges the easy ones alone proves little.
        approve, execute: what the lower end must reach.

    Raises:
        ConfigError: a value is outside its range, or ``execute`` is easier than ``approve``.
    """

    confidence: float = 0.95
    enough: int = 20
    share: float = 0.5
    approve: float = 0.8
    execute: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence is {self.confidence}; give a number between 0 and 1, e.g. 0.95")
        if self.enough < 1:
            raise ConfigError(f"enough is {self.enough}; give how many verdicts are needed, 1 or more")
        for name in ("share", "approve", "execute"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give a share from 0 to 1")
        if self.execute < self.approve:
            raise ConfigError(f"execute ({self.execute}) must not be easier to earn than approve ({self.approve})")


@dataclass(frozen=True, kw_only=True)
class Older:
    """What was said under other rules, or of another version of the contract; no part of the agreement.

    Args:
        policies: hashes of the policies, sorted.
    """

    judged: int = 0
    agreed: int = 0
    open: int = 0
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One tool in one environment: what people said of its suggestions, under the rules that hold now.

    Args:
        scenario: whose policy it is, or None where one policy serves all.
        mode: of the tool there now, or None where the policy gives it none.
        tool_version: of the contract now, or None where there is none any more.
        judged, agreed, open: how many have a verdict, how many of them ``approve``, and how many have none.
        agreement: ``agreed / judged``, or None where nothing was judged.
        interval: the Wilson score interval of the agreement, or None.
        first, last: when the first and the last of the judged were suggested, in milliseconds since 1970.
        policies: hashes of the policies under which they were, sorted. There may be several: a policy that changes
            elsewhere changes nothing here.
        reasons: why people rejected, the newest first, masked; at most ``REASONS_MOST``.
        why: of the advice, in one sentence.
    """

    scenario: str | None
    tool: str
    environment: str
    mode: Mode | None
    effect: Effect | None
    tool_version: str | None
    judged: int
    agreed: int
    open: int
    agreement: float | None
    interval: tuple[float, float] | None
    first: int | None
    last: int | None
    policies: tuple[str, ...]
    older: Older
    reasons: tuple[str, ...]
    advice: Advice
    why: str


def wilson(agreed: int, judged: int, confidence: float) -> tuple[float, float]:
    """The score interval of a proportion: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", Journal of the American Statistical Association 22 (1927), 209-212. It holds for few verdicts and for
    agreement near 1, where the usual one does not: Brown, Cai and DasGupta, "Interval estimation for a binomial
    proportion", Statistical Science 16 (2001), 101-133.

    Args:
        judged: 1 or more.
        confidence: of the interval with its two ends, between 0 and 1.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (agreed + z * z / 2) / (judged + z * z)
    half = z / (judged + z * z) * sqrt(agreed * (judged - agreed) / judged + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def promotion(
    suggestions: Iterable[Suggestion],
    policies: Mapping[str | None, Policy],
    tools: Mapping[str, Tool],
    thresholds: Thresholds = Thresholds(),
) -> list[Standing]:
    """Where every tool stands of which there are suggestions, by scenario, tool and environment.

    A verdict counts while the rules for its tool and the version of the contract are those of now; what the policy says
    of other tools, its name and the tool's own mode are no part of that. Other verdicts are counted apart.

    Args:
        policies: as a gateway takes them; ``None`` stands for the one that serves every scenario.
        tools: name -> contract.
    """
    groups: dict[tuple[str | None, str, str], list[Suggestion]] = {}
    for item in suggestions:
        scenario = None if item.scenario not in policies and None in policies else item.scenario
        groups.setdefault((scenario, item.tool, item.environment), []).append(item)
    keys = sorted(groups, key=lambda key: (key[0] or "", *key[1:]))
    return [_standing(key, groups[key], policies.get(key[0]), tools.get(key[1]), thresholds) for key in keys]


def _standing(
    key: tuple[str | None, str, str],
    found: Sequence[Suggestion],
    policy: Policy | None,
    tool: Tool | None,
    thresholds: Thresholds,
) -> Standing:
    scenario, name, environment = key
    rule = policy.tools.get(name) if policy else None
    rule_hash = policy.hash_of(name) if policy and rule else None
    now: list[Suggestion] = []
    then: list[Suggestion] = []
    for item in found:
        same = tool is not None and (item.rule_hash, item.tool_version) == (rule_hash, tool.version)
        (now if same else then).append(item)
    judged = sorted((item for item in now if item.verdict), key=lambda item: (item.created, item.trace_id))
    agreed = sum(item.verdict == "approve" for item in judged)
    interval = wilson(agreed, len(judged), thresholds.confidence) if judged else None
    mode = rule.mode_in(environment) if rule else None
    advice, why = _advice(mode, tool, agreed, judged, len(now) - len(judged), interval, thresholds)
    return Standing(
        scenario=scenario,
        tool=name,
        environment=environment,
        mode=mode,
        effect=tool.effect if tool else None,
        tool_version=tool.version if tool else None,
        judged=len(judged),
        agreed=agreed,
        open=len(now) - len(judged),
        agreement=agreed / len(judged) if judged else None,
        interval=interval,
        first=judged[0].created if judged else None,
        last=judged[-1].created if judged else None,
        policies=tuple(sorted({item.policy_hash for item in judged})),
        older=_older(then),
        reasons=tuple(item.reason for item in judged[::-1] if item.verdict == "reject" and item.reason)[:REASONS_MOST],
        advice=advice,
        why=why,
    )


def _older(found: Sequence[Suggestion]) -> Older:
    return Older(
        judged=sum(item.verdict is not None for item in found),
        agreed=sum(item.verdict == "approve" for item in found),
        open=sum(item.verdict is None for item in found),
        policies=tuple(sorted({item.policy_hash for item in found})),
    )


def _advice(
    mode: Mode | None,
    tool: Tool | None,
    agreed: int,
    judged: Sequence[Suggestion],
    left: int,
    interval: tuple[float, float] | None,
    thresholds: Thresholds,
) -> tuple[Advice, str]:
    count = len(judged)
    if tool is None:
        return "stay", "The application has no such tool any more."
    if mode is None:
        return "stay", "The policy gives the tool no mode here any more."
    if interval is None or count < thresholds.enough:
        return "wait", f"{count} judged, and it takes {thresholds.enough} to say anything."
    if count < thresholds.share * (count + left):
        return "wait", f"{left} of {count + left} suggestions are not judged; judge the others too."
    low = interval[0]
    said = f"{agreed} of {count} would have been approved; the agreement is at least {low:.3f}"
    if low < thresholds.approve:
        return "stay", f"{said}, and approve takes {thresholds.approve:g}."
    earned: Literal["approve", "execute"] = "approve"
    if low < thresholds.execute:
        why = f"{said}: enough for approve ({thresholds.approve:g}), not for execute ({thresholds.execute:g})."
    elif tool.effect in NEVER_ALONE:
        why = f"{said}: enough for approve; a tool whose effect is {tool.effect!r} never runs unasked."
    else:
        earned, why = "execute", f"{said}: enough for execute ({thresholds.execute:g})."
    if _FREEDOM[earned] <= _FREEDOM[mode]:
        return "stay", f"{said}, and the mode is {mode} already."
    return earned, why
