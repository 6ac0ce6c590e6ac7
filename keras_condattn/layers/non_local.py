"""Non-local block: every position reads every other."""

from typing import Any

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._features import FeatureLayer, bottleneck, check_count


@export
class NonLocal(FeatureLayer):
    """Non-local block: adds what embedded Gaussian attention gathers from everywhere.

    ```
    t = W_t x + b_t,  p = W_p x,  g = W_g x            C // reduction channels
    z(n) = sum_m softmax over m of (t(n) . p(m)) g(m)
    y = x + batch_norm(W z)
    ```

    The attention has N x M entries, M being the number of positions after
    subsampling: mind the memory of large maps.

    Args:
        reduction: the embeddings have C // reduction channels. Defaults to 2.
        subsample: p and g are max-pooled by this factor along every axis: with 2, M is
            N/4 for images. 1 is no pooling. Defaults to 1.
        identity_start: start at `y = x`: the gain of the normalisation begins at
            zero, as in the paper. Defaults to True.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes, whose sizes may change from call to call.
        training: whether the batch normalises, or moving averages.

    Returns:
        The features, of the shape and layout they came in.

    Raises:
        ValueError: for features of another rank or channel count, a `reduction` that
            is not a positive integer or exceeds the channels, or a `subsample` that
            is not a positive integer.

    Example:

    >>> layer = keras_condattn.layers.NonLocal(data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)

    Reference:
        Wang, Girshick, Gupta and He, "Non-local Neural Networks", CVPR 2018, arXiv
        1711.07971, in the embedded Gaussian form. Ours: no biases where they have no
        effect (on p, and on g and W before the normalisation), and pooling windows
        at the border may be partial, so that no position is left out.
    """

    def __init__(
        self,
        reduction: int = 2,
        subsample: int = 1,
        *,
        identity_start: bool = True,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.reduction = check_count("NonLocal", "reduction", reduction)
        self.subsample = check_count("NonLocal", "subsample", subsample)
        self.identity_start = identity_start

    def _build(self, channels: int, axes: int) -> None:
        inner = bottleneck("NonLocal", channels, self.reduction)
        # The softmax sees no bias of p, the normalisation none of g or W.
        for name, units, inputs in (
            ("theta", inner, channels),
            ("phi_g", 2 * inner, channels),
            ("output_projection", channels, inner),
        ):
            dense = keras.layers.Dense(
                units, use_bias=name == "theta", dtype=self.dtype_policy, name=name
            )
            dense.build((None, None, inputs))
            setattr(self, name, dense)
        self.normalization = keras.layers.BatchNormalization(
            gamma_initializer="zeros" if self.identity_start else "ones",
            momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name="normalization",
        )  # fmt: skip
        self.normalization.build((None, None, channels))

    def call(self, features: Tensor, training: bool | None = None) -> Tensor:
        features = self._checked(features)
        last = self._last(features)
        theta = self._positions(self.theta(last))
        phi, g = ops.split(self._positions(self._pool(self.phi_g(last))), 2, axis=-1)
        phi = ops.swapaxes(self._precise(phi), 1, 2)
        attention = ops.softmax(ops.matmul(self._precise(theta), phi), axis=-1)
        gathered = ops.matmul(ops.cast(attention, self.compute_dtype), g)
        update = self.output_projection(gathered)
        update = self.normalization(update, training=training)
        return features + self._back(ops.reshape(update, ops.shape(last)))

    def _pool(self, features: Tensor) -> Tensor:
        if self.subsample == 1:
            return features
        # Keras' default strides break on JAX (the padded pool size is padded again).
        return ops.max_pool(
            features, self.subsample, self.subsample, "same", "channels_last"
        )

    def _positions(self, last: Tensor) -> Tensor:
        """(B, *S, D) -> (B, N, D)."""
        return ops.reshape(last, (ops.shape(last)[0], -1, last.shape[-1]))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "reduction": self.reduction,
            "subsample": self.subsample,
            "identity_start": self.identity_start,
        }
