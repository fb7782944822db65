"""Sources that are not records yet: documents, which become chunks, and recordings of calls, which become turns."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = ["AudioSpec", "ChunkSpec", "DocumentsSpec"]

Probability = Annotated[float, Field(ge=0, le=1)]


class ChunkSpec(Spec):
    """How long the pieces of a document are. A sentence or a table row is never cut, even where it alone is longer."""

    size: int = Field(default=1_200, ge=50)
    """Most of a piece."""
    overlap: int = Field(default=0, ge=0)
    """How much of a piece's end the next one begins with, in whole sentences."""
    unit: Literal["characters", "tokens"] = "characters"
    """What both are counted in; tokens are words of alphabets and single Chinese characters, not a model's."""

    @model_validator(mode="after")
    def _moves_on(self) -> Self:
        if 2 * self.overlap > self.size:
            raise ValueError("overlap may be half of size at most")
        return self


class DocumentsSpec(Spec):
    """PDF, DOCX, HTML, Markdown and plain text, in pieces with page and heading."""

    path: str
    """A file, or a folder that is read with all folders in it; relative ones from the project folder."""
    chunk: ChunkSpec = ChunkSpec()
    """How long the pieces are."""
    repeated: Literal["drop", "keep"] = "drop"
    """In PDFs: headers, footers and page numbers (lines at the edge of most pages), and tables of contents."""

    @property
    def shown(self) -> str:
        """How errors, rows and the corpus name it."""
        return self.path


class AudioSpec(Spec):
    """Recordings of calls, transcribed on this machine. Needs the extra `speech`."""

    path: str
    """A recording, or a folder that is read with all folders in it: WAV (PCM, A-law, mu-law), or headerless PCM."""
    channels: tuple[Literal["customer", "agent"], ...] = ("customer", "agent")
    """Who speaks on each channel of a recording with one speaker a channel."""
    mono: Literal["unknown", "customer_first", "agent_first"] = "unknown"
    """Who speaks on a single channel. `unknown`: nobody is named, and the row is plain text. The others take turns at
    each pause, which is a guess and is marked as one."""
    pause_s: float = Field(default=1.0, gt=0)
    """Silence that ends a stretch of speech, in seconds; on a single channel the next words are then another turn."""
    language: str | None = None
    """`zh`, `en`, …; None: told by the longest stretch of speech of each recording."""
    prompt: str | None = None
    """Words to expect, such as product names, in the style to write in. None: a sentence in simplified Chinese with
    punctuation for Chinese, nothing for others."""
    model: str = "whisper-base"
    """The model of the extra, or a folder with a whisper model in CTranslate2's form."""
    precision: Literal["float32", "int8"] = "float32"
    """What is computed in; int8 is about a third faster, and less exact."""
    threads: int = Field(default=1, ge=1)
    """Fixed, so that the same recording gives the same text on every day."""
    voice: Literal["silero", "energy"] = "silero"
    """What tells speech from silence; `energy` takes every loud noise for speech."""
    confidence: Probability = 0.45
    """A stretch of speech that is understood with less is not written down; `[UNCLEAR]` stands in its place."""
    unclear: Probability = 0.25
    """Share of the speech that may be unclear; a recording with more is dropped as `speech_unclear`."""
    pcm_rate: int = Field(default=16_000, ge=1_000)
    """Samples a second of files without a header (`.pcm`, `.raw`)."""
    pcm_channels: int = Field(default=1, ge=1, le=8)
    """Channels of files without a header."""

    @property
    def shown(self) -> str:
        """How errors, rows and the corpus name it."""
        return self.path
