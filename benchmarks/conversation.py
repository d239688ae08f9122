"""One conversation: a customer's message, one tool call, the final answer; CPU and wall, in one run.

Rows:

    LangChain bare       ``create_agent`` with ``SqliteSaver`` on a file, stock settings
    LangChain guards     the same with LangChain's own middleware: PII (e-mail and card; input, output, tool results),
                         limits of tool calls and of model calls, retries
    LangChain guards+ask the same with ``HumanInTheLoopMiddleware``: interrupted once, approved, resumed
    ours                 ``guarded_agent`` and ``Session``, the tool in mode execute: a read, and a keyed draft
    ours+ask             the draft in mode approve: pending, approved by another person, resumed
    middleware           ``create_agent`` with ``GuardMiddleware`` alone, behind ``protect``: the keyed draft
    middleware+ask       the same in mode approve; beside "LangChain guards+ask" it is what an existing agent changes to

Ours runs with ``Masker()``, which finds names in three languages, and with ``Masker(profile="patterns")``, which like
LangChain's PII middleware finds what has a form.

The same in every row: the folder on disk, the messages (no two equal), the scripted model, which costs nothing, the
system of record in memory, the size of the tool's result, and a new thread for every conversation.

Not the same, and why no row is "the same thing, faster":

- ours masks before anything is stored, under pseudonyms that are kept encrypted and put back for the tool and for the
  reader; LangChain's middleware redacts for good what its patterns find, and the raw input is in the checkpoint.
- ours decides each call by a policy (role, region, binding to the customer, limits across threads), claims it in a
  flushed transaction so that it happens once, reads the record back, and writes a chained audit with the difference;
  LangChain has nothing that corresponds.
- LangChain retries a failed tool; ours never repeats a write by itself. No call fails here.
- the stock ``SqliteSaver`` flushes every checkpoint; ``Session`` opens its own without (``synchronous=NORMAL``), and
  flushes the claim of a call and a human's answer instead. Where a flush is slow this alone favours ours on wall time:
  compare CPU for the work that is done, and read wall time beside the printed time of one flush.
- LangChain's rows use its default durability (checkpoints written in the background), ours ``sync``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

os.environ["LANGSMITH_TRACING"] = "false"

from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    PIIMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool as langchain_tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from agent_guard import Session
from agent_guard.integrations.middleware import GuardMiddleware, protect
from agent_guard.masking import Masker
from agent_guard.nodes import GuardContext, guarded_agent
from benchmarks.desk import MANAGER, PARTY, SELLER, Desk, Script, gateway, message, name_of
from benchmarks.measure import arguments, measure, report

BARE = "LangChain bare"
Prepare = Callable[[int], Callable[[], None]]


@contextmanager
def langchain(folder: Path, *, guards: bool, ask: bool = False) -> Iterator[Prepare]:
    """LangChain's agent with a database of its own."""
    desk = Desk()

    @langchain_tool
    def create_task(deal_id: str, subject: str) -> dict[str, str]:
        """Drafts a task at a deal."""
        return desk.add(deal_id, subject)

    middleware: list[Any] = []
    if guards:
        middleware = [
            PIIMiddleware("email", apply_to_input=True, apply_to_output=True, apply_to_tool_results=True),
            PIIMiddleware("credit_card", apply_to_input=True, apply_to_output=True, apply_to_tool_results=True),
            ToolCallLimitMiddleware(thread_limit=5, run_limit=5),
            ModelCallLimitMiddleware(thread_limit=12, run_limit=12),
            ToolRetryMiddleware(),
        ]
    if ask:
        middleware.append(HumanInTheLoopMiddleware({"create_task": {"allowed_decisions": ["approve", "reject"]}}))
    with SqliteSaver.from_conn_string(str(folder / f"langchain-{guards}-{ask}.db")) as saver:
        agent = create_agent(Script(tool="create_task"), [create_task], middleware=middleware, checkpointer=saver)

        def prepare(n: int) -> Callable[[], None]:
            config: Any = {"configurable": {"thread_id": f"thread-{n}"}}

            def work() -> None:
                out = agent.invoke({"messages": [HumanMessage(message(n))]}, config)
                if ask:
                    assert out["__interrupt__"]
                    agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
                assert name_of(n) in desk.tasks[-1]["subject"]
                assert len(desk.tasks) == n + 1

            return work

        yield prepare


