"""One address for signed messages: where they go, what counts as taken, and what a bad receiver can do."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent_guard.credentials import Secret
from agent_guard.errors import ConfigError, DeliveryError
from agent_guard.notifications.webhook import Webhook
from tests.receiver import OTHER, PATIENCE_S, SECRET, Receiver, receiving

AT = "2026-01-05T11:20:04.000+00:00"


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def post(url: str, secret: Any = SECRET, **options: Any) -> None:
    """Sends one message."""
    Webhook(url, secret, **options).post("apr_1", "approval.asked", AT, {"text": "ż <PERSON_1>"})


def failed(url: str, **options: Any) -> DeliveryError:
    """The error of a message that was not taken."""
    with pytest.raises(DeliveryError) as caught:
        post(url, **options)
    return caught.value


# ---- what is sent


@pytest.mark.req("A7")
def test_a_message_arrives_signed(receiver: Receiver) -> None:
    """A POST of JSON with type, time and data, whose signature another computation confirms."""
    post(receiver.url + "?team=7")
    (came,) = receiver.got(1)
    assert came.signed
    assert came.path == "/hook?team=7"
    assert (came.id, came.headers["content-type"]) == ("apr_1", "application/json")
    assert json.loads(came.body) == {"type": "approval.asked", "timestamp": AT, "data": {"text": "ż <PERSON_1>"}}


@pytest.mark.req("A7")
def test_the_time_of_signing_is_the_attempts(receiver: Receiver) -> None:
    """Each attempt is signed anew, under the same id."""
    times = iter([datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, 0, 0, 7, tzinfo=UTC)])
    webhook = Webhook(receiver.url, SECRET, clock=lambda: next(times))
    for _ in range(2):
        webhook.post("apr_1", "approval.asked", AT, {})
    first, second = receiver.got(2)
    assert first.id == second.id
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 7
    assert first.signed and second.signed


def test_both_keys_sign_while_one_is_changed(receiver: Receiver) -> None:
    """A receiver that knows the old key alone still believes it."""
    post(receiver.url, (OTHER, SECRET))
    assert receiver.got(1)[0].signed


# ---- where it may go


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/x",
        "https://hooks.example:8443",
        "http://localhost:1/x",
        "http://127.0.0.1",
        "http://[::1]:1",
    ],
)
def test_an_address_that_may_be_used(url: str) -> None:
    """TLS everywhere, plain HTTP to this machine."""
    assert Webhook(url, SECRET).host in url


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x", "http://localhost.example/", "http://127.0.0.1.example/", "http://0.0.0.0/", "ftp://x/",
        "file:///etc/passwd", "hooks.example", "", "https://", "https://x:99999/", "https://x/\r\nhost: y", "https://x/ y",
        "https://жук.example/", "https://me:swordfish@hooks.example/x", "https://[::1", 7, None,
    ],
)  # fmt: skip
def test_an_address_that_may_not(url: Any) -> None:
    """Unencrypted, unreadable and anonymous addresses are refused when the object is made, without being repeated."""
    with pytest.raises(ConfigError, match="webhook") as caught:
        Webhook(url, SECRET)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("timeout_s", [0, -1, 31, float("nan")])
def test_a_time_out_is_within_its_bounds(timeout_s: float) -> None:
    """A delivery never hangs for ever."""
    with pytest.raises(ConfigError, match="timeout_s"):
        Webhook("https://hooks.example", SECRET, timeout_s=timeout_s)


def test_only_the_host_is_shown() -> None:
    """An address may hold a token, so neither its path nor its query stands in a text."""
    assert repr(Webhook("https://hooks.example/T0KEN?key=T0KEN", SECRET)) == "Webhook(hooks.example)"


@pytest.mark.parametrize("secret", [Secret("hook", "swordfish"), ()])
def test_a_secret_that_is_no_key_is_refused(secret: Any) -> None:
    """When the object is made, without the value."""
    with pytest.raises(ConfigError) as caught:
        Webhook("https://hooks.example", secret)
    assert "swordfish" not in str(caught.value)


@pytest.mark.req("B13")
def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes to its address whatever the environment says."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    post(receiver.url)
    assert len(receiver.requests) == 1


# ---- what counts as taken


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_taken(receiver: Receiver, status: int) -> None:
    """The specification's success."""
    receiver.then = status
    post(receiver.url)


