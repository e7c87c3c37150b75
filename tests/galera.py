"""A Galera cluster of the tests' own: three MariaDB nodes on loopback, each in a temporary directory."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.mariadb import as_user, install, program, unprivileged
from tests.needs import needs

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
NODES = 3
# A node that joins is sent all that the others have stored.
_START_S = 90.0
_EVICTION = (
    "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S"
)


class Node:
    """A node, running or not. The first of a cluster has a data directory, the others get theirs from it."""

    def __init__(self, home: Path, ports: Sequence[int], user: str | None) -> None:
        self.home = home
        self.port, self.group_port, self._ist_port, self._sst_port = ports
        self._user = user
        self._server: subprocess.Popen[bytes] | None = None

    def start(self, members: Sequence[Node]) -> None:
        """Start it and let it join these; without any, it begins a cluster. :meth:`wait` waits for it."""
        provider = [
            f"gmcast.listen_addr=tcp://127.0.0.1:{self.group_port}",
            f"ist.recv_addr=127.0.0.1:{self._ist_port}",
            "gcache.size=32M",
            _EVICTION,
        ]
        options = [
            "--no-defaults",
            f"--datadir={self.home}/data",
            f"--socket={self.home}/s.sock",
            f"--pid-file={self.home}/pid",
            f"--tmpdir={self.home}",
            f"--log-error={self.home}/error.log",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=32M",
            "--innodb-autoinc-lock-mode=2",
            # What a node that crashed has lost, it gets from the others.
            "--innodb-flush-log-at-trx-commit=0",
            "--binlog-format=ROW",
            "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}",
            f"--wsrep-provider-options={';'.join(provider)}",
            "--wsrep-cluster-name=holdfast-tests",
            f"--wsrep-cluster-address=gcomm://{','.join(f'127.0.0.1:{one.group_port}' for one in members)}",
            "--wsrep-node-address=127.0.0.1",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{self._sst_port}",
            # More than one, as a cluster that has work to do is set up: they apply in parallel and commit in order.
            "--wsrep-slave-threads=4",
        ]
        self._server = subprocess.Popen(
            [program("mariadbd"), *options, *as_user(self._user)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait(self) -> None:
        """Wait until it takes part in the cluster."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._server is None or self._server.poll() is not None:
                break
            # One that is being sent its data listens, and hangs up.
            with contextlib.suppress(pymysql.OperationalError):
                if self._listens() and self.status("wsrep_ready") == "ON":
                    return
            time.sleep(0.05)  # nothing tells that a server answers, but asking it
        log = self.home / "error.log"
        raise RuntimeError(f"a node does not start:\n{log.read_text()[-4000:] if log.exists() else ''}")

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not ended since."""
        return self._server is not None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def execute(self, statement: str) -> Any:
        """Run a statement as its administrator; returns the first row."""
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()

    @contextlib.contextmanager
    def applying_nothing(self) -> Iterator[None]:
        """Meanwhile it answers, but does not get to know what the others commit."""
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            try:
                yield
            finally:
                cursor.execute("UNLOCK TABLES")

    def status(self, name: str) -> str:
        """A status variable. A node without its cluster tells these too."""
        return str(self.execute(f"SHOW STATUS LIKE '{name}'")[1])

    def _connect(self) -> pymysql.Connection[Any]:
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)

    def _listens(self) -> bool:
        # Not by PyMySQL: it forgets to close a socket that could not be connected.
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _end(self, number: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(number)
            server.wait()


class Cluster:
    """Three nodes. They run as an unprivileged user when the tests run as root."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="holdfast-galera-"))
        user = unprivileged()
        ports = iter(_free_ports(4 * NODES))
        homes = [self.home / f"node{number}" for number in range(NODES)]
        self.nodes = [Node(home, list(itertools.islice(ports, 4)), user) for home in homes]
        self._numbers = itertools.count(1)
        for home in homes:
            (home / "data").mkdir(parents=True)
        if user is not None:
            for path in (self.home, *homes, *(home / "data" for home in homes)):
                shutil.chown(path, user)
        try:
            install(homes[0], user)
            self.nodes[0].start([])
            self.nodes[0].wait()
            # One after the other: a node that sends its data to one cannot send it to another.
            for number in range(1, NODES):
                self.nodes[number].start(self.nodes[:number])
                self.nodes[number].wait()
        except BaseException:
            self.close()
            raise

    def url(self, database: str, *order: int) -> str:
        """The URL of a database, with these nodes in this order; all of them without."""
        hosts = "&".join(f"host=127.0.0.1:{self.nodes[number].port}" for number in order or range(NODES))
        return f"mysql+pymysql://root@/{database}?{hosts}"

    def fresh_database(self) -> str:
        """Make an empty database; returns its name."""
        name = f"g{next(self._numbers)}"
        self.nodes[0].execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def revive(self, number: int) -> None:
        """Start a node again, and wait until it has what it missed."""
        self.nodes[number].start([one for one in self.nodes if one is not self.nodes[number]])
        self.nodes[number].wait()

    def close(self) -> None:
        """End it, and remove all it has stored."""
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="session")
def galera() -> Iterator[Cluster]:
    """The cluster of this test session; every worker of xdist that asks has its own."""
    needs(PROVIDER.exists(), "needs galera-4")
    needs(shutil.which("rsync"), "needs rsync")
    cluster = Cluster()
    yield cluster
    cluster.close()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
