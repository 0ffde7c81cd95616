"""Every metric of the bus, as one typed list; `docs/reference/metrics.md` is made from it.

Labels are city-level names only (office, portal, code), never ids of submissions or people.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_DELIVERY_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)

ACCEPTED = Counter("stadtbus_submissions_accepted_total", "Submissions taken into the outbox.", ["office", "portal"])
REJECTED = Counter("stadtbus_submissions_rejected_total", "Submissions refused at intake, by problem code.", ["code"])
OUTBOX_PENDING = Gauge("stadtbus_outbox_pending", "Submissions in the outbox that are not on Kafka yet.", ["office"])
DELIVERED = Counter("stadtbus_submissions_delivered_total", "Submissions that the back office confirmed.", ["office"])
DELIVERY_SECONDS = Histogram(
    "stadtbus_delivery_seconds", "Time from acceptance to confirmation by the back office.", ["office"], buckets=_DELIVERY_BUCKETS_S
)
DELIVERY_FAILURES = Counter("stadtbus_delivery_failures_total", "Hand-overs that did not succeed, by cause.", ["office", "cause"])
IN_FLIGHT = Gauge("stadtbus_engine_in_flight", "Records read and not finished.", ["office"])
UNCOMMITTED = Gauge("stadtbus_engine_uncommitted", "Records finished behind one that is not.", ["office"])
RECORDED = Counter("stadtbus_records_stored_total", "Records stored together with their offset.", ["consumer"])
DATABASE_COMMIT_SECONDS = Histogram("stadtbus_database_commit_seconds", "Time of one database commit of grouped writes.", ["store"])
