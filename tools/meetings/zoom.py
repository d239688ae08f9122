"""Zoom by server-to-server OAuth: one token a call, one meeting made or cancelled, and the guests' link alone kept.

Zoom's answer holds a second link, ``start_url``, with which anybody is the host. It is never read: what leaves this
module are a meeting's number and its ``join_url``. Zoom knows no idempotency key, so nothing is repeated here; whoever
made a meeting for nothing cancels it. A digest of the key stands in the meeting's agenda, and a list of meetings shows
the agenda's first 250 characters: so one that was made by a request without an answer can be found. Sources:
developers.zoom.us on server-to-server OAuth, on ``POST`` and ``GET /users/{id}/meetings`` and ``DELETE
/meetings/{id}``, on error codes and rate limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent_guard.credentials import Secrets
from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tools.meetings.port import Meeting, Meetings, MeetingSpec

if TYPE_CHECKING:
    import httpx

__all__ = ["ACCOUNT_ID", "CLIENT_ID", "CLIENT_SECRET", "ZoomMeetings"]

ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET = "zoom_account_id", "zoom_client_id", "zoom_client_secret"
"""Names of the secrets; see :mod:`agent_guard.credentials`. The app needs ``meeting:write`` and ``meeting:read``;
without the second one nobody can look whether a meeting was made, and a person is asked to."""

_PAGE, _PAGES = 300, 5
"""How many meetings a list shows, the most that Zoom gives, and how many lists are read at most."""

_NUMBER = re.compile(r"[0-9]{9,12}")
_NOT_THERE = 3001


class ZoomMeetings:
    """Makes meetings of one Zoom user; see :class:`Meetings`.

    Args:
        user: whose meetings they are: ``me``, or a user's id where the app is the account's.
        timeout_s: of each request; a call makes two.
        api, oauth: where Zoom is.
        hosts: where a guests' link may lead; with a leading dot, hosts below it as well.

    Raises:
        ConfigError: httpx is not installed, or an address is not https, nor http on this machine.
    """

    def __init__(
        self,
        *,
        user: str = "me",
        timeout_s: float = 2.0,
        api: str = "https://api.zoom.us/v2",
        oauth: str = "https://zoom.us/oauth/token",
        hosts: tuple[str, ...] = ("zoom.us", ".zoom.us"),
    ) -> None:
        try:
            import httpx
        except ImportError:
            raise ConfigError("Zoom needs: pip install 'langgraph-agent-guard[zoom]'") from None
        for url in (api, oauth):
            parts = urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname == "127.0.0.1"):
                raise ConfigError("Zoom's addresses begin with https://")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", user):
            raise ConfigError("a Zoom user is 'me' or an id; an address would stand in logs")
        self._api, self._oauth, self._user, self._hosts = api.rstrip("/"), oauth, user, hosts
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)
        self._httpx = httpx

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def create(self, spec: MeetingSpec, *, key: str, secrets: Secrets) -> Meeting:
        """Makes a scheduled meeting with a waiting room; see :class:`Meetings`."""
        body = {
            "topic": spec.topic,
            "type": 2,
            "start_time": spec.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "duration": spec.length_min,
            "timezone": spec.zone,
            "agenda": _mark(key),
            "settings": {"waiting_room": True, "join_before_host": False},
        }
        answer = self._sent("POST", f"/users/{self._user}/meetings", secrets, json=body)
        if answer.status_code != 201:
            raise _refused(answer.status_code)
        data = _json(answer)
        number, link = str(data.get("id", "")), data.get("join_url")
        if not _NUMBER.fullmatch(number) or not isinstance(link, str) or not self._guests(link):
            raise OutcomeUnknown("Zoom made a meeting, and its answer cannot be read", code="answer_unreadable")
        return Meeting(id=number, join_url=link)

    def find(self, key: str, *, secrets: Secrets) -> str | None:
        """Looks through the upcoming meetings; see :class:`Meetings`."""
        query: dict[str, str | int] = {"type": "upcoming", "page_size": _PAGE}
        for _ in range(_PAGES):
            try:
                answer = self._sent("GET", f"/users/{self._user}/meetings", secrets, params=query)
            except OutcomeUnknown:  # a question that was not answered changed nothing
                raise ToolUnavailable("Zoom did not answer", code="no_answer") from None
            found = _json(answer).get("meetings") if answer.status_code == 200 else None
            if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
                raise ToolUnavailable("Zoom does not tell its meetings", code=f"http_{answer.status_code}")
            ours = next((str(item.get("id")) for item in found if item.get("agenda") == _mark(key)), None)
            following = _json(answer).get("next_page_token")
            if ours is not None or not following:
                return ours
            query["next_page_token"] = str(following)
        raise ToolUnavailable("Zoom has too many meetings to look through", code="too_many")

    def cancel(self, meeting: str, *, secrets: Secrets) -> None:
        """Deletes a meeting; see :class:`Meetings`."""
        if not _NUMBER.fullmatch(meeting):
            raise ToolRejected("this is no number of a Zoom meeting", code="invalid")
        answer = self._sent("DELETE", f"/meetings/{meeting}", secrets)
        gone = answer.status_code == 404 and _json(answer).get("code") == _NOT_THERE
        if answer.status_code != 204 and not gone:
            raise _refused(answer.status_code)

    def _token(self, secrets: Secrets) -> str:
        """A token of an hour, used once. Nothing has happened where there is none."""
        login = (secrets(CLIENT_ID).reveal(), secrets(CLIENT_SECRET).reveal())
        form = {"grant_type": "account_credentials", "account_id": secrets(ACCOUNT_ID).reveal()}  # no log has a body
        try:
            answer = self._client.post(self._oauth, data=form, auth=login)
        except self._httpx.HTTPError as error:
            raise ToolUnavailable(f"Zoom cannot be reached: {type(error).__name__}", code="unreachable") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise ToolUnavailable("Zoom gives no token now; nothing was done", code=f"http_{answer.status_code}")
        token = _json(answer).get("access_token") if answer.status_code == 200 else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ToolUnavailable("Zoom gives no token; look at the app's secrets", code="no_token")
        return token

    def _sent(self, method: str, path: str, secrets: Secrets, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token(secrets)}"}
        try:
            return self._client.request(method, f"{self._api}{path}", headers=headers, **options)
        except (self._httpx.ConnectError, self._httpx.ConnectTimeout, self._httpx.PoolTimeout) as error:
            raise ToolUnavailable(f"Zoom cannot be reached: {type(error).__name__}", code="unreachable") from None
        except self._httpx.HTTPError as error:  # its own words may repeat what was sent
            raise OutcomeUnknown(f"Zoom did not answer: {type(error).__name__}", code="no_answer") from None

    def _guests(self, link: str) -> bool:
        """Whether a link is for guests: Zoom's, and without the host's key."""
        parts = urlsplit(link)
        host = parts.hostname or ""
        ours = any(host == item or (item.startswith(".") and host.endswith(item)) for item in self._hosts)
        return parts.scheme == "https" and ours and "zak=" not in link and link.isprintable() and len(link) <= 500


def _mark(key: str) -> str:
    """What stands in the agenda of a key's meeting; the key itself is nobody's business."""
    return f"agent-guard {sha256(key.encode()).hexdigest()[:32]}"


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refused(status: int) -> ToolRejected | ToolUnavailable | OutcomeUnknown:
    """What an answer that is no success means. Zoom's own words may repeat what was sent, so none is kept."""
    if status == 429:
        return ToolUnavailable("Zoom asks to wait; nothing was done", code="rate_limited")
    if 400 <= status < 500:
        return ToolRejected("Zoom refused it; nothing was done", code=f"http_{status}")
    return OutcomeUnknown("Zoom failed, or its answer cannot be read", code=f"http_{status}")


_port: type[Meetings] = ZoomMeetings
"""Checked by the type checker: it is one."""
