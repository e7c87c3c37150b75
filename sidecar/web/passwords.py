"""Passwords, as they come from forms. Each costs memory and time on purpose, so that only two are looked at at once."""

from __future__ import annotations

import os
import threading

from sidecar import accounts

# Each takes 32 MiB for a quarter of a second; who comes at the same moment waits.
_at_scrypt = threading.Semaphore(2)


def fits(password: str, what_is_kept: str) -> bool:
    """Whether this is the password that was kept so."""
    with _at_scrypt:
        return accounts.fits(password, what_is_kept)


def kept(password: str) -> str:
    """What is kept of a password."""
    salt = os.urandom(accounts.SALT_BYTES)
    with _at_scrypt:
        return accounts.kept(password, salt)


def wrong(password: str, again: str, name: str) -> dict[str, str]:
    """What is wrong with a new password that was typed twice, by the field."""
    sentence = accounts.wrong_with_password(password, name)
    if sentence is not None:
        return {"password": sentence}
    return {} if again == password else {"again": "The two passwords differ."}
