"""The per-channel affine map at the end of FiLM and INSIDE."""

from typing import Any, Literal, TypeAlias

import numpy as np

from keras_condattn._types import Tensor
from keras_condattn.layers._conditioned import Conditioned

Gain: TypeAlias = Literal["one_minus_gamma", "gamma"]


class Modulated(Conditioned):
    """A conditioned layer whose first head begins with gamma and beta."""

    def __init__(self, gain: Gain = "one_minus_gamma", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if gain not in ("one_minus_gamma", "gamma"):
            raise ValueError(
                "gain must be 'one_minus_gamma' (as released) or 'gamma' (as in the "
                f"papers' figures), got {gain!r}"
            )
        self.gain = gain

    def _start(self, parameters: int) -> np.ndarray:
        """A bias of `parameters` x C that makes gain 1 and shift 0."""
        start = np.zeros((parameters, self.channels), "float32")
        start[0] = 1.0 if self.gain == "gamma" else 0.0
        return start.ravel()

    def _scale(self, gamma: Tensor) -> Tensor:
        return gamma if self.gain == "gamma" else 1.0 - gamma

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"gain": self.gain}
