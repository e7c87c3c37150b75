"""``holdfast-sidecar openapi``: the description of the API."""

from __future__ import annotations

import click
import msgspec

from sidecar.api import RESOURCES
from sidecar.api.openapi import document


@click.command()
def openapi() -> None:
    """Print the description of the REST API, as OpenAPI 3.1."""
    routes = [route for resource in RESOURCES for route in resource.routes]
    click.echo(msgspec.json.format(msgspec.json.encode(document(routes)), indent=2).decode())
