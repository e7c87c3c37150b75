"""Health and the description of the API itself; open to everybody, and telling nobody anything."""

from __future__ import annotations

import msgspec
from flask import current_app

from sidecar import catalog
from sidecar.api.endpoint import Answer, Call, Resource, services_of
from sidecar.api.openapi import document
from sidecar.errors import Refused

resource = Resource("health", "")


class Health(msgspec.Struct, frozen=True):
    """That it is well."""

    status: str


@resource.serves("GET", "/healthz", scope=None, returns=Health)
def is_alive(_call: Call) -> Health:
    """Whether the process answers; it depends on nothing."""
    return Health("ok")


@resource.serves("GET", "/readyz", scope=None, returns=Health)
def is_ready(call: Call) -> Answer:
    """Whether the database answers and has the schema of this version."""
    if not catalog.is_current(call.engine):
        raise Refused("unavailable", "The database has another schema than this version. Run the migrate command.")
    return Answer(Health("ok"), headers={"Cache-Control": "no-store"})


@resource.serves("GET", "/openapi.json", scope=None, returns=dict)
def openapi_document(_call: Call) -> object:
    """This API, as OpenAPI 3.1."""
    return document(services_of(current_app).routes)
