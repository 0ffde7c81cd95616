"""Where a message can be refused: each place on the way in, in the order of intake's steps, with the problems it refuses with.

`docs/reference/refusals.md` is made of this list. A test reads the modules and compares in both directions: who refuses with something
new, or somewhere else, adds it here. Warnings are not in it: they refuse nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas import problems
from schemas.examination import rules
from schemas.findings import Severity
from schemas.problems import Problem


class Refuser(NamedTuple):
    """A module that refuses, at one step of `producers.intake.intake`; step 0 is around all of them."""

    step: int
    asks: str
    module: str
    problems: tuple[Problem, ...]


IN_WORKERS: Final = range(3, 9)
"""The steps that workers do."""
_BY_RULES: Final = tuple(dict.fromkeys(rule.problem for rule in rules.RULES if Severity.ERROR in (rule.own, rule.genuine)))

REFUSERS: Final = (
    Refuser(1, "The caller is a portal.", "producers/intake/portals.py", (problems.UNAUTHENTICATED, problems.TOKEN_EXPIRED)),
    Refuser(1, "It sends no more than its rate.", "producers/intake/rates.py", (problems.RATE_EXCEEDED,)),
    Refuser(
        2,
        "The body is complete, not too large, and of a type that is taken; the portal sends not too many at the same time.",
        "producers/intake/call.py",
        (problems.MEDIA_TYPE, problems.TOO_SLOW, problems.TOO_LARGE, problems.PORTAL_BUSY),
    ),
    Refuser(
        3,
        "A form is JSON within the limits, so that it can be compared.",
        "producers/intake/form.py",
        (problems.FORM_INVALID, problems.TOO_COMPLEX),
    ),
    Refuser(
        4,
        "The message is XML in UTF-8, without a DOCTYPE, within the limits.",
        "schemas/xml.py",
        (problems.TOO_LARGE, problems.ENCODING, problems.NOT_WELL_FORMED, problems.DOCTYPE, problems.TOO_COMPLEX),
    ),
    Refuser(3, "The portal has a place to wait for a worker (also in 4).", "infra/fair_queue.py", (problems.PORTAL_BUSY,)),
    Refuser(
        4,
        "It can be read within the limits of a worker (which hold for all of 4 to 8).",
        "infra/process_pool.py",
        (problems.TOO_COMPLEX, problems.READING_STALLED),
    ),
    Refuser(4, "A form is as described.", "producers/intake/form.py", (problems.FORM_INVALID,)),
    Refuser(4, "Each member of a form is as described.", "producers/intake/form_faults.py", (problems.FORM_INVALID,)),
    Refuser(
        5,
        "Its namespace is known, and that version is taken.",
        "schemas/examination/schema_table.py",
        (problems.UNKNOWN_VERSION, problems.UNKNOWN_MESSAGE),
    ),
    Refuser(
        5,
        "Where its row has no schemas, its root element has one of the names that the row lists, or a number.",
        "schemas/examination/examine.py",
        (problems.NAME_NOT_CARRIED,),
    ),
    Refuser(
        5, "What is inside the root of a message of our own is in no namespace.", "schemas/examination/examine.py", (problems.NOT_VALID,)
    ),
    Refuser(5, "It is valid against the XSD.", "schemas/schema_set.py", (problems.UNKNOWN_MESSAGE, problems.NOT_VALID)),
    Refuser(6, "It keeps each rule ([rules](rules.md)).", "schemas/examination/rules/__init__.py", _BY_RULES),
    Refuser(
        7,
        "Service and area lead to an office (a rule of 6 tells it, with its place; of a form the catalogue itself).",
        "schemas/catalogue/routing.py",
        (problems.UNKNOWN_SERVICE, problems.UNKNOWN_AREA, problems.NO_ROUTE),
    ),
    Refuser(
        7,
        "With a genuine XÖV message the portal declares what the bus has to know.",
        "producers/intake/declaration.py",
        (problems.CALL_INCOMPLETE, problems.ID_EMPTY),
    ),
    Refuser(
        7,
        "It is a message that portals send, with content that the bus carries.",
        "producers/intake/metadata.py",
        (problems.NOT_VALID, problems.UNKNOWN_MESSAGE, problems.CONTENT_NOT_SERVED),
    ),
    Refuser(
        7,
        "The portal is its author, and the office takes this kind of message.",
        "producers/intake/opening.py",
        (problems.AUTHOR_MISMATCH, problems.CONTENT_NOT_SERVED),
    ),
    Refuser(
        8,
        "Each login is good enough for the office.",
        "schemas/catalogue/routing.py",
        (problems.ACCOUNT_NOT_ACCEPTED, problems.TRUST_TOO_LOW),
    ),
    Refuser(
        8,
        "The portal may send this there, and vouch for each login.",
        "producers/intake/rights.py",
        (problems.RIGHT_MISSING, problems.TRUST_NOT_GRANTED),
    ),
    Refuser(8, "The translation of its office takes it.", "schemas/examination/examine.py", (problems.OFFICE_REFUSES,)),
    Refuser(
        8,
        "Each login that has to be proven is, by an assertion of its identity source for this message.",
        "producers/intake/assertions.py",
        (problems.TRUST_NOT_PROVEN, problems.PROOF_STALLED),
    ),
    Refuser(
        9,
        "Kafka will take its record: the whole of it fits the topic, and each header has its form.",
        "producers/intake/publishable.py",
        (problems.NAME_NOT_CARRIED, problems.TOO_LARGE),
    ),
    Refuser(
        9,
        "Its portal has used its id for no other content.",
        "producers/outbox/outbox.py",
        (problems.ID_CONFLICT,),
    ),
    Refuser(9, "The outbox has room for its portal and its office.", "producers/outbox/room.py", (problems.INTAKE_FULL,)),
    Refuser(
        9,
        "The message that it is about was accepted, in the same case of its portal and for the same office.",
        "producers/outbox/identity.py",
        (problems.REFERENCE_UNKNOWN,),
    ),
    Refuser(
        0,
        "The call is HTTP without two ways to read it, and its head is not too large; the connection is closed after such an answer.",
        "infra/web/strictness.py",
        (problems.MALFORMED, problems.ADDRESS_TOO_LONG, problems.HEADER_TOO_LARGE),
    ),
    Refuser(
        0,
        "What the parser cannot read, and heads and chunks that do not end.",
        "infra/web/protocol.py",
        (problems.MALFORMED, problems.HEADER_TOO_LARGE),
    ),
    Refuser(
        0,
        "The address is right, the store answers, the bus makes no mistake.",
        "producers/gateway/problems.py",
        (problems.NO_SUCH_PAGE, problems.METHOD, problems.STORE_UNREACHABLE, problems.INTERNAL),
    ),
)
