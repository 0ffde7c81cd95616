"""Twin of Augsburg's trade office."""

from __future__ import annotations

from adapters.augsburg.gewerbe.adapter import AugsburgGewerbe
from adapters.twins.sftp import SftpTwin


class AugsburgGewerbeTwin(SftpTwin):
    """Takes up every complete CSV file."""

    prefix = "A"
    drop = AugsburgGewerbe.drop
