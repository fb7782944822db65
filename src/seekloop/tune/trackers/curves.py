"""Learning curves beside a run while it goes on: `curves.html`, and `curves.png` where matplotlib is installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

from seekloop.runtime.train.curves import SPEED, Panel, page, panels
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import MissingPackage
from seekloop.system.files import write_whole
from seekloop.system.lazy import need
from seekloop.tune.trackers.tracker import Run

__all__ = ["Curves", "picture"]

_colours = ("#2f6fdb", "#d9730d")
_few = 60


class Curves:
    """Both files are written anew at each validation, at each new epoch and at the end; each is whole or as before.

    Without matplotlib the picture is left out, which is said.

    Args:
        say: tells people.
        clock: measures tokens a second, from one entry to the next.
    """

    def __init__(self, say: Callable[[str], None], *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._draws = True
        try:
            need("matplotlib", extra="plots")
        except MissingPackage as missing:
            self._draws = False
            say(f"curves.png is not drawn: {missing.sentence('en')}; {missing.hint('en')}")
        self._history: list[dict[str, float]] = []
        self._seen: tuple[float, float] | None = None

    def begin(self, run: Run, *, history: Sequence[Mapping[str, float]]) -> None:
        """A folder for the run; what was seen before is drawn too, but for its speed."""
        self._folder, self._title = run.folder / run.id, f"Learning curves of {run.id}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._history = [dict(entry) for entry in history]

    def entry(self, entry: Mapping[str, float]) -> None:
        """Keep it; draw where a validation or a new epoch asks for it."""
        before = self._history[-1].get("epoch", 0.0) if self._history else 0.0
        self._history.append({**entry, **self._speed(entry)})
        if "eval_loss" in entry or int(entry.get("epoch", 0.0)) > int(before):
            self._write()

    def end(self, artifact: str | None) -> None:
        """Draw for the last time."""
        if artifact is not None:
            self._title = f"Learning curves of {artifact}"
        self._write()

    def _speed(self, entry: Mapping[str, float]) -> dict[str, float]:
        """Since the entry before; a validation in between counts as time that no tokens were trained in."""
        if "tokens" not in entry:
            return {}
        now, before = (self._clock.monotonic(), entry["tokens"]), self._seen
        self._seen = now
        if before is None or now[0] <= before[0]:
            return {}
        return {SPEED: (now[1] - before[1]) / (now[0] - before[0])}

    def _write(self) -> None:
        write_whole(self._folder / "curves.html", page(self._history, title=self._title).encode())
        if self._draws:
            write_whole(self._folder / "curves.png", picture(panels(self._history), title=self._title))


def picture(drawn: Sequence[Panel], *, title: str) -> bytes:
    """The panels one above the other, as a PNG.

    Raises:
        MissingPackage: matplotlib is not installed.
    """
    # Not pyplot: it keeps every figure, and asks for a screen.
    figure = need("matplotlib.figure", extra="plots").Figure(figsize=(8, 0.6 + 2.2 * len(drawn)), layout="constrained")
    figure.suptitle(title, fontsize=11)
    for place, panel in enumerate(drawn):
        axes = figure.add_subplot(len(drawn), 1, place + 1)
        for curve, colour in zip(panel.curves, _colours, strict=False):
            steps, values = zip(*curve.points, strict=True)
            marker = "o" if len(steps) <= _few else None
            axes.plot(steps, values, label=curve.name or None, color=colour, marker=marker, markersize=3, linewidth=1.4)
        axes.set_title(panel.name, loc="left", fontsize=10)
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(panel.curves) > 1:
            axes.legend(frameon=False, fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
