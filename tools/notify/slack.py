"""One Slack channel, by a bot or by an incoming webhook: Block Kit made with slack_sdk, which must be installed.

A webhook belongs to one channel by itself; a bot posts to the one channel id that was given here. slack_sdk repeats a
request by itself where a connection breaks, which a ledger cannot have: that is switched off. Its own log repeats
addresses, which are secrets of a webhook: it is silent. Answers of Slack and what they mean: its pages on
``chat.postMessage``, incoming webhooks and rate limits (docs.slack.dev).
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlsplit

from agent_guard.credentials import Secrets
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tools.notify.blocks import blocks
from tools.notify.port import RATE_LIMITED, Channel, Notice, Posted

if TYPE_CHECKING:
    from slack_sdk import WebClient, WebhookClient

__all__ = ["BOT_TOKEN", "WEBHOOK_URL", "SlackBot", "SlackWebhook"]

BOT_TOKEN, WEBHOOK_URL = "slack_bot_token", "slack_webhook_url"
"""Names of the secrets; see :mod:`agent_guard.credentials`."""

TIMEOUT_S = 4
EVENT = "agent_guard_notice"
"""Type of the metadata that a message carries its key in."""

PAGES, PAGE = 5, 200

_CHANNEL = re.compile(r"[CG][A-Z0-9]{6,20}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REFUSED = frozenset({400, 403, 404, 410})
_LIMITED = frozenset({"ratelimited", "rate_limited"})
_MAYBE = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})
"""Errors after which Slack does not say that nothing was posted."""

_silent = logging.Logger("slack", level=logging.CRITICAL + 1)  # noqa: LOG001  one that no configuration can wake up


class SlackBot:
    """Posts to one channel as a bot, and finds what it posted by the key in the message's metadata.

    Args:
        channel: its id, e.g. ``"C0123456789"``; a name can be given to another channel.
        url: where Slack's Web API is.

    Raises:
        ConfigError: no channel id, or slack_sdk is not installed.
    """

    def __init__(self, channel: str, *, url: str = "https://slack.com/api/") -> None:
        if not _CHANNEL.fullmatch(channel):
            raise ConfigError(
                f"{channel!r} is no channel id of Slack; it begins with C or G, see the channel's details"
            )
        _installed()
        self._channel, self._url = channel, url

    def post(self, notice: Notice, *, key: str, secrets: Secrets) -> Posted:
        """Posts a notice; see :class:`Channel`."""
        answer = self._asked(
            secrets,
            "chat_postMessage",
            channel=self._channel,
            text=_plain(notice.text()),
            blocks=blocks(notice),
            metadata={"event_type": EVENT, "event_payload": {"key": key}},
            mrkdwn=False,
            parse="none",
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
        )
        posted = Posted(channel=str(answer.get("channel")), id=str(answer.get("ts") or ""))
        if not posted.id or posted.channel != self._channel:
            raise OutcomeUnknown("Slack's answer names no message in this channel", code="answer_unreadable")
        return posted

    def find(self, key: str, *, secrets: Secrets) -> Posted | None:
        """Looks through the channel's newest thousand messages; see :class:`Channel`."""
        for message in self._history(secrets):
            metadata = message.get("metadata") or {}
            if metadata.get("event_type") == EVENT and (metadata.get("event_payload") or {}).get("key") == key:
                return Posted(channel=self._channel, id=str(message.get("ts") or ""))
        return None

    def _history(self, secrets: Secrets) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        for _ in range(PAGES):
            answer = self._asked(
                secrets,
                "conversations_history",
                channel=self._channel,
                limit=PAGE,
                include_all_metadata=True,
                **({"cursor": cursor} if cursor else {}),
            )
            yield from answer.get("messages") or ()
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if not answer.get("has_more") or cursor is None:
                return
        raise OutcomeUnknown("the channel is longer than what is looked through", code="channel_too_long")

    def _asked(self, secrets: Secrets, method: str, **values: Any) -> dict[str, Any]:
        from slack_sdk.errors import SlackApiError

        client = self._client(secrets)
        try:
            answer = getattr(client, method)(**values)
        except SlackApiError as error:
            code, word = error.response.status_code, str(error.response.get("error") or "")
            raise _judged(code, word) from None
        except Exception as error:  # a client may fail in any way
            raise _lost(error) from None
        data = answer.data
        if not isinstance(data, dict):
            raise OutcomeUnknown("Slack's answer cannot be read", code="answer_unreadable")
        return data

    def _client(self, secrets: Secrets) -> WebClient:
        from slack_sdk import WebClient

        token = secrets(BOT_TOKEN).reveal()
        return WebClient(token=token, base_url=self._url, timeout=TIMEOUT_S, retry_handlers=[], logger=_silent)


