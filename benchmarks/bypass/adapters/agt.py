"""Microsoft's Agent Governance Toolkit, ``agent-governance-toolkit-core`` 5.0.0: ``govern()`` around one dispatcher.

How a need is said:

- a permitted tool is a rule ``action.type == '...'`` with action ``allow`` and ``default_action: deny``; a forbidden or
  forgotten one has none. Conflicts are resolved by ``deny_overrides``.
- ``one_of`` is ``<arg>.value in [...]``, bounds are ``>=`` and ``<=`` in the same condition; an argument that the model
  may not set is a deny rule of its own. The conditions know no types, patterns or lengths: ``pattern`` and
  ``max_length`` are a ``matches`` rule of the package's other language, ``agent_os.policies``, asked before, with
  ``defaults: deny``.
- a limit is the rule's ``limit: N/hour``.
- an approval is ``require_approval`` and the action-bound coordinator (its ADR 0030), one stage a chain: a role is
  ``allowed_roles``, "not the requester" names the other manager in ``allowed_identities``. Before a yes is used the
  policy is asked again and the approval is validated for what would run.
- a check of the team's own is ``CallbackAdvisory(on_error="block")``; its default allows.
- a changed policy is a new version of it. "The same call runs once" has no counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from agent_os.policies import (
    PolicyAction,
    PolicyCondition,
    PolicyDefaults,
    PolicyDocument,
    PolicyEvaluator,
    PolicyOperator,
    PolicyRule as OtherRule,
)
from agentmesh.governance import CallbackAdvisory, GovernanceDenied, Policy, PolicyRule, govern
from agentmesh.governance.approval_protocol import (
    ActionBinding,
    ActionTarget,
    ApprovalChain,
    ApprovalCoordinator,
    ApprovalProtocolError,
    ApprovalStage,
    ApproverKind,
    EntryDecision,
    InMemoryApprovalStore,
)

from benchmarks.bypass.handle import BOSS, Answer, CannotExpress, Handle, Person, Question, Refused, parsed
from benchmarks.bypass.need import Arg, Need, Tool

__all__ = ["Agt"]

_AGENT = "assistant"


class _Handle(Handle):
    def __init__(self, need: Need) -> None:
        super().__init__(need)
        self._late = timedelta()
        self._asked: dict[str, Question] = {}
        self._answered: set[str] = set()
        self._revision = 0
        self._now_in_force(need)
        chains = {tool.name: _chain(tool) for tool in need.tools if tool.approval}
        self._approvals = ApprovalCoordinator(
            InMemoryApprovalStore(), chains, clock=lambda: datetime.now(UTC) + self._late
        )

    def _now_in_force(self, need: Need) -> None:
        self._revision += 1
        policy = _policy(need, self._revision)
        advisory = CallbackAdvisory(_fail, on_error="block") if need.broken else None
        try:
            self._governed = govern(self._dispatch, policy=policy, agent_id=_AGENT, advisory=advisory)
        except Exception as error:  # whatever is wrong with a policy's text
            raise Refused(f"{type(error).__name__}: {error}") from None
        self._shapes = [
            (tool.name, name, _shape(name, arg))
            for tool in need.tools
            for name, arg in tool.args.items()
            if arg.pattern is not None or arg.max_length is not None
        ]

    def _dispatch(self, action: str, **args: Any) -> Any:
        tool = self.need.tool(action)
        return self.desk.function(tool)(**args) if tool else self.desk.run(action, args)

    def _well_formed(self, tool: str, args: Mapping[str, Any]) -> bool:
        return all(
            rules.evaluate({name: args.get(name)}).allowed for owner, name, rules in self._shapes if owner == tool
        )

    # ---- the conversation

    def ask(self, tool: str, args: Mapping[str, Any] | str, call_id: str | None) -> Answer:
        given = parsed(args)
        if not self._well_formed(tool, given):
            return Answer("refused")
        found = self.need.tool(tool)
        if found is not None and found.approval is not None:
            return self._open_question(tool, given)
        try:
            self._governed(action=tool, **given)
        except GovernanceDenied:
            return Answer("refused")
        return Answer("executed")

    def _open_question(self, tool: str, args: Mapping[str, Any]) -> Answer:
        decision = self._governed.engine.evaluate(_AGENT, _context(tool, args))
        if decision.action != "require_approval":
            return Answer("refused")
        approval = self.need.tool(tool).approval  # type: ignore[union-attr]
        _, request = self._approvals.open_request(
            _binding(tool, args),
            policy_rule_id=decision.matched_rule or "",
            policy_version=str(self._revision),
            chain_id=tool,
            ttl_seconds=(approval.expires_s if approval else None) or 86_400,
        )
        question = request.approval_request_id
        self._asked[question] = Question(question, tool, args)
        return Answer("pending", question)

    def agree(self, question: str, by: Person, edit: tuple[str, Mapping[str, Any]] | None) -> Answer:
        asked = self._asked[question]
        self._vote(question, by, EntryDecision.ALLOW)
        tool, args = edit or (asked.tool, asked.args)
        decision = self._governed.engine.evaluate(_AGENT, _context(tool, args))
        if decision.action != "require_approval" or not self._well_formed(tool, args):
            return Answer("refused")
        verdict = self._approvals.validate_for_execution(
            question,
            current_action_digest=_binding(tool, args).digest(),
            current_policy_version=str(self._revision),
            current_chain_version="1",
        )
        if not verdict.allowed:
            return Answer("refused")
        self._dispatch(tool, **args)
        return Answer("executed")

    def _vote(self, question: str, by: Person, decision: EntryDecision) -> None:
        self._answered.add(question)
        with suppress(ApprovalProtocolError):  # an answer that is not taken; the approval is validated all the same
            self._approvals.submit_entry(
                question,
                stage_index=0,
                approver_kind=ApproverKind.HUMAN,
                approver_identity=by.id,
                identity_assurance="oidc",
                decision=decision,
                roles=by.roles,
            )

    def reject(self, question: str, by: Person = BOSS) -> None:
        self._vote(question, by, EntryDecision.DENY)

    def pending(self) -> list[Question]:
        return [asked for question, asked in self._asked.items() if question not in self._answered]

    def change(self, need: Need) -> None:
        self._now_in_force(need)

    def wait(self, seconds: int) -> None:
        self._late += timedelta(seconds=seconds)


def _fail(_: Any) -> Any:
    raise RuntimeError("this check is broken")


def _context(tool: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """As ``govern()`` makes it of a call."""
    shown = {name: value if isinstance(value, dict) else {"value": value} for name, value in args.items()}
    return {"action": {"type": tool}, **shown}


def _binding(tool: str, args: Mapping[str, Any]) -> ActionBinding:
    return ActionBinding(
        operation="tool.invoke", agent_id=_AGENT, target=ActionTarget(tool, "1"), parameters=args, subject_id="u1"
    )


def _chain(tool: Tool) -> ApprovalChain:
    said = tool.approval
    named = said is not None and said.not_requester
    stage = ApprovalStage(
        0,
        allowed_identities=frozenset({BOSS.id}) if named else frozenset(),
        allowed_roles=frozenset() if named else frozenset({(said.role if said else None) or "manager"}),
    )
    return ApprovalChain(chain_id=tool.name, version="1", stages=(stage,))


def _policy(need: Need, revision: int) -> Policy | str:
    if need.policy in ("empty", "missing"):
        return "" if need.policy == "empty" else "policies/missing.yaml"
    if any(tool.once_by for tool in need.tools):
        raise CannotExpress("nothing makes a call happen once")
    given = need.policy == "given"
    rules = [rule for tool in need.tools if given and tool.permitted == "yes" for rule in _rules(tool)]
    return Policy(name="desk", version=str(revision), agents=["*"], rules=rules, default_action="deny")


def _rules(tool: Tool) -> list[PolicyRule]:
    said = [f"action.type == '{tool.name}'"]
    for name, arg in tool.open_args.items():
        if not arg.added:
            said += _conditions(name, arg)
    limit = f"{tool.limit}/hour" if tool.limit is not None else None
    action = "require_approval" if tool.approval else "allow"
    rules = [PolicyRule(name=tool.name, condition=" and ".join(said), action=action, limit=limit)]
    for name, arg in tool.args.items():
        if not arg.opened:
            rules.append(PolicyRule(name=f"{tool.name}-{name}", condition=f"{said[0]} and {name}.value", action="deny"))
    return rules


def _conditions(name: str, arg: Arg) -> list[str]:
    said = []
    if arg.one_of:
        said.append(f"{name}.value in [{', '.join(repr(value) for value in arg.one_of)}]")
    if arg.minimum is not None:
        said.append(f"{name}.value >= {arg.minimum}")
    if arg.maximum is not None:
        said.append(f"{name}.value <= {arg.maximum}")
    return said


def _shape(name: str, arg: Arg) -> PolicyEvaluator:
    pattern = arg.pattern if arg.pattern is not None else f"^.{{0,{arg.max_length}}}$"
    re.compile(pattern)
    condition = PolicyCondition(field=name, operator=PolicyOperator.MATCHES, value=pattern)
    rule = OtherRule(name=f"{name} has its form", condition=condition, action=PolicyAction.ALLOW)
    return PolicyEvaluator([PolicyDocument(name=name, rules=[rule], defaults=PolicyDefaults(action=PolicyAction.DENY))])


class Agt:
    """The system."""

    name = "agt"

    def about(self) -> str:
        return f"agent-governance-toolkit-core {version('agent-governance-toolkit-core')}"

    def open(self, need: Need) -> Handle:
        return _Handle(need)
