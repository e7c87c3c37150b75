"""``holdfast-sidecar openapi``: the description of the API."""

from __future__ import annotations

import click

from holdfast import console
from sidecar.api import RESOURCES
from sidecar.api.openapi import document
from sidecar.api.reference import markdown


@click.command(epilog=console.examples("holdfast-sidecar openapi > openapi.json"))
@click.option("--markdown", "as_markdown", is_flag=True, help="For people, as in docs/api.md.")
def openapi(as_markdown: bool) -> None:
    """Print the description of the REST API, as OpenAPI 3.1."""
    described = document([route for resource in RESOURCES for route in resource.routes])
    if as_markdown:
        click.echo(markdown(described), nl=False)
        return
    console.print_json(described)
