"""Zoom against a peer on loopback that answers as its documentation says: what is asked, what is kept, what is never told."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from agent_guard.credentials import Secret
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tools.meetings.offline import OfflineMeetings
from tools.meetings.port import Meetings, MeetingSpec
from tools.meetings.zoom import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, ZoomMeetings

VALUES = {ACCOUNT_ID: "acc-9f8e7d6c", CLIENT_ID: "cli-1a2b3c", CLIENT_SECRET: "hunter2-very-secret"}
TOKEN = "eyJzdiI6tokentokentoken"
SPEC = MeetingSpec(topic="Demo", start=datetime(2026, 11, 24, 9, tzinfo=UTC), length_min=30, zone="Europe/Warsaw")
MADE = {
    "id": 85746065432,
    "host_email": "boss@demo.example",
    "topic": "Demo",
    "type": 2,
    "start_url": "https://us06web.zoom.us/s/85746065432?zak=eyJ0eXAiOiJzakhost",
    "join_url": "https://us06web.zoom.us/j/85746065432?pwd=abc.1",
    "password": "5GPq2x",
}


class Zoom(BaseHTTPRequestHandler):
    """Zoom: a token for the right secrets, then what ``answers`` says to each method."""

    answers: dict[str, tuple[int, Any]] = {}
    token: tuple[int, Any] = (200, {})
    seen: list[dict[str, Any]] = []

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.seen.append(
            {"method": self.command, "path": self.path, "body": body, "auth": self.headers.get("Authorization", "")}
        )
        status, data = self.token if self.path.startswith("/oauth/token") else self.answers[self.command]
        if isinstance(data, list):  # one page after the other
            data = data.pop(0)
        if status == 0:
            self.close_connection = True
            return
        text = data if isinstance(data, str) else json.dumps(data)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_DELETE = do_GET = _any

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def secrets(name: str) -> Secret:
    """The agent's secrets."""
    return Secret(name, VALUES[name])


@pytest.fixture
def zoom() -> Iterator[ZoomMeetings]:
    """The adapter before that peer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Zoom)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Zoom.seen = []
    Zoom.token = (200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600, "scope": "meeting:write"})
    Zoom.answers = {"POST": (201, MADE), "DELETE": (204, "")}
    url = f"http://127.0.0.1:{server.server_port}"
    made = ZoomMeetings(api=f"{url}/v2", oauth=f"{url}/oauth/token", timeout_s=10)
    yield made
    made.close()
    server.shutdown()
    server.server_close()
    thread.join()


def create(zoom: Meetings) -> Any:
    """Makes the meeting."""
    return zoom.create(SPEC, key="k1", secrets=secrets)  # type: ignore[arg-type]


@pytest.mark.req("A19", "A32")
def test_a_meeting_is_made_as_the_documentation_says(zoom: ZoomMeetings) -> None:
    """A token for the account, then a scheduled meeting with a waiting room; its number and the guests' link come back."""
    meeting = create(zoom)
    assert (meeting.id, meeting.join_url) == ("85746065432", MADE["join_url"])
    token, made = Zoom.seen
    assert parse_qs(token["body"]) == {"grant_type": ["account_credentials"], "account_id": [VALUES[ACCOUNT_ID]]}
    assert b64decode(token["auth"].removeprefix("Basic ")).decode() == f"{VALUES[CLIENT_ID]}:{VALUES[CLIENT_SECRET]}"
    assert (made["method"], made["path"], made["auth"]) == ("POST", "/v2/users/me/meetings", f"Bearer {TOKEN}")
    assert json.loads(made["body"]) == {
        "topic": "Demo",
        "type": 2,
        "start_time": "2026-11-24T09:00:00Z",
        "duration": 30,
        "timezone": "Europe/Warsaw",
        "agenda": f"agent-guard {sha256(b'k1').hexdigest()[:32]}",
        "settings": {"waiting_room": True, "join_before_host": False},
    }


