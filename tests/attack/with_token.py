"""What a hostile portal sends, which has a token and the rights of every other portal: endless streams of whole calls."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import uuid4

from producers.intake.form import SubmissionForm
from producers.synthetic.messages import Message
from producers.synthetic.permits import Genuine
from producers.synthetic.portal import request_of
from schemas import message, xml
from schemas.message import Amendment, Application, MessageReference, Withdrawal
from tests import builders
from tests.attack import portals
from tests.attack.crew import request
from tests.attack.portals import BUILDING, HOSTILE, RESIDENCE, TRADE

XML: Final = "application/xml"
JSON: Final = "application/json"
_MARKS: Final = (20, 10_000, 20_000, 30_000, 45_000, 200_000)
"""Pairs of combining marks: as many as fit a name, and as the review sent them (S2)."""
_SERIES: Final = 50


def sent(token: str, of: Iterable[Message]) -> Iterator[bytes]:
    """Calls with these messages."""
    for one in of:
        call = request_of(one)
        headers = dict(call["headers"])  # type: ignore[call-overload]
        kind = headers.pop("Content-Type")
        yield request(call["content"], kind, token, "".join(f"{name}: {value}\r\n" for name, value in headers.items()))  # type: ignore[arg-type]


def combining_marks(token: str) -> Iterator[bytes]:
    """Runs of combining marks in a name, as message and as form (S2)."""
    calls = []
    for pairs in _MARKS:
        name = ("a" + "\u0301\u0327" * pairs).encode()
        calls.append(request(message.write(_residence()).replace(b"Muster", name), XML, token))
        form = SubmissionForm.of(_residence()).model_dump_json(exclude_defaults=True)
        calls.append(request(form.encode().replace(b"Muster", name), JSON, token))
    return itertools.cycle(calls)


def deep_and_wide(token: str) -> Iterator[bytes]:
    """Elements with a wrong character each, many and deep; forms of nothing but nodes; nesting without end (S2, S17)."""
    deep = b"<a>" * 90 + b"<b>\xc2\x80</b>" * 19_000 + b"</a>" * 90
    wide = {"form": {"fields": [{"id": f"F{number}", "values": ["\x80" * 12] * 100} for number in range(190)]}}
    calls = [
        request(message.write(_residence()).replace(b"Muster", b"<b>\xc2\x80</b>" * 19_000), XML, token),
        request(deep, XML, token),
        request(json.dumps(wide, ensure_ascii=False).encode(), JSON, token),
        request(b'{"id":[' + b"{}," * 300_000 + b"{}]}", JSON, token),
        request(b"[" * 900_000, JSON, token),
        request(b"<a>" + b"<b/>" * 200_000 + b"</a>", XML, token),
    ]
    return itertools.cycle(calls)


def refusable(token: str) -> Iterator[bytes]:
    """Fifty that the office's translation refuses for good, of each of three kinds (S3)."""
    author = {"author": HOSTILE}
    for _ in range(_SERIES):
        login = builders.person("Muster", "Eva").trust
        firm = builders.company("Muster GmbH").model_copy(update={"trust": login})
        yield request(message.write(builders.application(applicants=(firm,), **author)), XML, token)
        greek = builders.person("Παπαδόπουλος", "Νίκος")
        yield request(message.write(builders.application(applicants=(greek,), **author)), XML, token)
        yield request(message.write(builders.application(**author)).replace(b"F99000101", b"F99000191"), XML, token)


def meant(token: str, count: int, seed: int) -> Iterator[bytes]:
    """Those that the back office of the registration office cannot take, whoever looks at them before."""
    return sent(token, portals.meant(RESIDENCE, count, seed))


def unpublishable(token: str) -> Iterator[bytes]:
    """Genuine messages whose root has a long name, and such as fill a record to the last byte (S4)."""
    for one in portals.applications(HOSTILE, BUILDING, seed=4):
        assert isinstance(one, Genuine)
        root = one.body.replace(b"xbau:baugenehmigung.antrag.0200", b"xbau:b" + b"A" * 49_900)
        for body in (root, one.body):
            padded = body + b" " * (xml.MAX_SIZE_BYTES - len(body))
            yield from sent(token, [Genuine(uuid4(), uuid4(), one.service, one.area, one.trust, padded)])


def cheap(token: str) -> Iterator[bytes]:
    """Small, and refused at once."""
    return itertools.repeat(request(b"<no", XML, token))


def dear(token: str) -> Iterator[bytes]:
    """As large as may be, and much to read."""
    form = {"form": {"fields": [{"id": f"F{number}", "values": ["x" * 40] * 100} for number in range(190)]}}
    return itertools.repeat(request(json.dumps(form).encode(), JSON, token))


def questions(token: str) -> Iterator[bytes]:
    """What became of a submission that there is none of."""
    head = f"GET /v1/submissions/{uuid4()} HTTP/1.1\r\nHost: bus\r\nAuthorization: Bearer {token}\r\n\r\n"
    return itertools.repeat(head.encode())


def valid(token: str) -> Iterator[bytes]:
    """Nothing is wrong with them but their number."""
    return sent(token, portals.applications(HOSTILE, RESIDENCE, seed=5))


def large(token: str) -> Iterator[bytes]:
    """Valid ones of 200 KB, which the outbox has to keep while their back office is away (S9)."""
    for one in portals.applications(HOSTILE, BUILDING, seed=6):
        assert isinstance(one, Genuine)
        yield from sent(token, [Genuine(one.message_id, one.case_id, one.service, one.area, one.trust, one.body + b" " * 200_000)])


def foreign(token: str) -> Iterator[bytes]:
    """Amendments and withdrawals of the honest portal's cases, and messages under its ids (S6, S22, S23)."""
    theirs = [one for one in itertools.islice(portals.honest(TRADE), 20) if isinstance(one, Application)]
    for one in itertools.cycle(theirs):
        about = {"reference": MessageReference(message_id=one.message_id), "message_id": uuid4(), "author": HOSTILE}
        members = {name: getattr(one, name) for name in ("created_at", "reader", "case_id", "service", "area", "applicants")}
        yield request(message.write(Withdrawal(**members | about, reason="mistake")), XML, token)
        yield request(message.write(Amendment(**members | about | {"message_id": uuid4()}, content=one.content)), XML, token)
        yield request(message.write(one.model_copy(update={"author": HOSTILE})), XML, token)


def _residence() -> Application:
    """A valid message of the hostile portal, of a person called Muster."""
    return builders.application(applicants=(builders.person("Muster", "Eva"),), author=HOSTILE)
