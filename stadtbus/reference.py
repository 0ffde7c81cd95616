"""The generated pages of `docs/reference`: what the code says about itself, so that the pages cannot drift (a test compares)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from consumers.watch import measures
from infra import metrics as metric_list
from infra import secret_files
from infra.security_events import MEANINGS, PAUSE_S, Kind
from producers.intake.refusals import REFUSERS
from producers.intake.refused import EVENTS
from producers.settings import PortalSettings
from schemas import asyncapi, catalogue, message, problems, topics
from schemas.codelists import SHIPPED
from schemas.examination import rules
from schemas.findings import Severity
from schemas.headers import Header
from schemas.message import xsd
from schemas.operations import OperatorAction
from stadtbus import cli
from stadtbus.settings import Settings

_MADE: Final = "<!-- Written by `make docs`; a test compares it with the code. -->\n"


def problem_list() -> str:
    """Every error, with its code, meaning and hint."""
    rows = [
        (f"`{one.code}`", str(one.status), str(one.exit_code), one.xoev or "", one.title, one.hint)
        for one in sorted(problems.PROBLEMS, key=lambda one: one.code)
    ]
    head = "# Errors\n\nThe gateway answers with the status (RFC 9457, `application/problem+json`), the command line ends with the exit code.\n\n"
    return head + _table(("code", "status", "exit code", "XÖV", "meaning", "what to do"), rows)


def refusal_list() -> str:
    """Every place on the way in where a message can be refused."""
    rows = [
        (str(one.step or ""), one.asks, f"`{one.module}`", ", ".join(f"`{problem.code}`" for problem in one.problems)) for one in REFUSERS
    ]
    head = (
        "# Refusals\n\nWhere a message can be refused between a portal's call and the outbox, by the steps of `producers/intake/intake.py`, in their order.\n"
        "Whatever passes all of them is accepted; what is refused leaves nothing behind. [Errors](problems.md) says what each code means.\n\n"
    )
    return head + _table(("step", "asks", "where", "refuses with"), rows)


def topic_list() -> str:
    """Every topic of the packaged catalogue, and the headers of its records."""
    rows = [
        (f"`{one.name}`", one.key, one.content, f"{one.retention_ms // topics.DAY_MS} days" if one.cleanup == "delete" else "last per key")
        for one in topics.all_topics(catalogue.load().offices)
    ]
    names = "".join(f"- `{header.value}`\n" for header in Header)
    return (
        f"# Topics\n\n{_table(('topic', 'key', 'content', 'kept'), rows)}\n"
        f"## Headers\n\nThe closed list of header names; never personal data.\n\n{names}"
    )


def messages() -> str:
    """Every message of our own, with its fields; the common header once."""
    names = xsd.messages()
    head = (
        "# Messages\n\nThe fields of each message, in their order. Paths begin below the root element; `@` marks an attribute; a branch of a choice counts as "
        "optional.\nThe column DIN is the datatype of DIN 91379 that the text has to fit. The schema is "
        f"[{message.SCHEMA}.xsd](../../schemas/xsd/{message.SCHEMA}.xsd); the gateway hands it out at `/v1/schemas/{message.SCHEMA}.xsd`.\n\n"
        f"Only the root element is in the namespace `{message.NAMESPACE}`; all inside are in none. Bind the namespace to a prefix; a serialiser that "
        'declares it as default has to undo it on each child of the root (`xmlns=""`), as those of .NET do. Both are the same message.\n\n'
    )
    common = [field for field in xsd.fields(names[0]) if _in_header(field)]
    parts = [f"## What all messages have\n\n{_fields(common)}", *(_message(name) for name in names)]
    return head + "\n".join(parts)


def _message(name: str) -> str:
    own = [field for field in xsd.fields(name) if not _in_header(field)]
    sample = f"[A sample](../../schemas/samples/{name}.xml)."
    return f"## `{name}`\n\n{xsd.documentation(name)} {sample}\n\n{_fields(own)}"


def _in_header(field: xsd.MessageField) -> bool:
    return field.path.startswith(("@", "nachrichtenkopf.g2g"))


def _fields(fields: Sequence[xsd.MessageField]) -> str:
    rows = [(f"`{one.path}`", one.occurs, one.type_name, one.datatype or "", one.documentation) for one in fields]
    return _table(("path", "occurs", "type", "DIN", "meaning"), rows)


def rule_list() -> str:
    """Every rule beside the XSD, in German and English."""
    rows = [
        (
            f"`{one.name}`",
            one.number,
            f"`{one.problem.code}`",
            one.problem.xoev or "",
            _on_genuine(one),
            one.texts.en,
            one.texts.de,
            one.texts.hint_de,
            one.source,
        )
        for one in rules.RULES
    ]
    head = (
        "# Rules\n\nWhat gateway and `stadtbus validate` ask of a message beside its XSD. For messages of our own a breach refuses, but for "
        "`encoded-once`, which is a suspicion; `header-there`, `header-once` and `header-read` are asked of genuine messages alone.\nThe hint in English is that of the error ([errors](problems.md)). The rule "
        f"`{rules.ID_USED_ONCE}` (H7, S050) is about two messages: the same UUID stands for the same content.\n\n"
    )
    columns = ("rule", "number", "error", "XÖV", "in genuine XÖV messages", "asks", "verlangt", "Hinweis", "source")
    return head + _table(columns, rows) + _prefixes()


def _prefixes() -> str:
    """The prefixes that `key-in-directory` and the catalogue know."""
    known = SHIPPED.prefixes
    return (
        f"\n## {known}\n\nThe {len(known.codes)} prefixes of authorities in DVDV and what they stand for, as ITZBund has published them "
        "(`urn:xoev-de:bund:bmi:bit:codeliste:dvdv.praefix`).\nA newer list goes into the folder `schemas.codelists` ([settings](settings.md)).\n\n"
    ) + _table(("prefix", "stands for"), [(f"`{prefix}`", name) for prefix, name in known.codes.items()])


def _on_genuine(rule: rules.Rule) -> str:
    return {None: "not asked", Severity.WARNING: "a warning", Severity.ERROR: "refused"}[rule.genuine]


def metrics() -> str:
    """Every metric of the bus."""
    found = [value for value in vars(metric_list).values() if isinstance(value, MetricWrapperBase)]
    own, drop_in = ([one for one in measures.FAMILIES if one.drop_in is wanted] for wanted in (False, True))
    return (
        "# Metrics\n\nServed by each process at `/metrics`.\n\n"
        + _table(("name", "type", "labels", "meaning"), [_metric(one) for one in found])
        + "\n## Of the watch\n\nMade by each look at Kafka, and served as that look has made them.\n\n"
        + _table(("name", "labels", "meaning"), [_measure(one) for one in own])
        + "\n## Of the watch, under the names of other exporters\n\nFor common boards and alert packs (kafka_exporter, kafka-lag-exporter); "
        "`watch.drop_in_metrics: false` turns them off.\n\n" + _table(("name", "labels", "meaning"), [_measure(one) for one in drop_in])
    )


def _measure(family: measures.Family) -> tuple[str, ...]:
    return f"`{family.name}`", ", ".join(family.labels), family.meaning


def _metric(metric: MetricWrapperBase) -> tuple[str, ...]:
    family = next(iter(metric.describe()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(metric._labelnames)  # noqa: SLF001 - there is no public way to ask
    return f"`{name}`", family.type, labels, family.documentation


def security_events() -> str:
    """Every kind of security event, with the problems and actions that are of it."""
    actions = {Kind.OPERATOR_ACTED: [action.value for action in OperatorAction]}
    of_http = [problem.code for one in REFUSERS if one.module.startswith("infra/web/") for problem in one.problems]
    before_login = {Kind.HTTP_REFUSED: dict.fromkeys(of_http)}
    codes = {kind: [problem.code for problem in its] for kind, its in EVENTS.items()} | actions | before_login
    rows = [(f"`{kind}`", ", ".join(f"`{code}`" for code in codes.get(kind, ())), *MEANINGS[kind]) for kind in Kind]
    head = (
        '# Security events\n\nLines of the log with `"event": "security"`, for a SIEM, and the counter `stadtbus_security_events_total` '
        "([metrics](metrics.md)). A line has `what` (below), `code`, `portal` (the id of the portal in the settings; empty where none has logged in), and "
        f"`count`: how many there were since the last line of the same kind, code and portal. There is at most one such line in {PAUSE_S:g} s. The addresses of "
        "callers are personal data, and are in no line.\n\n"
    )
    return head + _table(("what", "codes", "meaning", "what to do"), rows)


def settings() -> str:
    """Every setting, with its environment variable."""
    rows = [
        (f"`{path}`", f"`STADTBUS_{path.replace('.', '__').upper()}`", default, text) for path, default, text in _settings_of(Settings, "")
    ]
    head = (
        "# Settings\n\nFrom the environment, else from the YAML file that `--config` or `STADTBUS_CONFIG` names, else the default. "
        "A key in the file that nobody knows is an error.\n\n"
        f"Each secret may stand in a file of its own, as Docker, Kubernetes and systemd hand secrets over: {', '.join(_secrets_of(Settings, ''))}, and "
        "those of adapters, such as `offices.<city>.<office>.password`. Add `_file` to the key (`_FILE` to the variable) and name the file; the line end behind "
        "the secret is no part of it. Value and file together are an error.\n\n"
    )
    return head + _table(("key", "environment", "default", "meaning"), rows) + _portal_page()


def _portal_page() -> str:
    """The keys of a portal's page, which is a file of its own."""
    rows = [(f"`{path.replace('.<id>.', '[].')}`", default, text) for path, default, text in _settings_of(PortalSettings, "")]
    head = "\n## The page of a portal\n\nA file `ID.yaml` in the folder `gateway.portals` ([how portals get rights and tokens](../portals.md)).\n\n"
    return head + _table(("key", "default", "meaning"), rows)


