"""The bridge from Keras's callbacks to a run under way."""

from __future__ import annotations

import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from core.training.ema import averaged

if TYPE_CHECKING:
    import keras

    from core.training.epoch_recorder import EpochRecorder


def random_states(model: keras.Model) -> list[keras.Variable]:
    """The states of a model's random layers, those of layers within layers too, in the order of the layers."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def epoch_callback(run: EpochRecorder, seed: int) -> keras.callbacks.Callback:
    """A Keras callback that tells `run` of every epoch and batch, and ends the fit when it wants no more.

    Before every epoch the state of each random layer is set from seed and epoch, so that a resumed run draws what
    an undisturbed one would.
    """
    import keras

    class EpochCallback(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            # Open while the averaged weights are in the model.
            self._averages = ExitStack()

        # on_train_batch_end is left alone on purpose: for it Keras reads the metrics, and so waits for the device,
        # at every batch.

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            for index, state in enumerate(random_states(self.model)):
                state.assign([zlib.crc32(f"{seed}-{index}-{epoch}".encode()), 0])
            run.begin_epoch(epoch)

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            run.begin_batch(batch, lambda: float(self.model.metrics[0].result()))
            # Keras looks at this after the batch, then validates: on_test_batch_begin cuts that short.
            self.model.stop_training = run.is_ending()

        def on_test_begin(self, logs: Any = None) -> None:
            run.begin_validation()
            self._averages.enter_context(averaged(self.model))

        def on_test_end(self, logs: Any = None) -> None:
            self._averages.close()

        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.stop_evaluating = run.is_ending()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            run.end_epoch(self.model, logs or {})
            self.model.stop_training = run.is_ending()

    return EpochCallback()
