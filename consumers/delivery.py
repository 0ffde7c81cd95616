"""How one submission gets to its back office, in numbered steps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from adapters.interface import Adapter, Delivered, Submission
from consumers.ledger import Entry, Ledger
from infra import metrics
from infra.kafka.clients import Outgoing, Sender
from schemas import headers, message, topics, xml
from schemas.errors import DeliveryFailure
from schemas.events import EVENT_CONTENT_TYPE, State, StatusData, StatusEvent
from schemas.headers import Header

log = structlog.get_logger()


class Delivery:
    """Hands the records of one office to its adapter; the engine calls it for one record of a case at a time."""

    def __init__(self, office: str, adapter: Adapter, ledger: Ledger, sender: Sender) -> None:
        self._office = office
        self._adapter = adapter
        self._ledger = ledger
        self._sender = sender

    async def handle(self, record: Any, attempts: int) -> None:
        """Deliver one record; returning means that the back office has it, once, and that the portal will hear of it.

        Raises:
            Exception: not delivered, or not known; the same record has to come again.
        """
        meta = headers.decode(record.headers)  # 1. who is it
        submission_id = UUID(meta[Header.SUBMISSION])
        entry = await self._ledger.begin(submission_id)  # 2. note that we begin
        try:
            reference, delivered_at = await self._hand_over(record, submission_id, meta, entry)  # 3.-5.
        except Exception as error:
            cause = type(error).__name__ if isinstance(error, DeliveryFailure) else "unclear"
            metrics.DELIVERY_FAILURES.labels(self._office, cause).inc()
            reason = error.reason if isinstance(error, DeliveryFailure) else type(error).__name__
            log.warning(
                "delivery_failed", submission=str(submission_id), attempt=entry.attempt, handed_out=attempts, cause=cause, reason=reason
            )
            raise
        await self._tell(record.key, meta, submission_id, reference, delivered_at)  # 6. tell the portal

    async def _hand_over(self, record: Any, submission_id: UUID, meta: dict[str, str], entry: Entry) -> tuple[str, datetime]:
        if entry.reference is not None and entry.delivered_at is not None:  # 3. done before: only the news may be missing
            return entry.reference, entry.delivered_at
        delivered = await self._adapter.find(submission_id) if entry.unclear else None  # 4. ask before sending again
        if delivered is None:
            delivered = await self._deliver(record, submission_id, meta, entry.attempt)
        return delivered.reference, await self._ledger.delivered(submission_id, delivered.reference)  # 5. note the outcome

    async def _deliver(self, record: Any, submission_id: UUID, meta: dict[str, str], attempt: int) -> Delivered:
        accepted_at = datetime.fromisoformat(meta[Header.ACCEPTED_AT])
        submission = Submission(submission_id, self._office, accepted_at, message.read(xml.parse(record.value)))
        try:
            delivered = await self._adapter.deliver(self._adapter.translate(submission), attempt)
        except DeliveryFailure:  # one of the four causes: surely not taken
            await self._ledger.not_taken(submission_id)
            raise
        metrics.DELIVERED.labels(self._office).inc()
        metrics.DELIVERY_SECONDS.labels(self._office).observe((datetime.now(UTC) - accepted_at).total_seconds())
        return delivered

    async def _tell(self, key: bytes, meta: dict[str, str], submission_id: UUID, reference: str, delivered_at: datetime) -> None:
        data = StatusData(
            submission=submission_id,
            case=meta[Header.CASE],
            city=meta[Header.CITY],
            office=meta[Header.OFFICE],
            service=meta[Header.SERVICE],
            portal=meta[Header.PORTAL],
            state=State.DELIVERED,
            reference=reference,
        )
        event = StatusEvent.of(data, time=delivered_at)
        kept = {Header.TRACEPARENT: meta[Header.TRACEPARENT]} if Header.TRACEPARENT in meta else {}
        raw = headers.encode({Header.CONTENT_TYPE: EVENT_CONTENT_TYPE} | kept)
        await self._sender.send(Outgoing(topics.events(data.city), key, event.model_dump_json().encode(), raw))
