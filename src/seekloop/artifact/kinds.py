"""The seven kinds of artifact: the only things that stages hand to each other.

An artifact is a folder: its files, `MANIFEST.json` (this model; its digest is the artifact's id) and `RECEIPT.json`
(circumstances of the first time it was made: machine, cost, date; not part of the identity). So the same inputs, spec,
code and seed give the same id on any day.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from seekloop.system import digests
from seekloop.system.errors import ArtifactError

__all__ = [
    "AnyArtifact",
    "Artifact",
    "Checkpoint",
    "Comparison",
    "Corpus",
    "Dataset",
    "Decoding",
    "Figure",
    "FileEntry",
    "Form",
    "Lesson",
    "Origin",
    "Receipt",
    "Release",
    "Report",
    "Traffic",
    "parse",
]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )


class FileEntry(_Model):
    """One file of an artifact."""

    digest: str
    size: int
    """Bytes."""


class Origin(_Model):
    """Enough to make the artifact again."""

    stage: str
    spec: dict[str, Any]
    """The whole spec, defaults included."""
    spec_digest: str
    code_version: str
    lock_digest: str
    seed: int


class Receipt(_Model):
    """The circumstances in which an artifact was first made."""

    created_at: str
    hardware: dict[str, str | int]
    wall_s: float
    """Seconds of work, resumed parts included."""
    cost: dict[str, float] = Field(default_factory=dict)
    """What it took, by unit: `cpu_core_s`, `peak_rss_mib`, `tokens`, and money where prices are known."""


class Artifact(_Model):
    """What every kind has. `files` is filled by the store when the artifact is committed."""

    schema_version: int = 1
    parents: dict[str, str] = Field(default_factory=dict)
    """Role -> id of each artifact that this one was made from."""
    made_by: Origin
    files: dict[str, FileEntry] = Field(default_factory=dict)
    """Relative POSIX path -> digest and size."""

    @property
    def id(self) -> str:
        """`kind:HEX`, the sha-256 of the manifest's canonical JSON."""
        return f"{self._kind}:{digests.of_json(self.model_dump(mode='json')).removeprefix('sha256:')}"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files.values())

    @property
    def _kind(self) -> str:
        return str(self.model_dump(include={"kind"})["kind"])


class Corpus(Artifact):
    """Raw records of any source, read into rows. Files: `rows.jsonl`; rejected records are rows with `dropped` set."""

    kind: Literal["corpus"] = "corpus"
    rows: int
    sources: tuple[str, ...]
    """File names or URLs as given."""
    formats: tuple[str, ...]
    """What was detected for each source, for example `jsonl/alpaca/utf-8`."""


