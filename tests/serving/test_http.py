"""GuardHTTP in front of a server: what is stored is masked, what its reader gets is restored, the rest is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent_guard.errors import StoreError
from agent_guard.nodes import guarded_agent
from agent_guard.serving.http import GuardHTTP
from agent_guard.serving.identity import Caller
from agent_guard.serving.opening import NewThread
from agent_guard.serving.refused import Refused
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Subject
from tests.conftest import World
from tests.serving.fake_server import T1, T2, FakeServer, client

pytestmark = pytest.mark.req("A9", "A12", "A23")

NAME, MAIL = "Anna Kowalska", "eve@elsewhere.example"
APPROVE = {"decisions": [{"type": "approve"}]}


class Server:
    """GuardHTTP before a fake server that runs a guarded agent."""

    def __init__(self, world: World, *turns: Any, **options: Any) -> None:
        self.world, self.gateway = world, world.gateway(**options)
        self.inner = FakeServer(guarded_agent(ScriptedModel(*turns), self.gateway))
        self.guard = GuardHTTP(self.inner, gateway=self.gateway, graphs=["agent"], receive=self.receive)
        self.user = Caller(subject=world.sdr)
        self.boss = Caller(subject=world.boss)
        self.chat = Caller(subject=Subject(id="chat", tenant="acme"), speaker="party")
        self.stranger = Caller(subject=world.stranger)

    def receive(self, caller: Caller, graph: str, about: Mapping[str, str], text: str) -> NewThread:
        del graph, text
        if about and about != {"deal_id": "42"}:
            raise Refused(404, "about_unknown", "there is no such record")
        subject = self.world.sdr if caller.speaker == "party" else caller.subject
        return NewThread(subject=subject, party=self.world.anna if about else None)

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: Caller | None = None, **more: Any
    ) -> httpx.Response:
        async with client(self.guard, by or self.user) as made:
            return await made.request(method, path, json=body, **more)

    async def run(
        self, *, by: Caller | None = None, kind: str = "/wait", thread: str = T1, **body: Any
    ) -> httpx.Response:
        return await self.ask("POST", f"/threads/{thread}/runs{kind}", {"assistant_id": "agent", **body}, by=by)

    async def say(self, text: Any, *, by: Caller | None = None, **more: Any) -> httpx.Response:
        if T1 not in self.inner.threads:
            await self.ask("POST", "/threads", {"thread_id": T1}, by=by)
        messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
        return await self.run(
            by=by, **({"input": {"messages": messages}, "metadata": {"about": {"deal_id": "42"}}} | more)
        )

    def stored(self) -> str:
        """All that the server was sent and kept, and the guard's own database."""
        return repr([self.inner.stored(), self.inner.seen, self.world.dump(self.gateway)])


@pytest.fixture
def made(world: World) -> Callable[..., Server]:
    return lambda *turns, **options: Server(world, *turns, **options)


def stage(id_: str = "s1", to: str = "won") -> Any:
    return call("crm.set_stage", id=id_, deal_id="42", stage=to)


def task() -> Any:
    return call("crm.create_task", id="c1", deal_id="42", subject="Call <PERSON_1>")


@pytest.mark.databases
async def test_nothing_raw_is_stored_and_the_reader_gets_it_back(made: Any, world: World) -> None:
    """The tool and the thread's own user get the values; the server and both databases hold pseudonyms."""
    server = made(task(), "Done for <PERSON_1>.")
    out = (await server.say(f"Remind me to call {NAME} or {MAIL}.")).json()
    assert out["messages"][0]["content"] == f"Remind me to call {NAME} or {MAIL}."
    assert out["messages"][1]["tool_calls"][0]["args"]["subject"] == f"Call {NAME}"
    assert out["messages"][-1]["content"] == f"Done for {NAME}."
    assert world.desk.effects[0]["subject"] == f"Call {NAME}"
    assert "Kowalska" not in server.stored() and "elsewhere" not in server.stored()
    assert "<PERSON_1>" in server.stored()


