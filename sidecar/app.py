"""The whole application: the REST API, and the web pages over it."""

from __future__ import annotations

from flask import Flask

from sidecar import api, web
from sidecar.config import Config


def create_app(config: Config) -> Flask:
    """The application on the database that a configuration names. Nothing is migrated here."""
    app = api.create_app(config)
    web.install(app, config)
    return app
