"""The training loop. Each epoch runs compiled training steps, then validation steps."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.training.compiled_steps import CompiledSteps
from core.training.ema import EmaWeights

if TYPE_CHECKING:
    import keras

    from core.training.auto_settings import AutoSettings
    from core.training.devices import Devices
    from core.training.epoch_recorder import EpochRecorder
    from core.training.feed import Feed
    from core.training.plan import Plan

logger = logging.getLogger(__name__)


class TrainingLoop:
    """Trains a compiled model with many steps per call. Keras's `fit` would read the metrics after every step."""

    def __init__(
        self,
        model: keras.Model,
        plan: Plan,
        used: Devices,
        auto: AutoSettings,
        training: Feed,
        validation: Feed,
        ema: EmaWeights,
    ) -> None:
        """Prepare the training and validation steps.

        Args:
            model: a compiled model with a built optimizer.
            plan: the steps, batches and images of an epoch.
            used: the run's devices.
            auto: whether XLA compiles the training step together with the device's feed. XLA never compiles the
                validation step, because validation is too short to gain from it.
            training: endless training batches.
            validation: the batches of one validation pass.
            ema: the moving averages of the model's weights, used for validation.
        """
        import tensorflow as tf

        strategy = tf.distribute.get_strategy()

        def on_all(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return (lambda batch: strategy.run(step, args=(batch,))) if used.mirrored else step

        def loss() -> Any:
            return model.metrics[0].result()

        self._model = model
        self._plan = plan
        self._ema = ema
        many = used.on_gpu and not used.mirrored
        self._training = CompiledSteps(
            on_all(model.train_step),
            loss,
            training,
            many=many,
            jit_compile=auto.jit_compile,
            loop_in_xla=auto.feed == "device",
            programs=used.programs,
        )
        self._validation = CompiledSteps(
            on_all(model.test_step), loss, validation, many=many, jit_compile=False, loop_in_xla=False
        )

    def run(self, recorder: EpochRecorder, first_epoch: int, epochs: int, seed: int) -> None:
        """Train until the last epoch is done or the recorder ends the run.

        Args:
            recorder: stores every epoch and ends the run.
            first_epoch: the first epoch to train, counted from 0.
            epochs: the total number of epochs of the run.
            seed: the seed of the model's random layers.
        """
        self._training.feed.begin()
        for epoch in range(first_epoch, epochs):
            seed_random_layers(self._model, seed, epoch)
            recorder.begin_epoch(epoch)
            self._train(recorder, epoch)
            if recorder.is_ending():
                return
            figures = self._figures()
            recorder.begin_validation()
            with self._ema.swapped_ema_weights():
                self._validate(recorder)
                figures |= {f"val_{name}": value for name, value in self._figures().items()}
            recorder.end_epoch(self._model, figures)
            if recorder.is_ending():
                return

    def _train(self, recorder: EpochRecorder, epoch: int) -> None:
        """Run an epoch's training steps, until the recorder ends the run."""
        self._model.reset_metrics()
        steps, done = self._plan.steps_per_epoch, 0
        while done < steps and not recorder.is_ending():
            whole = min(self._plan.whole_batches(epoch * steps + done), steps - done)
            is_first, began = not self._training.is_compiled, time.monotonic()
            if is_first:
                recorder.set_message("compiling the step; a stop takes effect after that")
            run, loss = self._training.run(whole)
            if is_first and self._training.is_compiled:
                recorder.set_message("")
                logger.info("compiled the training step in %.1f s", time.monotonic() - began)
            done += run
            recorder.record_progress(done, loss)

    def _validate(self, recorder: EpochRecorder) -> None:
        """Run the validation steps, until the recorder ends the run."""
        self._model.reset_metrics()
        self._validation.feed.begin()
        left = self._plan.val_images
        while left > 0 and not recorder.is_ending():
            run, _ = self._validation.run(left // self._plan.val_batch_size)
            left -= run * self._plan.val_batch_size

    def _figures(self) -> dict[str, float]:
        """Return the current values of the metrics by name."""
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}


def random_states(model: keras.Model) -> list[keras.Variable]:
    """Return the seed states of a model's random layers, including nested layers, in layer order."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def seed_random_layers(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of each random layer from seed and epoch, so that a resumed run draws the same random numbers.

    Args:
        model: a model, with or without dropout and augmentation layers.
        seed: the run's seed.
        epoch: the epoch, counted from 0.
    """
    for index, state in enumerate(random_states(model)):
        state.assign([zlib.crc32(f"{seed}-{index}-{epoch}".encode()), 0])
