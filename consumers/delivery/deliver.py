"""One hand-over of one submission: ask where an earlier outcome is unclear, else parse, translate, deliver."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

from adapters.interface import Adapter, AnswersLater, Document, Submission
from consumers.delivery.failures import Failure, Stage
from consumers.delivery.job import Job
from infra import crashpoints
from infra.ends import is_our_end
from schemas import xml
from schemas.errors import DeliveryFailure

_BESIDE_BYTES: Final = 64 * 1024
"""Larger messages are parsed in a thread: a document of 900 KiB takes 23 ms, and heartbeats go on in this loop."""


class Deliverer:
    """The way of one office's submissions into its adapter."""

    answers_later = False
    """The back office says only later what it makes of a submission."""

    def __init__(self, office: str, adapter: Adapter) -> None:
        self._office = office
        self._adapter = adapter
        self.max_concurrency = adapter.max_concurrency
        self.answers_later = isinstance(adapter, AnswersLater)

    async def run(self, job: Job) -> None:
        """Hand over, and note in the job what came of it: a reference or a failure, and whether the outcome is unclear.

        Whatever the adapter raises is a failure, also what Python keeps for the end of tasks and processes: somebody has cancelled
        what the adapter waits for, or a library of it calls `sys.exit`.

        Raises:
            CancelledError: this task is to end.
            KeyboardInterrupt: the process is to end.
        """
        try:
            if job.unclear:
                await self._find(job)
            if job.reference is None:
                await self._deliver(job, await self._translate(job))
        except BaseException as error:
            if is_our_end(error):
                raise
            job.failure = Failure.of(error, job.stage)

    async def _find(self, job: Job) -> None:
        job.stage = Stage.DELIVER
        delivered = await self._adapter.find(UUID(job.submission))
        job.unclear = False
        job.reference = None if delivered is None else delivered.reference

    async def _translate(self, job: Job) -> Document:
        job.stage = Stage.PARSE
        body = job.record.value or b""
        root = await asyncio.to_thread(xml.parse, body) if len(body) > _BESIDE_BYTES else xml.parse(body)
        accepted_at = datetime.fromisoformat(job.accepted_at)
        submission = Submission(UUID(job.submission), UUID(job.case_id), self._office, accepted_at, body, root)
        job.stage = Stage.TRANSLATE
        return self._adapter.translate(submission)

    async def _deliver(self, job: Job, document: Document) -> None:
        job.stage = Stage.DELIVER
        crashpoints.reached("delivery.before")
        job.unclear = True
        try:
            delivered = await self._adapter.deliver(document, job.entry.attempt)
        except DeliveryFailure:  # one of the four causes: surely not taken
            job.unclear = False
            raise
        crashpoints.reached("delivery.after")
        job.unclear = False
        job.reference = delivered.reference
