"""`stadtbus validate`: what it prints, what it keeps to itself, and how it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner, Result

from producers.synthetic import permits
from schemas import message
from schemas.examination import schema_table
from stadtbus.cli import app as commands
from stadtbus.cli import main
from tests import builders

CANARY = "Kanarienvogel"
SAMPLES = Path(message.__file__).parents[1] / "samples"


def valid() -> bytes:
    """A message without findings, under an id of its own."""
    return message.write(builders.application())


def private() -> bytes:
    """A message whose finding is at a name."""
    return valid().replace(b"Sch\xc3\xb6n", f"{CANARY}\u2014".encode())


def give(*arguments: object, stdin: bytes = b"") -> Result:
    """What the command does."""
    return CliRunner().invoke(commands, ["validate", *map(str, arguments)], input=stdin)


def test_valid_message(tmp_path: Path) -> None:
    """A valid message ends with 0 and a summary."""
    (tmp_path / "a.xml").write_bytes(valid())
    result = give(tmp_path / "a.xml")
    assert (result.exit_code, result.stdout.strip()) == (0, "1 files, 0 refused, 0 errors, 0 warnings")


def test_finding_says_what_where_and_what_next(tmp_path: Path) -> None:
    """A finding has file, line, XPath, code, rule and hint, and the command ends with 1."""
    (tmp_path / "a.xml").write_bytes(private())
    result = give(tmp_path / "a.xml")
    assert result.exit_code == 1
    said = result.stdout
    assert "a.xml" in said
    assert "line 2 /e:einreichung.antrag.0100/antragsteller/natuerlichePerson/familienname/name" in said
    assert "(character-not-allowed, XÖV S999; rule din-91379)" in said
    assert "U+2014 (in no type) at position 14 is not of datatype A" in said
    assert "next:" in said


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_value_only_on_demand(tmp_path: Path, more: tuple[str, ...]) -> None:
    """No value of the message is printed, unless somebody asks for it."""
    (tmp_path / "a.xml").write_bytes(private())
    assert CANARY not in give(tmp_path, *more).output
    assert CANARY in give(tmp_path, "--reveal", *more).output


def test_warning_is_no_refusal(tmp_path: Path) -> None:
    """A suspicion is told, and the command ends with 0."""
    (tmp_path / "a.xml").write_bytes(valid().replace(b"<ort>Augsburg", "<ort>KÃ¶ln".encode()))
    result = give(tmp_path)
    assert (result.exit_code, "1 warnings" in result.stdout, "text-twice-encoded" in result.stdout) == (0, True, True)


def test_genuine_messages_may_share_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two genuine messages with one id are told and not refused: collections of samples are like that."""
    row = {"name": "XBau", "namespace": permits.NAMESPACE, "schema": "none"}
    (tmp_path / schema_table.PAGE).write_text(yaml.safe_dump([row]), encoding="utf-8")
    monkeypatch.setenv("STADTBUS_SCHEMAS__FOLDER", str(tmp_path))
    body = builders.permit().body
    (tmp_path / "1.xml").write_bytes(body)
    (tmp_path / "2.xml").write_bytes(body.replace(b"Wintergarten", b"Balkon"))
    answer = json.loads(give(tmp_path, "--json").stdout)
    told = {(Path(result["file"]).name, one["code"], one["severity"]) for result in answer["results"] for one in result["findings"]}
    assert ("2.xml", "id-conflict", "warning") in told
    assert answer["refused"] == 0


def test_folders_and_standard_input(tmp_path: Path) -> None:
    """Folders are searched for *.xml, other files left alone; - is the standard input."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "c.xml").write_bytes(valid())
    (below / "c.txt").write_bytes(b"no message")
    answer = json.loads(give(tmp_path, "-", "--json", stdin=b"<x/>").stdout)
    assert (answer["files"], answer["refused"]) == (2, 1)
    assert [result["file"] for result in answer["results"]] == ["-"]


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    """Whichever worker has a file first, findings come in the order of the files."""
    for number in range(120):
        (tmp_path / f"{number:03}.xml").write_bytes(private())
    answer = json.loads(give(tmp_path, "--json").stdout)
    assert (answer["files"], answer["errors"]) == (120, 120)
    assert [Path(result["file"]).name for result in answer["results"]] == [f"{number:03}.xml" for number in range(120)]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_on_a_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    """People see how far it is; a log or a pipe gets nothing of it."""
    (tmp_path / "a.xml").write_bytes(valid())
    shown = io.StringIO()
    monkeypatch.setattr("stadtbus.commands.terminal.to_people", Console(file=shown, force_terminal=terminal))
    assert "examined" not in give(tmp_path).stdout
    assert ("examined" in shown.getvalue()) == terminal


@pytest.mark.parametrize("name", ["nothing.xml", "empty"])
def test_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A name that leads nowhere, or to a folder without XML, is a wrong command."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("sys.argv", ["stadtbus", "validate", str(tmp_path / name)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "next:" in capsys.readouterr().err


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example in docs/validate.md is what the command prints."""
    monkeypatch.chdir(tmp_path)
    sample = (SAMPLES / f"{message.APPLICATION}.xml").read_text(encoding="utf-8")
    Path("flawed.xml").write_text(sample.replace("Đặng-Müller", "Đặng–Müller"), encoding="utf-8")
    page = (Path(__file__).parents[2] / "docs/validate.md").read_text(encoding="utf-8")
    assert f"```\n{give('flawed.xml').stdout}```" in page


def test_samples_of_the_project_are_valid() -> None:
    """Every sample that the project ships passes."""
    result = give(SAMPLES)
    assert (result.exit_code, "0 errors" in result.stdout) == (0, True), result.stdout
