"""What a test needs of the machine: it is skipped where that is missing, and fails where it must not be."""

from __future__ import annotations

import os

import pytest


def needs(condition: object, reason: str) -> None:
    """Skip the running test unless the condition holds. With ``HOLDFAST_CI=1`` nothing may be missing."""
    if condition:
        return
    if os.environ.get("HOLDFAST_CI") == "1":
        pytest.fail(f"this machine must be able to run every test, but: {reason}")
    pytest.skip(reason)
