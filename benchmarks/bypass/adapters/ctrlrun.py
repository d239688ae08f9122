"""CTRLRun 0.12.2, in process: ``Control.execute`` over a SQLite store, one action a call, as its README shows.

How a need is said:

- a permitted tool is an action of the policy (``ctrlrun.policy/v8``), a forbidden or forgotten one is none.
- ``one_of`` is ``<arg>_in``, bounds are ``<arg>_gte`` and ``<arg>_lte``, in one rule before ``decision: deny``. An
  argument that the model may not set is bound by ``<arg>_eq: null``. The language has no pattern and no length.
- ``once_by`` is the effect template, ``create_task:{title}``; it is compared as it is written.
- a limit is a grant with the budget ``{metric: count, limit: N, window: PT1H}``; a budget demands an
  effect key, which is then made of all arguments.
- an approval is ``decision: approve``. A role is a control with ``approver_role``; "not the requester" is the approver
  identity, which refuses the principal that proposed the action. People answer as the operator server lets them: their
  verified principal and the controls they satisfy are recorded with the grant, through the package's own call for it.
- a yes is followed by the agent that presents it, with what would run: the edited call where there is one.
- a check of the team's own is the identity provider.
- a changed policy is a new ``Control`` over the same store.
"""

from __future__ import annotations

import inspect
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from ctrlrun import (
    Action,
    ApprovalRequired,
    ApproverIdentity,
    Authority,
    Control,
    CTRLRunError,
    IdentityContext,
    Policy,
    PolicyError,
    Principal,
    SQLiteStateStore,
    with_approval,
)
from ctrlrun.approval import _granting_principal, entitled_controls, roles_held, unsatisfied
from ctrlrun.effect import resolve_effect_key

from benchmarks.bypass.handle import BOSS, Answer, CannotExpress, Handle, Person, Question, Refused, parsed
from benchmarks.bypass.need import Arg, Need, Tool

__all__ = ["CtrlRun"]

_SCHEMA = "ctrlrun.policy/v8"
_USER = Principal(agent="u1")


class _People:
    """The approvers' door: it verifies nobody here, because the grants below carry who was verified."""

    def resolve(self, context: IdentityContext) -> Principal | None:
        return None


class _Broken:
    def resolve(self, context: IdentityContext) -> Principal | None:
        raise RuntimeError("this check is broken")


