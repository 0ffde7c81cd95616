"""What a portal meets: problems of a request, of the message in it, of its route, and of what was sent before.

Intake refuses with most of them (`errors.Rejected`); `docs/reference/problems.md` has them all.
"""

from schemas.problems.problem import Problem

# --- the request
UNAUTHENTICATED = Problem(
    "unauthenticated", "The portal is not known", "Send 'Authorization: Bearer <token>'. The operator of the bus issues tokens.", 401
)
MALFORMED = Problem(
    "request-malformed",
    "This is not a request as HTTP has it",
    "Send what RFC 9112 asks for, with a common HTTP client: one Host, one Authorization, either Content-Length or chunked. The connection is closed.",
    400,
)
ADDRESS_TOO_LONG = Problem("address-too-long", "The address of the request is too long", "Use one of the paths at /openapi.json.", 414)
HEADER_TOO_LARGE = Problem(
    "header-too-large", "The headers of the request are too large", "Send fewer or shorter headers; documents belong into the body.", 431
)
TOKEN_EXPIRED = Problem(
    "token-expired", "The token of the portal has ended", "Use the portal's newer token, or ask the operator of the bus for one.", 401
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
CALL_INCOMPLETE = Problem(
    "call-incomplete",
    "The call does not say where the message goes",
    "A genuine XÖV message needs the HTTP headers Stadtbus-Service (LeiKa key), Stadtbus-Area (ARS or AGS) and Stadtbus-Trust "
    "(for example '3; bayernid') beside it.",
)
FORM_INVALID = Problem(
    "form-invalid",
    "The JSON form is not as described",
    "Compare the form with the schema at /openapi.json; 'where' and 'findings' name the places (JSON Pointer).",
    xoev="X001",
)
FORM_MISFIT = Problem(
    "form-misfit",
    "The form does not fit the service",
    "Fill in what the detail names as the catalogue has it; the operator's `stadtbus catalogue explain` lists the fields.",
    xoev="S999",
)
# --- the XML
NOT_WELL_FORMED = Problem("not-well-formed", "The XML cannot be read", "Check the message with an XML parser before sending.", xoev="X000")
DOCTYPE = Problem(
    "doctype-forbidden", "The message has a DOCTYPE", "Remove the DOCTYPE; messages are checked against XSD only.", xoev="X000"
)
POINTS_ELSEWHERE = Problem(
    "points-elsewhere",
    "The message asks its reader to load something",
    "Leave out XInclude, xml:base, processing instructions such as xml-stylesheet, and schema locations that are addresses; a schema beside the"
    " message may be named, and is not read.",
    xoev="X000",
)
ENCODING = Problem("encoding-not-allowed", "The message is not UTF-8", "Encode the message as UTF-8 and declare it so.", xoev="S001")
TOO_COMPLEX = Problem("message-too-complex", "The message asks too much of its reader", "Split the content or send it as an attachment.")
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
NAME_NOT_CARRIED = Problem(
    "name-not-carried",
    "The bus does not write the name of this message beside it",
    "Send a root element that the standard has: its name ends in a dot and the number of the message. For a standard that names its messages "
    "otherwise the operator lists them, under `roots` in its row of `schemas.yaml`.",
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
MARKS = Problem(
    "too-many-marks",
    "A letter has more combining marks than the bus takes",
    "Look at the text at its source: no language writes so many marks over one letter (at most 30 in a row are taken, Unicode Standard Annex 15).",
    xoev="S999",
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
CONTENT_NOT_SERVED = Problem(
    "content-not-served",
    "The office does not take this kind of content",
    "Send what the detail names; an antrag carries a form (formular).",
)
OFFICE_REFUSES = Problem(
    "office-refuses",
    "The office can never take this message",
    "Correct what the detail names: a field that the office needs, a value that its system has no code or no character for, or applicants "
    "that this service is not for. Then send it under a new id.",
)
# --- its attachments
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
# --- the rights of the portal
RIGHT_MISSING = Problem(
    "right-missing",
    "The portal has no right to send this",
    "Ask the operator of the bus for the right that the detail names: it is granted in the page of the portal.",
    403,
)
TRUST_NOT_GRANTED = Problem(
    "trust-not-granted",
    "The portal may not vouch for this login",
    "Ask the operator of the bus for the account and level that the detail names: they are granted in the page of the portal.",
    403,
)
TRUST_NOT_PROVEN = Problem(
    "trust-not-proven",
    "The login is not proven by its identity source",
    "Send the assertion that the identity source signed for this very message in the header Stadtbus-Identity-Assertion; the detail says what it has to have.",
    403,
)
PROOF_STALLED = Problem(
    "proof-stalled",
    "The bus has no keys of the identity source at the moment",
    "Nothing was accepted. Send the same message again after the time in Retry-After; if it stays, tell the operator.",
    503,
    exit_code=3,
)
# --- what is known already
ID_CONFLICT = Problem(
    "id-conflict",
    "This id was used for other content",
    "A new or corrected message needs a new UUID; to repeat a message send exactly the same content.",
    409,
    xoev="S050",
)
REFERENCE_UNKNOWN = Problem(
    "reference-unknown",
    "No message that was accepted is the one this is about",
    "Name a message that was accepted in the same case, for the same office. Where that one is still on its way, wait for its 202 and "
    "send this one again unchanged.",
    409,
)
NOT_FOUND = Problem("submission-not-found", "No submission with this id", "Check the id; a portal sees its own submissions only.", 404)
# --- the gateway itself
INTAKE_FULL = Problem(
    "intake-full",
    "The bus holds as much as it can",
    "Nothing was accepted. Send the same message again after the time in Retry-After.",
    503,
)
RATE_EXCEEDED = Problem(
    "rate-exceeded",
    "The portal sends more than its rate",
    "Nothing was accepted. Send the same message again after the time in Retry-After; the headers RateLimit and RateLimit-Policy say how much may be"
    " sent. A portal that needs more asks the operator for a higher rate.",
    429,
)
PORTAL_BUSY = Problem(
    "portal-busy",
    "Too many calls of the portal are under way",
    "Nothing was accepted. Send the same message again after the time in Retry-After, and fewer at the same time.",
    429,
)
READING_STALLED = Problem(
    "reading-stalled",
    "The bus could not read the message in time",
    "Nothing was accepted. Send the same message again after the time in Retry-After; if it stays, tell the operator.",
    503,
    exit_code=3,
)
NO_SUCH_PAGE = Problem("no-such-page", "There is nothing at this address", "The addresses are listed at /openapi.json.", 404)
METHOD = Problem("method-not-allowed", "This address does not take that method", "Use a method that the header Allow names.", 405)
INTERNAL = Problem(
    "internal-error", "The bus made a mistake", "Send the same message again; if it stays, tell the operator the time of the request.", 500
)
