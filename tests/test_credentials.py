"""Keys and secrets: where they come from, whose they are, and that nothing repeats them."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import secrets
import stat
import sys
import threading
import traceback
from dataclasses import asdict, dataclass

import orjson
import pytest
from hypothesis import given, strategies as st
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel

from agent_guard.credentials import (
    EnvironmentCredentials,
    FileCredentials,
    KeyringCredentials,
    Keys,
    MemoryCredentials,
    Secret,
    Secrets,
    SplitCredentials,
    default_credentials,
)
from agent_guard.errors import ConfigError, ToolUnavailable
from agent_guard.folder import FOLDER
from agent_guard.settings import load_settings

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
    """Everything that a log of the error would hold, also one that shows the variables of each frame of the package."""
    parts, error_, seen = traceback.format_exception(error), error, []
    while error_ is not None and error_ not in seen:
        seen.append(error_)
        for frame, _ in traceback.walk_tb(error_.__traceback__):
            if f"{os.sep}agent_guard{os.sep}" in frame.f_code.co_filename:
                parts.append(repr(frame.f_locals))
        error_ = error_.__cause__ or error_.__context__
    return "".join(parts)


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


@pytest.mark.req("B10")
def test_a_key_that_nobody_asked_for_is_for_development_alone(tmp_path):
    """A file that was made on first use is refused by every other environment, also after the key in it was changed."""
    path = tmp_path / "key"
    made = FileCredentials(path, create=True).master_key("dev")
    for _ in range(2):
        for environment in ("stage", "prod"):
            with pytest.raises(ConfigError, match=f"made for development, and this is {environment}") as caught:
                FileCredentials(path).master_key(environment)
            assert base64.b64encode(made).decode() not in told(caught.value)
        FileCredentials(path).renew("dev")
    assert FileCredentials(path).former_keys("dev")[-1] == made


@posix
@pytest.mark.req("B10")
def test_a_renewed_file_holds_both_keys_and_keeps_its_rights(tmp_path):
    """The new key stands first, the present one behind it; nothing else is left in the folder."""
    path = tmp_path / "key"
    path.write_text(TEXT)
    path.chmod(0o600)
    FileCredentials(path).renew("prod")
    new = FileCredentials(path).master_key("prod")
    assert new != KEY and FileCredentials(path).former_keys("prod") == (KEY,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["key"]


def test_two_that_renew_a_file_at_once_do_not_lose_a_key(tmp_path, monkeypatch):
    """While one writes, the other is refused; a crash in between leaves the old file, and says what lies in the way."""
    path = tmp_path / "key"
    path.write_text(TEXT)
    path.chmod(0o600)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", die)
        with pytest.raises(KeyboardInterrupt):
            FileCredentials(path).renew("prod")
    assert FileCredentials(path).master_key("prod") == KEY
    with pytest.raises(ConfigError, match=r"key\.new is there: .* remove it"):
        FileCredentials(path).renew("prod")
    (tmp_path / "key.new").unlink()
    FileCredentials(path).renew("prod")
    assert FileCredentials(path).former_keys("prod") == (KEY,)


@pytest.mark.req("B10")
def test_a_renewed_keyring_holds_both_keys(monkeypatch):
    """The new key stands before the present one in its entry; a keyring that does not keep it is told."""
    drawer = Drawer({("agent_guard/prod", "master_key"): TEXT})
    SplitCredentials(key=KeyringCredentials(drawer), secrets=MemoryCredentials()).renew("prod")
    assert KeyringCredentials(drawer).former_keys("prod") == (KEY,)
    assert KeyringCredentials(drawer).master_key("prod") != KEY
    monkeypatch.setattr(drawer, "set_password", lambda *_: None)
    with pytest.raises(ConfigError, match="could not be written to the keyring"):
        KeyringCredentials(drawer).renew("prod")


def test_what_cannot_be_written_tells_what_to_do():
    """Variables, and a source of the host's own, are changed by a person; the message says how and holds no key."""
    with pytest.raises(
        ConfigError, match="the master key is in AGENT_GUARD_MASTER_KEY: put a new one before it"
    ) as one:
        EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": TEXT}).renew("prod")
    assert TEXT not in told(one.value)
    with pytest.raises(ConfigError, match="MemoryCredentials cannot write a master key"):
        SplitCredentials(key=MemoryCredentials(), secrets=MemoryCredentials()).renew("prod")


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
    variables = EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY": TEXT, "AGENT_GUARD_SECRET_DEV_SDR_CRM_TOKEN": TEXT})
    memory = MemoryCredentials(secrets={"dev": {"sdr": {"crm_token": TEXT}}})
    held = (Keys(KEY), memory, variables, SplitCredentials(key=variables, secrets=memory), KeyringCredentials(Drawer()))
    for made in (*held, *(Secrets(item, environment="dev", agent="sdr") for item in held[1:])):
        assert TEXT not in repr(made)
        assert repr(KEY) not in repr(made)


