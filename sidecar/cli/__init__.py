"""The command line of the sidecar: one module a verb. It ends with the statuses of :class:`holdfast.exits.Exit`."""

from __future__ import annotations

import click

from holdfast import console
from sidecar.cli.audit import audit
from sidecar.cli.backup import backup
from sidecar.cli.check_config import check_config
from sidecar.cli.doctor import doctor
from sidecar.cli.explain import explain
from sidecar.cli.holds import holds
from sidecar.cli.migrate import migrate
from sidecar.cli.openapi import openapi
from sidecar.cli.promote import promote
from sidecar.cli.restore import restore
from sidecar.cli.restored import restored
from sidecar.cli.serve import serve
from sidecar.cli.settings import settings_group
from sidecar.cli.tokens import tokens
from sidecar.cli.users import users
from sidecar.cli.worker import worker


@click.group(
    cls=console.Program,
    name="holdfast-sidecar",
    epilog=console.examples(
        ("holdfast-sidecar tokens create --scope enrol --name nas", "let an agent enrol itself, once"),
        ("holdfast-sidecar holds list", "what waits for you"),
        ("holdfast-sidecar doctor", "what is wrong here, and what to do about it"),
    ),
)
def main() -> None:
    """The part of Holdfast that keeps the catalog, beside a photo server.

    It takes in what agents report, judges it, and serves the REST API, the change feed and web hooks. Every verb works
    on the catalog itself, whether the sidecar runs or not.
    """


for _verb in (
    serve,
    worker,
    doctor,
    migrate,
    promote,
    backup,
    restore,
    restored,
    holds,
    explain,
    settings_group,
    tokens,
    users,
    audit,
    openapi,
    check_config,
):
    main.add_command(_verb)