async def test_who_reads_what(made: Any, world: World) -> None:
    """The thread's user reads every value, a channel the customer's own words, a colleague none, a stranger no thread."""
    server = made("Write to <EMAIL_1> or <EMAIL_2>.")
    known = {"email": {"boss@firm.example"}}
    await server.ask("POST", "/threads", {"thread_id": T1})
    server.gateway.open(world.sdr, thread_id=T1, trusted=known)
    await server.say(f"I am {MAIL}.", by=server.chat)
    said = []
    for caller in (server.user, server.chat, server.boss):
        out = await server.ask("GET", f"/threads/{T1}/state", by=caller)
        said.append(out.json()["values"]["messages"][-1]["content"])
    assert said == [
        f"Write to boss@firm.example or {MAIL}.",
        f"Write to <EMAIL_1> or {MAIL}.",
        "Write to <EMAIL_1> or <EMAIL_2>.",
    ]
    assert (await server.ask("GET", f"/threads/{T1}/state", by=server.stranger)).status_code == 404


@pytest.mark.databases
async def test_an_interrupt_answered_twice_from_two_clients(made: Any, world: World) -> None:
    """The first answer counts and runs once; the second client is told who answered, and nothing runs again."""
    server = made(stage(), "Done.")
    asked = (await server.say("See to it.")).json()["__interrupt__"][0]["value"]
    id_ = asked["agent_guard"]["approval_id"]
    assert asked["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]
    first = await server.run(by=server.boss, command={"resume": APPROVE})
    other = Caller(subject=Subject(id="m8", tenant="acme", roles={"manager"}))
    second = await server.run(by=other, command={"resume": APPROVE | {"approval_id": id_}})
    third = await server.run(by=other, command={"resume": APPROVE})
    same = await server.run(by=server.boss, command={"resume": APPROVE | {"approval_id": id_}})
    again = await server.run(by=other, command={"resume": {"approval_id": id_}})
    assert same.status_code == 409
    assert first.json()["status"] == "delivered"
    assert (second.status_code, second.json()["code"]) == (409, "approval_used") and "by m7" in second.json()["detail"]
    assert (third.status_code, third.json()["code"]) == (409, "no_question")
    assert again.status_code == 200
    assert [item["stage"] for item in world.desk.effects] == ["won"]


async def test_an_edit_is_masked_and_reaches_the_server_as_its_approval_alone(made: Any, world: World) -> None:
    """Neither the edited values nor the reason of a rejection are in what the server is sent."""
    server = made(stage(), stage("s2"), "Fine.")
    await server.say("See to it.")
    edit = {"type": "edit", "edited_action": {"name": "crm.set_stage", "args": {"deal_id": "42", "stage": "lost"}}}
    out = await server.run(by=server.boss, command={"resume": edit})
    assert [item["stage"] for item in world.desk.effects] == ["lost"]
    assert "__interrupt__" in out.json()
    await server.run(by=server.boss, command={"resume": {"type": "reject", "message": f"Ask {MAIL} first."}})
    sent = [body["command"]["resume"] for _, _, body in server.inner.seen if body and "command" in body]
    assert [set(item) for item in sent] == [{"approval_id"}, {"approval_id"}]
    assert "elsewhere" not in server.stored()


@pytest.mark.parametrize(
    ("value", "who", "status", "code"),
    [
        ("yes", "boss", 422, "answer_unreadable"),
        ({"type": "approve", "approval_id": "apr_other"}, "boss", 404, "approval_unknown"),
        (APPROVE, "user", 403, "approver_not_permitted"),
        (APPROVE, "stranger", 404, "thread_unknown"),
        ({"approval_id": "waiting"}, "boss", 422, "answer_unreadable"),
    ],
)
async def test_a_refused_answer_reaches_no_server(
    made: Any, world: World, value: Any, who: str, status: int, code: str
) -> None:
    """It is an error for whoever gave it, and the question stays."""
    server = made(stage(), "Done.")
    asked = (await server.say("See to it.")).json()["__interrupt__"][0]["value"]["agent_guard"]["approval_id"]
    if value == {"approval_id": "waiting"}:
        value = {"approval_id": asked}
    out = await server.run(by=getattr(server, who), command={"resume": value})
    assert (out.status_code, out.json()["code"]) == (status, code)
    assert not [body for _, _, body in server.inner.seen if body and "command" in body]
    assert (await server.run(by=server.boss, command={"resume": APPROVE})).json()["status"] == "delivered"
    assert len(world.desk.effects) == 1


async def test_a_question_of_another_thread(made: Any) -> None:
    """Its id answers nothing here, though it is of the same tenant."""
    server = made(stage(), "Hello.")
    asked = (await server.say("See to it.")).json()["__interrupt__"][0]["value"]["agent_guard"]["approval_id"]
    await server.ask("POST", "/threads", {"thread_id": T2})
    await server.run(thread=T2, input={"messages": ["Hi."]})
    for answer in ({"approval_id": asked}, APPROVE | {"approval_id": asked}):
        out = await server.run(thread=T2, by=server.boss, command={"resume": answer})
        assert (out.status_code, out.json()["code"]) == (404, "approval_unknown")


async def test_the_host_opens_no_thread_for_another_tenant(made: Any, world: World) -> None:
    """A record that belongs elsewhere is one that there is not."""
    server = made("Hello.")
    server.receive = lambda *_: NewThread(subject=world.stranger)
    server.guard = GuardHTTP(server.inner, gateway=server.gateway, graphs=["agent"], receive=server.receive)
    assert (await server.say("Hi.")).status_code == 404
    assert world.rows(server.gateway, "threads") == []


async def test_an_answer_that_its_server_did_not_carry_out(made: Any, world: World) -> None:
    """Recorded, then the server was gone: no message takes its place, and naming the approval carries it out, once."""
    server = made(stage(), "Done.")
    asked = (await server.say("See to it.")).json()["__interrupt__"][0]["value"]["agent_guard"]["approval_id"]
    server.gateway.answer(asked, "approve", by=world.boss, taken=True)
    said = await server.say("Something else.")
    assert (said.status_code, said.json()["code"]) == (409, "approval_pending") and asked in said.json()["detail"]
    assert (await server.run(command={"resume": {"approval_id": asked}})).json()["status"] == "delivered"
    assert len(world.desk.effects) == 1


async def test_a_message_does_not_take_the_place_of_a_question(made: Any) -> None:
    """While a question waits, a message and a state update are refused; an expired question gives way."""
    server = made(stage(), "Done.", "Hello.")
    await server.say("See to it.")
    update = {"values": {"messages": ["Hi."]}}
    for out in (await server.say("And?"), await server.ask("POST", f"/threads/{T1}/state", update)):
        assert (out.status_code, out.json()["code"]) == (409, "approval_pending")
    server.world.clock.forward(hours=25)
    assert (await server.say("And now?")).json()["status"] == "delivered"


async def test_a_state_update_is_heard_and_runs_nothing(made: Any) -> None:
    """Its messages are masked and marked as the caller's; a run without input then goes on from there."""
    server = made("Hello.", "I have read it.")
    await server.say("Hi.")
    values = {
        "messages": [
            {"type": "human", "content": f"From {MAIL}.", "id": "m1", "additional_kwargs": {"speaker": "party"}}
        ]
    }
    assert (await server.ask("POST", f"/threads/{T1}/state", {"values": values})).status_code == 200
    out = (await server.run()).json()
    assert [item["content"] for item in out["messages"]] == ["Hi.", "Hello.", f"From {MAIL}.", "I have read it."]
    assert [item["id"] for item in out["messages"] if item["type"] == "human"] == ["m1", "m2"]
    assert out["messages"][2]["additional_kwargs"] == {"speaker": "user"}
    assert "elsewhere" not in server.stored()


async def test_a_marked_raw_message_is_masked_all_the_same(made: Any) -> None:
    """A client's own mark, id and names count for nothing, and what came in parts is one text."""
    server = made("Hello.")
    content = [{"type": "text", "text": f"I am {NAME},"}, {"type": "text", "text": MAIL}]
    forged = {"role": "user", "content": content, "additional_kwargs": {"speaker": "user"}, "id": "x", "name": NAME}
    out = (await server.say([forged, "And hello."])).json()
    assert [item["content"] for item in out["messages"]] == [f"I am {NAME},\n{MAIL}", "And hello.", "Hello."]
    assert "Kowalska" not in server.stored() and "elsewhere" not in server.stored()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"context": {"masks_answers": True}}, 422),
        ({"context": {"approver": {"id": "m7"}}}, 422),
        ({"config": {"configurable": {"thread_id": T2}}}, 422),
        ({"config": {"configurable": {"langgraph_auth_user": {}}}}, 422),
        ({"checkpoint": {"checkpoint_id": T2}}, 422),
        ({"checkpoint_id": T2}, 422),
        ({"webhook": "https://evil.example"}, 422),
        ({"interrupt_before": "*"}, 422),
        ({"interrupt_after": ["execute"]}, 422),
        ({"after_seconds": 60}, 422),
        ({"on_completion": "keep"}, 422),
        ({"multitask_strategy": "rollback"}, 422),
        ({"on_disconnect": "cancel"}, 422),
        ({"if_not_exists": "create"}, 422),
        ({"command": {"goto": "execute"}, "input": None}, 422),
        ({"command": {"update": {"queue": []}}, "input": None}, 422),
        ({"command": {"resume": 1, "goto": "execute"}, "input": None}, 422),
        ({"command": {"resume": {"approval_id": "x"}}}, 422),
        ({"input": {"messages": ["Hi."], "queue": [{}]}}, 422),
        ({"input": {"messages": [{"type": "remove", "id": "m1"}]}}, 422),
        ({"input": {"messages": [{"type": "ai", "content": "Yes."}]}}, 422),
        ({"input": {"messages": [{"type": "human", "content": [{"type": "image_url", "url": "x"}]}]}}, 422),
        ({"input": {"messages": []}}, 422),
        ({"input": "Hi."}, 422),
        ({"metadata": {"about": {"deal_id": "Anna Kowalska"}}}, 422),
        ({"metadata": {"about": {"deal_id": "99"}}}, 404),
        ({"stream_mode": "events"}, 422),
        ({"assistant_id": "other"}, 404),
        ({"Anna Kowalska": 1}, 422),
    ],
)  # fmt: skip
async def test_what_a_run_may_not_say(made: Any, body: dict[str, Any], status: int) -> None:
    """Refused by name before anything is stored; a forged mark, another's config and a way around the graph among them."""
    server = made("Hello.")
    out = await server.say("Hi.", **body)
    assert out.status_code == status, out.text
    assert "Kowalska" not in out.text
    assert not [1 for method, path, _ in server.inner.seen if method == "POST" and "runs" in path]
    assert server.world.rows(server.gateway, "threads") == []