# ---- a secret


VALUE = "tok-Zq81-canary-value"


@pytest.mark.req("B10")
def test_a_secret_shows_its_name_and_never_its_value():
    """Every way to write a secret as a text gives its name; only ``reveal`` gives its value."""
    secret = Secret("crm_token", VALUE)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{secret:s}", "%s" % secret]  # noqa: UP031
    assert set(shown) == {"Secret(crm_token)"}
    assert f"{secret:>20}" == "   Secret(crm_token)"
    assert secret.reveal() == VALUE
    assert json.dumps({"token": secret}, default=str) == '{"token": "Secret(crm_token)"}'
    assert VALUE not in repr([secret, {"token": secret}])


class Holder(BaseModel, arbitrary_types_allowed=True):
    token: Secret


@dataclass
class Kept:
    token: Secret


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    "copied",
    [
        *(lambda secret, protocol=protocol: pickle.dumps(secret, protocol) for protocol in range(6)),
        copy.copy,
        copy.deepcopy,
        json.dumps,
        orjson.dumps,
        vars,
        hash,
        len,
        bytes,
        iter,
        lambda secret: secret.__getstate__(),
        lambda secret: "Bearer " + secret,
        lambda secret: secret < secret,
        lambda secret: asdict(Kept(token=secret)),
        lambda secret: Holder(token=secret).model_dump_json(),
        lambda secret: JsonPlusSerializer().dumps_typed({"token": secret}),
    ],
)
def test_a_secret_is_not_copied_into_anything_that_is_stored(copied):
    """Pickles, copies, JSON and LangGraph's checkpoints refuse a secret, and the refusal does not hold the value."""
    with pytest.raises(Exception) as caught:
        copied(Secret("crm_token", VALUE))
    assert VALUE not in told(caught.value)


@pytest.mark.req("B10")
def test_a_secret_equals_a_secret_of_its_value_and_nothing_else(monkeypatch):
    """Two secrets are compared in constant time, and a text never equals one."""
    asked = []
    real = secrets.compare_digest
    monkeypatch.setattr("hmac.compare_digest", lambda one, other: asked.append(1) or real(one, other))
    assert Secret("a", VALUE) == Secret("b", VALUE)
    assert Secret("a", VALUE) != Secret("a", VALUE + "x")
    assert Secret("a", "\udcff") != Secret("a", VALUE)
    assert len(asked) == 3
    assert Secret("a", VALUE) != VALUE
    with pytest.raises(ValueError, match="crm_token is empty"):
        Secret("crm_token", "")


# ---- where secrets come from


class Drawer(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self, entries=None):
        super().__init__()
        self.entries = dict(entries or {})

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password

    def delete_password(self, service, username):
        del self.entries[service, username]


HELD = {
    "dev": {"sdr": {"crm_token": "dev-sdr-value"}},
    "prod": {"sdr": {"crm_token": "prod-sdr-value"}, "bot": {"mail": "m-value"}},
}


def variables(folder):
    return EnvironmentCredentials(
        {
            f"AGENT_GUARD_SECRET_{environment}_{agent}_{name}".upper(): value
            for environment, agents in HELD.items()
            for agent, names in agents.items()
            for name, value in names.items()
        }
    )


def owned(path, data, mode=0o600):
    path.write_text(json.dumps(data), encoding="utf-8")  # JSON is YAML
    path.chmod(mode)
    return path


def one_file(folder):
    return FileCredentials(secrets=owned(folder / "secrets.yaml", HELD))


