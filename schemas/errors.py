"""Every error Stadtbus can answer with, and the exceptions that carry them.

    StadtbusError                  base: a coded problem with a hint
    ├── Rejected                   intake refuses a submission; nothing is left behind
    ├── UsageError                 wrong command, setting or environment; exit code 2
    ├── CannotTell                 a system we depend on does not answer; exit code 3
    └── DeliveryFailure            a back office did not take a submission; the cause decides what happens next
        ├── Blip                   try again shortly
        ├── DestinationDown        the back office is not there; everything waits for it
        ├── CaseNotReady           this case has to wait, others go on
        └── Refused                permanent: the back office will never take this

Codes beside ours (`xoev`) are those of the XÖV error lists where one fits (`xbau-fehlerkennzahlen` 2.2, XInneres
`fehlercodes` 2). The list `PROBLEMS` is the reference page `docs/reference/problems.md`; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from schemas.findings import Finding

PROBLEM_TYPE_BASE: Final = "https://stadtbus.example/problems/"
_LONGEST_PLACE: Final = 200
"""Names in a place may come from the message; an answer does not grow with them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of error: a stable code, what it means and how to go on.

    `status` is the HTTP status (RFC 9110) where the gateway answers with it, `exit_code` the exit status of the command line.
    """

    code: str
    title: str
    hint: str
    status: int = 422
    exit_code: int = 2
    xoev: str | None = None

    @property
    def type_uri(self) -> str:
        """The stable `type` of RFC 9457."""
        return PROBLEM_TYPE_BASE + self.code


class StadtbusError(Exception):
    """Base of all errors. `detail` never contains a value from a message, only names, places and limits."""

    def __init__(self, problem: Problem, detail: str = "", *, where: str | None = None) -> None:
        super().__init__(f"{problem.code}: {detail or problem.title}")
        self.problem = problem
        self.detail = detail
        self.where = where if where is None else where[:_LONGEST_PLACE]

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, also from another process: the constructor takes other arguments than `Exception` keeps."""
        return type(self).__new__, (type(self), *self.args), self.__dict__

    def diagnostics(self) -> str:
        """What is wrong, where, and what to do next, for a person at a terminal."""
        place = f"\n  where: {self.where}" if self.where else ""
        return (
            f"{self.problem.title} ({self.problem.code})\n  what:  {self.detail or self.problem.title}{place}\n  next:  {self.problem.hint}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The members of an RFC 9457 problem, without those that have no value."""
        members = {
            "type": self.problem.type_uri,
            "title": self.problem.title,
            "status": self.problem.status,
            "detail": self.detail or self.problem.title,
            "code": self.problem.code,
            "hint": self.problem.hint,
            "where": self.where,
            "xoev": self.problem.xoev,
        }
        return {name: value for name, value in members.items() if value is not None}


class Rejected(StadtbusError):
    """Intake refuses a submission. `message_id` is that of the refused message, where it could be read.

    `findings` are everything that was found in the message; the problem is that of the first error.
    """

    message_id: UUID | None = None
    findings: Sequence[Finding] = ()

    def as_dict(self) -> dict[str, Any]:
        """The members of the problem, with the extension members `message_id` and `findings`."""
        more = {"message_id": str(self.message_id)} if self.message_id else {}
        return super().as_dict() | more | ({"findings": [finding.as_dict() for finding in self.findings]} if self.findings else {})


class UsageError(StadtbusError):
    """The command, the settings or the machine are not as they must be."""


class CannotTell(StadtbusError):
    """A system we depend on does not answer, so there is no result."""


class DeliveryFailure(Exception):
    """A back office did not take a submission. `reason` is free of personal data: it goes to logs and headers."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Blip(DeliveryFailure):
    """A passing fault: try again shortly."""


class DestinationDown(DeliveryFailure):
    """The back office cannot be reached, or takes nothing now: everything for it waits, where it says so for `retry_after_s`."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class CaseNotReady(DeliveryFailure):
    """The back office cannot take this case yet; later messages of the case wait behind it."""


class Refused(DeliveryFailure):
    """The back office will never take this submission."""


# --- the way in: who calls, and is the request readable at all
UNAUTHENTICATED = Problem(
    "unauthenticated", "The portal is not known", "Send 'Authorization: Bearer <token>'. The operator of the bus issues tokens.", 401
)
MEDIA_TYPE = Problem(
    "unsupported-media-type",
    "This content type is not accepted",
    "Send application/xml (a message) or application/json (a form), without Content-Encoding.",
    415,
)
TOO_LARGE = Problem(
    "message-too-large",
    "The message is larger than the bus carries",
    "Send documents as attachments by reference; the message itself stays below the limit.",
    413,
    xoev="A001",
)
TOO_SLOW = Problem("body-too-slow", "The message did not arrive in time", "Send it in one go; the connection may be too slow.", 408)
NOT_WELL_FORMED = Problem("not-well-formed", "The XML cannot be read", "Check the message with an XML parser before sending.", xoev="X000")
DOCTYPE = Problem(
    "doctype-forbidden", "The message has a DOCTYPE", "Remove the DOCTYPE; messages are checked against XSD only.", xoev="X000"
)
ENCODING = Problem("encoding-not-allowed", "The message is not UTF-8", "Encode the message as UTF-8 and declare it so.", xoev="S001")
TOO_COMPLEX = Problem("message-too-complex", "The message asks too much of its reader", "Split the content or send it as an attachment.")
FORM_INVALID = Problem(
    "form-invalid",
    "The JSON form is not as described",
    "Compare the form with the schema at /openapi.json; 'where' and 'findings' name the places (JSON Pointer).",
    xoev="X001",
)
# --- the message
UNKNOWN_MESSAGE = Problem(
    "unknown-message", "This message is not known here", "Use the root element and namespace named in the detail.", xoev="V001"
)
UNKNOWN_VERSION = Problem(
    "unknown-version", "This version of the message is not accepted", "Use one of the versions in the detail.", xoev="V000"
)
NOT_VALID = Problem(
    "not-schema-valid",
    "The message breaks its schema",
    "Validate the message against the XSD at /v1/schemas/einreichung-1.0.xsd.",
    xoev="X001",
)
NOT_CHECKED = Problem(
    "schema-not-checked",
    "The body of the message was not checked",
    "The operator has no schema set for this namespace; with one in `schemas.yaml` the body is checked too.",
)
HEADER_NOT_READ = Problem(
    "header-not-read",
    "No header was read: author, reader and UUID of the message were not checked",
    "Write the header as the standard has it: the first element inside the root, with the standard's name and namespace. For a standard with "
    "another header, or none, the operator says `header: optional` in its row of `schemas.yaml`.",
)
TYPE_MISMATCH = Problem(
    "message-type-mismatch",
    "Root element and nachrichtentyp disagree",
    "Set nachrichtentyp/code to the number of the root element, name (if sent) to its full name.",
    xoev="V001",
)
TIME_INCOMPLETE = Problem(
    "time-incomplete",
    "erstellungszeitpunkt cannot be used",
    "Write it with milliseconds and time zone, for example 2026-03-01T09:30:00.000+01:00.",
    xoev="S999",
)
ID_EMPTY = Problem(
    "id-identifies-nothing",
    "An id identifies nothing",
    "Give each message and each case a UUID of its own (RFC 9562, for example version 4): the nil UUID and its like would be those of everybody.",
    xoev="S999",
)
TEXT_NOT_NFC = Problem(
    "text-not-nfc", "Text is not in Unicode form NFC", "Normalise all text to NFC before sending (DIN 91379).", xoev="S999"
)
EMPTY_TEXT = Problem(
    "empty-text", "A text is empty", "Fill it in; where the schema allows, leave out the element or attribute.", xoev="S030"
)
CHARACTER = Problem(
    "character-not-allowed",
    "A text has a character that its field does not take",
    "Replace the character that the detail names by one that DIN 91379 has for this datatype.",
    xoev="S999",
)
TWICE_ENCODED = Problem(
    "text-twice-encoded",
    "A text looks as if it was encoded twice",
    "Compare the text with its source: bytes in UTF-8 were read as Windows-1252 somewhere on the way.",
)
AUTHORITY_KEY = Problem(
    "authority-key-unknown",
    "The key of an authority is not one of DVDV",
    "Write kennung as in the directory: a prefix of DVDV.Praefixe (docs/reference/rules.md lists them), a colon and the key, "
    "for example ags:09162000.",
    xoev="S091",
)
CODE_LIST = Problem("code-list-unknown", "This code list is not known here", "Set listURI to the list that the detail names.", xoev="X010")
CODE = Problem("code-unknown", "This code is not in its list", "Use a code that the detail names.", xoev="X011")
FORM_MISFIT = Problem(
    "form-misfit",
    "The form does not fit the service",
    "Fill in what the detail names as the catalogue has it; the operator's `stadtbus catalogue explain` lists the fields.",
    xoev="S999",
)
ATTACHMENT_SIZE = Problem(
    "attachment-size", "An attachment is empty or too large", "Send files of the size that the detail names.", xoev="A001"
)
ATTACHMENT_TYPE = Problem(
    "attachment-type",
    "The type of an attachment is no MIME type",
    "Write mimeType as type/subtype, for example application/pdf.",
    xoev="A002",
)
ATTACHMENT_COUNT = Problem(
    "attachment-count", "There are too many attachments", "Send the rest with a nachtrag; the detail names the limit.", xoev="A003"
)
ATTACHMENT_NAME = Problem(
    "attachment-name",
    "A file name is not accepted",
    "Send the name alone, without folders, control characters or the signs that file systems keep for themselves.",
    xoev="A005",
)
ATTACHMENT_HASH = Problem(
    "attachment-hash", "The hash of an attachment is no SHA-512", "Write sha512 as 128 hexadecimal digits in lower case.", xoev="A006"
)
READER_MISMATCH = Problem(
    "reader-mismatch",
    "leser is not the authority that the route leads to",
    "Set leser/kennung to the authority in the detail.",
    xoev="T080",
)
AUTHOR_MISMATCH = Problem(
    "author-mismatch",
    "autor is not the portal that calls",
    "Set autor/kennung to the key in the detail, under which the portal that calls is registered.",
    403,
    xoev="S091",
)
TEST_NOT_ALLOWED = Problem(
    "test-not-allowed", "Test messages are not taken here", "Leave out the attribute 'test', or use a test system.", xoev="S102"
)
CALL_INCOMPLETE = Problem(
    "call-incomplete",
    "The call does not say where the message goes",
    "A genuine XÖV message needs the HTTP headers Stadtbus-Service (LeiKa key), Stadtbus-Area (ARS or AGS) and Stadtbus-Trust "
    "(for example '3; bayernid') beside it.",
)
CONTENT_NOT_SERVED = Problem(
    "content-not-served",
    "The office does not take this kind of content",
    "Send what the detail names; an antrag carries a form (formular).",
)
# --- the route
UNKNOWN_SERVICE = Problem(
    "unknown-service", "No city offers a service with this key", "Use one of the LeiKa keys in the detail.", xoev="X011"
)
UNKNOWN_AREA = Problem(
    "unknown-area",
    "No city of the bus has this area key",
    "Use the ARS (12 digits) or AGS (8 digits) of a city in the detail.",
    xoev="X011",
)
NO_ROUTE = Problem(
    "no-route", "This city does not offer the service over the bus", "The detail lists where the service is offered.", xoev="T080"
)
TRUST_TOO_LOW = Problem(
    "trust-level-too-low",
    "The login is too weak for this service",
    "Let the applicant log in again on the level that the detail names.",
    403,
)
ACCOUNT_NOT_ACCEPTED = Problem(
    "account-not-accepted",
    "The login is by an account that this office does not accept for the service",
    "Let the applicant log in with an account named in the detail.",
    403,
)
# --- what is known already
ID_CONFLICT = Problem(
    "id-conflict",
    "This id was used for other content",
    "A new or corrected message needs a new UUID; to repeat a message send exactly the same content.",
    409,
    xoev="S050",
)
NOT_FOUND = Problem("submission-not-found", "No submission with this id", "Check the id; a portal sees its own submissions only.", 404)
WANTED_UNCLEAR = Problem(
    "wanted-unclear",
    "This is neither an id nor a hotline code",
    "Give the id of a submission or of a case, or the hotline code of its receipt.",
)
NOBODY_KNOWS = Problem(
    "nobody-knows-it",
    "No submission is known by this id or hotline code, and no case",
    "Check it letter by letter. What was accepted elsewhere is known where that gateway and the audit run.",
    404,
    exit_code=1,
)
RECORDS_ELSEWHERE = Problem(
    "records-elsewhere",
    "What is asked for is not recorded on this machine",
    "Give the command where the process runs that records it, with its settings (stores.folder or stores.url).",
    503,
    exit_code=3,
)
INTAKE_FULL = Problem(
    "intake-full", "The bus holds as much as it can", "Nothing was taken. Send the same message again after the time in Retry-After.", 503
)
READING_STALLED = Problem(
    "reading-stalled",
    "The bus could not read the message in time",
    "Nothing was taken. Send the same message again after the time in Retry-After; if it stays, tell the operator.",
    503,
    exit_code=3,
)
NO_SUCH_PAGE = Problem("no-such-page", "There is nothing at this address", "The addresses are listed at /openapi.json.", 404)
METHOD = Problem("method-not-allowed", "This address does not take that method", "Use a method that the header Allow names.", 405)
INTERNAL = Problem(
    "internal-error", "The bus made a mistake", "Send the same message again; if it stays, tell the operator the time of the request.", 500
)
# --- the machine and its settings
SETTINGS = Problem(
    "settings-invalid", "The settings are not valid", "Correct the named setting; `stadtbus config show` prints what is in force."
)
CATALOGUE = Problem(
    "catalogue-invalid",
    "The catalogue is not valid",
    "`stadtbus catalogue check` shows everything that is wrong, with file, line and hint.",
)
SCHEMA_SET = Problem(
    "schema-set-broken",
    "A schema set cannot be used",
    "Put the file in the detail into a folder of its row in `schemas.yaml`, or mend it; `stadtbus schemas check` tries all rows.",
)
KAFKA_UNREACHABLE = Problem(
    "kafka-unreachable",
    "Kafka does not answer",
    "Start one with `stadtbus kafka start`, or set STADTBUS_KAFKA__BOOTSTRAP to a running cluster.",
    503,
    exit_code=3,
)
KAFKA_FAILED = Problem(
    "kafka-failed",
    "Kafka did not do what was asked",
    "Nothing can be told. `stadtbus kafka status` or the tools of the cluster say whether brokers are down; then give the command again.",
    exit_code=3,
)
TOPICS_MISSING = Problem("topics-missing", "Topics are missing", "Create them with `stadtbus topics apply`.", exit_code=2)
LOG_SHORTENED = Problem(
    "log-shortened",
    "A topic holds less than was read from it before",
    "Its disk was lost, or Kafka was restored from an older copy. Find out which records are gone. Then `stadtbus offsets reset OFFICE` begins "
    "at the first record that is there: what was delivered is known and not delivered again.",
    exit_code=3,
)
TOPIC_REPLACED = Problem(
    "topic-replaced",
    "Under a topic's name there is another topic than before",
    "It was deleted and made anew, or kafka.bootstrap leads to another cluster. If it should be so, `stadtbus offsets reset OFFICE` begins at its first "
    "record: what was delivered is known and not delivered again. What the old topic held and nobody delivered is gone from Kafka.",
    exit_code=3,
)
OFFSETS_LOST = Problem(
    "offsets-lost",
    "Kafka has forgotten how far an office had come",
    "Offsets were deleted or have expired. Reading anew is safe, because the ledger knows what was delivered: "
    "`stadtbus offsets reset OFFICE` sets them to the ledger's, then start the adapter.",
    exit_code=3,
)
TOPIC_REFUSED = Problem(
    "topic-refused",
    "Kafka does not create a topic",
    "Set kafka.replication to at most the number of brokers (STADTBUS_KAFKA__REPLICATION=1 for a single one).",
    exit_code=3,
)
RECORD_REFUSED = Problem(
    "record-refused",
    "Kafka does not take a record",
    "Compare the topic with `stadtbus topics plan`: its limits (max.message.bytes), its rights, the clocks. What is refused waits, and goes on by "
    "itself when that is mended; a command is given again.",
    exit_code=3,
)
JAVA_MISSING = Problem(
    "java-missing",
    "Java 17 or newer was not found",
    "Install it (Debian: apt-get install openjdk-17-jre-headless), or run `docker compose up kafka`, "
    "or set STADTBUS_KAFKA__BOOTSTRAP to a running cluster.",
)
MAVEN_MISSING = Problem(
    "maven-missing",
    "Maven is needed once to fetch Kafka, and was not found",
    "Install it (Debian: apt-get install maven), or run `docker compose up kafka`, or set STADTBUS_KAFKA__BOOTSTRAP to a running cluster.",
)
MAVEN_FAILED = Problem(
    "maven-failed", "Maven could not fetch Kafka", "Read the log named in the detail; a proxy is set in ~/.m2/settings.xml."
)
BROKER_FAILED = Problem(
    "broker-failed",
    "The local Kafka did not start",
    "Read the log named in the detail; `stadtbus kafka stop` clears the rest.",
    exit_code=3,
)
PORT_TAKEN = Problem(
    "port-taken",
    "A port is in use by another program",
    "Stop that program, or take other ports: `demo --port-offset 100`, `kafka start --port`, `run ... --port`; in the settings "
    "http.port_offset, and for the twins twins.control_port and twins.first_port.",
)
FOLDER_IN_USE = Problem(
    "folder-in-use",
    "Another Stadtbus works in this folder",
    "Stop it first, or use another folder with --keep DIR and other ports with --port-offset.",
)
EARLIER_RUN = Problem(
    "earlier-run",
    "Data of an earlier run is in the way",
    "Name a new folder with --keep, or remove the old one; use a Kafka without submissions.",
)
OFFICE_UNKNOWN = Problem("office-unknown", "There is no such office", "Use one of the offices in the detail.")
PLUG_IN_BROKEN = Problem(
    "plug-in-broken", "An installed package does not fit", "Mend or uninstall the package in the detail: `pip list` names its version."
)
SAMPLES_MISSING = Problem(
    "samples-missing", "The adapter has no recorded samples", "Put messages as XML files into `samples/` beside the adapter's module."
)
SAMPLE_UNREADABLE = Problem(
    "sample-unreadable",
    "A recorded sample is not a message",
    "Correct the file or take it out of `samples/`: samples are messages as a portal sends them, XML in UTF-8.",
)
MAPPING = Problem(
    "mapping-invalid",
    "A mapping cannot be used",
    "`stadtbus adapter check` shows everything that is wrong with it; docs/mappings.md explains it.",
)
MAPPING_MISSING = Problem(
    "mapping-missing",
    "This office has no mapping",
    "Only what a mapping makes can be recorded and compared; `stadtbus adapter try` shows what the back office gets.",
)
ADAPTER_WISH = Problem("adapter-wish-invalid", "Such an adapter cannot be made", "Give the command again as the detail says.")
FILE_UNREADABLE = Problem(
    "file-unreadable", "The file cannot be read", "Give the path of a file that this user may read; a folder has to have *.xml in it."
)
FILE_UNWRITABLE = Problem(
    "file-unwritable", "The file cannot be written", "Give a place in a folder that exists and that this user may write to."
)
PATH_UNUSABLE = Problem(
    "path-unusable",
    "A file or folder cannot be used",
    "Name another place (--data, --keep, stores.folder), or give this user rights to the one named here.",
)
SYSTEM_REFUSES = Problem(
    "system-refuses",
    "The operating system refuses something",
    "Look at room on the disk, limits of this user and the network, as the detail says; then give the command again.",
    exit_code=3,
)
FOLDER_EXISTS = Problem("folder-exists", "The folder is there already", "Give another place with --folder, or remove the folder first.")
STORE_UNREACHABLE = Problem(
    "store-unreachable",
    "The database does not answer",
    "Check stores.url and that the database runs; of files in stores.folder, this user's rights to write there, and the room on the disk.",
    503,
    exit_code=3,
)
STORE_FAILED = Problem(
    "store-failed",
    "The database did not do what was asked",
    "Look at room on its disk, at its rights and at its log; then give the command again.",
    503,
    exit_code=3,
)
COMMAND_BROKEN = Problem(
    "command-broken",
    "The command made a mistake",
    "Nothing can be told from it. Report it with the lines above, which hold no data.",
    exit_code=3,
)
STORE_NEWER = Problem(
    "store-newer",
    "A newer version of Stadtbus has written this database",
    "Start that version or a later one, or restore the backup from before the upgrade; nothing was changed.",
)
PROCESS_FAILED = Problem("process-failed", "A process of Stadtbus does not come up", "Read its log, named in the detail.", exit_code=3)
# --- dead letters and operators
DEADLETTER_UNKNOWN = Problem(
    "dead-letter-unknown",
    "There is no such dead letter",
    "`stadtbus deadletters list` shows what is open, with --all also what was replayed or discarded.",
    404,
    exit_code=1,
)
SELECTION = Problem(
    "selection-missing",
    "It is not said which dead letters",
    "Name them by one of the options in the detail; `stadtbus deadletters list` shows fingerprints.",
)
REASON = Problem(
    "reason-invalid",
    "The reason is missing or cannot be taken",
    "Write it as the detail says, and never with the name or data of a person.",
)
ACTOR = Problem("actor-unknown", "It is not clear who does this", "Name yourself with --actor: up to 80 ASCII characters without spaces.")
OPERATION_NOT_RECORDED = Problem(
    "operation-not-recorded",
    "The operation could not be written down, so it was not done",
    "Look at the brokers with `stadtbus kafka status`, then give the command again.",
    503,
    exit_code=3,
)
OUTCOME_UNKNOWN = Problem(
    "outcome-unknown",
    "Nobody can say what came of it",
    "What was sent stands in the retry topic and is not lost. Start the adapter with `stadtbus run adapter OFFICE`, or wait until its "
    "back office is up (`stadtbus lag`); give the command where the adapter's store is. Given again, it goes on where it stopped.",
    exit_code=3,
)
LEDGER_ELSEWHERE = Problem(
    "ledger-elsewhere",
    "The ledger of this office is not here",
    "Give the command on the machine where the adapter runs, with its settings (stores.folder or stores.url).",
    exit_code=3,
)
OUTBOX_ELSEWHERE = Problem(
    "outbox-elsewhere",
    "The gateway's outbox is not here",
    "Give the command on the machine where the gateway runs, with its settings (stores.folder or stores.url).",
    exit_code=3,
)
GROUP_HAS_MEMBERS = Problem(
    "group-has-members", "The adapter of this office is running", "Stop it first; offsets are set only while nobody reads."
)

PROBLEMS: Final[tuple[Problem, ...]] = tuple(value for value in globals().values() if isinstance(value, Problem))
