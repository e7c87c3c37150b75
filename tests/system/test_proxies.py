"""The proxies of docs/proxy, as they stand there: a real agent, TLS with an authority at home, a real sidecar."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from agent.local_socket import ask_status
from holdfast import ids
from holdfast.assignments import PROTOCOL
from holdfast.problems import CONTENT_TYPE
from holdfast.problems import DOCS as DOCUMENTED
from holdfast.reports import BODY_BYTES_MAX
from tests.certificates import Authority, Issued
from tests.needs import needs

DOCS = Path(__file__).parents[2] / "docs" / "proxy"
PATIENCE_S = 60.0


class Home(NamedTuple):
    """Everything that stands: ``url`` is the proxy's, ``direct`` the sidecar's own."""

    place: Path
    url: str
    direct: str
    authority: Authority
    issued: Issued

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {(self.place / 'state' / 'admin.token').read_text().strip()}"}

    def client(self, address: str = "127.0.0.2", **headers: str) -> httpx2.Client:
        """A client with TLS, that comes from this address."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        transport = httpx2.HTTPTransport(verify=context, local_address=address)
        return httpx2.Client(base_url=self.url, transport=transport, headers=headers, timeout=60)

    def log(self) -> str:
        return (self.place / "sidecar.log").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)  # nothing tells that another program has come so far, but asking it