def one_folder(folder):
    home = folder / "secrets"
    home.mkdir(mode=0o700)
    for environment, agents in HELD.items():
        owned(home / f"{environment}.yaml", agents)
    return FileCredentials(secrets=home)


def drawer(folder):
    found = Drawer()
    for environment, agents in HELD.items():
        for agent, names in agents.items():
            for name, value in names.items():
                found.set_password(f"agent_guard/{environment}/{agent}", name, value)
    return KeyringCredentials(found)


def memory(folder):
    return MemoryCredentials(secrets=HELD)


def split(folder):
    return SplitCredentials(key=MemoryCredentials(), secrets=memory(folder))


SOURCES = [variables, one_file, one_folder, drawer, memory, split]


@pytest.mark.req("A2", "B10")
@pytest.mark.parametrize("source", SOURCES)
def test_each_agent_of_each_environment_has_secrets_of_its_own(source, tmp_path):
    """A secret is found by environment, agent and name together, in every kind of place."""
    credentials = source(tmp_path)
    assert credentials.secret("crm_token", environment="dev", agent="sdr").reveal() == "dev-sdr-value"
    assert credentials.secret("crm_token", environment="prod", agent="sdr").reveal() == "prod-sdr-value"
    assert credentials.secret("mail", environment="prod", agent="bot").reveal() == "m-value"
    assert repr(credentials.secret("mail", environment="prod", agent="bot")) == "Secret(mail)"


@pytest.mark.req("A2", "B10", "B11")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("environment", "agent", "name"),
    [("stage", "sdr", "crm_token"), ("dev", "bot", "mail"), ("prod", "bot", "crm_token"), ("prod", "default", "mail")],
)
def test_nobody_gets_anothers_secret(source, environment, agent, name, tmp_path):
    """There is no fallback from one agent or environment to another; the refusal names what was asked for."""
    with pytest.raises(ConfigError) as caught:
        source(tmp_path).secret(name, environment=environment, agent=agent)
    assert f"there is no secret {name!r} of the agent {agent!r} in {environment}" in str(caught.value)
    assert "-value" not in str(caught.value)


@pytest.mark.req("A2", "B10")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("environment", "agent", "name"),
    [
        ("", "sdr", "crm_token"), ("../prod", "sdr", "crm_token"), ("PROD", "sdr", "crm_token"),
        ("prod", "", "crm_token"), ("prod", "../sdr", "crm_token"), ("prod", "sdr/", "crm_token"), ("prod", "SDR", "crm_token"),
        ("prod", "sdr", ""), ("prod", "sdr", "a/b"), ("prod", "sdr", "crm token"), ("prod", "sdr", "master_key"),
        ("prod", "sdr", "MASTER_KEY"), ("prod", "sdr", "crm_token\n"),
    ],
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_is_refused(source, environment, agent, name, tmp_path):
    """A part of the name left out, a path in it, and the master key's own name lead to nothing."""
    with pytest.raises(ConfigError, match=r"is no (environment|agent's name|secret's name)"):
        source(tmp_path).secret(name, environment=environment, agent=agent)


@pytest.mark.req("B10")
def test_two_names_of_one_variable_are_refused():
    """Whichever name was asked for first, another one that leads to its variable gets nothing."""
    found = {"AGENT_GUARD_SECRET_PROD_SDR_CRM_TOKEN": VALUE, "AGENT_GUARD_SECRET_PROD_SDR_BOT_KEY": VALUE}
    credentials = EnvironmentCredentials(found)
    assert credentials.secret("crm.token", environment="prod", agent="sdr").reveal() == VALUE
    assert credentials.secret("crm.token", environment="prod", agent="sdr").reveal() == VALUE
    for name in ("crm_token", "crm-token", "CRM.token"):
        with pytest.raises(ConfigError, match="are both called AGENT_GUARD_SECRET_PROD_SDR_CRM_TOKEN") as caught:
            credentials.secret(name, environment="prod", agent="sdr")
        assert VALUE not in told(caught.value)
    assert credentials.secret("key", environment="prod", agent="sdr-bot").reveal() == VALUE
    with pytest.raises(ConfigError, match="are both called"):
        credentials.secret("bot_key", environment="prod", agent="sdr")