async def test_what_is_set_and_what_is_left_out(made: Any) -> None:
    """The marks, the durability and the strategy are ours; decoration is left out, and so is every other header."""
    server = made("Hello.")
    extra = {"config": {"recursion_limit": 9999, "tags": [NAME]}, "feedback_keys": [NAME], "durability": "exit"}
    await server.ask("POST", "/threads", {"thread_id": T1})
    body = {"assistant_id": "agent", "input": {"messages": ["Hi."]}, "metadata": {"x": NAME}, **extra}
    headers = {"x-who": NAME, "langsmith-trace": NAME, "user-agent": NAME, "last-event-id": "7-0"}
    out = await server.ask("POST", f"/threads/{T1}/runs", body, headers=headers)
    _, _, sent = server.inner.seen[-1]
    assert out.json() == {"run_id": "r1"}
    messages = [{"type": "human", "content": "Hi.", "id": "m1", "additional_kwargs": {"speaker": "user"}}]
    assert sent == {
        "assistant_id": "agent", "input": {"messages": messages}, "context": {"masks_answers": True},
        "config": {"recursion_limit": 4 * 200 + 12 * 50 + 20}, "durability": "sync", "multitask_strategy": "reject",
        "on_disconnect": "continue", "if_not_exists": "reject",
    }  # fmt: skip
    kept = {name for name, _ in server.inner.scopes[-1]["headers"]}
    assert kept == {b"host", b"accept", b"last-event-id", b"content-type", b"content-length"}
    assert "Kowalska" not in server.stored()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/runs"), ("POST", "/runs/wait"), ("POST", "/runs/stream"), ("POST", "/runs/batch"),
        ("POST", "/runs/cancel"), ("POST", "/runs/crons"), ("POST", f"/threads/{T1}/runs/crons"),
        ("PUT", "/store/items"), ("POST", "/store/items/search"), ("POST", "/mcp"), ("POST", "/a2a/agent"),
        ("POST", "/assistants"), ("PATCH", "/assistants/agent"), ("DELETE", "/assistants/agent"),
        ("DELETE", f"/threads/{T1}"), ("PATCH", f"/threads/{T1}"), ("POST", f"/threads/{T1}/copy"),
        ("POST", "/threads/prune"), ("POST", f"/threads/{T1}/state/checkpoint"), ("GET", f"/threads/{T1}/stream"),
        ("POST", f"/threads/{T1}/commands"), ("DELETE", f"/threads/{T1}/runs/{T2}"), ("GET", "/ui/agent"),
        ("GET", "/metrics"), ("GET", "/docs"), ("POST", "/internal/truncate"), ("GET", f"/threads/{T1}/"),
        ("GET", f"/threads/{T1.upper()}"), ("GET", f"//threads/{T1}"), ("HEAD", f"/threads/{T1}"), ("GET", "/nowhere"),
    ],
)  # fmt: skip
async def test_a_route_that_is_not_on_the_list(made: Any, method: str, path: str) -> None:
    """It is refused with words and never reaches the server: stateless runs, the store, crons, MCP, A2A, copies."""
    server = made("Hello.")
    out = await server.ask(method, path, {"assistant_id": "agent", "input": {"messages": ["Hi."]}})
    assert out.status_code == 403 and server.inner.seen == []
    assert method == "HEAD" or out.json()["code"] == "route_closed"


