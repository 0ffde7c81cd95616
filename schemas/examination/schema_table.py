"""The schema table: namespace → schema set → rules → office.

A message is known by the namespace of its root element, compared exactly; nothing is ever loaded from that address. One row is built in,
that of our own messages. An operator adds rows for genuine XÖV messages in a `schemas.yaml` (docs/genuine-messages.md).
Which offices take a namespace stands in the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from schemas import headers, message, problems, validation_errors, yamllines
from schemas.errors import Rejected, UsageError
from schemas.findings import Finding, Severity
from schemas.headers import FORMS, Header
from schemas.message.header import NAMES
from schemas.schema_set import PACKAGE_XSD, SchemaSet
from schemas.yamllines import Day, YamlPage

PAGE: Final = "schemas.yaml"
# Namespaces of XÖV follow no single scheme, but end in the version: xbau/2/6, xmeld2511a, gewerbesteuer_1.4, V1_0_0.
_NUMBERED: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,190}\.([0-9]{4,8})")
"""Names of XÖV messages, for example `baugenehmigung.antrag.0200`: the number at their end is unique in a standard."""
_VERSION = re.compile(r"[vV]?\d+[a-z]?([._/-]\d+[a-z]?)*$")


@dataclass(frozen=True, slots=True)
class Row:
    """One version of one standard.

    `own` is true of our own messages alone, for which a breach of any rule refuses; `schema_set` is None where the operator said `schema: none`;
    `valid_from` and `valid_to` are the first and the last day on which the version is taken.
    """

    name: str
    namespace: str
    own: bool
    schema_set: SchemaSet | None
    valid_from: date | None = None
    valid_to: date | None = None
    header: Literal["required", "optional"] | None = None
    roots: tuple[str, ...] = ()
    """Names of root elements, where the operator has listed them instead of giving schemas."""

    @property
    def needs_header(self) -> bool:
        """Whether a message without a header that we read is refused: unless the operator says otherwise."""
        return self.header != "optional"

    @property
    def family(self) -> str:
        """The namespace without its version: what all versions of a standard share."""
        return _family(self.namespace)

    def taken_on(self, day: date) -> bool:
        """Whether the day lies in the window of this version."""
        return (self.valid_from or day) <= day <= (self.valid_to or day)

    @property
    def names(self) -> frozenset[str]:
        """Names of elements, attributes and prefixes that come from the standard and may be told; any other is the sender's own."""
        return NAMES.union(self.roots, self.schema_set.names if self.schema_set else ())

    def type_of(self, root: etree._Element) -> str | None:
        """What a message is, as its record says it, in no word of the sender: the name of the root element where schemas or the row have
        it, else the number that the name ends in. None where it has neither; such a message is refused. Of a message that the schemas
        refuse it means nothing.
        """
        name = etree.QName(root).localname
        if self.schema_set is not None or self.roots:
            known = self.schema_set is not None or name in self.roots
            return name if known and headers.fits(Header.TYPE, name) else None
        numbered = _NUMBERED.fullmatch(name)
        return numbered[1] if numbered else None

    def findings(self, root: etree._Element) -> list[Finding]:
        """What breaks the XSD of the row; one warning where it has none.

        Raises:
            UsageError: schema-set-broken.
        """
        if self.schema_set is None:
            return [Finding(problems.NOT_CHECKED, "xsd", f"the row '{self.name}' has no schema set", severity=Severity.WARNING)]
        return self.schema_set.findings(root)


OWN: Final = Row(
    f"{message.STANDARD} {message.VERSION}", message.NAMESPACE, own=True, schema_set=SchemaSet(f"{message.SCHEMA}.xsd", [PACKAGE_XSD])
)


