"""SRM: weighs channels by the mean and the spread of each."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._features import FeatureLayer

# Keeps the root differentiable where a channel is constant; as released.
EPSILON = 1e-5


@export
class SRM(FeatureLayer):
    """Style-based recalibration: scales each channel by a gate read off its style.

    ```
    mu = mean_n x(n),  sigma = sqrt(mean_n (x(n) - mu)^2 + 1e-5)
    z = w_1 mu + w_2 sigma                two weights for each channel, no bias
    y = sigmoid(batch_norm(z)) x
    ```

    A channel's gate depends on that channel alone.

    Args:
        kernel_initializer: initial w_1 and w_2. With zeros, as released, every gate
            begins at 1/2, and the gain of the normalisation learns from the second
            step on. Defaults to `"zeros"`.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, whose sizes may change from call to call.
        training: whether z is normalised by the batch, or by moving averages.

    Returns:
        The features, of the shape and layout they came in.

    Raises:
        ValueError: for features of another rank or channel count.

    Example:

    >>> layer = keras_condattn.layers.SRM(data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)

    Reference:
        Lee, Kim and Nam, "SRM: A Style-based Recalibration Module for Convolutional
        Neural Networks", ICCV 2019, arXiv 1903.10829. We divide the variance by N,
        where PyTorch's default divides by N - 1: a map of one position works. Ours
        also: one and three spatial axes.
    """

    def __init__(
        self,
        kernel_initializer: Any = "zeros",
        *,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def _build(self, channels: int, axes: int) -> None:
        self.kernel = self._variable("kernel", (2, channels), self.kernel_initializer)
        self.normalization = keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=self.precision, name="normalization"
        )
        self.normalization.build((None, channels))

    def call(self, features: Tensor, training: bool | None = None) -> Tensor:
        features = self._checked(features)
        precise, axes = self._precise(features), self._spatial(features)
        # Two passes: the difference of mean squares loses small spreads.
        mean = ops.mean(precise, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(precise - mean), axis=axes)
        spread = ops.sqrt(variance + EPSILON)
        kernel = self._precise(self.kernel)
        style = kernel[0] * ops.reshape(mean, (-1, self.channels)) + kernel[1] * spread
        gate = ops.sigmoid(self.normalization(style, training=training))
        return features * self._per_channel(gate, features)

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return super().get_config() | {"kernel_initializer": initializer}
