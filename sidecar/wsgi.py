"""What gunicorn loads: the application, configured by the environment (see ``sidecar.config``)."""

from __future__ import annotations

import os

from sidecar import config
from sidecar.app import create_app

app = create_app(config.load(None, os.environ, {}))
