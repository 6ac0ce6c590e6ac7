"""Self-attention whose maps say which neighbours are alike."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from keras_condattn._export import export
from keras_condattn._types import DataFormat, Tensor
from keras_condattn._window import inside, transposed
from keras_condattn._window_products import window_products
from keras_condattn.layers._checks import check_data_format
from keras_condattn.layers._streamed import attend

StaticShape = tuple[int | None, ...]
SimilarityOf = Literal["attention", "log_attention"]


@export
class AttentiveSimilarity(keras.layers.Layer):
    """A transformer block, and the similarity of neighbours that its attention tells.

    ```
    h  = x + W_o softmax(q k^T / sqrt(d)) v + b_o      q, k, v from LayerNorm(x)
    y  = LayerNorm(h + MLP(LayerNorm(h)))              MLP: dense, 3x3 depthwise
                                                       convolution, GELU, dense
    A  = softmax(q k^T)                                over all pixels, unscaled
    K_ij = sigmoid(w (A_ij + A_ji) + b)                j in the window of i
    ```

    With `similarity="log_attention"`, A is the softmax of the attention itself and

    ```
    K_ij = sigmoid(w log(N sqrt(A_ij A_ji)) + b)       the log is 0 if A is even
    ```

    An entry of A is 1 / N on average, so that in the first form w (A_ij + A_ji) is
    next to nothing beside b, and K is much the same number for every pair. The second
    does not depend on N, and K can differ from pair to pair from the first step on.

    K is returned for the (2 radius + 1)^2 neighbours of each pixel and for no other
    pair. The softmax still runs over all N pixels: its normaliser is collected a
    block of queries at a time, with exact gradients, and nothing of size N x N
    lives at any time, forward or backward.

    Args:
        radius: of the window in pixels of the feature map. Defaults to 5.
        heads: of the attention; A, or its logarithm, is their mean. Defaults to 1.
        mlp_ratio: hidden channels of the MLP over those of the features. Defaults
            to 4.
        similarity: `"attention"` as released, or `"log_attention"`. Defaults to
            `"attention"`.
        use_bias: give q, k and v biases. Defaults to False.
        epsilon: of the normalisations. Defaults to 1e-5.
        data_format: `"channels_last"` or `"channels_first"`, of the features. None
            means `keras.config.image_data_format()`. Defaults to None.
        **kwargs: as for every Keras layer.

    Call arguments:
        features: (B, H, W, C), or (B, C, H, W) in channels_first.

    Returns:
        `(features, similarity)`: y, shaped like x, and K in float32,
        (B, H, W, (2 radius + 1)^2) in both data formats, neighbours row by row; 0
        outside the image and at the centre.

    Raises:
        ValueError: for an argument out of its range, features that are not an image,
            or channels that `heads` does not divide.

    Example:

    >>> layer = keras_condattn.layers.AttentiveSimilarity(
    ...     radius=1, data_format="channels_last"
    ... )
    >>> features, similarity = layer(np.ones((2, 6, 5, 8), "float32"))
    >>> tuple(features.shape), tuple(similarity.shape)
    ((2, 6, 5, 8), (2, 6, 5, 9))

    Reference:
        AttenScribble, arXiv 2312.06614. As in the released code K takes the logits
        without the 1 / sqrt(d) of the attention itself. The released w and b are
        drawn from U(-1, 1); here w = 1 and b = 0 at the start, so that K begins at
        1/2 in every run. The logarithm is ours. A backend's fused attention
        (`ops.dot_product_attention`) is not used: it keeps the normaliser, which K
        needs, to itself, and the logits of all pairs would be computed once more.
    """

    def __init__(
        self,
        radius: int = 5,
        heads: int = 1,
        mlp_ratio: int = 4,
        similarity: SimilarityOf = "attention",
        use_bias: bool = False,
        epsilon: float = 1e-5,
        data_format: DataFormat | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        whole = {"radius": radius, "heads": heads, "mlp_ratio": mlp_ratio}
        for name, value in whole.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number from 1, got {value!r}")
        if similarity not in get_args(SimilarityOf):
            raise ValueError(
                f"similarity must be one of {get_args(SimilarityOf)}, got "
                f"{similarity!r}"
            )
        if not isinstance(epsilon, int | float) or not epsilon > 0:
            raise ValueError(f"epsilon must be a number above 0, got {epsilon!r}")
        self.radius, self.heads, self.mlp_ratio = radius, heads, mlp_ratio
        self.similarity = similarity
        self.use_bias, self.epsilon = use_bias, epsilon
        self.data_format = check_data_format(data_format)

    def build(self, features_shape: StaticShape) -> None:
        channels = self._channels(features_shape)
        last = (*features_shape[:1], None, None, channels)
        for name in ("attention_norm", "mlp_norm", "norm"):
            norm = keras.layers.LayerNormalization(
                epsilon=self.epsilon, dtype=self.dtype_policy, name=name
            )
            self._built(name, norm, last)
        for name, units, bias in (
            ("query", channels, self.use_bias),
            ("key_value", 2 * channels, self.use_bias),
            ("projection", channels, True),
            ("expand", self.mlp_ratio * channels, True),
        ):
            self._built(name, self._dense(name, units, bias), last)
        wide = (*last[:3], self.mlp_ratio * channels)
        depthwise = keras.layers.DepthwiseConv2D(
            3, padding="same", data_format="channels_last", dtype=self.dtype_policy,
            name="depthwise",
        )  # fmt: skip
        self._built("depthwise", depthwise, wide)
        self._built("contract", self._dense("contract", channels, True), wide)
        self.similarity_weight = self.add_weight(
            shape=(), initializer="ones", name="similarity_weight"
        )
        self.similarity_bias = self.add_weight(
            shape=(), initializer="zeros", name="similarity_bias"
        )

    def call(self, features: Tensor) -> tuple[Tensor, Tensor]:
        first = self.data_format == "channels_first"
        x = ops.moveaxis(features, 1, -1) if first else features
        attended, similarity = self._attend(self.attention_norm(x))
        x = x + self.projection(attended)
        hidden = self.depthwise(self.expand(self.mlp_norm(x)))
        x = x + self.contract(ops.gelu(hidden, approximate=False))
        x = self.norm(x)
        return ops.moveaxis(x, -1, 1) if first else x, similarity

    def _attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The attended values (B, H, W, C) and K (B, H, W, places)."""
        size, width = ops.shape(x), x.shape[-1] // self.heads
        pair = self.key_value(x)
        q, k, v = (
            # Sums over all pixels want float32, whatever the layer computes in.
            self._by_head(ops.cast(part, "float32"))
            for part in (self.query(x), *ops.split(pair, 2, axis=-1))
        )
        flat = (size[0] * self.heads, size[1] * size[2], width)
        rows, columns, values = (ops.reshape(part, flat) for part in (q, k, v))
        scale = width**-0.5
        other = 1.0 if self.similarity == "attention" else scale
        out, normaliser = attend(rows, columns, values, scale, other)
        out = ops.reshape(out, (size[0], self.heads, *size[1:3], width))
        out = ops.reshape(ops.moveaxis(out, 1, 3), (*size[:3], x.shape[-1]))
        grid = (flat[0], *size[1:3])
        # log A of each pixel's window; meaningless outside the image.
        share = other * window_products(q, k, self.radius)
        share = share - ops.reshape(normaliser, (*grid, 1))
        if self.similarity == "attention":
            share = ops.exp(share)
        else:
            share = 0.5 * (share + ops.log(ops.cast(size[1] * size[2], "float32")))
        places = share.shape[-1]
        share = ops.reshape(share, (size[0], self.heads, *size[1:3], places))
        return ops.cast(out, x.dtype), self._similarity(ops.mean(share, axis=1))

    def _by_head(self, x: Tensor) -> Tensor:
        """(B, H, W, C) as (B heads, H, W, C / heads)."""
        size, width = ops.shape(x), x.shape[-1] // self.heads
        x = ops.reshape(x, (*size[:3], self.heads, width))
        return ops.reshape(
            ops.moveaxis(x, 3, 1), (size[0] * self.heads, *size[1:3], width)
        )

    def _similarity(self, share: Tensor) -> Tensor:
        known = _neighbours(share, self.radius)
        share = share * known
        weight, bias = (
            ops.cast(ops.convert_to_tensor(v), "float32")
            for v in (self.similarity_weight, self.similarity_bias)
        )
        both = share + transposed(share, self.radius)
        return ops.sigmoid(weight * both + bias) * known

    def _dense(self, name: str, units: int, bias: bool) -> keras.layers.Dense:
        return keras.layers.Dense(
            units, use_bias=bias, dtype=self.dtype_policy, name=name
        )

    def _built(self, name: str, layer: keras.layers.Layer, shape: StaticShape) -> None:
        layer.build(shape)
        setattr(self, name, layer)

    def _channels(self, shape: StaticShape) -> int:
        if len(shape) != 4:
            raise ValueError(
                f"features must be images, with two spatial axes, got shape {shape}"
            )
        channels = shape[1 if self.data_format == "channels_first" else -1]
        if channels is None or channels % self.heads:
            raise ValueError(
                f"features must have channels that heads={self.heads} divides, got "
                f"shape {shape} ({self.data_format})"
            )
        return channels

    def compute_output_shape(self, features_shape: StaticShape) -> Any:
        first = self.data_format == "channels_first"
        size = features_shape[2:] if first else features_shape[1:3]
        places = (2 * self.radius + 1) ** 2
        return tuple(features_shape), (features_shape[0], *size, places)

    def compute_output_spec(self, features: keras.KerasTensor) -> Any:
        shapes = self.compute_output_shape(features.shape)
        return (
            keras.KerasTensor(shapes[0], dtype=self.compute_dtype),
            keras.KerasTensor(shapes[1], dtype="float32"),
        )

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        names = (
            "radius", "heads", "mlp_ratio", "similarity", "use_bias", "epsilon",
            "data_format",
        )  # fmt: skip
        return config | {name: getattr(self, name) for name in names}


def _neighbours(window: Tensor, radius: int) -> Tensor:
    """1 where a place holds a neighbour within the image, (1, H, W, places)."""
    size, places = ops.shape(window), (2 * radius + 1) ** 2
    others = ops.cast(ops.not_equal(ops.arange(places), places // 2), "float32")
    return inside(size[1], size[2], radius) * others
