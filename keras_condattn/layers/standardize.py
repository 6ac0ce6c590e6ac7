"""Grey levels of any scale to mean 0 and standard deviation 1."""

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import Tensor
from keras_condattn.layers._features import FeatureLayer

# Deviations below this share of the largest value are rounding in float32.
ROUNDING = 1e-6


@export
class Standardize(FeatureLayer):
    """Takes each image and channel to mean 0 and standard deviation 1.

    ```
    y(n) = (x(n) - mu) / sigma,  mu = mean_n x(n),  sigma^2 = mean_n (x(n) - mu)^2
    ```

    over the positions n of a sample and channel, and 0 where a channel is constant.
    Exact at any scale: grey levels of some 1e-3 (diffusion in mm^2/s) or of 1e4 with
    little contrast come out like all others.

    Args:
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, in any unit.

    Returns:
        What came in, standardised, of the same shape and layout.

    Raises:
        ValueError: for features of another rank or channel count.

    Example:

    >>> layer = keras_condattn.layers.Standardize(data_format="channels_last")
    >>> image = layer(np.array([[[1e-3], [2e-3], [3e-3]]]))
    >>> [round(float(value), 4) for value in image[0, :, 0]]
    [-1.2247, 0.0, 1.2247]

    Reference:
        The usual z-score. `keras.layers.GroupNormalization(groups=-1)` computes it
        for activations: it adds its epsilon to the variance, which small grey levels
        are below, and takes the variance as a difference of means, which is rounding
        where the mean is large and NaN on torch where a channel is constant.
    """

    def _build(self, channels: int, axes: int) -> None:
        pass

    def call(self, features: Tensor) -> Tensor:
        x = self._precise(features)
        self._check_shape(x.shape)
        axes = self._spatial(x)
        largest = ops.max(ops.abs(x), axis=axes, keepdims=True)
        # Twice: the first mean of a large constant is off by rounding.
        for _ in range(2):
            x = x - ops.mean(x, axis=axes, keepdims=True)
        top = ops.stop_gradient(ops.max(ops.abs(x), axis=axes, keepdims=True))
        blank = top <= ROUNDING * largest
        # Twice `where`: the branch not taken would put NaN into the gradient. Over
        # the largest deviation first, or the squares of small ones would be 0.
        x = x / ops.where(blank, ops.ones_like(top), top)
        squares = ops.mean(ops.square(x), axis=axes, keepdims=True)
        sigma = ops.sqrt(ops.where(blank, ops.ones_like(squares), squares))
        # 0 x in place of 0: NaN stays NaN, which the maximum of XLA may lose.
        y = ops.where(blank, 0.0 * x, x / sigma)
        return ops.cast(y, self.compute_dtype)
