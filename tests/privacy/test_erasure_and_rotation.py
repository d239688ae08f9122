"""A rotation of the master key that dies at any of its writes, and an erasure beside it that dies at any of its own:
what was erased is gone for good, nobody else loses a value, and the rotation is ended by the next run.
"""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agent_guard.auditing.verify import verify
from agent_guard.credentials import Credentials
from agent_guard.gateway import Gateway
from agent_guard.masking import Masker
from agent_guard.operations import rotation
from agent_guard.privacy.erasure import erase
from tests.conftest import Database, World
from tests.operations.test_rotate import BOTH, filled, given, turned, unchecked
from tests.operations.test_rotation import NEW, OLD
from tests.steps import Steps

pytestmark = pytest.mark.req("A23", "B10")

PARTY = "contact:1"


class Crash(BaseException):
    """The process ends here."""


def dying(world: World, credentials: Credentials, at: int) -> Gateway:
    """A gateway whose process ends at its n-th write: before the commit, or behind it."""
    gateway, seen = world.gateway(file=True, credentials=credentials), count()

    def hook(_n: int, name: str, _writing: bool) -> None:
        if name in ("write ends", "write is over") and next(seen) == at:
            raise Crash

    Steps(hook).transactions(gateway.store)
    return gateway


def crashed(work: Any) -> bool:
    """Whether it did not come to its end."""
    try:
        work()
    except Crash:
        return True
    return False


def left(world: World) -> str:
    """Whether the party is ``erased`` or ``whole`` for whoever has the new key alone; anything in between is told."""
    gateway = unchecked(world, NEW)
    for thread in ("t0", "t2"):
        assert gateway.thread(thread).restore("<PERSON_1>", reader="user").startswith("Anna Kowalska")
    closed = [row["id"] for row in world.rows(gateway, "threads") if row["erased"] is not None]
    key = f"acme/party/{PARTY}" in {row["id"] for row in world.rows(gateway, "vault_keys")}
    told = [event.data["kind"] for event in gateway.audit.events(thread="system/acme")].count("erased")
    shown = gateway.thread("t1").restore("<PERSON_1>", reader="user")
    found = (closed, key, told, "Anna" in shown)
    return {(("t1",), False, 1, False): "erased", ((), True, 0, True): "whole"}.get(
        (tuple(closed), key, told, "Anna" in shown), f"{found}"
    )


def test_whatever_dies_the_erased_stay_erased_and_nobody_else_loses_anything(
    tmp_path: Path, quick_masker: Masker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write of the rotation against every write of the erasure; the rotation is in the record once."""
    monkeypatch.setattr(rotation, "PAGE", 2)
    home = tmp_path / "home"
    home.mkdir()
    world = World(home, quick_masker, Database(home))
    filled(world, OLD)
    world.close()
    told: dict[str, Any] = {"reason": "asked", "by": "dpo", "environment": "dev"}
    ends: list[tuple[bool, bool, str]] = []
    for n in count():
        for m in count():
            folder = tmp_path / f"{n}.{m}"
            folder.mkdir()
            shutil.copy(home / "guard.db", folder)
            world = World(folder, quick_masker, Database(folder))
            rotating, erasing = dying(world, given(NEW, OLD), n), dying(world, given(NEW, OLD), m)
            half_turned = crashed(lambda: turned(rotating))
            half_erased = crashed(
                lambda: erase(
                    erasing.store, erasing.audit, erasing.sources.keys,
                    tenant="acme", party=PARTY, now=erasing.clock(), **told,
                )
            )  # fmt: skip
            again = world.gateway(file=True, credentials=given(NEW, OLD))
            turned(again)
            ends.append((half_turned, half_erased, left(world)))
            assert half_erased or ends[-1][2] == "erased", ends[-1]
            assert ends[-1][2] in ("erased", "whole"), (n, m, ends[-1])
            kinds = [event.data["kind"] for event in again.audit.events(thread="system/-")]
            assert kinds.count("rotated") == 1, (n, m)
            assert verify(again.store, BOTH).status == "whole", (n, m)
            world.close()
            shutil.rmtree(folder)
            if not half_erased:
                break
        if not half_turned:
            break
    assert sum(half for half, _, _ in ends) >= 20
    assert {end for _, _, end in ends} == {"erased", "whole"}