async def test_a_stateless_run_is_told_what_to_do(made: Any) -> None:
    """The words name the route to take."""
    out = await made().ask("POST", "/runs/wait", {"assistant_id": "agent"})
    assert "POST /threads/{thread_id}/runs" in out.json()["detail"]


async def test_a_websocket_is_closed(made: Any) -> None:
    """The event protocol of newer clients is not served."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await made().guard({"type": "websocket", "path": "/x"}, None, send)
    assert [(item["type"], item["code"]) for item in sent] == [("websocket.close", 1008)]


async def test_nobody_known_gets_nothing_but_signs_of_life(made: Any) -> None:
    """Without a user of the server's auth all but the health routes is refused, also in a server's own loopback."""
    server = made("Hello.")
    async with client(server.guard, None) as nobody:
        assert (await nobody.get("/ok")).status_code == 200
        out = await nobody.post("/threads", json={"thread_id": T1})
        assert (out.status_code, out.json()["code"]) == (401, "unauthenticated")
    async with client(server.guard, None, root="/noauth") as loopback:
        assert (await loopback.get(f"/noauth/threads/{T1}")).status_code == 401


async def test_a_server_that_authenticates_inside_its_routes(made: Any) -> None:
    """There the door itself asks who calls; nobody, or an error of the host's code, is nobody."""
    server = made("Hello.")
    known = {"Bearer sdr": server.user}
    guard = GuardHTTP(
        server.inner,
        gateway=server.gateway,
        graphs=["agent"],
        identify=lambda headers: known.get(headers["authorization"]),
    )
    async with client(guard, None) as raw:
        assert (await raw.post("/threads", json={"thread_id": T1})).status_code == 401
        assert (await raw.post("/threads", json={}, headers={"Authorization": "Bearer eve"})).status_code == 401
        assert (await raw.post("/threads/count", headers={"Authorization": "Bearer sdr"})).status_code == 200


