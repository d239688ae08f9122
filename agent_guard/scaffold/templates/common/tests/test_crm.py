"""The CRM keeps the laws that the gateway relies on. Put your own adapter here when it takes the stand-in's place."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_guard.laws import LAWS, Law, SystemUnderTest
from agent_guard.types import Ref

from desk.crm import Crm
from desk.data import ABOUT, FIELDS, MADE, RECORDS

_, KIND = ABOUT
FIRST, SECOND = Ref(kind=KIND, id="1"), Ref(kind=KIND, id="2")


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_it_keeps_the_law(law: Law, tmp_path: Path) -> None:
    """Each of the ten, on a store of its own."""
    url = f"sqlite:///{tmp_path}/crm.db"
    Crm(url, FIELDS).fill(RECORDS)

    def write(crm: Crm, body: int, key: str) -> str:
        data = {name: f"number {body}" for name in FIELDS[MADE]}
        return crm.add(MADE, "one of them", data, of=FIRST, key=key)

    law.check(
        SystemUnderTest(
            open=lambda: Crm(url, FIELDS),
            record=FIRST,
            other=SECOND,
            kind=MADE,
            write=write,
            find=lambda crm, key: crm.find(MADE, key),
            count=lambda crm: len(crm.all(MADE)),
            edit=lambda crm: crm.edited(KIND, "1", **{next(iter(FIELDS[KIND])): "another"}),
            down=lambda: Crm(f"sqlite:///{tmp_path}/no/such/folder/crm.db", FIELDS),
        )
    )
