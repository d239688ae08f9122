"""Signed messages: made as Standard Webhooks says, believed once, and refused for one of five reasons."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from agent_guard.credentials import Secret
from agent_guard.errors import ConfigError, SignatureError, StoreError
from agent_guard.notifications.signing import TOLERANCE_S, check_secrets, new_secret, sign, verify
from tests.conftest import Database, World
from tests.receiver import KEY, OTHER, SECRET
from tests.samples import opened

NOW = datetime(2026, 1, 5, 11, 20, 4, tzinfo=UTC)
BODY = '{"type":"approval.asked","data":{"текст":"ż"}}'.encode()


class Shelf:
    """Port ``Nonces`` in memory."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], int] = {}

    def take(self, source: str, id: str, *, now_ms: int, expires_ms: int) -> bool:
        """Keeps an id."""
        new = (source, id) not in self.held
        self.held.setdefault((source, id), expires_ms)
        return new


class Broken:
    """Port ``Nonces`` whose database is gone."""

    def take(self, *_: Any, **__: Any) -> bool:
        raise StoreError("gone")


def signed(secrets: Any = (SECRET,), *, id: str = "msg_1", at: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    """The headers of a message."""
    return sign(secrets, id=id, at=at, body=body)


def believed(headers: dict[str, str], *, secrets: Any = (SECRET,), body: bytes = BODY, **given: Any) -> Any:
    """What ``verify`` says."""
    given = {"source": "guard", "nonces": Shelf(), "now": NOW} | given
    return verify(secrets, headers, body, **given)


def refused(headers: dict[str, str], **given: Any) -> str:
    """The code with which ``verify`` refuses."""
    with pytest.raises(SignatureError) as caught:
        believed(headers, **given)
    assert "whsec" not in str(caught.value)
    return caught.value.code


# ---- the form


@pytest.mark.req("A7")
def test_the_specifications_own_example_has_its_signature() -> None:
    """Key, id, time and body of the reference libraries' test give their signature."""
    secret = Secret("example", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    assert sign([secret], id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=at, body=b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.req("A7")
def test_what_is_signed_is_id_time_and_body() -> None:
    """A signature worked out by hand is the one that is sent, one for each key, the first key's first."""
    text = f"msg_1.{int(NOW.timestamp())}.".encode() + BODY
    made = [base64.b64encode(hmac.new(key, text, sha256).digest()).decode() for key in (KEY, KEY[::-1])]
    assert signed((SECRET, OTHER))["webhook-signature"] == f"v1,{made[0]} v1,{made[1]}"


def test_a_new_secret_can_sign_and_is_never_the_same() -> None:
    """What ``new_secret`` makes is of the format."""
    made = {new_secret() for _ in range(20)}
    assert len(made) == 20
    check_secrets([Secret("new", text) for text in made])


@pytest.mark.parametrize(
    "value",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_!!!!", "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(), "whsec_" + "ж" * 40, "WHSEC_" + base64.b64encode(KEY).decode(),
    ],
)  # fmt: skip
@pytest.mark.req("B10")
def test_what_is_no_key_is_refused_without_repeating_it(value: str) -> None:
    """A secret without its prefix, no base64, or of another length cannot be used, and its error does not hold it."""
    for use in (check_secrets, lambda held: signed(held), lambda held: believed({}, secrets=held)):
        with pytest.raises(ConfigError, match="'odd'") as caught:
            use([Secret("odd", value)])
        assert value.removeprefix("whsec_") not in str(caught.value) or value == "whsec_"
        error: BaseException | None = caught.value
        while error is not None:  # nor anything it came from
            assert "MfKQ" not in repr(error)
            error = error.__cause__ or error.__context__


def test_no_secret_and_a_bare_text_are_refused() -> None:
    """A signature needs at least one ``Secret``."""
    for given in ([], [SECRET.reveal()]):
        with pytest.raises(ConfigError) as caught:
            check_secrets(given)
        assert base64.b64encode(KEY).decode() not in str(caught.value)


@pytest.mark.parametrize("id", ["", "a.b", "a b", "ж", "x" * 101])
def test_an_id_that_could_be_read_otherwise_is_not_signed(id: str) -> None:
    """A full stop in an id would let id and time run into each other."""
    with pytest.raises(ValueError, match="id"):
        signed(id=id)


# ---- who is believed


@pytest.mark.req("A7")
def test_a_message_is_believed() -> None:
    """A right signature, in time, seen for the first time; whatever the case of the headers' names."""
    headers = {name.title(): value for name, value in signed().items()} | {"Host": "x"}
    found = believed(headers)
    assert (found.id, found.at) == ("msg_1", int(NOW.timestamp()))


@pytest.mark.req("A7")
@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "}, {"body": b""}, {"headers": {"webhook-id": "msg_2"}},
        {"headers": {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}},
        {"headers": {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()}},
        {"headers": {"webhook-signature": "v1,"}}, {"headers": {"webhook-signature": "v1,ж\udc80"}},
        {"secrets": (OTHER,)},
    ],
)  # fmt: skip
def test_a_changed_message_is_refused(changed: dict[str, Any]) -> None:
    """Any change of id, time, body or key breaks the signature, and the id is not used up by it."""
    headers, shelf = signed() | changed.pop("headers", {}), Shelf()
    assert refused(headers, nonces=shelf, **changed) == "signature"
    assert shelf.held == {}


