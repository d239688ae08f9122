"""Account health: read-only by structure, a report made of facts, and an alert that no model can cause or prevent."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_guard.app import Application
from agent_guard.cli import app
from agent_guard.policy import Policy
from agent_guard.scanning import Scanner
from agent_guard.testing import ScriptedModel, call
from agent_guard.types import Subject
from graphs import SCENARIOS
from graphs.account_health.graph import build
from graphs.account_health.report import html, markdown
from graphs.requests import read_request
from tests.scenario.requests import codes, crm_rows, posted, samples, walk
from tools.crm.overview import AccountFacts
from tools.health import scorecard
from tools.stale_deals import week_of

NAME = "account_health"
SAMPLES = samples(NAME)
MANAGER = Subject(id="u-abenova", tenant="demo", roles={"manager"}, region="kz")


@pytest.mark.req("A26")
def test_the_scenario_is_read_only_by_structure(application: Application) -> None:
    """Its policy names no tool with an effect, for any role, in any environment: there is nothing to misuse."""
    policy = Policy.load(SCENARIOS[NAME].policy)
    assert {name: application.gateway.tools[name].effect for name in policy.tools} == {"accounts.facts": "read"}
    assert not any(application.gateway.tools[name].writes for name in policy.tools)
    for environment in ("dev", "stage", "prod"):
        assert {rule.mode_in(environment) for rule in policy.tools.values()} == {"execute"}


@pytest.mark.req("A26")
def test_the_alert_is_behind_a_role_that_no_person_has() -> None:
    """The host's policy names its own role alone, and no policy for people names that role."""
    for scenario in SCENARIOS.values():
        hosts = [Policy.load(path) for path in scenario.host_policies.values()]
        assert {role for policy in hosts for rule in policy.tools.values() for role in rule.roles} <= {"scheduler"}
        people = Policy.load(scenario.policy)
        assert not any("scheduler" in rule.roles for rule in people.tools.values())


@pytest.mark.req("A26")
def test_the_samples_are_what_they_should_be() -> None:
    """Three languages, an angry one, an incomplete one, and one with an injection."""
    names = [path.stem for path in SAMPLES]
    assert len(names) >= 6 and {name[:2] for name in names} == {"en", "ru", "pl"}
    assert all(any(word in name for name in names) for word in ("angry", "incomplete", "injection"))


@pytest.mark.req("A26", "A24")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_ends_as_it_says(sample: Path, application: Application) -> None:
    """Each request runs the calls, posts the messages and says the words that stand in its header, and changes nothing."""
    before, expect = crm_rows(application), read_request(sample).expect
    reply = walk(application, NAME, sample)
    assert reply.status == "delivered"
    assert [item["tool"] for item in application.gateway.thread(reply.thread_id).calls] == expect.calls
    assert len(posted(application)) == expect.alerts
    for words in expect.says:
        assert words in (reply.text or "")
    assert crm_rows(application) == before


@pytest.mark.req("A1", "A26", "B1")
def test_a_model_that_tries_everything_does_nothing(application: Application) -> None:
    """Every tool with an effect, other regions, unknown arguments: denied; the CRM and the channel stay as they were."""
    why = "The customer says so."
    week = week_of(application.gateway.now())
    model = ScriptedModel(
        call("alerts.slack", why, id="a", topic="account_health", owner_id="u-reed", week=week, ids=["104"]),
        call("crm.create_task", why, id="b", deal_id="1001", kind="call", subject="x", due="2030-01-07"),
        call("crm.update_account", why, id="c", account_id="104", health="green"),
        call("messages.send", why, id="d", to="eve@evil.example", body="the report"),
        call("accounts.facts", why, id="e", region="kz"),
        call("accounts.facts", why, id="f", region="us", account_id="105"),
        call("accounts.facts", why, id="g", region="us", owner_id="u-abenova"),
        call("accounts.facts", why, id="h", region="us", fields="*"),
        call("crm.read_deal", why, id="i", deal_id="1001"),
        "All customers are green, I promise.",
    )
    before = crm_rows(application)
    session = application.session(NAME, model=model)
    manager = Subject(id="u-reed", tenant="demo", roles={"manager"}, region="us")
    reply = session.start("How healthy is account 104?", manager, speaker="user", scenario=NAME)
    messages = session.graph.get_state({"configurable": {"thread_id": reply.thread_id}}).values["messages"]
    assert codes(messages) == [
        "tool_not_permitted", "tool_not_permitted", "tool_unknown", "tool_unknown", "region", "region", "region",
        "argument_unknown", "tool_not_permitted",
    ]  # fmt: skip
    assert application.gateway.thread(reply.thread_id).calls == []
    assert posted(application) == [] and crm_rows(application) == before


@pytest.mark.req("A26")
def test_the_figures_are_not_the_models(application: Application) -> None:
    """A model that calls a red account green is not repeated: the report stands in place of its words."""
    model = ScriptedModel(
        call("accounts.facts", "The user asks.", id="a", region="kz", account_id="108"),
        "Account 108 is green, 100 of 100, and nobody needs to look at it.",
    )
    session = application.session(NAME, model=model)
    reply = session.start("How is account 108?", MANAGER, speaker="user", scenario=NAME)
    assert "100 of 100" not in (reply.text or "") and "nobody needs" not in (reply.text or "")
    assert "(account:108)" in (reply.text or "") and "of 7 measures known" in (reply.text or "")


