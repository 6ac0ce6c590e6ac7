"""INSIDE: a window per channel, placed by non-imaging information."""

from typing import Any

import numpy as np
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers import _profiles
from keras_condattn.layers._modulation import Gain, Modulated

# Keeps a window of width zero from dividing by zero; the released constant.
EPSILON = 1e-7


@export
class INSIDE(Modulated):
    """INSIDE: gives each channel a soft window, then scales and shifts it.

    ```
    h = tanh(W2 tanh(W1 z + b1) + b2)
    [gamma, beta, mu'] = W3 h + b3            (C, C and C per spatial axis)
    sigma' = W4 h + b4                        (C per spatial axis)
    m = L/2 + tanh(mu') L/2 - 1/2             centre in pixels, axis of length L
    s = max_sigma tanh(sigma') + 1e-7         width in pixels
    a(i, j) = p((i - m_1) / s_1) p((j - m_2) / s_2)
    y = (1 - gamma) * (x * a) + beta
    loss += penalty * sum(sigma'^2) / B
    ```

    p is the `profile`, by default the Gaussian `p(u) = exp(-u^2 / 2)`. The window
    is separable, aligned with the axes and 1 at its centre; it is applied axis by
    axis, so no map of the features' size is made unless it is asked for.

    Args:
        max_sigma: largest width: pixels of the feature map, as released, or a
            fraction of each axis with `relative_sigma`. At 3.5 pixels a Gaussian
            falls to half within 4.1 pixels of its centre, whatever the size of the
            map. Defaults to 3.5.
        penalty: weight of the squared width, taken before its `tanh` and added to
            the model's losses. The released training loop never reads it; Keras
            does. Defaults to 1e-3.
        hidden_units: width of the two hidden layers. None means half the channels,
            as released. Defaults to None.
        profile: `"gaussian"`, `"super_gaussian"` (`exp(-u^4/2)`), `"cauchy"`
            (`1/(1+u^2)`), `"sech"` (`1/cosh u`), or a function of the normalised
            distance u, a tensor; register it with
            `keras.saving.register_keras_serializable` to save models that use it.
            Defaults to `"gaussian"`.
        relative_sigma: read `max_sigma` as a fraction of each axis' length, so that
            a window covers the same part of the image at every resolution.
            Defaults to False.
        return_attention: return `(y, a)` in place of `y`. Defaults to False.
        gain: `"one_minus_gamma"`, as released, or `"gamma"` for
            `y = gamma * (x * a) + beta`, as in the paper's figure. Defaults to
            `"one_minus_gamma"`.
        identity_start: start with gain 1, shift 0 and the widest central window in
            every channel. With a `max_sigma` as large as the map this is nearly the
            identity; with 3.5 pixels it is the centre of the image. Defaults to
            False, as released.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, whose sizes may change from call to call.
        conditioning: (B, Z), a vector for each image of the batch.

    Returns:
        The features, of the shape and layout they came in; with
        `return_attention`, also the windows a, of the same shape.

    Raises:
        ValueError: as `FiLM`, and for a `max_sigma` that is not positive, a negative
            `penalty` or an unknown `profile`.

    Example:

    >>> layer = keras_condattn.layers.INSIDE(data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 6)), np.eye(4)[:2]).shape
    (2, 8, 8, 6)

    Reference:
        Jacenków, O'Neil, Mohr and Tsaftaris, "INSIDE: Steering Spatial Attention
        with Non-Imaging Information in CNNs", MICCAI 2020, arXiv 2008.10418; the
        formula is that of the released code. Ours: other profiles, one and three
        spatial axes, relative widths, windows never laid out in full, and a width
        below 1e-7 pixels counts as 1e-7.
    """

    def __init__(
        self,
        max_sigma: float = 3.5,
        penalty: float = 1e-3,
        hidden_units: int | None = None,
        profile: _profiles.Profile = "gaussian",
        relative_sigma: bool = False,
        return_attention: bool = False,
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
        if not max_sigma > 0:
            raise ValueError(f"max_sigma must be positive, got {max_sigma!r}")
        if not penalty >= 0:
            raise ValueError(f"penalty must not be negative, got {penalty!r}")
        self.max_sigma = float(max_sigma)
        self.penalty = float(penalty)
        self.profile = _profiles.resolve(profile)
        self.relative_sigma = relative_sigma
        self.return_attention = return_attention

    def _build_heads(self, hidden: int, spatial: tuple[int | None, ...]) -> None:
        axes, channels = len(spatial), self.channels
        start = self._start(2 + axes)
        self.fc_3 = self._head("fc_3", (2 + axes) * channels, hidden, start)
        # tanh(2) = 0.96: wide, and not yet where tanh has no gradient.
        wide = np.full(axes * channels, 2.0, "float32")
        self.fc_4 = self._head("fc_4", axes * channels, hidden, wide)

    def call(self, features: Tensor, conditioning: Tensor) -> Any:
        features = self._checked(features, conditioning)
        hidden = self._hidden(conditioning)
        axes = len(features.shape) - 2
        gamma, beta, *centres = ops.split(self.fc_3(hidden), 2 + axes, axis=-1)
        raw = self.fc_4(hidden)
        if self.penalty:
            # The mean over the batch, as Keras averages an activity regulariser.
            self.add_loss(self.penalty * ops.mean(ops.sum(ops.square(raw), axis=-1)))
        widths = ops.split(ops.tanh(raw), axes, axis=-1)
        windows = [
            self._window(features, axis, ops.tanh(centre), width)
            for axis, (centre, width) in enumerate(zip(centres, widths, strict=True))
        ]
        return self._modulate(features, windows, gamma, beta)

    def _window(
        self, features: Tensor, axis: int, centre: Tensor, width: Tensor
    ) -> Tensor:
        """p((i - m) / s) along one axis, of size 1 along the others."""
        first = axis + (2 if self.channel_axis == 1 else 1)
        length = ops.shape(features)[first]
        extent = ops.cast(length, centre.dtype)
        shape = [1] * len(features.shape)
        shape[first] = length
        position = ops.reshape(ops.arange(length, dtype=centre.dtype), shape)
        unit = extent * self.max_sigma if self.relative_sigma else self.max_sigma
        sigma = unit * width + EPSILON
        sigma = ops.where(ops.abs(sigma) < EPSILON, EPSILON, sigma)
        middle = 0.5 * extent * (1.0 + centre) - 0.5
        offset = position - self._broadcast(middle, features)
        return self.profile(offset / self._broadcast(sigma, features))

    def _modulate(
        self, features: Tensor, windows: list[Tensor], gamma: Tensor, beta: Tensor
    ) -> Any:
        scale = self._broadcast(self._scale(gamma), features)
        output = features
        # The gain rides on the first, small window: a pass over the features less.
        for window in (scale * windows[0], *windows[1:]):
            output = output * ops.cast(window, self.compute_dtype)
        output = output + self._per_channel(beta, features)
        if not self.return_attention:
            return output
        attention = windows[0]
        for window in windows[1:]:
            attention = attention * window
        return output, ops.cast(attention, self.compute_dtype)

    def compute_output_shape(
        self,
        features_shape: tuple[int | None, ...],
        conditioning_shape: tuple[int | None, ...],
    ) -> Any:
        shape = super().compute_output_shape(features_shape, conditioning_shape)
        return (shape, shape) if self.return_attention else shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "max_sigma": self.max_sigma,
            "penalty": self.penalty,
            "profile": _profiles.serialize(self.profile),
            "relative_sigma": self.relative_sigma,
            "return_attention": self.return_attention,
        }
