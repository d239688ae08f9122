"""What CalDAV needs of HTTP: three requests, their answers as one of three outcomes, and XML that is only read.

Sources: RFC 4791 (calendar-query), RFC 4918 (WebDAV), RFC 9110 (conditional requests). A redirect is not followed: it
would carry the password along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

from agent_guard.errors import ConfigError, OutcomeUnknown, ToolRejected, ToolUnavailable
from tools.crm.port import OUTCOME_UNKNOWN, UNAVAILABLE
from tools.slots import Interval

if TYPE_CHECKING:
    import httpx

__all__ = ["Changed", "Login", "Resource", "WebDav"]

_SPACES = {"D": "DAV:", "C": "urn:ietf:params:xml:ns:caldav"}
_ANSWER_MAX = 5_000_000
"""Largest answer that is read, in bytes."""

Login = Callable[[], tuple[str, str]]
"""Gives the user's name and password, at each request."""


class Changed(Exception):
    """The resource is not as it was expected to be (412); nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One calendar object on the server.

    Args:
        href: its path.
    """

    href: str
    etag: str
    text: str = field(repr=False)


class WebDav:
    """A thin client for one server.

    Args:
        url: of the server; requests go nowhere else.
        login: asked at every request; what it gives is not kept.
        timeout_s: of each request.

    Raises:
        ConfigError: httpx is not installed, or the url is not https, nor http on this machine.
    """

    def __init__(self, url: str, *, login: Login, timeout_s: float = 2.5) -> None:
        try:
            import httpx
        except ImportError:
            raise ConfigError("a CalDAV calendar needs: pip install 'langgraph-agent-guard[caldav]'") from None
        parts = urlsplit(url)
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise ConfigError("a CalDAV server's address begins with https://")
        if parts.username or parts.password:
            raise ConfigError("a CalDAV server's address holds no password; give login=...")
        self._url, self._login = url, login
        # a proxy that packs an answer makes its ETag weak, and no write can be conditional on that
        plain = {"Accept-Encoding": "identity"}
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False, headers=plain)
        self._httpx = httpx

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def between(self, path: str, window: Interval) -> list[Resource]:
        """The objects with an event in a window, recurring ones written out.

        Raises:
            ToolUnavailable: the server cannot be asked, or its answer cannot be read.
        """
        times = f'start="{_stamp(window.start)}" end="{_stamp(window.end)}"'
        return self._query(path, f"<C:expand {times}/>", f"<C:time-range {times}/>")

    def named(self, path: str, uid: str) -> list[Resource]:
        """The objects with a UID. Raises as :meth:`between`.

        Args:
            uid: letters, digits and hyphens only; it is written into XML.
        """
        if not uid.replace("-", "").isalnum() or not uid.isascii():
            return []
        match = f'<C:text-match collation="i;octet">{uid}</C:text-match>'
        return self._query(path, "", f'<C:prop-filter name="UID">{match}</C:prop-filter>')

    def get(self, href: str) -> Resource | None:
        """One object, or None where there is none. Raises as :meth:`between`."""
        answer = self._read("GET", href)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise _unreadable(answer.status_code)
        return Resource(href=href, etag=answer.headers.get("etag", ""), text=answer.text)

    def put(self, href: str, text: str, *, etag: str | None) -> None:
        """Writes an object.

        Args:
            etag: of what is replaced; None where nothing may be there.

        Raises:
            Changed: something is there, or it has changed meanwhile.
            ToolRejected: refused; nothing was written.
            ToolUnavailable: it never left, or the ETag is none that a condition can be made of; nothing was written.
            OutcomeUnknown: it may have been written.
        """
        condition = {"If-None-Match": "*"} if etag is None else _unchanged(etag)
        kind = {"Content-Type": "text/calendar; charset=utf-8"}
        self._write("PUT", href, {**condition, **kind}, text.encode())

    def delete(self, href: str, *, etag: str) -> None:
        """Removes an object that is still as it was; one that is gone has ``Changed``. Raises as :meth:`put`."""
        self._write("DELETE", href, _unchanged(etag), None)

    def _query(self, path: str, data: str, condition: str) -> list[Resource]:
        spaces = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in _SPACES.items())
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><C:calendar-query {spaces}><D:prop><D:getetag/>'
            f"<C:calendar-data>{data}</C:calendar-data></D:prop>"
            f'<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{condition}</C:comp-filter>'
            "</C:comp-filter></C:filter></C:calendar-query>"
        )
        headers = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
        answer = self._read("REPORT", path, headers, body.encode())
        if answer.status_code != 207:
            raise _unreadable(answer.status_code)
        return list(_resources(answer.content))

    def _read(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, self._at(path), headers=headers, content=body, auth=self._login())
        except self._httpx.HTTPError as error:  # its own words may repeat an address
            raise ToolUnavailable(f"the calendar cannot be read: {type(error).__name__}", code=UNAVAILABLE) from None
        if len(answer.content) > _ANSWER_MAX:
            raise ToolUnavailable("the calendar's answer is too large", code="answer_unreadable")
        return answer

    def _write(self, method: str, href: str, headers: Mapping[str, str], body: bytes | None) -> None:
        login = self._login()
        try:
            answer = self._client.request(method, self._at(href), headers=headers, content=body, auth=login)
        except (self._httpx.ConnectError, self._httpx.ConnectTimeout, self._httpx.PoolTimeout) as error:
            words = f"the calendar cannot be reached: {type(error).__name__}"
            raise ToolUnavailable(words, code=UNAVAILABLE) from None
        except self._httpx.HTTPError as error:
            words = f"the calendar did not answer: {type(error).__name__}"
            raise OutcomeUnknown(words, code=OUTCOME_UNKNOWN) from None
        code = answer.status_code
        if code in (200, 201, 204):
            return
        if (code in (404, 412) and "If-Match" in headers) or code == 412:
            raise Changed
        if code == 429:
            raise ToolUnavailable("the calendar asks to wait; nothing was written", code="rate_limited")
        if 300 <= code < 500:
            raise ToolRejected("the calendar refused it; nothing was written", code=f"http_{code}")
        raise OutcomeUnknown("the calendar failed while it wrote", code=f"http_{code}")

    def _at(self, path: str) -> str:
        url = urljoin(self._url, path)
        if urlsplit(url)[:2] != urlsplit(self._url)[:2]:
            raise ToolUnavailable("the calendar named another server", code="answer_unreadable")
        return url


