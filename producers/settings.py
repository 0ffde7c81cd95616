"""Settings of the gateway, and what the page of a portal that may call it says (docs/portals.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from infra.addresses import require_safe
from infra.settings import Part
from schemas.catalogue.model import Level, MessageName, Name
from schemas.codelists import AuthorityKey
from schemas.operations import ACTOR_PATTERN
from schemas.yamllines import Day

Place = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}(\.[a-z][a-z0-9-]{1,39})?$")]
"""An office such as `muenchen.gewerbe`, or a city, which stands for all its offices."""
MAX_TOKENS: Final = 2

MIB: Final = 1024 * 1024
OUTBOX_BYTES: Final = 10 * 1024 * MIB


class IdentitySource(Part):
    """Who confirms the logins of one account: its signed assertions prove the level that a portal states (docs/portals.md)."""

    issuer: str = Field(min_length=1, description="The issuer of its assertions, as their claim `iss` has it.")
    audience: str = Field(min_length=1, description="The name under which it knows this bus, as their claim `aud` has it.")
    jwks: str = Field(
        min_length=1, description="Its public keys (JWKS): a file, or an https address (http on this machine). Never taken from a token."
    )
    levels: dict[str, Level] = Field(
        default_factory=lambda: {f"STORK-QAA-Level-{level}": level for level in (1, 2, 3, 4)},
        description="What the claim `acr` says, and the level that it stands for.",
    )
    proof: Literal["required"] | None = Field(
        default=None, description="`required`: every login by this account above level 2 has to be proven, whatever the city asks."
    )

    @field_validator("jwks")
    @classmethod
    def _is_safe(cls, jwks: str) -> str:
        if "://" not in jwks:
            return jwks
        return require_safe(
            jwks,
            no_url="not an address without user and password, for example https://login.example.org/jwks",
            in_clear_text="whoever is in between could change the keys: write an https:// address",
        )


class GatewaySettings(Part):
    """The gateway: where it listens, how much it takes, and who it says that it is."""

    port: int = Field(default=8080, ge=1, le=65_535, description="Port of the HTTP API.")
    operator_port: int = Field(default=9108, ge=1, le=65_535, description="Port of its pages for operators, on `http.operator_host`.")
    outbox_limit: int = Field(
        default=100_000,
        ge=1,
        description="Submissions that may wait for Kafka, of which each portal and each office has a share; beyond it portals are told to come back.",
    )
    outbox_limit_bytes: int = Field(
        default=OUTBOX_BYTES, ge=16 * MIB, description="Bytes of content that the outbox may keep, until it is delivered; in the same way."
    )
    disk_free_bytes: int = Field(
        default=256 * MIB, ge=0, description="While the disk of the outbox has less, nothing is accepted. Of a PostgreSQL it is not known."
    )
    authority: AuthorityKey = Field(
        default="kop:00000000",
        description="Key in DVDV of whoever runs the bus, as `autor/kennung` of its answers in XML has it.",
    )
    accept_test: bool = Field(default=False, description="Take messages marked as test; only for systems without real back offices.")
    security_contact: str | None = Field(
        default=None,
        pattern=r"^(mailto:|https://|tel:)[!-~]{1,200}$",
        description="Whom to tell about a hole, for `/.well-known/security.txt`: mailto:, https:// or tel:. Without it there is no such page.",
    )
    probes: bool = Field(default=True, description="Whether each office gets a probe every so often (docs/operations.md#probes).")
    probe_interval_s: float = Field(default=300, ge=1, le=86_400, description="How often.")
    portals: Path | None = Field(
        default=None, description="Folder with a page for each portal that may call, `ID.yaml` (docs/portals.md); nothing else lies in it."
    )
    identity: dict[Name, IdentitySource] = Field(
        default_factory=dict, description="By the id of an account, such as `bayernid`, who proves its logins (docs/portals.md)."
    )


class Right(Part):
    """What a portal may send, and where to. Whatever is not named is not granted."""

    to: tuple[Place, ...] = Field(min_length=1, description="Offices (`muenchen.gewerbe`), or cities (`muenchen`) for all their offices.")
    services: tuple[Name, ...] = Field(min_length=1, description="Services, by their ids in `services.yaml`.")
    messages: tuple[MessageName, ...] = Field(default=(), description="Messages of ours that it may send.")
    namespaces: tuple[str, ...] = Field(default=(), description="Namespaces of genuine XÖV messages that it may send.")

    @model_validator(mode="after")
    def _grants_something(self) -> Self:
        if not (self.messages or self.namespaces):
            raise ValueError("the right names neither messages nor namespaces, so it grants nothing")
        return self


class Token(Part):
    """A token of a portal: who drew it and when, and the last day on which it is taken. Of the token itself only a hash is kept."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token, in hex.")
    drawn_on: Day = Field(description="The day on which it was drawn.")
    drawn_by: str = Field(pattern=ACTOR_PATTERN, description="Who drew it.")
    valid_to: Day = Field(description="The last day on which it is taken.")


class PortalSettings(Part):
    """A portal that may call: its page. What it may do is nothing, but for what is said here."""

    name: str = Field(description="Name of the portal, as `autor/name` has it.")
    authority: AuthorityKey = Field(
        description="Its key in DVDV, as `autor/kennung` has it, for example kop:09162000; no other portal has it."
    )
    rights: tuple[Right, ...] = Field(default=(), description="What it may send, and where to.")
    accounts: dict[Name, Level] = Field(
        default_factory=dict, description="Accounts whose logins it may vouch for, each with the highest level: `{bayernid: 3}`."
    )
    test: bool = Field(default=False, description="Whether it may send messages marked as test, where the gateway takes them.")
    tokens: tuple[Token, ...] = Field(
        default=(), max_length=MAX_TOKENS, description="Its tokens, two at most; `stadtbus portals token` draws them."
    )
    submissions_per_s: int = Field(
        default=100, ge=1, description="Calls that submit, on the average of ten seconds; beyond it the portal is told to come back (429)."
    )
    bytes_per_s: int = Field(default=2 * MIB, ge=1, description="Bytes that it submits, in the same way.")
    status_calls_per_s: int = Field(default=100, ge=1, description="Calls that ask what became of a submission, in the same way.")
