"""Who proposes the next trial: at random, by TPE, or by a policy that is taught by policy gradient.

All see the same dials, each with its choices in order, begin with the same trial, and are told the same losses.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from seekloop.system import seeds
from seekloop.system.lazy import need

__all__ = ["Place", "Policy", "Sampler", "Tpe", "Uniform", "sampler_of"]

Place = dict[str, int]
"""Dial -> number of its choice."""


class Sampler(Protocol):
    """Proposes and learns."""

    def ask(self) -> Place:
        """The next trial."""

    def tell(self, place: Place, loss: float) -> None:
        """What became of a trial that was asked for."""


class Uniform:
    """Every choice as likely as any other.

    Args:
        sizes: dial -> number of choices.
        seed: of the draws.
    """

    def __init__(self, sizes: Mapping[str, int], *, seed: int) -> None:
        self._sizes, self._random = dict(sizes), random.Random(seed)

    def ask(self) -> Place:
        """A choice of each dial."""
        return {dial: self._random.randrange(size) for dial, size in self._sizes.items()}

    def tell(self, place: Place, loss: float) -> None:
        """Nothing is learned."""


class Policy:
    """A categorical policy a dial, taught by REINFORCE with a baseline (Williams 1992).

    It begins around the prior: the log-odds of a choice fall with the square of its distance from it. The reward of a
    trial is how many standard deviations it is better than the mean of those so far.

    Args:
        sizes: dial -> number of choices.
        prior: where it begins.
        seed: of the draws.
        rate: of learning.
    """

    def __init__(self, sizes: Mapping[str, int], *, prior: Place, seed: int, rate: float = 0.4) -> None:
        self._random, self._rate = random.Random(seed), rate
        self._odds = {
            dial: [-0.25 * (choice - prior[dial]) ** 2 for choice in range(size)] for dial, size in sizes.items()
        }
        self._losses: list[float] = []

    def ask(self) -> Place:
        """A draw from each dial's policy."""
        draws = {dial: self._random.choices(range(len(odds)), self.chances(dial)) for dial, odds in self._odds.items()}
        return {dial: drawn[0] for dial, drawn in draws.items()}

    def tell(self, place: Place, loss: float) -> None:
        """Move the log-odds along the reward's gradient."""
        self._losses.append(loss if math.isfinite(loss) else max([*self._losses, 1.0]) * 2)
        if len(self._losses) < 2:
            return
        spread = statistics.stdev(self._losses) or 1.0
        reward = max(-2.0, min(2.0, (statistics.fmean(self._losses) - self._losses[-1]) / spread))
        for dial, chosen in place.items():
            chances = self.chances(dial)
            for choice, chance in enumerate(chances):
                self._odds[dial][choice] += self._rate * reward * ((choice == chosen) - chance)

    def chances(self, dial: str) -> list[float]:
        """Probability of each choice of a dial."""
        odds = self._odds[dial]
        top = max(odds)
        weights = [math.exp(one - top) for one in odds]
        return [weight / sum(weights) for weight in weights]


class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), multivariate, over the choices' numbers.

    Args:
        sizes: dial -> number of choices.
        seed: of the draws.

    Raises:
        MissingPackage: Optuna is not installed.
    """

    def __init__(self, sizes: Mapping[str, int], *, seed: int) -> None:
        optuna = need("optuna", extra="search")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._spaces = {dial: optuna.distributions.IntDistribution(0, size - 1) for dial, size in sizes.items()}
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
        self._study = optuna.create_study(direction="minimize", sampler=sampler)
        self._optuna = optuna

    def ask(self) -> Place:
        """Where good trials are dense beside bad ones."""
        # Asked without being begun: what is told is a finished trial, so that told ones and asked ones are alike.
        trial = self._study.ask(self._spaces)
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return dict(trial.params)

    def tell(self, place: Place, loss: float) -> None:
        """Add a finished trial."""
        trial: Any = self._optuna.trial.create_trial(
            params=place, distributions=self._spaces, value=loss if math.isfinite(loss) else 1e9
        )
        self._study.add_trial(trial)


def sampler_of(name: str, choices: Mapping[str, Sequence[object]], *, prior: Place, seed: int) -> Sampler:
    """The sampler called `name` (`tpe`, `random`, `reinforce`).

    Raises:
        MissingPackage: it needs Optuna, which is not installed.
    """
    sizes = {dial: len(values) for dial, values in choices.items()}
    own = seeds.derive(seed, "search", name) % 2**32
    match name:
        case "tpe":
            return Tpe(sizes, seed=own)
        case "reinforce":
            return Policy(sizes, prior=prior, seed=own)
        case _:
            return Uniform(sizes, seed=own)
