"""On call, on a real bus: verdicts that are really caused, and every command of the runbook. `make test-watch` causes all of them."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from consumers.watch.model import RUNBOOK
from producers.synthetic.rights import page_of, write_page
from schemas.errors import UsageError
from schemas.message import Authority
from tests.faults.world import within
from tests.runbook import commands
from tests.watch import offices
from tests.watch.bus import Bus
from tests.watch.trial import Trials

OFFICE, OTHER = offices.BACK_OFFICE, offices.STRANGERS
PAGE = (Path(__file__).parents[2] / RUNBOOK).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bus(loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A broker, two offices with their twins, gateway, audit, statistics and watch, started once."""
    made = Bus(tmp_path_factory.mktemp("on-call") / "bus", (OFFICE, OTHER))
    try:
        loop.run(made.start())
        yield made
    except UsageError as error:
        pytest.skip(str(error))
    finally:
        loop.run(made.stop())


def test_verdicts_are_recognised_and_go(loop: asyncio.Runner, bus: Bus) -> None:
    """A back office that is away and a killed adapter: seen within three looks, told by the screen of `status`, and gone with the cause."""
    trials = Trials(bus)

    async def play() -> None:
        await offices.away(trials, OFFICE)  # one after the other: a page of 24 lines has no room for the sentences of many troubles
        await offices.killed(trials, OTHER)

    loop.run(play())
    assert [(trial.failure, trial.unsaid) for trial in trials.done] == [("", [])] * 2
    (away,) = [trial for trial in trials.done if trial.name == OFFICE]
    assert away.in_all is not None
    assert away.in_all <= 5  # of the demo, which looks every 3 s: 15 s after the back office has gone


def test_commands_of_the_runbook_work(loop: asyncio.Runner, bus: Bus) -> None:
    """Each is given as the page has it, with the names of this bus: it is fine or finds something, and no usage is wrong."""
    assert loop.run(Night(bus).give(commands(PAGE))) == []


class Night:
    """Gives the commands of the page to a bus that has something for each."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._samples: dict[str, str] = {}

    async def give(self, wanted: Sequence[list[str]]) -> list[str]:
        """What went wrong."""
        await self._prepare()
        at_rest = [one for one in wanted if one[0] == "run" or one[:2] == ["offsets", "reset"]]
        writing = [one for one in wanted if "--go" in one and one not in at_rest]
        lasting = [one for one in wanted if "--watch" in one]
        said = await asyncio.gather(*(self._try(one) for one in wanted if one not in (*at_rest, *writing, *lasting)))
        await self._bus.halt(OFFICE)  # as the page says for these
        for one in (*at_rest, *lasting):
            said.append(await self._try(one))
        await self._bus.launch(OFFICE)
        for one in sorted(writing, key=lambda one: one[1] == "replay"):  # it leaves no letter for the others
            said.append(await self._try(one))
        return [text for text in said if text]

    async def _prepare(self) -> None:
        """Something is delivered, some are dead letters."""
        bus, before = self._bus, await self._bus.effects(OFFICE)
        (made,) = await bus.submit(OFFICE, 1)

        async def is_there() -> bool:
            return await bus.effects(OFFICE) > before

        assert await within(30, is_there)
        await bus.mood(OFFICE, "refuse")
        await bus.send(OFFICE, 2)

        async def are_refused() -> bool:
            return len(await bus.open_letters(OFFICE)) > 1

        assert await within(30, are_refused)
        await bus.mood(OFFICE, "ok")
        (entry,) = [one for one in bus.system.portals if one.route.office == OFFICE]
        author = Authority(key="kop:09999999", name="Other")  # of one portal alone
        page = page_of(author, secrets.token_urlsafe(32), [entry.route], bus.system.catalogue)
        write_page(bus.system._portals_folder, "portal-other", page)
        _, found, _ = await bus.command("find", str(made.message_id), "--json")
        submission, cause = (await bus.open_letters(OFFICE))[0]
        self._samples = {
            "muenchen.meldewesen": OFFICE,
            "muenchen.gewerbe": OFFICE,
            "9a4de7c2-58f1-4f7e-b1b5-2c0f6f3f8a10": str(made.case_id),
            "gtj2exbt": json.loads(found)[0]["hotline_code"],
            "bayernportal": entry.id,
            "mein-nuernberg": "portal-other",
            "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11": submission,
            "3f2b6c1e": submission[:8],
            "37f2af6169d6": cause,
        }

    async def _try(self, arguments: list[str]) -> str:
        """What is wrong with a command; empty where nothing is."""
        real = [self._samples.get(one, one) for one in arguments]
        lasting = real[0] == "run" or "--watch" in real
        code, output, errors = await self._bus.command(*real, until_s=6 if lasting else None)
        fine = code in ((0, -signal.SIGTERM) if real[0] == "run" else (0, 1)) and "Traceback" not in errors and (output or errors)
        return "" if fine else f"stadtbus {' '.join(real)}: {code}: {output}{errors}"
