"""agent.toml: what an administrator decides, with every default and its reason."""

from __future__ import annotations

import difflib
import os
import socket
import tomllib
from typing import Literal

import msgspec

from agent.filesystems import is_fetched
from agent.settings import EngineSettings, WatchChoice
from holdfast import credentials, paths

ENROLMENT_CREDENTIAL = "agent_enrolment-token"


class ConfigInvalid(Exception):
    """The configuration cannot work. The text names file, key and reason."""


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``state_dir``: registry, token and journals; never on a watched disk.
    ``sidecar``: its URL; plain http is for loopback only, unless ``allow_plain_http``.
    ``name``: what people call this agent; the host's name by default.
    ``roots``: the only host paths it will ever expose, whatever a sidecar asks for.
    ``plain_directories``: host paths that are on the disk of the system and not on one of their own. Without this word
    a path where nothing is mounted is refused: it may be the bare mount point of a disk that is away.
    ``managed_directories``: host paths where the photo server keeps its own (uploads, thumbnails). No import path may
    lie in one of them or contain one.
    ``status_socket``: where ``holdfast-agent status`` asks; in ``state_dir`` by default.
    ``token_file`` and ``enrolment_token_file``: secrets come from files, never from here; under systemd the latter may
    be the credential ``agent_enrolment-token``.
    ``settle_s``, ``confirm_delay_s``, ``rescan_s``: see :class:`agent.settings.EngineSettings`.
    ``read_contents``: whether every file is read once, in the background, so that it is known again wherever it turns
    up: "yes", "no", or "auto", which leaves out file systems whose files a program fetches from elsewhere.
    ``watch``: how changes are seen. "fanotify" is one mark a volume, "inotify" one watch a directory, "no" scans alone;
    "auto" is fanotify where that works, but inotify on the file system of the system itself, where a mark would see
    every line of every log. Where fanotify does not work, "fanotify" is inotify too. See docs/watching.md.
    ``patience_s``: storage hangs when a worker that was at work has said nothing for so long. One look may take
    long when a disk spins up or a directory has a hundred thousand names.
    ``probe_deadline_s``: likewise when it has not said by then what it is. A disk that must spin up answers earlier.
    """

    state_dir: str = "/var/lib/holdfast/agent"
    sidecar: str = "http://127.0.0.1:8765"
    name: str = ""
    roots: list[str] = []
    plain_directories: list[str] = []
    managed_directories: list[str] = []
    status_socket: str = ""
    token_file: str = ""
    enrolment_token_file: str = ""
    allow_plain_http: bool = False
    settle_s: float = 5.0
    confirm_delay_s: float = 2.0
    rescan_s: float = 900.0
    read_contents: Literal["auto", "yes", "no"] = "auto"
    watch: WatchChoice = "auto"
    patience_s: float = 30.0
    probe_deadline_s: float = 15.0

    def engine(self, fs_type: str) -> EngineSettings:
        """The settings of the engine of a volume of this type."""
        reads = self.read_contents == "yes" or (self.read_contents == "auto" and not is_fetched(fs_type))
        return EngineSettings(
            settle_s=self.settle_s,
            confirm_delay_s=self.confirm_delay_s,
            rescan_s=self.rescan_s,
            read_contents=reads,
            watch=self.watch,
        )

    @property
    def display_name(self) -> str:
        """The agent's name."""
        return self.name or socket.gethostname()

    @property
    def socket_path(self) -> str:
        """Where the status socket is."""
        return self.status_socket or os.path.join(self.state_dir, "agent.sock")

    @property
    def enrolment_token_path(self) -> str | None:
        """The file with the enrolment token, if there is one."""
        return self.enrolment_token_file or credentials.path_of(ENROLMENT_CREDENTIAL)

    @property
    def token_path(self) -> str:
        """Where the agent's token is kept."""
        return self.token_file or os.path.join(self.state_dir, "agent.token")


def load(path: str) -> AgentConfig:
    """Read and check a configuration file. Raises :class:`ConfigInvalid`, before anything was touched."""
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigInvalid(f"{path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{path}: {error}") from error
    known = [field.name for field in msgspec.structs.fields(AgentConfig)]
    for key in document:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigInvalid(f"{path}: unknown key {key!r}{hint}")
    try:
        config = msgspec.convert(document, AgentConfig)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"{path}: {error}") from error
    _check(path, config)
    return config


def _check(path: str, config: AgentConfig) -> None:
    for key in ("roots", "plain_directories", "managed_directories"):
        for place in getattr(config, key):
            try:
                paths.check_absolute(paths.from_os(place))
            except paths.BadPath as error:
                raise ConfigInvalid(f"{path}: {key}: {error}") from error
    for key in ("settle_s", "confirm_delay_s", "rescan_s", "patience_s", "probe_deadline_s"):
        if getattr(config, key) <= 0:
            raise ConfigInvalid(f"{path}: {key} must be more than 0 seconds")
    if not config.sidecar.startswith(("http://", "https://")):
        raise ConfigInvalid(f"{path}: sidecar: {config.sidecar!r} is not an http or https URL")
