"""Wrong input at the command line: what is wrong, where, what next, and an exit code that means something."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from consumers.audit import tables
from infra.settings import StoreSettings
from producers.synthetic.rights import write_page
from tests.command_line import Command
from tests.gateway import PORTALS
from tests.kafka_service import free_system_offset


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SOME_ID = "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11"

WRONG = [
    pytest.param(["lag", "--frequency"], "", 2, "No such option", id="unknown option"),
    pytest.param(["run", "adapter", "muenchen.bau"], "", 2, "augsburg.gewerbe", id="unknown office"),
    pytest.param(["run", "adapter", "muenchen.meldewesen"], "", 2, "offices.muenchen.meldewesen", id="adapter without settings"),
    pytest.param(["run", "gateway"], "", 2, "gateway.portals", id="gateway without portals"),
    pytest.param(["config", "check"], "kafka: {bootstrp: x}", 2, "kafka.bootstrp", id="unknown key"),
    pytest.param(["config", "check"], "delivery: {at_once: 9}", 2, "is called delivery.max_concurrency now", id="old key"),
    pytest.param(["token", "p", "--authority", "kop:1"], "", 2, "stadtbus portals token", id="command of before"),
    pytest.param(["config", "check"], "portals: {p: {name: P, token_sha256: x}}", 2, "a file such as p.yaml", id="portals of before"),
    pytest.param(["config", "check"], "gateway: {portals: nowhere}", 2, "No such file", id="no portals"),
    pytest.param(["config", "check"], "kafka: {replication: 0}", 2, "kafka.replication", id="wrong value"),
    pytest.param(["config", "check"], "kafka: [", 2, "not YAML", id="no yaml"),
    pytest.param(["config", "check"], "catalogue: nowhere", 2, "nowhere", id="no catalogue"),
    pytest.param(["config", "check"], "offices: {muenchen: {bau: {}}}", 2, "muenchen.bau", id="adapter of nobody"),
    pytest.param(["config", "check"], "offices: {muenchen: {meldewesen: {}}}", 2, "url: is missing", id="half an adapter"),
    pytest.param(["kafka", "start", "--brokers", "2"], "", 2, "1 or 3", id="two brokers"),
    pytest.param(["trace", "Maier"], "", 2, "GTJ2-EXBT", id="no id"),
    pytest.param(["deadletters", "list", "muenchen.bau"], "", 2, "augsburg.gewerbe", id="dead letters of nobody"),
    pytest.param(["deadletters", "list", "--city", "ulm"], "", 2, "'ulm'", id="unknown city"),
    pytest.param(["deadletters", "show", "x.deadletters/0/1"], "", 2, "'x'", id="place of nobody"),
    pytest.param(["deadletters", "show", SOME_ID, "--reveal"], "", 2, "--reason", id="reveal without reason"),
    pytest.param(["deadletters", "replay", "muenchen.meldewesen"], "", 2, "--fingerprint", id="replay of what"),
    pytest.param(
        ["deadletters", "replay", "muenchen.meldewesen", "--all", "--submission", SOME_ID], "", 2, "exactly one", id="replay twice"
    ),
    pytest.param(["deadletters", "replay", "muenchen.meldewesen", "--all", "--actor", "a b"], "", 2, "--actor", id="no name"),
    pytest.param(["deadletters", "replay", "muenchen.meldewesen", "--all", "--stop-at", "101"], "", 2, "--stop-at", id="too many percent"),
    pytest.param(
        ["deadletters", "discard", "muenchen.meldewesen", "--submission", SOME_ID], "", 2, "--reason", id="discard without reason"
    ),
    pytest.param(
        ["deadletters", "discard", "muenchen.meldewesen", "--submission", SOME_ID, "--reason", "Frau Maier zog um"],
        "",
        2,
        "A-Z",
        id="discard with a sentence",
    ),
    pytest.param(["offsets", "reset", "muenchen.bau"], "", 2, "augsburg.gewerbe", id="offsets of nobody"),
    pytest.param(["demo", "--submissions", "0"], "", 2, "--submissions", id="nothing to send"),
]


@pytest.mark.parametrize(("arguments", "config", "exit_code", "named"), WRONG)
def test_wrong_input_is_named(stadtbus: Command, tmp_path: Path, arguments: list[str], config: str, exit_code: int, named: str) -> None:
    """The error names what is wrong, on standard error, without a traceback."""
    file = tmp_path / "stadtbus.yaml"
    file.write_text(config, encoding="utf-8")
    code, output, error = stadtbus("--config", str(file), *arguments)
    assert (code, output, "Traceback" in error) == (exit_code, "", False)
    assert named in " ".join(error.split())


@pytest.mark.parametrize(
    "command", [["topics", "plan"], ["run", "audit"], ["deadletters", "list"], ["offsets", "reset", "muenchen.meldewesen"]]
)
def test_without_kafka_nobody_can_tell(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """Kafka that does not answer is exit code 3, with its address and the ways to go on."""
    bootstrap = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("STADTBUS_KAFKA__BOOTSTRAP", bootstrap)
    code, _, error = stadtbus(*command)
    assert code == 3
    assert bootstrap in error
    assert "stadtbus kafka start" in error


def test_taken_port_is_named(stadtbus: Command) -> None:
    """A demo whose port is taken says which one and how to move, and leaves nothing behind."""
    offset = free_system_offset()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 8080 + offset))
        other.listen()
        code, output, error = stadtbus("demo", "--json", "--port-offset", str(offset))
    assert (code, output) == (2, "")
    assert f"port {8080 + offset}" in error
    assert "--port-offset" in error
    assert list(Path().glob(".stadtbus/*")) == []


def test_demo_keeps_what_an_earlier_one_kept(stadtbus: Command, tmp_path: Path) -> None:
    """A folder with the data of an earlier run is refused and left alone."""
    earlier = tmp_path / "kept" / "stadtbus.yaml"
    earlier.parent.mkdir()
    earlier.write_text("precious", encoding="utf-8")
    code, _, error = stadtbus("demo", "--keep", str(earlier.parent), "--port-offset", str(free_system_offset()))
    assert (code, earlier.read_text(encoding="utf-8")) == (2, "precious")
    assert "earlier run" in error


def test_outbox_that_is_elsewhere_is_told(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Republication is for the machine where the outbox is: elsewhere it cannot tell anything, and makes no empty one."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    code, output, error = stadtbus("outbox", "republish", "muenchen.meldewesen", "--json")
    assert (code, output, "outbox-elsewhere" in error) == (3, "", True)
    assert not (tmp_path / "stores").exists()


@pytest.mark.parametrize(
    ("arguments", "code"), [(["nowhere.office"], "office-unknown"), (["muenchen.meldewesen", "--actor", "two words"], "actor-unknown")]
)
def test_republication_needs_an_office_and_a_name(stadtbus: Command, arguments: list[str], code: str) -> None:
    """Without them nothing is looked at."""
    status, _, error = stadtbus("outbox", "republish", *arguments)
    assert (status, code in error) == (2, True)


def test_unknown_submission_is_a_finding(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A submission that the audit does not know is exit code 1, and an empty list for programs; where no audit is, nobody can tell."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    code, output, error = stadtbus("trace", SOME_ID, "--json")
    assert (code, output, "audit.sqlite" in error) == (3, "", True)
    tables.open_store(StoreSettings(folder=tmp_path / "stores")).close()
    code, output, error = stadtbus("trace", SOME_ID, "--json")
    assert (code, json.loads(output)) == (1, [])
    assert "audit.sqlite" in error
    assert "no outbox here" in error


@pytest.mark.parametrize(
    "command", [["kafka", "start", "--port", "99999"], ["run", "audit", "--port", "0"], ["run", "audit", "--port", "70000"]]
)
def test_ports_that_there_are_not(stadtbus: Command, command: list[str]) -> None:
    """A number that is no port is a wrong call."""
    assert stadtbus(*command)[0] == 2


@pytest.mark.parametrize("command", [["config", "show"], ["--help"], ["config", "check"], ["catalogue", "check"]])
def test_output_that_takes_ascii_only(tmp_path: Path, command: list[str]) -> None:
    """Where a terminal or pipe takes ASCII only, letters beyond it are escaped; nothing fails, and JSON stays what it was."""
    (tmp_path / "c.yaml").write_text("gateway: {portals: portals}", encoding="utf-8")
    write_page(tmp_path / "portals", "p", PORTALS["portal"].model_copy(update={"name": "Büro"}))
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2])}
    call = [sys.executable, "-m", "stadtbus", "--config", str(tmp_path / "c.yaml"), *command]
    done = subprocess.run(call, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert (done.returncode, b"Traceback" in done.stderr, (done.stdout + done.stderr).isascii()) == (0, False, True)


def test_log_lines_are_not_among_the_output(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command prints its result; what parts of the bus log meanwhile would make `--json` unreadable."""

    async def noisy(*_: object) -> list[object]:
        structlog.get_logger().warning("topic_differs", topic="x")
        logging.getLogger("aiokafka").error("x")
        return []

    monkeypatch.setattr("infra.kafka.admin.missing_topics", noisy)
    monkeypatch.setattr("infra.kafka.differences.find", noisy)
    try:
        assert stadtbus("topics", "plan", "--json") == (0, '{\n  "missing": [],\n  "differences": []\n}\n', "")
    finally:
        structlog.reset_defaults()
