"""Every metric of the bus, as one typed list; `docs/reference/metrics.md` is made from it.

Labels are city-level names only (office, portal, code), never ids of submissions or people.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_DELIVERY_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)

ACCEPTED = Counter("stadtbus_submissions_accepted_total", "Submissions accepted: durable in the outbox.", ["office", "portal"])
REJECTED = Counter("stadtbus_submissions_rejected_total", "Calls of portals that were refused, by problem code.", ["code"])
SECURITY = Counter(
    "stadtbus_security_events_total",
    "Security events (docs/reference/security-events.md); `portal` is empty where none has logged in.",
    ["what", "code", "portal"],
)
PORTAL_TOKEN_DAYS = Gauge(
    "stadtbus_portal_token_days", "Days until the last token of a portal ends; below 0 it cannot call. Alarm below 14.", ["portal"]
)
OUTBOX_PENDING = Gauge("stadtbus_outbox_pending", "Submissions in the outbox that are not on Kafka yet.", ["office"])
CONNECTIONS_CLOSED = Counter(
    "stadtbus_connections_closed_total",
    "Connections that this process closed before their callers did: `head`, `idle`, `body`, `write`, `drain` took too long or too much, `crowded` "
    "made room for another, `full` found none, `handshake` failed at TLS, others had a request that the code names.",
    ["reason"],
)
CERTIFICATE_END = Gauge(
    "stadtbus_certificate_end_timestamp_seconds",
    "When the certificate for portals that is served ends (Unix time). Alarm two weeks before.",
)
THROTTLED = Counter(
    "stadtbus_calls_throttled_total", "Calls of portals beyond their rate or share (429), by problem code.", ["portal", "code"]
)
BEING_READ = Gauge("stadtbus_intake_being_read", "Messages of a portal that wait for a worker or are with one.", ["portal"])
OUTBOX_PORTAL_PENDING = Gauge(
    "stadtbus_outbox_portal_pending", "Those in the outbox that are not on Kafka yet, by portal.", ["office", "portal"]
)
OUTBOX_BYTES = Gauge("stadtbus_outbox_bytes", "Content in the outbox, kept until it is delivered.", ["office", "portal"])
RELAY_HELD = Gauge(
    "stadtbus_relay_held_cases", "Cases in the outbox of which Kafka refuses a submission, by its error. Alarm on any.", ["office", "error"]
)
DELIVERED = Counter("stadtbus_submissions_delivered_total", "Submissions that the back office has.", ["office"])
DELIVERY_SECONDS = Histogram("stadtbus_delivery_seconds", "Time from acceptance to delivery.", ["office"], buckets=_DELIVERY_BUCKETS_S)
DELIVERY_FAILURES = Counter("stadtbus_delivery_failures_total", "Hand-overs that did not succeed, by cause.", ["office", "cause"])
PARKED = Counter("stadtbus_submissions_parked_total", "Submissions set aside in the retry topic, by cause.", ["office", "cause"])
DEADLETTERS = Counter("stadtbus_deadletters_total", "Submissions that became dead letters, by cause.", ["office", "cause"])
EXPIRED = Counter("stadtbus_records_expired_total", "Records that were gone before anybody read them. Alarm on any.", ["topic"])
OFFSETS_MOVED = Counter(
    "stadtbus_offsets_moved_total", "Offsets between the ledger's position and a commit that was ahead of it. Alarm on any.", ["topic"]
)
MISSING = Counter(
    "stadtbus_records_missing_total", "Records that were gone before this reader stored them. Alarm on any.", ["consumer", "topic"]
)
LOGS_REPLACED = Counter(
    "stadtbus_logs_replaced_total", "Partitions whose log is another one or shorter than before. Alarm on any.", ["consumer", "topic"]
)
PARTITIONS_UNREADABLE = Gauge(
    "stadtbus_partitions_unreadable", "Partitions that cannot be read, while others go on. Alarm on any.", ["consumer"]
)
REFUSED = Gauge("stadtbus_kafka_refused", "Copies and events that Kafka refuses now, and that wait. Alarm on any.", ["topic", "error"])
UP: Final = 0
DOWN: Final = 1
STOPPED: Final = 2
OFFICE_STATE = Gauge(
    "stadtbus_office_state",
    "0: delivering. 1: paused, the back office is down. 2: held, several portals are refused. Alarm on 2.",
    ["office"],
)
OFFICE_PAUSED = Gauge("stadtbus_office_paused", "1 while an operator or a maintenance window has paused the office on purpose.", ["office"])
PROBES = Counter(
    "stadtbus_probes_total",
    "Probes that adapters took to the doors of their back offices, by what came of it: answered, not-answered.",
    ["office", "result"],
)
PROBES_SENT = Counter("stadtbus_probes_sent_total", "Probes that the gateway has written.", ["office"])
PROBE_SECONDS = Histogram(
    "stadtbus_probe_seconds", "From the writing of a probe until the back office has answered.", ["office"], buckets=_DELIVERY_BUCKETS_S
)
SERIES_HELD = Gauge("stadtbus_series_held", "Portals and causes that are held because all of it is refused. Alarm above 0.", ["office"])
OUTCOMES_AWAITED = Gauge("stadtbus_outcomes_awaited", "Submissions handed over that the back office has not decided on.", ["office"])
OUTCOME_OLDEST_SECONDS = Gauge("stadtbus_outcome_oldest_seconds", "How long the oldest of them waits; 0 where none does.", ["office"])
PARKED_CASES = Gauge("stadtbus_parked_cases", "Cases with submissions in the retry topic.", ["office"])
IN_FLIGHT = Gauge("stadtbus_engine_in_flight", "Records read and not finished.", ["office"])
UNCOMMITTED = Gauge("stadtbus_engine_uncommitted", "Records finished behind one that is not.", ["office"])
RECORDED = Counter("stadtbus_records_stored_total", "Records stored together with their offset.", ["consumer"])
UNREADABLE = Gauge(
    "stadtbus_records_unreadable",
    "Records that a newer version wrote, or nobody of us: kept by their places, and read again after an upgrade. Alarm on any.",
    ["consumer"],
)
UNREADABLE_GONE = Gauge(
    "stadtbus_records_unreadable_gone", "Unreadable records that Kafka no longer had when they were to be read again.", ["consumer"]
)
NOTICES = Counter(
    "stadtbus_notices_total",
    "Notices of the watch that were `sent`, `not-taken` (and are tried again), or `given-up`.",
    ["channel", "outcome"],
)
NOTICES_WAITING = Gauge("stadtbus_notices_waiting", "Notices of the watch that are not sent yet.", ["channel"])
HEARTBEATS_DROPPED = Counter("stadtbus_heartbeats_dropped_total", "Heartbeats of this process that could not be written.")
LEFT_OUT = Counter(
    "stadtbus_records_left_out_total",
    "Records of heartbeats and operations that are none of ours, and were passed over.",
    ["consumer", "topic"],
)
DATABASE_COMMIT_SECONDS = Histogram("stadtbus_database_commit_seconds", "Time of one database commit of grouped writes.", ["store"])


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """Observe many values at once; the library can only do it one by one, at ten times the price.

    It counts per bucket what lies in it alone and adds up when asked (prometheus-client is pinned, a test compares).
    """
    for place, count in Counts(bisect_left(histogram._upper_bounds, value) for value in values).items():  # noqa: SLF001
        histogram._buckets[place].inc(count)  # noqa: SLF001
    histogram._sum.inc(sum(values))  # noqa: SLF001
