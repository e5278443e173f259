"""Runs where other tools keep theirs: TensorBoard's event files and MLflow's runs, made of the run directory alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core import files, log
from core.errors import ConfigError, FerError, RunError, first_line
from core.history import HISTORY_COLUMNS
from core.pictures import confusion_picture
from core.predictions import read_evaluation
from core.runs import ENDED, RunSnapshot, read_json, read_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from PIL import Image

TENSORBOARD_FOLDER = "tensorboard"
MLFLOW_FILE = "mlflow.json"
# Figures of an evaluation that are numbers; the names under which trackers have them begin with "evaluation/".
EVALUATED = ("accuracy", "balanced_accuracy", "macro_f1", "loss", "majority_accuracy", "leak_free_accuracy")
ARTEFACTS = ("config.json", "environment.json", "history.csv", "evaluation.json", "predictions.csv", "best.keras")
MLFLOW_STATES = {"completed": "FINISHED", "stopped": "KILLED", "interrupted": "KILLED"}
# MLflow takes no more of either at once, and no longer a value.
BATCH, LONGEST = 100, 500


class Tracker(Protocol):
    """What keeps a run elsewhere; each call tells what the one before did not."""

    def log_epochs(self, run: RunSnapshot) -> None:
        """Log the epochs that came since the last call; with the first one, all."""
        ...

    def log_end(self, run: RunSnapshot) -> str:
        """Log the evaluation, where there is one, and that the run has ended; where it can be looked at."""
        ...


def open_tracker(kind: str, run: Path) -> Tracker:
    """The tracker of a run.

    Args:
        kind: of TRACKERS.
        run: its directory.

    Raises:
        ConfigError: there is no such tracker.
        RunError: the package is missing.
    """
    if kind not in TRACKERS:
        raise ConfigError(f"--to: nothing is logged to '{kind}'; choose from {', '.join(TRACKERS)}")
    if find_spec(kind) is None:
        raise RunError(f"{kind} is not installed; pip install 'fer-tui[{kind}]'")
    return TRACKERS[kind](run)


def log_run(run: Path, kind: str) -> str:
    """Log a run that has ended; where it can be looked at.

    Args:
        run: its directory.
        kind: of TRACKERS.

    Raises:
        ConfigError: there is no such tracker.
        RunError: the run is under way, the package is missing, or the tracker does not take it.
    """
    snapshot = read_run(run)
    if snapshot.state not in ENDED:
        raise RunError(f"{run.name}: is {snapshot.state}; log it when it has ended, or train with --track")
    try:
        tracker = open_tracker(kind, run)
        tracker.log_epochs(snapshot)
        return tracker.log_end(snapshot)
    except FerError:
        raise
    except Exception as error:
        raise RunError(f"{kind}: {first_line(error)[:300]}") from None


class Tracking:
    """The trackers of a run under way. One that fails is left alone from then on: no training ends for its sake."""

    def __init__(self, kind: str, run: Path) -> None:
        """Open what `kind` names: none, tensorboard, mlflow or both."""
        self._run = run
        self._trackers: dict[str, Tracker] = {}
        for name in {"none": (), "both": tuple(TRACKERS)}.get(kind, (kind,)):
            with self._left_alone_if_it_fails(name):
                self._trackers[name] = open_tracker(name, run)

    def log_epochs(self) -> None:
        """Log the epochs that came since."""
        for name, tracker in list(self._trackers.items()):
            with self._left_alone_if_it_fails(name):
                tracker.log_epochs(read_run(self._run))

    def log_end(self, state: str) -> None:
        """Log that the run ended in a state, which its directory need not tell yet."""
        for name, tracker in list(self._trackers.items()):
            with self._left_alone_if_it_fails(name):
                run = replace(read_run(self._run), state=state)
                tracker.log_epochs(run)
                log.say(f"logged to {tracker.log_end(run)}")

    @contextlib.contextmanager
    def _left_alone_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._trackers.pop(name, None)
            advice = f"'fer-tui log {self._run.name} --to {name}' logs the run when that is mended"
            log.say(f"{name}: {first_line(error)[:300]}; the run goes on without it: {advice}")


def _figures(row: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The figures of an epoch by the names that trackers have them under."""
    for name in HISTORY_COLUMNS[1:]:
        value = row.get(name, float("nan"))
        if np.isfinite(value):
            yield f"epoch/{name}", float(value)


def _evaluated(run: RunSnapshot) -> dict[str, float]:
    evaluation = run.evaluation or {}
    figures = {name: evaluation.get(name) for name in EVALUATED}
    return {f"evaluation/{name}": float(value) for name, value in figures.items() if isinstance(value, int | float)}


def _confusion(run: RunSnapshot) -> Image.Image | None:
    evaluation = read_evaluation(run.evaluation)
    return confusion_picture(evaluation.classes, evaluation.matrix) if evaluation else None


