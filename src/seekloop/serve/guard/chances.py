"""Log-probabilities as a caller is told them: rounded, shortened, and moved a little, always the same way."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence

from seekloop.runtime.generate.backend import Chance
from seekloop.serve.guard.spec import ChanceOptions

__all__ = ["Blur"]


class Blur:
    """Tells less than the engine does.

    Args:
        options: how much less.
        secret: what the noise is drawn from, with the prompt, the token and its log-probability: the same every time.
        ids: of the prompt.
    """

    def __init__(self, options: ChanceOptions, *, secret: bytes, ids: Sequence[int]) -> None:
        self._options = options
        self._seed = hmac.digest(secret, struct.pack(f"<{len(ids)}q", *ids), "sha256") if options.noise else b""

    def __call__(self, id_: int, chance: Chance) -> Chance:
        """What is told of an id."""
        top = chance.top if self._options.top is None else chance.top[: self._options.top]
        return Chance(self._told(id_, chance.logprob), tuple((each, self._told(each, value)) for each, value in top))

    def _told(self, id_: int, logprob: float) -> float:
        options = self._options
        if options.noise:
            drawn = hmac.digest(self._seed, struct.pack("<qd", id_, round(logprob, 3)), "sha256")
            logprob += options.noise * (int.from_bytes(drawn[:4], "little") / 2**31 - 1)
        return min(0.0, logprob if options.decimals is None else round(logprob, options.decimals))
