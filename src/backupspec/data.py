"""Where the data folders (`schema`, `templates`, `setup`, `inventories`) are, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path


def data_folder(name: str) -> Path:
    """Give the folder: beside this module if it is there (a wheel), else at the root of the checkout.

    An editable install leaves stale copies in site-packages; they are never beside this file, so they are never used.
    """
    beside = Path(__file__).parent / name
    return beside if beside.is_dir() else Path(__file__).parents[2] / name
