"""Trade office of München: REST and XML; it confirms at once that it has a submission, and decides later."""

from adapters.muenchen.gewerbe.adapter import MuenchenGewerbe

__all__ = ["MuenchenGewerbe"]
