"""Whom the agent takes for its sidecar: certificates and pins, against real servers with TLS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from agent.config import ConfigInvalid, load
from agent.doctor import sidecar as doctor
from agent.doctor.evidence import SidecarAnswer
from agent.ports import Unreachable
from agent.trust import BadTrust, Trust, key_digest, pin, spell
from agent.uplink import HttpUplink
from holdfast.assignments import Heartbeat, HeartbeatResponse
from tests.certificates import Authority, Issued, rsa_key

HEARTBEAT = Heartbeat(volumes=[], version="0.1.0")
ANSWER = HeartbeatResponse(catalog="cat_1", revision=3, server_time=1.0, heartbeat_s=30.0)


class Listening(BaseHTTPRequestHandler):
    """A sidecar that answers every heartbeat, and keeps the tokens that it was shown."""

    protocol_version = "HTTP/1.1"
    tokens: list[str]

    def do_POST(self) -> None:
        self.tokens.append(self.headers["Authorization"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(msgspec.json.encode(ANSWER))

    def do_GET(self) -> None:
        self._answer(b'{"status": "ok"}')

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Says nothing of clients that go away in the middle of a handshake: here they are to."""

    def __init__(self, issued: Issued, handler: type[Listening]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(issued.certificate, issued.key)

    def finish_request(self, request: object, client_address: object) -> None:
        tls = self._context.wrap_socket(request, server_side=True)
        super().finish_request(tls, client_address)
        tls.close()

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving(issued: Issued) -> Iterator[tuple[str, list[str]]]:
    """A sidecar with this certificate: its URL, and the tokens that it sees."""
    seen: list[str] = []
    server = Server(issued, type("Seeing", (Listening,), {"tokens": seen}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def beat(url: str, trust: Trust) -> HeartbeatResponse:
    uplink = HttpUplink(url, "secret", trust=trust)
    try:
        return uplink.heartbeat(HEARTBEAT)
    finally:
        uplink.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("127.0.0.1")


def test_an_authority_of_ones_own_and_the_right_pin_are_good(authority: Authority, issued: Issued) -> None:
    with serving(issued) as (url, tokens):
        file = str(authority.file)
        for trust in (Trust(file), Trust(file, (pin(issued.pin),)), Trust(file, (bytes(32), pin(issued.pin)))):
            assert beat(url, trust) == ANSWER
        assert tokens == ["Bearer secret"] * 3


def test_what_the_system_does_not_know_gets_no_token(issued: Issued) -> None:
    with serving(issued) as (url, tokens):
        with pytest.raises(Unreachable, match="certificate verify failed"):
            beat(url, Trust())
        assert tokens == []


@pytest.mark.parametrize("fault", ["another authority", "another name", "run out"])
def test_a_certificate_that_is_not_good_gets_no_token(authority: Authority, tmp_path: Path, fault: str) -> None:
    stranger = Authority(tmp_path) if fault == "another authority" else authority
    name = "photos.example" if fault == "another name" else "127.0.0.1"
    made = stranger.issue(name, days=-1 if fault == "run out" else 30)
    with serving(made) as (url, tokens):
        # The right pin makes up for nothing.
        for pins in ((), (pin(made.pin),)):
            with pytest.raises(Unreachable, match="certificate verify failed"):
                beat(url, Trust(str(authority.file), pins))
        assert tokens == []


def test_another_key_than_the_pinned_one_gets_no_token_and_is_told(authority: Authority, issued: Issued) -> None:
    other = authority.issue("127.0.0.1")
    with serving(other) as (url, tokens):
        with pytest.raises(Unreachable) as error:
            beat(url, Trust(str(authority.file), (pin(issued.pin),)))
        # With what is to be written down if the key was changed on purpose.
        assert other.pin in str(error.value)
        assert issued.pin in str(error.value)
        assert tokens == []


def test_the_doctor_tells_a_stranger_from_a_dead_sidecar(authority: Authority, issued: Issued) -> None:
    with serving(issued) as (url, tokens):
        good = Trust(str(authority.file), (pin(issued.pin),))
        assert doctor.ask(url, None, good, allow_plain_http=False).answer is SidecarAnswer.WELL
        for trust in (Trust(), Trust(str(authority.file), (bytes(32),))):
            assert doctor.ask(url, "secret", trust, allow_plain_http=False).answer is SidecarAnswer.TLS
        assert tokens == []
    assert doctor.ask(url, None, good, allow_plain_http=False).answer is SidecarAnswer.CONNECTION_REFUSED


def test_keys_of_every_kind_are_found_in_their_certificates(authority: Authority) -> None:
    for issued in (authority.issue("127.0.0.1"), authority.issue("long." * 11 + "example", key=rsa_key())):
        certificate = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
        assert spell(key_digest(certificate.public_bytes(serialization.Encoding.DER))) == issued.pin


def test_what_is_no_certificate_has_no_key(issued: Issued) -> None:
    certificate = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
    der = certificate.public_bytes(serialization.Encoding.DER)
    for cut in range(0, len(der), 7):
        with pytest.raises(ValueError, match="not a certificate"):
            key_digest(der[:cut])


def test_pins_are_written_as_openssl_and_curl_write_them(issued: Issued) -> None:
    assert pin(issued.pin) == pin(f"sha256//{issued.pin}")
    for text in ("", "sha256//", issued.pin[:-5], issued.pin + "AAAA", pin(issued.pin).hex(), "ü" * 44):
        with pytest.raises(BadTrust, match="is not the base64"):
            pin(text)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('ca_file = "{place}/none.pem"', "ca_file: .*none.pem: No such file"),
        ('ca_file = "{place}/agent.toml"', "ca_file: .*agent.toml holds no certificate in PEM"),
        ('pin_sha256 = ["abc"]', "pin_sha256: 'abc' is not the base64"),
        ('sidecar = "http://127.0.0.1:1"\nca_file = "{place}/agent.toml"', "ca_file: plain http proves nothing"),
        (f'sidecar = "http://127.0.0.1:1"\npin_sha256 = ["{"A" * 43}="]', "pin_sha256: plain http proves nothing"),
    ],
)
def test_a_configuration_that_cannot_be_believed_is_refused(tmp_path: Path, lines: str, told: str) -> None:
    url = "" if "sidecar" in lines else 'sidecar = "https://photos.example"\n'
    (tmp_path / "agent.toml").write_text(url + lines.replace("{place}", str(tmp_path)))
    with pytest.raises(ConfigInvalid, match=told):
        load(str(tmp_path / "agent.toml"))


def test_a_configuration_that_can_be_is_used(tmp_path: Path, authority: Authority, issued: Issued) -> None:
    lines = [
        'sidecar = "https://127.0.0.1:1"',
        f'ca_file = "{authority.file}"',
        f'pin_sha256 = ["sha256//{issued.pin}"]',
    ]
    (tmp_path / "agent.toml").write_text("\n".join(lines))
    assert load(str(tmp_path / "agent.toml")).trust == Trust(str(authority.file), (pin(issued.pin),))


def test_tls_of_yesterday_is_refused() -> None:
    assert Trust().context().minimum_version >= ssl.TLSVersion.TLSv1_2
