"""Write TensorBoard event files to the run directory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from core.errors import RunError
from core.export.tracker import confusion_matrix_image, epoch_metrics, evaluation_metrics
from core.runs.names import TENSORBOARD
from core.runs.reader import RunSnapshot


class TensorBoardTracker:
    """A writer of the event files in the run directory's `tensorboard`.

    Each tracker deletes the existing event files and starts with the first epoch. It writes scalars for each epoch, and
    at the end the evaluation, the confusion matrix as an image, and the kept model's graph.
    """

    def __init__(self, run: Path) -> None:
        """Delete the existing event files and create a new one.

        Args:
            run: the run directory.

        Raises:
            RunError: the folder is a symbolic link.
        """
        import tensorflow as tf

        self._folder = run / TENSORBOARD
        # Old files are deleted, because TensorBoard would show their epochs next to the current ones.
        if self._folder.is_symlink():
            raise RunError(f"{self._folder}: this is a link; remove it")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(self._folder))
        self._logged = 0

    def log_epochs(self, run: RunSnapshot) -> None:
        """See Tracker."""
        import tensorflow as tf

        with self._writer.as_default():
            for row in run.history[self._logged :]:
                for name, value in epoch_metrics(row):
                    tf.summary.scalar(name, value, step=int(row["epoch"]))
        self._logged = len(run.history)
        self._writer.flush()

    def log_end(self, run: RunSnapshot) -> str:
        """See Tracker."""
        import tensorflow as tf

        picture = confusion_matrix_image(run)
        with self._writer.as_default():
            step = run.metrics.get("epoch", len(run.history))
            for name, value in evaluation_metrics(run).items():
                tf.summary.scalar(name, value, step=step)
            if picture is not None:
                tf.summary.image("confusion_matrix", np.asarray(picture)[None], step=step)
                self._log_graph(run.path)
        self._writer.close()
        return f"{self._folder}; view it with 'tensorboard --logdir {run.path.parent}'"

    def _log_graph(self, run: Path) -> None:
        import tensorflow as tf

        from core.runs.model_file import load_model

        model = load_model(run)
        shape = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="pixels")
        tf.summary.graph(tf.function(lambda pixels: model(pixels, training=False)).get_concrete_function(shape).graph)
