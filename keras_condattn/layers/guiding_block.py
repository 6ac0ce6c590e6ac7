"""The guiding block: one additive spatial attention for all channels."""

from typing import Any

from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn.layers._conditioned import Conditioned


@export
class GuidingBlock(Conditioned):
    """Guiding block: a spatial map, shared by all channels, beside a channel gain.

    ```
    h = tanh(W2 tanh(W1 z + b1) + b2)
    [gamma_b, gamma_s, alpha, beta] = W3 h + b3     (C, C, H and W values)
    a(i, j) = alpha_i + beta_j
    y = (1 + a + gamma_s) * x + gamma_b
    ```

    The map has one free value per row and per column, so its head grows with the
    image and the layer works at the size it was built for only.

    Args:
        hidden_units: width of the two hidden layers. None means half the channels,
            as released. Defaults to None.
        return_attention: return `(y, a)` in place of `y`. Defaults to False.
        identity_start: start exactly at `y = x` (the head is zero). Defaults to
            False, as released.
        data_format: `"channels_last"` or `"channels_first"`. None means
            `keras.config.image_data_format()`. Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        features: (B, *S, C), or (B, C, *S) in channels_first, with one to three
            spatial axes of known size.
        conditioning: (B, Z), a vector for each image of the batch.

    Returns:
        The features, of the shape and layout they came in; with
        `return_attention`, also the map a, (B, *S, 1) or (B, 1, *S), not bounded.

    Raises:
        ValueError: as `FiLM`, and for a spatial size that is unknown or not the
            one the layer was built for.

    Example:

    >>> layer = keras_condattn.layers.GuidingBlock(data_format="channels_last")
    >>> layer(np.ones((2, 8, 8, 6)), np.eye(4)[:2]).shape
    (2, 8, 8, 6)

    Reference:
        Rupprecht et al., "Guide Me: Interacting with Deep Networks", CVPR 2018,
        arXiv 1803.11544, as the comparison layer released with INSIDE (arXiv
        2008.10418) has it. One and three spatial axes are ours: the map is the sum
        of one vector per axis.
    """

    def __init__(
        self,
        hidden_units: int | None = None,
        return_attention: bool = False,
        *,
        identity_start: bool = False,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            hidden_units=hidden_units,
            identity_start=identity_start,
            data_format=data_format,
            **kwargs,
        )
        self.return_attention = return_attention

    def _build_heads(self, hidden: int, spatial: tuple[int | None, ...]) -> None:
        if None in spatial:
            raise ValueError(
                "GuidingBlock: features must have known spatial sizes, because it "
                f"learns a value for every row and column, got {spatial}; give "
                "input_shape in full, or use INSIDE or FiLM"
            )
        self.sizes = tuple(int(size) for size in spatial if size is not None)
        self.fc_3 = self._head("fc_3", 2 * self.channels + sum(self.sizes), hidden)

    def _check_shapes(
        self, features: tuple[int | None, ...], conditioning: tuple[int | None, ...]
    ) -> None:
        super()._check_shapes(features, conditioning)
        got = self.spatial(features)
        known = self.built and None not in got
        if known and got != self.sizes:
            raise ValueError(
                f"GuidingBlock: features must have the spatial size {self.sizes} that "
                f"the layer was built for, got {got}"
            )

    def call(self, features: Tensor, conditioning: Tensor) -> Any:
        features = self._checked(features, conditioning)
        head = self.fc_3(self._hidden(conditioning))
        shift, scale = head[:, : self.channels], head[:, self.channels :]
        axes = scale[:, self.channels :]
        scale = self._per_channel(1.0 + scale[:, : self.channels], features)
        attention = self._attention(axes)
        output = features * (scale + attention) + self._per_channel(shift, features)
        return (output, attention) if self.return_attention else output

    def _attention(self, axes: Tensor) -> Tensor:
        """The sum over axes of one vector each, (B, *S, 1) or (B, 1, *S)."""
        total, first = 0.0, 0
        for axis, size in enumerate(self.sizes):
            shape = [1] * (len(self.sizes) + 1)
            shape[axis + (self.channel_axis == 1)] = size
            profile = ops.reshape(axes[:, first : first + size], (-1, *shape))
            total, first = total + profile, first + size
        return ops.cast(total, self.compute_dtype)

    def compute_output_shape(
        self,
        features_shape: tuple[int | None, ...],
        conditioning_shape: tuple[int | None, ...],
    ) -> Any:
        shape = super().compute_output_shape(features_shape, conditioning_shape)
        attention = list(shape)
        attention[self.channel_axis] = 1
        return (shape, tuple(attention)) if self.return_attention else shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"return_attention": self.return_attention}