@pytest.mark.req("B10")
@pytest.mark.parametrize("value", ["", None])
def test_an_empty_secret_is_no_secret(value, tmp_path):
    """A place that holds nothing is told as one that is not there."""
    places = [
        MemoryCredentials(secrets={"dev": {"sdr": {"crm_token": value}}}),
        FileCredentials(secrets=owned(tmp_path / "s.yaml", {"dev": {"sdr": {"crm_token": value}}})),
        EnvironmentCredentials({"AGENT_GUARD_SECRET_DEV_SDR_CRM_TOKEN": value or ""}),
        KeyringCredentials(Drawer({("agent_guard/dev/sdr", "crm_token"): value})),
    ]
    for place in places:
        with pytest.raises(ConfigError, match="there is no secret"):
            place.secret("crm_token", environment="dev", agent="sdr")


# ---- files


@posix
@pytest.mark.req("B10")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o610, 0o601])
def test_secrets_that_others_may_touch_are_refused(tmp_path, mode):
    """Neither a file nor a folder of secrets may be open to anybody but its owner; the message says what to type."""
    file = owned(tmp_path / "secrets.yaml", HELD, mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        FileCredentials(secrets=file).secret("crm_token", environment="dev", agent="sdr")
    home = tmp_path / "secrets"
    home.mkdir()
    inner = owned(home / "dev.yaml", HELD["dev"])
    home.chmod(mode | 0o100)
    with pytest.raises(ConfigError, match=f"chmod 700 {home}"):
        FileCredentials(secrets=home).secret("crm_token", environment="dev", agent="sdr")
    home.chmod(0o700)
    inner.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {inner}"):
        FileCredentials(secrets=home).secret("crm_token", environment="dev", agent="sdr")


@pytest.mark.req("B10")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"dev: [{VALUE}", "is no YAML near line"),
        (f"{{{VALUE}", "is no YAML"),
        (f"!!python/object:os.system {VALUE}", "is no YAML"),
        (f"- {VALUE}", "there is no secret"),
        (VALUE, "there is no secret"),
        (f"dev: {VALUE}", "there is no secret"),
        (f"dev: {{sdr: {VALUE}}}", "there is no secret"),
        (f"dev: {{sdr: {{crm_token: [{VALUE}]}}}}", "is not a text; write it in quotes"),
        ("dev: {sdr: {crm_token: 4711471147}}", "is not a text; write it in quotes"),
    ],
)
def test_a_bad_file_of_secrets_is_refused_and_never_quoted(text, message, tmp_path):
    """What cannot be read as the layout says is refused without a word of what stands there."""
    file = tmp_path / "secrets.yaml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=message) as caught:
        FileCredentials(secrets=file).secret("crm_token", environment="dev", agent="sdr")
    assert VALUE not in told(caught.value)
    assert "4711471147" not in told(caught.value)


