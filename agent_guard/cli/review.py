"""``agent-guard approvals review``: the waiting questions one after another, answered at the terminal.

A key counts only with Enter, and what was typed before a question stood on the screen answers nothing. Values are shown
to a person who may answer, on a key of its own, and that they were is in the record first.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.text import Text

from agent_guard.cli.editor import as_yaml, from_yaml, in_editor
from agent_guard.cli.output import console
from agent_guard.cli.plain import words
from agent_guard.cli.question import question, values
from agent_guard.cli.resuming import Sessions, carry_out, gone_on
from agent_guard.errors import ApprovalError, ConfigError, TextTooLong
from agent_guard.proposal.answer import preview
from agent_guard.proposal.answerer import may_not, person_of
from agent_guard.proposal.reveal import objection, reveal
from agent_guard.types import Code

if TYPE_CHECKING:
    from agent_guard.approvals import Answer, Approval
    from agent_guard.gateway import Gateway
    from agent_guard.types import JSON, Subject

__all__ = ["Review", "terminal"]

_KEYS = "a approve, e edit, r reject, n respond, v view values, s skip, q quit"
_OVER = (Code.APPROVAL_USED, Code.APPROVAL_EXPIRED, Code.APPROVAL_UNKNOWN)
_HEADER = "# "

_Next = Literal["next", "quit"]


@dataclass(frozen=True, kw_only=True)
class _Given:
    """An answer that the person decided on."""

    word: Answer
    args: Mapping[str, JSON] | None = None
    message: str | None = None


def terminal() -> None:
    """Refuses to go on where nobody sits.

    Raises:
        ConfigError: standard input or output is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "the review needs a terminal; without one see 'agent-guard approvals list' and answer with "
            "'agent-guard approvals approve ID', reject, respond or edit"
        )
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no Cyrillic shows it written out


