"""Base models on Hugging Face and ModelScope, through their own packages, where those are installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seekloop.system.errors import MissingPackage, ModelError
from seekloop.system.progress import Progress

__all__ = ["fetch_folder"]

_wanted = ["config.json", "generation_config.json", "tokenizer*.json", "*.safetensors", "*.safetensors.index.json"]
_packages = {"hf": "huggingface_hub", "modelscope": "modelscope"}


def fetch_folder(hub: str, repository: str, *, folder: Path, progress: Progress) -> Path:
    """The folder of a repository's safetensors, configuration and tokenizer; no code, no pickle.

    Args:
        hub: `hf` or `modelscope`.
        repository: `ORG/NAME` or `ORG/NAME@REVISION`.
        folder: where to keep it. It exists once the download is whole; a broken one goes on where it stopped.
        progress: where to show the download.

    Raises:
        MissingPackage: the hub's package is not installed.
        ModelError: the hub does not answer, or has no such repository.
    """
    if folder.is_dir():
        return folder
    package = _packages[hub]
    try:
        download: Callable[..., Any] = importlib.import_module(package).snapshot_download
    except ModuleNotFoundError as error:
        raise MissingPackage("model.hub_package_missing", package=package) from error
    name, _, revision = repository.partition("@")
    partial = folder.with_name(f"{folder.name}.partial")
    with progress.task(f"download {repository}"):
        try:
            download(name, revision=revision or None, local_dir=str(partial), allow_patterns=_wanted)
        except Exception as error:
            # Each hub has its own tree of errors, httpx's and the socket's among them: all mean "not fetched".
            problem = " ".join(str(error).split())[:200]
            raise ModelError("model.download_failed", what=f"{hub}:{repository}", problem=problem) from error
    partial.rename(folder)
    return folder
