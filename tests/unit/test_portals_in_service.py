"""Pages of portals while the gateway runs: tokens change over without a gap, and a wrong page changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from producers.intake.portals import Portals
from producers.portals import tokens
from producers.portals.register import Register
from producers.settings import Token
from producers.synthetic.rights import write_page
from schemas import catalogue
from schemas.errors import Rejected
from tests.gateway import PORTALS, TOKENS, page
from tests.kafka_service import free_port

ROOT = Path(__file__).parents[2]
LIMIT_S = 60
BROKEN = "rights: [{to: [muenchen], services: []}]\n"


@dataclass
class Running:
    """A gateway in a process of its own, and the command line beside it, as an operator has them."""

    folder: Path
    environment: dict[str, str]
    api: str
    operators: str

    def answers(self, token: str) -> int:
        """The status of a call with this token: 404 for a submission that there is not, 401 where the token is not taken."""
        return httpx.get(f"{self.api}/v1/submissions/{uuid4()}", headers={"Authorization": f"Bearer {token}"}).status_code

    def ready(self) -> httpx.Response:
        """What `/readyz` says."""
        return httpx.get(f"{self.operators}/readyz")

    def command(self, *arguments: str) -> str:
        """What a command prints that has to end with 0."""
        call = [sys.executable, "-m", "stadtbus", *arguments]
        return subprocess.run(call, env=self.environment, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        end = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A gateway without Kafka, with two portals."""
    for name, settings in PORTALS.items():
        write_page(tmp_path / "portals", name, settings)
    api, operators = free_port(1), free_port(1)
    environment = os.environ | {
        "STADTBUS_GATEWAY__PORTALS": str(tmp_path / "portals"),
        "STADTBUS_STORES__FOLDER": str(tmp_path / "stores"),
        "STADTBUS_KAFKA__BOOTSTRAP": f"127.0.0.1:{free_port(1)}",
    }
    (tmp_path / "stores").mkdir()
    call = [sys.executable, "-m", "stadtbus", "run", "gateway", "--port", str(api), "--operator-port", str(operators)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(call, env=environment, cwd=ROOT, stderr=log) as process:
        try:
            gateway = Running(tmp_path / "portals", environment, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{operators}")
            gateway.until(lambda: process.poll() is None and _is_up(gateway.operators))
            yield gateway
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_tokens_change_over_without_a_gap(running: Running) -> None:
    """The new token is taken without a restart, the old one at every call until it is ended, and then no more; the other portal notices nothing."""
    old = TOKENS["portal"]
    new = running.command("portals", "token", "portal", "--actor", "m.lang")
    seen: list[tuple[int, int]] = []

    def look() -> tuple[int, int]:
        seen.append((running.answers(old), running.answers(new)))
        return seen[-1]

    running.until(lambda: look() == (404, 404))
    running.command("portals", "end", "portal", tokens.hash_of(old)[:12])
    running.until(lambda: look() == (401, 404))
    changes = [pair for number, pair in enumerate(seen) if number == 0 or pair != seen[number - 1]]
    assert changes in ([(404, 401), (404, 404), (401, 404)], [(404, 404), (401, 404)])
    assert running.answers(TOKENS["other"]) == 404


def test_a_wrong_page_changes_nothing(running: Running) -> None:
    """A broken page leaves its portal as it was and is told at /readyz until it is mended; meanwhile another portal can be ended."""
    path = running.folder / "portal.yaml"
    good = path.read_text("utf-8")
    path.write_text(good + BROKEN, encoding="utf-8")
    running.until(lambda: "portal.yaml, line" in running.ready().text)
    assert (running.ready().status_code, running.answers(TOKENS["portal"])) == (200, 404)
    (running.folder / "other.yaml").unlink()
    running.until(lambda: running.answers(TOKENS["other"]) == 401)
    assert running.answers(TOKENS["portal"]) == 404
    path.write_text(good, encoding="utf-8")
    running.until(lambda: "portal.yaml" not in running.ready().text)
    log = (running.folder.parent / "log").read_text("utf-8")
    assert ('"portal_not_taken_up"' in log, "my-token" in log, TOKENS["portal"] in log) == (True, False, False)


# --- without a process


def test_a_page_is_taken_up_when_it_is_calm(tmp_path: Path) -> None:
    """A page that changed between two looks may be half written: it is read at the next look that finds it as the last one did."""
    register = register_in(tmp_path)
    write_page(tmp_path, "portal", page("kop:00000001", "x", accounts={}))
    assert [register.look() for _ in range(3)] == [False, True, False]
    assert register.pages["portal"].settings.accounts == {}


@pytest.mark.parametrize("mischief", ["folder gone", "no page left", "token of another", "authority of another"])
def test_what_was_in_force_stays(tmp_path: Path, mischief: str) -> None:
    """Whatever is wrong with folder or page: both portals stay as they were, and it is told."""
    folder = tmp_path / "portals"
    register = register_in(folder)
    before = {name: one.settings for name, one in register.pages.items()}
    if mischief == "folder gone":
        shutil.move(folder, tmp_path / "elsewhere")
    elif mischief == "no page left":
        for path in folder.iterdir():
            path.unlink()
    elif mischief == "token of another":
        write_page(folder, "portal", page("kop:00000001", TOKENS["other"]))
    else:
        write_page(folder, "portal", page("kop:00000002", TOKENS["portal"]))
    for _ in range(2):
        register.look()
    assert {name: one.settings for name, one in register.pages.items()} == before
    assert len(register.flaws) == 1
    assert Portals(register).check() is not None


def test_a_folder_that_comes_back_is_read_again(tmp_path: Path) -> None:
    """What was told while the folder was away is not told any more."""
    register = register_in(tmp_path / "portals")
    shutil.move(tmp_path / "portals", tmp_path / "elsewhere")
    register.look()
    shutil.move(tmp_path / "elsewhere", tmp_path / "portals")
    for _ in range(2):
        register.look()
    assert register.flaws == []


@pytest.mark.parametrize(("days", "code"), [(0, None), (1, None), (-1, "token-expired")])
def test_a_token_ends(tmp_path: Path, days: int, code: str | None) -> None:
    """On its last day a token is taken, on the next it is not, and the answer says since when; a longer one beside it goes on."""
    ended = token("short", tokens.today() + timedelta(days=days))
    write_page(tmp_path, "portal", page("kop:1", "long").model_copy(update={"tokens": (ended, token("long", date(2999, 1, 1)))}))
    portals = Portals(Register(tmp_path, catalogue.load()))
    assert portals.authenticate("Bearer long").id == "portal"
    if code is None:
        assert portals.authenticate("Bearer short").id == "portal"
    else:
        with pytest.raises(Rejected, match=str(ended.valid_to)) as refused:
            portals.authenticate("Bearer short")
        assert (refused.value.problem.code, refused.value.problem.status, refused.value.portal) == (code, 401, "portal")


@pytest.mark.parametrize(("days", "told"), [((29,), True), ((30,), False), ((5, 300), False), ((), True), ((-3,), True)])
def test_the_end_of_the_last_token_is_told(tmp_path: Path, days: tuple[int, ...], told: bool) -> None:
    """From 30 days before the last token of a portal ends, and while it has none, /readyz says so."""
    held = tuple(token(str(number), tokens.today() + timedelta(days=one)) for number, one in enumerate(days))
    write_page(tmp_path, "portal", page("kop:1").model_copy(update={"tokens": held}))
    assert (Portals(Register(tmp_path, catalogue.load())).check() is not None) == told


def register_in(folder: Path) -> Register:
    """The register of the two test portals."""
    for name, settings in PORTALS.items():
        write_page(folder, name, settings)
    return Register(folder, catalogue.load())


def token(text: str, valid_to: date) -> Token:
    """The entry of a token."""
    return Token(sha256=tokens.hash_of(text), drawn_on=tokens.today(), drawn_by="test", valid_to=valid_to)
