"""The table of methods. A further one is a spec, a file that makes the form, and a case here."""

from __future__ import annotations

from functools import partial

from seekloop.compress import gguf_export, merge
from seekloop.compress.method import Making
from seekloop.compress.spec import GgufMethod, MergeMethod, MethodSpec

__all__ = ["making"]


def making(spec: MethodSpec) -> Making:
    """What makes the form that `spec` asks for."""
    match spec:
        case MergeMethod():
            return merge.make
        case GgufMethod():
            return partial(gguf_export.make, spec)