@contextlib.contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def nginx(place: Path, text: str) -> list[str]:
    """The command that runs nginx on this site alone."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    needs(program, "needs nginx")
    site = place / "site.conf"
    site.write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = place / "nginx.conf"
    whole.write_text(
        f"daemon off; pid {place}/nginx.pid; error_log stderr; worker_processes 1;\n"
        + ("user root;\n" if os.geteuid() == 0 else "")
        + f"events {{}}\nhttp {{ access_log off;\n{temporary}include {site};\n}}\n"
    )
    return [str(program), "-c", str(whole), "-p", str(place)]


def caddy(place: Path, text: str) -> list[str]:
    """Likewise with Caddy."""
    program = shutil.which("caddy")
    needs(program, "needs caddy")
    file = place / "Caddyfile"
    file.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}}\n{text}")
    return [str(program), "run", "--adapter", "caddyfile", "--config", str(file)]


def site(name: str, issued: Issued, port: int, behind: int) -> str:
    """The example with the names and places of this test."""
    text = (DOCS / name).read_text()
    for given, here in (
        ("/etc/ssl/holdfast/photos.example.crt", str(issued.certificate)),
        ("/etc/ssl/holdfast/photos.example.key", str(issued.key)),
        ("127.0.0.1:8765", f"127.0.0.1:{behind}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("photos.example {", f"https://localhost:{port} {{\n\tbind 127.0.0.1"),
        ("server_name photos.example", "server_name localhost"),
    ):
        text = text.replace(given, here)
    return text


@pytest.fixture(scope="module", params=["nginx.conf", "Caddyfile"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    place = tmp_path_factory.mktemp("home")
    authority = Authority(place)
    issued = authority.issue("localhost")
    port, behind = free_port(), free_port()
    text = site(request.param, issued, port, behind)
    command = (nginx if request.param == "nginx.conf" else caddy)(place, text)
    (place / "sidecar.toml").write_text(
        f'state_dir = "{place}/state"\nlisten = "127.0.0.1:{behind}"\nworkers = 1\ntrusted_proxies = ["127.0.0.1"]\n'
    )
    serve = [sys.executable, "-m", "sidecar.cli", "serve", "--config", str(place / "sidecar.toml")]
    with (
        running(serve, place / "sidecar.log"),
        running(command, place / "proxy.log", HOME=str(place), XDG_DATA_HOME=str(place)),
    ):
        made = Home(place, f"https://localhost:{port}", f"http://127.0.0.1:{behind}", authority, issued)
        until(lambda: answers(made))
        yield made


def answers(home: Home) -> bool:
    with contextlib.suppress(httpx2.TransportError), home.client() as client:
        return client.get("/readyz").status_code == 200
    return False


def test_nginx_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("localhost")
    command = nginx(tmp_path, site("nginx.conf", issued, free_port(), 8765))
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_caddy_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("localhost")
    program, *_, file = caddy(tmp_path, site("Caddyfile", issued, free_port(), 8765))
    environment = {**os.environ, "HOME": str(tmp_path)}
    for arguments in (["validate", "--adapter", "caddyfile", "--config", file], ["fmt", str(DOCS / "Caddyfile")]):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
    assert done.stdout == (DOCS / "Caddyfile").read_text()


def test_an_agent_talks_to_its_sidecar_through_it(home: Home) -> None:
    with home.client(**home.admin) as client:
        enrolment = client.post("/api/v1/tokens", json={"scope": "enrol", "name": "nas"}).json()["token"]
        (home.place / "enrolment").write_text(enrolment)
        (home.place / "agent.toml").write_text(
            f'state_dir = "{home.place}/agent"\nsidecar = "{home.url}"\nname = "nas"\n'
            f'ca_file = "{home.authority.file}"\npin_sha256 = ["{home.issued.pin}"]\n'
            f'enrolment_token_file = "{home.place}/enrolment"\n'
        )
        command = [sys.executable, "-m", "agent.cli", "run", "--config", str(home.place / "agent.toml")]
        with running(command, home.place / "agent.log") as process:
            until(lambda: is_connected(home, process))
            agents = client.get("/api/v1/agents").json()["items"]
            assert [one["name"] for one in agents] == ["nas"]


def is_connected(home: Home, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, (home.place / "agent.log").read_text()
    with contextlib.suppress(OSError):
        return ask_status(str(home.place / "agent" / "agent.sock")).sidecar == "connected"
    return False


def test_it_says_where_requests_come_from_and_clients_cannot(home: Home) -> None:
    forged = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.2", "X-Real-IP": "198.51.100.3"}
    with home.client("127.0.0.3", Authorization="Bearer hf_wrong", **forged) as client:
        assert client.get("/api/v1/libraries").status_code == 401
    until(lambda: "token.refused address=127.0.0.3\n" in home.log())
    assert "198.51.100" not in home.log()


def test_headers_that_gunicorn_would_obey_change_nothing(home: Home) -> None:
    """A proxy passes them on, and every proxy on this machine is believed by gunicorn unless it is told otherwise."""
    with home.client(**home.admin, SCRIPT_NAME="/api", PATH_INFO="/healthz") as client:
        answer = client.get("/api/v1/libraries")
        assert (answer.status_code, "items" in answer.json()) == (200, True)
    with httpx2.Client(base_url=home.direct, headers={**home.admin, "SCRIPT_NAME": "/api"}) as client:
        answer = client.get("/api/v1/libraries", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"})
        assert (answer.status_code, "items" in answer.json()) == (200, True)


def test_it_waits_as_long_as_a_reader_of_the_feed(home: Home) -> None:
    with home.client(**home.admin) as client:
        since = client.get("/api/v1/changes").json()["next"]
        started = time.monotonic()
        answer = client.get("/api/v1/changes", params={"since": since, "wait": 1})
        assert (answer.status_code, answer.json()["items"]) == (200, [])
        assert time.monotonic() - started >= 1
    text = "".join(file.read_text() for file in DOCS.iterdir())
    # Both ends of the wait are longer than the longest one, 60 s.
    assert "proxy_read_timeout 90s" in text
    assert "response_header_timeout 90s" in text


def test_the_largest_report_arrives_and_a_larger_one_is_refused_by_the_sidecar(home: Home) -> None:
    with home.client(**home.admin) as client:
        once = client.post("/api/v1/tokens", json={"scope": "enrol", "name": "other"}).json()["token"]
        enrolled = client.post(
            "/api/v1/agent/enrol",
            json={"name": "other", "host": "other", "version": "1", "protocol": PROTOCOL},
            headers={"Authorization": f"Bearer {once}"},
        ).json()
    path = f"/api/v1/agent/streams/{ids.to_text('volume', bytes(16))}/reports/1"
    with home.client(Authorization=f"Bearer {enrolled['token']}") as client:
        for size, code in ((BODY_BYTES_MAX, "malformed-json"), (BODY_BYTES_MAX + 1, "too-large")):
            answer = client.put(path, content=b"!" * size)
            assert answer.headers["Content-Type"] == CONTENT_TYPE, "this is not the sidecar's voice"
            assert answer.json()["type"] == DOCUMENTED + code


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_of_yesterday_is_refused(home: Home, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(home.authority.file))
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(httpx2.ConnectError), httpx2.Client(verify=context, base_url=home.url) as client:
        client.get("/healthz")
