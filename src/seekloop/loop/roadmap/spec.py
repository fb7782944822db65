"""What the roadmap asks for, where the project file says nothing else."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["RoadmapSpec"]


class RoadmapSpec(Spec):
    """Thresholds and prices; each is a number that a team may change, and the report shows it."""

    train_rows: int = Field(default=200, ge=1)
    """Fewer rows to train on are no experiment."""
    class_rows: int = Field(default=20, ge=1)
    """Train rows that every class should have."""
    dropped: float = Field(default=0.3, ge=0, le=1)
    """Share of the rows that may be dropped before somebody should look at the sources."""
    half_width: float = Field(default=0.05, gt=0, le=1)
    """Half the 95 % interval of the main figure: wider, and the experiment cannot tell good from bad."""
    figure: str = "accuracy"
    """The main figure of the reports."""
    form_loss: float = Field(default=0.03, ge=0, le=1)
    """What the released form may lose against the tuned checkpoint, at the lower end of the interval."""
    first_token_s: float = Field(default=0.5, gt=0)
    """Seconds to the first token that 95 % of the answers must keep."""
    judged: float = Field(default=0.01, ge=0, le=1)
    """Share of the answers that somebody must have judged."""
    label_seconds: float = Field(default=20.0, gt=0)
    """Of one person for one row."""
    label_hour: float = Field(default=0.0, ge=0)
    """Price of an hour of labelling."""
    raters: int = Field(default=1, ge=1)
    """People who look at each row."""
