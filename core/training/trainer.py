"""One run from start to finish: data, model, epochs, evaluation; all of it told to the run directory."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.protocol import PROTOCOLS
from core.config.training_config import TrainingConfig
from core.data.training_data import TrainingData, class_weights, load_data
from core.errors import RunError
from core.evaluation.metrics import evaluate, evaluate_unseen, seen_in_training
from core.export.tracking import Tracking
from core.models.registry import find_model
from core.runs.audit import audit_run, measure_batches
from core.runs.checkpoint import FOLDER, Checkpoint, TrainingState, find_checkpoint, restore_kept, save_checkpoint
from core.runs.history import read_history
from core.runs.predictions import predictions_table
from core.runs.reader import better, read_run
from core.runs.writer import RunWriter
from core.system import files, log
from core.training import devices, environment, memory
from core.training.ema import averaged
from core.training.failures import explain

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PLATEAU_PATIENCE = 3
PLATEAU_FACTOR = 0.2
CHECK_LOSS_SECONDS = 5.0


def train(config: TrainingConfig, run: Path, stop: threading.Event) -> str:
    """Train one model and evaluate it; start or go on, as the run directory says.

    Args:
        config: the run's settings.
        run: its directory, made by `core.runs.writer.create_run`.
        stop: set it to end after the batch in progress; the last epoch's checkpoint stands.

    Returns:
        The state that the run ended in: completed, stopped, failed or diverged; why is in `status.json`, a
        traceback in `log.txt`.

    Raises:
        RunError: another process works on this run, or took it over.
    """
    # Who reads that a run has ended may go on with it at once: the lock goes with that word, before memory is freed.
    with memory.released(), RunWriter(run, stop) as writer, log.output_to(run / "log.txt"):
        state, message, training = "failed", "", _Training(config, run, writer, stop)
        try:
            state, message = training.run()
        except Exception as error:
            message = explain(error, run)
        log.say(f"{state}: {message}")
        if writer.owns():
            training.tracking.log_end(state)
        writer.update(state=state, message=message)
    if writer.is_lost:
        raise RunError(f"{run.name}: another process has taken it over; it was left as that one has it")
    return state


class _Training:
    """A run under way: what `train` does, step by step, and what the epochs share."""

    def __init__(self, config: TrainingConfig, run: Path, writer: RunWriter, stop: threading.Event) -> None:
        self.config = config
        self.path = run
        self.writer = writer
        self.stop = stop
        self.state = TrainingState()
        self.problems: list[dict[str, Any]] = []
        self.tracking = Tracking("none", run)
        self.diverged = False
        self.finished = False

    def run(self) -> tuple[str, str]:
        """Everything; returns the state and its message."""
        self._say("reading the images")
        data = load_data(self.config, self.stop)
        if data is None:
            return "stopped", "stopped before the first epoch"
        self._find_way(data)
        for problem in (*data.dataset.problems, *data.train.problems, *data.validation.problems):
            log.say(f"{problem.kind}: {problem.message}")
        self._say("loading TensorFlow")
        used = devices.prepare(self.config)
        if self.config.deterministic:
            devices.make_deterministic()
        with devices.scope(used):
            self._say(f"building {self.config.model}")
            stream = self._plan(data, used)
            model = self._build(data, used)
            self._describe(data, used, model.count_params(), stream)
            self.tracking = Tracking(self.config.track, self.path)
            if not self._is_finished(0.0):
                self._fit(model, stream, data)
        if self.diverged:
            return self._end_diverged(data)
        if self.stop.is_set():
            return "stopped", f"stopped after epoch {self.state.epoch}"
        self._evaluate(data)
        return "completed", self._completed_message()

    def _find_way(self, data: TrainingData) -> None:
        """Look for what there is to go on from, and whether it may.

        Raises:
            RunError: it was trained on other data, or its checkpoints are lost.
        """
        self.checkpoint = find_checkpoint(self.path)
        if self.checkpoint is None:
            # A process that ended in its first epoch's last moment leaves a row and no checkpoint.
            if len(read_history(self.path / "history.csv")) > 1:
                raise RunError(
                    f"{self.path / FOLDER}: neither it nor checkpoint.previous is whole, so that the run can't go on; "
                    "best.keras and history.csv are left as they are: begin a new one with 'fer-tui train'"
                )
            return
        began_with = read_run(self.path).environment.get("fingerprint", data.fingerprint)
        if began_with != data.fingerprint:
            raise RunError(
                f"{self.config.data}: is not what the run began with (fingerprint {began_with}, now "
                f"{data.fingerprint}); put it back as it was, or begin a new run with 'fer-tui train'"
            )
        if self.checkpoint.is_older:
            epoch = self.checkpoint.state.epoch
            message = f"checkpoint is damaged; went on from the one before it, of epoch {epoch}"
            self.problems.append({"kind": "damaged_checkpoint", "message": message, "paths": [FOLDER]})
            self._say(message)

    def _plan(self, data: TrainingData, used: devices.Devices) -> dict[str, Any]:
        """Steps and validation images as the protocol has them."""
        self.replicas = len(used.names)
        images, batch = len(data.train.values), min(self.config.batch_size, len(data.train.values))
        protocol, divisor = PROTOCOLS[self.config.protocol], find_model(self.config.model).published_divisor
        self.steps = protocol.steps(images, batch, divisor, drop_remainder=used.mirrored)
        self.val_images = protocol.validated(len(data.validation.values), batch, divisor)
        self.images_per_step = batch
        return {"shuffle_buffer": protocol.shuffle_buffer, "drop_remainder": used.mirrored}

    def _describe(self, data: TrainingData, used: devices.Devices, parameters: int, stream: Mapping[str, Any]) -> None:
        """Write environment.json, with the warnings that are known before the first step."""
        from core.data.pipeline import training_rows

        rows = training_rows(
            len(data.train.values), self.config, first_step=self.state.epoch * self.steps, **stream
        ).take(self.steps)
        told = environment.describe(self.config, data, used, parameters)
        told["problems"] += self.problems
        told["val_images"] = self.val_images
        told["batches"] = measure_batches(data.targets(data.train).argmax(axis=1), rows.as_numpy_iterator())
        # An evaluation of fewer epochs, where a run goes on, says nothing of what comes.
        told["warnings"] = audit_run(replace(read_run(self.path), environment=told, evaluation=None))
        self.writer.write_environment(told)

    def _build(self, data: TrainingData, used: devices.Devices) -> keras.Model:
        """The compiled model, with the weights and state of the checkpoint where there is one."""
        import keras

        from core.models.pretrained import load_pretrained
        from core.training.build import build_model, compile_model, pixel_statistics

        keras.utils.set_random_seed(self.config.seed)
        needs_statistics = self.config.normalization == "dataset"
        model = build_model(
            self.config,
            len(data.classes),
            statistics=pixel_statistics(data.train.values, self.config.channels) if needs_statistics else None,
            prior=data.targets(data.train).mean(axis=0),
            names=data.classes,
            synchronized=used.mirrored,
        )
        compile_model(model, self.config, self.steps)
        if self.checkpoint:
            self._go_on(model, self.checkpoint)
        elif self.config.weights is not None:
            self._say(f"loading weights: {self.config.weights}")
            load_pretrained(model, self.config.weights)
        self.state.base_rate = self.config.learning_rate
        self.writer.truncate_history(self.state.epoch)
        return model

    def _go_on(self, model: keras.Model, checkpoint: Checkpoint) -> None:
        """Put the checkpoint into the compiled model and the run."""
        self.state = checkpoint.state
        model.optimizer.build(model.trainable_variables)
        model.load_weights(checkpoint.weights)
        if checkpoint.kept:
            restore_kept(self.path, checkpoint.kept)
        before, now = self.state.base_rate or self.config.learning_rate, self.config.learning_rate
        # A schedule is the config's; a rate without one, lowered by a plateau perhaps, comes with the checkpoint.
        if before != now and self.config.schedule != "cosine":
            model.optimizer.learning_rate = _learning_rate(model) * now / before
        exact = "" if self.config.goes_on_exactly else ", not bit for bit as if it had never ended"
        log.say(f"going on after epoch {self.state.epoch}{exact}")

    def _fit(self, model: keras.Model, stream: Mapping[str, Any], data: TrainingData) -> None:
        """Train epoch by epoch until the last one, an early stop, the time budget, or the user's stop."""
        from core.data.pipeline import training_stream
        from core.training.callback import epoch_callback

        config, targets = self.config, data.targets(data.train)
        batches = training_stream(
            data.train.values,
            targets,
            config,
            first_step=self.state.epoch * self.steps,
            class_weights=class_weights(config.class_weights, targets),
            **stream,
        )
        self.writer.update(
            message="tracing the first step", epoch=self.state.epoch, epochs=config.epochs, batches=self.steps
        )
        model.fit(
            batches,
            validation_data=self._validation(data),
            steps_per_epoch=self.steps,
            initial_epoch=self.state.epoch,
            epochs=config.epochs,
            callbacks=[epoch_callback(self, config.seed)],
            shuffle=False,
            verbose=0,
        )

    def _validation(self, data: TrainingData) -> tf.data.Dataset:
        """What an epoch is validated on, as the protocol has it."""
        from core.data.pipeline import evaluation_batch, evaluation_batches, published_validation

        config, pixels, targets = self.config, data.validation.values, data.validation_targets()
        batch = evaluation_batch(self.val_images, self.replicas)
        if PROTOCOLS[config.protocol].has_own_steps:
            return published_validation(pixels, targets, self.val_images, config, lambda: self.state.epoch, batch)
        return evaluation_batches(pixels, targets, config.image_size, config.channels, batch)

    def begin_epoch(self, epoch: int) -> None:
        """Called before epoch `epoch`, counted from 0."""
        self.epoch_started = time.monotonic()
        self.loss_checked = self.epoch_started
        self.writer.update(epoch=epoch + 1, batch=0, message="")

    def begin_batch(self, batch: int, loss: Callable[[], float]) -> None:
        """Called before each batch, counted from 0; `loss` gives the running loss, and waits for the device."""
        self.writer.update(batch=batch)
        now = time.monotonic()
        if now - self.loss_checked > CHECK_LOSS_SECONDS:
            self.loss_checked = now
            self.diverged = not math.isfinite(loss())

    def is_ending(self) -> bool:
        """Whether no further batch is wanted."""
        return self.diverged or self.finished or self.stop.is_set()

    def begin_validation(self) -> None:
        """Called when the epoch's last batch is done."""
        self.trained = time.monotonic()
        self.writer.update(batch=self.steps, message="validating")

    def end_epoch(self, model: keras.Model, logs: Mapping[str, float]) -> None:
        """Store an epoch and decide whether there is another.

        A partial epoch, ended by a stop, is left out: the checkpoint before it stands.
        """
        if self.stop.is_set() or not self.writer.owns():
            return
        if not math.isfinite(logs.get("loss", math.nan)):
            self.diverged = True
            return
        now, state = time.monotonic(), self.state
        state.epoch += 1
        state.seconds += now - self.epoch_started
        row = {
            **logs,
            "epoch": state.epoch,
            "learning_rate": _learning_rate(model),
            "seconds": round(now - self.epoch_started, 3),
            "images_per_second": round(
                self.steps * self.images_per_step / max(self.trained - self.epoch_started, 1e-9), 1
            ),
        }
        is_kept = self._follow_monitor(model, row)
        self.writer.append_epoch(row)
        save_checkpoint(self.path, model, state, partial(self._save_kept, model) if is_kept else None)
        log.say(f"epoch {state.epoch}: " + "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "epoch"))
        self.tracking.log_epochs()
        self.finished = self._is_finished(now - self.epoch_started)

    def _follow_monitor(self, model: keras.Model, row: Mapping[str, float]) -> bool:
        """Early stopping, the plateau schedule, and whether this epoch's model is to be kept."""
        config, state = self.config, self.state
        value = row.get(config.monitor, math.nan)
        improved = better(config.monitor, value, state.best)
        if improved:
            state.best, state.best_epoch = value, state.epoch
        is_kept = improved or state.epoch == 1 or config.keep == "last"
        if better(config.monitor, value, state.stopping_best, config.min_delta):
            state.stopping_best, state.wait, state.plateau_wait = value, 0, 0
            return is_kept
        state.wait += 1
        state.plateau_wait += 1
        if config.schedule == "plateau" and state.plateau_wait >= PLATEAU_PATIENCE:
            model.optimizer.learning_rate = _learning_rate(model) * PLATEAU_FACTOR
            state.plateau_wait = 0
        return is_kept

    def _save_kept(self, model: keras.Model, path: Path) -> None:
        import keras

        with averaged(model):
            # Without its optimizer: a third of the size, and nothing but layers to load.
            keras.Model(model.inputs, model.outputs, name=self.config.model).save(path)

    def _is_finished(self, next_epoch: float) -> bool:
        """Whether the number of epochs, early stopping, or the time budget ends the run.

        Args:
            next_epoch: seconds that one more epoch would take.
        """
        config, state = self.config, self.state
        stalled = config.patience is not None and state.wait >= max(config.patience, 1)
        late = config.time_budget is not None and state.seconds + next_epoch > config.time_budget
        return state.epoch >= config.epochs or stalled or late

    def _evaluate(self, data: TrainingData) -> None:
        """Predict the whole validation split with the kept model; write predictions and evaluation."""
        from core.evaluation.inference import predict
        from core.runs.model_file import load_model

        self._say("evaluating the kept epoch")
        started, pixels = time.monotonic(), data.validation
        model = load_model(self.path)
        probabilities = predict(model, pixels.values, flip_average=self.config.flip_average)
        if not self.writer.owns():
            return
        labels = pixels.frame["label"].tolist()
        paths = pixels.frame["path"].tolist()
        files.write_bytes(self.path / "predictions.csv", predictions_table(paths, labels, probabilities, data.classes))
        evaluation = evaluate(labels, probabilities, data.classes)
        seen = seen_in_training(data.train.values, pixels.values)
        evaluation |= evaluate_unseen(labels, probabilities, data.classes, seen)
        epoch = self.state.epoch if self.config.keep == "last" else max(self.state.best_epoch, 1)
        evaluation |= {
            "split": "validation",
            "seconds": round(time.monotonic() - started, 3),
            "epoch": epoch,
            "val_images": self.val_images,
            "val_counts": self._validated(labels, epoch),
        }
        state = "diverged" if self.diverged else "completed"
        evaluation["warnings"] = audit_run(replace(read_run(self.path), state=state, evaluation=evaluation))
        files.write_json(self.path / "evaluation.json", evaluation)

    def _validated(self, labels: list[str], epoch: int) -> dict[str, int]:
        """How many images of each class the val_* figures of an epoch, counted from 1, were taken over."""
        from core.data.pipeline import published_rows

        if PROTOCOLS[self.config.protocol].has_own_steps:
            rows = published_rows(len(labels), self.val_images, self.config, epoch - 1)
            labels = [labels[row] for row in rows.as_numpy_iterator()]
        return dict(sorted(Counter(labels).items()))

    def _end_diverged(self, data: TrainingData) -> tuple[str, str]:
        if (self.path / "best.keras").exists():
            self._evaluate(data)
        advice = f"'fer-tui resume {self.path.name} --learning-rate {self.config.learning_rate / 10:g}'"
        return "diverged", f"the loss became NaN in epoch {self.state.epoch + 1}; a lower rate may help: {advice}"

    def _completed_message(self) -> str:
        done, wanted = self.state.epoch, self.config.epochs
        if done >= wanted:
            return ""
        late = self.state.wait < max(self.config.patience or done, 1)
        why = "time budget" if late else f"no better {self.config.monitor}"
        return f"ended after {done} of {wanted} epochs: {why}"

    def _say(self, message: str) -> None:
        self.writer.update(message=message)
        log.say(message)


def _learning_rate(model: keras.Model) -> float:
    """The rate of the next step; a variable of its own on every device in a mirrored run."""
    import tensorflow as tf

    return float(tf.convert_to_tensor(model.optimizer.learning_rate))
