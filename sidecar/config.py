"""The sidecar's configuration: ``sidecar.toml``, then credentials, the environment, command line options over it."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast import credentials
from sidecar.catalog.engine import check_url
from sidecar.errors import ConfigError

ENV_FILE = "HOLDFAST_SIDECAR_CONFIG"
_ENV_PREFIX = "HOLDFAST_SIDECAR_"
# The URL of a database mostly has a password in it, and then belongs into no file that others read.
DATABASE_CREDENTIAL = "sidecar_database"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set, with its default.

    ``database``: where the catalog is; SQLite in the state directory when left out. Under systemd it may come as the
    credential ``sidecar_database``. ``listen``: HOST:PORT or unix:PATH; a socket that the service manager opened comes
    before it. ``workers`` and ``threads``: every waiting reader of the feed and every agent holds one thread.
    ``silent_after_s``: how long after the last heartbeat an agent counts as silent.
    """

    state_dir: str = "/var/lib/holdfast/sidecar"
    database: str = ""
    # Loopback: tokens must not travel readable. A proxy with TLS stands before it.
    listen: str = "127.0.0.1:8765"
    workers: int = 2
    threads: int = 32
    # Three heartbeats of 10 s.
    silent_after_s: float = 30.0


def load(file: str | None, environment: Mapping[str, str], options: Mapping[str, Any]) -> Config:
    """The configuration. Options that are None do not count. Raises :class:`ConfigError`."""
    file = file or environment.get(ENV_FILE)
    values = _from_file(file) if file else {}
    database = credentials.text_of(DATABASE_CREDENTIAL, environment)
    values |= {"database": database} if database else {}
    values |= _from_environment(environment)
    values |= {name: value for name, value in options.items() if value is not None}
    return _checked(values)


def to_environment(config: Config) -> dict[str, str]:
    """The configuration as environment variables, for a process that is started with it."""
    return {_ENV_PREFIX + name.upper(): str(getattr(config, name)) for name in Config.__struct_fields__}


def _from_file(file: str) -> dict[str, Any]:
    try:
        with open(file, "rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"{file}: {os.strerror(error.errno or 0)}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {_ENV_PREFIX + name.upper(): name for name in Config.__struct_fields__}
    return {names[key]: value for key, value in environment.items() if key in names}


def _checked(values: dict[str, Any]) -> Config:
    known = Config.__struct_fields__
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise ConfigError(f"{name}: this key is not known{hint}")
    try:
        # Not strict, since everything from the environment is text.
        config = msgspec.convert(values, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
    if not os.path.isabs(config.state_dir):
        config = msgspec.structs.replace(config, state_dir=os.path.abspath(config.state_dir))
    if not config.database:
        config = msgspec.structs.replace(config, database=f"sqlite:///{config.state_dir}/catalog.sqlite3")
    check_url(config.database)
    _check_listen(config.listen)
    for name, lowest in (("workers", 1), ("threads", 2), ("silent_after_s", 1)):
        if getattr(config, name) < lowest:
            raise ConfigError(f"{name}: must be at least {lowest}")
    return config


def _check_listen(listen: str) -> None:
    if listen.startswith("unix:") and len(listen) > len("unix:"):
        return
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ConfigError(f"listen: {listen!r} is neither HOST:PORT nor unix:PATH")
