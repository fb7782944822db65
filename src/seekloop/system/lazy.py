"""Optional packages and stages, imported when first used, with the pip line where one is missing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from seekloop.system.errors import MissingPackage

__all__ = ["attributes", "need", "resolve"]


def need(module: str, *, extra: str) -> ModuleType:
    """Import `module`, which comes with `pip install 'seekloop[EXTRA]'`.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.split(".")[0] == error.name.split(".")[0]:
            raise MissingPackage("system.package_missing", package=error.name, extra=extra) from error
        raise


def resolve(target: str) -> Any:
    """The object that `package.module:name` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def attributes(package: str, /, **names: tuple[str, ...]) -> Callable[[str], Any]:
    """A `__getattr__` (PEP 562) for `package`: module of it -> the names that the package hands on from there.

    The module is imported when one of its names is first asked for.
    """
    targets = {name: f"{package}.{module}:{name}" for module, offered in names.items() for name in offered}

    def get(name: str) -> Any:
        if name not in targets:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return resolve(targets[name])

    return get
