"""MLflow: runs in a database file of the project, or on the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from seekloop.system import settings
from seekloop.system.lazy import need
from seekloop.tune.trackers.tracker import Run, figures

__all__ = ["MLflow"]

_tag = "seekloop.run"
_longest = 5000
"""Characters that a tag may have."""


class MLflow:
    """One run of the experiment `seekloop`, found again by its tag `seekloop.run`.

    Raises:
        MissingPackage: MLflow is not installed.
    """

    def __init__(self) -> None:
        # It asks a server of its makers for what to report on itself, wherever the runs go.
        settings.unless_told(MLFLOW_DISABLE_TELEMETRY="true")
        self._client_of = need("mlflow", extra="mlflow").MlflowClient

    def begin(self, run: Run, *, history: Sequence[Mapping[str, float]]) -> None:
        """Open the run, or the one that an earlier attempt left."""
        run.folder.mkdir(parents=True, exist_ok=True)
        place = settings.tracker_mode("MLFLOW_TRACKING_URI") or f"sqlite:///{run.folder.resolve() / 'mlflow.db'}"
        self._client = self._client_of(tracking_uri=place)
        found = self._client.get_experiment_by_name("seekloop")
        files = (run.folder.resolve() / "artifacts").as_uri()
        experiment = found.experiment_id if found else self._client.create_experiment("seekloop", files)
        earlier = self._client.search_runs([experiment], filter_string=f"tags.`{_tag}` = '{run.id}'")
        if earlier:
            self._id = earlier[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        facts = {name: _short(value) for name, value in run.facts.items()}
        self._id = self._client.create_run(experiment, run_name=run.id, tags={_tag: run.id, **facts}).info.run_id
        for entry in history:
            self.entry(entry)

    def entry(self, entry: Mapping[str, float]) -> None:
        """One metric for each figure."""
        for name, value in figures(entry).items():
            self._client.log_metric(self._id, name, value, step=int(entry["step"]))

    def end(self, artifact: str | None) -> None:
        """Close the run; one without an artifact counts as killed."""
        if artifact is not None:
            self._client.set_tag(self._id, "artifact", artifact)
        self._client.set_terminated(self._id, status="FINISHED" if artifact else "KILLED")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _longest else f"{text[: _longest - 1]}…"