class SchemaTable:
    """Every kind of message that is known here; our own row comes first."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows = (OWN, *rows)
        self._by_namespace = {row.namespace: row for row in self.rows}

    def row_for(self, root: etree._Element, on: date) -> Row:
        """The row of a message that comes in on a day.

        Raises:
            Rejected: unknown-message, or unknown-version where the standard is known; both name what is taken instead.
        """
        namespace = etree.QName(root).namespace or ""
        row = self._by_namespace.get(namespace)
        if row is not None and row.taken_on(on):
            return row
        where = "namespace of the root element" if namespace else "the root element has no namespace"
        family = [one for one in self.rows if one.family == _family(namespace)]
        if family:
            raise Rejected(problems.UNKNOWN_VERSION, f"accepted: {_names(family, on) or 'no version today'}", where=where)
        raise Rejected(problems.UNKNOWN_MESSAGE, f"known namespaces: {_names(self.rows, on)}", where=where)


def _family(namespace: str) -> str:
    return _VERSION.sub("", namespace)


def _names(rows: Iterable[Row], on: date) -> str:
    return ", ".join(row.namespace for row in rows if row.taken_on(on))


# --- the operator's rows


class _RowEntry(BaseModel):
    """One entry of `schemas.yaml`. Folders are relative to the page, or absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1)]
    namespace: Annotated[str, StringConstraints(pattern=f"^{FORMS[Header.DATASCHEMA]}$")]
    schema_choice: Literal["none"] | None = Field(default=None, alias="schema")
    folder: Path | None = None
    entry: Annotated[str, StringConstraints(pattern=r"^[^/\\]+\.xsd$")] | None = None
    imports: tuple[Path, ...] = ()
    stubs: bool = False
    roots: tuple[Annotated[str, StringConstraints(pattern=f"^{FORMS[Header.TYPE]}$")], ...] = ()
    valid_from: Day | None = None
    valid_to: Day | None = None
    header: Literal["required", "optional"] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.schema_choice == "none":
            if self.folder or self.entry or self.imports or self.stubs:
                raise ValueError("'schema: none' stands alone, without folder, entry, imports and stubs")
        elif self.folder is None or self.entry is None:
            raise ValueError("give folder and entry; or say 'schema: none', and the body is not checked")
        if self.roots and self.schema_choice is None:
            raise ValueError("'roots' stands beside 'schema: none': else the schemas say which root elements there are")
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self

    def row(self, base: Path) -> Row:
        schema_set = None
        if self.folder is not None and self.entry is not None:
            schema_set = SchemaSet(self.entry, [base / folder for folder in (self.folder, *self.imports)], stubs=self.stubs)
        days = {"valid_from": self.valid_from, "valid_to": self.valid_to}
        return Row(self.name, self.namespace, own=False, schema_set=schema_set, header=self.header, roots=self.roots, **days)


def load(folder: Path | None = None) -> SchemaTable:
    """Our own row and those of `schemas.yaml` in the operator's folder. Schema sets are compiled when first used.

    Raises:
        UsageError: settings-invalid, naming file, line and key.
    """
    if folder is None:
        return SchemaTable()
    path = folder / PAGE
    page = _page(path)
    rows: list[Row] = []
    for number, entry in enumerate(page.value):
        row = _read(entry, number, page, path).row(folder)
        if row.namespace in (OWN.namespace, *(other.namespace for other in rows)):
            raise _unusable("this namespace has a row already", path, page.line_of((number, "namespace")))
        rows.append(row)
    return SchemaTable(rows)


def _page(path: Path) -> YamlPage:
    try:
        page = yamllines.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(problems.SETTINGS, f"schemas.folder: {PAGE} cannot be read: {error}", where=str(path)) from None
    except yamllines.NotYaml as error:
        raise _unusable(str(error), path, error.line) from None
    if not isinstance(page.value, list):
        raise _unusable("a list of rows is expected", path, 1)
    return page


def _read(entry: object, number: int, page: YamlPage, path: Path) -> _RowEntry:
    try:
        return _RowEntry.model_validate(entry)
    except ValidationError as error:
        first = validation_errors.sentences(error, _RowEntry)[0]
        raise _unusable(str(first), path, page.line_of((number, *first.path))) from None


def _unusable(detail: str, path: Path, line: int) -> UsageError:
    return UsageError(problems.SETTINGS, detail, where=f"{path}, line {line}")
