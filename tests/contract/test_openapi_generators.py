"""Portals generate their clients: three generators make a typed form of the gateway's OpenAPI document.

Each runs where its tools are; npm, pip and Maven fetch it once through their ordinary clients, and a test says so where they cannot.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from producers.gateway import openapi

TYPESCRIPT = ("openapi-typescript@7.13.0", "typescript@5.9.3")
PYTHON = "openapi-python-client==0.29.1"
JAVA = "org.openapitools:openapi-generator-cli:7.14.0"
_LIMIT_S = 300


def run(*command: str | Path, folder: Path) -> str:
    """What a program says; it has to end well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def fetched(*command: str | Path, folder: Path) -> None:
    """Fetch a generator, or skip the test where its tool is missing or has no network."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    if done.returncode:
        pytest.skip(f"{' '.join(map(str, command[:2]))} could not fetch the generator")


def missing(wanted: Sequence[str], text: str) -> list[str]:
    """What of it does not stand in a text."""
    return [line for line in wanted if line not in text]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the document in it."""
    (tmp_path / "openapi.json").write_text(json.dumps(openapi.document("1")), encoding="utf-8")
    return tmp_path


def test_typescript(folder: Path) -> None:
    """openapi-typescript makes types that the compiler accepts, for the example as a form and not for one with a fault."""
    fetched("npm", "install", "--no-audit", "--no-fund", "--prefix", ".", *TYPESCRIPT, folder=folder)
    programs = folder / "node_modules" / ".bin"
    run(programs / "openapi-typescript", "openapi.json", "-o", "gateway.ts", folder=folder)
    good, bad = json.dumps(openapi.EXAMPLE), json.dumps(dict(openapi.EXAMPLE) | {"applicants": [{"person": {"family_name": 1}}]})
    for name, content in (("good", good), ("bad", bad)):
        typed = f'import type {{ components }} from "./gateway";\nexport const form: components["schemas"]["SubmissionForm"] = {content};\n'
        (folder / f"{name}.ts").write_text(typed, encoding="utf-8")
    with pytest.raises(AssertionError) as complained:
        run(programs / "tsc", "--noEmit", "--strict", "good.ts", "bad.ts", folder=folder)
    assert "bad.ts" in str(complained.value)
    assert "good.ts(" not in str(complained.value)


def test_python(folder: Path) -> None:
    """openapi-python-client leaves no call out and makes a form that reads and writes the example without a loss."""
    fetched(
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-compile",
        "--disable-pip-version-check",
        "--target",
        "libraries",
        PYTHON,
        folder=folder,
    )
    python = ("env", "PYTHONPATH=libraries:.", sys.executable)
    generate = ("generate", "--path", "openapi.json", "--output-path", "client", "--meta", "none")
    said = run(*python, "-m", "openapi_python_client", *generate, folder=folder)
    assert "Endpoint will not be generated" not in said
    (folder / "example.json").write_text(json.dumps(dict(openapi.EXAMPLE) | {"created_at": "2026-03-01T09:30:00+01:00"}), encoding="utf-8")
    (folder / "use.py").write_text(
        "import inspect, json\n"
        "from client.api.default import get_submission, submit\n"
        "from client.models import SubmissionForm\n"
        "example = json.load(open('example.json'))\n"
        "assert SubmissionForm.from_dict(example).to_dict() == example\n"
        "assert 'SubmissionForm' in str(inspect.signature(submit.sync).parameters['body'].annotation)\n",
        encoding="utf-8",
    )
    run(*python, "use.py", folder=folder)


def test_java(folder: Path) -> None:
    """openapi-generator finds nothing to complain of and makes a client whose call takes a form with typed members."""
    if shutil.which("java") is None:
        pytest.skip("java is not installed")
    fetched("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={JAVA}", "-DoutputDirectory=.", "-Dtransitive=false", folder=folder)
    jar = next(folder.glob("openapi-generator-cli-*.jar"))
    assert "No validation issues detected" in run("java", "-jar", jar, "validate", "-i", "openapi.json", folder=folder)
    run("java", "-jar", jar, "generate", "-i", "openapi.json", "-g", "java", "--library", "native", "-o", "client", folder=folder)
    made = {path.stem: path.read_text(encoding="utf-8") for path in (folder / "client" / "src" / "main").rglob("*.java")}
    assert not missing(["Receipt submit(@javax.annotation.Nonnull SubmissionForm submissionForm", "getSubmission("], made["DefaultApi"])
    assert not missing(
        ["private UUID id;", "private OffsetDateTime createdAt;", "private List<Applicant> applicants"], made["SubmissionForm"]
    )
    assert not missing(["private String familyName;", "JsonNullable<Address> address"], made["Person"])
    assert not missing(["private List<Finding> findings", "private String hint;"], made["ProblemDetails"])
