"""The sidecar's configuration: ``sidecar.toml``, then credentials, the environment, command line options over it."""

from __future__ import annotations

import math
import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from holdfast import credentials, settings_file
from holdfast.settings_file import Complaint, ConfigProblem, Origin, Unusable
from sidecar import forwarding
from sidecar.catalog.engine import check_url
from sidecar.errors import ConfigError

ENV_FILE = "HOLDFAST_SIDECAR_CONFIG"
# What the package installs, and the units run the sidecar with.
INSTALLED_FILE = "/etc/holdfast/sidecar.toml"
INSTALLED_CREDENTIALS = "/etc/holdfast/credentials/sidecar"
_ENV_PREFIX = "HOLDFAST_SIDECAR_"
# The option of the command line, where it is not called as the setting is.
_OPTIONS = {"state_dir": "--state"}
# The URL of a database mostly has a password in it, and then belongs into no file that others read.
DATABASE_CREDENTIAL = "sidecar_database"
# Who says one of these means a catalog of their own, and not the one that is installed.
_OWN = ("state_dir", "database")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set, with its default.

    ``state_dir``: where the administrator's first token is left, and the catalog, by default.
    ``database``: where the catalog is; SQLite in the state directory when left out. Several servers that hold the same
    are tried in turn (``mysql+pymysql://USER@/DATABASE?host=A&host=B``). Under systemd it may come as the credential
    ``sidecar_database``.
    ``listen``: HOST:PORT or unix:PATH; a socket that the service manager opened comes before it.
    ``workers``: processes that answer requests.
    ``threads``: of each of them; every waiting reader of the feed and every agent holds one.
    ``trusted_proxies``: addresses and networks of the proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are
    believed; ``unix`` for whoever speaks through the unix socket. In the environment, with commas between them.
    ``silent_after_s``: how long after the last heartbeat an agent counts as silent.
    ``metrics_open``: whether ``/metrics`` is answered without a token, to everybody who reaches it.
    ``public_url``: where people reach the web pages, such as ``https://photos.example``; links begin with it.
    ``proxy_user_header``: a header, such as ``Remote-User``, in which a trusted proxy names a person whom it has logged
    in; nobody whom it names is asked for a password.
    ``proxy_user_role``: what such a person may do, where there is no account of that name to say so.
    """

    state_dir: str = "/var/lib/holdfast/sidecar"
    database: str = ""
    # Loopback: tokens must not travel readable. A proxy with TLS stands before it.
    listen: str = "127.0.0.1:8765"
    workers: int = 2
    threads: int = 32
    # Nobody's: whoever is believed says where requests come from, in logs and where wrong tokens are counted.
    trusted_proxies: tuple[str, ...] = ()
    # Three heartbeats of 10 s.
    silent_after_s: float = 30.0
    # It names volumes and agents. And a proxy makes a request of anybody look like one of this host.
    metrics_open: bool = False
    public_url: str = ""
    proxy_user_header: str = ""
    # Whoever the proxy lets in may look. More than that is said in so many words.
    proxy_user_role: Literal["reader", "operator", "admin"] = "reader"


def file_of(file: str | None, environment: Mapping[str, str], options: Mapping[str, Any]) -> str | None:
    """The file that counts. Without a word on that, nor on where the catalog is, it is that of the sidecar that is
    installed here: whoever asks at the command line means the same catalog as the service."""
    if named := file or environment.get(ENV_FILE):
        return named
    return INSTALLED_FILE if not _is_own(environment, options) and os.path.lexists(INSTALLED_FILE) else None


def load(file: str | None, environment: Mapping[str, str], options: Mapping[str, Any]) -> Config:
    """The configuration. Options that are None do not count. Raises :class:`ConfigError`."""
    file = file_of(file, environment, options)
    try:
        values, origins = settings_file.read(file) if file else ({}, {})
        is_installed = file == INSTALLED_FILE and not _is_own(environment, options)
        for key, value, source in _overriding(environment, options, is_installed=is_installed):
            values[key], origins[key] = value, Origin(source)
        # Not strict, since everything from the environment is text.
        config = settings_file.convert(Config, values, origins, _complaints, strict=False)
    except Unusable as error:
        raise ConfigError(str(error), error.problems) from error
    if not os.path.isabs(config.state_dir):
        config = msgspec.structs.replace(config, state_dir=os.path.abspath(config.state_dir))
    if not config.database:
        config = msgspec.structs.replace(config, database=f"sqlite:///{config.state_dir}/catalog.sqlite3")
    return config


def _secret_database(environment: Mapping[str, str], *, is_installed: bool) -> str | None:
    """The credential: handed over by the service manager, or where it is kept, for people who are root."""
    try:
        if credentials.DIRECTORY in environment or not is_installed:
            return credentials.text_of(DATABASE_CREDENTIAL, environment)
        return credentials.kept(INSTALLED_CREDENTIALS, "database")
    except PermissionError as error:
        # Without it the catalog would be another one: an empty one, in SQLite.
        reason = "this may not be read. Ask as root."
        problem = ConfigProblem(source=str(error.filename), line=None, key="", reason=reason)
        raise ConfigError(problem.sentence, [problem]) from error


def to_environment(config: Config) -> dict[str, str]:
    """The configuration as environment variables, for a process that is started with it."""
    values = {name: getattr(config, name) for name in Config.__struct_fields__}
    values["trusted_proxies"] = ",".join(config.trusted_proxies)
    return {_ENV_PREFIX + name.upper(): str(value) for name, value in values.items()}


def _is_own(environment: Mapping[str, str], options: Mapping[str, Any]) -> bool:
    return any(options.get(name) or environment.get(_ENV_PREFIX + name.upper()) for name in _OWN)


def _overriding(
    environment: Mapping[str, str], options: Mapping[str, Any], *, is_installed: bool
) -> Iterator[tuple[str, Any, str]]:
    """What comes before the file, the strongest last: a setting, its value, and where that is from."""
    if database := _secret_database(environment, is_installed=is_installed):
        yield "database", database, f"the credential {DATABASE_CREDENTIAL}"
    for name in Config.__struct_fields__:
        variable = _ENV_PREFIX + name.upper()
        if variable in environment:
            yield name, _read(name, environment[variable]), variable
    for name, value in options.items():
        if value is not None:
            yield name, value, _OPTIONS.get(name, f"--{name}")


def _read(name: str, text: str) -> Any:
    """What a variable of the environment says."""
    return [one.strip() for one in text.split(",") if one.strip()] if name == "trusted_proxies" else text


def _complaints(config: Config) -> Iterator[Complaint]:
    if config.database:
        try:
            check_url(config.database)
        except ConfigError as error:
            yield "database", str(error).removeprefix("database: ")
    if not _is_address(config.listen):
        yield "listen", f"{config.listen!r} is neither HOST:PORT nor unix:PATH"
    try:
        forwarding.parse(config.trusted_proxies)
    except ValueError as error:
        yield "trusted_proxies", str(error)
    url = urllib.parse.urlsplit(config.public_url)
    if config.public_url and (url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/")):
        yield "public_url", f"{config.public_url!r} is not the http or https address of a host"
    if config.proxy_user_header and not _HEADER.fullmatch(config.proxy_user_header):
        yield "proxy_user_header", f"{config.proxy_user_header!r} is not the name of a header"
    elif config.proxy_user_header and not config.trusted_proxies:
        yield "proxy_user_header", "name the proxies that may send it in trusted_proxies; else anybody could be anybody"
    for name, lowest in (("workers", 1), ("threads", 2), ("silent_after_s", 1)):
        if not lowest <= getattr(config, name) < math.inf:
            yield name, f"must be at least {lowest}"


def _is_address(listen: str) -> bool:
    if listen.startswith("unix:"):
        return len(listen) > len("unix:")
    host, _, port = listen.rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16
