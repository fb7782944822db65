"""The slot of a classifier: one interface, a deadline, and a word for what a missing verdict means."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.serve.safety.options import ClassifierOptions
from seekloop.serve.safety.policy import Rule
from seekloop.system.lazy import need

__all__ = ["Classifier", "Judge", "checkpoint_classifier"]

Classifier = Callable[[str], Mapping[str, float]]
"""Text -> probability of each class. Called in a thread of its own, one text at a time."""
_logger = logging.getLogger("seekloop.serve")


class Judge:
    """Asks a classifier off the event loop.

    Args:
        classifier: that is asked.
        options: classes, threshold, deadline and what a missing verdict means.
    """

    def __init__(self, classifier: Classifier, options: ClassifierOptions) -> None:
        self._classifier, self.options = classifier, options
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="safety")
        self.counts: Counter[str] = Counter()
        """`asked`, `stopped`, `late`, `failed`."""

    async def judge(self, text: str) -> Rule | None:
        """What stops a text; None: nothing does."""
        self.counts["asked"] += 1
        waiting = asyncio.get_running_loop().run_in_executor(self._thread, self._classifier, text)
        try:
            async with asyncio.timeout(self.options.deadline_ms / 1000):
                chances = await waiting
        except TimeoutError:
            return self._missing("late", None)
        except Exception as error:  # noqa: BLE001 - whatever a classifier of the user's fails with, its verdict is missing
            return self._missing("failed", error)
        worst = max(self.options.labels, key=lambda label: chances.get(label, 0.0))
        if chances.get(worst, 0.0) < self.options.threshold:
            return None
        self.counts["stopped"] += 1
        return Rule(id=f"classifier:{worst}", category=worst, action="block", severity="high")

    def close(self) -> None:
        """Do not wait for verdicts that nobody waits for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _missing(self, why: str, error: Exception | None) -> Rule | None:
        self.counts[why] += 1
        _logger.warning("the safety classifier gave no verdict (%s)", why, exc_info=error)
        if self.options.fails == "open":
            return None
        return Rule(id=f"classifier:{why}", category="no_verdict", action="block", severity="high")


def checkpoint_classifier(identity: str, *, store: Store) -> Classifier:
    """A classifier of tune's classify objective.

    Raises:
        ArtifactError: no such checkpoint.
        UsageError: it is no classifier.
        MissingPackage: torch is not installed.
    """
    judging = need("seekloop.runtime.generate.judging", extra="train")
    classifier: Classifier = judging.text_classifier(store.open(identity, Checkpoint), store=store)
    return classifier
