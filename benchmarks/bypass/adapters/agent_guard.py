"""agent_guard, through ``Gateway.open``, ``thread.invoke`` and ``thread.resume`` alone.

How a need is said:

- a tool is a contract with a closed args model; arguments that the model may not set are not in it, ones that were
  added later are. A tool that nobody permitted is named by the policy of another scenario of the same gateway.
- ``one_of`` is ``where: enum``, ``maximum`` and ``max_length`` their keywords; ``pattern`` is written ``^...$``, since
  the policy refuses it otherwise. Text is bounded to 2,000 letters in the args model, as registration demands.
- ``once_by`` is the contract's ``key``, ``limit`` is ``N/hour/thread``, an approval is ``mode: approve`` with
  ``approvers``; where the role does not matter it is ``manager``.
- a check of the team's own is an extra guard.
- ``args`` names the arguments that the policy was written for.
- every origin of a value is permitted (``from``), so that the rule in question is asked and not provenance before it.
- several calls of one message go one after another, the next when the one before is answered, as the graph does it.

The database is a file; masking is ``Masker(profile="patterns")``, which loads no model of names.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, create_model

from agent_guard import Gateway, Policy, Subject
from agent_guard.errors import ApprovalError, ConfigError
from agent_guard.guards import Guard
from agent_guard.masking import Masker
from agent_guard.testing import FixedClock
from agent_guard.tool import Tool as Contract, tool as contract
from agent_guard.types import ToolResult
from benchmarks.bypass.handle import BOSS, Answer, CannotExpress, Handle, Person, Question, Refused, parsed
from benchmarks.bypass.need import REQUIRED, Arg, Need, Tool

__all__ = ["Ours"]

_DESK, _ELSEWHERE = "desk", "elsewhere"
_ORIGINS = ["user", "party", "trusted", "untrusted", "invented"]
_LIMITS = {"actions_per_thread": 1000, "attempts_per_thread": 10_000}
_USER = Subject(id="u1", tenant="acme", roles={"sales", "manager"})
_KINDS: Mapping[str, Any] = {
    "text": Annotated[str, Field(max_length=2000)],
    "integer": int,
    "number": float,
    "moment": AwareDatetime,
}


class _Done(BaseModel):
    done: int


def _fail(*_: object) -> None:
    raise RuntimeError("this check is broken")


class _Handle(Handle):
    def __init__(self, need: Need, masker: Masker) -> None:
        super().__init__(need)
        self._masker = masker
        self._folder = tempfile.mkdtemp(prefix="bypass-")
        self._clock = FixedClock()
        self._asked: dict[str, Question] = {}
        self._later: list[tuple[str, Mapping[str, Any]]] = []
        self._gateways: list[Gateway] = []
        self._thread = self._open(need).open(_USER, scenario=_DESK)

    def _open(self, need: Need) -> Gateway:
        """A gateway over this conversation's database.

        Raises:
            ConfigError: the policy is refused.
        """
        policies = _policies(need, self._folder)
        named = {name for policy in policies.values() for name in policy.tools}
        tools = [self._contract(tool) for tool in need.tools if tool.name in named or need.policy != "given"]
        gateway = Gateway(
            tools,
            policies,
            url=f"sqlite:///{self._folder}/guard.db",
            environment="dev",
            masker=self._masker,
            extra_guards=[Guard("own", _fail)] if need.broken else [],
            clock=self._clock,
        )
        self._gateways.append(gateway)
        return gateway

    def _contract(self, tool: Tool) -> Contract:
        fields: dict[str, Any] = {name: _field(arg) for name, arg in tool.open_args.items()}
        model = create_model(f"{tool.name}_args", **fields)

        def run(args: BaseModel) -> _Done:
            return _Done.model_validate(self.desk.run(tool.name, args.model_dump(mode="json")))

        run.__annotations__ = {"args": model, "return": _Done}
        return contract(
            name=tool.name,
            effect="write",
            timeout_s=5,
            description=f"Does {tool.name}.",
            key=tool.once_by,
            unmask={name for name, arg in tool.open_args.items() if arg.kind in ("text", "moment")},
        )(run)

    def ask(self, tool: str, args: Mapping[str, Any] | str, call_id: str | None) -> Answer:
        result = self._thread.invoke(tool, parsed(args), call_id=call_id, reason="The customer asks for it.")
        if result.approval_id and result.status == "pending":
            self._asked = {result.approval_id: Question(result.approval_id, tool, parsed(args))}
        return _answer(result)

    def agree(self, question: str, by: Person, edit: tuple[str, Mapping[str, Any]] | None) -> Answer:
        person = Subject(id=by.id, tenant="acme", roles=by.roles)
        self._asked.pop(question, None)
        try:  # an answer has no word for another tool: its arguments are all an editor can change
            result = self._thread.resume(
                question, "edit" if edit else "approve", by=person, args=edit[1] if edit else None
            )
        except ApprovalError:
            return Answer("refused")
        self._go_on()
        return _answer(result)

    def reject(self, question: str, by: Person = BOSS) -> None:
        self._asked.pop(question, None)
        self._thread.resume(question, "reject", by=Subject(id=by.id, tenant="acme", roles=by.roles))
        self._go_on()

    def batch(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        self._later = list(calls)
        self._go_on()

    def _go_on(self) -> None:
        while self._later and not self._asked:
            self.propose(*self._later.pop(0))

    def pending(self) -> list[Question]:
        return list(self._asked.values())

    def change(self, need: Need) -> None:
        self._thread = self._open(need).thread(self._thread.id)

    def wait(self, seconds: int) -> None:
        self._clock.forward(seconds=seconds)

    def close(self) -> None:
        for gateway in self._gateways:
            gateway.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _answer(result: ToolResult) -> Answer:
    match result.status:
        case "executed":
            return Answer("executed")
        case "pending":
            return Answer("pending", result.approval_id or "")
        case _:
            return Answer("refused")


def _field(arg: Arg) -> tuple[Any, Any]:
    kind = _KINDS[arg.kind]
    if arg.default is REQUIRED:
        return kind, ...
    return (kind | None, None) if arg.default is None else (kind, arg.default)


def _policies(need: Need, folder: str) -> dict[str, Policy]:
    match need.policy:
        case "none":
            return {}
        case "empty":
            return {_DESK: Policy.parse("")}
        case "missing":
            return {_DESK: Policy.load(Path(folder) / "policy.yaml")}
    here = {tool.name: _rule(tool) for tool in need.tools if tool.permitted == "yes"}
    there = {tool.name: _rule(tool) for tool in need.tools if tool.permitted != "yes"}
    made = {_DESK: _policy("desk.v1", here)} if here else {}
    if not here:  # a policy needs a tool; this one has one that nobody asks for
        raise CannotExpress("a policy that permits nothing is refused")
    return made | ({_ELSEWHERE: _policy("elsewhere.v1", there)} if there else {})


def _policy(name: str, tools: Mapping[str, Any]) -> Policy:
    return Policy.model_validate(
        {"version": 1, "name": name, "limits": _LIMITS, "loops": {"same_call": 100, "cycle": 100}, "tools": tools}
    )


def _rule(tool: Tool) -> dict[str, Any]:
    rule: dict[str, Any] = {"roles": ["sales"], "mode": "execute", "from": dict.fromkeys(tool.open_args, _ORIGINS)}
    rule["args"] = [name for name, arg in tool.open_args.items() if not arg.added]
    where = {name: made for name, arg in tool.open_args.items() if not arg.added and (made := _where(arg))}
    if where:
        rule["where"] = {"properties": where}
    if tool.limit is not None:
        rule["limits"] = [f"{tool.limit}/hour/thread"]
    if tool.approval is not None:
        seconds = tool.approval.expires_s or 86_400
        rule |= {
            "mode": "approve",
            "approvers": {
                "roles": [tool.approval.role or "manager"],
                "not_requester": tool.approval.not_requester,
                "expires": f"{seconds}s",
            },
        }
    return rule


def _where(arg: Arg) -> dict[str, Any]:
    said = {
        "enum": list(arg.one_of) or None,
        "pattern": f"^{arg.pattern}$" if arg.pattern else None,
        "minimum": arg.minimum,
        "maximum": arg.maximum,
        "maxLength": arg.max_length,
    }
    return {keyword: value for keyword, value in said.items() if value is not None}


class Ours:
    """The system."""

    name = "agent_guard"

    def __init__(self, masker: Masker | None = None) -> None:
        self._masker = masker or Masker(profile="patterns")

    def about(self) -> str:
        return f"agent_guard {version('langgraph-agent-guard')}"

    def open(self, need: Need) -> Handle:
        try:
            return _Handle(need, self._masker)
        except ConfigError as error:
            raise Refused(str(error)) from None