@pytest.mark.req("B10")
def test_a_file_of_secrets_that_cannot_be_read_is_told(tmp_path):
    """A missing file, an environment without a file, a folder, a binary file and none at all are refused with the path."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 9)
    binary.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "stage.yaml").mkdir(mode=0o700)
    for path, words in ((tmp_path / "none", "write it into .*none"), (binary, "binary cannot be read: it is no text")):
        with pytest.raises(ConfigError, match=words):
            FileCredentials(secrets=path).secret("crm_token", environment="dev", agent="sdr")
    for environment, words in (("dev", "write it into .*dev.yaml"), ("stage", "stage.yaml cannot be read: Is a dir")):
        with pytest.raises(ConfigError, match=words):
            FileCredentials(secrets=home).secret("crm_token", environment=environment, agent="sdr")
    with pytest.raises(ConfigError, match="no file of secrets is named"):
        FileCredentials(tmp_path / "key").secret("crm_token", environment="dev", agent="sdr")
    with pytest.raises(ConfigError, match="no key file is named"):
        FileCredentials(secrets=home).master_key()


def test_a_changed_secret_is_seen_at_the_next_lookup(tmp_path):
    """A rotated secret needs no new process."""
    file = owned(tmp_path / "secrets.yaml", HELD)
    credentials = FileCredentials(secrets=file)
    assert credentials.secret("mail", environment="prod", agent="bot").reveal() == "m-value"
    owned(file, {"prod": {"bot": {"mail": "rotated"}}})
    assert credentials.secret("mail", environment="prod", agent="bot").reveal() == "rotated"


# ---- the master key of an environment


@pytest.mark.req("A2", "B10")
def test_each_environment_may_have_a_master_key_of_its_own():
    """The variable of an environment wins over the common one, and covers no other environment."""
    own = base64.b64encode(b"p" * 32).decode()
    credentials = EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY_PROD": own, "AGENT_GUARD_MASTER_KEY": TEXT})
    assert credentials.master_key("prod") == b"p" * 32
    assert credentials.master_key("stage") == credentials.master_key() == KEY
    alone = EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY_PROD": own})
    for environment in ("dev", "stage", None):
        with pytest.raises(ConfigError, match="AGENT_GUARD_MASTER_KEY is not set"):
            alone.master_key(environment)
    with pytest.raises(ConfigError, match="AGENT_GUARD_MASTER_KEY_PROD is not 32 bytes") as caught:
        EnvironmentCredentials({"AGENT_GUARD_MASTER_KEY_PROD": VALUE, "AGENT_GUARD_MASTER_KEY": TEXT}).master_key(
            "prod"
        )
    assert VALUE not in told(caught.value)


@pytest.mark.req("A2", "B10")
def test_a_keyring_holds_a_master_key_for_each_environment():
    """The keyring's key is the environment's alone, lies where no agent's secret can lie, and must be asked for by it."""
    held = Drawer({("agent_guard/prod", "master_key"): TEXT, ("agent_guard/stage", "master_key"): VALUE})
    credentials = KeyringCredentials(held)
    assert credentials.master_key("prod") == KEY
    with pytest.raises(ConfigError, match="keyring set agent_guard/dev master_key"):
        credentials.master_key("dev")
    with pytest.raises(ConfigError, match="tell which"):
        credentials.master_key()
    with pytest.raises(ConfigError, match="not 32 bytes") as caught:
        credentials.master_key("stage")
    assert VALUE not in told(caught.value)


# ---- the keyring of the machine


@pytest.mark.req("B10")
def test_the_machines_keyring_is_asked_unless_one_is_given(monkeypatch):
    """Without a backend of one's own the one that ``keyring`` picks is asked."""
    monkeypatch.setattr("keyring.get_keyring", lambda: Drawer({("agent_guard/dev/sdr", "crm_token"): VALUE}))
    assert KeyringCredentials().secret("crm_token", environment="dev", agent="sdr").reveal() == VALUE


@pytest.mark.req("B10")
@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring])
def test_a_machine_without_a_keyring_is_told(monkeypatch, backend):
    """A keyring that keeps nothing is not taken for one that has no such entry."""
    monkeypatch.setattr("keyring.get_keyring", backend)
    with pytest.raises(ConfigError, match="this machine has no keyring"):
        KeyringCredentials().secret("crm_token", environment="dev", agent="sdr")


