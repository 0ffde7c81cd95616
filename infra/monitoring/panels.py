"""Panels of Grafana, as few of its many fields as it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_COLUMNS: Final = 24
_HEIGHT: Final = 8


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, and the queries with the names of their lines."""

    title: str
    queries: Mapping[str, str]
    """By legend: what Prometheus is asked."""
    unit: str = "short"
    kind: str = "timeseries"
    """As Grafana calls it: timeseries, stat, table, state-timeline."""
    text: str = ""
    """What to read out of it, for whoever points at the title."""
    width: int = 12
    states: Sequence[tuple[float, str, str]] = ()
    """For values that stand for something: value, word, colour."""

    def json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """As Grafana reads it."""
        return {
            "id": number,
            "title": self.title,
            "description": self.text,
            "type": self.kind,
            "datasource": _SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": _HEIGHT},
            "targets": [self._target(chr(ord("A") + place), *query) for place, query in enumerate(self.queries.items())],
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0} | self._mappings(), "overrides": []},
        }

    def _target(self, reference: str, legend: str, query: str) -> dict[str, Any]:
        once = {"instant": True, "format": "table"} if self.kind == "table" else {}
        return {"refId": reference, "datasource": _SOURCE, "expr": query, "legendFormat": legend} | once

    def _mappings(self) -> dict[str, Any]:
        options = {f"{value:g}": {"text": word, "color": colour} for value, word, colour in self.states}
        return {"mappings": [{"type": "value", "options": options}]} if options else {}


@dataclass(frozen=True)
class Board:
    """One board. Its name is that of its file and its place in Grafana, and never changes."""

    name: str
    title: str
    panels: Sequence[Panel]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Beside the source of data: what a person chooses, and where its values come from."""

    def json(self) -> dict[str, Any]:
        """As Grafana imports it."""
        source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
        return {
            "uid": self.name,
            "title": self.title,
            "tags": ["stadtbus"],
            "schemaVersion": 39,
            "editable": True,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [source, *(_variable(name, query) for name, query in self.variables.items())]},
            "panels": self._placed(),
        }

    def _placed(self) -> list[dict[str, Any]]:
        """The panels side by side, in rows."""
        placed, x, y = [], 0, 0
        for number, panel in enumerate(self.panels, start=1):
            if x + panel.width > _COLUMNS:
                x, y = 0, y + _HEIGHT
            placed.append(panel.json(number, x, y))
            x += panel.width
        return placed


def _variable(name: str, query: str) -> dict[str, Any]:
    return {"name": name, "type": "query", "datasource": _SOURCE, "query": query, "refresh": 2, "multi": True, "includeAll": True}
