"""From class names to one-hot targets and back, in scikit-learn's transformer interface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoding(Protocol):
    """What the trainer needs of an encoding: `classes_` in the order of the model's outputs."""

    classes_: NDArray[np.str_]

    def fit(self, labels: Sequence[str]) -> Encoding:
        """Learn the classes, from the training labels alone."""
        ...

    def transform(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """One-hot targets of shape (labels, classes)."""
        ...

    def inverse_transform(self, outputs: NDArray[np.floating]) -> NDArray[np.str_]:
        """The class of the largest of each row of outputs, shape (labels, classes)."""
        ...


class _OneHot:
    """One-hot encoding in the order of `classes_`, which `_order` decides."""

    classes_: NDArray[np.str_]

    def _order(self, labels: Sequence[str]) -> list[str]:
        raise NotImplementedError

    def fit(self, labels: Sequence[str]) -> _OneHot:
        if len(labels) == 0:
            raise ValueError("an encoding needs at least one label to be fitted on")
        self.classes_ = np.array(self._order(labels))
        return self

    def transform(self, labels: Sequence[str]) -> NDArray[np.float32]:
        index = {name: i for i, name in enumerate(self.classes_.tolist())}
        unknown = sorted(set(labels) - set(index))
        if unknown:
            raise ValueError(f"labels that the encoding was not fitted on: {', '.join(unknown)}")
        return np.eye(len(index), dtype=np.float32)[[index[label] for label in labels]]

    def inverse_transform(self, outputs: NDArray[np.floating]) -> NDArray[np.str_]:
        return self.classes_[np.asarray(outputs).argmax(axis=-1)]


class LabelEncoding(_OneHot):
    """Classes in alphabetical order, as scikit-learn's LabelEncoder has them, then one-hot."""

    def _order(self, labels: Sequence[str]) -> list[str]:
        return sorted(set(labels))


class FrequencyEncoding(_OneHot):
    """Classes by ascending training count, the commonest last; ties by name; then one-hot.

    The article's "modified frequency encoding". As a one-hot target it only permutes the outputs.
    """

    def _order(self, labels: Sequence[str]) -> list[str]:
        counts = Counter(labels)
        return sorted(counts, key=lambda name: (counts[name], name))


ENCODINGS: dict[str, type[_OneHot]] = {"label": LabelEncoding, "frequency": FrequencyEncoding}