@pytest.mark.req("A7")
@pytest.mark.parametrize(
    "headers",
    [
        {}, {"webhook-id": None}, {"webhook-timestamp": None}, {"webhook-signature": None}, {"webhook-signature": ""},
        {"webhook-id": "a.b"}, {"webhook-timestamp": "1.5"}, {"webhook-timestamp": "-1"}, {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 13}, {"webhook-signature": "v1a,abc v2,abc"}, {"Webhook-Id": "msg_1"},
        {"webhook-signature": " ".join(["v1,abc"] * 17)},
    ],
)  # fmt: skip
def test_what_carries_no_signature_is_refused(headers: dict[str, str | None]) -> None:
    """A header that is missing, there twice, or of another form leaves a message unsigned."""
    given = {name: value for name, value in ((signed() | headers) if headers else {}).items() if value is not None}
    assert refused(given) == "unsigned"


@pytest.mark.req("A7")
@pytest.mark.parametrize(
    ("age_s", "code"),
    [(-301, "future"), (-300, None), (0, None), (300, None), (301, "old"), (86_400, "old")],
)
def test_a_message_is_believed_in_its_time(age_s: int, code: str | None) -> None:
    """Five minutes either way, the ends included."""
    headers = signed(at=NOW - timedelta(seconds=age_s))
    if code is None:
        assert believed(headers).id == "msg_1"
    else:
        assert refused(headers) == code


def test_the_tolerance_is_the_callers() -> None:
    """A receiver may be stricter."""
    assert refused(signed(at=NOW - timedelta(seconds=2)), tolerance_s=1) == "old"


@pytest.mark.req("A7")
@pytest.mark.parametrize(("made_with", "known"), [((SECRET, OTHER), (OTHER,)), ((OTHER,), (SECRET, OTHER))])
def test_a_key_is_changed_without_a_gap(made_with: Any, known: Any) -> None:
    """While both keys are in use, either side may know one of them."""
    assert believed(signed(made_with), secrets=known).id == "msg_1"


@pytest.mark.req("A7")
def test_a_message_with_two_signatures_is_one_message() -> None:
    """Whoever takes one of its signatures away has no other message to play."""
    headers, shelf = signed((SECRET, OTHER)), Shelf()
    believed(headers, secrets=(SECRET, OTHER), nonces=shelf)
    for part in headers["webhook-signature"].split(" "):
        alone = headers | {"webhook-signature": part}
        assert refused(alone, secrets=(SECRET, OTHER), nonces=shelf) == "replayed"


@pytest.mark.req("A7")
def test_the_same_id_signed_anew_is_the_same_message() -> None:
    """A later attempt of the sender has another time and signature, and the id tells."""
    shelf = Shelf()
    believed(signed(), nonces=shelf)
    assert refused(signed(at=NOW + timedelta(seconds=5)), nonces=shelf) == "replayed"


def test_an_id_is_kept_for_longer_than_it_could_be_believed() -> None:
    """Until the tolerance has passed twice, because clocks differ."""
    shelf = Shelf()
    believed(signed(), nonces=shelf)
    assert shelf.held == {("guard", "msg_1"): int(NOW.timestamp() + 2 * TOLERANCE_S) * 1000}


@pytest.mark.req("A7")
def test_what_cannot_be_looked_up_is_not_believed() -> None:
    """Without the store of seen ids there is no answer, and no belief."""
    with pytest.raises(StoreError):
        believed(signed(), nonces=Broken())


# ---- seen before, in the database


@pytest.mark.req("A7")
@pytest.mark.databases()
def test_a_captured_message_is_refused_by_another_gateway(world: World) -> None:
    """What one gateway believed, another one of the same database refuses."""
    first, second = world.gateway(file=True), world.gateway(file=True)
    headers, now = signed(at=world.clock()), world.clock()
    assert believed(headers, nonces=first.nonces, now=now).id == "msg_1"
    assert refused(headers, nonces=second.nonces, now=now) == "replayed"
    assert refused(headers, nonces=first.nonces, now=now) == "replayed"


PLAY = """
import json, sys
from datetime import datetime
from agent_guard.credentials import Secret
from agent_guard.errors import SignatureError
from agent_guard.notifications.nonces import StoredNonces
from agent_guard.notifications.signing import verify
from agent_guard.store import Store
given = json.loads(sys.stdin.read())
store = Store(given["url"])
store.open()
try:
    verify(
        [Secret("hook", given["secret"])], given["headers"], given["body"].encode(), source="guard",
        nonces=StoredNonces(store), now=datetime.fromisoformat(given["now"]),
    )
    print("believed")
except SignatureError as error:
    print(error.code)
store.close()
"""


@pytest.mark.req("A7")
@pytest.mark.databases()
def test_a_captured_message_is_refused_by_another_process(database: Database) -> None:
    """The first process believes it; the same bytes given to a second one, and to a third, are refused."""
    with opened(database.shared):
        pass
    given = json.dumps(
        {
            "url": database.shared, "secret": SECRET.reveal(), "headers": signed(), "body": BODY.decode(),
            "now": NOW.isoformat(),
        }
    )  # fmt: skip
    said = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PLAY], input=given, capture_output=True, text=True, timeout=60,
            cwd=Path(__file__).parents[2], check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.strip())
    assert said == ["believed", "replayed", "replayed"]
