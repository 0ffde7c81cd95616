"""Settings of the gateway and of the portals that may call it."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from infra.settings import Part
from schemas.codelists import AuthorityKey

MIB: Final = 1024 * 1024


class GatewaySettings(Part):
    """The gateway: where it listens, how much it takes, and who it says that it is."""

    port: int = Field(default=8080, ge=1, le=65_535, description="Port of the HTTP API.")
    operator_port: int = Field(default=9108, ge=1, le=65_535, description="Port of its pages for operators, on `http.operator_host`.")
    outbox_limit: int = Field(
        default=100_000, ge=1, description="Submissions that may wait for Kafka; beyond it portals are told to come back."
    )
    authority: AuthorityKey = Field(
        default="kop:00000000",
        description="Key in DVDV of whoever runs the bus, as `autor/kennung` of its answers in XML has it.",
    )
    accept_test: bool = Field(default=False, description="Take messages marked as test; only for systems without real back offices.")


class PortalSettings(Part):
    """A portal that may call. Its token is drawn by `stadtbus token` and stored here only as a hash."""

    name: str = Field(description="Name of the portal, as `autor/name` has it.")
    authority: AuthorityKey = Field(description="Its key in DVDV, as `autor/kennung` has it, for example kop:09162000.")
    token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of its bearer token, in hex.")
    submissions_per_s: int = Field(
        default=100, ge=1, description="Calls that submit, on the average of ten seconds; beyond it the portal is told to come back (429)."
    )
    bytes_per_s: int = Field(default=2 * MIB, ge=1, description="Bytes that it submits, in the same way.")
    status_calls_per_s: int = Field(default=100, ge=1, description="Calls that ask what became of a submission, in the same way.")
