"""On call, on a real bus: verdicts that are really caused, and every command of the runbook. `make test-watch` causes all of them."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from consumers.watch.model import RUNBOOK
from producers.synthetic.rights import page_of, write_page
from schemas.errors import UsageError
from tests.faults.world import within
from tests.runbook import commands
from tests.watch import offices
from tests.watch.bus import Bus
from tests.watch.trial import Trials

OFFICE, OTHER = offices.BACK_OFFICE, offices.STRANGERS
PAGE = (Path(__file__).parents[2] / RUNBOOK).read_text(encoding="utf-8")
LETTER, CAUSE = "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11", "37f2af6169d6"
"""As the page writes them: a submission that is a dead letter, and the fingerprint of its cause."""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all tests here, because the bus lives in it."""
    with asyncio.Runner() as runner:
        yield runner


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
    """A back office that is away, a pause, a killed adapter: seen within three looks, told by the screen of `status`, and gone with the cause."""
    trials = Trials(bus)

    async def play() -> None:
        await asyncio.gather(offices.away(trials, OFFICE), offices.killed(trials, OTHER))
        await offices.paused(trials, OFFICE)

    loop.run(play())
    assert [(trial.failure, trial.unsaid) for trial in trials.done] == [("", [])] * 3


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
        calm = [one for one in wanted if not {"--go", "run", "--watch", "reset"} & set(one)]
        said = await asyncio.gather(*(self._try(one) for one in calm))
        others = [one for one in wanted if one not in calm]
        for one in sorted(others, key=lambda one: one[:2] == ["deadletters", "replay"]):  # it leaves none for the others
            said.append(await self._try(one))
        return [text for text in said if text]

    async def _prepare(self) -> None:
        """Something is delivered, some are dead letters."""
        bus = self._bus
        before = await bus.effects(OFFICE)
        (made,) = await bus.submit(OFFICE, 1)

        async def is_there() -> bool:
            return await bus.effects(OFFICE) > before

        assert await within(30, is_there)
        await bus.mood(OFFICE, "refuse")
        await bus.send(OFFICE, 3)
        assert await within(30, self._has_letters)
        await bus.mood(OFFICE, "ok")
        _, found, _ = await bus.command("find", str(made.message_id), "--json")
        (entry,) = [one for one in bus.system.portals if one.route.office == OFFICE]
        write_page(bus.system._portals_folder, "portal-other", page_of(entry.author, "o" * 40, [entry.route], bus.system.catalogue))
        self._samples |= {
            "muenchen.meldewesen": OFFICE,
            "muenchen.gewerbe": OFFICE,
            "9a4de7c2-58f1-4f7e-b1b5-2c0f6f3f8a10": str(made.case_id),
            "gtj2exbt": json.loads(found)[0]["hotline_code"],
            "bayernportal": entry.id,
            "mein-nuernberg": "portal-other",
        }

    async def _has_letters(self) -> bool:
        return len(await self._bus.open_letters(OFFICE)) == 3

    async def _try(self, arguments: list[str]) -> str:
        """What is wrong with a command; empty where nothing is."""
        samples = dict(self._samples)
        if {LETTER, LETTER[:8], CAUSE} & set(arguments):
            submission, cause = (await self._bus.open_letters(OFFICE))[0]
            samples |= {LETTER: submission, LETTER[:8]: submission[:8], CAUSE: cause}
        real = [samples.get(one, one) for one in arguments]
        lasting = real[0] == "run" or "--watch" in real
        if real[0] == "run" or real[:2] == ["offsets", "reset"]:  # the page says: with the adapter stopped
            await self._bus.halt(OFFICE)
        code, output, errors = await self._bus.command(*real, until_s=8 if lasting else None)
        await self._bus.heal(OFFICE)
        fine = code in ((0, -signal.SIGTERM) if real[0] == "run" else (0, 1)) and "Traceback" not in errors and (output or errors)
        return "" if fine else f"stadtbus {' '.join(real)}: {code}: {output}{errors}"
