"""A drop in a folder of this machine, for example a mounted share.

The folders must be there already: they are never made here, because an empty folder in the place of a share that is not mounted
would swallow submissions.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from adapters.protocols.drop import DropAdapter, DropSettings


class FileSettings(DropSettings):
    """Where the folder is."""

    folder: Path = Field(description="The folder that holds those of the drop.")


class FileAdapter(DropAdapter):
    """Hands over by files in a folder. A subclass says `drop` and `translate`."""

    Settings: ClassVar = FileSettings

    def __init__(self, settings: FileSettings) -> None:
        super().__init__(settings)
        self._files = LocalFiles(settings.folder)

    async def files(self) -> LocalFiles:
        """The folders."""
        return self._files


class LocalFiles:
    """Files below one folder. A share can hang, so every call is made in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def is_there(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        try:
            await asyncio.to_thread((self._folder / path).stat)
        except FileNotFoundError:
            return False
        return True

    async def read(self, path: str, limit_bytes: int) -> bytes:
        """The first bytes of a file."""
        return await asyncio.to_thread(_read, self._folder / path, limit_bytes)

    async def write(self, path: str, content: bytes) -> None:
        """The content is on the disk when this returns."""
        await asyncio.to_thread(_write, self._folder / path, content)

    async def rename(self, path: str, target: str) -> None:
        """The name is on the disk when this returns."""
        await asyncio.to_thread(_rename, self._folder / path, self._folder / target)

    async def remove(self, path: str) -> None:
        """Remove a file."""
        await asyncio.to_thread((self._folder / path).unlink)


def _read(path: Path, limit_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit_bytes)


def _write(path: Path, content: bytes) -> None:
    """Whoever may read the folder may read the file: the back office runs as another user, and our own files are for nobody else."""
    with path.open("wb") as file:
        with contextlib.suppress(OSError):  # of file systems that have no rights of their own
            os.fchmod(file.fileno(), stat.S_IMODE(path.parent.stat().st_mode) & 0o666)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _rename(path: Path, target: Path) -> None:
    path.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