@pytest.mark.databases
async def test_a_thread_of_another_tenant_is_not_there(made: Any) -> None:
    """Reading it, running in it, resuming it and searching for it: the words are those of a thread that never was."""
    server = made(stage(), "Done.")
    await server.say("See to it.")
    words = []
    for thread in (T1, T2):
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/state", None),
            ("POST", "/history", {}),
            ("POST", "/state", {"values": {"messages": ["Hi."]}}),
            ("POST", "/runs/wait", {"assistant_id": "agent", "input": {"messages": ["Hi."]}}),
            ("POST", "/runs/wait", {"assistant_id": "agent", "command": {"resume": APPROVE}}),
        ):
            out = await server.ask(method, f"/threads/{thread}{path}", body, by=server.stranger)
            words.append((out.status_code, method, path))
    assert words[:6] == words[6:] and {status for status, *_ in words} == {404}
    assert (await server.ask("POST", "/threads/search", {}, by=server.stranger)).json() == []
    assert len(server.world.rows(server.gateway, "threads")) == 1


async def test_an_empty_thread_of_another_tenant_cannot_be_opened(made: Any) -> None:
    """A thread that was created and not spoken in is its tenant's as well: nobody else takes its id at the gateway."""
    server = made("Hello.")
    await server.ask("POST", "/threads", {"thread_id": T1})
    assert (await server.run(by=server.stranger, input={"messages": ["Hi."]})).status_code == 404
    assert (await server.say("Hi.")).json()["status"] == "delivered"


