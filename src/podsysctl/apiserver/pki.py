"""The server's certificate authority, its serving certificate, client certificates and the token key.

Made once, in the data directory, every key with mode 0600. Certificates are renewed at start when less than a
third of their life is left or when the serving names changed.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podsysctl.base import durable
from podsysctl.base.errors import PodsysctlError

_AUTHORITY_DAYS = 3650
_LEAF_DAYS = 365
_BACKDATE = timedelta(minutes=5)
"""Certificates begin a little in the past, so that clocks need not agree to the second."""

_SERVICE_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class PkiError(PodsysctlError):
    """A certificate or key in the data directory cannot be read or written."""

    reason = "PkiFailed"


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """The certificate authority of one data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._key = self._ensure_key("ca.key")
            self._certificate = self._ensure_authority()
            self.token_key = self._ensure_key("service-account.key")
            """Signs ServiceAccount tokens."""
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise PkiError(f"certificates in {directory}: {error}") from error

    @property
    def ca_pem(self) -> bytes:
        """The authority's certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def ca_path(self) -> Path:
        """The file of the authority's certificate."""
        return self._directory / "ca.crt"

    def server_context(self, names: Iterable[str]) -> ssl.SSLContext:
        """TLS for the listener: our serving certificate, client certificates of this authority accepted."""
        certificate, key = self._ensure_serving(tuple(dict.fromkeys((*_SERVICE_NAMES, *names))))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca_path))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def client_credential(self, file_name: str, user: str, groups: Iterable[str] = ()) -> Credential:
        """The client certificate kept as `<file_name>.crt` and `.key`, made or renewed when needed."""
        certificate, key = self._directory / f"{file_name}.crt", self._directory / f"{file_name}.key"
        subject = _subject(user, groups)
        if not self._is_good(certificate, subject, ()):
            credential = self.issue(subject, (), ExtendedKeyUsageOID.CLIENT_AUTH)
            durable.write(key, credential.key)
            durable.write(certificate, credential.certificate)
        return Credential(certificate.read_bytes(), key.read_bytes())

    def serving_credential(self, names: Iterable[str], user: str = "node") -> Credential:
        """A fresh serving certificate, for a node's own HTTPS endpoint."""
        return self.issue(_subject(user, ()), tuple(names), ExtendedKeyUsageOID.SERVER_AUTH)

    def issue(self, subject: x509.Name, names: tuple[str, ...], usage: x509.ObjectIdentifier) -> Credential:
        """Sign a new leaf certificate with a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(now + timedelta(days=_LEAF_DAYS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_authority_identifier(self._certificate), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Credential(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))

    def _ensure_key(self, file_name: str) -> ec.EllipticCurvePrivateKey:
        path = self._directory / file_name
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError(f"{path} is no elliptic curve key")
            return key
        key = ec.generate_private_key(ec.SECP256R1())
        durable.write(path, _key_pem(key))
        return key

    def _ensure_authority(self) -> x509.Certificate:
        path = self.ca_path
        if path.exists():
            return x509.load_pem_x509_certificate(path.read_bytes())
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"podsysctl-ca-{os.urandom(4).hex()}")])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        durable.write(path, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate

    def _ensure_serving(self, names: tuple[str, ...]) -> tuple[Path, Path]:
        certificate, key = self._directory / "apiserver.crt", self._directory / "apiserver.key"
        subject = _subject("podsysctl-apiserver", ())
        if not self._is_good(certificate, subject, names):
            credential = self.issue(subject, names, ExtendedKeyUsageOID.SERVER_AUTH)
            durable.write(key, credential.key)
            durable.write(certificate, credential.certificate)
        return certificate, key

    def _is_good(self, path: Path, subject: x509.Name, names: tuple[str, ...]) -> bool:
        """Whether a certificate on disk is ours, for this subject and names, and has life left."""
        if not path.exists() or not path.with_suffix(".key").exists():
            return False
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        if certificate.not_valid_after_utc - datetime.now(UTC) < life / 3:
            return False
        if certificate.subject != subject or certificate.issuer != self._certificate.subject:
            return False
        if not names:
            return True
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return False
        return set(map(_general_name, names)) <= set(extension.value)


def _subject(user: str, groups: Iterable[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _authority_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
