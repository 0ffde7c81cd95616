"""What the local broker runs on: a Java, and Kafka's jars, which Maven fetches once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schemas import problems
from schemas.errors import UsageError

OLDEST_JAVA: Final = 17  # Kafka 4 brokers do not run on older ones
COPY_DEPENDENCIES: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MOST_TOLD: Final = 5
POM: Final = Path(__file__).with_name("pom.xml")
SUMS: Final = Path(__file__).with_name("jars.sha256")
"""SHA-256 of each jar, as `sha256sum *.jar` writes them; written anew with each change of the pom."""


def kafka_version() -> str:
    """The version of Kafka that the pom names, for example `4.3.1`."""
    found = re.search(r"<kafka\.version>(.+?)</", POM.read_text(encoding="utf-8"))
    assert found, "pom.xml names kafka.version"  # noqa: S101 - the file is part of this package
    return found[1]


def java() -> Path:
    """The first Java of `JAVA_HOME` and `PATH` that is new enough.

    Raises:
        UsageError: java-missing; the detail lists what was found instead.

    """
    home = os.environ.get("JAVA_HOME")
    places = [shutil.which("java", path=f"{home}/bin") if home else None, shutil.which("java")]
    found = {Path(place).absolute(): _java_version(place) for place in places if place}
    for place, (major, _) in found.items():
        if major >= OLDEST_JAVA:
            return place
    said = "; ".join(f"{place} is {version}" for place, (_, version) in found.items())
    raise UsageError(problems.JAVA_MISSING, said or "no java in JAVA_HOME or PATH")


def _java_version(place: str) -> tuple[int, str]:
    done = subprocess.run([place, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - the user's own Java
    found = re.search(r'version "((?:1\.)?(\d+)[^"]*)"', done.stderr)
    return (int(found[2]), f"version {found[1]}") if found else (0, "of unknown version")


def jars(say: Callable[[str], None]) -> Path:
    """The folder with Kafka's jars, fetched by Maven when this version of the pom was never fetched before. Each is the one that we know.

    Raises:
        UsageError: maven-missing, maven-failed (the detail names Maven's log), jars-unknown.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    cache = _cache()
    folder = cache / f"kafka-{kafka_version()}-{digest}"
    if not folder.is_dir():
        with locked(cache / "kafka.lock"):
            if not folder.is_dir():  # nobody else fetched them while we waited
                say(f"Fetching Apache Kafka {kafka_version()} with Maven, once (about 55 MB) ...")
                _fetch(folder)
    _require_known(folder)
    return folder


def _require_known(folder: Path) -> None:
    """Whoever changes a jar on its way, or where it lies, would run as this user."""
    known = dict(line.split()[::-1] for line in SUMS.read_text(encoding="ascii").splitlines())
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    if there != known:
        names = sorted(name for name in known.keys() | there.keys() if known.get(name) != there.get(name))
        raise UsageError(problems.JARS_UNKNOWN, f"other than it was, missing or added: {', '.join(names[:_MOST_TOLD])}", where=str(folder))


def _cache() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "stadtbus"
    except RuntimeError:
        raise UsageError(problems.PATH_UNUSABLE, "this user has no home folder to keep Kafka's jars in: set XDG_CACHE_HOME") from None


def of_java() -> dict[str, str]:
    """The environment of a Java process: it reads names of files by the locale, and ours are UTF-8 whatever the user's locale is."""
    return os.environ | {"LC_ALL": "C.UTF-8"}


def _fetch(folder: Path) -> None:
    """Have Maven fill a folder beside the final one; only a complete one gets the final name."""
    maven = shutil.which("mvn")
    if not maven:
        raise UsageError(problems.MAVEN_MISSING, "no mvn in PATH")
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
        log, copied = folder.with_name("maven.log"), Path(scratch) / "jars"
        command = [maven, "-q", "-B", "-f", str(POM), COPY_DEPENDENCIES, "-DincludeScope=runtime", f"-DoutputDirectory={copied}"]
        with log.open("wb") as output:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, env=of_java())  # noqa: S603 - fixed arguments
        if done.returncode:
            raise UsageError(problems.MAVEN_FAILED, f"exit status {done.returncode}, log: {log}")
        copied.rename(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process inside, per file; waits for the other one. The file stays, the lock ends with the process at the latest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
