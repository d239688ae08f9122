"""The format of a policy, from its models."""

from __future__ import annotations

from pydantic import BaseModel

from agent_guard.policy import Approvers, Limits, Loops, PlanRule, Policy, Requires, ToolRule, Total, Where, WhereRule
from scripts.reference.markdown import arguments, head, table

__all__ = ["page"]

_MEANS = {
    Policy: {
        "version": "the format; 1",
        "name": "the policy's name, recorded with every decision",
        "limits": "bounds of one thread",
        "loops": "when going round in circles is stopped",
        "stop_words": "lists beside the policy, or built in: `en.txt`, `ru.txt`, `pl.txt`, `kk.txt`",
        "plan": "a graph makes the model plan first",
        "model_regions": "where the model's endpoint may lie",
        "tools": "tool name -> its rule; a tool that is not named is denied",
    },
    ToolRule: {
        "roles": "the user's roles that may; needed",
        "mode": "`suggest`, `approve` or `execute`, or one of them for each environment; needed",
        "region": "`own`, or a list: the record's region must be in it",
        "fields": "what the model may see of the result",
        "where": "rules on the arguments, on the values that would run",
        "bind": "argument -> `party`, `subject` or `region`: whose the record must be",
        "limits": "`N/unit/scope`",
        "approvers": "who may answer",
        "requires": "calls that must have run before in the same thread",
        "totals": "the most that amounts may add up to",
    },
    Limits: {
        "actions_per_thread": "calls that ran",
        "steps_per_thread": "calls of the model",
        "attempts_per_thread": "calls that were proposed",
        "tokens_per_thread": "tokens of the model, as it reports them",
        "tokens_per_day_per_tenant": "the same, of all threads of a tenant in 24 hours",
    },
    PlanRule: {"outside": "`deny`, or `ask` for drafts"},
    WhereRule: {
        "type": "JSON's type",
        "enum": "one of these",
        "const": "exactly this",
        "minimum": "at least",
        "maximum": "at most",
        "minLength": "characters at least",
        "maxLength": "characters at most",
        "maxItems": "items at most",
        "pattern": "a regular expression, written `^...$`; the whole value must match",
    },
    Where: {"properties": "argument -> its rule", "required": "arguments that must be given"},
    Approvers: {
        "roles": "roles that may answer; needed",
        "not_requester": "the requester may not",
        "expires": "until when: `30m`, `24h`, `7d`",
    },
    Requires: {"tool": "the call that must have run"},
    Total: {"arg": "the argument that is added up", "max": "the most"},
}
_TITLES = {
    Policy: "The policy",
    ToolRule: "A tool's rule (`tools.<name>`)",
    Approvers: "`approvers`",
    Where: "`where`",
    WhereRule: "`where.properties.<argument>`",
    Requires: "`requires`",
    Total: "`totals`",
    Limits: "`limits` of a policy",
    Loops: "`loops`",
    PlanRule: "`plan`",
}


def page() -> str:
    parts = [
        head(
            "Policy format",
            "YAML, versioned and closed: an unknown key is refused with file and line. How to write one: "
            "[write a policy](../how-to/write-a-policy.md). Limits are `N/unit/scope` with `second`, `minute`, `hour` or "
            "`day` and `thread`, `subject`, `tenant`, `party` or `tool`.",
        )
    ]
    parts += [f"## {title}\n\n{_table(model)}" for model, title in _TITLES.items()]
    return "\n\n".join(parts) + "\n"


def _table(model: type[BaseModel]) -> str:
    told = {**arguments(model), **_MEANS.get(model, {})}
    rows = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        default = field.get_default(call_default_factory=True) if not field.is_required() else None
        plain = default is not None and not isinstance(default, BaseModel | list | dict)
        word = str(default).lower() if isinstance(default, bool) else str(default)
        if key not in told and name not in told:
            raise ValueError(f"scripts/reference/policy.py does not tell what {model.__name__}.{key} means")
        rows.append([f"`{key}`", f"`{word}`" if plain else "", told.get(key) or told[name]])
    return table(["key", "default", "what it says"], rows)
