"""The Slack channel against an emulator that nobody here wrote: ``emulate`` from npm, listening on loopback only."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_guard.credentials import MemoryCredentials, Secrets
from agent_guard.errors import ToolRejected
from tests.tools.notify.test_slack import NOTICE
from tools.notify.slack import SlackBot, SlackWebhook

ROOT = Path(__file__).parents[3]
PLACE = Path(os.environ.get("AGENT_GUARD_TEST_EMULATE", ROOT / ".bench" / "emulate"))
MISSING = "no Slack emulator; npm install --prefix .bench/emulate --ignore-scripts emulate@0.11.2, or AGENT_GUARD_TEST_EMULATE"
PATIENCE_S = 30.0
LOOPBACK = """
const net = require('net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  const heard = rest.find((item) => typeof item === 'function');
  const port = typeof first === 'object' ? first.port : first;
  return listen.call(this, { port, host: '127.0.0.1' }, heard);
};
"""
SEED = {
    "slack": {
        "team": {"name": "Acme", "domain": "acme"},
        "channels": [{"name": "general"}, {"name": "sales-alerts"}],
        "incoming_webhooks": [{"channel": "sales-alerts", "label": "alerts"}],
    }
}
TOKEN = "test_token_admin"


def _asked(url: str, method: str, **values: str) -> dict:
    request = urllib.request.Request(
        f"{url}/api/{method}",
        data=json.dumps(values).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return dict(json.loads(answer.read()))


@pytest.fixture(name="emulator", scope="module")
def _emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's address; it ends with the module."""
    program, node = PLACE / "node_modules" / "emulate" / "dist" / "index.js", shutil.which("node")
    if node is None or not program.is_file():
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("emulate")
    (folder / "loopback.cjs").write_text(LOOPBACK)
    (folder / "seed.json").write_text(json.dumps(SEED))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [node, "--require", str(folder / "loopback.cjs"), str(program), "--service", "slack"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--seed", str(folder / "seed.json")], stdout=log, stderr=log, cwd=folder
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                assert _asked(url, "auth.test")["ok"]
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


def secrets(**values: str) -> Secrets:
    held = {"slack_bot_token": TOKEN} | values
    return Secrets(MemoryCredentials(secrets={"dev": {"default": held}}), environment="dev", agent="default")


@pytest.fixture(name="channel")
def _channel(emulator: str) -> str:
    found = _asked(emulator, "conversations.list")["channels"]
    return next(item["id"] for item in found if item["name"] == "sales-alerts")


@pytest.mark.req("A29", "A32")
def test_a_bots_notice_stands_in_the_channel_and_is_found_by_its_key(emulator: str, channel: str) -> None:
    """What was posted is in the channel's history with its blocks and its key, once, and ``find`` tells its id."""
    bot = SlackBot(channel, url=f"{emulator}/api/")
    posted = bot.post(NOTICE, key="key-1", secrets=secrets())
    history = _asked(emulator, "conversations.history", channel=channel)["messages"]
    mine = [message for message in history if message["ts"] == posted.id]
    assert len(mine) == 1
    assert [block["type"] for block in mine[0]["blocks"]] == ["header", "section", "section", "context"]
    found = bot.find("key-1", secrets=secrets())
    assert found == posted
    assert bot.find("key-2", secrets=secrets()) is None


@pytest.mark.req("A8")
def test_a_channel_that_is_not_there_is_a_refusal(emulator: str) -> None:
    """The emulator's own word for it becomes the code of the refusal."""
    with pytest.raises(ToolRejected) as caught:
        SlackBot("C0000000099", url=f"{emulator}/api/").post(NOTICE, key="k", secrets=secrets())
    assert caught.value.code == "channel_not_found"


@pytest.mark.req("A29")
def test_a_webhooks_notice_stands_in_its_channel(emulator: str) -> None:
    """What was posted through the webhook is in the history of the emulator's channel, once."""
    url = f"{emulator}/services/T000000001/B000000001/hook"
    SlackWebhook(hosts=("127.0.0.1",)).post(NOTICE, key="k", secrets=secrets(slack_webhook_url=url))
    channels = [item["id"] for item in _asked(emulator, "conversations.list")["channels"]]
    said = [m for one in channels for m in _asked(emulator, "conversations.history", channel=one)["messages"]]
    mine = [message for message in said if not message.get("metadata") and "Forgotten deals" in message["text"]]
    assert len(mine) == 1 and len(mine[0]["blocks"]) == 4
