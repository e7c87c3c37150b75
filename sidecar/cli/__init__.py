"""The command line of the sidecar: one module a verb.

Exit status: 0 done, 64 wrong usage of a verb, 69 the database does not answer, 78 the configuration cannot work.
"""

from __future__ import annotations

import click

from holdfast import __version__
from sidecar.cli.audit import audit
from sidecar.cli.check_config import check_config
from sidecar.cli.explain import explain
from sidecar.cli.holds import holds
from sidecar.cli.migrate import migrate
from sidecar.cli.openapi import openapi
from sidecar.cli.promote import promote
from sidecar.cli.restored import restored
from sidecar.cli.serve import serve
from sidecar.cli.settings import settings_group
from sidecar.cli.tokens import tokens
from sidecar.cli.worker import worker


@click.group(name="holdfast-sidecar", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="%(version)s")
def main() -> None:
    """Keeps the catalog of assets beside a photo server."""


for _verb in (
    serve,
    worker,
    migrate,
    promote,
    restored,
    holds,
    explain,
    settings_group,
    tokens,
    audit,
    openapi,
    check_config,
):
    main.add_command(_verb)