class Review:
    """One person at a terminal.

    Args:
        sessions: where threads go on after an answer.
        by: the person, authenticated.
    """

    def __init__(self, gateway: Gateway, sessions: Sessions, by: Subject) -> None:
        self._gateway = gateway
        self._sessions = sessions
        self._by = by

    def walk(self, only: str | None = None) -> None:
        """Puts the questions that wait before the person, the oldest first.

        Args:
            only: the id of one question.

        Raises:
            ConfigError: there is no such question, or it waits no more.
            ApprovalError: the directory does not answer.
            StoreError: the guard's database cannot be used.
        """
        queue = deque([self._named(only)] if only else self._waiting())
        if not queue:
            console.print("Nothing waits for you.")
            return
        count = 0
        while queue:
            approval = self._gateway.approvals.get(queue.popleft().id)
            if approval is None or not self._waits(approval):
                continue  # somebody else was quicker
            count += 1
            console.rule(f"question {count}, {len(queue)} more")
            console.print(question(approval, now_ms=self._gateway.now_ms()))
            after = self._one(approval)
            if after == "quit":
                return
            if after != "next" and (asked := self._gateway.approvals.get(after)) is not None:
                queue.appendleft(asked)
        console.print("That was all.")

    def _named(self, approval_id: str) -> Approval:
        approval = self._gateway.approvals.get(approval_id)
        if approval is None or approval.tenant != self._by.tenant:
            raise ConfigError(f"there is no approval {approval_id!r}; see: agent-guard approvals list")
        if not self._waits(approval):
            done = f"was answered: {approval.answer} by {approval.answered_by}" if approval.answer else "has expired"
            raise ConfigError(f"{approval_id} waits no more, it {done}")
        return approval

    def _waiting(self) -> list[Approval]:
        """The open questions of the person's company that their roles may answer."""
        person = person_of(self._gateway, self._by)
        waiting = self._gateway.approvals.list(tenant=self._by.tenant, now_ms=self._gateway.now_ms())
        return [item for item in waiting if may_not(self._by, person, roles=item.roles, requester=None) is None]

    def _waits(self, approval: Approval) -> bool:
        return approval.answer is None and approval.expires > self._gateway.now_ms()

    def _one(self, approval: Approval) -> _Next | str:
        """One question until it is answered or left; the id of the question that its thread asks next, if any."""
        refusal = objection(self._gateway, approval, self._by)
        if refusal is not None:
            self._note(str(refusal))
        while True:
            key = self._key(_KEYS)
            if key is None or key in ("q", "quit"):
                return "quit"
            if key in ("s", "skip"):
                return "next"
            try:
                given = self._given(key, approval)
                if given is not None:
                    return self._answer(approval, given)
            except ApprovalError as error:
                self._note(str(error))
                if error.code in _OVER:
                    return "next"

    def _given(self, key: str, approval: Approval) -> _Given | None:
        """What a key means; None where it is no answer."""
        match key:
            case "a" | "approve":
                return _Given(word="approve")
            case "r" | "reject":
                why = self._ask("why? (for the agent; masked before it is stored)")
                return (
                    None if why is None else _Given(word="reject", message=why or None)
                )  # an end of input is no answer
            case "n" | "respond":
                said = self._ask("your answer to the agent (masked before it is stored)")
                return _Given(word="respond", message=said) if said else None
            case "e" | "edit":
                args = self._edited(approval)
                return None if args is None else _Given(word="edit", args=args)
            case "v" | "view":
                console.print(values(reveal(self._gateway, approval, by=self._by)))
            case _:
                self._note(f"{key!r} is no key")
        return None

    def _answer(self, approval: Approval, given: _Given) -> _Next | str:
        session = self._sessions.of(approval)
        reply, why = carry_out(session, approval.id, given.word, by=self._by, args=given.args, message=given.message)
        console.print(words(f"recorded: {given.word} by {self._by.id}", "green"))
        console.print(gone_on(approval, reply, why))
        return reply.pending.id if reply is not None and reply.pending is not None else "next"

    def _edited(self, approval: Approval) -> Mapping[str, JSON] | None:
        """The arguments as the person wrote them, once nothing is wrong with them; None where they are left alone."""
        before: Any = approval.shown.get("args") or {}
        text, problem = as_yaml(before), None
        while True:
            try:
                changed = in_editor(_commented(approval, problem) + text)
            except ConfigError as error:
                self._note(str(error))
                return None
            args, problem = self._read(approval, changed)
            if args == before:
                self._note("nothing was changed")
                return None
            if problem is not None:
                self._note(problem)
            offered = "e edit again, s leave it as it was" + ("" if problem else ", a approve it so")
            key = self._key(offered)
            while key not in (None, "e", "s", *(() if problem else ("a",))):
                key = self._key(offered)
            if key == "a":
                return args
            if key != "e":
                return None
            text = "".join(line for line in changed.splitlines(keepends=True) if not line.startswith(_HEADER))

    def _read(self, approval: Approval, text: str) -> tuple[Mapping[str, JSON] | None, str | None]:
        """The arguments that stand in a text, and what is wrong with them."""
        try:
            args = from_yaml(text)
            decision = preview(self._gateway, approval, args)
        except (ValueError, ApprovalError, TextTooLong) as error:
            return None, str(error)
        return args, decision.for_human if decision.outcome == "deny" else None

    def _key(self, offered: str) -> str | None:
        typed = self._ask(offered)
        return None if typed is None else typed.lower()

    def _ask(self, offered: str) -> str | None:
        """A line that the person types now, without blanks around it; None at the end of the input."""
        _forget_typed()
        console.print(Text(f"\n{offered}: "), end="")
        try:
            typed = sys.stdin.readline()
        except UnicodeDecodeError:
            return ""
        if not typed:
            console.print()
            return None
        return typed.strip()

    def _note(self, text: str) -> None:
        console.print(words(text, "yellow"))


def _commented(approval: Approval, problem: str | None) -> str:
    lines = [
        f"The arguments of {approval.tool}; lines that begin with '#' are left out.",
        "Pseudonyms such as <PERSON_1> may stay; values that you write are masked before they are stored.",
    ]
    if problem is not None:
        lines += [f"NOT ACCEPTED: {problem}"]
    return "".join(f"{_HEADER}{words(line).plain}\n" for line in lines)


def _forget_typed() -> None:
    """Drops what was typed before the question stood there: an Enter too many must not approve the next one."""
    try:
        import termios
    except ImportError:  # not on this system
        return
    with suppress(OSError, ValueError, termios.error):  # no terminal of that kind
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
