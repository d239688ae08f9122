"""A Slack channel: one place, three outcomes, and no markup, on a peer that answers as Slack's pages say."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from agent_guard.credentials import MemoryCredentials, Secrets
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tests.tools.notify.slack_peer import CHANNEL, TOKEN, Slack, error, limited, ok, slack
from tools.notify.blocks import SECTION_MAX, blocks
from tools.notify.port import Line, Notice
from tools.notify.slack import SlackBot, SlackWebhook

NOTICE = Notice(
    title="Forgotten deals, 2026-W10",
    intro="Daniel Reed: 2 deals. Open them in the CRM.",
    lines=(Line(about="Deal 1004", says="qualification, 16 days"), Line(about="Deal 3004", says="<!channel> & *bold*")),
    note="One message a week and owner.",
)


@pytest.fixture(name="peer")
def _peer() -> Iterator[Slack]:
    with slack() as peer:
        yield peer


def secrets(peer: Slack, **values: str) -> Secrets:
    """The secrets of the agent of tests."""
    held = {"slack_bot_token": TOKEN, "slack_webhook_url": f"{peer.url}/services/T0/B0/verysecretpath"} | values
    return Secrets(MemoryCredentials(secrets={"dev": {"default": held}}), environment="dev", agent="default")


def bot(peer: Slack) -> SlackBot:
    return SlackBot(CHANNEL, url=f"{peer.url}/api/")


def hook() -> SlackWebhook:
    return SlackWebhook(hosts=("127.0.0.1",))


@pytest.mark.req("A29", "A32")
def test_a_notice_is_posted_as_blocks_into_the_one_channel(peer: Slack) -> None:
    """The bot posts a header, the lines and the small print, with the key in the message's metadata."""
    posted = bot(peer).post(NOTICE, key="k1", secrets=secrets(peer))
    assert (posted.channel, posted.id) == (CHANNEL, peer.messages[0]["ts"])
    path, body = peer.requests[0]
    assert path == "/api/chat.postMessage" and body["channel"] == CHANNEL
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "section", "context"]
    assert body["metadata"] == {"event_type": "agent_guard_notice", "event_payload": {"key": "k1"}}


@pytest.mark.req("B12")
@pytest.mark.parametrize("door", ["bot", "hook"])
def test_nothing_in_a_notice_is_markup(peer: Slack, door: str) -> None:
    """Every block is plain text, and the fallback's signs are escaped: nobody is mentioned and no link is made."""
    (bot(peer) if door == "bot" else hook()).post(NOTICE, key="k1", secrets=secrets(peer))
    body = peer.messages[0]

    def kinds(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if "text" in node and isinstance(node["text"], str):
                yield node["type"]
            for item in node.values():
                yield from kinds(item)
        for item in node if isinstance(node, list) else ():
            yield from kinds(item)

    assert set(kinds(body["blocks"])) == {"plain_text"}
    assert "<!channel>" not in body["text"] and "&lt;!channel&gt; &amp;" in body["text"]


def test_long_notices_stay_below_slacks_limits() -> None:
    """Fifty lines make few sections, none longer than Slack takes."""
    many = Notice(
        title="t" * 400, intro="i", lines=tuple(Line(about=f"Deal {n}", says="x" * 200) for n in range(50)), note="n"
    )
    made = blocks(many)
    assert len(made) <= 50 and len(made[0]["text"]["text"]) == 150
    assert all(len(block["text"]["text"]) <= SECTION_MAX for block in made[1:-1])


@pytest.mark.req("A6")
def test_what_was_posted_is_found_by_its_key(peer: Slack) -> None:
    """The bot finds its message among several pages, and is sure where there is none."""
    made, peer.page = bot(peer), 2
    for key in ("k1", "k2", "k3"):
        made.post(NOTICE, key=key, secrets=secrets(peer))
    found = made.find("k1", secrets=secrets(peer))
    assert found is not None and found.id == peer.messages[0]["ts"]
    assert made.find("k9", secrets=secrets(peer)) is None


def test_a_channel_that_is_too_long_to_look_through_is_no_answer(peer: Slack) -> None:
    """Where not all of it was looked at nobody says that there is none."""
    peer.answers = [ok(messages=[], has_more=True, response_metadata={"next_cursor": "9"})] * 5
    with pytest.raises(OutcomeUnknown) as caught:
        bot(peer).find("k1", secrets=secrets(peer))
    assert caught.value.code == "channel_too_long"


def reset(handler: Any) -> None:
    """The connection is lost after the request has arrived."""
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    ("answer", "raised", "code"),
    [
        (limited(), ToolUnavailable, "rate_limited"),
        (error("rate_limited"), ToolUnavailable, "rate_limited"),
        (error("channel_not_found"), ToolRejected, "channel_not_found"),
        (error("not_in_channel"), ToolRejected, "not_in_channel"),
        (error("is_archived"), ToolRejected, "is_archived"),
        (error("invalid_auth"), ToolRejected, "invalid_auth"),
        (error("invalid_blocks"), ToolRejected, "invalid_blocks"),
        (error("internal_error", 500), OutcomeUnknown, "internal_error"),
        (error("fatal_error"), OutcomeUnknown, "fatal_error"),
        ((503, {}, "<html>Bad gateway</html>"), OutcomeUnknown, "http_503"),
        ((200, {}, "<html>maintenance</html>"), OutcomeUnknown, None),
        (ok(channel="C9999999999", ts="1.2"), OutcomeUnknown, "answer_unreadable"),
        (ok(channel=CHANNEL), OutcomeUnknown, "answer_unreadable"),
        (reset, OutcomeUnknown, "no_answer"),
    ],
    ids=lambda item: getattr(item, "__name__", str(item))[:60],
)
def test_each_answer_of_the_web_api_is_one_of_three_outcomes(
    peer: Slack, answer: Any, raised: type[Exception], code: str | None
) -> None:
    """429 and its like: not posted; a refusal: not posted; all that leaves a doubt: unknown. Nothing is sent twice."""
    peer.answers = [answer]
    with pytest.raises(raised) as caught:
        bot(peer).post(NOTICE, key="k1", secrets=secrets(peer))
    assert type(caught.value) is raised
    assert code is None or caught.value.code == code  # type: ignore[attr-defined]
    assert len(peer.requests) == 1
    assert TOKEN not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    ("answer", "raised", "code"),
    [
        ((429, {"Retry-After": "30"}, "rate_limited"), ToolUnavailable, "rate_limited"),
        ((400, {}, "invalid_payload"), ToolRejected, "invalid_payload"),
        ((403, {}, "action_prohibited"), ToolRejected, "action_prohibited"),
        ((404, {}, "no_service"), ToolRejected, "no_service"),
        ((410, {}, "channel_is_archived"), ToolRejected, "channel_is_archived"),
        ((500, {}, "rollup_error"), OutcomeUnknown, "rollup_error"),
        ((200, {}, "<html>proxy</html>"), OutcomeUnknown, "answer_unreadable"),
        (reset, OutcomeUnknown, "no_answer"),
    ],
    ids=lambda item: getattr(item, "__name__", str(item))[:60],
)
def test_each_answer_of_a_webhook_is_one_of_three_outcomes(
    peer: Slack, answer: Any, raised: type[Exception], code: str
) -> None:
    """As of the Web API; the statuses and words are those of the page on incoming webhooks."""
    peer.answers = [answer]
    with pytest.raises(raised) as caught:
        hook().post(NOTICE, key="k1", secrets=secrets(peer))
    assert type(caught.value) is raised and caught.value.code == code  # type: ignore[attr-defined]
    assert len(peer.requests) == 1
    assert "verysecretpath" not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.req("A8")
