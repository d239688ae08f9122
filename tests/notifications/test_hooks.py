"""``hooks`` of guard.yaml: who is told, with secrets that never stand in the file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_guard.app import Application
from agent_guard.cli import app
from agent_guard.credentials import EnvironmentCredentials, MemoryCredentials
from agent_guard.errors import ConfigError
from agent_guard.masking import Masker
from agent_guard.notifications.alerts import LogAlerter, WebhookAlerter
from agent_guard.notifications.notify import LogNotifier, WebhookNotifier
from agent_guard.settings import Settings, load_settings
from tests.receiver import OTHER, SECRET, Receiver, receiving

HELD = {"dev": {"default": {"approvals_hook": SECRET.reveal(), "old_hook": OTHER.reveal(), "odd": "swordfish"}}}
HOOKS = """
hooks:
  approvals:
    - log: true
    - webhook: {url: "%s", secret_name: approvals_hook}
  alerts:
    - webhook: {url: "%s", secret_name: [approvals_hook, old_hook], timeout_s: 3}
"""
ADDRESS = "https://hooks.example/x"


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Any:
    def read(text: str, **environ: str) -> Settings:
        path = tmp_path / "guard.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environ)

    return read


def made(settings: Settings) -> tuple[list[str], list[str] | None]:
    """The kinds of notifiers and alerters that the settings make."""
    held: dict[str, Any] = {"credentials": MemoryCredentials(secrets=HELD), "environment": "dev", "agent": "default"}
    alerts = settings.hooks.operators(**held)
    alerters = None if alerts is None else [type(item).__name__ for item in alerts._alerters]
    return [type(item).__name__ for item in settings.hooks.notifiers(**held)], alerters


# ---- the file


def test_hooks_are_read(settings: Any) -> None:
    """Each entry becomes its notifier or alerter, in order."""
    kinds = made(settings(HOOKS % (ADDRESS, ADDRESS)))
    assert kinds == ([LogNotifier.__name__, WebhookNotifier.__name__], [WebhookAlerter.__name__])


def test_without_hooks_nobody_is_told_of_questions_and_the_log_of_alerts(settings: Any) -> None:
    """What nobody asked for is not sent anywhere; an empty list of alerts is an empty list."""
    assert made(settings("environment: dev\n")) == ([], None)
    assert made(settings("hooks: {alerts: []}\n")) == ([], [])
    assert made(settings("hooks: {alerts: [{log: true}]}\n")) == ([], [LogAlerter.__name__])


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    "entry",
    [
        "secret: whsec_c3dvcmRmaXNo", "secret: [whsec_c3dvcmRmaXNo]", "secret_name: whsec_c3dvcmRmaXNo",
        "secret_name: [approvals_hook, whsec_c3dvcmRmaXNo]", "Key: c3dvcmRmaXNo", "token: c3dvcmRmaXNo",
        "secret_name: 'c3dvcmRmaXNo/+='",
    ],
)  # fmt: skip
def test_a_secret_in_the_file_is_refused_with_a_sentence(settings: Any, entry: str) -> None:
    """The error says where a secret belongs, and repeats nothing of it."""
    text = f"hooks: {{approvals: [{{log: true}}, {{webhook: {{url: '{ADDRESS}', {entry}}}}}]}}\n"
    with pytest.raises(ConfigError, match="a secret never stands in this file: put it into the credentials") as caught:
        settings(text)
    assert "guard.yaml: hooks.approvals.1.webhook" in str(caught.value)
    assert "c3dvcmRmaXNo" not in str(caught.value)


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ("{approval: []}", "hooks.approval: is no setting"),
        ("{approvals: [{}]}", "a hook is one of"),
        ("{approvals: [{log: true, webhook: {url: 'https://x', secret_name: x}}]}", "a hook is one of"),
        ("{approvals: [{log: false}]}", "hooks.approvals.0.log"),
        ("{approvals: [{mail: x}]}", "hooks.approvals.0.mail: is no setting"),
        ("{alerts: [{webhook: {url: 'https://x', secret_name: x, timeout_s: 31}}]}", "timeout_s"),
        ("{alerts: [{webhook: {url: 'https://x', secret_name: x, retries: 9}}]}", "retries: is no setting"),
        ("{alerts: [{webhook: {url: 'https://x'}}]}", "secret_name"),
        ("{alerts: [{webhook: {url: 'https://x', secret_name: []}}]}", "at least one secret"),
    ],
)
def test_what_is_no_hook_is_refused_by_its_place(settings: Any, hooks: str, words: str) -> None:
    """An error names file and key."""
    with pytest.raises(ConfigError) as caught:
        settings(f"hooks: {hooks}\n")
    assert words in str(caught.value)
    assert "guard.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        ("{url: 'http://hooks.example/T0KEN', secret_name: approvals_hook}", "would go unencrypted"),
        ("{url: 'https://hooks.example', secret_name: nothing}", "there is no secret 'nothing'"),
        ("{url: 'https://hooks.example', secret_name: odd}", "the secret 'odd' is not whsec_"),
        ("{url: 'https://a:swordfish@hooks.example', secret_name: approvals_hook}", "leave them out"),
    ],
)
def test_what_cannot_be_used_is_refused_when_the_application_is_built(settings: Any, webhook: str, words: str) -> None:
    """Addresses and secrets are looked at before the first question, and none of them is repeated."""
    for name in ("approvals", "alerts"):
        with pytest.raises(ConfigError) as caught:
            made(settings(f"hooks: {{{name}: [{{webhook: {webhook}}}]}}\n"))
        assert str(caught.value).startswith(f"hooks.{name}.0: ")
        assert words in str(caught.value)
        assert not any(word in str(caught.value) for word in ("swordfish", "T0KEN"))


def test_secrets_lie_where_the_tools_do(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In variables by default, under the environment and the agent of the process."""
    given = settings(HOOKS % (ADDRESS, ADDRESS) + "agent: sdr\n")
    for name, secret in (("APPROVALS_HOOK", SECRET), ("OLD_HOOK", OTHER)):
        monkeypatch.setenv(f"AGENT_GUARD_SECRET_STAGE_SDR_{name}", secret.reveal())
    held = given.hook_secrets()
    assert isinstance(held, EnvironmentCredentials)
    assert len(given.hooks.notifiers(held, environment="stage", agent="sdr")) == 2
    with pytest.raises(ConfigError, match="AGENT_GUARD_SECRET_PROD_SDR_APPROVALS_HOOK"):
        given.hooks.notifiers(held, environment="prod", agent="sdr")


