"""``holdfast-sidecar serve``: the REST API, under gunicorn."""

from __future__ import annotations

import importlib.resources
import os
import secrets
import sys

import click

from holdfast import console, ids
from sidecar import catalog, config
from sidecar.catalog import tokens
from sidecar.catalog.clock import now_us
from sidecar.catalog.engine import transact
from sidecar.cli.common import catalog_options, opened, write_secret
from sidecar.config import Config

ADMIN_TOKEN = "admin.token"  # noqa: S105 - the name of a file


@click.command(
    epilog=console.examples(
        ("systemctl start holdfast-sidecar", "how it is started mostly"),
        "holdfast-sidecar serve --state ./state --listen 127.0.0.1:8765",
    )
)
@click.option("--listen", metavar="HOST:PORT", help="The API's address, or unix:PATH for a socket.")
@catalog_options
def serve(settings: Config) -> None:
    """Bring the catalog up to date and serve the REST API.

    The first time, a token for its administrator is left in the state directory, in the file admin.token.
    """
    with opened(settings) as engine:
        catalog.migrate(engine)
        path = os.path.join(settings.state_dir, ADMIN_TOKEN)
        if not os.path.exists(path):
            now = now_us()
            new_id, secret = ids.new(now // 1000, os.urandom(10)), secrets.token_bytes(tokens.SECRET_BYTES)
            text = transact(
                engine,
                lambda connection: tokens.create(
                    connection, new_id=new_id, secret=secret, name="administrator", scope="admin", now=now
                ),
            )
            write_secret(path, text)
    settings_file = str(importlib.resources.files("sidecar") / "gunicorn_conf.py")
    environment = {**os.environ, **config.to_environment(settings)}
    # Gunicorn becomes this process, so that signals and the service manager reach it directly.
    os.execve(  # noqa: S606
        sys.executable, [sys.executable, "-m", "gunicorn", "-c", settings_file, "sidecar.wsgi:app"], environment
    )
