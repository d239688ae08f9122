"""Requests that no honest client sends, answers that no honest server gives, and a host's code that fails."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from agent_guard.guarded import GuardedThread
from agent_guard.serving.http import GuardHTTP
from agent_guard.serving.identity import user_of
from tests.serving.fake_server import T1, T2, User, client
from tests.serving.test_http import APPROVE, MAIL, NAME, Server, made, stage

__all__ = ["made"]

pytestmark = pytest.mark.req("A9", "A12", "A23")

HALF = "\ud800"
"""Half of a character: valid in JSON, and no database takes it."""


@pytest.mark.databases
@pytest.mark.parametrize(
    "id_",
    [HALF, "apr\0", "x" * 101, 7, ["apr_other"], {"id": "apr_other"}, ""],
    ids=["half", "nul", "long", "number", "list", "object", "empty"],
)
async def test_an_answer_that_names_its_question_badly(made: Any, id_: Any) -> None:
    """It is unreadable, wherever the name stands; it is never taken for an answer to the question that waits."""
    server: Server = made(stage(), "Done.")
    await server.say("See to it.")
    for answer in (
        APPROVE | {"approval_id": id_},
        {"decisions": [{"type": "approve", "agent_guard": {"approvalId": id_}}]},
    ):
        body = json.dumps({"assistant_id": "agent", "command": {"resume": answer}})
        async with client(server.guard, server.boss) as made_client:
            out = await made_client.post(f"/threads/{T1}/runs/wait", content=body)
        assert (out.status_code, out.json()["code"]) == (422, "answer_unreadable")
    assert server.world.desk.effects == []


async def test_two_names_for_one_answer(made: Any) -> None:
    """An answer that names two questions answers neither."""
    server: Server = made(stage(), "Done.")
    asked = (await server.say("See to it.")).json()["__interrupt__"][0]["value"]["agent_guard"]["approval_id"]
    answer = {"approval_id": asked, "decisions": [{"type": "approve", "approval_id": "apr_other"}]}
    out = await server.run(by=server.boss, command={"resume": answer})
    assert (out.status_code, out.json()["code"]) == (422, "answer_unreadable")
    assert server.world.desk.effects == []


@pytest.mark.parametrize("path", ["/runs/wait", "/state"])
@pytest.mark.parametrize("more", [["x" * 20_001], ["x" * 10_000, "y" * 10_000]], ids=["one", "together"])
async def test_texts_that_are_too_long(made: Any, path: str, more: list[str]) -> None:
    """One of them, or all together: none is kept, nothing is heard, and no thread is opened for them."""
    server: Server = made("Hello.")
    texts = {"messages": [f"I am {NAME}.", *more]}
    await server.ask("POST", "/threads", {"thread_id": T1})
    assert (await server.run(input=texts)).status_code == 413
    assert server.world.rows(server.gateway, "threads") == []
    await server.say("Hi.")
    body = {"values": texts} if path == "/state" else {"assistant_id": "agent", "input": texts}
    out = await server.ask("POST", f"/threads/{T1}{path}", body)
    assert (out.status_code, out.json()["code"]) == (413, "text_too_long")
    assert [row["text"] for row in server.world.rows(server.gateway, "trail")] == ["Hi."]


@pytest.mark.parametrize("where", ["receive", "gateway", "door"])
async def test_a_failure_that_repeats_what_was_said(
    made: Any, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The host's function, the guard or the door itself fails with the raw text in its words: nobody is told them."""
    server: Server = made("Hello.")

    def fails(*given: Any, **more: Any) -> Any:
        raise ValueError(f"cannot take {NAME} {given} {more}")

    if where == "receive":
        server.guard = GuardHTTP(server.inner, gateway=server.gateway, graphs=["agent"], receive=fails)
    else:
        await server.ask("POST", "/threads", {"thread_id": T1})
        target = "agent_guard.guarded.GuardedThread.hear" if where == "gateway" else "agent_guard.serving.http.json_of"
        monkeypatch.setattr(target, fails)
    with caplog.at_level(logging.DEBUG):
        out = await server.say(f"I am {NAME}.")
    assert (out.status_code, out.json()["code"]) == (500, "internal")
    assert "Kowalska" not in out.text + caplog.text and "ValueError" in caplog.text
    assert not [1 for method, path, _ in server.inner.seen if method == "POST" and "runs" in path]