@contextmanager
def ours(folder: Path, name: str, masker: Masker, *, tool: str = "create_task", ask: bool = False) -> Iterator[Prepare]:
    """A guarded agent with databases of its own."""
    desk = Desk()
    guard = gateway(desk, folder / f"{name}.db", masker, mode="approve" if ask else "execute")
    graph = guarded_agent(Script(tool=f"crm__{tool}", guarded=True), guard)
    session = Session(graph, guard, checkpointer=f"sqlite:///{folder}/{name}-threads.db")

    def prepare(n: int) -> Callable[[], None]:
        def work() -> None:
            reply = session.start(message(n), SELLER, speaker="party", party=PARTY)
            if ask:
                assert reply.pending
                reply = session.resume(reply.pending.id, "approve", by=MANAGER)
            assert reply.status == "delivered"
            if tool == "create_task":
                assert name_of(n) in desk.tasks[-1]["subject"]
                assert len(desk.tasks) == n + 1

        return work

    yield prepare
    session.close()
    guard.close()


@contextmanager
def middleware(folder: Path, name: str, masker: Masker, *, ask: bool = False) -> Iterator[Prepare]:
    """LangChain's agent behind our middleware, with databases of its own."""
    desk = Desk()
    guard = gateway(desk, folder / f"{name}.db", masker, mode="approve" if ask else "execute")
    agent = create_agent(Script(tool="crm__create_task", guarded=True), [], middleware=[GuardMiddleware(guard)])
    safe = protect(agent, guard, checkpointer=f"sqlite:///{folder}/{name}-threads.db")
    customer = GuardContext(subject=SELLER, party=PARTY, speaker="party")

    def prepare(n: int) -> Callable[[], None]:
        config: Any = {"configurable": {"thread_id": f"thread-{n}"}}

        def work() -> None:
            out = safe.invoke({"messages": [HumanMessage(message(n))]}, config, context=customer)
            if ask:
                assert out["__interrupt__"]
                answer: Any = Command(resume={"decisions": [{"type": "approve"}]})
                safe.invoke(answer, config, context=GuardContext(approver=MANAGER))
            assert name_of(n) in desk.tasks[-1]["subject"]
            assert len(desk.tasks) == n + 1

        return work

    yield prepare
    safe.close()
    guard.close()


def main() -> None:
    """Measures and prints."""
    options = arguments("CPU and wall time of one conversation, LangChain's agent and ours.", rounds=40)
    with tempfile.TemporaryDirectory() as where, ExitStack() as opened:
        folder = Path(where)
        full, patterns = Masker(), Masker(profile="patterns")
        full.warm()
        patterns.warm()
        contexts = {
            BARE: langchain(folder, guards=False),
            "LangChain guards": langchain(folder, guards=True),
            "LangChain guards+ask": langchain(folder, guards=True, ask=True),
            "ours, read": ours(folder, "read", full, tool="read_deal"),
            "ours, draft": ours(folder, "draft", full),
            "ours, draft, patterns": ours(folder, "draft-patterns", patterns),
            "ours+ask": ours(folder, "ask", full, ask=True),
            "ours+ask, patterns": ours(folder, "ask-patterns", patterns, ask=True),
            "middleware": middleware(folder, "middleware", full),
            "middleware, patterns": middleware(folder, "middleware-patterns", patterns),
            "middleware+ask": middleware(folder, "middleware-ask", full, ask=True),
            "middleware+ask, patterns": middleware(folder, "middleware-ask-patterns", patterns, ask=True),
        }
        variants = {name: opened.enter_context(context) for name, context in contexts.items()}
        rows, flush = measure(variants, rounds=options.rounds, folder=folder)
        report(rows, rounds=options.rounds, flush=flush, base=BARE, as_json=options.json)


if __name__ == "__main__":
    main()
