"""Global context: adds one attended vector to every position."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._features import FeatureLayer, bottleneck, check_count


@export
class GlobalContext(FeatureLayer):
    """Global context block: what attention finds in the image, added everywhere.

    ```
    a = softmax over positions of w x               one map
    c = sum_n a(n) x(n)
    y = x + W_2 relu(layer_norm(W_1 c + b_1)) + b_2
    ```

    It is a non-local block whose attention does not depend on where it is asked for,
    and so costs N rather than N^2.

    Args:
        reduction: the hidden layer has C // reduction units. Defaults to 16.
        identity_start: start at `y = x`: W_2 begins at zero, as released.
            Defaults to True.
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

    >>> layer = keras_condattn.layers.GlobalContext(4, data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)

    Reference:
        Cao, Xu, Lin, Wei and Hu, "GCNet: Non-local Networks Meet Squeeze-Excitation
        Networks and Beyond", ICCV Workshops 2019, arXiv 1904.11492. Ours: no bias on
        w, as a softmax does not see it; one and three spatial axes.
    """

    def __init__(
        self,
        reduction: int = 16,
        *,
        identity_start: bool = True,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.reduction = check_count("GlobalContext", "reduction", reduction)
        self.identity_start = identity_start

    def _build(self, channels: int, axes: int) -> None:
        hidden = bottleneck("GlobalContext", channels, self.reduction)
        # Drawn as a (C, 1) kernel, so that its scale is that of C inputs.
        self.key = self._variable("key", (channels, 1), "glorot_uniform")
        self.squeeze = self._dense("squeeze", hidden, channels)
        self.normalization = keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=self.precision, name="normalization"
        )
        self.normalization.build((None, hidden))
        start = "zeros" if self.identity_start else "glorot_uniform"
        self.expand = self._dense("expand", channels, hidden, kernel_initializer=start)

    def call(self, features: Tensor) -> Tensor:
        features = self._checked(features)
        sequence = self._precise(self._sequence(features))
        logits = ops.matmul(sequence, self._precise(self.key)[None])
        attention = ops.swapaxes(ops.softmax(logits, axis=1), 1, 2)
        context = ops.matmul(attention, sequence)[:, 0]
        hidden = ops.relu(self.normalization(self.squeeze(context)))
        return features + self._per_channel(self.expand(hidden), features)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "identity_start": self.identity_start,
        }