class TensorBoardTracker:
    """Event files in the run directory's `tensorboard`, written anew from the first epoch by whoever opens it.

    Scalars by epoch; at the end the evaluation, the confusion matrix as an image, and the kept model's graph.
    """

    def __init__(self, run: Path) -> None:
        """`run`: its directory."""
        import tensorflow as tf

        self._folder = run / TENSORBOARD_FOLDER
        # What an epoch said that was lost, or of another tracker's time, would stand beside what is so.
        if self._folder.is_symlink():
            raise RunError(f"{self._folder}: is a link; remove it")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(self._folder))
        self._logged = 0

    def log_epochs(self, run: RunSnapshot) -> None:
        """See Tracker."""
        import tensorflow as tf

        with self._writer.as_default():
            for row in run.history[self._logged :]:
                for name, value in _figures(row):
                    tf.summary.scalar(name, value, step=int(row["epoch"]))
        self._logged = len(run.history)
        self._writer.flush()

    def log_end(self, run: RunSnapshot) -> str:
        """See Tracker."""
        import tensorflow as tf

        picture = _confusion(run)
        with self._writer.as_default():
            step = int((run.evaluation or {}).get("epoch", len(run.history)))
            for name, value in _evaluated(run).items():
                tf.summary.scalar(name, value, step=step)
            if picture is not None:
                tf.summary.image("confusion_matrix", np.asarray(picture)[None], step=step)
                self._log_graph(run.path)
        self._writer.close()
        return f"{self._folder}; look with 'tensorboard --logdir {run.path.parent}'"

    def _log_graph(self, run: Path) -> None:
        import tensorflow as tf

        from core.model_files import load_model

        model = load_model(run)
        shape = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="pixels")
        tf.summary.graph(tf.function(lambda pixels: model(pixels, training=False)).get_concrete_function(shape).graph)


class MlflowTracker:
    """A run of MLflow, found again by `mlflow.json`; where and under which experiment is MLflow's own to say.

    MLFLOW_TRACKING_URI names the server, MLFLOW_EXPERIMENT_NAME the experiment, `fer-tui` unless told. Settings are
    params, figures by epoch and of the evaluation metrics, the run directory's files artefacts. Written through the
    client: MLflow's autolog lags behind Keras.
    """

    def __init__(self, run: Path) -> None:
        """`run`: its directory."""
        # A server that is away would be asked for minutes, an epoch.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        from mlflow import MlflowClient

        self._path = run
        self._client = MlflowClient()
        self._id = self._find()
        self._logged = self._last_epoch()

    def _find(self) -> str:
        """The run that was begun for this one before, else a new one."""
        from mlflow.exceptions import MlflowException

        where = self._client.tracking_uri
        told = read_json(self._path / MLFLOW_FILE)
        if told.get("tracking_uri") == where and isinstance(told.get("run_id"), str):
            try:
                self._client.get_run(told["run_id"])
                self._client.update_run(told["run_id"], status="RUNNING")
            except MlflowException:
                log.say(f"mlflow: {where} has no run {told['run_id']} any more; begun anew")
            else:
                return told["run_id"]
        snapshot = read_run(self._path)
        made = self._client.create_run(_experiment(self._client), run_name=snapshot.name, tags=_tags(snapshot))
        files.write_json(self._path / MLFLOW_FILE, {"tracking_uri": where, "run_id": made.info.run_id})
        _log_params(self._client, made.info.run_id, snapshot)
        return made.info.run_id

    def _last_epoch(self) -> int:
        known = self._client.get_metric_history(self._id, "epoch/learning_rate")
        return max((metric.step for metric in known), default=0)

    def log_epochs(self, run: RunSnapshot) -> None:
        """See Tracker."""
        from mlflow.entities import Metric

        # Counted back from when the run was last heard of: it may have been gone on with.
        ended = float(run.status.get("heartbeat") or time.time()) - run.seconds
        metrics: list[Metric] = []
        for row in run.history:
            ended += row["seconds"] if row["seconds"] == row["seconds"] else 0.0
            if row["epoch"] > self._logged:
                at, step = int(1000 * ended), int(row["epoch"])
                metrics += [Metric(name, value, at, step) for name, value in _figures(row)]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._id, metrics=metrics[start : start + BATCH])
        self._logged = max(self._logged, len(run.history))

    def log_end(self, run: RunSnapshot) -> str:
        """See Tracker."""
        for name, value in _evaluated(run).items():
            self._client.log_metric(self._id, name, value, step=int((run.evaluation or {}).get("epoch", 0)))
        for name, value in _tags(run).items():
            self._client.set_tag(self._id, name, value)
        for name in ARTEFACTS:
            if (run.path / name).is_file() and not (run.path / name).is_symlink():
                self._client.log_artifact(self._id, str(run.path / name))
        picture = _confusion(run)
        if picture is not None:
            self._client.log_image(self._id, picture, artifact_file="confusion_matrix.png")
        self._client.set_terminated(self._id, MLFLOW_STATES.get(run.state, "FAILED"))
        return f"{self._client.tracking_uri}, run {self._id}"


def _experiment(client: MlflowClient) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "fer-tui"
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def _tags(run: RunSnapshot) -> dict[str, str]:
    told = {
        "fer_tui.run": run.name,
        "fer_tui.state": run.state,
        "fer_tui.fingerprint": run.environment.get("fingerprint"),
        "fer_tui.warnings": ";".join(str(warning.get("code")) for warning in run.warnings),
        "fer_tui.host": run.environment.get("host"),
    }
    return {name: str(value)[:LONGEST] for name, value in told.items() if value}


def _log_params(client: MlflowClient, run_id: str, run: RunSnapshot) -> None:
    from mlflow.entities import Param

    params = [Param(name, str(value)[:LONGEST]) for name, value in run.config.items()]
    params += [Param("parameters", str(run.environment.get("parameters")))]
    for start in range(0, len(params), BATCH):
        client.log_batch(run_id, params=params[start : start + BATCH])


TRACKERS: Mapping[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoardTracker, "mlflow": MlflowTracker}
