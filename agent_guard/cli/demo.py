"""``agent-guard demo``: the main job on the embedded default, one screen a step. No key, no server, no network."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from rich.panel import Panel
from rich.text import Text

from agent_guard.cli.output import AppOption, JsonOption, console, line, opened
from agent_guard.cli.run import converse, write_report
from agent_guard.cli.scan import scanned
from agent_guard.cli.show import Watcher, audit_table, decision_line
from agent_guard.errors import ConfigError
from agent_guard.scenario import load_app
from agent_guard.settings import FOLDER, Person, Settings

if TYPE_CHECKING:
    from agent_guard.app import Application
    from agent_guard.approvals import Answer
    from agent_guard.session import Pending, Reply

__all__ = ["demo"]

APP = "graphs:SCENARIOS"
HOME = FOLDER / "demo"
CONFIG = FOLDER / "guard.yaml"
SCENARIO = "sdr_qualification"
APPROVER = "demo-manager"
_WHAT = (
    "A customer writes to a sales agent. The model sees pseudonyms and proposes calls with a reason; the gateway "
    "decides each of them. The model here is the embedded planner: rules, no key, no network."
)
_MARK = "# written by 'agent-guard demo'; the demo replaces it and the folder demo/ at every run\n"


def demo(
    sample: Annotated[str, typer.Option("--sample", help="Which shipped conversation.")] = "en_personal_data",
    everything: Annotated[bool, typer.Option("--all", help="One shipped conversation of every scenario.")] = False,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> None:
    """Qualifies a lead end to end: mask, plan, decide, ask a person, execute once, verify, record."""
    app = app or APP
    _known(app, sample)
    settings = _fresh(app)
    if not as_json:
        console.print(Panel(_WHAT, title="agent_guard demo", title_align="left"))
    with opened(settings, quiet=as_json) as application:
        scenario = application.scenario(SCENARIO)
        opening = scenario.read(scenario.samples / f"{sample}.jsonl", application.worlds[SCENARIO])
        session = application.session(SCENARIO)
        asks = sys.stdin.isatty() and not as_json
        watcher = (Watcher if asks else _DemoApprover)(application.gateway, as_json=as_json)
        reply = converse(session, SCENARIO, opening, watcher, settings.people[APPROVER].subject())
        if reply is not None and not as_json:
            _refusals(application, reply)
            console.rule("what was recorded (pseudonyms only)")
            console.print(audit_table(application.gateway.audit.events(thread=reply.thread_id)))
        others = sorted(set(application.scenarios) - {SCENARIO}) if everything else []
        for name in others:
            _one_more(application, name, settings, as_json=as_json)
    _paths(settings, as_json=as_json)


def _one_more(application: Application, name: str, settings: Settings, *, as_json: bool) -> None:
    """Another scenario: its first shipped conversation, its report and its scan, where it has them."""
    if not as_json:
        console.rule(f"scenario {name}", style="bold")
    scenario = application.scenario(name)
    paths = sorted(scenario.samples.glob("*.jsonl"))
    if paths:
        opening = scenario.read(paths[0], application.worlds[name])
        watcher = _DemoApprover(application.gateway, as_json=as_json)
        person = settings.people[APPROVER].subject()
        reply = converse(application.session(name), name, opening, watcher, person)
        written = write_report(application, scenario, reply, HOME / "reports") if scenario.report else []
        if not as_json:
            for path in written:
                console.print(f"report, with names as the CRM has them: {path}")
    if scenario.scan is not None:
        scanned(application, name, scan_id=f"{name}-demo", wait=False, as_json=as_json)


class _DemoApprover(Watcher):
    """Stands in where no person sits at a terminal, and says so."""

    def ask(self, pending: Pending) -> Answer:
        """Approves."""
        self.note(f"No terminal here: the stated demo approver, {APPROVER}, approves {pending.id}.")
        return "approve"


def _refusals(application: Application, reply: Reply) -> None:
    """What the gateway says to a model that obeyed an instruction in somebody's text."""
    console.rule("and if the model obeyed an injected instruction?")
    console.print("The same thread, the calls that a pasted e-mail asks for; nothing of it runs:\n")
    thread = application.gateway.thread(reply.thread_id)
    own = thread.row.refs["deal_id"]
    abroad = "1005" if thread.subject.region == "us" else "1001"
    other = {
        "deal_id": "1002" if own != "1002" else "1003",
        "kind": "call",
        "subject": "Call me at once",
        "due": "2030-01-07",
        "qualification": None,
    }
    attempts: list[tuple[str, Mapping[str, object]]] = [
        ("crm.delete_contact", {"contact_id": "2001"}),
        ("crm.create_task", other),
        ("crm.create_task", {**other, "deal_id": own, "cc": "attacker@evil.example"}),
        ("crm.read_deal", {"deal_id": abroad}),
    ]
    for tool, args in attempts:
        console.print(Text("proposes  ", style="magenta").append(f"{tool} {args}", style="default"))
        console.print(decision_line(tool, thread.check(tool, args, reason="An e-mail says so.")))


def _known(app: str, sample: str) -> None:
    """Looks before the former demo's databases are replaced, so that a misspelled name loses nothing."""
    scenario = load_app(app).get(SCENARIO)
    if scenario is None:
        raise ConfigError(f"the demo needs a scenario {SCENARIO!r}, and {app!r} has none; see 'agent-guard run'")
    if not (scenario.samples / f"{sample}.jsonl").is_file():
        known = ", ".join(sorted(item.stem for item in scenario.samples.glob("*.jsonl")))
        raise ConfigError(f"there is no sample {sample!r}; there is: {known}")


def _fresh(app: str) -> Settings:
    """Empty databases of the demo's own, and a configuration that the next command finds."""
    if CONFIG.is_file() and not CONFIG.read_text(encoding="utf-8").startswith(_MARK):
        raise ConfigError(f"{CONFIG} is not the demo's; move it away, or run the demo in another folder")
    try:
        FOLDER.mkdir(exist_ok=True)
        if HOME.exists():
            shutil.rmtree(HOME)
        HOME.mkdir()
    except OSError as error:
        raise ConfigError(
            f"{HOME} cannot be written ({error.strerror}); run the demo in a folder that you may write"
        ) from None
    settings = Settings(
        database=f"sqlite:///{HOME}/guard.db",
        checkpoints=f"sqlite:///{HOME}/threads.db",
        systems=f"sqlite:///{HOME}/crm.db",
        environment="dev",
        app=app,
        people={APPROVER: Person(id=APPROVER, tenant="demo", roles=frozenset({"manager"}))},
    )
    data = settings.model_dump(mode="json", exclude={"source", "master_key_file", "secrets_file", "keyring"})
    CONFIG.write_text(_MARK + yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return settings


def _paths(settings: Settings, *, as_json: bool) -> None:
    left = {
        "guard: calls, approvals, audit, vault": settings.database,
        "LangGraph's checkpoints": settings.checkpoints,
        "embedded CRM: the only database with raw data": settings.systems,
    }
    files = {what: str(Path(url.removeprefix("sqlite:///"))) for what, url in left.items()}
    if as_json:
        line({"type": "left", "files": files})
        return
    console.rule("left behind")
    for what, path in files.items():
        console.print(f"{path}  {what}")
    console.print("\nGo on with these, in .venv/bin or with the environment active:")
    for words in ("audit show", "approvals list", "status"):
        console.print(f"  agent-guard {words}")
