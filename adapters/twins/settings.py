"""Settings of the twins, apart from the twins: whoever reads settings does not load their protocols."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from infra.settings import Part


class TwinsSettings(Part):
    """Ports and made-up credentials of the simulated back offices. Port 0 stands for any free port."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    control_port: int = Field(default=9180, ge=0, le=65_535, description="What the twins hold, and how they behave.")
    first_port: int = Field(default=9181, ge=0, le=65_000, description="Port of the first office in alphabetical order; the others follow.")
    user: str = Field(default="stadtbus", description="User of all twins, or client id.")
    password: SecretStr = Field(default=SecretStr("only-for-twins"), description="Their password, client secret or token.")
    folder: Path | None = Field(
        default=None,
        description="Home of the twins, a folder each: files, and host keys, which are then the same after a restart. Else a temporary one.",
    )
