"""The options of a model's body: width, dropout, L2 penalty and others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BodyOptions:
    """The options of a model's body.

    Attributes:
        width: multiplier for the number of filters and units; `filters` applies it.
        dropout: the dropout rate of the dense layers; None for the model's own rate.
        l2: the L2 penalty on the kernels.
        synchronized: whether batch normalization uses the statistics of all devices.
        variant: the source of the layers of Models 3 and 4: "text" or "code".
        pretrained: whether pretrained weights will be loaded into the model (see `core.models.pretrained`).
    """

    width: float = 1.0
    dropout: float | None = None
    l2: float = 0.0
    synchronized: bool = False
    variant: str = "text"
    pretrained: bool = False

    def filters(self, count: int) -> int:
        """Return the number of filters or units at this width: a multiple of 8, so that groups divide it evenly."""
        return max(8, round(count * self.width / 8) * 8)

    def regularizer(self) -> Any:
        """Return the kernels' regularizer, None without a penalty."""
        import keras

        return keras.regularizers.L2(self.l2) if self.l2 else None
