"""Signed assertions of trust: the identity source itself says how sure a login was, and for which message.

An assertion is a JWT (RFC 7519) that the source has signed, in the header `Stadtbus-Identity-Assertion`: one for each applicant, in their order,
with commas between, `-` where there is none. It is bound to the message by its claim `nonce`, which a portal gives when it has the applicant log
in. Nothing of it is kept but that it was there. What keys, issuers and algorithms count, the settings say; a token has no say in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import jwt

from producers.intake.key_set import KeySet, NoKeys
from producers.intake.metadata import Metadata
from producers.intake.portals import Portal
from producers.settings import IdentitySource
from schemas import problems
from schemas.catalogue import Catalogue
from schemas.errors import Rejected
from schemas.message import Trust

HEADER: Final = "Stadtbus-Identity-Assertion"
ALGORITHMS: Final = ("PS256", "PS512", "ES256", "ES384", "EdDSA")
_NONE: Final = "-"
_LONGEST: Final = 4096
_LEEWAY_S: Final = 30
_NORMAL: Final = 2
"""Up to this level no identity source is needed."""
_CLAIMS: Final = ["iss", "aud", "iat", "exp", "nonce", "acr"]


class _NotProven(Exception):
    """The assertion does not prove the login; why is not told, but what it has to have."""


class Assertions:
    """Which logins have to be proven, and whether they are."""

    def __init__(self, sources: Mapping[str, IdentitySource], catalogue: Catalogue) -> None:
        self._sources = sources
        self._keys = {account: KeySet(account, source.jwks) for account, source in sources.items()}
        self._asked = {(route.office, key) for route in catalogue.routes if route.offer.proof for key in route.service.leika}

    @property
    def loops(self) -> list[Callable[[], Awaitable[None]]]:
        """What keeps the keys in step, to be run beside the gateway."""
        return [keys.run for keys in self._keys.values()]

    def check(self) -> str | None:
        """Whose keys cannot be read; None where all can."""
        return "; ".join(found for keys in self._keys.values() if (found := keys.check())) or None

    async def require_proven(self, portal: Portal, known: Metadata, headers: Mapping[str, str]) -> bool:
        """Pass if each login that has to be proven is; whether all logins of the message are.

        An assertion that is sent is held against the login even where none is asked for, as far as its source is known.

        Raises:
            Rejected: trust-not-proven, or proof-stalled while there are no keys.
        """
        given = _given(headers, len(known.trust))
        proven: set[tuple[str, str | None]] = set()  # by account and person: one login is no proof of two applicants
        for number, (login, text) in enumerate(zip(known.trust, given, strict=True), 1):
            source = self._sources.get(login.account)
            if source is None or text is None:
                if self._is_asked(known, login):
                    raise Rejected(problems.TRUST_NOT_PROVEN, f"applicant {number}: {self._expected(portal, known, login)}", where=HEADER)
                continue
            try:
                await self._hold(text, source, login, _nonce(portal, known), proven)
            except _NotProven:
                detail = f"applicant {number}: {self._expected(portal, known, login)}"
                raise Rejected(problems.TRUST_NOT_PROVEN, detail, where=HEADER) from None
            except NoKeys:
                raise Rejected(problems.PROOF_STALLED, f"those of {login.account}", where=HEADER) from None
        return len(proven) == len(known.trust)

    def _is_asked(self, known: Metadata, login: Trust) -> bool:
        source = self._sources.get(login.account)
        by_account = source is not None and source.proof is not None
        return login.level > _NORMAL and (by_account or (known.office, known.service) in self._asked)

    def _expected(self, portal: Portal, known: Metadata, login: Trust) -> str:
        """What an assertion has to have: all that is known to the portal or public, and the same whatever is wrong."""
        source = self._sources.get(login.account)
        if source is None:
            return f"logins by {login.account} have to be proven, and the operator has set no keys of that account"
        levels = " or ".join(name for name, level in source.levels.items() if level >= login.level)
        others = ", and a sub that no other applicant has" if len(known.trust) > 1 else ""
        return (
            f"expected a JWT of at most {_LONGEST} characters, signed by one of {', '.join(ALGORITHMS)} with a key (kid) of {login.account}, that has not "
            f"expired and has iss {source.issuer}, aud {source.audience}, iat, exp, acr {levels} and nonce {_nonce(portal, known)}{others}"
        )

    async def _hold(self, text: str, source: IdentitySource, login: Trust, nonce: str, proven: set[tuple[str, str | None]]) -> None:
        """Hold an assertion against a login; whose it is goes to `proven`, where nobody may be yet that the source calls the same.

        Raises:
            _NotProven, NoKeys: as said there.
        """
        kid, algorithm = _head(text)
        key = await self._keys[login.account].key(kid)
        if key is None:
            raise _NotProven
        claims = _claims(text, key, algorithm, source)
        level = source.levels.get(claims["acr"]) if isinstance(claims["acr"], str) else None
        if level is None or level < login.level or claims["nonce"] != nonce:
            raise _NotProven
        person = (login.account, claims.get("sub"))
        if person in proven:
            raise _NotProven
        proven.add(person)


def _given(headers: Mapping[str, str], applicants: int) -> list[str | None]:
    """The assertion of each applicant; None where there is none.

    Raises:
        Rejected: trust-not-proven, where the header does not have one entry for each.
    """
    name = HEADER.lower()
    if name not in (one.lower() for one in headers):
        return [None] * applicants
    found = [one.strip() for one in headers[HEADER].split(",")]
    if len(found) != applicants or sum(one.lower() == name for one in headers) > 1:
        detail = f"expected one header with {applicants} entries, one for each applicant, with commas between, and '-' where there is none"
        raise Rejected(problems.TRUST_NOT_PROVEN, detail, where=HEADER)
    return [None if one == _NONE else one for one in found]


def _nonce(portal: Portal, known: Metadata) -> str:
    """Binds an assertion to one message of one portal."""
    return f"{portal.settings.authority}/{known.message_id}"


def _head(text: str) -> tuple[str, str]:
    """Key id and algorithm that a token names. Nothing else in its head counts: neither addresses nor keys."""
    if len(text) > _LONGEST:
        raise _NotProven
    try:
        head = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _NotProven from None
    kid, algorithm = head.get("kid"), head.get("alg")
    if not isinstance(kid, str) or algorithm not in ALGORITHMS or "crit" in head or "b64" in head:
        raise _NotProven
    return kid, algorithm


def _claims(text: str, key: Mapping[str, Any], algorithm: str, source: IdentitySource) -> dict[str, Any]:
    """What a token says, after everything about it was verified. A key that names its algorithm is good for that one alone."""
    if key.get("alg", algorithm) != algorithm:
        raise _NotProven
    try:
        return jwt.decode(
            text,
            jwt.PyJWK.from_dict(dict(key), algorithm=algorithm),
            algorithms=[algorithm],
            issuer=source.issuer,
            audience=source.audience,
            leeway=_LEEWAY_S,
            options={"require": _CLAIMS, "enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise _NotProven from None
