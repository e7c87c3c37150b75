"""Whom the agent takes for its sidecar: certificates of the system's authorities or of one's own, and pinned keys.

A pin comes on top of the certificate, never in its place: the chain is checked as always, and then the server's key
must be one of those that were written down. It is looked at when the handshake ends, before any token is sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl
from typing import Any

import msgspec

_PREFIX = "sha256//"  # curl's way of writing it
_SEQUENCE = 0x30
_VERSION = 0xA0  # [0] EXPLICIT, which the certificates of today all have


class BadTrust(ValueError):
    """A certificate file or a pin that cannot be used. The text says why, ``key`` which setting it is."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


class NotTheSidecar(ssl.SSLCertVerificationError):
    """The server has a certificate that is good, and another key than those that are pinned."""


class Trust(msgspec.Struct, frozen=True):
    """``ca_file``: only certificates of these authorities are good; "" for those of the system. ``pins``: digests of
    the public keys that the server may have; none means any key."""

    ca_file: str = ""
    pins: tuple[bytes, ...] = ()

    def context(self) -> ssl.SSLContext:
        """What TLS connections are made with. Raises :class:`BadTrust` for a file that holds no certificate."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except ssl.SSLError as error:
            raise BadTrust(
                "ca_file", f"{self.ca_file} holds no certificate in PEM ({error.reason or error})"
            ) from error
        except OSError as error:
            raise BadTrust("ca_file", f"{self.ca_file}: {error.strerror}") from error
        # Debian's Python leaves this to a file of OpenSSL's that anybody may have changed for another program.
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        if self.pins:
            context.sslsocket_class = _pinned(ssl.SSLSocket, self.pins)
            context.sslobject_class = _pinned(ssl.SSLObject, self.pins)  # TLS to the sidecar through a proxy's TLS
        return context


SYSTEM = Trust()


def pin(text: str) -> bytes:
    """The digest that a pin stands for: base64 of SHA-256 over the key's SubjectPublicKeyInfo (RFC 7469)."""
    try:
        digest = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise BadTrust(
            "pin_sha256", f"{text!r} is not the base64 of a SHA-256 digest; docs/tls.md says how to make one"
        )
    return digest


def spell(digest: bytes) -> str:
    """A pin as it is written in the configuration."""
    return base64.b64encode(digest).decode("ascii")


def key_digest(certificate: bytes) -> bytes:
    """SHA-256 over the SubjectPublicKeyInfo of a certificate in DER (RFC 5280, section 4.1).

    Raises ValueError for what is no certificate. TLS has read it before us, so that it mostly is one.
    """
    signed, _ = _inner(certificate, 0)
    at, _ = _inner(certificate, signed)
    if certificate[at] == _VERSION:
        at = _after(certificate, at)
    for _ in range(5):  # serial number, signature, issuer, validity, subject
        at = _after(certificate, at)
    _inner(certificate, at)
    return hashlib.sha256(certificate[at : _after(certificate, at)]).digest()


def _pinned(kind: type[Any], pins: tuple[bytes, ...]) -> type[Any]:
    """A TLS connection whose handshake fails unless the server has one of the pinned keys."""

    class Pinned(kind):  # type: ignore[misc]
        def do_handshake(self, *arguments: Any) -> None:
            super().do_handshake(*arguments)
            found = key_digest(self.getpeercert(binary_form=True) or b"")
            if found not in pins:
                wanted = " or ".join(map(spell, pins))
                told = f"the server's key is {spell(found)}, and pin_sha256 says {wanted}"
                raise NotTheSidecar(ssl.SSL_ERROR_SSL, told)

    return Pinned


def _inner(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the SEQUENCE at this place begins and ends."""
    if der[at : at + 1] != bytes([_SEQUENCE]):
        raise ValueError("this is not a certificate")
    return _content(der, at)


def _after(der: bytes, at: int) -> int:
    """Where the element behind the one at this place begins."""
    return _content(der, at)[1]


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at this place begins and ends (X.690, definite lengths, tags of one byte)."""
    start = at + 2
    length = der[at + 1] if len(der) > at + 1 else 0
    if length & 0x80:
        count = length & 0x7F
        start += count
        length = int.from_bytes(der[at + 2 : start], "big")
    if start + length > len(der) or not length:
        raise ValueError("this is not a certificate")
    return start, start + length
