"""``langgraph dev`` as a process of its own on loopback, in a folder of its own, kept from the network."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from langgraph_sdk import get_client

ROOT = Path(__file__).parents[2]
OFFLINE = '''"""Loaded by every process of the test's server: notes whatever it asks of the network, and refuses it."""
import os, sys

def _watch(event, args):
    if event == "socket.getaddrinfo" and args[0] not in (None, "", b"", "127.0.0.1", "::1", "localhost", "0.0.0.0"):
        asked = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple) and str(args[1][0]) not in ("127.0.0.1", "::1"):
        asked = args[1][0]
    else:
        return
    with open(os.environ["REACHED"], "a", encoding="utf-8") as file:
        file.write(f"{asked}\\n")
    raise OSError("this server is kept from the network")

sys.addaudithook(_watch)
'''
START_S = 90.0


class DevServer:
    """One server. What it writes lies in its folder, its words in ``log.txt``.

    Args:
        config: of ``langgraph.json``; its paths are made absolute.
        guard: of ``guard.yaml``.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], guard: Mapping[str, Any], **environ: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "langgraph.json").write_text(json.dumps(config).replace('"./', f'"{ROOT}/'), encoding="utf-8")
        (folder / "guard.yaml").write_text(json.dumps(guard), encoding="utf-8")
        hooks = folder / "hooks"
        hooks.mkdir()
        (hooks / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        dead = "http://127.0.0.1:9"  # whatever asks for a proxy's help gets none
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LANG", "AGENT_GUARD"))},
            "LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "NO_COLOR": "1", "PYTHONWARNINGS": "default",
            "PYTHONPATH": f"{hooks}{os.pathsep}{ROOT}", "REACHED": str(folder / "reached.txt"),
            "HTTP_PROXY": dead, "HTTPS_PROXY": dead, "NO_PROXY": "127.0.0.1,localhost", **environ,
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [Path(sys.executable).with_name("langgraph"), "dev", "--no-browser", "--no-reload"]
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port), "--n-jobs-per-worker", "4"],
                cwd=self.folder, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/ok", trust_env=False, timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        raise AssertionError(f"the server did not start:\n{self.log[-4000:]}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Ends it: SIGTERM lets it write what it holds, SIGKILL does not."""
        if self._process is not None:
            os.killpg(self._process.pid, how)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def restart(self, how: int = signal.SIGTERM) -> None:
        """Ends it and starts it again in the same folder."""
        self.stop(how)
        self.start()

    def client(self, who: str | None) -> Any:
        """A client of LangGraph's SDK, as a person of ``guard.yaml``; :meth:`hang_up` closes it."""
        headers = {} if who is None else {"Authorization": f"Bearer {who}"}
        made = get_client(url=self.url, headers=headers, api_key=None)
        self._clients.append(made)
        return made

    async def hang_up(self) -> None:
        """Closes every client."""
        clients, self._clients = self._clients, []
        for client in clients:
            await client.aclose()

    def written(self) -> float:
        """When the server last wrote its threads and runs; 0 before."""
        path = self.folder / ".langgraph_api" / ".langgraph_ops.pckl"
        return path.stat().st_mtime if path.exists() else 0.0


def eventually(what: Any, seconds: float = 30.0) -> Any:
    """What a function gives when it gives something; a process is waited for here, not a figure."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found
