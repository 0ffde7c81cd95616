"""Settings of the twins, apart from the twins: whoever reads settings does not load their protocols."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from infra.settings import Part


class TwinsSettings(Part):
    """Ports and made-up credentials of the simulated back offices. Port 0 stands for any free port."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    control_port: int = Field(default=9180, ge=0, le=65_535, description="What the twins hold, and how they behave.")
    soap_port: int = Field(default=9181, ge=0, le=65_535, description="SOAP of muenchen.meldewesen.")
    sftp_port: int = Field(default=9182, ge=0, le=65_535, description="SFTP of augsburg.gewerbe.")
    rest_port: int = Field(default=9183, ge=0, le=65_535, description="REST of nuernberg.meldewesen.")
    user: str = Field(default="stadtbus", description="User of SOAP and SFTP, client id of REST.")
    password: SecretStr = Field(default=SecretStr("only-for-twins"), description="Their password and client secret.")
    folder: Path | None = Field(
        default=None,
        description="Home of the SFTP twin: its files, and its host key, which is then the same after a restart. Else a temporary folder.",
    )
