"""agent.toml: what an administrator decides, with every default and its reason."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from typing import Literal

import msgspec

from agent.filesystems import is_fetched
from agent.settings import EngineSettings, WatchChoice
from agent.trust import BadTrust, Trust, pin
from holdfast import credentials, paths, settings_file
from holdfast.settings_file import Complaint, Unusable

ENROLMENT_CREDENTIAL = "agent_enrolment-token"


class ConfigInvalid(Unusable):
    """The configuration cannot work. The text names file, line, key and reason, of every mistake."""


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``state_dir``: registry, token and journals; never on a watched disk.
    ``sidecar``: its URL; plain http is for loopback only, unless ``allow_plain_http``.
    ``ca_file``: certificates in PEM of the only authorities that may vouch for the sidecar; those of the system, when
    left out. ``pin_sha256``: digests of the only public keys that the sidecar may have besides. See docs/tls.md.
    ``name``: what people call this agent; the host's name by default.
    ``roots``: the only host paths it will ever expose, whatever a sidecar asks for.
    ``plain_directories``: host paths that are on the disk of the system and not on one of their own. Without this word
    a path where nothing is mounted is refused: it may be the bare mount point of a disk that is away.
    ``managed_directories``: host paths where the photo server keeps its own (uploads, thumbnails). No import path may
    lie in one of them or contain one.
    ``status_socket``: where ``holdfast-agent status`` asks; in ``state_dir`` by default.
    ``token_file``: where the agent's own token is kept; in ``state_dir`` by default. Secrets come from files, never
    from here.
    ``enrolment_token_file``: the token to enrol with, once. Under systemd it may be the credential
    ``agent_enrolment-token``.
    ``allow_plain_http``: talk to a sidecar on another machine without TLS, where the network itself is trusted.
    ``settle_s``: a file that was written, and not seen to be closed, must be quiet this long.
    ``confirm_delay_s``: the time between the two looks that prove that a file is gone.
    ``rescan_s``: a volume that cannot be watched completely is scanned this often.
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
    ca_file: str = ""
    pin_sha256: list[str] = []
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
    def trust(self) -> Trust:
        """Whom the agent takes for its sidecar."""
        return Trust(self.ca_file, tuple(map(pin, self.pin_sha256)))

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
        values, origins = settings_file.read(path)
        return settings_file.convert(AgentConfig, values, origins, _complaints)
    except Unusable as error:
        raise ConfigInvalid(error.problems) from error


def parse(path: str, text: str) -> AgentConfig:
    """Likewise, of the text that the file has, or is to have."""
    try:
        values, origins = settings_file.parse(path, text)
        return settings_file.convert(AgentConfig, values, origins, _complaints)
    except Unusable as error:
        raise ConfigInvalid(error.problems) from error


def _complaints(config: AgentConfig) -> Iterator[Complaint]:
    for key in ("roots", "plain_directories", "managed_directories"):
        for place in getattr(config, key):
            try:
                paths.check_absolute(paths.from_os(place))
            except paths.BadPath:
                yield key, f"{place!r} is not a path that starts with /, without . or .. in it"
    for key in ("settle_s", "confirm_delay_s", "rescan_s", "patience_s", "probe_deadline_s"):
        if not 0 < getattr(config, key) < math.inf:
            yield key, "must be more than 0 seconds, and end some time"
    if not config.sidecar.startswith(("http://", "https://")):
        yield "sidecar", f"{config.sidecar!r} is not an http or https URL"
    if config.sidecar.startswith("http://") and (config.ca_file or config.pin_sha256):
        key = "ca_file" if config.ca_file else "pin_sha256"
        yield key, "plain http proves nothing about who answers; set sidecar to an https URL"
    try:
        config.trust.context()
    except BadTrust as error:
        yield error.key, str(error)
