"""Parts that are compiled when ocsnap is installed, if there is a compiler; see `setup.py`."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def compiled(name: str) -> Any:  # noqa: ANN401 - cffi builds the module
    """Return a compiled module, None where this installation has none.

    Args:
        name: its full name.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
