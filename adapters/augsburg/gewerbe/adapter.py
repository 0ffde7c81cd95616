"""Adapter to the trade office of Augsburg: CSV files over SFTP. Folders and columns are plausible inventions."""

from __future__ import annotations

from typing import ClassVar

from adapters.protocols.drop import Drop
from adapters.protocols.mapped import Mapped
from adapters.protocols.sftp import SftpAdapter


class AugsburgGewerbe(Mapped, SftpAdapter):
    """Hands trade registrations (Gewerbe anmelden) to Augsburg."""

    drop: ClassVar = Drop(suffix=".csv")
