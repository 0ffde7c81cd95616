"""The published code lists that messages and catalogue are held against: as they come with Stadtbus, or newer ones of the operator.

Each is here with all its codes, because whatever is not in a list is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from lxml import etree
from pydantic import StringConstraints

from schemas import problems, xml
from schemas.codelist_tables import CHANNELS, CHANNELS_VERSION, DVDV_PREFIXES, DVDV_PREFIXES_VERSION
from schemas.errors import Rejected, UsageError

AUTHORITY_KEY: Final = r"^\w+:\w[\w:.-]*$"
"""The form of a key in DVDV, whatever the prefixes are: prefix, colon, and a key of a form that each prefix has for itself."""
AuthorityKey = Annotated[str, StringConstraints(pattern=AUTHORITY_KEY, max_length=80)]

_PREFIX_LIST: Final = "urn:xoev-de:bund:bmi:bit:codeliste:dvdv.praefix"
_CHANNEL_LIST: Final = "urn:de:xoev:codeliste:erreichbarkeit"
_GENERICODE: Final = "{http://docs.oasis-open.org/codelist/ns/genericode/1.0/}CodeList"
_COLUMNS: Final = {_PREFIX_LIST: ("praefix", "behoerdenkategorie"), _CHANNEL_LIST: ("code", "Description-Deutsch")}
"""The columns of a list that hold the code and what it stands for."""


@dataclass(frozen=True, slots=True)
class CodeList:
    """One version of a list: each code with what it stands for."""

    name: str
    version: str
    codes: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class CodeLists:
    """The lists: prefixes of authorities in DVDV, and channels by which a party can be reached."""

    prefixes: CodeList
    channels: CodeList


def _table(text: str) -> dict[str, str]:
    codes = (line.partition(" ") for line in text.strip().splitlines())
    return {code: name for code, _, name in codes}


SHIPPED: Final = CodeLists(
    CodeList("DVDV.Praefixe", DVDV_PREFIXES_VERSION, _table(DVDV_PREFIXES)),
    CodeList("Erreichbarkeit", CHANNELS_VERSION, _table(CHANNELS)),
)


def load(folder: Path | None = None) -> CodeLists:
    """The lists of Stadtbus, each replaced by the operator's where the folder has a file of it (genericode, as XRepository publishes it).

    Raises:
        UsageError: settings-invalid, naming a folder or file that cannot be used.
    """
    found: dict[str, CodeList] = {}
    for path in () if folder is None else _files(folder):
        uri, codes = _read(path)
        if uri in found:
            raise _unusable("another file of this folder has the same list; leave only the newer one there", path)
        found[uri] = codes
    return CodeLists(found.get(_PREFIX_LIST, SHIPPED.prefixes), found.get(_CHANNEL_LIST, SHIPPED.channels))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise _unusable("there is no such folder", folder)
    return sorted(folder.glob("*.xml"))


def _read(path: Path) -> tuple[str, CodeList]:
    """The list in a file, after the URI that names it.

    Raises:
        UsageError: settings-invalid.
    """
    try:
        root = xml.parse(path.read_bytes())
    except OSError as error:
        raise _unusable(f"cannot be read: {error.strerror}", path) from None
    except Rejected as error:
        raise _unusable(f"{error.problem.title}: {error.detail or error.where}", path) from None
    uri = root.findtext("Identification/CanonicalUri", "").strip()
    if root.tag != _GENERICODE or uri not in _COLUMNS:
        raise _unusable(f"this is none of the code lists that Stadtbus holds anything against: {', '.join(_COLUMNS)}", path)
    codes = dict(filter(None, (_row(row, *_COLUMNS[uri]) for row in root.iterfind("SimpleCodeList/Row"))))
    version = root.findtext("Identification/Version", "").strip()
    if not (codes and version):
        raise _unusable(f"the list has no version, or no row with the column {_COLUMNS[uri][0]}", path)
    return uri, CodeList((SHIPPED.prefixes if uri == _PREFIX_LIST else SHIPPED.channels).name, version, codes)


def _row(row: etree._Element, code_column: str, name_column: str) -> tuple[str, str] | None:
    values = {value.get("ColumnRef"): value.findtext("SimpleValue", "").strip() for value in row.iterfind("Value")}
    code = values.get(code_column)
    return (code, values.get(name_column, "")) if code else None


def _unusable(detail: str, path: Path) -> UsageError:
    return UsageError(problems.SETTINGS, f"schemas.codelists: {detail}", where=str(path))
