"""Settings of delivery (how much at once, how patient, and when to stop), and of the lag watch."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from consumers.notice_settings import NoticeSettings
from infra.settings import Part

MOST_DOUBLINGS: Final = 30
"""Far beyond any longest wait; a power of many thousands would be no number."""


class DeliverySettings(Part):
    """The same for all offices. The retry schedule that portals are told stands here."""

    max_concurrency: int = Field(
        default=500, ge=1, le=10_000, description="Deliveries at the same time, each of another case; an adapter may want fewer."
    )
    in_flight: int = Field(default=6_000, ge=10, description="Records read and not finished; above it reading waits.")
    in_flight_bytes: int = Field(default=64 * 1024 * 1024, ge=1024 * 1024, description="Their size; the same.")
    attempt_timeout_s: float = Field(default=900, gt=0, description="After it an attempt is given up as unclear and its case parked.")
    gap_limit: int = Field(
        default=5_000, ge=1, description="So many finished records may wait for one that is not; then it is given up as unclear."
    )
    immediate_retries: int = Field(
        default=2, ge=0, description="Retries in place after a blip or an unclear answer, before the case is parked."
    )
    first_backoff_s: float = Field(default=30, gt=0, description="How long a parked case waits first; then twice as long each time.")
    longest_backoff_s: float = Field(default=3600, gt=0, description="The longest wait of a parked case.")
    delayed_retries: int = Field(default=10, ge=1, description="Retries of a parked submission, before it is a dead letter.")
    first_probe_s: float = Field(
        default=1, gt=0, description="How long an office is paused first when its back office is down; then twice as long."
    )
    longest_probe_s: float = Field(default=60, gt=0, description="The longest time between two looks at a back office that is down.")
    longest_outcome_poll_s: float = Field(
        default=300, gt=0, description="The longest time between two questions for an outcome that a back office tells later."
    )
    failure_threshold: int = Field(
        default=10, ge=1, description="So many blips and unclear answers to several portals, without a clear one, count as down."
    )
    brake_in_a_row: int = Field(default=20, ge=1, description="So many refused in a row, of one portal or for one cause, are held.")
    brake_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of refused ones among a portal's recent submissions that holds it."
    )
    brake_window: int = Field(default=200, ge=1, description="How many submissions of a portal are recent.")

    def backoff_s(self, failed: int) -> float:
        """The wait after so many failures (from 1 on), doubling from the first to the longest."""
        return min(self.longest_backoff_s, self.first_backoff_s * 2.0 ** min(max(0, failed - 1), MOST_DOUBLINGS))


class WatchSettings(Part):
    """How the lag watch looks, and where it is found."""

    interval_s: float = Field(
        default=10,
        ge=1,
        le=300,
        description="Between the beginnings of two looks at Kafka; what is older than three of them counts as unknown.",
    )
    url: str | None = Field(
        default=None,
        description="Where the pages of the watch are, for commands on another machine: for example http://watch.example:8081; else on this one.",
    )
    drop_in_metrics: bool = Field(
        default=True,
        description="Serve lag under the names of kafka_exporter and kafka-lag-exporter too, so that common boards and alert packs work.",
    )
    notices: NoticeSettings = NoticeSettings()
