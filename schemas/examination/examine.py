"""The one examination of a message, for the gateway and for `stadtbus validate` alike.

 1. safe parse: size, encoding, no DOCTYPE, limits     4. the XSD of the row
 2. the row of the schema table                        5. rules that say it better than an XSD
 3. the header of ours is in no namespace              6. rules that no XSD can express
                                                       7. what the office's translation refuses

What 1 to 3 refuse is the only finding, because what follows would mislead. From 4 to 6 there are findings for all places, and one for each.
7 is asked by itself, where nothing else refuses: by intake after it has compared logins with what the office asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final
from uuid import UUID

from lxml import etree

import schemas
from schemas import ids, message, problems, xml
from schemas.catalogue import Catalogue, Route
from schemas.errors import Rejected
from schemas.examination import rules, schema_table
from schemas.examination.rules.subject import Claim, Subject
from schemas.examination.schema_table import Row, SchemaTable
from schemas.findings import Finding, Severity, in_known_names, line_of, path_of
from schemas.message.header import MessageHeader, read_header
from schemas.schema_set import MAX_FINDINGS

_SAMPLE: Final = Path(schemas.__file__).with_name("samples") / f"{message.APPLICATION}.xml"
_LINE = re.compile(r"line (\d+)")

Refuses = Callable[[etree._Element, bytes, UUID, datetime], str | None]  # noqa: SLF001 - the only name that the type has
"""Says of a message, by root, bytes, id and time, why the office that it goes to can never take it, in names of fields and rules and never with a value; None where it can."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found; root, row and header as far as the examination came.

    `route` is where service and area lead; None where the catalogue has no such route, or one of the two was not said. A message of our
    own that nothing refuses has one, and so has a genuine one with a claim: it need not be looked up again.
    """

    findings: tuple[Finding, ...]
    root: etree._Element | None = None
    row: Row | None = None
    head: MessageHeader | None = None
    route: Route | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the message."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are only recorded."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)

    @property
    def message_id(self) -> UUID | None:
        """The UUID of the message, where it has a readable one that identifies something."""
        return ids.usable(self.head.message_id) if self.head else None

    def require(self) -> None:
        """Pass if nothing refuses the message.

        Raises:
            Rejected: with the problem of the first error; all findings are in it.
        """
        for first in self.errors[:1]:
            refusal = Rejected(first.problem, first.detail, where=first.path or (f"line {first.line}" if first.line else None))
            refusal.findings, refusal.message_id = self.findings, self.message_id
            raise refusal


def examine(
    body: bytes,
    known: SchemaTable,
    catalogue: Catalogue,
    now: datetime,
    *,
    accept_test: bool = False,
    claim: Claim | None = None,
    route: Route | None = None,
) -> Examined:
    """Everything that is wrong with a message that comes in at a moment (with time zone).

    Computes and waits for nothing, but for a schema set that is used for the first time: its files are read and compiled. A worker
    (`infra.process_pool`) bounds time and memory.

    `claim` is what a portal says beside a genuine XÖV message; messages of our own say it themselves. `route` is the one that the message
    was written for, where it had to be looked up for that (a form's message); else it is looked up here, once.

    Raises:
        UsageError: schema-set-broken, if the operator's schemas for this message cannot be used.
    """
    today = now.astimezone().date()
    try:
        root = xml.parse(body)  # 1
        row = known.row_for(root, today)  # 2
    except Rejected as error:
        return Examined((_of(error),))
    if row.own and len(root) and root[0].tag.startswith("{"):  # 3
        return Examined(_in_known_names((_in_namespace(root),), row), root, row)
    head = read_header(root)
    subject = Subject(root, body, head, row.own, catalogue, now, today, accept_test, claim, not row.own and row.needs_header, route)
    by_schema = row.findings(root)  # 4
    in_words = rules.findings(rules.BESIDE_SCHEMA, subject) if by_schema or not row.own else []  # 5: our XSD misses none of these
    found = _ordered([*in_words, *by_schema, *rules.findings(rules.AFTER_SCHEMA, subject), *_unnamed(root, row)])  # 6
    return Examined(_in_known_names(found, row), root, row, head, subject.routed if isinstance(subject.routed, Route) else None)


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors before warnings, of each the first at each place, MAX_FINDINGS at most."""
    first: dict[tuple[Severity, str], Finding] = {}
    for finding in findings:
        first.setdefault((finding.severity, finding.path), finding)
    return tuple(sorted(first.values(), key=lambda finding: finding.severity)[:MAX_FINDINGS])


def _unnamed(root: etree._Element, row: Row) -> list[Finding]:
    """The finding that a message is not what its row can name; the last of all, because most others say more."""
    if row.type_of(root) is not None:
        return []
    if row.schema_set is not None:
        detail = "the name of the root element has other characters than letters of ASCII, digits, '.', '_' and '-', or more than 200"
    else:
        detail = f"expected: {', '.join(row.roots)}" if row.roots else "the name of the root element does not end in a number"
    return [Finding(problems.NAME_NOT_CARRIED, "name", detail, line_of(root), path_of(root))]


def asked_of_the_office(examined: Examined, body: bytes, now: datetime, refusing: Mapping[str, Refuses]) -> Examined:
    """With the finding that the office can never take the message; `refusing` is by office what its translation refuses, where that is known.

    Asked where nothing else is wrong (docs/decisions/0024). What an office does not take by its kind is not told here.
    """
    root, row, route = examined.root, examined.row, examined.route
    refuses = None if route is None else refusing.get(route.office)
    if root is None or row is None or route is None or refuses is None or examined.errors or not _of_a_kind_it_takes(root, row, route):
        return examined
    reason = refuses(root, body, examined.message_id or UUID(int=0), now)
    if reason is None:
        return examined
    finding = Finding(problems.OFFICE_REFUSES, "office-takes-it", reason, line_of(root), path_of(root))
    return replace(examined, findings=(finding, *examined.findings))


def _of_a_kind_it_takes(root: etree._Element, row: Row, route: Route) -> bool:
    if not row.own:
        return row.namespace in route.office_entry.namespaces
    return etree.QName(root).localname in route.office_entry.messages and root.find("inhalt/fachnachricht") is None


def _in_known_names(found: Sequence[Finding], row: Row) -> tuple[Finding, ...]:
    """The findings with paths that tell nothing of a sender's own words."""
    names = row.names if found else frozenset()
    return tuple(replace(finding, path=in_known_names(finding.path, names)) for finding in found)


def _of(error: Rejected) -> Finding:
    """What parser or schema table refuse, as a finding."""
    line = _LINE.match(error.where or "")
    return Finding(error.problem, "readable", error.detail, int(line[1]) if line else None, "" if line else error.where or "")


def _in_namespace(root: etree._Element) -> Finding:
    """A default namespace of the root that is not undone moves the header into it, where no XÖV reader looks for it."""
    detail = 'the elements inside the root have no namespace: bind that of the root to a prefix, or undo it on each of them with xmlns=""'
    return Finding(problems.NOT_VALID, "default-namespace", detail, line_of(root), path_of(root))


# --- in a worker process, which keeps what all messages are held against


class _Loaded:
    """What `prepare` has loaded, once in each process."""

    catalogue: Catalogue
    table: SchemaTable
    refusing: Mapping[str, Refuses]


def prepare(catalogue: Catalogue, schema_folder: Path | None, refusing: Mapping[str, Refuses] = MappingProxyType({})) -> None:
    """Load the schema table, compile all schemas, and examine a sample, so that nothing is left to load: once it reads messages, a worker
    cannot open a file any more.

    Raises:
        UsageError: settings-invalid or schema-set-broken.
    """
    _Loaded.catalogue, _Loaded.table, _Loaded.refusing = catalogue, schema_table.load(schema_folder), refusing
    for row in _Loaded.table.rows:
        if row.schema_set is not None:
            row.schema_set.compile()
    examine_prepared(_SAMPLE.read_bytes(), accept_test=False)


def catalogue_prepared() -> Catalogue:
    """The catalogue that `prepare` has loaded."""
    return _Loaded.catalogue


def examine_prepared(body: bytes, *, accept_test: bool, claim: Claim | None = None, route: Route | None = None) -> Examined:
    """As `examine`, now and with what `prepare` has loaded. An AttributeError says that it was not called."""
    now = datetime.now(UTC)
    return examine(body, _Loaded.table, _Loaded.catalogue, now, accept_test=accept_test, claim=claim, route=route)


def asked_prepared(examined: Examined, body: bytes) -> Examined:
    """As `asked_of_the_office`, now and with what `prepare` has loaded."""
    return asked_of_the_office(examined, body, datetime.now(UTC), _Loaded.refusing)
