"""How much each portal may send and ask: token buckets, and what the headers `RateLimit-Policy` and `RateLimit` say of them.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from infra.token_bucket import WINDOW_S, TokenBucket
from producers.intake.portals import Portal
from producers.settings import PortalSettings
from schemas import problems
from schemas.errors import Rejected


@dataclass(frozen=True, slots=True)
class Rate:
    """One bucket of a portal, with the name and the unit that it has in headers."""

    name: str
    bucket: TokenBucket
    unit: str = "requests"

    def policy(self) -> str:
        """What may be used in which time."""
        unit = "" if self.unit == "requests" else f';qu="{self.unit}"'
        return f'"{self.name}";q={self.bucket.quota};w={WINDOW_S}{unit}'

    def state(self) -> str:
        """What may be used now, and in how many seconds there is more."""
        return f'"{self.name}";r={self.bucket.left()};t={max(1, ceil(self.bucket.wait_s()))}'

    def require(self) -> None:
        """There is something left.

        Raises:
            Rejected: rate-exceeded.
        """
        if self.bucket.wait_s() > 0:
            error = Rejected(problems.RATE_EXCEEDED, f"{self.bucket.rate_per_s} {self.unit} per second ({self.name})")
            error.retry_after_s = self.bucket.wait_s()
            raise error


class PortalRates:
    """The buckets of one portal."""

    def __init__(self, settings: PortalSettings) -> None:
        self._submissions = Rate("submissions", TokenBucket(settings.submissions_per_s))
        self._bytes = Rate("bytes", TokenBucket(settings.bytes_per_s), "content-bytes")
        self._status = Rate("status", TokenBucket(settings.status_calls_per_s))

    def begin_submission(self) -> None:
        """A call that submits begins; what it is refused for is not counted against its portal.

        Raises:
            Rejected: rate-exceeded.
        """
        for rate in (self._submissions, self._bytes):
            rate.require()
        self._submissions.bucket.charge(1)

    def charge_bytes(self, size_bytes: int) -> None:
        """So much was read of a body."""
        self._bytes.bucket.charge(size_bytes)

    def begin_status(self) -> None:
        """A call begins that asks what became of a submission.

        Raises:
            Rejected: rate-exceeded.
        """
        self._status.require()
        self._status.bucket.charge(1)

    def of_submissions(self) -> Mapping[str, str]:
        """The headers of an answer to a call that submits."""
        return _headers(self._submissions, self._bytes)

    def of_status(self) -> Mapping[str, str]:
        """The headers of an answer to a call that asks."""
        return _headers(self._status)


class Rates:
    """The buckets of all portals; each is made when its portal calls first, and anew when its settings have changed."""

    def __init__(self) -> None:
        self._by_portal: dict[str, tuple[PortalSettings, PortalRates]] = {}

    def of(self, portal: Portal) -> PortalRates:
        """The buckets of this portal."""
        settings, rates = self._by_portal.get(portal.id, (None, None))
        if rates is None or (settings is not portal.settings and settings != portal.settings):
            rates = PortalRates(portal.settings)
            self._by_portal[portal.id] = (portal.settings, rates)
        return rates


def _headers(*rates: Rate) -> Mapping[str, str]:
    return {
        "RateLimit-Policy": ", ".join(rate.policy() for rate in rates),
        "RateLimit": ", ".join(rate.state() for rate in rates),
    }
