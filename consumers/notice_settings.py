"""Settings of the notices: whom the watch tells, when, and in which language."""

from __future__ import annotations

import base64
import binascii
from datetime import time
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from infra.addresses import is_loopback, require_safe
from infra.settings import Part

_ADDRESS: Final = r"^[^\s@,;<>\"]{1,64}@[A-Za-z0-9.-]{1,190}$"
_TIME: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_SECRET_BYTES: Final = (24, 64)
_SIGNING_PREFIX: Final = "whsec_"  # as Standard Webhooks has it

Address = Annotated[str, StringConstraints(pattern=_ADDRESS)]
ClockTime = Annotated[str, StringConstraints(pattern=_TIME)]
"""A time of the day. YAML reads one without quotes as a number, which is refused."""


class QuietHours(Part):
    """When only what cannot wait is told; the rest is told at their end, if it is still so."""

    begin: ClockTime = Field(description='When they begin each day, in quotes: "19:00".')
    end: ClockTime = Field(description='When they end, on the next day where that is earlier: "07:00".')
    weekends: bool = Field(default=True, description="Whether Saturday and Sunday are quiet as a whole.")

    @model_validator(mode="after")
    def _last(self) -> Self:
        if self.begin == self.end:
            raise ValueError("begin and end are the same")
        return self

    def hours(self) -> tuple[time, time]:
        """Begin and end as times of a day."""
        return time.fromisoformat(self.begin), time.fromisoformat(self.end)


class MailSettings(Part):
    """E-mail, through a server that takes it from us (SMTP)."""

    host: str = Field(min_length=1, description="The SMTP server.")
    port: int | None = Field(default=None, ge=1, le=65_535, description="Its port; 587 for starttls, 465 for tls, 25 for none.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is encrypted; `none` to this machine only, unless `allow_clear_text` is set."
    )
    ca_file: Path | None = Field(default=None, description="Certificates (PEM) of who may sign for the server; else those of the system.")
    allow_clear_text: bool = Field(
        default=False, description="Take `none` beyond this machine, without a login: only on a network that is yours alone."
    )
    user: str | None = Field(default=None, min_length=1, description="Logs in with this name, where the server wants it.")
    password: SecretStr | None = Field(default=None, description="Of that user; or password_file.")
    sender: Address = Field(description="The address that the mails come from.")
    recipients: tuple[Address, ...] = Field(min_length=1, max_length=20, description="Who gets them.")

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: give both or none")
        if self.security == "none" and not is_loopback(self.host):
            if self.user is not None:
                raise ValueError("the password would travel in clear text: write `security: starttls` or `tls`")
            if not self.allow_clear_text:
                raise ValueError("no clear text beyond this machine: write `security: starttls`, `tls`, or `allow_clear_text: true`")
        return self

    @property
    def port_in_force(self) -> int:
        """The port that is given, or the usual one."""
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]


class WebhookSettings(Part):
    """A program that takes notices as JSON, signed as Standard Webhooks has it (docs/monitoring.md)."""

    url: str = Field(description="Where they are sent: https, or http on this machine. Redirects are not followed.")
    secret: SecretStr | None = Field(
        default=None, description="Signs them: `whsec_`, then 24 to 64 random bytes in base64; or secret_file."
    )
    ca_file: Path | None = Field(default=None, description="Certificates (PEM) of who may sign for the URL; else those of the system.")

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        return require_safe(
            url,
            no_url="not a URL without user and password, for example https://tickets.example.org/stadtbus",
            in_clear_text="notices would travel in clear text: write an https:// URL",
        )

    @model_validator(mode="after")
    def _can_sign(self) -> Self:
        if self.secret is None:
            raise ValueError("give one of secret and secret_file")
        self.key()
        return self

    def key(self) -> bytes:
        """The key that signs."""
        least, most = _SECRET_BYTES
        text = self.secret.get_secret_value() if self.secret is not None else ""
        try:
            key = base64.b64decode(text.removeprefix(_SIGNING_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if not text.startswith(_SIGNING_PREFIX) or not least <= len(key) <= most:
            raise ValueError(
                f'the secret is not `{_SIGNING_PREFIX}` and {least} to {most} bytes in base64: echo "whsec_$(openssl rand -base64 32)"'
            )
        return key


class NoticeSettings(Part):
    """Without `mail` and `webhook` the watch tells nobody by itself."""

    language: Literal["de", "en"] = Field(default="de", description="The language of the notices.")
    reminder_h: float = Field(
        default=4, ge=0.25, le=168, description="How often what needs a person at once is told again while it lasts; the rest once a day."
    )
    quiet_hours: QuietHours | None = Field(default=None, description="When only what cannot wait is told.")
    mail: MailSettings | None = Field(default=None, description="E-mail.")
    webhook: WebhookSettings | None = Field(default=None, description="A webhook.")