class _Handle(Handle):
    def __init__(self, need: Need) -> None:
        super().__init__(need)
        self._folder = tempfile.mkdtemp(prefix="bypass-")
        self._late = timedelta()
        self._store = SQLiteStateStore(Path(self._folder) / "state.db", clock=self._now)
        self._control = self._build(need)
        self._asked: dict[str, tuple[Question, Principal | None]] = {}

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._late

    def _build(self, need: Need) -> Control:
        text = _document(need)
        try:
            if need.policy == "missing":
                policy = Policy.from_file(Path(self._folder) / "ctrlrun.yaml")
            else:
                policy = Policy.from_yaml(text)
            authority = Authority.from_yaml(text) if "authority:" in text else None
        except PolicyError as error:
            raise Refused(str(error)) from None
        asked = [tool.approval for tool in need.tools if tool.approval]
        seconds = next((item.expires_s for item in asked if item.expires_s), 86_400)
        who = ApproverIdentity(provider=_People(), roles_claim="roles") if asked else None
        return Control(
            policy,
            self._store,
            clock=self._now,
            approval_ttl=timedelta(seconds=seconds),
            authority=authority,
            approver_identity=who,
            identity=_Broken() if need.broken else None,
        )

    # ---- the conversation

    def ask(self, tool: str, args: Mapping[str, Any] | str, call_id: str | None) -> Answer:
        given = parsed(args)
        try:
            self._execute(tool, given)
        except ApprovalRequired as asked:
            self._asked[asked.request_id] = (Question(asked.request_id, tool, given), None)
            return Answer("pending", asked.request_id)
        except CTRLRunError:
            return Answer("refused")
        return Answer("executed")

    def _execute(self, tool: str, args: Mapping[str, Any]) -> None:
        """As ``@protect`` does it: arguments bound to the function's signature, defaults filled, then one action."""
        found = self.need.tool(tool)
        run = None
        if found is not None:
            run = self.desk.function(found)
            bound = inspect.signature(run).bind(**args)
            bound.apply_defaults()
            args = bound.arguments
        # in place of @protect's own look at who acts: a provider that raises refuses there
        principal = self._control.resolve_principal(tool) if self._control.identity else _USER
        action = Action(name=tool, arguments=args, principal=principal, environment=self._control.environment)
        template = self._control.policy.effect_template(tool)
        key = resolve_effect_key(template, action) if template else None

        def executor() -> Any:
            return run(**action.canonical_arguments) if run else self.desk.run(tool, action.canonical_arguments)

        self._control.execute(action, executor, key)

    def agree(self, question: str, by: Person, edit: tuple[str, Mapping[str, Any]] | None) -> Answer:
        asked, _ = self._asked[question]
        with suppress(CTRLRunError):  # an answer that is not taken; the agent presents it all the same
            self._grant(question, by)
        tool, args = edit or (asked.tool, asked.args)
        try:
            with with_approval(question):
                self._execute(tool, args)
        except CTRLRunError:
            return Answer("refused")
        self._asked[question] = (asked, Principal(agent=by.id))
        return Answer("executed")

    def _grant(self, question: str, by: Person) -> None:
        person = Principal(agent=by.id, claims={"roles": tuple(sorted(by.roles))})
        record = self._store.get_approval(question)
        required = record.request.required_roles if record else ()
        entitled = entitled_controls(required, roles_held(person, "roles"))
        if unsatisfied(required, entitled):
            return  # the operator server refuses here
        with _granting_principal(person, entitled=entitled):
            self._store.grant_approval(question, by.id)

    def reject(self, question: str, by: Person = BOSS) -> None:
        self._store.deny_approval(question, by.id)
        self._asked[question] = (self._asked[question][0], Principal(agent=by.id))

    def pending(self) -> list[Question]:
        return [asked for asked, answered in self._asked.values() if answered is None]

    def change(self, need: Need) -> None:
        self._control = self._build(need)

    def wait(self, seconds: int) -> None:
        self._late += timedelta(seconds=seconds)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _document(need: Need) -> str:
    if need.policy != "given":
        return ""
    tools = [tool for tool in need.tools if tool.permitted == "yes"]
    roles = {tool.name: tool.approval.role for tool in tools if tool.approval and tool.approval.role}
    document: dict[str, Any] = {"schema": _SCHEMA, "actions": {tool.name: _entry(tool) for tool in tools}}
    if roles:
        document["controls"] = {
            f"who-{name.replace('_', '-')}": {"title": "Who may answer", "approver_role": role}
            for name, role in roles.items()
        }
    if any(tool.limit is not None for tool in tools):
        document["authority"] = {"grants": [_grant_of(tool) for tool in tools]}
    return yaml.safe_dump(document)


def _grant_of(tool: Tool) -> dict[str, Any]:
    made: dict[str, Any] = {"id": f"may-{tool.name}", "subject": {"agent": "u1"}, "actions": [tool.name]}
    if tool.limit is not None:
        made["budgets"] = [{"metric": "count", "limit": tool.limit, "window": "PT1H"}]
    return made


def _entry(tool: Tool) -> dict[str, Any]:
    decision = "approve" if tool.approval else "allow"
    when: dict[str, Any] = {}
    for name, arg in tool.args.items():
        when |= {} if arg.added else _conditions(name, arg)
    rule: dict[str, Any] = {"when": when, "decision": decision} if when else {"decision": decision}
    if tool.approval and tool.approval.role:
        rule["controls"] = [f"who-{tool.name.replace('_', '-')}"]
    made: dict[str, Any] = {"rules": [rule, {"decision": "deny"}] if when else [rule]}
    key = tool.once_by or (tuple(tool.args) if tool.limit is not None else ())
    if key:
        made["effect"] = ":".join([tool.name, *(f"{{{name}}}" for name in key)])
    return made


def _conditions(name: str, arg: Arg) -> dict[str, Any]:
    if arg.pattern is not None:
        raise CannotExpress("a condition knows no pattern")
    if arg.max_length is not None:
        raise CannotExpress("a condition knows no length")
    if not arg.opened:
        return {f"{name}_eq": arg.default}
    said = {f"{name}_in": list(arg.one_of) or None, f"{name}_gte": arg.minimum, f"{name}_lte": arg.maximum}
    return {key: value for key, value in said.items() if value is not None}


class CtrlRun:
    """The system."""

    name = "ctrlrun"

    def about(self) -> str:
        return f"ctrlrun {version('ctrlrun')}"

    def open(self, need: Need) -> Handle:
        return _Handle(need)