@pytest.mark.parametrize("door", ["bot", "hook"])
def test_a_peer_that_is_not_there_was_sent_nothing(door: str) -> None:
    """A refused connection is a certain answer: nothing was posted."""
    with slack() as peer:
        given = secrets(peer)
        made = bot(peer) if door == "bot" else hook()
    with pytest.raises(ToolUnavailable) as caught:
        made.post(NOTICE, key="k1", secrets=given)
    assert caught.value.code == "unreachable"


@pytest.mark.req("A8")
def test_a_webhook_cannot_be_asked() -> None:
    """Whoever asks a webhook what was posted is told that it cannot say."""
    with slack() as peer, pytest.raises(OutcomeUnknown):
        hook().find("k1", secrets=secrets(peer))


@pytest.mark.req("B13")
@pytest.mark.parametrize(
    "url", ["https://evil.example/services/T/B/x", "http://hooks.slack.com/services/T/B/x", "file:///etc/passwd", "x"]
)
def test_a_webhook_elsewhere_is_refused(peer: Slack, url: str) -> None:
    """An address that is not Slack's is refused before anything is sent."""
    with pytest.raises(ToolRejected) as caught:
        SlackWebhook().post(NOTICE, key="k1", secrets=secrets(peer, slack_webhook_url=url))
    assert caught.value.code == "webhook_foreign" and peer.requests == []


@pytest.mark.parametrize("channel", ["#sales", "sales", "", "C0", "D0123456789"])
def test_a_channel_is_named_by_its_id(channel: str) -> None:
    """A name, which another channel may get, is refused when the object is made."""
    with pytest.raises(ConfigError, match="channel id"):
        SlackBot(channel)


@pytest.mark.req("B10")
def test_a_missing_secret_is_told_as_nothing_happened(peer: Slack) -> None:
    """Without a token nothing is sent."""
    none = Secrets(MemoryCredentials(), environment="dev", agent="default")
    with pytest.raises(ToolUnavailable) as caught:
        bot(peer).post(NOTICE, key="k1", secrets=none)
    assert caught.value.code == "secret_missing" and peer.requests == []


@pytest.mark.req("B10")
def test_the_client_logs_nothing(
    peer: Slack, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """slack_sdk writes addresses and headers into its log; with every level on, nothing of it is written here."""
    caplog.set_level(logging.DEBUG)
    bot(peer).post(NOTICE, key="k1", secrets=secrets(peer))
    hook().post(NOTICE, key="k1", secrets=secrets(peer))
    peer.answers = [reset]
    with pytest.raises(OutcomeUnknown):
        hook().post(NOTICE, key="k1", secrets=secrets(peer))
    assert [record for record in caplog.records if "slack" in record.name] == []
    assert capfd.readouterr().err == ""