@pytest.mark.req("A26")
def test_an_alarm_is_raised_whatever_the_model_says_and_once_a_week(application: Application) -> None:
    """Past the threshold the owner's colleagues are told after delivery, under the host's policy; a second report does
    not tell again, and the thread of the conversation holds no such call.
    """
    red = ScriptedModel(
        call("accounts.facts", "The user asks.", id="a", region="kz"),
        "Everything is fine, please alert nobody.",
        call("accounts.facts", "The user asks.", id="b", region="kz"),
        "Still fine.",
    )
    session = application.session(NAME, model=red)
    reply = session.start("How are all customers?", MANAGER, speaker="user", scenario=NAME)
    assert len(posted(application)) == 1
    (text,) = posted(application)
    assert "Accounts that need attention" in text and "Дана Абенова" in text
    session.send(reply.thread_id, "And now?", speaker="user", by=MANAGER)
    assert len(posted(application)) == 1
    assert {item["tool"] for item in application.gateway.thread(reply.thread_id).calls} == {"accounts.facts"}
    own = application.gateway.thread(f"{reply.thread_id}/alert")
    assert [item["tool"] for item in own.calls] == ["alerts.slack"] and own.row.scenario == "account_health_alert"


@pytest.mark.req("A26", "A8")
def test_a_channel_that_fails_does_not_take_the_report(application: Application) -> None:
    """Whatever becomes of the alert, the report is delivered, and what became of it is on record."""
    channel = application.worlds[NAME].resources["channel"]

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    channel.post = broken
    reply = walk(application, NAME, next(path for path in SAMPLES if path.stem == "ru_angry"))
    assert reply.status == "delivered" and "# Состояние клиентов" in (reply.text or "")
    kinds = [event.data["kind"] for event in application.gateway.audit.events(thread=f"{reply.thread_id}/alert")]
    assert kinds[-1] in ("failed", "unknown")


@pytest.mark.req("A26", "A5", "A23")
def test_no_name_of_a_company_is_stored(application: Application) -> None:
    """The model, the checkpoint and the record hold pseudonyms; the reader gets the names."""
    reply = walk(application, NAME, next(path for path in SAMPLES if path.stem == "ru_angry"))
    assert "Тулпар" in (reply.text or "") and "Тулпар" not in (reply.masked or "") and "<ORG_" in (reply.masked or "")


@pytest.mark.req("A26")
def test_the_scan_logs_every_account_and_tells_of_alarming_ones(application: Application) -> None:
    """All accounts with an open deal are rows with their score; the message is about those past the threshold."""
    scanner = Scanner(application.gateway, application.scan(NAME), id="h1")
    scanner.begin()
    done = {item.part: item for item in scanner.run() if item.finished}
    assert sum(item.found for item in done.values()) > 20
    told = sum(item.told.get("told", 0) for item in done.values())
    assert told >= 1 and len(posted(application)) == sum("told" in item.told for item in done.values())
    assert {word for item in done.values() for word in item.told} <= {"told", "no_alarm"}


# ---- the report


ACCOUNT = AccountFacts(
    id="7", name='Eve | <script>alert("x")</script> & Sons', region="us", segment="standard", owner_id="u1",
    open_deals=1, contacts=1, last_touch_days=40, touches=None, overdue=2, stage_days=95, stage_deal="3",
    unanswered_days=9, unanswered_deal="3", next_step=False,
)  # fmt: skip


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.mark.req("A26")
@pytest.mark.parametrize("language", ["en", "ru", "pl"])
def test_the_report_states_facts_references_and_coverage(language: Any) -> None:
    """Each measure with its fact and its record, missing ones as missing, and how much is known, in three languages."""
    card = scorecard(ACCOUNT)
    text = markdown(language, [card])
    assert len(re.findall(r"^\| .* \| deal:3 \|$", text, re.MULTILINE)) == 2
    assert f"{card.known}" in text and f"({round(100 * card.coverage)} %)" in text
    missing = {"en": "no data", "ru": "нет данных", "pl": "brak danych"}[language]
    assert text.count(f"| {missing} | {missing} |") == 7 - card.known
    assert all(line.count("|") == 5 for line in text.splitlines() if line.startswith("|"))


@pytest.mark.req("A26")
def test_the_html_report_has_charts_and_runs_nothing() -> None:
    """A bar for each score and measure, inline; no script, no link, nothing fetched, and names are shown as text."""
    page = html("en", [scorecard(ACCOUNT)])
    seen = Tags()
    seen.feed(page)
    assert seen.tags.count("svg") == 8 and seen.links == []
    assert not {"script", "iframe", "link", "img", "object"} & set(seen.tags)
    assert "&lt;script&gt;" in page and page.count("stroke-dasharray") == 1


@pytest.mark.req("A26")
def test_the_command_writes_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``run --report`` leaves Markdown and HTML with the names put back, and refuses where there is no report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text("environment: dev\n", encoding="utf-8")
    sample = str(next(path for path in SAMPLES if path.stem == "en_one"))
    done = CliRunner().invoke(app, ["run", NAME, "--input", sample, "--report", "out", "--json"])
    assert done.exit_code == 0, done.output
    for ending in ("md", "html"):
        text = (tmp_path / "out" / f"{NAME}.{ending}").read_text(encoding="utf-8")
        assert "Alpine Tools" in text and "ORG_" not in text
    assert "Alpine Tools" not in done.stdout
    failed = CliRunner().invoke(app, ["run", "forgotten_deal", "--input", sample, "--report", "out", "--json"])
    assert failed.exit_code != 0 and "makes no report" in str(failed.exception)


def test_the_graph_has_its_own_step_after_delivery(application: Application) -> None:
    """The alert follows delivery, and nothing else leads to it."""
    graph = build(ScriptedModel("x"), application.gateway).get_graph()
    assert {edge.source for edge in graph.edges if edge.target == "alert"} == {"deliver"}
