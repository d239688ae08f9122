"""The master key: where it comes from, and that nothing repeats it."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import threading
import traceback

import pytest
from hypothesis import given, strategies as st

from agent_guard.credentials import EnvironmentCredentials, FileCredentials, Keys, MemoryCredentials
from agent_guard.errors import ConfigError

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()
BAD = {
    "words": "hunter2-hunter2-hunter2-hunter2!",
    "short": base64.b64encode(KEY[:31]).decode(),
    "long": base64.b64encode(KEY + b"x").decode(),
    "url alphabet": base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    "cut padding": TEXT.rstrip("="),
    "two lines": TEXT[:20] + "\n" + TEXT[20:],
    "hex": KEY.hex(),
}

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


def told(error):
    """Everything that a log of the error would hold."""
    return "".join(traceback.format_exception(error))


@pytest.mark.req("B10")
def test_the_environment_holds_a_key_in_base64():
    """White space around the key does not matter."""
    for text in (TEXT, f" {TEXT}\n"):
        assert EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": text}).master_key() == KEY


@pytest.mark.req("B10")
@pytest.mark.parametrize("environ", [{}, {"AGENT_GUARD_MASTER_KEY": ""}, {"agent_guard_master_key": TEXT}])
def test_a_missing_key_is_told_with_the_way_to_make_one(environ):
    """There is no default key."""
    with pytest.raises(ConfigError, match="AGENT_GUARD_MASTER_KEY is not set; make one with"):
        EnvironmentCredentials(environ).master_key()


@pytest.mark.req("B10")
@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_bad_key_is_refused_and_never_repeated(text, tmp_path):
    """A key of another form or length is refused, and no error holds it."""
    path = tmp_path / "key"
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
    for credentials in (EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": text}), FileCredentials(path)):
        with pytest.raises(ConfigError, match="not 32 bytes in base64") as caught:
            credentials.master_key()
        assert text not in told(caught.value)
        assert text.strip()[:12] not in told(caught.value)


def test_a_key_of_other_letters_is_refused():
    """Letters beyond ASCII are refused like any other wrong key."""
    text = chr(0x43A) + TEXT[1:]
    with pytest.raises(ConfigError, match="not 32 bytes") as caught:
        EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": text}).master_key()
    assert text not in told(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    """A missing file, a folder and a file that is no text are refused with the path."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 32)
    binary.chmod(0o600)
    for path in (tmp_path / "none", tmp_path, binary):
        with pytest.raises(ConfigError, match=f"the key file {path}"):
            FileCredentials(path).master_key()


@posix
@pytest.mark.req("B10")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o777])
def test_a_file_that_others_may_touch_is_refused(tmp_path, mode):
    """Any right of the group or of others is one too many, and the message says what to type."""
    path = tmp_path / "key"
    path.write_text(TEXT)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        FileCredentials(path).master_key()
    path.chmod(0o400)
    assert FileCredentials(path).master_key() == KEY


@posix
@pytest.mark.req("B10")
def test_a_made_file_is_its_owners_alone_and_is_kept(tmp_path):
    """The key is made once, whatever the umask, and read ever after."""
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        key = FileCredentials(path, create=True).master_key()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) == 32
    assert FileCredentials(path, create=True).master_key() == key
    assert FileCredentials(path).master_key() == key
    assert sorted(item.name for item in tmp_path.iterdir()) == ["key"]


def test_a_bad_file_is_not_replaced(tmp_path):
    """Making a key never overwrites what stands there: the database may have been written with it."""
    path = tmp_path / "key"
    path.write_text("broken")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="not 32 bytes"):
        FileCredentials(path, create=True).master_key()
    assert path.read_text() == "broken"


def test_a_folder_that_is_not_there_is_told(tmp_path):
    """A key file is not made in a folder that does not exist."""
    with pytest.raises(ConfigError, match="cannot be made"):
        FileCredentials(tmp_path / "none" / "key", create=True).master_key()


def test_processes_that_make_the_key_at_once_agree_on_it(tmp_path):
    """Whoever is first makes the key, and nobody reads a half-written one."""
    for index in range(40):
        path, gate, found = tmp_path / f"key{index}", threading.Barrier(6), []

        def make(path=path, gate=gate, found=found):
            gate.wait(5)
            try:
                found.append(FileCredentials(path, create=True).master_key())
            except ConfigError as error:
                found.append(error)

        workers = [threading.Thread(target=make) for _ in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(5)
        assert len(found) == 6
        assert len(set(found)) == 1, found


def test_a_key_that_is_just_being_written_is_not_read_half(tmp_path, monkeypatch):
    """A second process that comes between the making and the writing gets the whole key."""
    path, found, real = tmp_path / "key", [], os.fdopen

    def slow(*args, **options):
        monkeypatch.setattr(os, "fdopen", real)
        found.append(FileCredentials(path, create=True).master_key())
        return real(*args, **options)

    monkeypatch.setattr(os, "fdopen", slow)
    found.append(FileCredentials(path, create=True).master_key())
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_key_in_memory_is_new_for_every_object():
    """A key in memory is steady for its object and shared with none."""
    one, other = MemoryCredentials(), MemoryCredentials()
    assert one.master_key() == one.master_key()
    assert one.master_key() != other.master_key()
    assert len(one.master_key()) == 32


@given(st.text(max_size=20), st.text(max_size=20))
def test_every_purpose_has_a_key_of_its_own(one, other):
    """A purpose always gives the same 32 bytes, and another purpose others."""
    keys = Keys(KEY)
    assert keys.derive(one) == Keys(KEY).derive(one)
    assert len(keys.derive(one)) == 32
    assert (keys.derive(one) == keys.derive(other)) == (one == other)
    assert keys.derive(one) != Keys(secrets.token_bytes(32)).derive(one)


@pytest.mark.req("B10")
def test_nothing_that_holds_a_key_shows_it():
    """No object of a key puts it into its text."""
    for made in (Keys(KEY), MemoryCredentials(), EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": TEXT})):
        assert TEXT not in repr(made)
        assert repr(KEY) not in repr(made)
