"""The REST API: one module a resource, and what they share.

``endpoint`` turns requests into typed calls, and ``within`` asks the same endpoints from within the process; ``shapes``
are the resources as JSON shows them, ``render`` makes them from rows, ``problems`` are all errors there are, and
``openapi`` describes everything from the same source.
"""

from __future__ import annotations

from flask import Flask
from sqlalchemy import Engine

from sidecar.api import (
    agent,
    agents,
    assets,
    audit,
    changes,
    failures,
    health,
    holds,
    jobs,
    libraries,
    metrics,
    preview,
    removal,
    scans,
    settings,
    statistics,
    streams,
    tokens,
    uploads,
    validation,
    volumes,
    webhooks,
)
from sidecar.api.endpoint import Resource, Services, install
from sidecar.api.forwarded import Forwarded
from sidecar.api.intake import Intake
from sidecar.bells import BELLS
from sidecar.catalog.engine import connect
from sidecar.catalog.waiting import Doorbell
from sidecar.config import Config
from sidecar.forwarding import Proxies, parse

RESOURCES: tuple[Resource, ...] = (
    health.resource,
    metrics.resource,
    libraries.resource,
    validation.resource,
    preview.resource,
    scans.resource,
    assets.resource,
    uploads.resource,
    volumes.resource,
    holds.resource,
    jobs.resource,
    removal.resource,
    changes.resource,
    statistics.resource,
    settings.resource,
    tokens.resource,
    audit.resource,
    webhooks.resource,
    agents.resource,
    agent.resource,
    streams.resource,
)


def create_app(source: Engine | Config) -> Flask:
    """The application, on an engine or on the database that a configuration names. Nothing is migrated here."""
    engine = connect(source.database) if isinstance(source, Config) else source
    proxies = parse(source.trusted_proxies) if isinstance(source, Config) else Proxies()
    app = Flask("sidecar", static_folder=None)
    # No request is answered with a redirect that the framework made up.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    routes = [route for resource in RESOURCES for route in resource.routes]
    is_open = isinstance(source, Config) and source.metrics_open
    open_paths = frozenset([metrics.PATH] if is_open else [])
    install(app, Services(engine, Doorbell(engine, BELLS), Intake(), routes, open_paths))
    metrics.count_answers(app)
    app.wsgi_app = Forwarded(app.wsgi_app, proxies)  # type: ignore[method-assign]
    for resource in RESOURCES:
        app.register_blueprint(resource)
    failures.install(app)
    return app
