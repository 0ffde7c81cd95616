"""Adapter to the trade office of Augsburg: CSV files over SFTP, answered by acknowledgement files.

    eingang/<submission>.csv.part   being written, ignored by the back office
    eingang/<submission>.csv        handed over (by renaming), not taken up yet
    verarbeitet/<submission>.csv    taken up by the back office
    quittung/<submission>.ack       its answer: `ANGENOMMEN;<reference>` or `ABGEWIESEN;<code>`

Nothing is handed over before the renaming; what fails up to there is the way, not the submission. The back office moves a
file from `eingang` to `verarbeitet` and acknowledges it, so who looks in that order never misses one. Folders and columns are
plausible inventions, not those of a real product.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Final
from uuid import UUID

import asyncssh
from pydantic import Field, PositiveFloat, SecretStr, field_validator

from adapters import kit
from adapters.augsburg.gewerbe import latin9
from adapters.interface import Delivered, Document, Submission
from infra.settings import Part
from schemas.errors import DestinationDown, Refused
from schemas.message import Address, Applicant, Organisation, Person

FIELDS: Final = {
    "F99000201": "Taetigkeit",
    "F99000202": "Beginn",
    "F99000203": "Betrieb_Strasse",
    "F99000204": "Betrieb_Hausnummer",
    "F99000205": "Betrieb_PLZ",
    "F99000206": "Betrieb_Ort",
    "F99000207": "Beschaeftigte",
    "F99000208": "Betriebsart",
}
"""Field of the form -> column."""
REQUIRED: Final = ("F99000201", "F99000202", "F99000203", "F99000204", "F99000205", "F99000206")
COLUMNS: Final = (
    *("Antragsnummer", "Vorgang", "Eingang", "Test", "Umschrift", "Nummer", "Art", "Name", "Vornamen", "Geburtsname", "Geburtsdatum"),
    *("Rechtsform", "Registernummer", "Strasse", "Hausnummer", "Zusatz", "PLZ", "Ort", "Staat"),
    *FIELDS.values(),
)
"""One row per applicant. `Umschrift` says `ja` where a value of the row had to be transliterated (see `latin9`)."""
VALUE_SEPARATOR: Final = " / "
"""Between several values of one field, which share a cell."""

INBOX: Final = "eingang"
TAKEN_UP: Final = "verarbeitet"
ANSWERS: Final = "quittung"
ACCEPTED: Final = "ANGENOMMEN"
REFUSED: Final = "ABGEWIESEN"
MAX_ACK_BYTES: Final = 1000
KEEPALIVE_S: Final = 15
"""Between signs of life; three unanswered ones, and the connection counts as lost."""


class AugsburgGewerbe:
    """Hands trade registrations (Gewerbe anmelden) to Augsburg. All deliveries share one SSH connection."""

    at_once = 50

    class Settings(Part):
        """`host_key` is the server's public key in OpenSSH form, `ssh-ed25519 AAAA…`; no other key is trusted."""

        host: str = Field(description="Name or address of the SFTP server.")
        port: int = Field(default=22, ge=1, le=65535, description="Its port.")
        user: str = Field(description="User for the login.")
        password: SecretStr = Field(description="Its password.")
        host_key: str = Field(description="The server's public key, OpenSSH form; no other is trusted.")
        connect_limit_s: PositiveFloat = Field(default=10, description="How long to wait for a connection.")
        upload_limit_s: PositiveFloat = Field(default=30, description="How long an upload may take.")
        ack_limit_s: PositiveFloat = Field(default=60, description="How long to wait for the acknowledgement; then the outcome is unclear.")
        ack_poll_s: PositiveFloat = Field(default=0.5, description="Pause between two looks for the acknowledgement.")

        @field_validator("host_key")
        @classmethod
        def _is_key(cls, text: str) -> str:
            asyncssh.import_public_key(text)
            return text

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connecting = asyncio.Lock()
        self._line: _Line | None = None

    def translate(self, submission: Submission) -> Document:
        """CSV with `;` and a header line, in ISO-8859-15. An empty name means that the person has no such name.

        Raises:
            Refused: a required field is missing, or a column holds a character that ISO-8859-15 cannot represent.
        """
        kit.require(submission.application.form, REQUIRED)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, delimiter=";")
        writer.writeheader()
        writer.writerows(_fit_row(row) for row in _rows(submission))
        content = text.getvalue().encode(latin9.CHARSET)
        return Document(submission.id, f"{submission.id}.csv", f"text/csv; charset={latin9.CHARSET}", content)

    async def deliver(self, document: Document, attempt: int) -> Delivered:  # noqa: ARG002 - the contract has it
        """Upload, rename, and wait for the acknowledgement. One that is there already is the answer.

        Raises:
            DestinationDown: certainly nothing was handed over.
            Refused: the acknowledgement says so.
            TimeoutError: the acknowledgement did not come in time: unclear, as is everything else.
        """
        target = f"{INBOX}/{document.name}"
        with _nothing_handed_over():
            async with asyncio.timeout(self._settings.upload_limit_s):
                sftp = await self._connected()
                if earlier := await _accepted_earlier(sftp, document.submission_id):
                    return earlier
                async with sftp.open(f"{target}.part", "wb") as file:
                    await file.write(document.content)
        async with asyncio.timeout(self._settings.ack_limit_s):
            await sftp.rename(f"{target}.part", target)
            return await self._answer(sftp, document.submission_id)

    async def find(self, submission_id: UUID) -> Delivered | None:
        """The acknowledgement; waited for where the file is still on its way.

        Raises:
            DestinationDown: no connection.
            Refused: the acknowledgement says so.
            TimeoutError: the file is there, but its acknowledgement did not come in time.
        """
        with _nothing_handed_over():
            async with asyncio.timeout(self._settings.upload_limit_s):
                sftp = await self._connected()
                if not await _is_known(sftp, submission_id):
                    return None
        async with asyncio.timeout(self._settings.ack_limit_s):
            return await self._answer(sftp, submission_id)

    async def check(self) -> str:
        """Reachability and protocol version; SFTP tells no clock.

        Raises:
            DestinationDown: no connection, or no inbox.
        """
        with _nothing_handed_over():
            async with asyncio.timeout(self._settings.connect_limit_s):
                sftp = await self._connected()
                await sftp.stat(INBOX)
        return f"SFTP version {sftp.version}, no clock"

    async def close(self) -> None:
        """Close the connection."""
        if self._line is not None:
            await self._line.close()

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._line is None or self._line.end.done():
                await self.close()
                self._line = await self._connect()
            return self._line.sftp

    async def _connect(self) -> _Line:
        settings = self._settings
        async with asyncio.timeout(settings.connect_limit_s):
            connection = await asyncssh.connect(
                settings.host,
                settings.port,
                username=settings.user,
                password=settings.password.get_secret_value(),
                known_hosts=([asyncssh.import_public_key(settings.host_key)], [], []),
                # Nothing of the account that the process runs under: no ssh_config, keys or agent.
                config=None,
                client_keys=None,
                agent_path=None,
                preferred_auth="password",
                keepalive_interval=KEEPALIVE_S,
            )
            try:
                sftp = await connection.start_sftp_client()
            except BaseException:
                connection.abort()
                raise
        return _Line(connection, sftp, asyncio.create_task(sftp.wait_closed()))

    async def _answer(self, sftp: asyncssh.SFTPClient, submission_id: UUID) -> Delivered:
        while (answer := await _read_answer(sftp, submission_id)) is None:  # noqa: ASYNC110 - the other side only writes files
            await asyncio.sleep(self._settings.ack_poll_s)
        return answer


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection with its one session. `end` is done as soon as either is lost."""

    connection: asyncssh.SSHClientConnection
    sftp: asyncssh.SFTPClient
    end: asyncio.Task[None]

    async def close(self) -> None:
        self.connection.close()
        await self.connection.wait_closed()
        await self.end


@contextlib.contextmanager
def _nothing_handed_over() -> Iterator[None]:
    """What fails in here is the way to the back office, time-outs included."""
    try:
        yield
    except (asyncssh.Error, OSError) as error:
        raise DestinationDown(f"SFTP: {type(error).__name__}") from error


def _ack(submission_id: UUID) -> str:
    return f"{ANSWERS}/{submission_id}.ack"


async def _is_known(sftp: asyncssh.SFTPClient, submission_id: UUID) -> bool:
    """Looks where a file comes past, in that order. Only "no such file" counts as no; `exists` would count "no permission" too."""
    for path in (f"{INBOX}/{submission_id}.csv", f"{TAKEN_UP}/{submission_id}.csv", _ack(submission_id)):
        with contextlib.suppress(asyncssh.SFTPNoSuchFile):
            await sftp.stat(path)
            return True
    return False


async def _accepted_earlier(sftp: asyncssh.SFTPClient, submission_id: UUID) -> Delivered | None:
    """A refusal from before is removed: it must not answer for the file that comes now."""
    try:
        return await _read_answer(sftp, submission_id)
    except Refused:
        await sftp.remove(_ack(submission_id))
        return None


async def _read_answer(sftp: asyncssh.SFTPClient, submission_id: UUID) -> Delivered | None:
    try:
        async with sftp.open(_ack(submission_id), "r", encoding="ascii") as file:
            line = str(await file.read(MAX_ACK_BYTES))  # text already; the library's types do not say so
    except asyncssh.SFTPNoSuchFile:
        return None
    verdict, _, value = line.strip().partition(";")
    if verdict == ACCEPTED and value:
        return Delivered(value)
    if verdict == REFUSED:
        raise Refused(kit.reason_code(value))
    raise kit.UnclearAnswer("the acknowledgement cannot be read")


def _rows(submission: Submission) -> Iterator[dict[str, str]]:
    application = submission.application
    common = {
        "Antragsnummer": str(submission.id),
        "Vorgang": str(submission.case_id),
        "Eingang": submission.accepted_at.astimezone(UTC).isoformat(timespec="seconds"),
        "Test": "ja" if application.test else "nein",
    } | {column: VALUE_SEPARATOR.join(kit.values(application.form, field_id)) for field_id, column in FIELDS.items()}
    for number, applicant in enumerate(application.applicants, start=1):
        yield common | {"Nummer": str(number)} | {column: value or "" for column, value in _applicant(applicant).items()}


def _applicant(applicant: Applicant) -> dict[str, str | None]:
    person, organisation = applicant.person, applicant.organisation
    return (_person(person) if person else {}) | (_organisation(organisation) if organisation else {})


def _person(person: Person) -> dict[str, str | None]:
    return {
        "Art": "Person",
        "Name": person.family_name,
        "Vornamen": person.given_names,
        "Geburtsname": person.birth_name,
        "Geburtsdatum": person.birth_date,
    } | (_address(person.address) if person.address else {})


def _organisation(organisation: Organisation) -> dict[str, str | None]:
    return {
        "Art": "Organisation",
        "Name": organisation.name,
        "Rechtsform": organisation.legal_form,
        "Registernummer": organisation.register_number,
    } | _address(organisation.address)


def _address(address: Address) -> dict[str, str | None]:
    return {
        "Strasse": address.street,
        "Hausnummer": address.house_number,
        "Zusatz": address.addition,
        "PLZ": address.postal_code,
        "Ort": address.city,
        "Staat": address.country,
    }


def _fit_row(row: dict[str, str]) -> dict[str, str]:
    fitted: dict[str, str] = {}
    for column, value in row.items():
        cell = latin9.fit(value)
        if cell is None:
            raise Refused(f"column {column} of applicant {row['Nummer']} has a character that {latin9.CHARSET} cannot represent")
        fitted[column] = cell
    return fitted | {"Umschrift": "nein" if fitted == row else "ja"}
