"""A real IMAP server for the tests: Dovecot, a process of its own on loopback, with one user."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

MISSING = "Dovecot is not installed: apt-get install dovecot-imapd"
USER, PASSWORD = "agent", "correct-horse-battery"

_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
first_valid_uid = 0
mail_location = maildir:{folder}/mail
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service stats {{
  chroot =
}}
passdb {{
  driver = static
  args = user={name} password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail
}}
namespace inbox {{
  inbox = yes
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
}}
"""


def program() -> str | None:
    """Where Dovecot is, or None."""
    return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")


class Dovecot:
    """One server, on a folder of its own. It refuses to log people in as root, so root starts it as ``nobody``."""

    def __init__(self) -> None:
        root = os.getuid() == 0
        user = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
        self._folder = Path(tempfile.mkdtemp(prefix="dovecot"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = self._folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                folder=self._folder, port=self.port, user=user.pw_name, group=grp.getgrgid(user.pw_gid).gr_name,
                uid=user.pw_uid, gid=user.pw_gid, name=USER, password=PASSWORD,
            )
        )  # fmt: skip
        for path in (self._folder, config):
            os.chown(path, user.pw_uid, user.pw_gid)
        self._process = subprocess.Popen(
            [str(program()), "-F", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if root else {}),
        )
        until = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                log = self._folder / "log"
                told = log.read_text(encoding="utf-8") if log.exists() else "it wrote nothing"
                self.stop()
                raise RuntimeError(f"Dovecot did not start: {told}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as peer:
                return peer.recv(4) == b"* OK"
        except OSError:
            return False

    def stop(self) -> None:
        """Ends the server and its children."""
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self._folder)
