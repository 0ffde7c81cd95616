"""The commands `topics plan|apply`: the topics that the catalogue asks for, and those that Kafka has."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from schemas import topics
from stadtbus.commands.terminal import FINDINGS, AsJson, load_quietly, tell, to_people

if TYPE_CHECKING:
    from infra.kafka.differences import TopicDifference
    from stadtbus.settings import Settings

topics_app = typer.Typer(no_args_is_help=True, help="The topics of the bus, from the catalogue.")


@topics_app.command("plan")
def topics_plan(*, as_json: AsJson = False) -> None:
    """Which topics are missing or differ from what they have to be, setting by setting; exit code 1 when there are any."""
    loaded = load_quietly()
    missing, differences = _topics_now(loaded)
    lines = [f"+ {one.name}  key: {one.key}; {one.partitions} partitions; kept {one.retention_ms // topics.DAY_MS} days" for one in missing]
    text = "\n".join([*lines, *map(_difference, differences)]) or "all topics exist and are as they have to be"
    tell(text, {"missing": [one.name for one in missing], "differences": [asdict(one) for one in differences]}, as_json=as_json)
    if missing or differences:
        raise typer.Exit(FINDINGS)


@topics_app.command("apply")
def topics_apply(*, as_json: AsJson = False) -> None:
    """Create missing topics and mend what differs; exit code 1 when something differs that is not mended here, with the reason."""
    from infra.kafka.admin import create_topics
    from infra.kafka.differences import mend

    loaded = load_quietly()
    missing, differences = _topics_now(loaded)
    asyncio.run(create_topics(loaded.kafka, missing))
    if loaded.kafka.replication == 1 and missing:
        to_people.print("[bold yellow]kafka.replication is 1: one broken disk loses submissions. Production needs 3.[/]")
    mended = asyncio.run(mend(loaded.kafka, differences))
    left = [one for one in differences if one not in mended]
    text = "\n".join([
        *([f"created {len(missing)} topics"] if missing else []),
        *(f"mended {_difference(one)}" for one in mended),
        *map(_difference, left),
    ])  # fmt: skip
    value = {"created": [one.name for one in missing], "mended": [asdict(one) for one in mended], "left": [asdict(one) for one in left]}
    tell(text or "all topics exist and are as they have to be", value, as_json=as_json)
    if left:
        raise typer.Exit(FINDINGS)


def _difference(one: TopicDifference) -> str:
    why = "" if one.why_not is None else f"  not mended by apply: {one.why_not}"
    return f"~ {one.topic}  {one.setting}: {one.found}, has to be {one.wanted}{why}"


def _topics_now(loaded: Settings) -> tuple[list[topics.Topic], list[TopicDifference]]:
    """Topics that are missing, and how the others differ."""
    from infra.kafka.admin import missing_topics
    from infra.kafka.differences import find

    wanted = topics.all_topics(loaded.load_catalogue().offices)
    return asyncio.run(missing_topics(loaded.kafka, wanted)), asyncio.run(find(loaded.kafka, wanted))
