"""One attempt to deliver one submission: ask where an earlier outcome is unclear, else parse, translate, deliver."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.interface import Adapter, Document, Received, TranslatesApart
from consumers.delivery.failures import Failure, Stage
from consumers.delivery.job import Job
from infra import crashpoints
from infra.cancellation import is_own_cancellation
from schemas.errors import DeliveryFailure, Rejected

_PARSED_BESIDE_BYTES: Final = 64 * 1024
"""Larger messages are parsed in a thread: a document of 900 KiB takes 23 ms, and heartbeats go on in this loop."""


async def deliver(job: Job, adapter: Adapter, office: str) -> None:
    """Deliver, and note in the job what came of it: `reference` or `failure`, and whether the outcome is `unclear`.

    Whatever the adapter raises is a failure, also what Python keeps for the end of tasks and processes: somebody has cancelled
    what the adapter waits for, or a library of it calls `sys.exit`.

    Raises:
        CancelledError: this task is to end; `unclear` says whether the back office may have the submission.
        KeyboardInterrupt: the process is to end.
    """
    try:
        if job.unclear:
            await _find(job, adapter)
        if job.reference is None:
            await _deliver(job, await _translate(job, adapter, office), adapter)
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        job.failure = Failure.of(error, job.stage)


async def _find(job: Job, adapter: Adapter) -> None:
    job.stage = Stage.DELIVER
    delivered = await adapter.find(UUID(job.submission))
    job.unclear = False
    job.reference = None if delivered is None else delivered.reference


async def _translate(job: Job, adapter: Adapter, office: str) -> Document:
    job.stage = Stage.PARSE
    accepted_at = datetime.fromisoformat(job.accepted_at)
    about = UUID(job.about) if job.about else None
    received = Received(UUID(job.submission), UUID(job.case_id), office, accepted_at, job.record.value or b"", about)
    if isinstance(adapter, TranslatesApart):
        return await _translate_apart(job, adapter, received)
    beside = len(received.body) > _PARSED_BESIDE_BYTES
    submission = await asyncio.to_thread(received.parsed) if beside else received.parsed()
    job.stage = Stage.TRANSLATE
    return adapter.translate(submission)


async def _translate_apart(job: Job, adapter: TranslatesApart, received: Received) -> Document:
    job.stage = Stage.TRANSLATE
    try:
        return await adapter.translate_apart(received)
    except Rejected:
        job.stage = Stage.PARSE
        raise


async def _deliver(job: Job, document: Document, adapter: Adapter) -> None:
    job.stage = Stage.DELIVER
    crashpoints.reached("delivery.before")
    job.unclear = True
    try:
        delivered = await adapter.deliver(document, job.entry.attempt)
    except DeliveryFailure:  # one of the four causes: certainly not taken
        job.unclear = False
        raise
    crashpoints.reached("delivery.after")
    job.unclear = False
    job.reference = delivered.reference