async def test_a_colleague_reads_and_answers_but_does_not_speak(made: Any) -> None:
    """In somebody else's thread a colleague reads pseudonyms; words, a plain run, a state update and a cancel are refused."""
    server = made("Hello.")
    await server.say(f"I am {NAME}.")
    out = await server.ask("GET", f"/threads/{T1}", by=server.boss)
    assert out.json()["values"]["messages"][0]["content"] == "I am <PERSON_1>."
    for refused in (
        await server.say("Delete it.", by=server.boss),
        await server.run(by=server.boss),
        await server.ask("POST", f"/threads/{T1}/state", {"values": {"messages": ["Hi."]}}, by=server.boss),
        await server.ask("POST", f"/threads/{T1}/runs/{T2}/cancel", by=server.boss),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "other_subject")


async def test_a_thread_stays_with_its_graph(made: Any, world: World) -> None:
    """A run of another graph in it is refused."""
    policies = {"agent": world.policy(), "other": world.policy()}
    server = made("Hello.", policies=policies)
    server.guard = GuardHTTP(
        server.inner, gateway=lambda: server.gateway, graphs=["agent", "other"],
        receive=lambda caller, graph, about, text: NewThread(subject=caller.subject, scenario=graph),
    )  # fmt: skip
    await server.say("Hi.")
    out = await server.run(assistant_id="other", input={"messages": ["Hi."]})
    assert (out.status_code, out.json()["code"]) == (409, "other_graph")


async def test_a_run_that_is_under_way_is_not_cut(made: Any) -> None:
    """A second one is refused before its words are kept."""
    server = made("Hello.")
    await server.say("Hi.")
    server.inner.threads[T1]["status"] = "busy"
    heard = server.gateway.thread_row(T1, fresh=True).heard
    out = await server.say("And?")
    assert (out.status_code, out.json()["code"]) == (409, "busy")
    assert server.gateway.thread_row(T1, fresh=True).heard == heard


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"/threads/{T1}/history?limit=5", 200), (f"/threads/{T1}/history?before=Anna", 422), (f"/threads/{T1}?include=ttl", 422),
     (f"/threads/{T1}/runs/{T2}/join?cancel_on_disconnect=1", 422)],
)  # fmt: skip
async def test_query_parameters_are_a_closed_list(made: Any, path: str, status: int) -> None:
    """What is not on a route's list, or would cut a run, is refused without being repeated."""
    server = made("Hello.")
    await server.say("Hi.")
    out = await server.ask("GET", path)
    assert out.status_code == status and "Anna" not in out.text


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("/threads", {"metadata": {"name": NAME}}, 422),
        ("/threads", {"thread_id": "x"}, 422),
        ("/threads", {"supersteps": [{}]}, 422),
        ("/threads", {"ttl": 5}, 422),
        ("/threads", {"thread_id": T2, "metadata": {"graph_id": "agent"}}, 200),
        ("/threads/search", {"values": {"x": NAME}}, 422),
        ("/threads/search", {"metadata": {"x": NAME}}, 422),
        ("/threads/search", {"limit": 5, "status": "interrupted", "sort_by": "created_at", "sort_order": "desc", "ids": [T1]}, 200),
        ("/threads/search", {"limit": 5000}, 422),
        ("/threads/count", {}, 200),
        ("/assistants/search", {"graph_id": "agent", "limit": 3}, 200),
        ("/assistants/search", {"name": NAME}, 422),
        (f"/threads/{T1}/history", {"limit": 3}, 200),
        (f"/threads/{T1}/history", {"checkpoint": {"thread_id": T2}}, 422),
        (f"/threads/{T1}/state", {"values": {"status": "delivered"}}, 422),
        (f"/threads/{T1}/state", {"values": {"messages": ["x"]}, "as_node": "execute"}, 422),
        (f"/threads/{T1}/state", {"values": {"messages": ["x"]}, "checkpoint_id": T2}, 422),
    ],
)  # fmt: skip
async def test_what_other_bodies_may_hold(made: Any, route: str, body: Any, status: int) -> None:
    """Ids, numbers and closed words are passed; free text and other people's checkpoints are refused."""
    server = made("Hello.")
    await server.say("Hi.")
    out = await server.ask("POST", route, body)
    assert out.status_code == status, out.text
    assert "Kowalska" not in out.text and "Kowalska" not in server.stored()


