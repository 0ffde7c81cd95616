"""Settings of the infrastructure. Light on purpose: commands that only read settings load nothing heavy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from infra import secret_files
from infra.addresses import is_loopback, require_safe

_HARMLESS: Final = frozenset(
    {"application_name", "connect_timeout", "dbname", "host", "hostaddr", "port", "sslmode", "sslrootcert", "target_session_attrs", "user"}
)
"""Parameters of a database URL that may be shown; whatever else stands there may be a secret."""
_HIDDEN: Final = "***"
_BROKER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+)(:(?P<port>[0-9]+))?")
_LAST_PORT: Final = 65_535
_CLEAR_TEXT: Final = (
    "no clear text to brokers beyond this machine: write `security_protocol: SASL_SSL`, `ca_file: ...`, `user: ...` and `password_file: ...` "
    "below `kafka:` (docs/kafka-security.md), or, where the network is yours alone, `allow_clear_text: true`"
)
_DRIVER: Final = "postgresql+psycopg"


class Part(BaseModel):
    """The settings of one part: fixed once read, and strict about names. Each secret (`SecretStr`) may stand in a file, named by `<name>_file`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _secrets_in_files(cls, given: Any) -> Any:
        return secret_files.read_into(cls.model_fields, given, cls.__name__) if isinstance(given, dict) else given


def read_secret(value: SecretStr | None, file: Path | None) -> str:
    """A secret that a setting gives, itself or as a file, which is read at each call.

    Raises:
        ValueError: the file cannot be used; the text names it.
    """
    return value.get_secret_value() if value is not None else secret_files.content(file)


class OAuthSettings(Part):
    """Where a client of Kafka gets its tokens (OAuth 2.0, client credentials)."""

    token_url: str = Field(description="Gives the tokens: https, or http on this machine. Redirects are not followed.")
    client_id: str = Field(min_length=1, description="Who asks for them.")
    client_secret: SecretStr | None = Field(default=None, description="Its secret; or client_secret_file.")
    client_secret_file: Path | None = Field(default=None, description="A file with the secret instead.")
    scope: str | None = Field(default=None, description="What the tokens are asked for, where the server wants it said.")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) of who may sign for the token URL; else those of the system."
    )

    @field_validator("token_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        return require_safe(
            url,
            no_url="not a URL without user and password, for example https://login.example.org/token",
            in_clear_text="the secret would travel in clear text: write an https:// URL",
        )

    @model_validator(mode="after")
    def _has_secret(self) -> Self:
        if (self.client_secret is None) == (self.client_secret_file is None):
            raise ValueError("give one of client_secret and client_secret_file")
        return self


class KafkaSettings(Part):
    """Which cluster, how to get in, and how patient the clients are."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="Addresses of brokers (host:port), comma separated.")
    replication: int = Field(
        default=3, ge=1, description="Replicas of each topic. 1 only where there is one broker: a broken disk then loses submissions."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="As Kafka calls it: SASL_SSL for TLS with a login, SSL for TLS where the client's certificate is the login.",
    )
    ca_file: Path | None = Field(default=None, description="Certificates (PEM) of who may sign for brokers; else those of the system.")
    crl_file: Path | None = Field(
        default=None, description="Revoked certificates (PEM, a CRL of each signer); brokers' are held against it."
    )
    certificate_file: Path | None = Field(default=None, description="The client's certificate and what it hangs on (PEM), for SSL.")
    key_file: Path | None = Field(default=None, description="The key of that certificate; else it stands in the same file.")
    user: str | None = Field(default=None, min_length=1, description="Logs in by SCRAM-SHA-512, with SASL_SSL.")
    password: SecretStr | None = Field(default=None, description="Of that user; or password_file.")
    password_file: Path | None = Field(default=None, description="A file with the password instead.")
    oauth: OAuthSettings | None = Field(default=None, description="Logs in by OAUTHBEARER instead, with SASL_SSL.")
    allow_clear_text: bool = Field(
        default=False,
        description="Take PLAINTEXT or SASL_PLAINTEXT beyond this machine. Whoever sees the network then reads and forges records.",
    )
    session_timeout_s: float = Field(default=45, ge=1, le=300, description="How long a silent consumer keeps its partitions.")
    rebalance_timeout_s: float = Field(default=60, ge=5, le=600, description="How long consumers have to hand over when partitions move.")

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, bootstrap: str) -> str:
        for number, address in enumerate(bootstrap.split(","), start=1):
            found = _BROKER.fullmatch(address.strip())
            if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:  # what stands there may be a password, so it is not quoted
                raise ValueError(f"address {number} is not host:port with a port from 1 to {_LAST_PORT}, for example kafka-1:9092")
        return bootstrap

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for wrong, what in self._contradictions():
            if wrong:
                raise ValueError(what)
        return self

    def _contradictions(self) -> list[tuple[bool, str]]:
        tls, files = self.is_encrypted, (self.ca_file, self.crl_file, self.certificate_file, self.key_file)
        sasl, logins = self.security_protocol.startswith("SASL_"), (self.user, self.oauth)
        passwords = (self.password, self.password_file)
        return [
            (not tls and any(files), "certificates are used with TLS alone: write `security_protocol: SASL_SSL`, or SSL"),
            (not sasl and any(logins), "user and oauth are used with a login alone: write `security_protocol: SASL_SSL`"),
            (sasl and sum(one is not None for one in logins) != 1, f"{self.security_protocol} needs one of user and oauth"),
            (self.user is None and any(passwords), "a password needs its user"),
            (self.user is not None and sum(map(bool, passwords)) != 1, "user needs one of password and password_file"),
            (self.key_file is not None and self.certificate_file is None, "key_file needs its certificate_file"),
            (not tls and not self.allow_clear_text and not self._stays_here(), _CLEAR_TEXT),
        ]

    @property
    def is_encrypted(self) -> bool:
        """Whether clients speak TLS."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    def _stays_here(self) -> bool:
        found = (_BROKER.fullmatch(address.strip()) for address in self.bootstrap.split(","))
        return all(one is not None and is_loopback(one[1]) for one in found)


