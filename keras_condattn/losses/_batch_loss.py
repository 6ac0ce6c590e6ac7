"""Losses that are one number a batch."""

from typing import Any

import keras

from keras_condattn._types import Tensor


class BatchLoss(keras.losses.Loss):
    """A loss whose `call` gives one number for the whole batch."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        # Keras would multiply the whole by the mean of the weights.
        if sample_weight is not None:
            raise ValueError(
                f"{self.name}: sample_weight is not supported, got one; the loss is "
                "one number a batch"
            )
        return super().__call__(y_true, y_pred)
