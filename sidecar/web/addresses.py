"""Addresses of lists: their path, what they are narrowed to, and where they go on."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import url_for


def of_list(endpoint: str, given: Mapping[str, str] | None = None, cursor: str | None = None) -> str:
    """The address of a list; what is empty is left out."""
    query = {name: one for name, one in {**(given or {}), "cursor": cursor}.items() if one}
    return url_for(endpoint) + (f"?{urlencode(query)}" if query else "")