class StoreSettings(Part):
    """Where the stores are."""

    folder: Path = Field(default=Path(".stadtbus/data"), description="Folder of the SQLite files, one per store.")
    url: SecretStr | None = Field(
        default=None, description="A PostgreSQL for all stores instead, for example postgresql+psycopg://stadtbus@db/stadtbus."
    )

    @field_validator("url")
    @classmethod
    def _of_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        from sqlalchemy.engine import make_url  # noqa: PLC0415 - SQLite needs it only when a store is opened
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

        try:
            driver = make_url(url.get_secret_value()).drivername
        except (ArgumentError, ValueError):
            driver = ""
        if driver != _DRIVER:  # what stands there may be a password, so it is not quoted
            raise ValueError(f"not a URL of a PostgreSQL, for example {_DRIVER}://stadtbus@db/stadtbus")
        return url

    def url_of(self, store: str) -> str:
        """The SQLAlchemy URL of one store, for example `outbox`."""
        return self.url.get_secret_value() if self.url else f"sqlite:///{self.folder.absolute() / store}.sqlite"

    def may_have(self, store: str) -> bool:
        """Whether a store can be opened without making an empty one; of a PostgreSQL that is not known before it is asked."""
        return self.url is not None or (self.folder / f"{store}.sqlite").exists()

    def shown(self, store: str) -> str:
        """The URL as people may see it, without anything that may be a secret."""
        return shown_url(self.url_of(store))


def shown_url(url: str) -> str:
    """A URL with its password hidden, in whatever form it stands there: after the user, also with `@`, `:` or `/` in it, or as a parameter."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return _HIDDEN  # no URL, so nobody knows what is in it
    user, at, place = rest.rpartition("@")
    place, query_mark, query = place.partition("?")
    name, password_mark, _ = user.partition(":")
    login = f"{name}{f':{_HIDDEN}' if password_mark else ''}{at}"
    return f"{scheme}{mark}{login}{place}{query_mark}{'&'.join(map(_shown_parameter, query.split('&'))) if query else ''}"


def _shown_parameter(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    return parameter if parse_qsl(f"{name}=x")[0][0] in _HARMLESS and ";" not in value else f"{name}={_HIDDEN}"


class SchemaSettings(Part):
    """Which messages are known beside ours."""

    folder: Path | None = Field(
        default=None,
        description="Folder with a `schemas.yaml`, which names the schema sets of genuine XÖV messages; without one, none is taken.",
    )
    codelists: Path | None = Field(
        default=None,
        description="Folder with code lists that are newer than those of Stadtbus (DVDV.Praefixe, Erreichbarkeit), as XRepository publishes them.",
    )


class LogSettings(Part):
    """How a process logs to standard error."""

    format: Literal["json", "console"] = Field(default="json", description="JSON for machines, console for people.")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")


class TlsSettings(Part):
    """Who the gateway proves to be. Both files are looked at every few seconds and taken over when they have changed, without a restart."""

    certificate: Path | None = Field(default=None, description="PEM file with the certificate, then those between it and its authority.")
    key: Path | None = Field(default=None, description="PEM file with its key, without a password, for this user alone (mode 0600).")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both or none")
        return self


class ListenSettings(Part):
    """Where processes listen."""

    host: str = Field(default="127.0.0.1", description="Address where the gateway serves portals; loopback unless told otherwise.")
    tls: TlsSettings = TlsSettings()
    allow_clear_text: bool = Field(
        default=False,
        description="Serve portals without TLS beyond loopback: only where a proxy in front ends TLS and nobody else reaches the port.",
    )
    operator_host: str = Field(
        default="127.0.0.1",
        description="Address where every process serves its pages for operators (health, metrics), which ask for no login; loopback unless told otherwise.",
    )
    port_offset: int = Field(default=0, ge=0, le=50_000, description="Moves every port.")
    ports: dict[str, Annotated[int, Field(ge=1, le=65_535)]] = Field(
        default_factory=dict,
        description="By process (`watch`, `audit`, `statistics` or an office) the port of its pages, where it is not to have its usual one.",
    )
