"""Steps 4 to 8 of intake (`producers.intake.intake`): all that is asked of a message itself.

They run in a worker process that `schemas.examination.examine.prepare` has prepared, because they read what came from outside. A worker
knows no outbox and no other portal; it is given what to compare with, and gives back the metadata.
"""

from __future__ import annotations

from dataclasses import replace

from producers.intake import declaration, form, message_faults, metadata
from producers.intake.declaration import Declaration
from producers.intake.metadata import Metadata
from schemas import ids, message, problems
from schemas.catalogue import Route
from schemas.errors import Rejected
from schemas.examination.examine import Examined, asked_prepared, catalogue_prepared, examine_prepared
from schemas.message import Authority


def open_message(body: bytes, declared: Declaration, author: Authority, *, accept_test: bool) -> Metadata:
    """The metadata of a message that this portal may send and its office takes.

    Raises:
        Rejected: what refuses the message. It names the message where it has an id.
    """
    # 4. safe parse, 5. schema, 6. rules
    examined = examine_prepared(body, accept_test=accept_test, claim=declared.claim)
    return _require_deliverable(examined, body, declared, author)


def open_form(body: bytes, author: Authority, *, accept_test: bool) -> tuple[Metadata, bytes]:
    """The same for a form, and the message that stands for it, which passes the same steps.

    Raises:
        Rejected: what refuses the form, told of the form. It names the message where the form has an id that can be read.
    """
    # 4. safe parse
    sent = form.read(body)
    try:
        with message_faults.told_of_form():
            route = catalogue_prepared().route(sent.service, sent.area)  # the message names the office
            content = message.write(sent.message(route, author))
            # 5. schema, 6. rules
            examined = examine_prepared(content, accept_test=accept_test, route=route)
            known = _require_deliverable(examined, content, Declaration(), author)
        return replace(known, warnings=tuple(map(message_faults.of_form, known.warnings))), content
    except Rejected as error:
        error.message_id = sent.id if ids.identifies(sent.id) else None
        raise


def _require_deliverable(examined: Examined, body: bytes, declared: Declaration, author: Authority) -> Metadata:
    """The metadata of a message that was examined, after steps 7 and 8."""
    examined.require()
    message_id = examined.message_id
    try:
        known, route = _read(examined, body, declared)
        message_id = known.message_id
        # 7. route
        _require_author(known, author)
        _require_taken(known, route)
        # 8. trust
        _require_trust(known, route)
        # 8. the office's translation
        asked_prepared(examined, body).require()
        return known
    except Rejected as error:
        error.message_id = message_id
        raise


def _read(examined: Examined, body: bytes, declared: Declaration) -> tuple[Metadata, Route]:
    """Metadata and route of what nothing has refused so far."""
    root, row, route = examined.root, examined.row, examined.route
    if root is None or row is None:
        raise LookupError("an examination without errors has come to its end")
    filing = metadata.read_filing(root) if row.own else None
    if filing is None:
        declared.require_claim()
    if route is None:
        raise LookupError("what says service and area, and is not refused, has a route")
    if filing is None:
        return metadata.of_genuine(examined, root, body, route.office, declared), route
    return metadata.of_filing(filing, route.office, examined.warnings), route


def _require_author(known: Metadata, author: Authority) -> None:
    """Whoever calls is the author, as far as the message names one that we read."""
    if known.author not in (author.key, None):
        raise Rejected(problems.AUTHOR_MISMATCH, f"expected {author.key}", where="nachrichtenkopf.g2g/autor/kennung")


def _require_taken(known: Metadata, route: Route) -> None:
    """The office takes this kind of message: ours by their root, genuine ones by their namespace."""
    office = route.office_entry
    if (known.type if known.own else known.namespace) not in (office.messages if known.own else office.namespaces):
        kinds = ", ".join((*office.messages, *office.namespaces))
        raise Rejected(problems.CONTENT_NOT_SERVED, f"{route.office} takes: {kinds}", where="/*")


def _require_trust(known: Metadata, route: Route) -> None:
    """Every login is good enough for the office; of a genuine message the portal declared it."""
    try:
        route.check_trust(known.trust)
    except Rejected as error:
        error.where = error.where if known.own else declaration.TRUST
        raise
