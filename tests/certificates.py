"""Certificate authorities that nobody else believes, for tests of TLS."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


class Issued(NamedTuple):
    """A certificate and its key, as the files that servers read; ``pin`` is the digest of the key."""

    certificate: Path
    key: Path
    pin: str


class Authority:
    """An authority of its own. ``file`` is what has to be trusted."""

    def __init__(self, place: Path, name: str = "an authority at home") -> None:
        self._place = place
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._begin(self._name, self._key.public_key(), 30)
        limits = x509.BasicConstraints(ca=True, path_length=0)
        own = own.add_extension(limits, critical=True).add_extension(_usage(signs=True), critical=True)
        self.file = place / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, days: int = 30, key: CertificateIssuerPrivateKeyTypes | None = None) -> Issued:
        """A certificate for these host names and addresses."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName(list(map(_general, names)))
        made = self._begin(subject, key.public_key(), days).add_extension(alternatives, critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        signed = made.sign(self._key, hashes.SHA256())
        stem = f"{names[0]}-{signed.serial_number:x}"
        certificate, key_file = self._place / f"{stem}.crt", self._place / f"{stem}.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Issued(certificate, key_file, pin_of(signed))

    def _begin(self, subject: x509.Name, key: object, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(issuer_name=self._name, subject_name=subject)
        builder = builder.public_key(key).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - 60 * _DAY).not_valid_after(now + days * _DAY)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        own = x509.SubjectKeyIdentifier.from_public_key(key)
        return builder.add_extension(own, critical=False)


def pin_of(certificate: x509.Certificate) -> str:
    """The digest of a certificate's key, as another library sees it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key = certificate.public_key().public_bytes(serialization.Encoding.DER, form)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def rsa_key() -> rsa.RSAPrivateKey:
    """A key of another kind, whose length takes more than one byte to write."""
    return rsa.generate_private_key(65537, 2048)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