class SlackWebhook:
    """Posts to the one channel that an incoming webhook belongs to. It cannot be asked what was posted.

    Args:
        hosts: where the webhook may lie.

    Raises:
        ConfigError: slack_sdk is not installed.
    """

    def __init__(self, *, hosts: tuple[str, ...] = ("hooks.slack.com", "hooks.slack-gov.com")) -> None:
        _installed()
        self._hosts = hosts

    def post(self, notice: Notice, *, key: str, secrets: Secrets) -> Posted:  # noqa: ARG002  a webhook keeps no key
        """Posts a notice; see :class:`Channel`."""
        client = self._client(secrets)
        try:
            answer = client.send(
                text=_plain(notice.text()), blocks=blocks(notice), unfurl_links=False, unfurl_media=False
            )
        except Exception as error:  # a client may fail in any way
            raise _lost(error) from None
        if answer.status_code == 200 and answer.body.strip() == "ok":
            return Posted(channel="webhook", id="")
        raise _judged(answer.status_code, answer.body.strip())

    def find(self, key: str, *, secrets: Secrets) -> Posted | None:  # noqa: ARG002  the port's arguments
        """Cannot tell."""
        raise OutcomeUnknown("a webhook cannot be asked what was posted; look into the channel", code="not_readable")

    def _client(self, secrets: Secrets) -> WebhookClient:
        from slack_sdk import WebhookClient

        url = secrets(WEBHOOK_URL).reveal()
        parts = urlsplit(url)
        local = parts.hostname == "127.0.0.1"
        if parts.hostname not in self._hosts or parts.scheme != ("http" if local else "https"):
            raise ToolRejected("the webhook's address is not one of Slack's", code="webhook_foreign")
        return WebhookClient(url, timeout=TIMEOUT_S, retry_handlers=[], logger=_silent)


def _judged(status: int, word: str) -> ToolRejected | ToolUnavailable | OutcomeUnknown:
    """What an answer that is no success means. Only Slack's own words of error are repeated."""
    code = word if _WORD.fullmatch(word) else f"http_{status}"
    if status == 429 or word in _LIMITED:
        return ToolUnavailable("Slack asks to wait; nothing was posted", code=RATE_LIMITED)
    if word in _MAYBE or status >= 500 or status < 200:
        return OutcomeUnknown("Slack failed while it posted", code=code)
    if _WORD.fullmatch(word) or status in _REFUSED:
        return ToolRejected("Slack refused the message", code=code)
    return OutcomeUnknown("Slack's answer cannot be read", code="answer_unreadable")


def _lost(error: Exception) -> ToolUnavailable | OutcomeUnknown:
    """What a request without an answer means. The error's own words may repeat an address."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)):
        return ToolUnavailable(f"Slack cannot be reached: {type(cause).__name__}", code="unreachable")
    return OutcomeUnknown(f"Slack did not answer: {type(cause).__name__}", code="no_answer")


def _plain(text: str) -> str:
    """Text in which Slack finds no mention, link or markup (its page on formatting: these three are the escapes)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _installed() -> None:
    try:
        import slack_sdk  # noqa: F401  is it there
    except ImportError:
        raise ConfigError("a Slack channel needs: pip install 'langgraph-agent-guard[slack]'") from None


_port: tuple[type[Channel], ...] = (SlackBot, SlackWebhook)
"""Checked by the type checker: both are one."""
