"""The conformance suite on every adapter of this package; and that it notices adapters that do not keep their promises."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from adapters import registry
from adapters.conformance import CHECKS, run
from adapters.conformance.contract import AdapterContract
from adapters.interface import Delivered, Document, Submission
from adapters.mapping import Mapping
from adapters.nuernberg.meldewesen import NuernbergMeldewesen
from adapters.protocols.drop import Drop
from adapters.protocols.file import FileAdapter
from adapters.protocols.mapped import MAPPING
from adapters.twins.file import FileTwin
from schemas.errors import Blip, DeliveryFailure, Refused, UsageError

log = logging.getLogger(__name__)
OFFICE = "nuernberg.meldewesen"
CHECK = {check.__name__: check for check in CHECKS}


@pytest.mark.parametrize("office", registry.names())
class TestEveryAdapter:
    """All of `stadtbus.adapters`, a test per check."""

    @pytest.mark.parametrize("check", CHECKS, ids=CHECK)
    def test_conformance(self, office: str, check: Any) -> None:
        """The adapter keeps what every adapter promises."""
        assert asyncio.run(run(check, office)).broken == ""


class TestByInheritance(AdapterContract):
    """As another package does it."""

    office = OFFICE


class FileOffice(FileAdapter):
    """Augsburg's files in a folder."""

    drop = Drop(suffix=".csv")
    mapping = Mapping.load(registry.folder("augsburg.gewerbe") / MAPPING)

    def translate(self, submission: Submission) -> Document:
        return self.mapping.document(submission)


class FileOfficeTwin(FileTwin):
    """Its twin."""

    prefix = "F"
    drop = FileOffice.drop


@pytest.mark.parametrize("check", CHECKS, ids=CHECK)
def test_file_drop(monkeypatch: pytest.MonkeyPatch, check: Any) -> None:
    """No office of this package has its files in a folder; the protocol keeps its promises all the same."""
    folder = registry.folder("augsburg.gewerbe")
    monkeypatch.setattr(registry, "load", lambda group, _: FileOffice if group == registry.ADAPTERS else FileOfficeTwin)
    monkeypatch.setattr(registry, "folder", lambda _: folder)
    assert asyncio.run(run(check, "augsburg.gewerbe")).broken == ""


class Random(NuernbergMeldewesen):
    """Translates differently each time."""

    def translate(self, submission: Submission) -> Document:
        document = super().translate(submission)
        return Document(document.submission_id, document.name, document.content_type, document.content + uuid4().bytes)


class Named(NuernbergMeldewesen):
    """Names its documents after the applicant."""

    def translate(self, submission: Submission) -> Document:
        document = super().translate(submission)
        name = submission.root.findtext("antragsteller/natuerlichePerson/familienname/name", "")
        return Document(document.submission_id, f"{name}.json", document.content_type, document.content)


class Unmarked(NuernbergMeldewesen):
    """Hides that a submission is a test."""

    def translate(self, submission: Submission) -> Document:
        document = super().translate(submission)
        return Document(
            document.submission_id, document.name, document.content_type, document.content.replace(b'"test": true', b'"test": false')
        )


class Ascii(NuernbergMeldewesen):
    """Drops letters that it does not know."""

    def translate(self, submission: Submission) -> Document:
        document = super().translate(submission)
        return Document(document.submission_id, document.name, document.content_type, document.content.decode().encode("ascii", "ignore"))


class Forgetful(NuernbergMeldewesen):
    """Never finds anything."""

    async def find(self, submission_id: UUID) -> Delivered | None:
        return None


class Certain(NuernbergMeldewesen):
    """Takes every failure for a refusal."""

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        try:
            return await super().deliver(document, attempt)
        except Exception as error:
            raise Refused("FACHLICH_ABGELEHNT") from error


class Hasty(NuernbergMeldewesen):
    """Takes every failure for one before the effect."""

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        try:
            return await super().deliver(document, attempt)
        except Refused:
            raise
        except Exception as error:
            raise Blip("again") from error


class Trusting(NuernbergMeldewesen):
    """Takes whatever comes for an answer."""

    async def _delivered(self, response: httpx.Response) -> Delivered:
        return Delivered("unknown")


class Twice(NuernbergMeldewesen):
    """Hands over under a new key each time."""

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        await super().deliver(Document(uuid4(), document.name, document.content_type, document.content), attempt)
        return await super().deliver(document, attempt)


class Patient(NuernbergMeldewesen):
    """Waits much longer than it is told."""

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        try:
            return await super().deliver(document, attempt)
        except (TimeoutError, httpx.ReadTimeout):
            await asyncio.sleep(3)
            raise


