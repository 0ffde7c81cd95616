"""A portal as the demo and the tests need one: sends messages over HTTP, repeats what was not answered, keeps its own list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import httpx

from producers.intake.form import SubmissionForm
from producers.synthetic.messages import Message
from producers.synthetic.permits import Genuine
from schemas import message
from schemas.message import Application

_RETRY_S: Final = 0.3
_TIMEOUT_S: Final = 30.0


@dataclass
class PortalBook:
    """The portal's own list, kept apart from everything the bus counts."""

    sent: set[UUID] = field(default_factory=set)
    accepted: set[UUID] = field(default_factory=set)
    rejected: dict[UUID, str] = field(default_factory=dict)
    """Refused submissions with the code of the problem."""


class SyntheticPortal:
    """One simulated portal: a client of the gateway, with a token of its own.

    `office` is where its messages have to arrive. Whoever made it calls `close` when it sends no more.
    """

    def __init__(self, name: str, office: str, url: str, token: str) -> None:
        self.name = name
        self.office = office
        self.book = PortalBook()
        self._http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S)

    async def send_all(self, messages: Iterable[Message], *, max_concurrency: int = 8) -> None:
        """Send these, up to `max_concurrency` at the same time; each message of a case waits until the one before is answered.

        Returns when all are answered, however long the gateway is away.
        """
        places = asyncio.Semaphore(max_concurrency)
        last: dict[UUID, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            for one in messages:
                await places.acquire()
                send = self._send_after(last.get(one.case_id), one)
                task = last[one.case_id] = group.create_task(send)
                task.add_done_callback(lambda _: places.release())

    async def _send_after(self, earlier: asyncio.Task[None] | None, one: Message) -> None:
        if earlier is not None:
            await earlier
        await self.send(one)

    async def send(self, one: Message) -> None:
        """Send one until it is answered below 500 and not with 429, for as long as that takes; the answer is noted in `book`.

        Repeats carry the same id and content, so they have one effect.
        """
        self.book.sent.add(one.message_id)
        while True:
            try:
                response = await self._http.post("/v1/submissions", **request_of(one))  # type: ignore[arg-type]
            except httpx.TransportError:
                pass  # the gateway is away: nobody knows whether it was accepted, so it is sent again
            else:
                if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    self._note(one.message_id, response)
                    return
            await asyncio.sleep(_RETRY_S)

    def _note(self, submission_id: UUID, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.ACCEPTED:
            self.book.accepted.add(submission_id)
        else:
            self.book.rejected[submission_id] = response.json().get("code", str(response.status_code))

    async def status(self, submission_id: UUID) -> httpx.Response:
        """The gateway's answer to what became of a submission.

        Raises:
            httpx.TransportError: the gateway is away.
        """
        return await self._http.get(f"/v1/submissions/{submission_id}")

    async def close(self) -> None:
        """Give connections back."""
        await self._http.aclose()


def request_of(one: Message) -> dict[str, object]:
    """Body and headers of the call for this message.

    Every other application goes as a JSON form, so that both ways are used; which one depends on the id alone.
    """
    if isinstance(one, Genuine):
        return {"content": one.body, "headers": {"Content-Type": "application/xml"} | _beside(one)}
    if isinstance(one, Application) and one.message_id.int % 2:
        form = SubmissionForm.of(one).model_dump_json(exclude_defaults=True)
        return {"content": form.encode(), "headers": {"Content-Type": "application/json"}}
    return {"content": message.write(one), "headers": {"Content-Type": "application/xml"}}


def _beside(one: Genuine) -> dict[str, str]:
    """What the bus has to know of a message that it does not read."""
    return {
        "Stadtbus-Service": one.service,
        "Stadtbus-Area": one.area,
        "Stadtbus-Case": str(one.case_id),
        "Stadtbus-Trust": f"{one.trust.level}; {one.trust.account}",
    }
