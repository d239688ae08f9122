"""Keys and secrets are searched for in everything that leaves the gateway: none is ever there (A2, B10).

A conversation goes through a success with an approval, failures of every kind, a time-out and a denial, with tools
that do with their secrets what a careless adapter does. Then everything that was said, stored, logged, raised, printed
and shown is searched for each value, in each way to write it.
"""

from __future__ import annotations

import base64
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from typer.testing import CliRunner

from agent_guard.cli import app
from agent_guard.credentials import (
    Credentials,
    EnvironmentCredentials,
    FileCredentials,
    KeyringCredentials,
    Secret,
    Secrets,
    SplitCredentials,
)
from agent_guard.errors import OutcomeUnknown, ToolRejected, ToolUnavailable
from agent_guard.gateway import Gateway
from agent_guard.nodes import guarded_agent
from agent_guard.operations import enrolment
from agent_guard.session import Session
from agent_guard.testing import ScriptedModel, call
from agent_guard.tool import Tool, tool
from agent_guard.types import Description, Ref
from tests.conftest import Note, NoteSent, World
from tests.test_credentials import Drawer

MASTER = b"cnry-master-key-0123456789abcdef"
WORD = "cnryWord-7f3aQ9.token_x"
"""Could pass for an adapter's error code."""
ODD = 'cnry/odd+"7f3a"=&é secret'
"""Is written differently in JSON, in a URL and in UTF-16."""
RESOURCE = "cnryResource-51bb-attribute"
CANARIES: Mapping[str, bytes] = {
    "master": MASTER, "word": WORD.encode(), "odd": ODD.encode(), "resource": RESOURCE.encode(),
}  # fmt: skip
HELD = {"dev": {"sdr": {"crm_token": WORD, "crm_password": ODD}}}
KEY = base64.b64encode(MASTER).decode()

adapter = logging.getLogger("adapter")


# ---- the search


def forms(value: bytes) -> Iterator[bytes]:
    """Every way to write a value down that is looked for."""
    text = value.decode()
    yield value
    yield from (text.encode("utf-16-le"), value.hex().encode(), value.hex().upper().encode())
    yield from (json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode())
    yield from (repr(text)[1:-1].encode(), repr(value)[2:-1].encode(), str(list(value)).encode())
    yield from (quote(text, safe="").encode(), quote(text).encode(), quote_plus(text).encode())
    for before in range(3):  # in the middle of a longer text base64 looks different, by where it begins
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + value)[4 if before else 0 : -4]


def found(haul: Mapping[str, bytes], canaries: Mapping[str, bytes] = CANARIES) -> list[str]:
    """Which canary stands where; nothing is left out because of its case."""
    wanted = {canary: {form.lower() for form in forms(value)} for canary, value in canaries.items()}
    parts = {where: raw.lower() for where, raw in haul.items()}
    return [
        f"{canary} in {where}"
        for where, raw in parts.items()
        for canary, texts in wanted.items()
        if any(text in raw for text in texts)
    ]


@pytest.mark.parametrize("wrap", [
    lambda raw: raw, base64.b64encode, lambda raw: base64.urlsafe_b64encode(b"Bearer " + raw + b"; x"),
    lambda raw: base64.b64encode(b"ab" + raw), lambda raw: raw.hex().encode(), bytes.upper,
    lambda raw: json.dumps({"a": raw.decode()}).encode(), lambda raw: quote_plus(raw.decode()).encode(),
    lambda raw: raw.decode().encode("utf-16-le"), lambda raw: repr(raw).encode(), lambda raw: repr({1: raw.decode()}).encode(),
])  # fmt: skip
@pytest.mark.parametrize("name", CANARIES)
def test_the_search_finds_what_it_looks_for(name: str, wrap: Callable[[bytes], bytes]) -> None:
    """Each canary is found in each way to write it, so that finding none means something."""
    assert found({"here": b"..." + wrap(CANARIES[name]) + b"..."}) == [f"{name} in here"]
    assert found({"here": b"nothing at all"}) == []


# ---- the careless adapter


@dataclass
class Link:
    """A connection that shows its own token in its text, and fails with it."""

    desk: Any
    token: str = RESOURCE
    broken: bool = False

    def describe(self, ref: Ref) -> Description | None:
        """Port ``Records``."""
        if self.broken:
            raise RuntimeError(f"401 for {self.token}")
        found: Description | None = self.desk.describe(ref)
        return found

    def send(self, text: str, secret: Secret) -> None:
        """Logs what it sends with, as far as it can be logged."""
        adapter.debug("sending with %s, %r", secret, {"Authorization": secret})
        adapter.info(f"as {secret!s:>30}")
        self.desk.do("note", text=text, size=len(secret.reveal()) + len(self.token))


