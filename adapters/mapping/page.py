"""What a `mapping.yaml` may say, read with its base and with the lines of both.

A page may name a `base`, a shared page of `adapters/services`. The two are merged key by key; what the page says holds, and a key that
it sets to nothing is gone. In `document` a text is short for a field with that `value`, so `einzugsdatum: feld('F99000101')` and
`einzugsdatum: {value: feld('F99000101')}` are the same, and a page can add to what its base says of a field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from adapters.mapping import charsets
from schemas import validation_errors, yamllines
from schemas.catalogue.model import MessageName
from schemas.findings import Flaw, Spot
from schemas.yamllines import NotYaml, PathStep, YamlPage

MAX_BYTES: Final = 200_000
MAX_ENTRIES: Final = 10_000
"""Of one page, aliases counted as often as they are used."""
MAX_BASES: Final = 5

ANY_OTHER: Final = "*"
"""In a code table: every code that the table does not name."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""XML has no way to write these."""

XPath = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Unrepresentable = Literal["refuse", "transliterate", "replace"]

_HINT: Final = "docs/mappings.md explains every line of a mapping."


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetField(_Strict):
    """A field of the target: a `value`, or `fields` below it, or in XML both (text with attributes).

    `each` makes one per selected element, `at` moves to the one selected element; XPaths below start there.
    """

    name: str | None = None
    value: XPath | None = None
    fields: dict[str, TargetField] = {}
    each: XPath | None = None
    at: XPath | None = None
    when: XPath | None = None
    required: bool | XPath = False
    default: str | None = None
    many: bool = False
    width: Annotated[int, Field(ge=1, le=10_000)] | None = None
    align: Literal["left", "right"] = "left"
    fill: Annotated[str, StringConstraints(pattern=r"^[^\r\n\t]$")] = " "

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.each or self.at) and not self.fields:
            raise ValueError("'each' and 'at' need 'fields' below them")
        if self.each and self.at:
            raise ValueError("say 'each' (one per selected element) or 'at' (the one selected element), not both")
        return self


class _Encoded(_Strict):
    encoding: str = "UTF-8"

    @model_validator(mode="after")
    def _known(self) -> Self:
        if not charsets.known(self.encoding):
            raise ValueError(f"there is no encoding '{self.encoding}'")
        return self


class XmlTarget(_Encoded):
    """An element for each field. `root` and names may have a prefix of `namespaces`; without one a name has that of the element around it.

    Without `unrepresentable`, characters that the encoding has not are written as references (XML 1.0, section 4.1).
    """

    format: Literal["xml"]
    root: str
    namespaces: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.-]*$")], str] = {}
    unrepresentable: Unrepresentable | None = None


class JsonTarget(_Strict):
    """UTF-8 (RFC 8259) with sorted members; what has no value is null."""

    format: Literal["json"]


class Mark(_Strict):
    """A column that says whether a value of its row was transliterated, replaced, or prefixed as a formula."""

    column: str
    changed: str
    unchanged: str


def _of_today(formulas: object) -> object:
    """Raises ValueError for what pages of an earlier version may say."""
    if formulas == "quote":
        raise ValueError("'quote' is called 'prefix' now, and holds without this line too: take it out")
    if formulas == "keep":
        raise ValueError("'keep' is not taken any more, because citizens write these texts: take the line out, or write 'formulas: refuse'")
    return formulas


class _TableTarget(_Encoded):
    columns: tuple[str, ...] = ()
    """Their order; without it, that of the fields."""
    unrepresentable: Unrepresentable = "refuse"
    join: str | None = None
    """Between several values in a cell; without it they are refused."""
    mark: Mark | None = None
    formulas: Annotated[Literal["prefix", "refuse"], BeforeValidator(_of_today)] = "prefix"
    """What becomes of a text that a spreadsheet would take for a formula: `'` before it, or the message is refused."""


class CsvTarget(_TableTarget):
    """A header line and a row per element of the one `each`; RFC 4180."""

    format: Literal["csv"]
    separator: Annotated[str, StringConstraints(pattern=r'^[^"\r\n]$')] = ";"


class FixedTarget(_TableTarget):
    """A line per element of the one `each`; every field has a `width`."""

    format: Literal["fixed"]


Target = Annotated[XmlTarget | JsonTarget | CsvTarget | FixedTarget, Field(discriminator="format")]


class Spec(_Strict):
    """A whole mapping, base included."""

    base: str | None = None
    """What it is laid over, which is in here already."""
    target: Target
    messages: Annotated[tuple[MessageName, ...], Field(min_length=1)] = ("einreichung.antrag.0100",)
    codes: dict[str, Annotated[dict[str, str], Field(min_length=1)]] = {}
    refuse: dict[Reason, XPath] = {}
    """Reason -> what must not be in a message for this office."""
    ignored: dict[XPath, Reason] = {}
    """Path of an element or attribute -> why the target does not need it or what is below."""
    document: Annotated[dict[str, TargetField], Field(min_length=1)]


