"""Mutation of mappings: each with one field or code left out, or two fields of a group swapped; and which of the shipped checks notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from adapters import registry
from adapters.mapping import Mapping as Compiled
from adapters.mapping import lint, page, samples
from adapters.mapping.page import Draft, Spec, TargetField
from schemas.catalogue import Catalogue, Service

Fields = Mapping[str, TargetField]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed mapping; `change` says what was done to it."""

    change: str
    spec: Spec


@dataclass(frozen=True, slots=True)
class Shipped:
    """The mapping of an installed adapter, with its samples and services."""

    office: str
    folder: Path
    services: Sequence[Service]

    def mutants(self) -> Iterator[Mutant]:
        """All of them."""
        spec = self._draft().spec
        if spec is None:
            raise ValueError(f"the mapping of {self.office} cannot be read")
        for change, fields in _changed(spec.document, ""):
            yield Mutant(change, spec.model_copy(update={"document": fields}))
        for name, table in spec.codes.items():
            for code in table:
                tables = {**spec.codes, name: {key: value for key, value in table.items() if key != code}}
                yield Mutant(f"without code {name}/{code}", spec.model_copy(update={"codes": tables}))

    def notices(self, mutant: Mutant) -> str:
        """The first check that notices it: load, samples or lint; empty where none does."""
        draft = self._draft()
        draft.spec = mutant.spec
        mapping = Compiled(draft)
        if draft.flaws:
            return "load"
        if any(samples.differing(mapping, self.folder / "samples")):
            return "samples"
        return "lint" if lint.flaws(mapping, self.services) else ""

    def _draft(self) -> Draft:
        return page.read(self.folder / "mapping.yaml")


def shipped(catalogue: Catalogue) -> list[Shipped]:
    """Every installed adapter that has a mapping."""
    found = ((office, registry.folder(office)) for office in registry.names())
    return [
        Shipped(office, folder, [route.service for route in catalogue.routes_of(office)])
        for office, folder in found
        if (folder / "mapping.yaml").exists()
    ]


def _changed(fields: Fields, prefix: str) -> Iterator[tuple[str, dict[str, TargetField]]]:
    """The fields with one left out or two swapped, at any depth."""
    for name, field in fields.items():
        yield f"without {prefix}{name}", {key: value for key, value in fields.items() if key != name}
        for change, below in _changed(field.fields, f"{prefix}{name}/"):
            yield change, {**fields, name: field.model_copy(update={"fields": below})}
    for one, other in combinations([name for name, field in fields.items() if field.value], 2):
        yield f"{prefix}{one} swapped with {other}", {**fields, **_swapped(fields, one, other)}


def _swapped(fields: Fields, one: str, other: str) -> Fields:
    return {
        one: fields[one].model_copy(update={"value": fields[other].value}),
        other: fields[other].model_copy(update={"value": fields[one].value}),
    }