async def test_a_body_that_cannot_be_read(made: Any) -> None:
    """No JSON, no object, or too much of it: each is an error of its own."""
    server = made()
    for content, status in ((b"{", 422), (b"[1]", 422), (b" " * 1_000_001, 413), (b"[" * 50_000, 422)):
        async with client(server.guard, server.user) as made_client:
            assert (await made_client.post("/threads", content=content)).status_code == status


async def test_a_search_restores_the_callers_own_threads_alone(made: Any) -> None:
    """Of a colleague's threads the pseudonyms are shown."""
    server = made("Hello.")
    await server.say(f"I am {NAME}.")
    for caller, shown in ((server.user, f"I am {NAME}."), (server.boss, "I am <PERSON_1>.")):
        (found,) = (await server.ask("POST", "/threads/search", {}, by=caller)).json()
        assert found["values"]["messages"][0]["content"] == shown


async def test_a_stream_is_restored_however_it_is_cut(made: Any) -> None:
    """Events whose bytes and whose pseudonyms are split anywhere come out whole; a sign of life goes through."""
    server = made("Hello.", "Hello.")
    await server.say(f"I am {NAME}.")
    chunk = {"type": "AIMessageChunk", "id": "a"}
    texts = ["Dear <PER", "SON_", "1>, 2 <", " 3, <PERSON_9"]
    events = [
        f"event: messages\r\ndata: {json.dumps([chunk | {'content': text}, {}])}\r\nid: {n}\r\n\r\n"
        for n, text in enumerate(texts)
    ]
    whole = json.dumps({"messages": [{"type": "ai", "content": "Dear <PERSON_1>"}]})
    raw = "".join([": heartbeat\r\n\r\n", *events, f"event: values\ndata: {whole}\n\n"]).encode()
    server.inner.events = [raw[at : at + 3] for at in range(0, len(raw), 3)]
    out = await server.run(kind="/stream", input={"messages": ["Hi."]})
    assert out.text.startswith(": heartbeat\r\n\r\nevent: messages\r\n")
    data = [json.loads(line[6:]) for line in out.text.splitlines() if line.startswith("data: ")]
    pieces = [item[0]["content"] for item in data if isinstance(item, list)]
    assert pieces == ["Dear ", "", f"{NAME}, 2 ", "< 3, ", "<PERSON_9"]
    assert data[-2]["messages"][0]["content"] == f"Dear {NAME}"
    assert (
        "Kowalska"
        not in (await server.run(by=server.boss, kind="/stream", command={"resume": {"approval_id": "x"}})).text
    )


async def test_the_database_is_down(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes in (503, without the database's words), and what is under way keeps its pseudonyms."""
    server = made("Hello <PERSON_1>.", "Hello <PERSON_1>.")
    await server.say(f"I am {NAME}.")

    def down(*_: Any, **__: Any) -> Any:
        raise StoreError("the file /secret/guard.db is locked")

    with monkeypatch.context() as broken:
        broken.setattr("agent_guard.guarded.GuardedThread.restore", down)
        out = await server.say("Hi.")
        assert out.json()["messages"][-1]["content"] == "Hello <PERSON_1>."
        server.inner.events = [
            b'event: values\r\ndata: {"messages": [{"type": "ai", "content": "<PERSON_1>"}]}\r\n\r\n'
        ]
        assert "<PERSON_1>" in (await server.run(kind="/stream", input={"messages": ["Hi."]})).text
    monkeypatch.setattr(server.gateway.store, "write", down)
    out = await server.say("Hi.")
    assert (out.status_code, out.json()["code"]) == (503, "store_unavailable") and "secret" not in out.text


def test_the_list_of_routes_is_the_documented_one() -> None:
    """docs/servers.md names every open route, and no other."""
    from agent_guard.serving.routes import ROUTES

    text = (Path(__file__).parents[2] / "docs" / "servers.md").read_text(encoding="utf-8")
    named = {line.split("`")[1] for line in text.splitlines() if line.startswith(("| `GET ", "| `POST "))}
    assert named == {f"{route.method} {route.form}" for route in ROUTES}
