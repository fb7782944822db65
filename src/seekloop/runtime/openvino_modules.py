"""OpenVINO's packages, imported so that none of them reports to its maker.

`import openvino` sends an event to Google Analytics unless the user has opted out, and NNCF sends more. Both do without
where the package `openvino_telemetry` cannot be imported, so it is made to be absent: in this process nothing of it is
ever loaded, asks, or writes into the user's home. This is why OpenVINO is imported here and nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from seekloop.system import lazy

__all__ = ["genai", "nncf", "openvino", "silent", "transformations"]

_extra = "openvino"


def openvino() -> ModuleType:
    """The package `openvino`.

    Raises:
        MissingPackage: it is not installed.
    """
    return _need("openvino")


def genai() -> ModuleType:
    """The package `openvino_genai`.

    Raises:
        MissingPackage: it is not installed.
    """
    _need("openvino")
    return _need("openvino_genai")


def transformations() -> ModuleType:
    """What `openvino` does to models before they are saved: states out of inputs and outputs.

    Raises:
        MissingPackage: it is not installed.
    """
    _need("openvino")
    return _need("openvino._offline_transformations")


def nncf() -> ModuleType:
    """The package `nncf`, whose notices stay off the terminal.

    Raises:
        MissingPackage: it is not installed.
    """
    _need("openvino")
    with silent():
        module = _need("nncf")
    module.set_log_level(logging.ERROR)
    return module


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep what these packages print off standard output: that is for our own data."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _need(name: str) -> ModuleType:
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
    return lazy.need(name, extra=_extra)