@dataclass(slots=True)
class Draft:
    """What could be read of a mapping, and what is wrong with it."""

    sources: list[tuple[str, YamlPage]] = field(default_factory=list)
    """The page, its base, the base of that."""
    spec: Spec | None = None
    flaws: list[Flaw] = field(default_factory=list)

    def spot(self, *path: PathStep) -> Spot:
        """Where something stands: in the first page that says it, or says most of the way there."""
        name, page, known = max(((name, page, _known(page.value, path)) for name, page in self.sources), key=lambda found: len(found[2]))
        return Spot(name, page.line_of(known))

    def add(self, rule: str, detail: str, *path: PathStep) -> None:
        """Note one more flaw, at the line that this path leads to."""
        self.flaws.append(Flaw(rule, self.spot(*path), detail, _HINT))


def read(path: Path) -> Draft:
    """A mapping with its bases."""
    draft = Draft()
    try:
        merged = _with_base(draft, str(path), path)
        draft.spec = Spec.model_validate(merged)
    except _UnusableError as error:
        draft.flaws.append(Flaw("readable", error.spot, error.detail, _HINT))
    except ValidationError as error:
        for fault in validation_errors.sentences(error, Spec):
            draft.add("shape", str(fault), *fault.path)
    return draft


class _UnusableError(Exception):
    def __init__(self, spot: Spot, detail: str) -> None:
        super().__init__(detail)
        self.spot = spot
        self.detail = detail


def bases() -> list[str]:
    """The names of the shared mappings."""
    folder = files("adapters.services")
    return sorted(page.name.removesuffix(".yaml") for page in folder.iterdir() if page.name.endswith(".yaml"))


def _with_base(draft: Draft, name: str, file: Path | Traversable) -> dict[Any, Any]:
    page = _load(name, file)
    draft.sources.append((name, page))
    value = dict(page.value)
    if "document" in value:
        value["document"] = _spelled_out({"fields": value["document"]})["fields"]
    base = value.get("base")
    if base is None:
        return value
    if base not in bases() or len(draft.sources) > MAX_BASES:
        raise _UnusableError(draft.spot("base"), f"there is no base '{base}'{validation_errors.suggestion(str(base), bases())}")
    below = _with_base(draft, f"adapters/services/{base}.yaml", files("adapters.services").joinpath(f"{base}.yaml"))
    merged: dict[Any, Any] = _merged(below, value)
    return merged


def _load(name: str, file: Path | Traversable) -> YamlPage:
    try:
        content = file.read_bytes()
        if len(content) > MAX_BYTES:
            raise _UnusableError(Spot(name, 1), f"larger than {MAX_BYTES} bytes")
        page = yamllines.load(content.decode())
    except OSError as error:
        raise _UnusableError(Spot(name, 1), error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise _UnusableError(Spot(name, 1), "not UTF-8") from None
    except NotYaml as error:
        raise _UnusableError(Spot(name, error.line), str(error)) from None
    if not isinstance(page.value, dict):
        raise _UnusableError(Spot(name, 1), "a mapping has keys at its top: target, document and so on")
    entries = list(_entries(page.value))
    if len(entries) > MAX_ENTRIES:
        raise _UnusableError(Spot(name, 1), f"more than {MAX_ENTRIES} entries")
    if any(isinstance(one, str) and _CONTROL.search(one) for one in entries):
        raise _UnusableError(Spot(name, 1), "a control character in a text")
    return page


def _entries(value: Any) -> Iterator[Any]:
    """Everything in a page, but not much more than allowed: aliases can make little text endless."""
    waiting = [value]
    for _ in range(MAX_ENTRIES + 1):
        if not waiting:
            return
        one = waiting.pop()
        yield one
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _spelled_out(target_field: Any) -> Any:
    if isinstance(target_field, str):
        return {"value": target_field}
    if isinstance(target_field, dict) and isinstance(below := target_field.get("fields"), dict):
        return target_field | {"fields": {name: _spelled_out(one) for name, one in below.items()}}
    return target_field


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    joined = {name: _merged(base.get(name), over[name]) if name in over else value for name, value in base.items()}
    return {name: value for name, value in (joined | {n: v for n, v in over.items() if n not in base}).items() if value is not None}


def _known(value: Any, path: Sequence[PathStep]) -> list[PathStep]:
    """The steps of a path that a page says; some steps are only there after spelling out, or are names of kinds."""
    known: list[PathStep] = []
    for step in path:
        at_hand = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        if step in at_hand:
            value = at_hand[step]
            known.append(step)
    return known