def push(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """Sends, and says nothing."""
    link.send(args.text, secrets("crm_token"))
    link.send(args.text, secrets("crm_password"))
    return NoteSent(text="Sent.")


def fail(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """Raises with everything it knows, twice."""
    held = f"{secrets('crm_token').reveal()} {secrets('crm_password').reveal()} {link.token}"
    try:
        raise ValueError(held)
    except ValueError as error:
        raise RuntimeError(f"401 for Bearer {held}") from error


async def later(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """As ``fail``, from an event loop."""
    return fail(args, link, secrets)


def refuse(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """Takes its token for an error's code."""
    raise ToolRejected(f"no {link.token}", code=secrets("crm_token").reveal())


def lose(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """Cannot tell what happened, and tells with what."""
    raise OutcomeUnknown(f"{link.token} {secrets('crm_password').reveal()}", code=secrets("crm_password").reveal())


def echo(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """Gives its headers back."""
    return NoteSent(text=f"Authorization: Bearer {secrets('crm_password').reveal()}")


def miss(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """Asks for what it does not have."""
    return NoteSent(text=secrets("another").reveal())


def hang(args: Note, link: Any, secrets: Secrets) -> NoteSent:
    """Holds its secret for too long, and fails when nobody listens."""
    held = secrets("crm_password").reveal()
    time.sleep(0.4)
    raise RuntimeError(f"late {held}")


def preview(args: Note, link: Any, secrets: Secrets) -> Description:
    """Fails before anybody is asked."""
    raise RuntimeError(secrets("crm_token").reveal() + link.token)


EXPECTED = {
    "push": "executed", "fail": "unknown", "later": "unknown", "refuse": "failed", "lose": "unknown", "echo": "unknown",
    "miss": "failed", "hang": "unknown",
}  # fmt: skip


def tools(world: World) -> list[Tool]:
    """One tool for each way to be careless, and one of the desk's that nobody may use."""
    functions: list[Callable[..., Any]] = [push, fail, later, refuse, lose, echo, miss, hang]
    made = [
        tool(
            name=f"link.{function.__name__}",
            effect="write",
            timeout_s=0.2 if function is hang else 5,
            dry_run=preview if function is push else None,
        )(function)
        for function in functions
    ]
    return [*made, world.set_stage]


def policy(world: World) -> Any:
    """``push`` needs a person, ``set_stage`` a role that nobody has."""
    approvers = {"roles": ["manager"]}
    rules: dict[str, Any] = {f"link.{name}": {"roles": ["sdr"], "mode": "execute"} for name in EXPECTED}
    rules["link.push"] |= {"mode": "approve", "approvers": approvers}
    rules["crm.set_stage"] = {"roles": ["nobody"], "mode": "execute"}
    return world.policy().model_validate({"version": 1, "name": "canary.v1", "tools": rules})


# ---- where the canaries lie


def variables(home: Path, patch: pytest.MonkeyPatch) -> Credentials:
    """In the variables of this process."""
    patch.setenv("AGENT_GUARD_MASTER_KEY_DEV", KEY)
    for name, value in HELD["dev"]["sdr"].items():
        patch.setenv(f"AGENT_GUARD_SECRET_DEV_SDR_{name.upper()}", value)
    return EnvironmentCredentials()


def files(home: Path, patch: pytest.MonkeyPatch) -> Credentials:
    """In two files, and in a folder with a file of this environment."""
    for path, text in ((home / "key", KEY), (home / "dev.yaml", json.dumps(HELD["dev"]))):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    home.chmod(0o700)
    patch.setenv("AGENT_GUARD_MASTER_KEY_FILE", str(home / "key"))
    patch.setenv("AGENT_GUARD_SECRETS_FILE", str(home))
    return FileCredentials(home / "key", secrets=home)


def keyring(home: Path, patch: pytest.MonkeyPatch) -> Credentials:
    """In the keyring of the machine."""
    entries = {("agent_guard/dev/sdr", name): value for name, value in HELD["dev"]["sdr"].items()}
    held = Drawer({("agent_guard/dev", "master_key"): KEY} | entries)
    patch.setattr("keyring.get_keyring", lambda: held)
    patch.setenv("AGENT_GUARD_KEYRING", "true")
    return KeyringCredentials()


def code(home: Path, patch: pytest.MonkeyPatch) -> Credentials:
    """In the program itself; the key in a variable."""
    from agent_guard.credentials import MemoryCredentials

    patch.setenv("AGENT_GUARD_MASTER_KEY", KEY)
    return SplitCredentials(key=EnvironmentCredentials(), secrets=MemoryCredentials(secrets=HELD))


# ---- the conversation


class Haul:
    """What is searched."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.variables: list[str] = []

    def add(self, where: str, *things: Any) -> None:
        """Keeps things as they would be written down."""
        text = "\n".join(thing if isinstance(thing, str) else repr(thing) for thing in things)
        self.parts[where] = self.parts.get(where, b"") + text.encode("utf-8", "surrogatepass") + b"\n"

    def raised(self, where: str, job: Callable[[], Any]) -> None:
        """Keeps an error of the library and its traceback; and apart from them the variables of the library's frames,
        among which are the host's own objects.
        """
        with pytest.raises(Exception) as caught:
            job()
        error: BaseException | None = caught.value
        self.add(where, *traceback.format_exception(caught.value))
        while error is not None:
            frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
            mine = [frame for frame in frames if "agent_guard/" in frame.f_code.co_filename.replace("\\", "/")]
            self.variables += [repr(frame.f_locals) for frame in mine]
            error = error.__cause__ or error.__context__


def talk(world: World, gateway: Gateway, name: str, haul: Haul) -> str:
    """One conversation in which the model calls one tool; returns what became of the call."""
    args = {"deal_id": "42", "stage": "won"} if name == "crm.set_stage" else {"text": f"Hello {name.partition('.')[2]}"}
    model = ScriptedModel(call(name, **args), "Done.")
    session = Session(guarded_agent(model, gateway), gateway, checkpointer=f"sqlite:///{world.folder}/threads.db")
    reply = session.start("Send it", world.sdr, speaker="user", party=world.anna, thread_id=name)
    config: Any = {"configurable": {"thread_id": name}}
    if reply.pending:
        haul.add("interrupts", reply.pending, reply.pending.payload, session.graph.get_state(config).interrupts)
        haul.add("what a person is shown", gateway.approvals.get(reply.pending.id))
        reply = session.resume(reply.pending.id, "approve", by=world.boss)
    haul.add("replies", reply, reply.text or "", reply.reason or "")
    haul.add(
        "what the model was sent", model.heard, model.tools, *(m.model_dump() for sent in model.heard for m in sent)
    )
    haul.add("graph state", session.graph.get_state(config), *session.graph.get_state_history(config))
    haul.add("objects", session, session.graph)
    session.close()
    states = [row["state"] for row in world.rows(gateway, "calls") if row["thread"] == name]
    return {"done": "executed"}.get(states[-1], states[-1])


def stored(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file that the guard and LangGraph wrote."""
    for path in folder.iterdir():
        if path.name.startswith(("guard.db", "threads.db")):
            yield f"file {path.name}", path.read_bytes()


@pytest.mark.req("A2", "B6", "B10")
@pytest.mark.parametrize("source", [variables, files, keyring, code])
def test_no_key_and_no_secret_is_anywhere(
    source: Callable[[Path, pytest.MonkeyPatch], Credentials],
    world: World,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever becomes of a call, neither the master key nor a secret nor a resource's token is written anywhere."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY", raising=False)
    credentials, haul, link = source(tmp_path_factory.mktemp("held"), monkeypatch), Haul(), Link(world.desk)
    options: dict[str, Any] = {"file": True, "credentials": credentials, "tools": tools(world)}
    options |= {"resources": {"link": link, "desk": world.desk}, "records": link}
    base = world.gateway(policy(world), **options)
    given: dict[str, Any] = {"environment": "dev", "reason": "canary", "by": "ops", "now": base.now()}
    enrolment.add(base.store, base.audit, "sdr", **given)
    gateway = world.gateway(policy(world), agent="sdr", **options)

    became = {name: talk(world, gateway, f"link.{name}", haul) for name in EXPECTED}
    assert became == EXPECTED
    assert talk(world, gateway, "crm.set_stage", haul) == "denied"
    sizes = [item["size"] for item in world.desk.effects]
    assert sizes == [len(WORD) + len(RESOURCE), len(ODD) + len(RESOURCE)]  # the secrets did reach the other system

    link.broken = True
    thread = gateway.open(world.sdr, party=world.anna)
    haul.add("a system of record that fails", thread.check("crm.set_stage", {"deal_id": "42", "stage": "won"}))
    enrolment.revoke(base.store, base.audit, "sdr", **given)
    haul.add("a revoked agent", thread.invoke("link.push", {"text": "More"}), thread.check("link.push", {"text": "x"}))

    haul.raised("error: no such secret", lambda: gateway.secrets()("another"))
    haul.raised("error: another's secret", lambda: base.secrets()("crm_token"))
    haul.raised("error: no such agent", lambda: world.gateway(policy(world), agent="nobody", **options))
    haul.raised("error: a revoked agent", lambda: gateway.revive("agent:sdr", reason="x", by="x"))
    haul.raised(
        "error: a taken name", lambda: world.gateway(policy(world), **options | {"resources": {"secrets": link}})
    )
    haul.raised(
        "error: a tool in the open", lambda: tools(world)[1].run(Note(text="x"), link=None, secrets=closed(gateway))
    )

    for thing in (gateway, gateway.sources, gateway.sources.keys, credentials, gateway.secrets(), gateway.vault,
                  gateway.audit, gateway.store, gateway.approvals, *vars(credentials).values()):  # fmt: skip
        if not isinstance(thing, Mapping):  # a process's own variables are not the library's object
            haul.add("objects", thing, str(thing))
    haul.add("objects", {name: value for name, value in vars(gateway).items() if name != "resources"})
    haul.add("tables", world.dump(gateway), *(event.data for event in gateway.audit.events()))
    haul.add("logs", caplog.text, *(vars(record) for record in caplog.records))
    assert "Secret(crm_token)" in caplog.text
    assert "secret 'another' of the agent 'sdr' in dev" in caplog.text

    haul.parts |= dict(stored(world.folder))
    for name in ("guard.db", "threads.db"):
        assert f"file {name}" in haul.parts
    command_line(world, monkeypatch, haul)
    out, err = capfd.readouterr()
    haul.add("output", out, err)
    world.close()
    haul.parts |= {f"{name} after closing": raw for name, raw in stored(world.folder)}
    assert found(haul.parts) == []
    ours = {name: value for name, value in CANARIES.items() if name != "resource"}
    assert found({"variables of frames": "".join(haul.variables).encode()}, ours) == []


def closed(gateway: Gateway) -> Secrets:
    """The secrets of a call that is over."""
    secrets = gateway.secrets()
    secrets.close()
    return secrets


def command_line(world: World, patch: pytest.MonkeyPatch, haul: Haul) -> None:
    """What the commands print about the same database, with and without an error."""
    patch.chdir(world.folder)
    (world.folder / "guard.yaml").write_text("environment: dev\ndatabase: sqlite:///guard.db\nagent: sdr\n")
    for words in (
        ["agents", "list"], ["agents", "list", "--json"], ["status"], ["audit", "show"], ["audit", "show", "--json"],
        ["audit", "tail", "--json"], ["db", "status"], ["kill", "--reason", "drill"], ["revive", "--reason", "over"],
        ["agents", "add", "new", "--reason", "x"], ["agents", "revoke", "sdr", "--reason", "x"],
        ["revive", "--agent", "sdr", "--reason", "x"],
    ):  # fmt: skip
        done = CliRunner().invoke(app, words)
        haul.add(f"command {' '.join(words)}", done.output, done.stderr, done.exception)
    assert b'"agent_revoked"' in haul.parts["command audit show --json"]
    assert b"was revoked" in haul.parts["command revive --agent sdr --reason x"]


@pytest.mark.req("A5", "B10")
def test_a_tools_own_words_are_not_kept(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Of an exception of a tool its kind stays, or an adapter's code that is one short word; its message nowhere."""
    caplog.set_level(logging.DEBUG)
    words = "the password of Mrs Kowalska is swordfish"

    def explode(args: Note, desk: Any) -> NoteSent:
        """Fails."""
        raise ToolUnavailable(words, code=args.text)

    rule = {"roles": ["sdr"], "mode": "execute"}
    rules = world.policy().model_validate({"version": 1, "name": "x.v1", "tools": {"a.b": rule}})
    given = tool(name="a.b", effect="write", timeout_s=2)(explode)
    gateway = world.gateway(rules, tools=[given], file=True)
    thread = gateway.open(world.sdr)
    for code, kept in (("http_503", "http_503"), ("see Mrs Kowalska", "tool_error")):
        assert thread.invoke("a.b", {"text": code}).status == "failed"
        assert gateway.audit.events(thread=thread.id)[-1].data["error"]["detail"] == kept
    everything = (
        repr(world.dump(gateway)) + caplog.text + b"".join(raw for _, raw in stored(world.folder)).decode("latin1")
    )
    assert "swordfish" not in everything
