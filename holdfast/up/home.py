"""The state directory of ``up``: what lies where, the lock, and the agent's configuration."""

from __future__ import annotations

import fcntl
import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Self

from holdfast.exits import Exit
from holdfast.up.refusals import Refusal, Refused


def default_directory(environment: Mapping[str, str]) -> str:
    """``$XDG_STATE_HOME/holdfast``, by default ``~/.local/state/holdfast``."""
    base = environment.get("XDG_STATE_HOME", "")
    # The specification says that a relative value is invalid and to be ignored.
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "holdfast")


class Home:
    """Places inside one state directory. Enter it to hold its lock."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.admin_token = self._at("admin.token")
        self.agent_state = self._at("agent")
        self.agent_token = self._at("agent/agent.token")
        self.agent_config = self._at("agent.toml")
        self.agent_socket = self._at("agent.sock")
        self.enrolment_token = self._at("enrolment.token")
        self.bookmark = self._at("feed.json")
        self.database = self._at("database")
        self.logs = self._at("log")
        self._lock = self._at("lock")
        self._lock_fd = -1

    @property
    def is_enrolled(self) -> bool:
        """Whether the agent has a token of its own already."""
        return self.read(self.agent_token) is not None

    def log(self, part: str) -> str:
        """The log file of a part."""
        return self._at(f"log/{part}.log")

    def __enter__(self) -> Self:
        os.makedirs(self.logs, mode=0o700, exist_ok=True)
        os.makedirs(self.agent_state, mode=0o700, exist_ok=True)
        self._lock_fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock_fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock_fd)
            raise Refused(self._taken(holder)) from None
        os.ftruncate(self._lock_fd, 0)
        os.pwrite(self._lock_fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(self, *exception: object) -> None:
        # The file stays: removing it would let two runs lock two different files of one name.
        os.close(self._lock_fd)

    def read(self, path: str) -> str | None:
        """The text of a small file here, stripped; None when there is none."""
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: str, text: str) -> None:
        """Put a small file in place, whole or not at all, for this user's eyes only."""
        temporary = f"{path}.new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)

    def known_folders(self) -> list[str]:
        """The folders of earlier runs, as the agent's configuration lists them."""
        return self._listed("roots")

    def known_plain(self) -> list[str]:
        """Those of earlier runs that a person named while they were on the disk of the system."""
        return self._listed("plain_directories")

    def _listed(self, key: str) -> list[str]:
        try:
            listed = tomllib.loads(self.read(self.agent_config) or "").get(key, [])
        except tomllib.TOMLDecodeError as error:
            sentence = f"{self.agent_config} is damaged ({error}). Correct or remove it."
            raise Refused(Refusal(Exit.CANNOT_CREATE, sentence)) from error
        except OSError as error:
            sentence = f"{self.agent_config} cannot be read: {error.strerror}. Choose another --state."
            raise Refused(Refusal(Exit.CANNOT_CREATE, sentence)) from error
        return [one for one in listed if isinstance(one, str)]

    def adopt(self, database: str) -> Refusal | None:
        """Remember whose state this is: tokens and journals belong to one catalog. ``database`` has no password."""
        known = self.read(self.database)
        if known is None:
            self.write(self.database, f"{database}\n")
        elif known != database:
            return Refusal(
                Exit.USAGE,
                f"{self.directory} belongs to the catalog {known}. Name the same --database, or another --state.",
            )
        return None

    def _taken(self, holder: str) -> Refusal:
        who = f" (process {holder})" if holder else ""
        return Refusal(
            Exit.TRY_AGAIN,
            f"Another 'holdfast up'{who} uses {self.directory}. Stop it first, or choose another --state.",
        )

    def _at(self, name: str) -> str:
        return os.path.join(self.directory, name)


def agent_toml(
    home: Home,
    sidecar: str,
    name: str,
    roots: Sequence[str],
    plain: Sequence[str] = (),
    *,
    watch: str = "auto",
    read_contents: str = "auto",
) -> str:
    """The agent's configuration. ``plain`` are the roots that are on no disk of their own; ``watch`` and
    ``read_contents`` as in its settings: a measurement may do without watching, or without reading."""
    lines = [
        "# Written by 'holdfast up' at each start; the roots of earlier runs are kept.",
        f"state_dir = {_quoted(home.agent_state)}",
        f"sidecar = {_quoted(sidecar)}",
        f"name = {_quoted(name)}",
        f"status_socket = {_quoted(home.agent_socket)}",
        f"token_file = {_quoted(home.agent_token)}",
        f"enrolment_token_file = {_quoted(home.enrolment_token)}",
        *_list("roots", roots),
        *_list("plain_directories", plain),
        f"watch = {_quoted(watch)}",
        f"read_contents = {_quoted(read_contents)}",
    ]
    return "\n".join(lines) + "\n"


def _list(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key} = [", *(f"    {_quoted(value)}," for value in values), "]"]


def _quoted(text: str) -> str:
    """A basic string of TOML: quotes, backslashes and control characters are escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char >= " " and char != "\x7f" else f"\\u{ord(char):04x}" for char in escaped) + '"'