class Dataset(Artifact):
    """Rows ready to train and test on.

    Files: `train.jsonl`, `validation.jsonl`, `test.jsonl`, `calibration.jsonl` (a view of train rows), `dropped.jsonl`
    and `report.json` (twins side by side); `epoch-2.jsonl` and so on hold train rows as that epoch sees them.
    Nothing vanishes: rows + added = train + validation + test + dropped.
    """

    kind: Literal["dataset"] = "dataset"
    rows: int
    """Rows that came in."""
    splits: dict[str, int]
    """Rows in train, validation and test."""
    dropped: dict[str, int]
    """Rows left out, by reason code."""
    calibration: int = 0
    labels: tuple[str, ...] = ()
    """The classes in sorted order; empty where rows have none."""
    answer: Literal["text", "label", "label_then_text"] = "text"
    """What the trained answer holds: free text, only the label, or the label on its first line and text after it."""
    replay: int = 0
    """Train rows that were replayed from a parent dataset."""
    pii: dict[str, int] = Field(default_factory=dict)
    """Personal data masked, by kind."""
    added: dict[str, int] = Field(default_factory=dict)
    """Train rows that did not come in but were made here, by how: `resample`, `augment:synonym`."""

    @model_validator(mode="after")
    def _balanced(self) -> Self:
        kept, lost = sum(self.splits.values()), sum(self.dropped.values())
        made = sum(self.added.values())
        if self.rows + made != kept + lost:
            came = f"{self.rows} in" + (f", {made} added" if made else "")
            raise ValueError(f"row ledger does not balance: {came}, {kept} kept, {lost} dropped")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Nothing added is not written, so that datasets of before keep their ids."""
        value: dict[str, Any] = handler(self)
        return value if self.added else {name: part for name, part in value.items() if name != "added"}


Form = Literal["full", "adapter", "gguf", "openvino", "compressed-tensors", "bitsandbytes", "onnx", "endpoint"]


class Checkpoint(Artifact):
    """Weights with the codec that they were made for.

    Files, by form: full: `config.json`, `model.safetensors`; adapter: `adapter_config.json`,
    `adapter_model.safetensors` (PEFT's names), its base being the parent `base`; gguf: `model.gguf`; openvino:
    `openvino_model.xml` and `.bin`; compressed-tensors, bitsandbytes: as full, in the layout of that name; onnx:
    `model.onnx`; endpoint: `endpoint.json` and no weights. All forms: `codec.json`, `tokenizer.json`,
    `chat_template.jinja`; a classifier has `classes.json` too.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    form: Form
    family: str
    """Name of the family card."""
    precision: str
    """Of the weights: `f32`, `f16`, `q8_0`, `q4_1`…"""
    source: str | None = None
    """For base models: where they came from, as given."""
    parameters: int
    """Weights in the files; for adapters, only the adapter's."""
    trained_tokens: int = 0
    """Labelled tokens that this checkpoint and its parents since the base were trained on."""


class Figure(_Model):
    """One measured number."""

    name: str
    """With the tokenisation, where there is one: `rougeL_en`."""
    value: float
    n: int
    ci: tuple[float, float] | None = None
    """95 % interval."""
    unit: str = "share"
    better: Literal["higher", "lower"] = "higher"


class Comparison(_Model):
    """The subject against another report, on the same rows."""

    figure: str
    baseline: str
    """Id of the other report."""
    difference: float
    """Subject minus baseline."""
    ci: tuple[float, float]
    """95 % paired interval of the difference."""
    p_value: float
    n: int


class Report(Artifact):
    """What a checkpoint can do. Files: `answers.jsonl`, one scored answer a test row."""

    kind: Literal["report"] = "report"
    subject: str
    """Id of the checkpoint that was measured."""
    dataset: str
    """Id of the dataset whose split was used."""
    split: str
    engine: str
    """Backend and version that generated the answers."""
    figures: tuple[Figure, ...]
    comparisons: tuple[Comparison, ...] = ()

    def figure(self, name: str) -> Figure:
        """The figure called `name`.

        Raises:
            ArtifactError: this report has no such figure.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise ArtifactError("artifact.no_figure", name=name, known=", ".join(f.name for f in self.figures))


class Decoding(_Model):
    """How answers are sampled, unless a request says otherwise."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0


class Release(Artifact):
    """One immutable version that can be served: checkpoint, the report that admitted it, decoding."""

    kind: Literal["release"] = "release"
    checkpoint: str
    report: str
    decoding: Decoding = Decoding()
    system: str | None = None
    """System message put before conversations that have none; the same one the model was trained with."""


class Traffic(Artifact):
    """A window of production. Files: `answers.jsonl` and `feedback.jsonl`, as the ledger recorded them."""

    kind: Literal["traffic"] = "traffic"
    answers: int
    feedback: int
    releases: tuple[str, ...]
    """Releases that answered in this window."""


class Lesson(Artifact):
    """What traffic teaches."""

    kind: Literal["lesson"] = "lesson"
    verdict: Literal["wait", "retrain", "roll_back"]
    reason: str
    """One English sentence with the counts that led to the verdict."""
    corpus: str | None = None
    """Id of the corpus of corrected rows; None where the verdict needs none."""
    counts: dict[str, int]
    """Answers, feedback, corrections, kept, and what was left out by reason."""


AnyArtifact = Annotated[
    Corpus | Dataset | Checkpoint | Report | Release | Traffic | Lesson, Field(discriminator="kind")
]
_adapter: TypeAdapter[Artifact] = TypeAdapter(AnyArtifact)
_newest = {"corpus": 1, "dataset": 1, "checkpoint": 1, "report": 1, "release": 1, "traffic": 1, "lesson": 1}


def parse(value: dict[str, Any], *, where: object) -> Artifact:
    """The artifact that a manifest describes.

    Raises:
        ArtifactError: the manifest is of a newer schema, or is no manifest.
    """
    kind, version = value.get("kind"), value.get("schema_version", 1)
    if kind in _newest and isinstance(version, int) and version > _newest[kind]:
        raise ArtifactError("artifact.newer_schema", kind=kind, version=version, known=_newest[kind], where=where)
    try:
        return _adapter.validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ArtifactError("artifact.bad_manifest", problem=problem["msg"], where=where) from error