def _unchanged(etag: str) -> dict[str, str]:
    """The condition that a resource is as it was seen (RFC 9110, 13.1.1: a weak ETag matches nothing)."""
    if not etag or etag.startswith("W/"):
        words = "the calendar's server gives no strong ETag, so nothing was changed; look at the proxy before it"
        raise ToolUnavailable(words, code="no_etag")
    return {"If-Match": etag}


def _unreadable(status: int) -> ToolUnavailable:
    words = {
        401: "the calendar lets the agent's user not in; look at the user and the password",
        403: "the agent's user may not read this calendar; look at its rights",
        404: "there is no calendar at this path; look at the path",
    }
    return ToolUnavailable(words.get(status, "the calendar's answer is no list of events"), code=f"http_{status}")


def _resources(content: bytes) -> Iterator[Resource]:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # entities could grow without end
        raise ToolUnavailable("the calendar's answer declares entities", code="answer_unreadable")
    try:
        root = ET.fromstring(content)  # noqa: S314  entities are refused above
    except ET.ParseError:
        raise ToolUnavailable("the calendar's answer is no XML", code="answer_unreadable") from None
    for response in root.iterfind("D:response", _SPACES):
        found: Any = response.find("D:propstat/D:prop/C:calendar-data", _SPACES)
        if found is None or not found.text:
            continue
        href = response.findtext("D:href", "", _SPACES)
        etag = response.findtext("D:propstat/D:prop/D:getetag", "", _SPACES)
        yield Resource(href=href, etag=etag, text=found.text)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