@pytest.mark.req("B17")
@pytest.mark.parametrize(
    ("status", "soon"),
    [(400, False), (401, False), (404, False), (408, True), (410, False), (425, True), (429, False), (500, True),
     (501, False), (502, True), (503, True), (504, True)],
)  # fmt: skip
def test_every_other_answer_is_a_failure(receiver: Receiver, status: int, soon: bool) -> None:
    """It is told by its status; what may pass within seconds may be tried again then."""
    receiver.then = status
    error = failed(receiver.url)
    assert (error.code, error.soon) == (f"http_{status}", soon)
    assert "/hook" not in str(error)


@pytest.mark.req("B13")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    """Nobody but the configuration says where notices go."""
    with receiving() as elsewhere:

        def move(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("location", elsewhere.url)
            handler.end_headers()

        receiver.then = move
        error = failed(receiver.url)
        assert (error.code, error.soon) == (f"http_{status}", False)
        assert "correct the url" in str(error)
        assert elsewhere.requests == []


def test_nobody_there_is_a_failure() -> None:
    """A closed port is told as unreachable, and may be tried again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = failed(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert (error.code, error.soon) == ("unreachable", True)


def test_a_receiver_that_does_not_answer_is_left(receiver: Receiver) -> None:
    """After the time-out the message counts as not taken, though it may have been."""
    receiver.then = receiver.later
    error = failed(receiver.url, timeout_s=0.2)
    assert (error.code, error.soon) == ("timeout", True)
    assert len(receiver.got(1)) == 1


def test_an_endless_answer_is_not_read(receiver: Receiver) -> None:
    """The status is enough: whatever a receiver says after it is its own business."""
    ended = threading.Event()

    def talk(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            ended.set()

    receiver.then = talk
    post(receiver.url)
    assert ended.wait(PATIENCE_S)


@contextmanager
def speaking(*pieces: bytes, until_cut: bool = False) -> Iterator[str]:
    """A server that answers a connection with some bytes, the last of them again and again; until the other side cuts
    it off, or the test is over.
    """
    stop = threading.Event()
    ended = threading.Event()

    def serve(listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
            with client:
                for piece in pieces:
                    client.sendall(piece)
                while pieces and not stop.wait(0.01):
                    client.sendall(pieces[-1])
        except OSError:
            pass
        ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        worker = threading.Thread(target=serve, args=(listening,), daemon=True)
        worker.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        if not until_cut:
            stop.set()
        assert ended.wait(PATIENCE_S), "the connection was left open"
        stop.set()


def test_an_answer_that_drips_is_cut_off() -> None:
    """A time-out holds for the whole attempt, not for each byte, and the connection is closed."""
    with speaking(b"HTTP/1.1 200 O", b"K", until_cut=True) as url:
        assert failed(url, timeout_s=0.3).code in ("timeout", "unreachable")


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 999999 x\r\n\r\n", b"\r\n"])
def test_an_answer_that_is_no_http_is_a_failure(answer: bytes) -> None:
    """Whatever listens there, it did not take the message."""
    with speaking(answer) as url:
        assert failed(url, timeout_s=5).code == "unreachable"


# ---- TLS


@pytest.fixture(name="certificate")
def _certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that it signed itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "receiver.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(name="encrypted")
def _encrypted(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(context) as made:
        yield made


@pytest.mark.req("B6")
def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted: Receiver) -> None:
    """Nothing is sent to whoever is not who the address says, and trying again at once does not help."""
    error = failed(encrypted.url)
    assert (error.code, error.soon) == ("certificate", False)
    assert encrypted.requests == []


def test_a_certificate_that_is_vouched_for_is_taken(
    encrypted: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A house with an authority of its own names it in SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    post(encrypted.url)
    assert encrypted.got(1)[0].signed
