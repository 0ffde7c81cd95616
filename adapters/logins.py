"""Logins to HTTP services: Basic (RFC 7617), a fixed token (RFC 6750), OAuth 2 client credentials (RFC 6749, 4.4).

An adapter takes one of the settings classes here as its `Settings`. Secrets come from settings or environment, never from a mapping.
"""

from __future__ import annotations

import asyncio
import base64
import math
import re
import time
from typing import Final, Literal
from urllib.parse import urlencode

import httpx
from pydantic import Field, SecretStr

from adapters import kit
from adapters.http import HttpOffice, HttpSettings, Login, SafeUrl, check_answered, members, retry_after_s
from schemas.errors import DestinationDown

_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_TOKEN: Final = re.compile(r"[!-~]+")
_ERRORS: Final = (
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
)
"""What a token endpoint says that does not give one (RFC 6749, 5.2)."""


class BasicSettings(HttpSettings):
    """User and password."""

    user: str = Field(description="User for HTTP Basic.")
    password: SecretStr = Field(description="Its password.")

    def login(self) -> Login:
        """The same header each time."""
        return Fixed(basic(self.user, self.password))


class TokenSettings(HttpSettings):
    """A token that the back office has given us."""

    token: SecretStr = Field(description="Bearer token.")

    def login(self) -> Login:
        """The same header each time."""
        return Fixed(f"Bearer {self.token.get_secret_value()}")


class ClientSettings(HttpSettings):
    """OAuth 2 client credentials. Tokens come from `token_url`, else from `token_path` below `url`."""

    client_id: str = Field(description="OAuth2 client.")
    client_secret: SecretStr = Field(description="Its secret.")
    token_path: str = Field(default="oauth/token", description="Path of the token endpoint, where it hangs on the same root.")
    token_url: SafeUrl | None = Field(default=None, description="Address of the token endpoint, where it is another service.")
    scope: str | None = Field(default=None, description="What the token is for, where the token endpoint wants to be told.")
    client_login: Literal["basic", "post"] = Field(
        default="basic", description="How the client says who it is: by HTTP Basic, or in the body of the request."
    )

    def login(self) -> Login:
        """Tokens, renewed before they end."""
        return Tokens(self)


def basic(user: str, password: SecretStr) -> str:
    """The header `Authorization` of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode()


class Fixed:
    """A header that never changes."""

    def __init__(self, header: str) -> None:
        self._header = header

    async def header(self, refused: str = "") -> str:  # noqa: ARG002 - there is no other
        """The same each time, so a refused one is not tried again."""
        return self._header

    async def close(self) -> None:
        """Nothing to give back."""


class Tokens:
    """The current token, kept for nine tenths of its life, or until it is refused where nobody says how long that is. Whoever needs a new
    one waits for one renewal together.
    """

    def __init__(self, settings: ClientSettings) -> None:
        login = Fixed(basic(settings.client_id, settings.client_secret)) if settings.client_login == "basic" else None
        elsewhere = settings.token_url is not None
        self._endpoint = HttpOffice(settings.model_copy(update={"url": settings.token_url}) if elsewhere else settings, login)
        self._path = "" if elsewhere else settings.token_path
        self._request = _request(settings)
        self._renewal = asyncio.Lock()
        self._header = ""
        self._renew_at = 0.0

    async def header(self, refused: str = "") -> str:
        """The header with a token other than the refused one.

        Raises:
            DestinationDown: there is none to be had.
        """
        async with self._renewal:
            if self._header == refused or time.monotonic() >= self._renew_at:
                await self._renew()
            return self._header

    async def _renew(self) -> None:
        asked_at = time.monotonic()
        try:
            response = await self._endpoint.ask("POST", self._path, self._request, _HEADERS)
            token, life_s = await _granted(response)
        except (DestinationDown, kit.UnclearAnswer) as error:
            retry_after = error.retry_after_s if isinstance(error, DestinationDown) else None
            raise DestinationDown(f"token endpoint: {error}", retry_after) from None
        self._header, self._renew_at = f"Bearer {token}", asked_at + 0.9 * life_s

    async def close(self) -> None:
        """Give connections back."""
        await self._endpoint.close()


def _request(settings: ClientSettings) -> bytes:
    fields = {"grant_type": "client_credentials"}
    if settings.scope is not None:
        fields["scope"] = settings.scope
    if settings.client_login == "post":
        fields |= {"client_id": settings.client_id, "client_secret": settings.client_secret.get_secret_value()}
    return urlencode(fields).encode()


async def _granted(response: httpx.Response) -> tuple[str, float]:
    """A token and its life. What is said otherwise quotes nothing but the error codes that are known: an answer can hold a token.

    Raises:
        DestinationDown: there is no token in the answer.
    """
    answer = await members(response)
    if answer.get("error") in _ERRORS:
        raise DestinationDown(f"HTTP {response.status_code} {answer['error']}", retry_after_s(response))
    check_answered(response)
    token = kit.text(answer.get("access_token"))
    if not _TOKEN.fullmatch(token):
        raise DestinationDown("the answer has no access_token")
    return token, _life_s(answer.get("expires_in"))


def _life_s(said: object) -> float:
    """Without end where nobody says how long, or nothing that can be: then the token is used until it is refused."""
    try:
        life_s = float(str(said) if isinstance(said, float) else kit.text(said))
    except ValueError:
        return math.inf
    return life_s if life_s > 0 else math.inf
