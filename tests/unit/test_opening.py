"""Opening a message in a worker: a route is looked up once per submission, whatever the portal sends."""

from __future__ import annotations

from datetime import date

import pytest

from producers.intake.declaration import Declaration
from producers.intake.form import SubmissionForm
from producers.intake.opening import open_form, open_message
from schemas import catalogue, message
from schemas.catalogue import Route
from schemas.examination import examine
from tests import builders

SERVICE, AREA = "99115005104000", "091620000000"
SENT = builders.application()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the catalogue of the worker is asked: service and area of each question."""
    known, questions = catalogue.load(), []
    look_up = known.route

    def route(service: str, area: str, on: date | None = None) -> Route:
        questions.append((service, area))
        return look_up(service, area, on)

    monkeypatch.setattr(known, "route", route)
    examine.prepare(known, None)
    questions.clear()  # of the sample
    return questions


def test_of_a_message(asked: list[tuple[str, str]]) -> None:
    """The examination looks the route up, and intake goes on with it."""
    assert open_message(message.write(SENT), Declaration(), SENT.author, accept_test=False).office == "muenchen.meldewesen"
    assert asked == [(SERVICE, AREA)]


def test_of_a_form(asked: list[tuple[str, str]]) -> None:
    """The message that is made of a form names its office, so the route is looked up before; the examination takes that one."""
    body = SubmissionForm.of(SENT).model_dump_json(exclude_none=True).encode()
    assert open_form(body, SENT.author, accept_test=False)[0].office == "muenchen.meldewesen"
    assert asked == [(SERVICE, AREA)]
