"""Convert class names to one-hot targets and back, with scikit-learn's transformer interface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoding(Protocol):
    """The interface of an encoding. `classes_` has the class names in the order of the model's outputs."""

    classes_: NDArray[np.str_]

    def fit(self, labels: Sequence[str]) -> Encoding:
        """Learn the classes from the training labels."""
        ...

    def transform(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """Return one-hot targets of shape (labels, classes)."""
        ...

    def inverse_transform(self, outputs: NDArray[np.floating]) -> NDArray[np.str_]:
        """Return the class of the largest output in each row of `outputs`, which has shape (labels, classes)."""
        ...


class _OneHot:
    """One-hot encoding. `_order` returns the order of `classes_`."""

    classes_: NDArray[np.str_]

    def _order(self, labels: Sequence[str]) -> list[str]:
        raise NotImplementedError

    def fit(self, labels: Sequence[str]) -> _OneHot:
        if len(labels) == 0:
            raise ValueError("an encoding needs at least one label to fit")
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
    """One-hot encoding with the classes in alphabetical order, as in scikit-learn's LabelEncoder."""

    def _order(self, labels: Sequence[str]) -> list[str]:
        return sorted(set(labels))


class FrequencyEncoding(_OneHot):
    """One-hot encoding with the classes by ascending training count, the most common last, and ties by name.

    This is the article's "modified frequency encoding". With one-hot targets, it only permutes the outputs.
    """

    def _order(self, labels: Sequence[str]) -> list[str]:
        counts = Counter(labels)
        return sorted(counts, key=lambda name: (counts[name], name))


ENCODINGS: dict[str, type[_OneHot]] = {"label": LabelEncoding, "frequency": FrequencyEncoding}