@pytest.mark.req("A19", "B6", "B10")
def test_the_hosts_link_and_the_secrets_are_told_to_nobody(
    zoom: ZoomMeetings, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the host's link, nor a token, nor a secret stands in what comes back, in an error, or in any log at its
    most talkative.
    """
    caplog.set_level(logging.DEBUG)
    told = [repr(create(zoom))]
    for answer in ((500, MADE), (400, MADE), (201, {**MADE, "join_url": MADE["start_url"]})):
        Zoom.answers["POST"] = answer
        with pytest.raises((OutcomeUnknown, ToolRejected)) as failed:
            create(zoom)
        told.append(repr(failed.value) + repr(failed.value.__context__))
    Zoom.token = (400, {"reason": "Invalid client_id or client_secret", "error": "invalid_client"})
    with pytest.raises(ToolUnavailable) as failed_:
        create(zoom)
    told.append(repr(failed_.value))
    for text in [*told, caplog.text]:
        assert not any(secret in text for secret in (*VALUES.values(), TOKEN, "zak=", "start_url", MADE["password"]))


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ((400, {"code": 300, "message": "Validation Failed."}), ToolRejected, "http_400"),
        ((401, {"code": 124, "message": "Invalid access token."}), ToolRejected, "http_401"),
        ((404, {"code": 1001, "message": "User does not exist"}), ToolRejected, "http_404"),
        ((429, {"code": 429, "message": "You have reached the maximum"}), ToolUnavailable, "rate_limited"),
        ((500, "<html>"), OutcomeUnknown, "http_500"),
        ((302, ""), OutcomeUnknown, "http_302"),
        ((0, ""), OutcomeUnknown, "no_answer"),
        ((201, "<html>"), OutcomeUnknown, "answer_unreadable"),
        ((201, {**MADE, "join_url": "https://zoom.us.evil.example/j/1"}), OutcomeUnknown, "answer_unreadable"),
        ((201, {**MADE, "join_url": "http://zoom.us/j/1"}), OutcomeUnknown, "answer_unreadable"),
        ((201, {**MADE, "id": "../users"}), OutcomeUnknown, "answer_unreadable"),
    ],
)
def test_a_creation_has_three_outcomes(
    zoom: ZoomMeetings, answer: tuple[int, Any], error: type[Exception], code: str
) -> None:
    """Refused, asked to wait, or nobody knows; Zoom is asked once, whatever it says."""
    Zoom.answers["POST"] = answer
    with pytest.raises(error) as failed:
        create(zoom)
    assert failed.value.code == code  # type: ignore[attr-defined]
    assert len(Zoom.seen) == 2


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    ("token", "code"),
    [
        ((400, {"error": "invalid_client"}), "no_token"),
        ((200, {}), "no_token"),
        ((200, "[]"), "no_token"),
        ((429, ""), "http_429"),
        ((500, ""), "http_500"),
        ((0, ""), "unreachable"),
    ],
)
def test_without_a_token_nothing_happened(zoom: ZoomMeetings, token: tuple[int, Any], code: str) -> None:
    """Where Zoom gives no token, no meeting was asked for; whether the secrets or Zoom itself are at fault is told."""
    Zoom.token = token
    with pytest.raises(ToolUnavailable) as failed:
        create(zoom)
    assert failed.value.code == code
    assert [item["path"] for item in Zoom.seen] == ["/oauth/token"]


@pytest.mark.req("A19")
def test_a_meeting_that_is_gone_is_cancelled(zoom: ZoomMeetings) -> None:
    """To cancel deletes the meeting; one that is not there counts, and any other refusal does not."""
    zoom.cancel("85746065432", secrets=secrets)  # type: ignore[arg-type]
    assert Zoom.seen[-1]["path"] == "/v2/meetings/85746065432"
    Zoom.answers["DELETE"] = (404, {"code": 3001, "message": "Meeting does not exist."})
    zoom.cancel("85746065432", secrets=secrets)  # type: ignore[arg-type]
    for answer, error in (((404, {"code": 1001}), ToolRejected), ((503, ""), OutcomeUnknown)):
        Zoom.answers["DELETE"] = answer
        with pytest.raises(error):
            zoom.cancel("85746065432", secrets=secrets)  # type: ignore[arg-type]
    with pytest.raises(ToolRejected):
        zoom.cancel("../users/me", secrets=secrets)  # type: ignore[arg-type]


MINE = {"id": 85746065432, "agenda": f"agent-guard {sha256(b'k1').hexdigest()[:32]}"}


@pytest.mark.req("A8", "A19")
@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([{"meetings": [{"id": 1, "agenda": "Lunch"}, {"id": 2}, MINE]}], "85746065432"),
        (
            [{"meetings": [{"id": 1}], "next_page_token": "t2"}, {"meetings": [MINE], "next_page_token": ""}],
            "85746065432",
        ),
        ([{"meetings": [{"id": 1, "agenda": "agent-guard somebody else's"}], "next_page_token": ""}], None),
        ([{"meetings": []}], None),
    ],
)
def test_a_meeting_is_found_by_its_key(zoom: ZoomMeetings, pages: list[Any], found: str | None) -> None:
    """Zoom's lists are read to their end, and what a meeting's agenda says of the key tells whether it is ours."""
    count = len(pages)
    Zoom.answers["GET"] = (200, pages)
    assert zoom.find("k1", secrets=secrets) == found  # type: ignore[arg-type]
    asked = [item["path"] for item in Zoom.seen if item["method"] == "GET"]
    assert len(asked) == count and asked[0] == "/v2/users/me/meetings?type=upcoming&page_size=300"
    assert all("next_page_token=t2" in path for path in asked[1:])


@pytest.mark.req("A8")
@pytest.mark.parametrize(
    "answer",
    [
        (0, ""), (401, {"code": 124}), (429, ""), (400, {"code": 4711, "message": "no scopes"}), (500, ""), (200, "<html>"),
        (200, {"meetings": ["x"]}), (200, [{"meetings": [], "next_page_token": "more"}] * 5),
    ],
)  # fmt: skip
def test_where_zoom_does_not_tell_nobody_can(zoom: ZoomMeetings, answer: tuple[int, Any]) -> None:
    """No answer, no right to look, an answer that is no list, lists without end: that is not "there is none"."""
    Zoom.answers["GET"] = answer
    with pytest.raises(ToolUnavailable):
        zoom.find("k1", secrets=secrets)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"api": "http://api.zoom.us/v2"}, {"oauth": "http://zoom.us/"}, {"user": "a@b.example"}, {"user": "../x"}]
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, str]) -> None:
    """An address in clear, or a user who is none, is refused when it is built."""
    with pytest.raises(ConfigError):
        ZoomMeetings(**wrong)  # type: ignore[arg-type]


@pytest.mark.req("A32")
def test_the_demos_links_lead_nowhere() -> None:
    """The same key gives the same link, another key another one, on a host that cannot exist; to cancel does nothing."""
    meetings = OfflineMeetings()
    one, same, other = (meetings.create(SPEC, key=key) for key in ("k1", "k1", "k2"))
    assert one == same != other
    assert one.join_url.startswith("https://meet.example/")
    meetings.cancel(one.id)
