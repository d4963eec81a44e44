"""backupspec: one YAML inventory in, everything that a fleet's backups need on disk out."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("backupspec")
except PackageNotFoundError:  # run from a bare checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
