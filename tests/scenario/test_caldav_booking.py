"""The same bookings on a CalDAV server: a host changes to it by a file and two secrets, without code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_guard.app import Application
from agent_guard.errors import ConfigError
from agent_guard.masking import Masker
from agent_guard.settings import Settings
from agent_guard.testing import FixedClock, assert_no_personal_data
from agent_guard.types import Subject
from agent_guard.work.worker import Worker
from tests.scenario.booking import NAME, Talk
from tests.tools.radicale import MISSING, PASSWORD, USER, Radicale
from tools.calendars.caldav import CalDavCalendar
from tools.calendars.port import HOLD

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FILE = """
url: {url}
user: {user}
calendars:
  u-reed:
    path: {path}
    region: us
    zone: America/New_York
    opens: "09:00"
    closes: "17:00"
    weekdays: [mon, tue, wed, thu, fri]
    organizer: {{name: Daniel Reed, email: reed@demo.example}}
"""
SEAL_KEY = "a seal key of thirty-two letters or more"
_VARIABLE = "AGENT_GUARD_SECRET_DEV_DEFAULT_CALDAV_"


@pytest.fixture(scope="module", name="radicale")
def _radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    if not Radicale.installed():
        pytest.skip(MISSING)
    server = Radicale(tmp_path_factory.mktemp("radicale"))
    yield server
    server.stop()


@pytest.fixture(name="path")
def _path(radicale: Radicale) -> str:
    return radicale.calendar()


@pytest.fixture(name="settings")
def _settings(radicale: Radicale, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a user changes: one variable that names a file, and two secrets of the agent."""
    file = tmp_path / "caldav.yaml"
    file.write_text(FILE.format(url=radicale.url, user=USER, path=path), encoding="utf-8")
    monkeypatch.setenv("AGENT_GUARD_CALDAV", str(file))
    monkeypatch.setenv(f"{_VARIABLE}PASSWORD", PASSWORD)
    monkeypatch.setenv(f"{_VARIABLE}SEAL_KEY", SEAL_KEY)
    urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("database", "checkpoints", "systems")}
    return Settings(environment="dev", **urls)


@pytest.mark.req("A19", "A28", "B6", "B10")
def test_a_booking_ends_on_the_server(
    settings: Settings, radicale: Radicale, path: str, masker: Masker, manager: Subject, tmp_path: Path
) -> None:
    """Offered, held, confirmed by a manager: a confirmed event with its guest stands on the server, nothing of it in the
    embedded calendar, and no secret in any file of the guard.
    """
    with closing(Application(settings, masker=masker, clock=FixedClock(NOW))) as application:
        talk = Talk(application, "en_chooses")
        talk.say("Could we have a demo next week?")
        talk.say("The second one, please.")
        [text] = radicale.texts(path).values()
        assert "STATUS:TENTATIVE" in text
        talk.say("Yes, please.")
        reply = talk.answer("approve", by=manager)
        assert reply.status == "delivered" and "is confirmed" in (reply.text or "")
    [text] = radicale.texts(path).values()
    whole = text.replace("\r\n ", "").replace("\n ", "")
    assert "STATUS:CONFIRMED" in whole and "mailto:emily.carter@northwind.example" in whole
    guarded = [tmp_path / "database.db", tmp_path / "checkpoints.db", tmp_path / "systems.db"]
    assert_no_personal_data(guarded, [PASSWORD, SEAL_KEY])


@pytest.mark.req("A19")
def test_the_worker_sweeps_the_server(settings: Settings, radicale: Radicale, path: str, masker: Masker) -> None:
    """A hold whose time is over is gone from the person's calendar after the next round, also after a restart."""
    clock = FixedClock(NOW)
    with closing(Application(settings, masker=masker, clock=clock)) as application:
        talk = Talk(application, "en_chooses")
        talk.say("Could we have a demo next week?")
        talk.say("The second one, please.")
    assert len(radicale.texts(path)) == 1
    clock.forward(seconds=HOLD.total_seconds())
    with closing(Application(settings, masker=masker, clock=clock)) as restarted:
        worker = Worker(restarted.gateway, lambda _: None, tidy=restarted.tidy)
        assert [done.words for done in worker.round()] == ["1 ended"]
    assert radicale.texts(path) == {}


@pytest.mark.req("A19", "B10")
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        (f"{_VARIABLE}PASSWORD", "", r"'caldav_password' and 'caldav_seal_key': there is no secret 'caldav_password'"),
        (f"{_VARIABLE}SEAL_KEY", "", r"there is no secret 'caldav_seal_key'"),
        (f"{_VARIABLE}SEAL_KEY", "hunter2-too-short", r"'caldav_seal_key' has at least 32 characters"),
        ("AGENT_GUARD_CALDAV", "no/such/file.yaml", r"no/such/file.yaml cannot be read"),
    ],
)
def test_what_is_missing_is_named_at_the_start(
    settings: Settings, quick_masker: Masker, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    """Before anything runs, and without repeating a value."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=words) as refused:
        Application(settings, masker=quick_masker, clock=FixedClock(NOW))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("url: {url}", "url: http://calendar.acme.example", "begins with https://"),
        ("    zone: America/New_York", "    zone: America/Atlantis", "calendars.u-reed: .*zone"),
        ('    opens: "09:00"', '    opens: "9am"', "calendars.u-reed.opens"),
        ('    opens: "09:00"', '    opens: "18:00"', "calendars.u-reed: .*opens and closes"),
        ("[mon, tue, wed, thu, fri]", "[mon, funday]", "calendars.u-reed.weekdays"),
        ("    region: us\n", "", "calendars.u-reed.region"),
        ("    path: {path}", "    path: agent/reed", "calendars.u-reed.path"),
        ("user: {user}", "user: {user}\npassword: hunter2", "password: Extra inputs are not permitted"),
        ("user: {user}", "user: [", "cannot be read"),
        (FILE, "- u-reed", "holds url, user and calendars"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(
    settings: Settings, radicale: Radicale, tmp_path: Path, quick_masker: Masker, old: str, new: str, words: str
) -> None:
    """The file and the key, what is wrong with it, and no value that could be a secret."""
    text = FILE.replace(old, new).format(url=radicale.url, user=USER, path="/agent/x/")
    (tmp_path / "caldav.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words) as refused:
        Application(settings, masker=quick_masker, clock=FixedClock(NOW))
    assert "hunter2" not in str(refused.value)


@pytest.mark.req("A2", "A8")
def test_a_server_that_is_down_denies(
    settings: Settings, radicale: Radicale, quick_masker: Masker, tmp_path: Path
) -> None:
    """Whoever starts is not stopped; a call about its calendar is denied, and says that nobody can be asked."""
    down = FILE.format(url="http://127.0.0.1:9", user=USER, path="/agent/x/")
    (tmp_path / "caldav.yaml").write_text(down, encoding="utf-8")
    with closing(Application(settings, masker=quick_masker, clock=FixedClock(NOW))) as application:
        assert isinstance(application.worlds[NAME].resources["calendar"], CalDavCalendar)
        talk = Talk(application, "en_chooses")
        thread = application.gateway.open(talk.opening.subject, party=talk.opening.party, scenario=NAME)
        args = {"calendar_id": "u-reed", "contact_id": "2001"}
        looked = thread.invoke("calendar.free_slots", args, reason="Look.")
        assert (looked.status, looked.code) == ("failed", "tool_unavailable")
        assert thread.check("calendar.confirm", {"event_id": f"u-reed.{'0' * 32}"}).allowed is False
        worker = Worker(application.gateway, lambda _: None, tidy=application.tidy)
        assert list(worker.round()) == []
