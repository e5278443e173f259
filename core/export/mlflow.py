"""Log runs to MLflow, on the server that MLflow's environment variables name."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.export.tracker import confusion_matrix_image, epoch_metrics, evaluation_metrics
from core.runs.names import CONFIG, ENVIRONMENT, EVALUATION, HISTORY, KEPT, MLFLOW, PREDICTIONS
from core.runs.reader import RunSnapshot, read_json, read_run
from core.runs.writer import write_tracker_file
from core.system import files

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

ARTEFACTS = (CONFIG, ENVIRONMENT, HISTORY, EVALUATION, PREDICTIONS, KEPT)
MLFLOW_STATES = {"completed": "FINISHED", "stopped": "KILLED", "interrupted": "KILLED"}
# MLflow's limits: metrics or params per request, and characters per value.
BATCH, LONGEST = 100, 500


class MlflowTracker:
    """An MLflow run. `mlflow.json` stores its id, so that a resumed run continues the same MLflow run.

    MLFLOW_TRACKING_URI sets the server, MLFLOW_EXPERIMENT_NAME the experiment (default: `fer-tui`). Settings are logged
    as params, the metrics of epochs and evaluation as metrics, the run directory's files as artifacts. The tracker uses
    the MLflow client, because MLflow's autolog supports new Keras versions late.
    """

    def __init__(self, run: Path) -> None:
        """Find or create the MLflow run.

        Args:
            run: the run directory.
        """
        # With MLflow's defaults, an unreachable server would block each epoch for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        from mlflow import MlflowClient

        self._path = run
        self._client = MlflowClient()
        self._id = self._find()
        self._logged = self._last_epoch()

    def _find(self) -> str:
        """Return the id of the MLflow run that `mlflow.json` names; create a new MLflow run if there is none."""
        from mlflow.exceptions import MlflowException

        where = self._client.tracking_uri
        stored = read_json(self._path / MLFLOW)
        if stored.get("tracking_uri") == where and isinstance(stored.get("run_id"), str):
            try:
                self._client.get_run(stored["run_id"])
                self._client.update_run(stored["run_id"], status="RUNNING")
            except MlflowException:
                logger.warning("mlflow: %s no longer has run %s; a new run is created", where, stored["run_id"])
            else:
                return stored["run_id"]
        snapshot = read_run(self._path)
        created = self._client.create_run(_experiment(self._client), run_name=snapshot.name, tags=_tags(snapshot))
        write_tracker_file(self._path, {"tracking_uri": where, "run_id": created.info.run_id})
        _log_params(self._client, created.info.run_id, snapshot)
        return created.info.run_id

    def _last_epoch(self) -> int:
        known = self._client.get_metric_history(self._id, "epoch/learning_rate")
        return max((metric.step for metric in known), default=0)

    def log_epochs(self, run: RunSnapshot) -> None:
        """See Tracker."""
        from mlflow.entities import Metric

        # Times are counted back from the last heartbeat, because a resumed run has a gap after its start.
        ended = (run.status.get("heartbeat") or time.time()) - run.seconds
        metrics: list[Metric] = []
        for row in run.history:
            ended += row["seconds"] if row["seconds"] == row["seconds"] else 0.0
            if row["epoch"] > self._logged:
                at, step = int(1000 * ended), int(row["epoch"])
                metrics += [Metric(name, value, at, step) for name, value in epoch_metrics(row)]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._id, metrics=metrics[start : start + BATCH])
        self._logged = max(self._logged, len(run.history))

    def log_end(self, run: RunSnapshot) -> str:
        """See Tracker."""
        for name, value in evaluation_metrics(run).items():
            self._client.log_metric(self._id, name, value, step=run.metrics.get("epoch", 0))
        for name, value in _tags(run).items():
            self._client.set_tag(self._id, name, value)
        for name in ARTEFACTS:
            if (run.path / name).is_file() and not (run.path / name).is_symlink():
                self._client.log_artifact(self._id, str(run.path / name))
        picture = confusion_matrix_image(run)
        if picture is not None:
            self._client.log_image(self._id, picture, artifact_file="confusion_matrix.png")
        self._client.set_terminated(self._id, MLFLOW_STATES.get(run.state, "FAILED"))
        return f"{self._client.tracking_uri}, run {self._id}"


def _experiment(client: MlflowClient) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "fer-tui"
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def _tags(run: RunSnapshot) -> dict[str, str]:
    tags = {
        "fer_tui.run": run.name,
        "fer_tui.state": run.state,
        "fer_tui.fingerprint": run.environment.get("fingerprint"),
        "fer_tui.warnings": ";".join(warning["code"] for warning in run.warnings),
        "fer_tui.host": run.environment.get("host"),
    }
    return {name: _text(value) for name, value in tags.items() if value}


def _log_params(client: MlflowClient, run_id: str, run: RunSnapshot) -> None:
    from mlflow.entities import Param

    params = [Param(name, _text(value)) for name, value in run.config.items()]
    params += [Param("parameters", str(run.environment.get("parameters")))]
    for start in range(0, len(params), BATCH):
        client.log_batch(run_id, params=params[start : start + BATCH])


def _text(value: object) -> str:
    """Return a value as a text that MLflow can store: file names from disk may not be UTF-8."""
    return files.to_utf8(str(value)).decode()[:LONGEST]
