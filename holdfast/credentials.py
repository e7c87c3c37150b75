"""Secrets that the service manager hands over (``LoadCredential=``, systemd.exec(5)), in files for this service only.

Away from systemd there are none, but root may read them where they are kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

DIRECTORY = "CREDENTIALS_DIRECTORY"


def path_of(name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The file of a credential, or None when this service was given none of that name. One that is there and cannot be
    read is an error of whoever reads it: without its secret, a service would do something else than it was told."""
    directory = environment.get(DIRECTORY, "")
    if not directory or "/" in name:
        return None
    path = os.path.join(directory, name)
    return path if os.path.lexists(path) else None


def text_of(name: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The text of a credential, without blanks around it."""
    path = path_of(name, environment)
    if path is None:
        return None
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def kept(directory: str, name: str) -> str | None:
    """The text of a credential where it is kept, for root; None when there is none."""
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None
