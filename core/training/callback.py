"""The bridge from Keras's callbacks to a run under way."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from core.training.ema import averaged

if TYPE_CHECKING:
    import keras


class Epochs(Protocol):
    """What a run under way is told of its epochs, and asked."""

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch`, counted from 0, begins."""
        ...

    def begin_batch(self, batch: int, loss: Callable[[], float]) -> None:
        """Batch `batch` of the epoch begins; `loss` gives the running loss, and waits for the device."""
        ...

    def begin_validation(self) -> None:
        """The epoch's training is done."""
        ...

    def end_epoch(self, model: keras.Model, logs: Mapping[str, float]) -> None:
        """The epoch, validation included, is done; `logs` has its loss and metrics."""
        ...

    def is_ending(self) -> bool:
        """Whether no further batch is wanted."""
        ...


def random_states(model: keras.Model) -> list[keras.Variable]:
    """The states of a model's random layers, those of layers within layers too, in the order of the layers."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def epoch_callback(run: Epochs, seed: int) -> keras.callbacks.Callback:
    """A Keras callback that tells `run` of every epoch and batch, and ends the fit when it wants no more.

    Before every epoch the state of each random layer is set from seed and epoch, so that a resumed run draws what
    an undisturbed one would.
    """
    import keras

    class EpochCallback(keras.callbacks.Callback):
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
            self.judged = ExitStack()
            self.judged.enter_context(averaged(self.model))

        def on_test_end(self, logs: Any = None) -> None:
            self.judged.close()

        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.stop_evaluating = run.is_ending()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            run.end_epoch(self.model, logs or {})
            self.model.stop_training = run.is_ending()

    return EpochCallback()