# ---- the application and the command line


@pytest.fixture(name="home")
def _home(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration that tells the receiver."""
    for name in [name for name in os.environ if name.startswith("AGENT_GUARD_")]:
        monkeypatch.delenv(name)
    for name, secret in (("APPROVALS_HOOK", SECRET), ("OLD_HOOK", OTHER)):
        monkeypatch.setenv(f"AGENT_GUARD_SECRET_DEV_DEFAULT_{name}", secret.reveal())
    lines = "".join(f"{name}: sqlite:///{name}.db\n" for name in ("database", "checkpoints", "systems"))
    text = f"environment: dev\n{lines}" + HOOKS % (receiver.url, receiver.url)
    (tmp_path / "guard.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.req("A31")
def test_an_application_tells_as_its_configuration_says(home: Path, receiver: Receiver, quick_masker: Masker) -> None:
    """The gateway of the settings has their notifiers and their alerters."""
    application = Application(load_settings(), masker=quick_masker)
    kinds = [type(item).__name__ for item in application.gateway.notices._notifiers]
    assert kinds == [LogNotifier.__name__, WebhookNotifier.__name__]
    application.gateway.press(reason="drill", by="ops")
    application.close()
    (came,) = receiver.got(1)
    assert came.signed
    assert came.data["kind"] == "button_pressed"


@pytest.mark.req("A31")
def test_the_button_on_the_command_line_is_told(home: Path, receiver: Receiver, quick_masker: Masker) -> None:
    """Whoever presses it at a terminal tells the others, without any gateway."""
    Application(load_settings(), masker=quick_masker).close()
    for words in (["kill", "--reason", "Anna Kowalska complained"], ["revive", "--reason", "over"]):
        assert CliRunner().invoke(app, words).exit_code == 0
    pressed, released = receiver.got(2)
    assert [item.data["kind"] for item in (pressed, released)] == ["button_pressed", "button_released"]
    assert b"Anna" not in pressed.body


@pytest.mark.req("A31")
@pytest.mark.parametrize("trouble", ["no secret", "no receiver"])
def test_the_button_works_whatever_the_hooks_do(
    home: Path, quick_masker: Masker, trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Hooks that are wrong, and receivers that are away, are told and stop nothing."""
    caplog.set_level(logging.ERROR)
    Application(load_settings(), masker=quick_masker).close()
    if trouble == "no secret":
        monkeypatch.delenv("AGENT_GUARD_SECRET_DEV_DEFAULT_APPROVALS_HOOK")
    else:
        text = (home / "guard.yaml").read_text(encoding="utf-8").replace("127.0.0.1:", "127.0.0.1:1/")
        (home / "guard.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["kill", "--reason", "drill"])
    assert (done.exit_code, "tool calling is off" in done.stdout) == (0, True)
    assert ("approvals_hook" in done.stderr) is (trouble == "no secret")
    assert ("was not taken" in caplog.text) is (trouble == "no receiver")
    assert "pressed" in CliRunner().invoke(app, ["status"]).stdout