@pytest.mark.req("B10")
def test_a_missing_keyring_package_is_told_with_what_to_install(monkeypatch):
    """The package is optional, and is imported when a keyring is asked for the first time."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    credentials = KeyringCredentials()
    with pytest.raises(ConfigError, match=r"langgraph-agent-guard\[keyring\]"):
        credentials.master_key("dev")


@pytest.mark.req("B10")
def test_a_keyring_that_fails_is_told_without_its_words():
    """A locked or broken keyring is refused with the kind of its error; its words could quote an entry."""

    class Locked(Drawer):
        def get_password(self, service, username):
            raise RuntimeError(f"locked at {VALUE}")

    with pytest.raises(ConfigError, match=r"cannot be read \(RuntimeError\)") as caught:
        KeyringCredentials(Locked()).secret("crm_token", environment="dev", agent="sdr")
    assert VALUE not in told(caught.value)


# ---- what nobody says, and what a configuration says


@pytest.mark.req("A2")
def test_by_default_secrets_are_variables_and_dev_makes_its_own_key(tmp_path, monkeypatch):
    """Only dev makes a key, and the guard's own folder for it; a database in memory has a key of its own; secrets are
    variables everywhere.
    """
    monkeypatch.setenv("AGENT_GUARD_SECRET_DEV_SDR_CRM_TOKEN", VALUE)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY", raising=False)
    for key_file in (None, tmp_path / "guard.db.key"):
        found = default_credentials("dev", key_file)
        assert len(found.master_key("dev")) == 32
        assert found.secret("crm_token", environment="dev", agent="sdr").reveal() == VALUE
    assert (tmp_path / "guard.db.key").is_file()
    monkeypatch.chdir(tmp_path)
    default_credentials("prod", FOLDER / "guard.key")
    assert not FOLDER.exists()
    assert len(default_credentials("dev", FOLDER / "guard.key").master_key("dev")) == 32
    assert (tmp_path / ".agent_guard" / "guard.key").is_file()
    with pytest.raises(ConfigError, match="AGENT_GUARD_MASTER_KEY is not set"):
        default_credentials("prod", tmp_path / "guard.db.key").master_key("prod")


def settings(environ):
    return load_settings(environ={f"AGENT_GUARD_{name}": str(value) for name, value in environ.items()})


@pytest.mark.req("A2", "B10")
def test_a_configuration_names_where_keys_and_secrets_lie(tmp_path, monkeypatch):
    """Key and secrets come from files, variables or the keyring as the configuration says; contradictions are told."""
    monkeypatch.chdir(tmp_path)
    key, file = tmp_path / "key", owned(tmp_path / "secrets.yaml", HELD)
    key.write_text(TEXT)
    key.chmod(0o600)
    monkeypatch.delenv("AGENT_GUARD_MASTER_KEY", raising=False)
    assert settings({}).credentials() is None
    both = settings({"MASTER_KEY_FILE": key, "SECRETS_FILE": file, "AGENT": "sdr"})
    assert both.agent == "sdr"
    assert both.credentials().secret("crm_token", environment="prod", agent="sdr").reveal() == "prod-sdr-value"
    assert both.credentials().master_key("prod") == FileCredentials(key).master_key()
    with pytest.raises(ConfigError, match="name the master key too"):
        settings({"SECRETS_FILE": file}).credentials()
    with pytest.raises(ConfigError, match="exclude each other"):
        settings({"SECRETS_FILE": file, "KEYRING": "true"}).credentials()
    assert isinstance(settings({"KEYRING": "true"}).credentials(), KeyringCredentials)
    monkeypatch.setenv("AGENT_GUARD_MASTER_KEY_PROD", TEXT)
    assert both.credentials().master_key("prod") == KEY
    monkeypatch.setenv("AGENT_GUARD_SECRET_PROD_SDR_X", VALUE)
    assert settings({}).credentials().secret("x", environment="prod", agent="sdr").reveal() == VALUE


# ---- what a tool is given


def handed(credentials):
    return Secrets(credentials, environment="dev", agent="sdr")


@pytest.mark.req("B10", "B11")
def test_what_a_tool_is_given_is_bound_to_its_agent_and_environment():
    """A tool names a secret, and nothing it says changes whose it gets."""
    found = handed(MemoryCredentials(secrets=HELD))
    assert found("crm_token").reveal() == "dev-sdr-value"
    assert repr(found) == "Secrets(dev/sdr)"
    with pytest.raises(TypeError):
        found("mail", agent="bot")
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        pickle.dumps(found)


@pytest.mark.req("B10")
def test_a_missing_secret_means_that_nothing_happened(caplog):
    """The error is one after which nothing was done; it and the log hold names and no value."""

    class Broken(MemoryCredentials):
        def secret(self, name, *, environment, agent):
            raise RuntimeError(VALUE)

    held = MemoryCredentials(secrets={"dev": {"bot": {"crm_token": VALUE}}})
    for credentials, code in ((held, "secret_missing"), (Broken(), "secret_unreadable")):
        with pytest.raises(ToolUnavailable, match="secret 'crm_token' of the agent 'sdr' in dev") as caught:
            handed(credentials)("crm_token")
        assert caught.value.code == code
        assert VALUE not in told(caught.value)
    assert len(caplog.records) == 2
    assert VALUE not in caplog.text


@pytest.mark.req("A2", "B10")
def test_nothing_is_handed_out_after_the_call():
    """Whoever keeps the object after its call gets nothing from it."""
    found = handed(MemoryCredentials(secrets=HELD))
    found.close()
    with pytest.raises(ToolUnavailable, match="the call is over") as caught:
        found("crm_token")
    assert caught.value.code == "secret_withheld"