class CutOff(NuernbergMeldewesen):
    """Lets out what ends tasks and processes wherever it does not know: somebody has cancelled what it waited for, or a library exits."""

    end: type[BaseException] = asyncio.CancelledError

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        try:
            return await super().deliver(document, attempt)
        except DeliveryFailure:
            raise
        except Exception as error:
            raise self.end from error

    async def find(self, submission_id: UUID) -> Delivered | None:
        try:
            return await super().find(submission_id)
        except DeliveryFailure:
            raise
        except Exception as error:
            raise self.end from error


class Exits(CutOff):
    """The same, by way of `sys.exit`."""

    end = SystemExit


class Ends(NuernbergMeldewesen):
    """Lets it out where the contract has a word for it, and where nothing should fail."""

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        try:
            await super().deliver(document, attempt)
        except DeliveryFailure as error:
            raise asyncio.CancelledError from error
        raise SystemExit

    async def check(self) -> str:
        raise asyncio.CancelledError


class Talkative(NuernbergMeldewesen):
    """Logs what it hands over."""

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        log.debug("handing over %s", document.content.decode())
        return await super().deliver(document, attempt)


class Loud(NuernbergMeldewesen):
    """Answers `check` with a report."""

    async def check(self) -> str:
        return "line\n" * 3


class Sleepy(NuernbergMeldewesen):
    """Says that all is well while nobody is there."""

    async def check(self) -> str:
        return "fine"


class Trustful(NuernbergMeldewesen):
    """Takes each answer that is no error for one of the office, in UTF-8."""

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        headers = {"Content-Type": document.content_type, self.rest.id_header: str(document.submission_id)}
        answer = await self.office.deliver(self.rest.collection, document.content, headers)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Blip("again")
        return Delivered(json.loads(answer.content.decode())["aktenzeichen"])


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (Random, "same_input_same_bytes"),
        (Named, "name_is_safe"),
        (Unmarked, "test_is_marked"),
        (Ascii, "characters_survive"),
        (Forgetful, "find_before_and_after"),
        (Forgetful, "error_after_effect"),
        (Forgetful, "crash_points"),
        (Certain, "technical_error"),
        (Certain, "away_and_back"),
        (Certain, "busy"),
        (Certain, "error_after_effect"),
        (Hasty, "error_after_effect"),
        (Hasty, "too_late"),
        (Hasty, "garbage"),
        (Hasty, "endless"),
        (Trusting, "many_at_once"),
        (Trusting, "garbage"),
        (Patient, "too_late"),
        (Talkative, "nothing_personal_is_said"),
        (Ends, "refusal"),
        (Ends, "many_at_once"),
        (Ends, "check_is_one_line"),
        (Trustful, "rare_but_right"),
        (Trustful, "somebody_else_answers"),
        (Trustful, "told_to_wait"),
        (Loud, "check_is_one_line"),
        (Sleepy, "technical_error"),
    ],
)
def test_a_broken_promise_is_noticed(monkeypatch: pytest.MonkeyPatch, wrong: type[NuernbergMeldewesen], check: str) -> None:
    """An adapter that does not keep a promise fails the check that is about it."""
    load, folder = registry.load, registry.folder(OFFICE)
    monkeypatch.setattr(registry, "load", lambda group, office: wrong if group == registry.ADAPTERS else load(group, office))
    monkeypatch.setattr(registry, "folder", lambda _: folder)
    assert asyncio.run(run(CHECK[check], OFFICE)).broken


@pytest.mark.parametrize("check", ["error_after_effect", "too_late", "garbage", "never_twice", "nothing_personal_is_said"])
@pytest.mark.parametrize("adapter", [CutOff, Exits])
def test_whatever_is_unclear_may_end_in_any_way(monkeypatch: pytest.MonkeyPatch, adapter: type[NuernbergMeldewesen], check: str) -> None:
    """For the suite, as for the bus, what ends tasks and processes and comes out of an adapter is a failure like any other."""
    load, folder = registry.load, registry.folder(OFFICE)
    monkeypatch.setattr(registry, "load", lambda group, office: adapter if group == registry.ADAPTERS else load(group, office))
    monkeypatch.setattr(registry, "folder", lambda _: folder)
    assert asyncio.run(run(CHECK[check], OFFICE)).broken == ""


def test_no_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Without a recorded message nothing can be checked, and the folder is named."""
    monkeypatch.setattr(registry, "folder", lambda _: tmp_path)
    with pytest.raises(UsageError, match="samples-missing") as caught:
        asyncio.run(run(CHECKS[0], OFFICE))
    assert caught.value.where == str(tmp_path)
