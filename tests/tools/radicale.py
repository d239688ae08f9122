"""A real CalDAV server for the tests: Radicale, a process of its own on loopback, with one user and one calendar each."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import httpx

MISSING = "Radicale is not installed: pip install 'langgraph-agent-guard[test]'"
USER, PASSWORD = "agent", "correct-horse-battery"

_CONFIG = """
[server]
hosts = 127.0.0.1:{port}
[auth]
type = htpasswd
htpasswd_filename = {folder}/users
htpasswd_encryption = plain
delay = 0
[rights]
type = owner_only
[storage]
filesystem_folder = {folder}/collections
[logging]
level = error
"""


class Radicale:
    """One server, on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "users").write_text(f"{USER}:{PASSWORD}\nstranger:x\n")
        (folder / "config").write_text(_CONFIG.format(port=port, folder=folder))
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("w")
        command = [sys.executable, "-W", "ignore", "-m", "radicale", "--config", str(folder / "config")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        self._made = 0
        self.client = httpx.Client(base_url=self.url, auth=(USER, PASSWORD), timeout=30, trust_env=False)
        until = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)

    @staticmethod
    def installed() -> bool:
        return find_spec("radicale") is not None

    def _answers(self) -> bool:
        try:
            return self.client.get("/.web/").status_code < 500
        except httpx.HTTPError:
            return False

    def calendar(self) -> str:
        """The path of a new calendar with nothing in it."""
        self._made += 1
        path = f"/{USER}/calendar{self._made}/"
        answer = self.client.request("MKCALENDAR", path)
        assert answer.status_code == 201, answer.text
        return path

    def put(self, path: str, *lines: str) -> httpx.Response:
        """What a person's own program would write: an event of these lines."""
        name = f"person-{len(lines)}-{abs(hash(lines))}"
        head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//person//EN", "BEGIN:VEVENT", f"UID:{name}"]
        body = [*head, "DTSTAMP:20261101T000000Z", *lines, "END:VEVENT", "END:VCALENDAR", ""]
        return self.client.put(
            f"{path}{name}.ics", content="\r\n".join(body), headers={"Content-Type": "text/calendar"}
        )

    def texts(self, path: str) -> dict[str, str]:
        """Every object of a calendar: its path and its text."""
        answer = self.client.request("PROPFIND", path, headers={"Depth": "1"})
        hrefs = [part.split("</href>")[0] for part in answer.text.split("<href>")[1:]]
        return {href: self.client.get(href).text for href in dict.fromkeys(hrefs) if href.endswith(".ics")}

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(20)
        self._log.close()
