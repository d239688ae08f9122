"""Tools that change the world with nobody asked, nothing bound and no way to tell a repeat."""

from __future__ import annotations

from collections.abc import Iterator

from agent_guard.policies.finding import Finding, Rule
from agent_guard.policies.house import Entry
from agent_guard.policies.rules.looks import kind_of
from agent_guard.policies.shapes import leaves

__all__ = ["effects"]

_OUTWARD = ("recipient", "address", "link")


def effects(entry: Entry) -> Iterator[Finding]:
    """Judges an entry by what its tool does."""
    tool, rule = entry.tool, entry.rule
    unasked = [name for name, mode in entry.modes().items() if mode == "execute"]
    if tool.effect in ("send", "delete") and unasked:
        why = "what is sent cannot be called back" if tool.effect == "send" else "what is deleted is gone"
        says = f"a {tool.effect} runs in {', '.join(unasked)} with nobody asked: {why}"
        yield entry.warning(Rule.RUNS_UNASKED, "mode", says=says, hint="write mode: approve, and name the approvers")
    if tool.effect in ("egress", "send") and not _held_in(entry):
        says = "neither a domain, nor an address whose origin is checked, nor a record says where this may go"
        hint = "write domains: [...], or mark the recipient or link sensitive in the contract"
        yield entry.warning(Rule.GOES_ANYWHERE, says=says, hint=hint)
    if tool.writes and not rule.bind and not tool.refs:
        says = f"a {tool.effect} that names no record: neither binding nor region can be judged for it"
        hint = "name the record in the contract's refs where there is one"
        yield entry.warning(Rule.UNBOUND, says=says, hint=hint)
    if tool.effect in ("draft", "write", "send", "delete") and not tool.key:
        says = "without key fields a repeat is only known by the call's own id"
        hint = "name in the contract's key the arguments that make two calls the same intent"
        yield entry.warning(Rule.NO_KEY, says=says, hint=hint)
    if rule.region is not None and not tool.refs:
        says = "region is judged on records, and the tool names none: the rule never refuses anything"
        hint = "name the record in the contract's refs, or take region out"
        yield entry.error(Rule.REGION_WITHOUT_RECORD, "region", says=says, hint=hint)
    if (tool.effect == "send" or tool.render is not None) and not entry.policy.stop_words:
        says = "the tool sends text, and the policy has no stop_words"
        yield entry.warning(Rule.NO_STOP_WORDS, says=says, hint="name lists of words that must not leave the house")


def _held_in(entry: Entry) -> bool:
    """Whether something decides where a call may reach: domains, a record, or an address whose origin is checked."""
    if entry.rule.domains is not None or entry.tool.refs:
        return True
    outward = {path[0] for path, shape in leaves(entry.tool.args_model) if kind_of(path, shape) in _OUTWARD}
    return bool(outward & (entry.tool.sensitive | set(entry.rule.origins) | set(entry.rule.bind)))
