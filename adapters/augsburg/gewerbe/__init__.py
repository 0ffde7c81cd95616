"""Trade office of Augsburg: CSV files over SFTP, answered by acknowledgement files."""

from adapters.augsburg.gewerbe.adapter import AugsburgGewerbe

__all__ = ["AugsburgGewerbe"]