def _secrets_of(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """The keys of all secrets of processes."""
    yield from (f"`{prefix}{name}`" for name in secret_files.secrets_of(model.model_fields))
    for name, field in model.model_fields.items():
        if (inner := _model_in(field)) is not None:
            yield from _secrets_of(inner, f"{prefix}{name}{_below(field, inner)}")


def _settings_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        path, inner = f"{prefix}{name}", _model_in(field)
        if inner is not None:
            yield from _settings_of(inner, f"{path}{_below(field, inner)}")
        else:
            yield path, _default(field), (field.description or "").replace("\n", " ")


def _model_in(field: FieldInfo) -> type[BaseModel] | None:
    """The settings model that a field is, or holds by id."""
    candidates = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _below(field: FieldInfo, inner: type[BaseModel]) -> str:
    """What leads from a field to those of the model in it: nothing more where there is one such model, else its id."""
    return "." if field.annotation in (inner, inner | None) else ".<id>."


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    return f"`{default}`" if default not in (None, {}, ()) else ""


def command_line() -> str:
    """Every command with its arguments and options."""
    root: Any = typer.main.get_command(cli.app)
    parts = ["# Commands\n\nExit codes: 0 fine, 1 findings, 2 usage or configuration, 3 cannot tell.\n"]
    parts += [_command("stadtbus", root), *(_command(f"stadtbus {path}", command) for path, command in _commands(root, ""))]
    return "\n".join(parts)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")


def _command(path: str, command: Any) -> str:
    shown = [one for one in command.params if one.name != "help" and one.param_type_name in ("option", "argument")]
    lines = [f"- `{_usage(one)}` {getattr(one, 'help', None) or ''}{_default_of(one)}".rstrip() for one in shown]
    return "\n".join([f"## `{path}`\n", command.help or "", "", *lines, *([""] if lines else [])])


def _usage(parameter: Any) -> str:
    return str(max(parameter.opts, key=len)) if parameter.param_type_name == "option" else str(parameter.name).upper()


def _default_of(parameter: Any) -> str:
    default = parameter.default
    shown = default is not None and default is not False and parameter.param_type_name == "option"
    return f" Default: `{default}`." if shown else ""


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [
        " | ".join(columns),
        " | ".join("---" for _ in columns),
        *(" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows),
    ]
    return "".join(f"| {line} |\n" for line in lines)


def event_api() -> str:
    """The AsyncAPI document, as the processes serve it."""
    return json.dumps(asyncapi.document(version("stadtbus")), ensure_ascii=False, indent=2) + "\n"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "commands.md": command_line,
    "messages.md": messages,
    "rules.md": rule_list,
    "metrics.md": metrics,
    "problems.md": problem_list,
    "refusals.md": refusal_list,
    "security-events.md": security_events,
    "settings.md": settings,
    "topics.md": topic_list,
    "asyncapi.json": event_api,
}


def page(name: str) -> str:
    """One page, as it has to stand in the repository."""
    return PAGES[name]() if name.endswith(".json") else _MADE + PAGES[name]()


def write(folder: Path) -> None:
    """Write all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (folder / name).write_text(page(name), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
