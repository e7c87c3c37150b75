"""A MariaDB server of the tests' own: in a temporary directory, on a socket, without a network."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pymysql
import pytest
import sqlalchemy as sa

from tests.memory import PLACE
from tests.needs import needs

# The parameter of a test that wants this engine.
MARIADB = pytest.param("mariadb", marks=pytest.mark.mariadb)
_START_S = 60.0
SMALL = {
    "innodb-buffer-pool-size": "256M",
    "innodb-log-file-size": "32M",
    # Unlike a crash of the machine, a crash of the server loses nothing of this.
    "innodb-flush-log-at-trx-commit": "2",
}
# As docs/databases.md asks for it.
IN_EARNEST = {
    "innodb-buffer-pool-size": "2G",
    "innodb-log-file-size": "512M",
    "innodb-flush-log-at-trx-commit": "1",
}


class MariaDB:
    """A running server. It runs as an unprivileged user when the tests run as root."""

    def __init__(self, place: str | None = PLACE, settings: Mapping[str, str] = SMALL) -> None:
        """``place``: the directory to keep its own in; None for the usual one."""
        self.home = Path(tempfile.mkdtemp(prefix="holdfast-mariadb-", dir=place))
        self.socket = self.home / "s.sock"
        self._settings = settings
        self._user = unprivileged()
        self._server: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        if self._user is not None:
            shutil.chown(self.home, self._user)
        install(self.home, self._user)
        self.start()

    def url(self, database: str) -> str:
        """The URL of a database of this server."""
        return f"mysql+pymysql://root@localhost/{database}?unix_socket={self.socket}"

    def fresh_database(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"t{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database by its URL."""
        name = sa.make_url(url).database
        self.execute(f"DROP DATABASE IF EXISTS {name}")

    def execute(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        with contextlib.closing(pymysql.connect(unix_socket=str(self.socket), user="root")) as connection:
            with connection.cursor() as cursor:
                cursor.execute(statement)
            connection.commit()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = [
            "--no-defaults",
            f"--datadir={self.home}/data",
            f"--socket={self.socket}",
            f"--pid-file={self.home}/pid",
            f"--tmpdir={self.home}",
            f"--log-error={self.home}/error.log",
            "--skip-networking",
            "--skip-log-bin",
            *(f"--{name}={value}" for name, value in self._settings.items()),
        ]
        self._server = subprocess.Popen(
            [program("mariadbd"), *options, *as_user(self._user)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._server.poll() is not None:
                break
            if self._listens():
                self.execute("SELECT 1")
                return
            time.sleep(0.02)  # nothing tells that a server answers, but asking it
        raise RuntimeError(f"mariadbd does not start:\n{(self.home / 'error.log').read_text()[-3000:]}")

    def stop(self) -> None:
        """Shut it down in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it, if it runs, and start it again with what it has stored."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it, and remove all it has stored."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _listens(self) -> bool:
        # Not by PyMySQL: it forgets to close a socket that could not be connected.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def _end(self, number: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(number)
            server.wait()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The server of this test session; every worker of xdist has its own."""
    needs(shutil.which("mariadbd", path=_path()), "needs mariadbd")
    server = MariaDB()
    yield server
    server.close()


def install(home: Path, user: str | None) -> None:
    """Make the directory ``data`` of a server in its home."""
    command = [program("mariadb-install-db"), "--no-defaults", f"--datadir={home}/data", *as_user(user)]
    command += ["--auth-root-authentication-method=normal", "--skip-test-db"]
    # Not /tmp: a server that starts there meanwhile takes the temporary tables of others away.
    command.append(f"--tmpdir={home}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"mariadb-install-db: {done.stdout}{done.stderr}")


def unprivileged() -> str | None:
    """Whom a server runs as when the tests run as root."""
    if os.geteuid() != 0:
        return None
    names = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in ("mysql", "nobody") if name in names)


def as_user(user: str | None) -> list[str]:
    """The option of the server's programs that says so."""
    return [] if user is None else [f"--user={user}"]


def program(name: str) -> str:
    """The path of a program that is installed."""
    found = shutil.which(name, path=_path())
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


@contextlib.contextmanager
def empty_database(engine: str, request: pytest.FixtureRequest, file: Path) -> Iterator[str]:
    """The URL of an empty database: this file, or one of the server of this test session."""
    if engine == "sqlite":
        yield f"sqlite:///{file}"
        return
    server: MariaDB = request.getfixturevalue("mariadb")
    url = server.fresh_database()
    yield url
    server.drop_database(url)