async def test_two_authorization_headers(made: Any) -> None:
    """They may name two people, one to the door and one to what stands behind it: neither is believed."""
    server: Server = made("Hello.")
    known = {"Bearer sdr": server.user, "Bearer boss": server.boss}
    guard = GuardHTTP(
        server.inner, gateway=server.gateway, graphs=["agent"], identify=lambda said: known.get(said["authorization"])
    )
    async with client(guard, None) as raw:
        for both in (("Bearer sdr", "Bearer boss"), ("Bearer sdr", "Bearer sdr")):
            headers = [("authorization", both[0]), ("AUTHORIZATION", both[1])]
            out = await raw.post("/threads/count", json={}, headers=headers)
            assert (out.status_code, out.json()["code"]) == (401, "unauthenticated")
    assert server.inner.seen == []


async def test_a_body_that_is_cut_off(made: Any) -> None:
    """What had come of it is no request, also where it could be read as one."""
    server: Server = made("Hello.")
    whole = json.dumps({"thread_id": T2}).encode()
    pieces = [{"type": "http.request", "body": whole, "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return pieces.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/threads", "query_string": b"", "headers": []}
    await server.guard({**scope, "user": User(user_of(server.user))}, receive, send)
    assert sent[0]["status"] == 400 and server.inner.seen == []


@pytest.mark.parametrize(
    ("raw", "out"),
    [
        ("event: messages\r\ndata: []\r\n\r\n", "data: []"),
        ("event: messages\r\ndata: [1]\r\n\r\n", "data: [1]"),
        ("event: messages\r\ndata: <PERSON_1>\r\n\r\n", 'data: "<PERSON_1>"'),
        (f"event: values\r\ndata: {'[' * 5000}\r\n\r\n", '[["'),
        ('event: values\r\ndata: {"type": "ai", "content": "\\ud800 <PERSON_1>"}\r\n\r\n', NAME),
    ],
    ids=["empty", "no message", "no JSON", "deep", "half"],
)
async def test_an_event_that_is_none_of_the_known(made: Any, raw: str, out: str) -> None:
    """The stream goes on to its end, and what cannot be read goes out as it is, masked."""
    server: Server = made("Hello.", "Hello.")
    await server.say(f"I am {NAME}.")
    server.inner.events = [raw.encode(), b'event: end\r\ndata: {"n": 1}\r\n\r\n']
    said = (await server.run(kind="/stream", input={"messages": ["Hi."]})).text
    assert out in said and said.endswith('event: end\r\ndata: {"n":1}\r\n\r\n')


async def test_the_vault_fails_in_the_middle_of_a_stream(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces after it are whole and in order, with their pseudonyms, and it is asked once."""
    server: Server = made("Hello.", "Hello.")
    await server.say(f"I am {NAME}.")
    chunk = {"type": "AIMessageChunk", "id": "a"}
    pieces = ["Dear <PERSON_1>, ", "dear <PER", "SON_1>, ", "<PERSON_1>"]
    server.inner.events = [
        f"event: messages\r\ndata: {json.dumps([chunk | {'content': piece}, {}])}\r\n\r\n".encode() for piece in pieces
    ]
    real, asked = GuardedThread.restore, []

    def fails_later(self: Any, text: str, **more: Any) -> str:
        asked.append(text)
        if len(asked) > 1:
            raise RuntimeError(f"{NAME} cannot be read")
        return real(self, text, **more)

    monkeypatch.setattr(GuardedThread, "restore", fails_later)
    said = (await server.run(kind="/stream", input={"messages": ["Hi."]})).text
    data = [json.loads(line[6:])[0]["content"] for line in said.splitlines() if line.startswith("data: ")]
    assert "".join(data) == f"Dear {NAME}, dear <PERSON_1>, <PERSON_1>" and len(asked) == 2


async def test_an_answer_that_is_no_json(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes out as the server gave it."""
    server: Server = made("Hello.")
    await server.say("Hi.")

    async def answer(*_: Any) -> Any:
        return 200, [b"<html><PERSON_1></html>"]

    monkeypatch.setattr(server.inner, "_answer", answer)
    assert (await server.ask("GET", f"/threads/{T1}/state")).text == "<html><PERSON_1></html>"


@pytest.mark.parametrize(
    "typed", ["<PERSON_1>", "&lt;person-1&gt;", "[PERSON 1]", "PERSON_1", "<<PERSON 1>>", "\\<PERSON\\_1\\>"]
)
async def test_a_typed_pseudonym_stands_for_nobody(made: Any, typed: str) -> None:
    """Neither in a message nor in a state update, in whatever form: it is shown as it was typed, in harmless brackets."""
    server: Server = made("To <PERSON_1>.", "Yes.")
    await server.say(f"I am {NAME}.")
    values = {"messages": [f"Give {typed} all.", f"{MAIL} {typed}"]}
    await server.ask("POST", f"/threads/{T1}/state", {"values": values})
    out = (await server.run(input={"messages": [typed]})).json()
    said = [item["content"] for item in out["messages"] if item["type"] == "human"]
    assert all("‹PERSON_1›" in text for text in said[1:]) and len(said) == 4
    assert NAME not in "".join(said[1:])


async def test_a_stream_mode_said_often_is_said_once(made: Any) -> None:
    """Each event is not sent as often as its mode was named."""
    server: Server = made("Hello.")
    await server.say("Hi.", stream_mode=["values", "updates"] * 500)
    assert server.inner.seen[-1][2]["stream_mode"] == ["values", "updates"]


@pytest.mark.parametrize("path", [f"/%74hreads/{T1}", f"/threads%2F{T1}", f"/x/../threads/{T1}"])
async def test_a_path_has_one_spelling(made: Any, path: str) -> None:
    """Whatever stands behind the door reads the path that the door has looked at, and not the client's bytes."""
    server: Server = made("Hello.")
    await server.say("Hi.")
    async with client(server.guard, server.user) as raw:
        request = raw.build_request("GET", "http://server/")
        request.url = request.url.copy_with(raw_path=path.encode())
        out = await raw.send(request)
    inner = server.inner.scopes[-1]
    assert inner["raw_path"] == inner["path"].encode()
    assert out.status_code == 200 or path.startswith("/x/")


async def test_a_request_that_is_refused_has_done_nothing(made: Any) -> None:
    """A query parameter that is not open refuses an answer before it is recorded, and a message before it is heard."""
    server: Server = made(stage(), "Done.")
    await server.say("See to it.")
    heard = server.world.rows(server.gateway, "trail")
    run = {"assistant_id": "agent", "command": {"resume": APPROVE}}
    assert (await server.ask("POST", f"/threads/{T1}/runs/wait?x=1", run, by=server.boss)).status_code == 422
    (asked,) = server.world.rows(server.gateway, "approvals")
    assert asked["answer"] is None and server.world.rows(server.gateway, "trail") == heard
    assert (await server.ask("POST", f"/threads/{T1}/runs/wait", run, by=server.boss)).status_code == 200
    assert len(server.world.desk.effects) == 1
    said = {"assistant_id": "agent", "input": {"messages": ["And?"]}}
    assert (await server.ask("POST", f"/threads/{T1}/runs/wait?x=1", said)).status_code == 422
    assert "And?" not in str(server.world.rows(server.gateway, "trail"))
