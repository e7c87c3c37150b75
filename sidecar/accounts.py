"""Accounts of people: their roles, what names and passwords may be, and how passwords are kept. Pure.

A password is kept as scrypt makes it (RFC 7914), with the parameters beside it, so that they can be raised later. That
costs 32 MiB and a quarter of a second, once a log-in: little for a person, much for whoever stole the catalog.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from typing import NamedTuple

ROLES = ("reader", "operator", "admin")
NAME_CHARS_MAX = 64
# Length is what counts (NIST SP 800-63B); nobody is told to use a digit.
PASSWORD_CHARS_MIN = 10
PASSWORD_CHARS_MAX = 512
SALT_BYTES = 16
_KEY_BYTES = 32
_PASSWORD_BYTES_MAX = 4 * PASSWORD_CHARS_MAX


class Cost(NamedTuple):
    """The parameters of scrypt."""

    n: int
    r: int
    p: int


COST = Cost(n=1 << 15, r=8, p=3)
# Nobody's: what is checked where there is no such account, so that the answer takes as long.
NOBODY = "scrypt$32768$8$3$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def spelled(name: str) -> str:
    """The one spelling of a name: who types it with a capital is the same person."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def wrong_with_name(name: str) -> str | None:
    """The sentence against a name in its one spelling; None when it will do."""
    if not name:
        return "Give a name."
    if len(name) > NAME_CHARS_MAX:
        return f"A name has at most {NAME_CHARS_MAX} characters."
    if not all(char.isprintable() for char in name) or any(char.isspace() for char in name):
        return "A name is one word, without blanks."
    return None


def wrong_with_password(password: str, name: str) -> str | None:
    """The sentence against a password; None when it will do."""
    if len(password) < PASSWORD_CHARS_MIN:
        return f"Use at least {PASSWORD_CHARS_MIN} characters; a few words in a row are easy to keep in mind."
    if len(password) > PASSWORD_CHARS_MAX:
        return f"Use at most {PASSWORD_CHARS_MAX} characters."
    if len(set(password)) < 4 or spelled(password) in (name, name * 2, "holdfast" * 2):
        return "That would be guessed at once. Use another one."
    return None


def kept(password: str, salt: bytes, cost: Cost = COST) -> str:
    """What is kept of a password."""
    parts = (str(number) for number in cost)
    encoded = (base64.b64encode(part).decode() for part in (salt, _key(password, salt, cost)))
    return "$".join(("scrypt", *parts, *encoded))


def fits(password: str, what_is_kept: str) -> bool:
    """Whether this is the password that was kept so."""
    _, n, r, p, salt, key = what_is_kept.split("$")
    if len(password.encode()) > _PASSWORD_BYTES_MAX:
        return False
    found = _key(password, base64.b64decode(salt), Cost(int(n), int(r), int(p)))
    return hmac.compare_digest(found, base64.b64decode(key))


def _key(password: str, salt: bytes, cost: Cost) -> bytes:
    # The same password can be typed in several ways on different keyboards.
    typed = unicodedata.normalize("NFC", password).encode()
    # OpenSSL refuses what needs more memory than it is told; it takes 128 N r, and a little.
    memory = 128 * cost.n * cost.r + 1024 * 1024
    return hashlib.scrypt(typed, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=_KEY_BYTES)
