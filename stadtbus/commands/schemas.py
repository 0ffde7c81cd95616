"""The commands `schemas list|check`: which messages are known here, and whether their schemas can be used."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from schemas.errors import UsageError
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load, print_json, tell, to_people

if TYPE_CHECKING:
    from schemas.examination.schema_table import Row

schemas_app = typer.Typer(no_args_is_help=True, help="Which messages are known beside ours, and their schemas.")


@schemas_app.command("list")
def list_rows(*, as_json: AsJson = False) -> None:
    """The schema table: namespaces, when each is taken, and what the body is checked against."""
    rows, today = load().load_schemas().rows, datetime.now(UTC).astimezone().date()
    if as_json:
        print_json([_as_dict(row, today) for row in rows])
        return
    view = Table("name", "taken", "schema set", "namespace", box=None)
    view.columns[-1].overflow = "fold"
    for row in rows:
        view.add_row(row.name, _window(row, today), row.schema_set.entry if row.schema_set else "none: body not checked", row.namespace)
    console.print(view)


@schemas_app.command("check")
def check_rows(*, as_json: AsJson = False) -> None:
    """Compile the schema set of every row; exit code 1 when one cannot be used. Nothing is fetched from a network."""
    rows = load().load_schemas().rows
    broken = {row.namespace: error for row in rows if (error := _fault(row)) is not None}
    unchecked = [row.namespace for row in rows if row.schema_set is None]
    for namespace, error in () if as_json else broken.items():
        to_people.print(f"{namespace}\n{error.diagnostics()}", markup=False, highlight=False, soft_wrap=True)
    text = f"{len(rows) - len(broken)} of {len(rows)} rows can be used"
    tell(
        f"{text}; without a schema set: {', '.join(unchecked)}" if unchecked else text,
        {
            "namespaces": [row.namespace for row in rows],
            "unchecked": unchecked,
            "broken": {namespace: error.as_dict() for namespace, error in broken.items()},
        },
        as_json=as_json,
    )
    if broken:
        raise typer.Exit(FINDINGS)


def _fault(row: Row) -> UsageError | None:
    try:
        if row.schema_set is not None:
            row.schema_set.compile()
    except UsageError as error:
        return error
    return None


def _window(row: Row, today: date) -> str:
    bounds = [f"from {row.valid_from}" if row.valid_from else "", f"to {row.valid_to}" if row.valid_to else ""]
    text = " ".join(bound for bound in bounds if bound) or "always"
    return text if row.taken_on(today) else f"{text} (not today)"


def _as_dict(row: Row, today: date) -> dict[str, Any]:
    return {
        "name": row.name,
        "namespace": row.namespace,
        "own": row.own,
        "schema": row.schema_set.entry if row.schema_set else None,
        "folders": [str(folder) for folder in row.schema_set.folders] if row.schema_set else [],
        "header": "required" if row.needs_header else "optional",
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "taken_today": row.taken_on(today),
    }
