"""A server that loads everything first and forks its workers then: each process has connections of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import World

ROOT = Path(__file__).parents[1]

FORKS = """
import os, sys
from pathlib import Path
from agent_guard.masking import Masker
from tests.conftest import Database, World

folder, url = sys.argv[1:]
world = World(Path(folder), Masker(profile="patterns"), Database(Path(folder), url))
gateway = world.gateway(file=True)
thread = gateway.open(world.sdr, thread_id="t1", party=world.anna)

def makes(subject):
    result = thread.invoke("crm.create_task", {"deal_id": "42", "subject": subject})
    assert result.status == "executed", result

makes("before")
child = os.fork()
if child == 0:
    makes("in the child")
    assert gateway.open(world.sdr, party=world.anna).invoke("crm.read_deal", {"deal_id": "42"}).status == "executed"
    world.close()
    sys.exit(7)
makes("in the parent")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
makes("after the child")
assert list(gateway.audit.broken("t1")) == []
world.close()
"""


@pytest.mark.databases
@pytest.mark.req("A8", "B7")
def test_a_gateway_may_be_opened_before_a_fork(world: World) -> None:
    """Parent and child call tools through one gateway object, at the same time: one chain, four effects."""
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        FORKS,
        str(world.folder),
        world.database.shared,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(item["subject"] for item in world.desk.effects) == [
        "after the child", "before", "in the child", "in the parent",
    ]  # fmt: skip
