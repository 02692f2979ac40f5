"""An authority of our own and a certificate for localhost, made once per test process in a temporary folder."""

from __future__ import annotations

import atexit
import functools
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """ca: the authority's certificate. chain: the server's certificate and key. fingerprint: SHA-256 of the former.

    client, client_key: for a login by certificate.
    """

    ca: Path
    chain: Path
    fingerprint: str
    client: Path
    client_key: Path


@functools.cache
def certificates() -> Certificates:
    """For the name localhost and no address, valid for a day."""
    folder = Path(tempfile.mkdtemp(prefix="riskline-winrm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Riskline test authority")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    top = x509.BasicConstraints(ca=True, path_length=None)
    signing = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        **dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement"], False),
        **dict.fromkeys(["encipher_only", "decipher_only"], False),
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    ca = (
        _unsigned(authority, authority, authority_key)
        .add_extension(top, critical=True)
        .add_extension(signing, critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    known = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    server = (
        _unsigned(subject, authority, server_key)
        .add_extension(names, critical=False)
        .add_extension(known, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    client_key = ec.generate_private_key(ec.SECP256R1())
    auditor = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "riskline")])
    client = (
        _unsigned(auditor, authority, client_key)
        .add_extension(known, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "client.pem").write_bytes(client.public_bytes(serialization.Encoding.PEM))
    (folder / "client.key").write_bytes(_pem(client_key))
    (folder / "client.key").chmod(0o600)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(_pem(server_key) + server.public_bytes(serialization.Encoding.PEM))
    digest = hashlib.sha256(server.public_bytes(serialization.Encoding.DER)).hexdigest()
    return Certificates(folder / "ca.pem", folder / "server.pem", digest, folder / "client.pem", folder / "client.key")


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _unsigned(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )
