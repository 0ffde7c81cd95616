"""The public keys of an identity source: read from a file or an address of the settings, kept, and looked up by their ids.

No call waits for them in the common case: they are read at start and every quarter of an hour. A key id that is not known may be a new one, so
they are read once more then, at most once a minute. Keys that could not be read anew for a day are not used any more.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

log = structlog.get_logger()

_EVERY_S: Final = 15 * 60.0
_AGAIN_S: Final = 60.0
_OLDEST_S: Final = 24 * 3600.0
_TIMEOUT_S: Final = 5.0
_MOST_BYTES: Final = 256 * 1024
_MOST_KEYS: Final = 50
_KINDS: Final = ("RSA", "EC", "OKP")


class NoKeys(Exception):
    """There are none, or they are too old."""


class KeySet:
    """The keys of one source, by their ids. `where` is a file or an address."""

    def __init__(self, account: str, where: str) -> None:
        self._account = account
        self._where = where
        self._keys: Mapping[str, Mapping[str, Any]] = {}
        self._read_s: float | None = None
        self._tried_s = -_AGAIN_S
        self._fault: str | None = None
        self._reading = asyncio.Lock()

    async def key(self, kid: str) -> Mapping[str, Any] | None:
        """The key (JWK) with this id; None where the source has none.

        Raises:
            NoKeys: the keys were never read, or not for a day.
        """
        if (kid not in self._keys or not self._fresh) and time.monotonic() - self._tried_s >= _AGAIN_S:
            await self.read()
        if not self._fresh:
            raise NoKeys
        return self._keys.get(kid)

    async def run(self) -> None:
        """Read them now and then, until cancelled; more often while they cannot be read."""
        while True:
            await self.read()
            await asyncio.sleep(_EVERY_S if self._fault is None else _AGAIN_S)

    def check(self) -> str | None:
        """What is wrong with the keys; None where all is well, or nothing was tried yet."""
        return self._fault and f"keys of {self._account}: {self._fault}{'' if self._fresh else '; its logins cannot be proven'}"

    @property
    def _fresh(self) -> bool:
        return self._read_s is not None and time.monotonic() - self._read_s < _OLDEST_S

    async def read(self) -> None:
        """Read them anew; what cannot be read leaves those of before. Callers at the same time share one reading."""
        asked_s = time.monotonic()
        async with self._reading:
            if self._tried_s >= asked_s:
                return
            self._tried_s = time.monotonic()
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    self._keys = _keys(await self._content())
                self._read_s, self._fault = time.monotonic(), None
            except (OSError, httpx.HTTPError, ValueError, RecursionError) as error:
                self._fault = f"cannot be read ({type(error).__name__})"
                log.warning("identity_keys_not_read", account=self._account, error=type(error).__name__)

    async def _content(self) -> bytes:
        """What stands there, up to the limit.

        Raises:
            OSError, httpx.HTTPError, ValueError: it cannot be read, or is too much.
        """
        if "://" not in self._where:
            return await asyncio.to_thread(_of_file, Path(self._where))
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client, client.stream("GET", self._where) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError("the answer has another status than 200")
            found = bytearray()
            async for chunk in answer.aiter_raw():
                found += chunk
                if len(found) > _MOST_BYTES:
                    raise ValueError("too large")
            return bytes(found)


def _of_file(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError("too large")
    return content


def _keys(content: bytes) -> Mapping[str, Mapping[str, Any]]:
    """The public keys for signatures that have an id.

    Raises:
        ValueError: this is no JWKS, or none of its keys is one.
    """
    page = json.loads(content)
    listed = page.get("keys") if isinstance(page, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise ValueError("no JWKS, or more keys than a source has")
    found = {one["kid"]: one for one in listed if isinstance(one, dict) and _is_usable(one)}
    if not found:
        raise ValueError("no public key with an id")
    return found


def _is_usable(key: Mapping[str, Any]) -> bool:
    return isinstance(key.get("kid"), str) and key.get("kty") in _KINDS and key.get("use", "sig") == "sig"
