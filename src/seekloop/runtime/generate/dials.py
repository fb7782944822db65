"""How an engine is run, whichever it is: threads, streams, context, and what it may do to be faster or safer."""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.runtime.generate.drafting import Draft
from seekloop.runtime.generate.sandbox import Mode

__all__ = ["Dials"]


@dataclass(frozen=True, kw_only=True)
class Dials:
    """The same for every engine; one that lacks something says so when it is opened."""

    threads: int | None = None
    """CPU threads; None: the engine's choice."""
    streams: int = 8
    """Answers generated at the same time; there is room for `context` tokens of each."""
    context: int = 2048
    """Tokens of prompt and answer together; at most what the model was made for."""
    prefix_cache: bool = False
    """Start from what is still known of an earlier prompt with the same beginning. Faster for conversations; answers
    may then differ in the last bit, and so in a word, from those of a cold start."""
    silence_s: float = 60.0
    """An engine that owes something and says nothing for so long has as long again to answer a probe; then it hangs."""
    sandbox: Mode = "off"
    """Whether its process is shut in: see `sandbox.py`. It then listens on a socket in its folder."""
    draft: Draft | None = None
    """What guesses the next tokens; None: nothing."""
