"""Settings of the infrastructure. Light on purpose: commands that only read settings load nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """The settings of one part: fixed once read, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Part):
    """Which cluster, and how patient the clients are."""

    bootstrap: str = Field(default="127.0.0.1:9092", description="Addresses of brokers, comma separated.")
    replication: int = Field(
        default=3, ge=1, description="Replicas of each topic. 1 only where there is one broker: a broken disk then loses submissions."
    )
    session_timeout_s: float = Field(default=45, ge=1, le=300, description="How long a silent consumer keeps its partitions.")
    rebalance_timeout_s: float = Field(default=60, ge=5, le=600, description="How long consumers have to hand over when partitions move.")


class StoreSettings(Part):
    """Where the stores are."""

    folder: Path = Field(default=Path(".stadtbus/data"), description="Folder of the SQLite files, one per store.")
    url: str | None = Field(
        default=None, description="A PostgreSQL for all stores instead, for example postgresql+psycopg://stadtbus@db/stadtbus."
    )

    def url_of(self, store: str) -> str:
        """The SQLAlchemy URL of one store, for example `outbox`."""
        return self.url or f"sqlite:///{self.folder.absolute() / store}.sqlite"


class SchemaSettings(Part):
    """Which messages are known beside ours."""

    folder: Path | None = Field(
        default=None,
        description="Folder with a `schemas.yaml`, which names the schema sets of genuine XÖV messages; without one, none is taken.",
    )


class LogSettings(Part):
    """How a process logs to standard error."""

    format: Literal["json", "console"] = Field(default="json", description="JSON for machines, console for people.")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is logged.")


class HttpSettings(Part):
    """Where processes listen."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; loopback unless told otherwise.")
    port_offset: int = Field(default=0, ge=0, le=50_000, description="Moves every port.")
