"""Settings of the infrastructure. Light on purpose: commands that only read settings load nothing heavy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from infra import secret_files

_HARMLESS: Final = frozenset(
    {"application_name", "connect_timeout", "dbname", "host", "hostaddr", "port", "sslmode", "sslrootcert", "target_session_attrs", "user"}
)
"""Parameters of a database URL that may be shown; whatever else stands there may be a secret."""
_HIDDEN: Final = "***"
_BROKER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+)(:(?P<port>[0-9]+))?")
_LAST_PORT: Final = 65_535
_DRIVER: Final = "postgresql+psycopg"


class Part(BaseModel):
    """The settings of one part: fixed once read, and strict about names. Each secret (`SecretStr`) may stand in a file, named by `<name>_file`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _secrets_in_files(cls, given: Any) -> Any:
        return secret_files.read_into(cls.model_fields, given, cls.__name__) if isinstance(given, dict) else given


class KafkaSettings(Part):
    """Which cluster, and how patient the clients are."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="Addresses of brokers (host:port), comma separated.")
    replication: int = Field(
        default=3, ge=1, description="Replicas of each topic. 1 only where there is one broker: a broken disk then loses submissions."
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


class ListenSettings(Part):
    """Where processes listen."""

    host: str = Field(default="127.0.0.1", description="Address where the gateway serves portals; loopback unless told otherwise.")
    operator_host: str = Field(
        default="127.0.0.1",
        description="Address where every process serves its pages for operators (health, metrics), which ask for no login; loopback unless told otherwise.",
    )
    port_offset: int = Field(default=0, ge=0, le=50_000, description="Moves every port.")
