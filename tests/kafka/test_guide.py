"""The guide "Connect your office in a day", followed word by word: every command runs, every file is written as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.kafka.jars import java
from schemas.errors import UsageError
from tests.kafka_service import free_system_offset

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "connect-an-office.md"
SHIPPED = ("Makefile", "pyproject.toml", "requirements-build.txt", "requirements-dev.txt")
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced part of the page; with a file name it is the content of that file."""

    language: str
    file: str
    text: str


BLOCKS = [Block(*found) for found in FENCE.findall(GUIDE.read_text(encoding="utf-8"))]
COMMANDS = [line for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]
OWN_LINES = [line for block in BLOCKS if block.file for line in block.text.splitlines()]


def test_the_guide_is_short() -> None:
    """From nothing to the first delivery it takes at most ten commands and forty lines of one's own."""
    assert 0 < len(COMMANDS) <= 10
    assert 0 < len(OWN_LINES) <= 40


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make dev` needs of a clone, with an environment that sees ours and can be added to."""
    for name in SHIPPED:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    environment = tmp_path / ".venv"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    site = subprocess.run([python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True)
    ours = sysconfig.get_path("purelib")
    (Path(site.stdout.strip()) / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n", encoding="utf-8")
    for name, module in {"stadtbus": "stadtbus", "pip": "pip", "pytest": "pytest"}.items():
        script = environment / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {python} -m {module} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    for stamp in (".run", ".dev"):
        (environment / stamp).touch()
    return tmp_path


def test_every_command_works(clone: Path) -> None:
    """Followed on a fresh clone, the guide ends with submissions delivered to the new office."""
    try:
        java()
    except UsageError as error:
        pytest.skip(str(error))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STADTBUS_", "VIRTUAL_ENV"))}
    environment |= {"COLUMNS": "160", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    said = ""
    for block in BLOCKS:
        if block.file:
            (clone / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            said = _run(block.text, clone, environment)
    delivered = re.search(r"regensburg\.gewerbe\D*(\d+)\D+(\d+)", said)
    assert delivered is not None, said
    assert delivered.group(1) == delivered.group(2) != "0"


def _run(commands: str, clone: Path, environment: dict[str, str]) -> str:
    """What the commands print. Each block has a shell of its own, so the environment is entered anew; ports are moved."""
    moved = commands.replace("stadtbus demo", f"stadtbus demo --port-offset {free_system_offset()}")
    done = subprocess.run(
        ["/bin/sh", "-ec", f". .venv/bin/activate\n{moved}"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout
