"""What keeps strangers out of the local Kafka: a signer (CA) of its own, certificates of the brokers, and a password for each role.

    <folder>/ca.pem, ca.key         the signer, made on the spot
    <folder>/clients.pem            what brokers show to clients: certificate and key
    <folder>/brokers.pem            what they show to one another, as brokers and as controllers: the login there
    <folder>/<role>.password        of the role's user
    <folder>/<role>.yaml            settings for `stadtbus --config`

The folder is for its owner alone, and so are the files. What is there already stays.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from infra.kafka.local_settings import HOST
from infra.kafka.rights import ROLES
from infra.settings import KafkaSettings

ADMIN: Final = "admin"
"""May do everything: gives the roles their rights."""
BROKER: Final = "stadtbus-broker"
_LIFE: Final = timedelta(days=3650)
"""Of a trial on one machine; nobody renews it."""


class Signer:
    """A CA that signs for this machine."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate

    @classmethod
    def new(cls, name: str = "Stadtbus local Kafka") -> Signer:
        """A new one, with a name of its own."""
        key, subject = ec.generate_private_key(ec.SECP256R1()), _name(f"{name} {secrets.token_hex(4)}")
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # noqa: FBT003 - signs certificates and CRLs
        draft = _draft(subject, key.public_key(), datetime.now(UTC) + _LIFE).issuer_name(subject)
        draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
        return cls(key, draft.sign(key, hashes.SHA256()))

    @classmethod
    def load(cls, folder: Path) -> Signer:
        """The one that was stored there."""
        key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
        return cls(key, x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()))

    def store(self, folder: Path) -> None:
        """Write it into a folder."""
        write_private(folder / "ca.key", _pem_of(self._key))
        write_private(folder / "ca.pem", self.certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, hosts: Iterable[str] = (HOST, "localhost"), *, until: datetime | None = None) -> bytes:
        """Certificate and key as PEM, for whoever has this name and these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = _draft(_name(name), key.public_key(), until or datetime.now(UTC) + _LIFE).issuer_name(self.certificate.subject)
        draft = draft.add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
        return draft.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM) + _pem_of(key)

    def revoke(self, certificates: Iterable[x509.Certificate] = ()) -> bytes:
        """A list (CRL) as PEM that has these revoked."""
        now = datetime.now(UTC)
        draft = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject).last_update(now - timedelta(hours=1))
        draft = draft.next_update(now + _LIFE)
        for one in certificates:
            revoked = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now).build()
            draft = draft.add_revoked_certificate(revoked)
        return draft.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


class LocalSecurity:
    """The folder of one cluster, and how its users get in."""

    def __init__(self, folder: Path, bootstrap: str, replication: int) -> None:
        """Makes nothing yet."""
        self.folder = folder
        self._bootstrap = bootstrap
        self._replication = replication

    def make(self) -> None:
        """Make what is not there."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not (self.folder / "brokers.pem").exists():  # the last one of its kind
            signer = Signer.new()
            signer.store(self.folder)
            write_private(self.folder / "clients.pem", signer.issue("localhost"))
            write_private(self.folder / "brokers.pem", signer.issue(BROKER))
        for user in (ADMIN, *ROLES):
            if not self._password(user).exists():
                write_private(self._password(user), secrets.token_urlsafe(24).encode())
            settings = self.settings(user).model_dump(mode="json", exclude_unset=True)
            write_private(self.settings_file(user), yaml.safe_dump({"kafka": settings}, sort_keys=False).encode())

    def settings(self, user: str) -> KafkaSettings:
        """How a role, or the admin, gets in from this machine."""
        return KafkaSettings(
            bootstrap=self._bootstrap,
            replication=self._replication,
            security_protocol="SASL_SSL",
            ca_file=self.folder / "ca.pem",
            user=user,
            password_file=self._password(user),
        )

    def settings_file(self, user: str) -> Path:
        """The same for `stadtbus --config`."""
        return self.folder / f"{user}.yaml"

    def of_brokers(self, bootstrap: str) -> KafkaSettings:
        """How brokers get in to one another, by their certificate."""
        return KafkaSettings(
            bootstrap=bootstrap, security_protocol="SSL", ca_file=self.folder / "ca.pem", certificate_file=self.folder / "brokers.pem"
        )

    def format_arguments(self) -> list[str]:
        """What Kafka's format is told of the users; for a file, because everybody may read what stands in a command."""
        users = ((user, self._password(user).read_text(encoding="ascii")) for user in (ADMIN, *ROLES))
        return [part for user, password in users for part in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")]

    def _password(self, user: str) -> Path:
        return self.folder / f"{user}.password"


def write_private(file: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, in one step: nobody reads half of it."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        output.write(content)
    draft.replace(file)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _draft(subject: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime) -> x509.CertificateBuilder:
    draft = x509.CertificateBuilder().subject_name(subject).public_key(key).serial_number(x509.random_serial_number())
    return draft.not_valid_before(min(datetime.now(UTC), until) - timedelta(days=1)).not_valid_after(until)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
