"""What is checked before anything is started: paths, packages, the port, the database, the state directory.

Each check answers with a :class:`Refusal` or None, and leaves nothing behind.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import threading
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from holdfast.exits import Exit
from holdfast.up.refusals import Refusal

LOOK_WAIT_S = 10.0  # a hung mount must not hang the command; healthy storage lists its root far sooner
CONNECT_WAIT_S = 5.0
SOCKET_PATH_BYTES_MAX = 107  # sun_path of unix(7), without the terminating NUL

_LONGEST_SOCKET = "agent.sock.control"
_SIDECAR_MODULES = ("alembic", "flask", "gunicorn", "sqlalchemy")


class Listen(NamedTuple):
    """Where the sidecar listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """What to type into a browser on this machine."""
        reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{reachable}]:{self.port}" if ":" in reachable else f"http://{reachable}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> Listen | Refusal:
    """``HOST:PORT``, with brackets around an IPv6 address."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        return Refusal(Exit.USAGE, f"--listen {text!r} is not HOST:PORT, such as 127.0.0.1:8765.")
    return Listen(host, int(port))


def photos(path: str) -> Refusal | None:
    """Whether this can be a folder of photos. Asked only of a path that is new: a known one may be away."""
    if not path.isprintable():
        return _no_input(f"{path!r} has bytes in its name that are not text. Rename it, or name the folder above it.")
    answers: list[Refusal | None] = []
    look = threading.Thread(target=lambda: answers.append(_look(path)), daemon=True)
    look.start()
    look.join(LOOK_WAIT_S)
    if answers:
        return answers[0]
    return _no_input(f"{path} does not answer. Check the network, the server or the cable behind it.")


def is_on_system_disk(path: str, mountinfo: str = "/proc/self/mountinfo") -> bool:
    """Whether no mount but that of the root lies at or above a path."""
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as lines:
        fields = (line.split(" ") for line in lines)
        points = [one[4].replace("\\040", " ").rstrip("/") for one in fields if len(one) > 4]
    return not any(point and (path == point or path.startswith(f"{point}/")) for point in points)


def _look(path: str) -> Refusal | None:
    try:
        with os.scandir(path) as entries:
            first = next(entries, None)
    except FileNotFoundError:
        return _no_input(f"{path} does not exist. Check the spelling, or mount the disk first.")
    except NotADirectoryError:
        return _no_input(f"{path} is a file. Name the folder that holds the photos.")
    except PermissionError:
        return _no_input(f"{path} cannot be read by this user. Give permission to read and enter it.")
    except OSError as error:
        reason = error.strerror or "unknown error"
        return _no_input(f"{path} cannot be read: {reason}. Check the disk and its cable.")
    if first is None:
        return _no_input(
            f"{path} is empty. If its photos are on a disk that is not mounted, mount it first; "
            "else put a photo there and try again."
        )
    return None


def packages(database: str) -> Refusal | None:
    """Whether the sidecar's packages, and the database's driver, are installed."""
    wanted = list(_SIDECAR_MODULES)
    extras = "sidecar"
    if database.startswith("mysql"):
        wanted.append("pymysql")
        extras = "sidecar,mysql"
    absent = [name for name in wanted if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    return Refusal(
        Exit.UNAVAILABLE,
        f"The sidecar needs packages that are not installed ({', '.join(absent)}). "
        f"Install them: pip install 'holdfast[{extras}]'.",
    )


def port(listen: Listen) -> Refusal | None:
    """Whether the sidecar could listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        return Refusal(Exit.USAGE, f"--listen: {listen.host!r} is not an address of this machine.")
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return Refusal(Exit.UNAVAILABLE, _port_sentence(listen, error.errno))
    return None


def _port_sentence(listen: Listen, number: int | None) -> str:
    if number == errno.EADDRINUSE:
        other = listen._replace(port=listen.port + 1 if listen.port < 65535 else 8765)
        return f"Port {listen.port} is in use by another program. Choose another: --listen {other}."
    if number == errno.EACCES:
        return f"Port {listen.port} needs root. Choose one above 1023: --listen {listen.host}:8765."
    return f"{listen.host} is not an address of this machine. Use 127.0.0.1 for this machine alone."


def database(url: str) -> Refusal | None:
    """Whether the database can be reached at all. Its name, user and password are the sidecar's to try."""
    try:
        parts = urlsplit(url)
        server = (parts.hostname or "127.0.0.1", parts.port or 3306)
    except ValueError:
        return _bad_database()
    if parts.scheme.partition("+")[0] == "sqlite" and url.startswith(f"{parts.scheme}:///"):
        return None
    if parts.scheme != "mysql+pymysql":
        return _bad_database()
    local = parse_qs(parts.query).get("unix_socket")
    try:
        if local:
            _connect_local(unquote(local[0]))
        else:
            socket.create_connection(server, CONNECT_WAIT_S).close()
    except OSError as error:
        where = local[0] if local else f"{server[0]}:{server[1]}"
        reason = error.strerror or str(error)
        return Refusal(
            Exit.UNAVAILABLE,
            f"The database at {where} cannot be reached: {reason}. Start it, or correct --database.",
        )
    return None


def without_password(url: str) -> str:
    """A database URL that may be shown and kept."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, server = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{server}"))


def _connect_local(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CONNECT_WAIT_S)
        connection.connect(path)


def state(directory: str) -> Refusal | None:
    """Whether the state directory can be made and written."""
    if len(os.fsencode(os.path.join(directory, _LONGEST_SOCKET))) > SOCKET_PATH_BYTES_MAX:
        return Refusal(Exit.CANNOT_CREATE, f"--state {directory} is too long for a Unix socket. Choose a shorter path.")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        return Refusal(
            Exit.CANNOT_CREATE, f"{directory} cannot be made: {error.strerror}. Choose another with --state."
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        return Refusal(Exit.CANNOT_CREATE, f"{directory} cannot be written by this user. Choose another with --state.")
    return None


def state_outside(directory: str, folders: Sequence[str]) -> Refusal | None:
    """The catalog must not live among the photos: it would vanish with them (and be watched for ever)."""
    real = os.path.realpath(directory)
    for folder in folders:
        if os.path.commonpath([real, folder]) == folder:
            return Refusal(
                Exit.CANNOT_CREATE,
                f"The state directory {directory} lies inside {folder}. Choose one elsewhere with --state.",
            )
    return None


def _no_input(sentence: str) -> Refusal:
    return Refusal(Exit.NO_INPUT, sentence)


def _bad_database() -> Refusal:
    return Refusal(
        Exit.USAGE,
        "--database is not understood. Use mysql+pymysql://USER:PASSWORD@HOST/NAME or sqlite:////PATH.",
    )
