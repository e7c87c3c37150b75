"""One examination: all evidence, gathered within seconds. Nothing is changed by it, and nothing is made."""

from __future__ import annotations

import os
import time

from msgspec.structs import replace
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from holdfast import __version__
from sidecar import catalog
from sidecar.catalog import examining, leases
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import connect, snapshot
from sidecar.config import Config
from sidecar.doctor import host
from sidecar.doctor.evidence import CatalogEvidence, DatabaseEvidence, Evidence, Schema
from sidecar.errors import CatalogError
from sidecar.promote.freeze import sealed_for
from sidecar.worker import NAME, RENEW_S

# A holder renews in time, and a busy machine a little later.
_LEASE_WAIT_S = RENEW_S + 3.0
_LEASE_LOOK_S = 0.5


def examine(config: Config, file: str) -> Evidence:
    """Ask the API, the database and this machine."""
    database, found = _database(config)
    return Evidence(
        version=__version__,
        config=file,
        processes=config.workers + 1,
        silent_after_s=config.silent_after_s,
        service=host.ask_service(config.listen),
        state=host.read_state(config.state_dir),
        database=database,
        catalog=found,
    )


def _database(config: Config) -> tuple[DatabaseEvidence, CatalogEvidence | None]:
    url = make_url(config.database)
    evidence = DatabaseEvidence(url=url.render_as_string(hide_password=True))
    is_file = url.get_backend_name() == "sqlite"
    if is_file:
        evidence = _of_file(evidence, os.path.realpath(str(url.database)))
        if evidence.schema is Schema.NONE or evidence.problem is not None:
            return evidence, None
    try:
        engine = connect(config.database)
    except ModuleNotFoundError as error:
        return replace(evidence, missing=str(error.name)), None
    try:
        return _ask(engine, evidence, is_file=is_file)
    except (CatalogError, DBAPIError) as error:
        return replace(evidence, problem=str(error).partition("\n")[0]), None
    finally:
        engine.dispose()


def _of_file(evidence: DatabaseEvidence, path: str) -> DatabaseEvidence:
    """What can be said of an SQLite file without opening it; opening one that is not there would make it."""
    try:
        read_only = host.why_not_writable(path)
        size = os.statvfs(path)
    except FileNotFoundError:
        return replace(evidence, schema=Schema.NONE)
    except OSError as error:
        return replace(evidence, problem=f"{path}: {error.strerror}.")
    return replace(
        evidence,
        read_only=read_only,
        fs_type=host.fs_type_of(path),
        free_bytes=size.f_bavail * size.f_frsize,
        total_bytes=size.f_blocks * size.f_frsize,
    )


def _ask(
    engine: Engine, evidence: DatabaseEvidence, *, is_file: bool
) -> tuple[DatabaseEvidence, CatalogEvidence | None]:
    evidence = replace(evidence, schema=catalog.standing(engine))
    if is_file:
        evidence = replace(evidence, moved_to=sealed_for(engine))
    else:
        with snapshot(engine) as connection:
            server, read_only = examining.ask_server(connection)
        evidence = replace(evidence, server=server, read_only=read_only)
    if evidence.schema is not Schema.CURRENT:
        return evidence, None
    with snapshot(engine) as connection:
        found = examining.look(connection, now_us())
    return evidence, replace(found, has_worker=_has_worker(engine))


def _has_worker(engine: Engine) -> bool:
    """Whether somebody renews the lease. It has no times in it, so it is watched until it moves."""
    first, until = _lease(engine), time.monotonic() + _LEASE_WAIT_S
    while first is not None and time.monotonic() < until:
        time.sleep(_LEASE_LOOK_S)  # a row of a database calls nobody
        if _lease(engine) != first:
            return True
    return False


def _lease(engine: Engine) -> leases.Lease | None:
    with snapshot(engine) as connection:
        return leases.read(connection, NAME)
