"""Training of one run: data, model, epochs and evaluation. The run directory stores the progress and the results."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.config.protocol import PROTOCOLS
from core.config.training_config import TrainingConfig
from core.data.pipeline import published_rows, training_rows
from core.data.readers import image_tree
from core.data.training_data import TrainingData, load_training_data
from core.errors import RunError, pluralize
from core.evaluation.inference import predict
from core.evaluation.metrics import evaluate, evaluate_leak_free, find_leaked_images
from core.export.tracker_registry import TrackerList
from core.models.pretrained import load_pretrained
from core.runs.checkpoint import Checkpoint, TrainingState, find_checkpoint, restore_kept
from core.runs.history import read_history
from core.runs.model_file import load_model
from core.runs.names import BEFORE, CHECKPOINT, HISTORY, KEPT, LOG, PREVIOUS_CHECKPOINT
from core.runs.reader import read_run, read_state
from core.runs.resume import check_data_exist, describe_other_data
from core.runs.run_audit import audit_run, measure_batches
from core.runs.run_dataset import run_decoding
from core.runs.schema import EvaluationFile, StoredProblem
from core.runs.writer import RunWriter
from core.system.limits import check_limits
from core.system.log import log_records_to_file, log_to_file
from core.training import devices, environment, memory
from core.training.auto_settings import AutoSettings, choose_auto_settings
from core.training.build import build_model, compile_model, pixel_statistics
from core.training.checkpoint_saver import BackgroundSaver, CheckpointSaver, ImmediateSaver
from core.training.ema import EmaWeights
from core.training.epoch_policy import EpochPolicy
from core.training.epoch_recorder import EpochRecorder, current_learning_rate
from core.training.failures import explain_error
from core.training.feed import training_feed, validation_feed
from core.training.loop import TrainingLoop
from core.training.plan import Plan, plan_epochs

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)
# The state and message of a run that was stopped before it trained.
STOPPED_AT_START = "stopped", "stopped before the first epoch"


def train_run(
    config: TrainingConfig,
    run: Path,
    stop: threading.Event,
    *,
    captures_stderr: bool = True,
    while_loading: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
) -> str:
    """Train and evaluate one model. Resumes the run if its directory has a checkpoint.

    Args:
        config: the run's settings.
        run: the run's directory, created by `core.runs.writer.create_run`.
        stop: set it to end the run after the current batch; the last epoch's checkpoint is kept.
        captures_stderr: whether to redirect file descriptor 2 to `log.txt`, so that the log includes the
            output of TensorFlow's C++ code. If False, only log records go there.
        while_loading: returns a context in which TensorFlow is imported.

    Returns:
        The run's final state: completed, stopped, failed or diverged. `status.json` has the reason, and `log.txt` the
        traceback of an error.

    Raises:
        RunError: another process trains this run, or took it over; or a resumed run failed before it had a new
            checkpoint, so that it is as it was before.
    """
    log = log_to_file if captures_stderr else log_records_to_file
    # `RunWriter` writes the final status and then releases the lock. Memory is freed after that. A process that reads
    # the final status can therefore resume the run at once.
    with memory.release_on_exit(), RunWriter(run, stop) as writer, log(run / LOG):
        state, message, training = "failed", "", _Training(config, run, writer, stop, while_loading)
        try:
            state, message = training.run()
        except Exception as error:
            message = explain_error(error, run)
        logger.info("%s: %s", state, message)
        is_undone = (state in ("failed", "diverged") or not training.has_begun) and writer.undo_resume()
        if writer.is_owner():
            training.tracking.log_end(read_state(run / BEFORE) if is_undone else state)
        writer.update(state=state, message=message)
    if writer.is_lost:
        raise RunError(f"{run.name}: another process has taken it over; this process no longer trains it")
    if is_undone and state != "stopped":
        raise RunError(f"{run.name}: {message}; the run is as it was before")
    return state


class _Training:
    """The training of one run; `run` has the steps in order."""

    def __init__(
        self,
        config: TrainingConfig,
        run: Path,
        writer: RunWriter,
        stop: threading.Event,
        while_loading: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.config = config
        self.path = run
        self.writer = writer
        self.stop = stop
        self.has_begun = False
        self._while_loading = while_loading
        self.tracking = TrackerList("none", run)

    def run(self) -> tuple[str, str]:
        """Train and evaluate; return the final state and its message."""
        check_data_exist(self.path, self.config.data)
        self._say("reading the images")
        data = load_training_data(self.config, self.stop, run_decoding(read_run(self.path).environment))
        if data is None:
            return STOPPED_AT_START
        checkpoint = self._find_checkpoint(data)
        policy = EpochPolicy(self.config, checkpoint.state if checkpoint else TrainingState())
        for problem in data.problems:
            logger.info("%s: %s", problem.kind, problem.message)
        check_limits()
        with self._while_loading():
            # A signal that came before this block has set the event. Loading could hang, so check it now.
            if self.stop.is_set():
                return STOPPED_AT_START
            self._say("loading TensorFlow")
            self.writer.flush()
            used = devices.prepare(self.config)
        self.has_begun = True
        if self.config.deterministic:
            devices.make_deterministic()
        plan = plan_epochs(self.config, data, used)
        auto = choose_auto_settings(self.config, used, plan, data, read_run(self.path).environment)
        diverged = False
        with devices.scope(used, auto.precision):
            self._say(f"building {self.config.model}")
            model = self._build(data, used, plan, checkpoint)
            self._write_environment(data, used, auto, plan, model.count_params(), checkpoint)
            self.tracking = TrackerList(self.config.track, self.path)
            if not policy.is_finished():
                diverged = self._fit(model, data, used, auto, plan, policy)
        if diverged:
            return self._end_diverged(data, plan, policy)
        if self.stop.is_set():
            return "stopped", f"stopped after epoch {policy.state.epoch}"
        self._evaluate(data, plan, policy.kept_epoch, "completed")
        return "completed", policy.early_end_reason()

    def _find_checkpoint(self, data: TrainingData) -> Checkpoint | None:
        """Return the checkpoint to resume from; None for a new run.

        Raises:
            RunError: the run was trained on other data, or its checkpoints are damaged.
        """
        checkpoint = find_checkpoint(self.path)
        began = read_run(self.path).environment
        began_with, moved_from = began.get("fingerprint", data.fingerprint), began.get("data")
        if began_with != data.fingerprint and moved_from not in (None, str(self.config.data.resolve())):
            raise RunError(describe_other_data(self.config.data, began_with, data.fingerprint))
        if checkpoint is None:
            # A process that was killed at the end of its first epoch leaves one row, no checkpoint and no model.
            if len(read_history(self.path / HISTORY)) > 1 or (self.path / KEPT).exists():
                raise RunError(
                    f"{self.path / CHECKPOINT}: this checkpoint and {PREVIOUS_CHECKPOINT} are damaged or missing, so "
                    f"the run can't be resumed; {KEPT} and {HISTORY} are kept; start a new run with 'fer-tui train'"
                )
            return None
        if began_with != data.fingerprint:
            raise RunError(
                _describe_added_images(data)
                or f"{self.config.data}: the data set has changed since the run started (fingerprint {began_with}, "
                f"now {data.fingerprint}); restore it, or start a new run with 'fer-tui train'"
            )
        return checkpoint

    def _build(
        self, data: TrainingData, used: devices.Devices, plan: Plan, checkpoint: Checkpoint | None
    ) -> keras.Model:
        """Return the compiled model, with the weights and state of the checkpoint if there is one."""
        import keras

        config = self.config
        keras.utils.set_random_seed(config.seed)
        needs_statistics = config.normalization == "dataset"
        model = build_model(
            config,
            len(data.classes),
            statistics=pixel_statistics(data.train.values, config.channels) if needs_statistics else None,
            prior=data.targets(data.train).mean(axis=0),
            names=data.classes,
            synchronized=used.mirrored,
        )
        compile_model(model, config, plan.steps_per_epoch)
        model.optimizer.build(model.trainable_variables)
        if checkpoint:
            self._restore(model, checkpoint)
        elif config.weights is not None:
            self._say(f"loading weights: {config.weights}")
            load_pretrained(model, config.weights)
        self.writer.truncate_history(checkpoint.state.epoch if checkpoint else 0)
        return model

    def _restore(self, model: keras.Model, checkpoint: Checkpoint) -> None:
        """Load the checkpoint into the compiled model and restore the run's kept model."""
        state, now = checkpoint.state, self.config.learning_rate
        model.load_weights(checkpoint.weights)
        if checkpoint.kept:
            restore_kept(self.path, checkpoint.kept)
        before = state.base_rate or now
        # The cosine schedule computes the learning rate from the config. Without it, the learning rate comes from the
        # checkpoint, because the plateau schedule may have lowered it.
        if before != now and self.config.schedule != "cosine":
            model.optimizer.learning_rate = current_learning_rate(model) * now / before
        if checkpoint.is_older:
            self._say(_damaged(checkpoint))
        exact = "" if self.config.can_resume_exactly else "; the results may differ from those of an uninterrupted run"
        logger.info("resuming after epoch %s%s", state.epoch, exact)

    def _write_environment(
        self,
        data: TrainingData,
        used: devices.Devices,
        auto: AutoSettings,
        plan: Plan,
        parameters: int,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Write environment.json, including the warnings that are known before the first step."""
        done = checkpoint.state.epoch if checkpoint else 0
        rows = training_rows(len(data.train.values), self.config, **plan.stream_arguments(done)).take(
            plan.steps_per_epoch
        )
        content = environment.describe(self.config, data, used, auto, parameters)
        if checkpoint and checkpoint.is_older:
            problem: StoredProblem = {
                "kind": "damaged_checkpoint",
                "message": _damaged(checkpoint),
                "paths": [CHECKPOINT],
            }
            content["problems"] = [*content.get("problems", ()), problem]
        content["val_images"] = plan.val_images
        content["batches"] = measure_batches(data.targets(data.train).argmax(axis=1), rows.as_numpy_iterator())
        # Ignore an evaluation from before a resume, because its model was trained for fewer epochs.
        content["warnings"] = audit_run(replace(read_run(self.path), environment=content, evaluation=None))
        self.writer.write_environment(content)

    def _fit(
        self,
        model: keras.Model,
        data: TrainingData,
        used: devices.Devices,
        auto: AutoSettings,
        plan: Plan,
        policy: EpochPolicy,
    ) -> bool:
        """Train until the last epoch, early stopping, the time budget or a stop request.

        Returns:
            Whether the loss became NaN.
        """
        config, done, ema = self.config, policy.state.epoch, EmaWeights(model)
        self.writer.update(epoch=done, epochs=config.epochs, batches=plan.steps_per_epoch)
        training = training_feed(config, data, plan, used, auto, done)
        validation = validation_feed(config, data, plan, used, auto, lambda: policy.state.epoch)
        loop = TrainingLoop(model, plan, used, auto, training, validation, ema)
        with contextlib.closing(self._make_saver(model, used, auto, plan, ema)) as checkpoints:
            recorder = EpochRecorder(config, self.writer, self.stop, plan, policy, self.tracking, checkpoints)
            loop.run(recorder, done, config.epochs, config.seed)
        return recorder.diverged

    def _make_saver(
        self, model: keras.Model, used: devices.Devices, auto: AutoSettings, plan: Plan, ema: EmaWeights
    ) -> CheckpointSaver:
        """Return the checkpoint saver. It saves in the background on a GPU, and between epochs on a CPU."""
        if not used.on_gpu:
            return ImmediateSaver(self.path, model, ema)
        config = self.config
        return BackgroundSaver(
            self.path,
            model,
            auto.precision,
            lambda twin: compile_model(twin, config, plan.steps_per_epoch),
            self.writer.is_owner,
        )

    def _evaluate(self, data: TrainingData, plan: Plan, epoch: int, state: str) -> None:
        """Predict the whole validation split with the kept model; write predictions and evaluation.

        Args:
            data: the data, including the validation split.
            plan: the run's plan; it has the number of validation images per epoch.
            epoch: the epoch of the kept model, counted from 1.
            state: the run's final state, for the audit.
        """
        self._say("evaluating the best model" if self.config.keep == "best" else "evaluating the last model")
        started, pixels = time.monotonic(), data.validation
        probabilities = predict(load_model(self.path), pixels.values, flip_average=self.config.flip_average)
        if not self.writer.is_owner():
            return
        labels, classes = pixels.frame["label"].tolist(), data.classes
        self.writer.write_predictions(pixels.frame["path"].tolist(), labels, probabilities, classes)
        seen = find_leaked_images(data.train.values, pixels.values)
        evaluation: EvaluationFile = {
            **evaluate(labels, probabilities, classes),
            **evaluate_leak_free(labels, probabilities, classes, seen),
            "split": "validation",
            "seconds": round(time.monotonic() - started, 3),
            "epoch": epoch,
            "val_images": plan.val_images,
            "val_counts": self._count_validated(labels, plan, epoch),
        }
        evaluation["warnings"] = audit_run(replace(read_run(self.path), state=state, evaluation=evaluation))
        self.writer.write_evaluation(evaluation)

    def _count_validated(self, labels: list[str], plan: Plan, epoch: int) -> dict[str, int]:
        """Return the number of validation images of each class in an epoch. Epochs count from 1."""
        if PROTOCOLS[self.config.protocol].has_own_steps:
            rows = published_rows(len(labels), plan.val_images, self.config, epoch - 1)
            labels = [labels[row] for row in rows.as_numpy_iterator()]
        return dict(sorted(Counter(labels).items()))

    def _end_diverged(self, data: TrainingData, plan: Plan, policy: EpochPolicy) -> tuple[str, str]:
        if (self.path / KEPT).exists():
            self._evaluate(data, plan, policy.kept_epoch, "diverged")
        advice = f"'fer-tui resume {self.path.name} --learning-rate {self.config.learning_rate / 10:g}'"
        where = f"the loss became NaN in epoch {policy.state.epoch + 1}"
        return "diverged", f"{where}; try a lower learning rate: {advice}"

    def _say(self, message: str) -> None:
        self.writer.update(message=message)
        logger.info("%s", message)


def _damaged(checkpoint: Checkpoint) -> str:
    return f"the checkpoint is damaged; the run resumed from the previous one, of epoch {checkpoint.state.epoch}"


def _describe_added_images(data: TrainingData) -> str:
    """Return why a run of version 0.1.0 can't be resumed if the reader now reads more files, otherwise ""."""
    if data.decoding > 1 or data.dataset.format != image_tree.READER.name:
        return ""
    added = [path for path in data.dataset.frame["path"] if image_tree.is_left_out_by_decoding_1(path)]
    if not added:
        return ""
    return (
        f"{data.dataset.root}: the data set has changed since the run started: this version also reads "
        f"{pluralize(len(added), 'image')} that version 0.1.0 left out, such as {added[0]}; move them elsewhere, or "
        "start a new run with 'fer-tui train'"
    )
