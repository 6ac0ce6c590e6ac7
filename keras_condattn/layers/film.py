"""Feature-wise linear modulation."""

from typing import Any

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._modulation import Gain, Modulated


@export
class FiLM(Modulated):
    """Feature-wise linear modulation: scales and shifts each channel by a condition.

    ```
    h = tanh(W2 tanh(W1 z + b1) + b2)
    [gamma, beta] = W3 h + b3
    y = (1 - gamma) * x + beta
    ```

    Every position of a channel is treated alike, so FiLM can choose *what* passes
    but not *where*; `INSIDE` is the layer that also says where.

    Args:
        hidden_units: width of the two hidden layers. None means half the channels,
            as released. Defaults to None.
        gain: `"one_minus_gamma"`, as released, or `"gamma"` for
            `y = gamma * x + beta`, as FiLM's own paper writes it. One is the other
            with gamma' = 1 - gamma, but they start differently: near gain 1, or
            near gain 0. Defaults to `"one_minus_gamma"`.
        identity_start: start exactly at `y = x` (the head's kernel is zero).
            Defaults to False, as released.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes.
        conditioning: (B, Z), a vector for each image of the batch.

    Returns:
        The modulated features, of the shape and layout of `features`.

    Raises:
        ValueError: for features of another rank or channel count, a conditioning
            that is not one finite vector an image (NaN is seen wherever the value
            can be looked at: eager calls, not inside a compiled step), or an
            argument out of its range.

    Example:

    >>> layer = keras_condattn.layers.FiLM(data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 6)), np.eye(4)[:2]).shape
    (2, 8, 8, 6)

    Reference:
        Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer",
        AAAI 2018, arXiv 1709.07871. The hidden layers and the sign of gamma are
        those of the code released with Jacenków et al., "INSIDE: Steering Spatial
        Attention with Non-Imaging Information in CNNs", MICCAI 2020, arXiv
        2008.10418. Unlike FiLM's paper there is no normalisation inside: put one
        before it, without its own scale and centre, if you want theirs.
    """

    def __init__(
        self,
        hidden_units: int | None = None,
        *,
        gain: Gain = "one_minus_gamma",
        identity_start: bool = False,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            hidden_units=hidden_units,
            gain=gain,
            identity_start=identity_start,
            data_format=data_format,
            **kwargs,
        )

    def _build_heads(self, hidden: int, spatial: tuple[int | None, ...]) -> None:
        self.fc_3 = self._head("fc_3", 2 * self.channels, hidden, self._start(2))

    def call(self, features: Tensor, conditioning: Tensor) -> Tensor:
        features = self._checked(features, conditioning)
        gamma, beta = ops.split(self.fc_3(self._hidden(conditioning)), 2, axis=-1)
        scale = self._per_channel(self._scale(gamma), features)
        return features * scale + self._per_channel(beta, features)
