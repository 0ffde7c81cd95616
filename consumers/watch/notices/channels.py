"""The ways out: a mail, and a call of a webhook. Each takes one message, for twenty seconds at most."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any, Final, Protocol

import aiosmtplib
import httpx

from consumers.notice_settings import MailSettings, WebhookSettings

LIMIT_S: Final = 20.0
_OK: Final = range(200, 300)


class NotTaken(Exception):
    """The message was not taken; the text says why, and quotes nothing that came from outside."""


@dataclass(frozen=True, slots=True)
class Message:
    """A notice as it is sent: the same to all."""

    id: str
    """Its own. Who is sent it twice knows it by that."""
    incident: str
    """The same for all messages about one cause, from the first to the all-clear."""
    at: datetime
    subject: str
    text: str
    data: Mapping[str, Any]
    """For programs: what JSON has."""


class Channel(Protocol):
    """A way out."""

    @property
    def name(self) -> str:
        """As logs, metrics and the store call it."""

    async def send(self, message: Message) -> None:
        """Hand the message over, within `LIMIT_S`. It may have been taken although this raises, and is sent again then.

        Raises:
            NotTaken: it was not taken, or nobody has said so.
        """


class Mail:
    """One mail to all recipients, over one connection."""

    name = "mail"

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    async def send(self, message: Message) -> None:
        """See `Channel`. Recipients that are refused are not told again when the server has taken it for others."""
        mail, settings = self._mail(message), self._settings
        password = settings.password.get_secret_value() if settings.password else None
        try:
            async with asyncio.timeout(LIMIT_S):
                await aiosmtplib.send(
                    mail,
                    hostname=settings.host,
                    port=settings.port_in_force,
                    username=settings.user,
                    password=password,
                    timeout=LIMIT_S,
                    use_tls=settings.security == "tls",
                    start_tls=settings.security == "starttls",
                    tls_context=None if settings.security == "none" else ssl.create_default_context(cafile=settings.ca_file),
                )
        except aiosmtplib.SMTPResponseException as error:
            raise NotTaken(f"the server answers {error.code} ({type(error).__name__})") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise NotTaken(type(error).__name__) from None

    def _mail(self, message: Message) -> EmailMessage:
        domain, mail = self._settings.sender.rpartition("@")[2], EmailMessage()
        mail["From"] = formataddr(("Stadtbus", self._settings.sender))
        mail["To"] = ", ".join(self._settings.recipients)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["References"] = f"<{message.incident}@{domain}>"  # programs show what has one cause together
        mail["Auto-Submitted"] = "auto-generated"  # nobody's absence answers it
        mail.set_content(message.text)
        return mail


class Webhook:
    """One POST with JSON, signed as Standard Webhooks has it: HMAC-SHA256 over id, time and body."""

    name = "webhook"

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings

    async def send(self, message: Message) -> None:
        """See `Channel`. Taken is what is answered with 2xx; of the answer nothing else is read."""
        settings = self._settings
        body = json.dumps(message.data, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"} | signed(settings.key(), message.id, int(time.time()), body)
        try:
            async with (
                asyncio.timeout(LIMIT_S),
                httpx.AsyncClient(verify=ssl.create_default_context(cafile=settings.ca_file), timeout=LIMIT_S, trust_env=False) as http,
                http.stream("POST", settings.url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx.HTTPError, OSError, TimeoutError, ValueError) as error:
            raise NotTaken(type(error).__name__) from None
        if status not in _OK:
            raise NotTaken(f"it answers {status}")


def signed(key: bytes, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that prove who sent a body and when (Unix time)."""
    mac = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}
