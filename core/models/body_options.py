"""What a model's body is told: width, dropout, penalty and the like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BodyOptions:
    """What a model's body is told.

    Attributes:
        width: factor on filters and units; `filters` applies it.
        dropout: the rate of the dense layers' dropout, None for the model's own.
        l2: penalty on kernels.
        synchronized: whether batch statistics go over all devices.
        variant: of Models 3 and 4: "text" or "code".
        pretrained: whether weights will be loaded into a part of it (see `core.models.pretrained`).
    """

    width: float = 1.0
    dropout: float | None = None
    l2: float = 0.0
    synchronized: bool = False
    variant: str = "text"
    pretrained: bool = False

    def filters(self, count: int) -> int:
        """A number of filters or units at this width: a multiple of 8 from 8 up, so that groups divide it."""
        return max(8, round(count * self.width / 8) * 8)

    def regularizer(self) -> Any:
        """The kernels' regularizer."""
        import keras

        return keras.regularizers.L2(self.l2) if self.l2 else None
