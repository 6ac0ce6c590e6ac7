"""Squeeze-and-excitation: weighs channels by what the whole map holds."""

from typing import Any

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._features import FeatureLayer, bottleneck, check_count


@export
class SqueezeExcitation(FeatureLayer):
    """Squeeze-and-excitation: scales each channel by a gate read off the channel means.

    ```
    z = mean_n x(n)
    s = sigmoid(W_2 relu(W_1 z + b_1) + b_2)
    y = s x
    ```

    Args:
        reduction: the hidden layer has C // reduction units. Defaults to 16.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, whose sizes may change from call to call.

    Returns:
        The features, of the shape and layout they came in.

    Raises:
        ValueError: for features of another rank or channel count, or a `reduction`
            that is not a positive integer or exceeds the channels.

    Example:

    >>> layer = keras_condattn.layers.SqueezeExcitation(4, data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)

    Reference:
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018, arXiv
        1709.01507. The paper's equation writes no biases; we have them, and one and
        three spatial axes.
    """

    def __init__(
        self,
        reduction: int = 16,
        *,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.reduction = check_count("SqueezeExcitation", "reduction", reduction)

    def _build(self, channels: int, axes: int) -> None:
        hidden = bottleneck("SqueezeExcitation", channels, self.reduction)
        self.squeeze = self._dense("squeeze", hidden, channels, activation="relu")
        self.excite = self._dense("excite", channels, hidden, activation="sigmoid")

    def call(self, features: Tensor) -> Tensor:
        features = self._checked(features)
        mean = ops.mean(self._precise(features), axis=self._spatial(features))
        gate = self.excite(self.squeeze(mean))
        return features * self._per_channel(gate, features)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"reduction": self.reduction}
