"""What the verbs share: the options that say which catalog, and how failures end the process."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import click
import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from holdfast import wording
from holdfast.console import end
from holdfast.exits import Exit
from sidecar import config
from sidecar.api.problems import kind
from sidecar.catalog import audit
from sidecar.catalog.audit import Deed, Outcome
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import connect, transact
from sidecar.config import Config
from sidecar.errors import CatalogError, ConfigError, Refused

# Who did it, where nobody sent a token.
CONSOLE = "the command line"

F = TypeVar("F", bound=Callable[..., Any])


def catalog_choices(function: F) -> F:
    """The options ``--config``, ``--state`` and ``--database``. The verb gets the first as ``file`` and all that is
    given besides it as ``given``."""

    @click.option(
        "--config",
        "file",
        metavar="FILE",
        type=click.Path(),
        envvar=config.ENV_FILE,
        show_envvar=True,
        help="The configuration, sidecar.toml; that of /etc/holdfast when nothing says otherwise.",
    )
    @click.option(
        "--state",
        "state_dir",
        metavar="DIR",
        type=click.Path(),
        help="Where the state is kept; the catalog too, by default.",
    )
    @click.option("--database", metavar="URL", help="The catalog: sqlite:///FILE or mysql+pymysql://USER@HOST/NAME.")
    @functools.wraps(function)
    def wrapped(state_dir: str | None, database: str | None, **options: Any) -> Any:
        given = {"state_dir": state_dir, "database": database, "listen": options.pop("listen", None)}
        return function(given=given, **options)

    return wrapped  # type: ignore[return-value]


def catalog_options(function: F) -> F:
    """The same options. The verb gets the :class:`Config` as ``settings``."""

    @functools.wraps(function)
    def wrapped(file: str | None, given: dict[str, str | None], **options: Any) -> Any:
        with failures():
            return function(settings=config.load(file, os.environ, given), **options)

    return catalog_choices(wrapped)  # type: ignore[return-value]


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """End the process with the right status, and one line that says why."""
    try:
        yield
    except ConfigError as error:
        end_because_of(error)
    except (CatalogError, DBAPIError) as error:
        told = first_line(error).rstrip(".")
        end(f"The database cannot be used: {told}. 'holdfast-sidecar doctor' finds out why.", Exit.UNAVAILABLE)
    except ModuleNotFoundError as error:
        end(f"The package {error.name} is not installed, and this database needs it.", Exit.UNAVAILABLE)


def end_because_of(error: ConfigError) -> NoReturn:
    """Say what is wrong with the configuration, one line each, and end."""
    told = [problem.sentence for problem in error.problems] or [str(error)]
    click.echo(f"The configuration cannot work: {wording.shown(told[0])}", err=True)
    for sentence in told[1:]:
        click.echo(wording.shown(sentence), err=True)
    raise SystemExit(Exit.CONFIG)


def first_line(error: Exception) -> str:
    """What a database says, without the statement and its values, which SQLAlchemy adds in further lines."""
    return str(error).partition("\n")[0]


def refuse(sentence: str) -> NoReturn:
    """End because an argument means nothing here."""
    end(sentence, Exit.USAGE)


@contextlib.contextmanager
def opened(settings: Config) -> Iterator[Engine]:
    """The engine of a configuration, closed at the end. Makes the state directory when it is not there."""
    make_state_dir(settings)
    engine = connect(settings.database)
    _leave_catalog_to_its_user(engine)
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def audited(engine: Engine, action: str, target: str = "", /, **values: object) -> Iterator[None]:
    """Write into the audit log what a person does at the command line, and what came of it. ``action`` is what the
    REST API calls the same."""
    now = now_us()
    entry = audit.new_entry(now)
    body = msgspec.json.encode(values).decode() if values else ""
    deed = Deed(None, f"{CONSOLE}, {_user()}", "console", action, target, body)
    transact(engine, lambda connection: audit.begin(connection, deed, entry, now))
    outcome = Outcome(500, "internal")
    try:
        yield
        outcome = Outcome(200)
    except Refused as refused:
        outcome = Outcome(kind(refused.code).status, refused.code)
        raise
    finally:
        transact(engine, lambda connection: audit.end(connection, entry, outcome))


def make_state_dir(settings: Config) -> None:
    """Make the state directory, and whatever else this process makes, for its owner only."""
    os.umask(0o077)
    try:
        os.makedirs(settings.state_dir, mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"state_dir: {settings.state_dir}: {os.strerror(error.errno or 0)}") from error


def _leave_catalog_to_its_user(engine: Engine) -> None:
    """Root may be the first to open the catalog. It has to belong to whoever owns the state directory, as whom the
    service runs; what SQLite puts beside it, it gives to the same by itself."""
    path = engine.url.database
    if os.geteuid() != 0 or engine.dialect.name != "sqlite" or not path:
        return
    try:
        owner = os.stat(os.path.dirname(path))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return  # it is there, or cannot be: connecting tells
    os.fchown(descriptor, owner.st_uid, owner.st_gid)
    os.close(descriptor)


def write_secret(path: str, text: str) -> None:
    """Write a secret to a new file that only its owner may read; an existing one is never overwritten.

    It appears whole or not at all, so that whoever waits for it reads no half of it.
    """
    draft = f"{path}.{os.getpid()}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, path)
    finally:
        os.unlink(draft)


def _user() -> str:
    """The person at the command line, as the system knows them: who logged in, before any sudo."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
