"""The official parser of AsyncAPI takes the document; npm fetches it once through its ordinary client, and the test says so where it cannot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stadtbus import reference

PARSER = "@asyncapi/parser@3.6.0"
PROGRAM = """
import { Parser } from '@asyncapi/parser';
import { readFileSync } from 'node:fs';
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
for (const one of diagnostics) if (one.severity < 2) console.log(one.code, one.path.join('/'), one.message);
console.log(document ? `${document.version()} ${document.channels().all().map((one) => one.id()).sort().join(' ')}` : 'refused');
"""
_LIMIT_S = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the parser in it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm or node is not installed")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", PARSER]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    if done.returncode:
        pytest.skip("npm could not fetch the parser")
    return tmp_path


def parsed(folder: Path, document: str) -> str:
    """What the parser says."""
    (folder / "asyncapi.json").write_text(document, encoding="utf-8")
    (folder / "parse.mjs").write_text(PROGRAM, encoding="utf-8")
    command = ["node", "parse.mjs", "asyncapi.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_parser_takes_the_document(folder: Path) -> None:
    """It finds neither errors nor warnings, and all channels; of a document with a fault it finds that."""
    document = reference.page("asyncapi.json")
    assert parsed(folder, document) == "3.0.0 deadletters events heartbeats operations retry submissions\n"
    assert "refused" in parsed(folder, document.replace('"action": "send"', '"action": "shout"', 1))
