"""The commands `kafka start|stop|status`: Apache Kafka on this machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stadtbus.commands.terminal import FINDINGS, AsJson, tell, to_people

if TYPE_CHECKING:
    from infra.kafka.local import LocalKafka

kafka_app = typer.Typer(no_args_is_help=True, help="A real Apache Kafka as local processes.")

DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder of the local Kafka; else `kafka` beside the file of --config, else .stadtbus/kafka.", show_default=False
    ),
]


@kafka_app.command("start")
def kafka_start(
    brokers: Annotated[int, typer.Option(min=1, max=3, help="1, or 3 for a cluster that survives a broker.")] = 1,
    data: DataFolder = None,
    port: Annotated[int, typer.Option(min=1, max=65_000, help="Port of the first broker.")] = 9092,
    secure: Annotated[
        bool, typer.Option("--secure", help="With TLS, a user for each role, and the rights of the catalogue's offices.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start Apache Kafka here and leave it running; data stays between runs."""
    from infra.kafka.local import LocalKafka

    kafka = LocalKafka(_data_folder(data), brokers=brokers, port=port, secure=secure)
    started = kafka.start(outlive=True, say=to_people.print)
    users = _give_rights(kafka)
    lines = [f"bootstrap: {kafka.bootstrap}", *(f"as {user}: stadtbus --config {file} ..." for user, file in users.items())]
    tell("\n".join(lines), {"bootstrap": kafka.bootstrap, "started": started} | ({"settings": users} if users else {}), as_json=as_json)


@kafka_app.command("stop")
def kafka_stop(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Stop it in good order."""
    from infra.kafka.local import LocalKafka

    stopped = LocalKafka(_data_folder(data)).stop()
    tell(f"stopped {len(stopped)} broker(s)" if stopped else "no broker runs here", {"stopped": stopped}, as_json=as_json)


@kafka_app.command("status")
def kafka_status(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Which brokers run; exit code 1 when one does not answer or none runs."""
    from infra.kafka.local import LocalKafka

    kafka = LocalKafka(_data_folder(data))
    status = kafka.status()
    lines = [
        f"broker {number}: pid {pid}, {'answers' if number in status.answering else 'is silent'}" for number, pid in status.pids.items()
    ]
    lines += [
        f"broker {number}: dead, its process is gone; `stadtbus kafka start`, given as before, starts it again"
        for number in sorted(status.dead)
    ]
    text = (
        "\n".join([*lines, f"logs: {status.logs}"]) if lines else f"no broker runs on {kafka.data}; start one with `stadtbus kafka start`"
    )
    value = {"bootstrap": status.bootstrap, "pids": status.pids, "answering": sorted(status.answering), "dead": sorted(status.dead)}
    tell(text, value, as_json=as_json)
    if not status.pids or status.dead or set(status.pids) - status.answering:
        raise typer.Exit(FINDINGS)


def _give_rights(kafka: LocalKafka) -> dict[str, str]:
    """Give the roles of a secure Kafka their rights; the settings file of each user."""
    from infra.kafka.access_lists import grant
    from infra.kafka.local_security import ADMIN
    from infra.kafka.rights import ROLES, rights
    from stadtbus.settings import load

    if kafka.security is None:
        return {}
    asyncio.run(grant(kafka.settings(ADMIN), rights(load().load_catalogue().offices)))
    return {user: str(kafka.security.settings_file(user)) for user in (*ROLES, ADMIN)}


def _data_folder(data: Path | None) -> Path:
    """Where the local Kafka is: as named, else beside the settings, as the demo has it."""
    from stadtbus.settings import CONFIG_VARIABLE

    config = os.environ.get(CONFIG_VARIABLE)
    beside = Path(config).absolute().with_name("kafka") if config else None
    return data or (beside if beside is not None and beside.is_dir() else Path(".stadtbus/kafka"))
