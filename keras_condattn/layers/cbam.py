"""CBAM: weighs channels, then positions."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._features import FeatureLayer, bottleneck, check_count


@export
class CBAM(FeatureLayer):
    """Convolutional block attention: a gate for each channel, then for each position.

    ```
    f(v) = W_2 relu(W_1 v + b_1) + b_2
    x' = sigmoid(f(mean_n x(n)) + f(max_n x(n))) x
    s = batch_norm(conv([mean_c x'_c, max_c x'_c]))     one map
    y = sigmoid(s) x'
    ```

    Args:
        reduction: the hidden layer of f has C // reduction units. Defaults to 16.
        kernel_size: width of the convolution over positions, an odd number.
            Defaults to 7.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, whose sizes may change from call to call.
        training: whether s is normalised by the batch, or by moving averages.

    Returns:
        The features, of the shape and layout they came in.

    Raises:
        ValueError: for features of another rank or channel count, a `reduction` that
            is not a positive integer or exceeds the channels, or a `kernel_size`
            that is not odd.

    Example:

    >>> layer = keras_condattn.layers.CBAM(reduction=4, data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)

    Reference:
        Woo, Park, Lee and Kweon, "CBAM: Convolutional Block Attention Module", ECCV
        2018, arXiv 1807.06521. Biases in f and the normalisation of s are those of
        the released code; the paper's equations have neither. The normalisation's
        momentum is 0.99, as released. Ours: one and three spatial axes.
    """

    def __init__(
        self,
        reduction: int = 16,
        kernel_size: int = 7,
        *,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.reduction = check_count("CBAM", "reduction", reduction)
        self.kernel_size = check_count("CBAM", "kernel_size", kernel_size)
        if kernel_size % 2 == 0:
            raise ValueError(f"CBAM: kernel_size must be odd, got {kernel_size}")

    def _build(self, channels: int, axes: int) -> None:
        hidden = bottleneck("CBAM", channels, self.reduction)
        self.squeeze = self._dense("squeeze", hidden, channels, activation="relu")
        self.excite = self._dense("excite", channels, hidden)
        convolution = getattr(keras.layers, f"Conv{axes}D")
        # On two channels only: their layout is ours to choose.
        self.convolution = convolution(
            1, self.kernel_size, padding="same", use_bias=False, name="convolution",
            data_format="channels_last", dtype=self.precision,
        )  # fmt: skip
        self.convolution.build((None, *(None,) * axes, 2))
        self.normalization = keras.layers.BatchNormalization(
            momentum=0.99, epsilon=1e-5, dtype=self.precision, name="normalization"
        )
        self.normalization.build((None, *(None,) * axes, 1))

    def call(self, features: Tensor, training: bool | None = None) -> Tensor:
        features = self._checked(features)
        features = features * self._channel_gate(features)
        return features * self._position_gate(features, training)

    def _channel_gate(self, features: Tensor) -> Tensor:
        axes = self._spatial(features)
        mean = ops.mean(self._precise(features), axis=axes)
        largest = self._precise(ops.max(features, axis=axes))
        logits = [self.excite(self.squeeze(vector)) for vector in (mean, largest)]
        return self._per_channel(ops.sigmoid(logits[0] + logits[1]), features)

    def _position_gate(self, features: Tensor, training: bool | None) -> Tensor:
        mean = ops.mean(self._precise(features), axis=self.channel_axis)
        largest = self._precise(ops.max(features, axis=self.channel_axis))
        logits = self.convolution(ops.stack([mean, largest], axis=-1))
        gate = ops.sigmoid(self.normalization(logits, training=training))
        return ops.cast(self._back(gate), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "kernel_size": self.kernel_size,
        }
